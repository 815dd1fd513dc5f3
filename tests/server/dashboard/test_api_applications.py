"""Of an API in the dashboard: who may have what, how to ask for a token, how to guard it."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from gatewright.server.dashboard.quickstarts import QUICKSTARTS
from gatewright.server.dashboard.sessions import CONFIRMED_FOR
from tests.server.dashboard.browsing import PASSWORD, Browser, alert, blocks, scopes_of

if TYPE_CHECKING:
    from pathlib import Path

    from gatewright.server.app import RunningServer
    from tests.records import Clock
    from tests.running import Application, Caller

NASTY = """https://a'b"c\\d/«reads»/é/$(id)`id`"""


def _grants(caller: Caller, api: dict[str, Any]) -> list[dict[str, Any]]:
    found = caller.manage("GET", "client-grants", params={"audience": api["identifier"]})
    return list(found.json())


def _said_by(command: str) -> str:
    """What a command prints that somebody pasted into a shell."""
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout


def _row(page: str, client_id: str) -> str:
    start = page.index(f'<li id="{client_id}">')
    following = page.find('<li id="', start + 1)
    return page[start : following if following > 0 else len(page)]


def test_tutorial_is_walked_by_forms_alone(
    ada: Browser, caller: Caller, api: dict[str, Any], application: Application
) -> None:
    path, client_id = f"/apis/{api['id']}/applications", application.client_id
    row = _row(ada.page(path), client_id)
    assert "Unauthorized" in row
    assert 'aria-checked="false"' in row
    assert "<details" not in row
    assert caller.ask_token(application, api["identifier"]).status_code == 403

    row = _row(ada.done(f"{path}/authorize", {"client_id": client_id}), client_id)
    assert 'aria-checked="true"' in row
    assert "<details open>" in row
    assert "<span data-count>0</span> of 2 permissions" in row
    assert caller.ask_token(application, api["identifier"]).json().get("scope") is None

    page = ada.done(f"{path}/update", {"client_id": client_id, "scope": ["create:blog", "read:blog"]})
    assert alert(page).startswith("Saved")
    assert _row(page, client_id).count(" checked>") == 2
    assert set(_grants(caller, api)[0]["scope"]) == {"read:blog", "create:blog"}
    assert caller.ask_token(application, api["identifier"]).json()["scope"] == "create:blog read:blog"

    page = ada.done(f"{path}/update", {"client_id": client_id, "scope": "read:blog"})
    assert _grants(caller, api)[0]["scope"] == ["read:blog"]

    row = _row(ada.done(f"{path}/deauthorize", {"client_id": client_id}), client_id)
    assert "Unauthorized" in row
    assert _grants(caller, api) == []
    assert caller.ask_token(application, api["identifier"]).status_code == 403


def test_all_and_none_are_one_press(
    ada: Browser, caller: Caller, api: dict[str, Any], application: Application
) -> None:
    path = f"/apis/{api['id']}/applications/update"
    caller.authorize(application, api["identifier"])
    ada.done(path, {"client_id": application.client_id, "all": "1"})
    assert _grants(caller, api)[0]["scope"] == ["read:blog", "create:blog"]
    ada.done(path, {"client_id": application.client_id, "scope": "read:blog", "none": "1"})
    assert _grants(caller, api)[0]["scope"] == []


def test_grant_of_all_permissions_is_shown_as_such_and_can_be_narrowed(
    ada: Browser, caller: Caller, api: dict[str, Any], application: Application
) -> None:
    made = {"client_id": application.client_id, "audience": api["identifier"], "allow_all_scopes": True}
    caller.create("client-grants", **made)
    page = ada.page(f"/apis/{api['id']}/applications?open={application.client_id}")
    row = _row(page, application.client_id)
    assert "All permissions, also later ones" in row
    assert "data-at-once" not in row
    assert row.count(" checked>") == 2
    ada.done(
        f"/apis/{api['id']}/applications/update", {"client_id": application.client_id, "scope": "read:blog"}
    )
    (grant,) = _grants(caller, api)
    assert grant["scope"] == ["read:blog"]
    assert not grant["allow_all_scopes"]


def test_matrix_lists_applications_that_ask_as_themselves_by_filter_and_page(
    ada: Browser, caller: Caller, api: dict[str, Any]
) -> None:
    caller.create("clients", name="Crowd of browsers", app_type="spa", grant_types=["authorization_code"])
    made = [caller.application(f"Crowd {number:02}") for number in range(51)]
    path = f"/apis/{api['id']}/applications"
    first, second = ada.page(f"{path}?q=crowd"), ada.page(f"{path}?q=crowd&page=2")
    assert re.findall(r">(Crowd \w+)", first) == [f"Crowd {number:02}" for number in range(50)]
    assert re.findall(r">(Crowd \w+)", second) == ["Crowd 50"]
    by_id = ada.page(f"{path}?q={made[7].client_id[:12]}")
    assert re.findall(r">(Crowd \w+)", by_id) == ["Crowd 07"]
    opened = ada.page(f"{path}?open={made[50].client_id}")
    assert opened.count(f'<li id="{made[50].client_id}">') == 1
    # Where somebody was is where the form leads back to.
    answer = ada.send(f"{path}/authorize?q=crowd&page=2", {"client_id": made[50].client_id})
    address = answer.headers["Location"]
    assert address == f"/ui{path}?q=crowd&page=2&open={made[50].client_id}#{made[50].client_id}"
    assert "No application with" in ada.page(f"{path}?q=nobody-is-called-so")


def test_many_permissions_are_loaded_for_the_open_row_only(
    ada: Browser, caller: Caller, application: Application
) -> None:
    scopes = [{"value": f"do:{number}"} for number in range(40)]
    api = caller.create("resource-servers", name="Wide", identifier="https://wide", scopes=scopes)
    caller.authorize(application, "https://wide", "do:3")
    path = f"/apis/{api['id']}/applications"
    assert 'type="checkbox"' not in ada.page(path)
    assert ada.page(f"{path}?open={application.client_id}").count('type="checkbox"') == 40


def test_refusals_are_shown_beside_the_matrix(
    ada: Browser, caller: Caller, api: dict[str, Any], application: Application
) -> None:
    path = f"/apis/{api['id']}/applications"
    ids = {"client_id": application.client_id}
    assert "authorize it first" in alert(
        ada.refused(f"{path}/update", {**ids, "scope": "read:blog"}, status=409)
    )
    caller.authorize(application, api["identifier"])
    assert "already exists" in alert(ada.refused(f"{path}/authorize", ids, status=409))
    refused = ada.refused(f"{path}/update", {**ids, "scope": "<script>alert(1)</script>"})
    assert "not defined" in alert(refused)
    assert "<script>alert" not in refused
    ada.refused(f"{path}/authorize", {"client_id": "nobody"}, status=404)
    assert _grants(caller, api)[0]["scope"] == []


def test_secrets_of_the_management_api_are_given_with_the_password_only(
    ada: Browser, caller: Caller, application: Application, moving_clock: Clock
) -> None:
    (system,) = (api for api in caller.manage("GET", "resource-servers").json() if api.get("is_system"))
    path, ids = f"/apis/{system['id']}/applications", {"client_id": application.client_id}
    back = f"/ui{path}?open={application.client_id}"
    caller.authorize(application, system["identifier"])
    assert f'name="back" value="{back}"' in ada.page(f"{path}?open={application.client_id}")
    moving_clock.now += CONFIRMED_FOR + 1
    ada.done(f"{path}/update", {**ids, "scope": "read:clients"})
    wanted = {**ids, "scope": ["read:clients", "read:client_keys"]}
    answer = ada.send(f"{path}/update", {**wanted, "back": back})
    assert answer.headers["Location"] == f"/ui/confirm?next={quote(back, safe='')}"
    form = {**ids, "audience": system["identifier"], "scope": "read:client_keys"}
    assert ada.send("/grant", form).headers["Location"].startswith("/ui/confirm")
    held = {"client_id": application.client_id}
    assert caller.manage("GET", "client-grants", params=held).json()[0]["scope"] == ["read:clients"]
    page = ada.done("/confirm", {"next": back, "password": PASSWORD})
    assert "<details open>" in _row(page, application.client_id)
    ada.done(f"{path}/update", wanted)
    assert len(caller.manage("GET", "client-grants", params=held).json()[0]["scope"]) == 2


def test_command_line_keeps_its_grant(ada: Browser, caller: Caller) -> None:
    (system,) = (api for api in caller.manage("GET", "resource-servers").json() if api.get("is_system"))
    path, ids = f"/apis/{system['id']}/applications", {"client_id": caller.operator.client_id}
    assert "cannot be deleted" in alert(ada.refused(f"{path}/deauthorize", ids))
    assert "cannot be narrowed" in alert(ada.refused(f"{path}/update", {**ids, "none": "1"}))


def test_names_of_applications_come_back_escaped(ada: Browser, caller: Caller, api: dict[str, Any]) -> None:
    made = caller.create("clients", name="\"'&quot; onload=x", app_type="non_interactive")
    caller.create(
        "client-grants", client_id=made["client_id"], audience=api["identifier"], scope=["read:blog"]
    )
    for tab in (f"applications?open={made['client_id']}", "test", "permissions?remove=read:blog"):
        page = ada.page(f"/apis/{api['id']}/{tab}")
        assert "&amp;quot; onload=x" in page
        assert "\"'&quot; onload" not in page


def test_button_of_home_defines_and_grants(
    ada: Browser, caller: Caller, api: dict[str, Any], application: Application
) -> None:
    form = {"client_id": application.client_id, "audience": api["identifier"]}
    page = ada.done("/grant", {**form, "scope": ["delete:blog", "read:blog"]})
    assert "delete:blog, read:blog" in alert(page)
    assert "<h1>Home</h1>" in page
    stored = caller.manage("GET", f"resource-servers/{api['id']}").json()
    assert scopes_of(stored) == {"read:blog": "Read the blog", "create:blog": None, "delete:blog": None}
    assert _grants(caller, api)[0]["scope"] == ["delete:blog", "read:blog"]
    ada.done("/grant", {**form, "scope": ["create:blog", "read:blog"]})
    assert _grants(caller, api)[0]["scope"] == ["delete:blog", "read:blog", "create:blog"]
    ada.refused(
        "/grant",
        {"client_id": application.client_id, "audience": "https://unknown", "scope": "a"},
        status=404,
    )


def test_button_of_home_leaves_a_grant_of_all_alone(
    ada: Browser, caller: Caller, api: dict[str, Any], application: Application
) -> None:
    made = {"client_id": application.client_id, "audience": api["identifier"], "allow_all_scopes": True}
    before = caller.create("client-grants", **made)
    ada.done(
        "/grant", {"client_id": application.client_id, "audience": api["identifier"], "scope": "new:one"}
    )
    assert _grants(caller, api) == [before]


def test_viewer_changes_nothing(
    vera: Browser, caller: Caller, api: dict[str, Any], application: Application
) -> None:
    caller.authorize(application, api["identifier"], "read:blog")
    path = f"/apis/{api['id']}"
    page = vera.page(f"{path}/applications?open={application.client_id}")
    assert _row(page, application.client_id).count(" disabled>") == 2
    assert re.findall(r'<form method="post" action="([^"]+)"', page) == ["/ui/logout"]
    ids = {"client_id": application.client_id, "audience": api["identifier"]}
    for action in ("authorize", "deauthorize", "update"):
        assert vera.send(f"{path}/applications/{action}", {**ids, "scope": "create:blog"}).status_code == 403
    assert vera.send("/grant", {**ids, "scope": "create:blog"}).status_code == 403
    assert _grants(caller, api)[0]["scope"] == ["read:blog"]
    assert "Show with secret" not in vera.page(f"{path}/test/{application.client_id}")
    assert vera.http.get(f"/ui{path}/test/{application.client_id}/secret").status_code == 403


def test_request_with_the_secret_needs_the_password_and_works(
    ada: Browser, caller: Caller, api: dict[str, Any], application: Application, moving_clock: Clock
) -> None:
    path = f"/apis/{api['id']}/test"
    assert "No application may ask" in ada.page(path)
    caller.authorize(application, api["identifier"], "read:blog")
    page = ada.page(f"{path}?app={application.client_id}")
    assert application.client_secret not in page
    assert '"$CLIENT_SECRET"' in blocks(page)[0]

    moving_clock.now += 10 * CONFIRMED_FOR  # later than any other test has confirmed at
    answer = ada.http.get(f"/ui{path}/{application.client_id}/secret")
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/ui/confirm?next=")
    goal = f"/ui{path}/{application.client_id}/secret"
    page = ada.done("/confirm", {"next": goal, "password": PASSWORD})
    command = blocks(page)[0]
    assert application.client_secret in command
    assert '"access_token"' in _said_by(command)
    assert f"--api {api['identifier']} --app {application.client_id}" in blocks(page)[-1]


def test_request_with_a_chosen_secret_in_the_header_works(
    ada: Browser, caller: Caller, api: dict[str, Any], moving_clock: Clock
) -> None:
    made = caller.create(
        "clients",
        name="Header",
        app_type="non_interactive",
        token_endpoint_auth_method="client_secret_basic",
    )
    caller.update(f"clients/{made['client_id']}", client_secret='it\'s $(a) 100% %41 secret: "+/"')
    caller.create("client-grants", client_id=made["client_id"], audience=api["identifier"], scope=[])
    moving_clock.now += 20 * CONFIRMED_FOR
    goal = f"/ui/apis/{api['id']}/test/{made['client_id']}/secret"
    command = blocks(ada.done("/confirm", {"next": goal, "password": PASSWORD}))[0]
    assert "--user" in command
    assert '"access_token"' in _said_by(command)


def test_request_is_not_written_for_who_proves_itself_otherwise(
    ada: Browser, caller: Caller, api: dict[str, Any]
) -> None:
    made = caller.create(
        "clients", name="Public", app_type="non_interactive", token_endpoint_auth_method="none"
    )
    page = ada.page(f"/apis/{api['id']}/test/{made['client_id']}")
    assert "does not prove itself by a secret" in page
    assert "is not authorized for this API" in page
    basic = caller.create(
        "clients", name="Basic", app_type="non_interactive", token_endpoint_auth_method="client_secret_basic"
    )
    page = ada.page(f"/apis/{api['id']}/test/{basic['client_id']}")
    assert f'--user {basic["client_id"]}:"$CLIENT_SECRET"' in blocks(page)[0]


@pytest.mark.parametrize("framework", [name for name, known in QUICKSTARTS.items() if known.file == "app.py"])
def test_python_quick_start_holds_the_real_values(
    ada: Browser,
    caller: Caller,
    running: RunningServer,
    framework: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scopes = [{"value": "read:it'"}, {"value": "write:it"}]
    identifier = f"{NASTY}{framework}"
    api = caller.create("resource-servers", identifier=identifier, scopes=scopes, signing_alg="PS256")
    page = ada.page(f"/apis/{api['id']}/quickstart/{framework}")
    assert 'aria-current="page">Quick Start' in page
    code = blocks(page)[1]
    strings = {
        node.value
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert {running.issuer, api["identifier"], "PS256", "read:it'", "write:it"} <= strings
    if framework != "django":  # whose settings are one for the process
        file = tmp_path / f"quickstart_{framework}.py"
        file.write_text(code, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, file.stem, module)
        spec.loader.exec_module(module)


@pytest.mark.parametrize("framework", ["express", "go", "curl"])
def test_other_quick_starts_hold_the_real_values(
    ada: Browser, caller: Caller, running: RunningServer, framework: str
) -> None:
    api = caller.create(
        "resource-servers", name=framework, identifier=f"https://{framework}", signing_alg="ES256"
    )
    page = ada.page(f"/apis/{api['id']}/quickstart/{framework}")
    code = "\n".join(blocks(page))
    assert running.issuer in code
    assert f"https://{framework}" in code
    assert "«" not in code
    assert "defines no permission yet" in page


def test_each_quick_start_is_linked_and_no_other_exists(ada: Browser, api: dict[str, Any]) -> None:
    page = ada.page(f"/apis/{api['id']}")
    assert re.findall(r"/quickstart/(\w+)\"", page) == list(QUICKSTARTS)
    assert ada.http.get(f"/ui/apis/{api['id']}/quickstart/cobol").status_code == 404


def test_shared_secret_is_explained_and_not_shown(ada: Browser, caller: Caller) -> None:
    api = caller.create("resource-servers", name="Shared", identifier="https://shared", signing_alg="HS256")
    page = ada.page(f"/apis/{api['id']}/quickstart")
    assert "shared secret" in page
    assert api["signing_secret"] not in page
