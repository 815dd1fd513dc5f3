"""`gatewright can` against a real server: what it foretells is what the server and a guard then do."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from gatewright import Denied, Guard, Request, acr, all_of, any_of, claim, fresh
from gatewright.guard import lock_file
from gatewright.guard.routes import Access, Route
from tests.running import GATEWRIGHT, bearer, environment

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2

    from gatewright.guard.rules import Rule
    from tests.cli.conftest import Cli
    from tests.running import Application, Caller, ServerProcess

API = "https://foretold"
READ, CREATE, ADMIN = all_of("read:blog"), all_of("create:blog"), all_of("admin")
GOLD = claim("tier").equals("gold")


def guarded(name: str, rule: Rule | None = None, access: Access = "guarded") -> Route:
    method, _, path = name.partition(" ")
    return Route(method, path, rule, access)


ROUTES = [
    guarded("GET /authtest"),
    guarded("GET /blogs", READ),
    guarded("POST /blogs", CREATE),
    guarded("GET /blogs/{id}", any_of("admin", "read:blog")),
    guarded("DELETE /blogs/{id}", READ & CREATE),
    guarded("PUT /blogs/{id}", ADMIN & READ),
    guarded("GET /gold", READ & GOLD),
    guarded("GET /recent", READ & fresh(max_age=60)),
    guarded("GET /strong", acr("high") | CREATE),
    guarded("GET /health", access="public"),
    guarded("GET /soon", CREATE, access="report-only"),
]


@pytest.fixture(scope="module", autouse=True)
def api(caller: Caller) -> dict[str, Any]:
    scopes = [{"value": value} for value in ("read:blog", "create:blog")]
    return caller.create("resource-servers", name="Foretold", identifier=API, scopes=scopes)


@pytest.fixture(scope="module")
def reader(caller: Caller) -> Application:
    made = caller.application("Foretold Reader")
    caller.authorize(made, API, "read:blog")
    return made


@pytest.fixture
def lock(tmp_path: Path) -> str:
    return written(tmp_path / "routes.lock", ROUTES)


def written(file: Path, routes: list[Route]) -> str:
    file.write_text(lock_file.write(routes), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize(
    ("request_", "code", "verdict", "because"),
    [
        ("GET /blogs", 0, "yes", "it has what the rule asks"),
        ("get /blogs?page=2", 0, "yes", "it has what the rule asks"),
        ("GET /blogs/7", 0, "yes", "it has what the rule asks"),
        ("GET /authtest", 0, "yes", "any valid token will do"),
        ("POST /blogs", 4, "no", "lacks create:blog"),
        ("DELETE /blogs/7", 4, "no", "lacks create:blog"),
        ("GET /gold", 1, "depends", "depends on claim tier"),
        ("GET /recent", 4, "no", "nobody has logged in, and fresh(max_age=60) is asked"),
        ("GET /strong", 4, "no", "lacks create:blog"),
        ("GET /health", 0, "yes", "public: no token is needed"),
        ("GET /soon", 0, "yes", "report-only: no token is needed, its guard only reports"),
    ],
)
def test_verdict_has_its_exit_code_and_its_reason(
    cli: Cli, lock: str, reader: Application, request_: str, code: int, verdict: str, because: str
) -> None:
    ran = cli("can", reader.client_id, request_, "--lock", lock, "--api", API, "--json")
    assert (ran.code, ran.json["verdict"], ran.json["because"]) == (code, verdict, because)
    assert ran.json["application"] == {"client_id": reader.client_id, "name": "Foretold Reader"}
    shown = cli("can", "Foretold Reader", request_, "--lock", lock, "--api", API)
    assert shown.code == code
    assert shown.out.splitlines()[:2] == [f"VERDICT      {verdict}", f"BECAUSE      {because}"]


@pytest.mark.parametrize("request_", ["POST /blogs", "PUT /blogs/7", "GET /strong", "GET /authtest"])
@pytest.mark.parametrize("granted", [None, [], ["read:blog"], "all"])
def test_commands_that_are_told_let_the_application_in(
    cli: Cli, caller: Caller, tmp_path: Path, request_: str, granted: list[str] | str | None
) -> None:
    identifier = f"urn:mended:{request_}:{granted}".replace(" ", "")
    scopes = [{"value": value} for value in ("read:blog", "create:blog")]
    caller.create("resource-servers", identifier=identifier, scopes=scopes)
    name = f"of {identifier}"
    application = caller.application(name)
    if granted == "all":
        cli("grants", "set", name, identifier, "--all")
    elif granted is not None:
        caller.authorize(application, identifier, *granted)
    words = ("can", name, request_, "--lock", written(tmp_path / "lock", ROUTES), "--api", identifier)
    told = cli(*words, "--json")
    for command in told.json["commands"]:
        program, *rest = shlex.split(command)
        mended = cli(*rest)
        assert (program, mended.code) == ("gatewright", 0), (command, mended.err)
    assert cli(*words).code == 0
    assert (told.code == 0) == (told.json["commands"] == [])


def test_no_token_is_issued(cli: Cli, caller: Caller, lock: str, reader: Application) -> None:
    def issued() -> list[str]:
        events = caller.manage("GET", "logs", params={"q": f"client_id:{reader.client_id}"}).json()
        return [event["type"] for event in events if event["type"] in ("seccft", "feccft")]

    cli("can", reader.client_id, "POST /blogs", "--lock", lock, "--api", API)
    cli("can", "--lock", lock, "--api", API)
    assert issued() == []
    caller.token(reader, API)
    assert issued() == ["seccft"]


STATES: dict[str, dict[str, Any]] = {
    "granted": {},
    "granted all": {"grant": {"allow_all_scopes": True}},
    "granted nothing": {"grant": {"scope": []}},
    "without a grant": {"grant": None},
    "for users alone": {"grant": {"subject_type": "user", "scope": ["read:blog"]}},
    "for organizations": {"grant": {"scope": ["read:blog"], "organization_usage": "require"}},
    "organizations allowed": {"grant": {"scope": ["read:blog"], "organization_usage": "allow"}},
    "of another grant type": {"client": {"grant_types": ["authorization_code"]}},
    "public": {"client": {"token_endpoint_auth_method": "none"}},
    "demanding proof": {"client": {"require_proof_of_possession": True}},
    "let in nowhere": {"api": {"subject_type_authorization": {"client": {"policy": "deny_all"}}}},
    "demanded proof of": {"api": {"proof_of_possession": {"mechanism": "dpop", "required": True}}},
    "with roles enforced": {"api": {"enforce_policies": True, "token_dialect": "rfc9068_profile_authz"}},
}


@pytest.mark.parametrize("state", STATES)
def test_it_is_what_the_token_endpoint_and_a_guard_then_do(
    cli: Cli, caller: Caller, tmp_path: Path, state: str
) -> None:
    given = STATES[state]
    identifier, name = f"urn:state:{state}".replace(" ", "-"), f"App {state}"
    scopes = [{"value": value} for value in ("read:blog", "create:blog")]
    caller.create("resource-servers", identifier=identifier, scopes=scopes, **given.get("api", {}))
    application = caller.application(name)
    if given.get("client"):
        caller.update(f"clients/{application.client_id}", **given["client"])
    grant = given.get("grant", {"scope": ["read:blog"]})
    if grant is not None:
        caller.create("client-grants", client_id=application.client_id, audience=identifier, **grant)

    lock = written(tmp_path / "routes.lock", ROUTES)
    told = cli("can", name, "--lock", lock, "--api", identifier, "--json").json
    answer = caller.ask_token(application, identifier)
    headers = bearer(answer.json()["access_token"]) if answer.status_code == 200 else {}
    guard = Guard(caller.issuer, audience=identifier)
    for route in told:
        (original,) = [
            each for each in ROUTES if (each.method, each.path) == (route["method"], route["path"])
        ]
        is_let_in = original.needs_no_token or admits(guard, headers, original.rule)
        (foretold,) = [each["verdict"] for each in route["applications"]]
        # A token says no tier: where it depends, the guard refuses this one.
        assert foretold in (("yes",) if is_let_in else ("no", "depends")), route
        assert (foretold == "depends") == (original.path == "/gold" and "read:blog" in granted(answer))


def granted(answer: httpx2.Response) -> list[str]:
    return list(answer.json().get("scope", "").split())


def admits(guard: Guard, headers: dict[str, str], rule: Rule | None) -> bool:
    try:
        guard.check(Request("GET", "/", headers.items()), rule)
    except Denied:
        return False
    return True


@pytest.mark.usefixtures("reader")
def test_every_route_is_told_with_whom_it_lets_in(cli: Cli, caller: Caller, lock: str) -> None:
    writer = caller.application("Foretold Writer")
    caller.authorize(writer, API, "read:blog", "create:blog")
    caller.application("Foretold Stranger")
    shown = {tuple(row.split()[:2]): row for row in cli("can", "--lock", lock, "--api", API).rows}
    assert re.split(r" {2,}", shown["POST", "/blogs"])[-2:] == ["Foretold Writer", "-"]
    assert "Foretold Reader, Foretold Writer  -" in shown["GET", "/blogs"]
    assert "(nobody)" in shown["GET", "/gold"]
    assert "Foretold Reader, Foretold Writer" in shown["GET", "/gold"]
    assert "(everybody)" in shown["GET", "/health"]
    assert not any("Stranger" in row for row in shown.values())
    (one,) = cli("can", "POST /blogs", "--lock", lock, "--api", API, "--json").json
    names = {each["name"]: each["verdict"] for each in one["applications"]}
    assert names == {"Foretold Reader": "no", "Foretold Writer": "yes"}


def test_each_pattern_is_told_with_all_that_its_requests_must_meet(
    cli: Cli, tmp_path: Path, reader: Application
) -> None:
    patterns = [guarded("* /*"), guarded("* /blogs/*", READ), guarded("POST /blogs/new", CREATE)]
    lock = written(tmp_path / "routes.lock", patterns)
    told = cli("can", reader.client_id, "--lock", lock, "--api", API, "--json").json
    verdicts = {each["path"]: each["applications"][0]["verdict"] for each in told}
    assert verdicts == {"/*": "yes", "/blogs/*": "yes", "/blogs/new": "no"}
    nobody = cli("can", "Reads nothing", "--lock", lock, "--api", API)
    assert nobody.code == 3


def test_commands_name_the_application_as_it_was_named(cli: Cli, caller: Caller, lock: str) -> None:
    one, other = caller.application("Namesake"), caller.application("Namesake")
    words = ("POST /blogs", "--lock", lock, "--api", API, "--json")
    assert cli("can", "Namesake", *words).code == 2
    (command,) = cli("can", one.client_id, *words).json["commands"]
    assert command == f"gatewright grants add {one.client_id} {API} --scope create:blog"
    caller.authorize(other, API)
    (route,) = cli("can", *words).json
    (told,) = [each for each in route["applications"] if each["client_id"] == other.client_id]
    assert other.client_id in told["commands"][0]


def test_two_routes_that_a_file_cannot_tell_apart_make_it_depend(
    cli: Cli, tmp_path: Path, reader: Application
) -> None:
    routes = [guarded("GET /a/{number}", READ), guarded("GET /a/{word}", CREATE)]
    lock = written(tmp_path / "routes.lock", routes)
    ran = cli("can", reader.client_id, "GET /a/7", "--lock", lock, "--api", API, "--json")
    assert (ran.code, ran.json["verdict"]) == (1, "depends")
    assert "/a/{number}: yes; /a/{word}: no" in ran.json["because"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("GET /none",), 3, "No route takes GET /none."),
        (("PATCH /blogs",), 3, "At that path: GET, POST"),
        (("blogs",), 2, "'POST /blogs'"),
        (("GET /blogs", "--check"), 2, "--against"),
    ],
)
def test_what_cannot_be_answered_is_said(
    cli: Cli, lock: str, reader: Application, words: tuple[str, ...], code: int, said: str
) -> None:
    ran = cli("can", reader.client_id, *words, "--lock", lock, "--api", API)
    assert (ran.code, said in ran.err) == (code, True), ran.err


def test_routes_and_what_is_in_the_file_are_needed(cli: Cli, tmp_path: Path) -> None:
    assert cli("can", "Reader", "GET /blogs").code == 2
    missing = cli("can", "Reader", "GET /blogs", "--lock", str(tmp_path / "none"))
    assert (missing.code, "--lock FILE" in missing.err) == (1, True)
    hostile = tmp_path / "hostile.lock"
    hostile.write_text("GET /blogs __import__('os').system('touch ran')\n")
    ran = cli("can", "Reader", "GET /blogs", "--lock", str(hostile))
    assert (ran.code, "no rule as it prints" in ran.err) == (6, True)


BEFORE = [
    guarded("GET /blogs", READ),
    guarded("POST /blogs", CREATE),
    guarded("GET /blogs/{id}", READ),
    guarded("GET /reports", CREATE),
    guarded("GET /gold", READ),
    guarded("GET /old", READ),
    guarded("GET /health", access="public"),
]
AFTER = [
    guarded("GET /blogs", READ),
    guarded("POST /blogs", any_of("create:blog", "read:blog")),
    guarded("GET /blogs/{name}", READ),
    guarded("GET /blogs/new", CREATE),
    guarded("GET /reports", access="public"),
    guarded("GET /gold", READ & GOLD),
    guarded("GET /health"),
]


def test_difference_of_two_files_is_told_for_each_and_strangers_first(
    cli: Cli, caller: Caller, tmp_path: Path
) -> None:
    identifier = "urn:changed"
    scopes = [{"value": value} for value in ("read:blog", "create:blog")]
    caller.create("resource-servers", identifier=identifier, scopes=scopes)
    for name, *held in (("Changed Reader", "read:blog"), ("Changed Writer", "read:blog", "create:blog")):
        caller.authorize(caller.application(name), identifier, *held)
    old, new = written(tmp_path / "old.lock", BEFORE), written(tmp_path / "new.lock", AFTER)
    words = ("--lock", new, "--against", old, "--api", identifier)

    told = cli("can", *words, "--json")
    assert told.code == 0
    assert [
        (each["who"]["name"], each["change"], f"{each['method']} {each['path']}") for each in told.json
    ] == [
        (None, "gains", "GET /reports"),
        (None, "loses", "GET /health"),
        # A new route asks for more than the one that took its requests; other names are no difference.
        ("Changed Reader", "gains", "POST /blogs"),
        ("Changed Reader", "gains", "GET /reports"),
        ("Changed Reader", "loses", "GET /blogs/new"),
        ("Changed Reader", "loses", "GET /gold"),
        ("Changed Reader", "loses", "GET /old"),
        ("Changed Writer", "loses", "GET /gold"),
        ("Changed Writer", "loses", "GET /old"),
    ]
    shown = cli("can", "Changed Writer", *words, "--check")
    assert shown.code == 1
    assert shown.rows[0].split()[:4] == ["strangers", "gains", "GET", "/reports"]
    assert "Changed Writer  loses" in shown.rows[-1]
    assert "Strangers may enter 1 of the routes" in shown.err

    same = cli("can", "--lock", new, "--against", new, "--api", identifier, "--check")
    assert (same.code, same.out) == (0, "")
    one = cli("can", "Changed Reader", "POST /blogs", *words, "--json")
    assert [(each["change"], each["before"]["verdict"], each["after"]["verdict"]) for each in one.json] == [
        ("gains", "no", "yes")
    ]


APP = f"""
from flask import Flask
from gatewright import Guard
from gatewright.flask import protect

app = Flask(__name__, static_folder=None)
require = protect(app, Guard("https://issuer.example/", audience="{API}"))

@app.post("/blogs/<int:id>")
@require("create:blog")
def blog(id): return {{}}
"""


def test_routes_of_an_application_are_asked_of_itself_and_its_audience_is_the_api(
    server: ServerProcess, tmp_path: Path, reader: Application
) -> None:
    (tmp_path / "app.py").write_text(APP)
    words = [GATEWRIGHT, "can", reader.client_id, "POST /blogs/7", "--routes", "app:app", "--json"]
    ran = subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment(GATEWRIGHT_DATA=str(server.data)),
        timeout=60,
    )
    assert ran.returncode == 4, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["api"], told["missing"]) == (API, ["create:blog"])
    assert "trusts https://issuer.example/, not http://localhost" in ran.stderr
