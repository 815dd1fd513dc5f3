"""`gatewright scopes push` against a real server: of the data folder, and as any application of it."""

from __future__ import annotations

import itertools
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.running import GATEWRIGHT, environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Cli
    from tests.running import Application, Caller, ServerProcess

    Code = Callable[..., str]

APP = """
from gatewright import Guard, all_of, any_of, claim
from gatewright.asgi import protect

async def plain(scope, receive, send): ...

guard = Guard("https://issuer.example/", audience={audience!r}{more})
app = protect(plain, guard, rules={rules!r}, public=["/health"])
"""
BLOG = {"GET /blogs": "read:blog", "POST /blogs": "create:blog", "PUT /blogs/{id}": "create:blog"}
NUMBERS = itertools.count()
# It may read secrets too, as applications of other tools may, and has no cause to.
MAY_PUSH = (
    "read:resource_servers",
    "create:resource_servers",
    "update:resource_servers",
    "read:clients",
    "read:client_keys",
    "read:client_grants",
)


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Code:
    """Writes a program with these rules into the current folder, and gives what names its application."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("AUTH0_DOMAIN", "AUTH0_CLIENT_ID", "AUTH0_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)

    def write(audience: str | list[str], rules: dict[str, str], more: str = "") -> str:
        # A module is imported once in a process: each program has a name of its own.
        name = f"pushed_{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(APP.format(audience=audience, rules=rules, more=more))
        return f"{name}:app"

    return write


def defined(caller: Caller, identifier: str) -> list[dict[str, str]]:
    scopes: list[dict[str, str]] = caller.manage("GET", f"resource-servers/{identifier}").json()["scopes"]
    return scopes


def last_write(caller: Caller) -> str:
    """Which change the server has recorded last."""
    (newest,) = caller.manage("GET", "logs", params={"q": "type:sapi", "per_page": 1}).json()
    log_id: str = newest["log_id"]
    return log_id


def test_pushed_twice_the_second_plan_is_empty(cli: Cli, caller: Caller, code: Code) -> None:
    target = code("urn:twice", BLOG)
    first = cli("scopes", "push", target, "--name", "Twice", "--force", "--json")
    assert first.code == 0
    assert first.json == {
        "api": {"identifier": "urn:twice", "name": "Twice", "is_new": True},
        "added": [
            {"value": "read:blog", "description": "Read blog", "routes": ["GET /blogs"]},
            {
                "value": "create:blog",
                "description": "Create blog",
                "routes": ["POST /blogs", "PUT /blogs/{id}"],
            },
        ],
        "unused": [],
        "unchanged": 0,
    }
    assert [scope["value"] for scope in defined(caller, "urn:twice")] == ["read:blog", "create:blog"]
    assert cli("apis", "show", "urn:twice", "--json").json["name"] == "Twice"

    before = last_write(caller)
    second = cli("scopes", "push", target, "--json")
    assert second.code == 0
    assert (second.json["added"], second.json["unused"], second.json["unchanged"]) == ([], [], 2)
    assert cli("scopes", "push", target, "--check").code == 0
    assert last_write(caller) == before


def test_plan_is_shown_to_people_and_a_dry_run_changes_nothing(cli: Cli, caller: Caller, code: Code) -> None:
    caller.create("resource-servers", name="Dry", identifier="urn:dry", scopes=[{"value": "read:blog"}])
    before = last_write(caller)
    ran = cli("scopes", "push", code("urn:dry", BLOG), "--dry-run")
    assert ran.code == 0
    assert ran.out.split() == ["add", "create:blog", "POST", "/blogs,", "PUT", "/blogs/{id}"]
    assert 'The API "Dry" (urn:dry)' in ran.err
    assert "1 to add, 0 unused, 1 unchanged." in ran.err
    assert cli("scopes", "push", code("urn:dry", BLOG), "--check").code == 1
    assert last_write(caller) == before


def test_what_is_there_keeps_its_place_and_its_description(cli: Cli, caller: Caller, code: Code) -> None:
    present = [{"value": "other", "description": "Of another program"}, {"value": "create:blog"}]
    caller.create("resource-servers", name="Kept", identifier="urn:kept", scopes=present)
    ran = cli("scopes", "push", code("urn:kept", BLOG), "--force", "--keep", "other", "--json")
    assert (ran.code, ran.json["unused"], ran.json["unchanged"]) == (0, [], 2)
    assert defined(caller, "urn:kept") == [*present, {"value": "read:blog", "description": "Read blog"}]
    assert cli("scopes", "push", code("urn:kept", BLOG), "--check", "--keep", "other").code == 0
    assert cli("scopes", "push", code("urn:kept", BLOG), "--check").code == 1


def test_nobody_is_asked_where_nobody_can_answer(cli: Cli, caller: Caller, code: Code) -> None:
    ran = cli("scopes", "push", code("urn:unasked", BLOG))
    assert (ran.code, "--force" in ran.err) == (2, True)
    assert caller.manage("GET", "resource-servers/urn:unasked").status_code == 404


@pytest.fixture
def held(caller: Caller, request: pytest.FixtureRequest) -> dict[str, Any]:
    """An API with a permission that no rule of `BLOG` names, and that three have in their ways."""
    identifier = f"urn:{request.node.name}"
    scopes = [{"value": value} for value in ("read:blog", "create:blog", "old", "forgotten")]
    api = caller.create("resource-servers", name="Held", identifier=identifier, scopes=scopes)
    some, everything, neither = (caller.application(f"{name} {identifier}") for name in ("A", "B", "C"))
    caller.authorize(some, identifier, "read:blog", "old")
    caller.create("client-grants", client_id=everything.client_id, audience=identifier, allow_all_scopes=True)
    caller.authorize(neither, identifier, "read:blog")
    role = caller.manage("POST", "roles", json={"name": f"Editor {identifier}"}).json()
    permission = {"resource_server_identifier": identifier, "permission_name": "old"}
    added = caller.manage("POST", f"roles/{role['id']}/permissions", json={"permissions": [permission]})
    assert added.status_code == 201
    return {"api": api, "identifier": identifier, "some": some, "everything": everything}


def test_what_no_rule_names_is_told_with_whoever_holds_it(cli: Cli, code: Code, held: dict[str, Any]) -> None:
    identifier = held["identifier"]
    target = code(identifier, BLOG)
    old, forgotten = cli("scopes", "push", target, "--dry-run", "--json").json["unused"]
    everything = {"client_id": held["everything"].client_id, "name": f"B {identifier}"}
    assert {**old, "applications": sorted(old["applications"], key=lambda each: str(each["name"]))} == {
        "value": "old",
        "remove": False,
        "applications": [{"client_id": held["some"].client_id, "name": f"A {identifier}"}, everything],
        "roles": [f"Editor {identifier}"],
    }
    assert (forgotten["applications"], forgotten["roles"]) == ([everything], [])
    (line, _) = cli("scopes", "push", target, "--dry-run").out.splitlines()
    assert line.split()[:4] == ["unused", "old", "held", "by"]
    assert f"role Editor {identifier}" in line


def test_unused_permissions_stay_unless_they_are_pruned(
    cli: Cli, caller: Caller, code: Code, held: dict[str, Any]
) -> None:
    identifier, target = held["identifier"], code(held["identifier"], BLOG)
    values = [scope["value"] for scope in defined(caller, identifier)]
    assert cli("scopes", "push", target).code == 0
    refused = cli("scopes", "push", target, "--prune")
    assert (refused.code, "takes access away: old (" in refused.err) == (2, True)
    assert f"A {identifier}" in refused.err
    assert [scope["value"] for scope in defined(caller, identifier)] == values

    done = cli("scopes", "push", target, "--prune", "--force")
    assert done.code == 0, done.err
    assert [line.split()[:2] for line in done.out.splitlines()] == [
        ["remove", "old"],
        ["remove", "forgotten"],
    ]
    assert [scope["value"] for scope in defined(caller, identifier)] == ["read:blog", "create:blog"]
    assert caller.ask_token(held["some"], identifier).json()["scope"] == "read:blog"
    assert cli("scopes", "push", target, "--check").code == 0


def test_change_by_somebody_else_in_the_meantime_is_not_undone(
    server: ServerProcess, caller: Caller, code: Code
) -> None:
    api = caller.create("resource-servers", name="Race", identifier="urn:race", scopes=[{"value": "a"}])
    ours, theirs = pty.openpty()
    words = [GATEWRIGHT, "scopes", "push", code("urn:race", BLOG), "--data", str(server.data)]
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment()) as process:
        os.close(theirs)
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(ours, 4096)
        caller.update(f"resource-servers/{api['id']}", scopes=[{"value": "a"}, {"value": "b"}])
        os.write(ours, b"y\n")
        assert process.wait(timeout=60) == 5
    os.close(ours)
    assert [scope["value"] for scope in defined(caller, "urn:race")] == ["a", "b"]


def test_yaml_is_for_deploy_cli_and_asks_no_server(bare_cli: Cli, code: Code) -> None:
    more = ("--keep", "delete:blog", "--to", "https://nobody.invalid")
    ran = bare_cli("scopes", "push", code("urn:yaml", BLOG), "--yaml", *more)
    assert (ran.code, ran.err) == (0, "")
    assert yaml.safe_load(ran.out) == {
        "resourceServers": [
            {
                "identifier": "urn:yaml",
                "name": "urn:yaml",
                "scopes": [
                    {"value": "read:blog", "description": "Read blog"},
                    {"value": "create:blog", "description": "Create blog"},
                    # What is not in the file is taken away.
                    {"value": "delete:blog"},
                ],
            }
        ]
    }


def test_yaml_can_be_imported(cli: Cli, caller: Caller, code: Code, tmp_path: Path) -> None:
    target = code("urn:imported", BLOG)
    (tmp_path / "tenant.yaml").write_text(cli("scopes", "push", target, "--yaml", "--name", "Imported").out)
    assert cli("import", str(tmp_path / "tenant.yaml")).code == 0
    assert len(defined(caller, "urn:imported")) == 2
    assert cli("scopes", "push", target, "--check").code == 0


@pytest.fixture
def pusher(caller: Caller, request: pytest.FixtureRequest) -> Application:
    """An application that may do what a push does, and look at no role."""
    made = caller.application(f"Pusher of {request.node.name}")
    caller.authorize(made, caller.issuer + "api/v2/", *MAY_PUSH)
    return made


def test_any_application_with_the_management_api_can_push(
    bare_cli: Cli, caller: Caller, code: Code, pusher: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTH0_DOMAIN", caller.issuer.removeprefix("http://").rstrip("/"))
    monkeypatch.setenv("AUTH0_CLIENT_ID", pusher.client_id)
    monkeypatch.setenv("AUTH0_CLIENT_SECRET", pusher.client_secret)
    to = ("--to", caller.issuer.rstrip("/"))
    first = bare_cli("scopes", "push", code("urn:remote", BLOG), *to, "--force")
    assert first.code == 0, first.err
    second = bare_cli("scopes", "push", code("urn:remote", {"GET /blogs": "read:blog"}), *to, "--check")
    assert (second.code, second.out.split()) == (1, ["unused", "create:blog", "held", "by", "nobody"])
    for ran in (first, second):
        assert pusher.client_secret not in ran.out + ran.err
    read = {"q": f"type:mgmt_api_read AND client_id:{pusher.client_id}"}
    assert caller.manage("GET", "logs", params=read).json() == []


def test_credentials_of_the_options_win(
    bare_cli: Cli, caller: Caller, code: Code, pusher: Application
) -> None:
    given = ("--client-id", pusher.client_id, "--client-secret", pusher.client_secret)
    ran = bare_cli("scopes", "push", code("urn:options", BLOG), "--to", caller.issuer, *given, "--force")
    assert ran.code == 0, ran.err
    wrong = bare_cli(
        "scopes", "push", code("urn:options", BLOG), "--to", caller.issuer, *given[:3], "not-the-secret"
    )
    assert (wrong.code, "not-the-secret" in wrong.out + wrong.err) == (4, False)
    assert "gatewright serve" not in wrong.err


def test_application_that_may_only_read_plans_and_changes_nothing(
    bare_cli: Cli, caller: Caller, code: Code
) -> None:
    reader = caller.application("Reads only")
    caller.authorize(reader, caller.issuer + "api/v2/", *(each for each in MAY_PUSH if "read" in each))
    given = ("--to", caller.issuer, "--client-id", reader.client_id, "--client-secret", reader.client_secret)
    assert bare_cli("scopes", "push", code("urn:read", BLOG), *given, "--dry-run").code == 0
    ran = bare_cli("scopes", "push", code("urn:read", BLOG), *given, "--force")
    assert (ran.code, "create:resource_servers" in ran.err) == (4, True)


def test_server_of_the_data_folder_may_be_named(cli: Cli, caller: Caller, code: Code) -> None:
    assert cli("scopes", "push", code("urn:named", BLOG), "--to", caller.issuer, "--dry-run").code == 0


def test_secret_of_one_tenant_goes_to_no_other_server(
    bare_cli: Cli, caller: Caller, code: Code, pusher: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTH0_DOMAIN", "acme.eu.auth0.com")
    monkeypatch.setenv("AUTH0_CLIENT_ID", pusher.client_id)
    monkeypatch.setenv("AUTH0_CLIENT_SECRET", pusher.client_secret)
    ran = bare_cli("scopes", "push", code("urn:tenant", BLOG), "--to", caller.issuer, "--dry-run")
    assert (ran.code, "acme.eu.auth0.com" in ran.err, pusher.client_secret in ran.err) == (2, True, False)


@pytest.mark.parametrize(
    "words",
    [
        ("--to", "http://auth.example/"),
        ("--to", "https://user:secret@auth.example/"),
        ("--to", "ftp://user:secret@auth.example/"),
        ("--to", "ftp://auth.example/"),
        ("--to", "https://auth.example/?a=b"),
        ("--to", "https://auth.example/"),
        ("--to", "https://auth.example/", "--client-id", "only"),
        ("--client-id", "without", "--client-secret", "to"),
    ],
)
def test_server_that_cannot_be_meant_is_refused(cli: Cli, code: Code, words: tuple[str, ...]) -> None:
    ran = cli("scopes", "push", code("urn:x", BLOG), "--dry-run", *words)
    assert (ran.code, "secret@" in ran.err) == (2, False), ran.err


def test_one_audience_of_several_is_chosen(cli: Cli, code: Code) -> None:
    target = code(["urn:one", "urn:two"], BLOG)
    ran = cli("scopes", "push", target, "--dry-run")
    assert (ran.code, "urn:two" in ran.err) == (2, True)
    chosen = cli("scopes", "push", target, "--api", "urn:two", "--dry-run", "--json")
    assert chosen.json["api"]["identifier"] == "urn:two"


def test_api_is_named_by_its_identifier_alone(cli: Cli, caller: Caller, code: Code) -> None:
    api = caller.create("resource-servers", name="By id", identifier="urn:by-id")
    ran = cli("scopes", "push", code("urn:other", BLOG), "--api", api["id"], "--force")
    assert (ran.code, "say its identifier: urn:by-id" in ran.err) == (2, True)


def test_own_api_of_the_server_is_left_alone(cli: Cli, caller: Caller, code: Code) -> None:
    ran = cli("scopes", "push", code(caller.issuer + "api/v2/", BLOG), "--prune", "--force")
    assert (ran.code, "own API" in ran.err) == (1, True)


def test_new_api_signs_as_its_guard_wants(cli: Cli, code: Code) -> None:
    assert cli("scopes", "push", code("urn:signed", BLOG, ', algorithms=["ES256"]'), "--force").code == 0
    assert cli("apis", "show", "urn:signed", "--json").json["signing_alg"] == "ES256"


@pytest.mark.parametrize(
    ("scope", "description"),
    [
        ("create:blog", "Create blog"),
        ("files:write", "Write files"),
        ("admin", "Admin"),
        ("read:blog_posts", "Read blog posts"),
        ("https://x/read", "Read https x"),
        (":", ":"),
    ],
)
def test_new_permission_has_a_description_that_people_can_read(
    cli: Cli, code: Code, scope: str, description: str
) -> None:
    (added,) = cli("scopes", "push", code("urn:described", {"/": scope}), "--dry-run", "--json").json["added"]
    assert added["description"] == description


SETTINGS = """
SECRET_KEY = "not secret"
ROOT_URLCONF = "urls"
MIDDLEWARE = ["gatewright.django.Middleware"]
GATEWRIGHT = {"issuer": "https://issuer.example/", "audience": "urn:django"}
"""
URLS = """
from django.urls import path
from django.http import HttpResponse
from gatewright.django import require

@require("read:blog", POST="create:blog")
def blogs(request): return HttpResponse()

urlpatterns = [path("blogs/", blogs)]
"""


def test_rules_of_a_django_project_are_pushed(server: ServerProcess, caller: Caller, tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(SETTINGS)
    (tmp_path / "urls.py").write_text(URLS)
    ran = subprocess.run(
        [GATEWRIGHT, "scopes", "push", "--django", "settings", "--force"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment(GATEWRIGHT_DATA=str(server.data)),
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert {scope["value"] for scope in defined(caller, "urn:django")} == {"read:blog", "create:blog"}
