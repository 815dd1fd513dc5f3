"""Each change leaves one event in its own transaction, and a change that failed leaves nothing."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from tests.server.calling import renewed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gatewright.server.app import RunningServer
    from tests.running import Caller
    from tests.server.calling import Wire

CHANGES: list[tuple[str, str, dict[str, object] | None, str]] = [
    ("POST", "resource-servers", {"identifier": "urn:made"}, "Create a resource server"),
    ("PATCH", "resource-servers/{api}", {"name": "y"}, "Update a resource server"),
    ("DELETE", "resource-servers/{api}", None, "Delete a resource server"),
    ("POST", "clients", {"name": "x"}, "Create a client"),
    ("PATCH", "clients/{client}", {"name": "y"}, "Update a client"),
    ("POST", "clients/{client}/rotate-secret", None, "Rotate a client secret"),
    ("DELETE", "clients/{client}", None, "Delete a client"),
    ("POST", "client-grants", {"client_id": "{client}", "audience": "urn:free"}, "Create client grant"),
    ("PATCH", "client-grants/{grant}", {"scope": []}, "Update client grant"),
    ("DELETE", "client-grants/{grant}", None, "Delete client grant"),
    ("POST", "keys/signing/rotate", None, "Rotate the signing keys"),
    ("PUT", "keys/signing/{previous}/revoke", None, "Revoke a signing key"),
    ("POST", "revocations", {"client_id": "{client}"}, "Revoke access tokens"),
    ("DELETE", "revocations/{revocation}", None, "Take a revocation back"),
]

FAILURES: list[tuple[str, str, dict[str, object] | None, int]] = [
    ("POST", "resource-servers", {"identifier": "urn:free"}, 409),
    ("POST", "resource-servers", {"identifier": ""}, 400),
    ("PATCH", "resource-servers/{api}", {"scopes": [{"value": "a"}, {"value": "a"}]}, 400),
    ("PATCH", "resource-servers/nothing", {"name": "y"}, 404),
    ("POST", "clients", {}, 400),
    ("PATCH", "clients/nothing", {"name": "y"}, 404),
    ("PATCH", "clients/{client}", {"client_metadata": {str(n): "x" for n in range(11)}}, 400),
    ("POST", "clients/nothing/rotate-secret", None, 404),
    ("POST", "client-grants", {"client_id": "nobody", "audience": "urn:free"}, 404),
    ("PATCH", "client-grants/{grant}", {"scope": ["nothing"]}, 400),
    ("PUT", "keys/signing/{current}/revoke", None, 400),
    ("PUT", "keys/signing/nothing/revoke", None, 404),
    ("POST", "revocations", {"client_id": "nobody"}, 404),
    ("POST", "revocations", {"client_id": "{client}", "jti": "t1"}, 400),
]


@pytest.fixture
def caller(caller: Caller) -> Caller:
    """Each test begins with a management token of the key that signs now."""
    return renewed(caller)


@pytest.fixture
def named(caller: Caller) -> dict[str, str]:
    """One of each, made for a test, and the keys that are there."""
    caller.manage("POST", "resource-servers", json={"identifier": "urn:free"})
    caller.manage("DELETE", "resource-servers/urn%3Amade")
    caller.manage("DELETE", "resource-servers/urn%3Aown")
    api = caller.create("resource-servers", identifier="urn:own")
    application = caller.application("x")
    grant = caller.authorize(application, "urn:own")
    keys = caller.manage("GET", "keys/signing").json()
    revoked = caller.create("revocations", jti="t1")["id"]
    names = {"api": api["id"], "client": application.client_id, "grant": grant, "revocation": revoked}
    for state in ("current", "previous"):
        names[state] = next((key["kid"] for key in keys if key.get(state)), "")
    return names


def filled(text: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def filled_body(body: Mapping[str, object] | None, names: Mapping[str, str]) -> dict[str, object] | None:
    if body is None:
        return None
    return {key: filled(value, names) if isinstance(value, str) else value for key, value in body.items()}


def everything(running: RunningServer) -> dict[str, list[tuple[object, ...]]]:
    """All rows of the database, the log and the feed of changes included."""
    connection = sqlite3.connect(running.settings.data / "gatewright.db")
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}  # noqa: S608 - our names
    connection.close()
    return rows


@pytest.mark.parametrize(("method", "path", "body", "description"), CHANGES, ids=[row[3] for row in CHANGES])
def test_change_leaves_exactly_one_event(
    caller: Caller,
    events_of: Callable[..., list[dict[str, Any]]],
    named: dict[str, str],
    method: str,
    path: str,
    body: Mapping[str, object] | None,
    description: str,
) -> None:
    path = filled(path, named)

    answer = caller.manage(method, path, json=filled_body(body, named))

    assert answer.status_code < 300, answer.text
    (event,) = events_of(answer)
    assert (event["type"], event["description"]) == ("sapi", description)
    assert event["client_id"] == caller.operator.client_id
    assert event["client_name"] == "Gatewright CLI"
    assert event["details"]["request"] == {"method": method.lower(), "path": f"/api/v2/{path}"}
    assert event["ip"] in {"127.0.0.1", "::1"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"), FAILURES, ids=[f"{row[0]} {row[1]} {row[3]}" for row in FAILURES]
)
def test_change_that_failed_leaves_nothing_at_all(
    running: RunningServer,
    caller: Caller,
    named: dict[str, str],
    method: str,
    path: str,
    body: Mapping[str, object] | None,
    status: int,
) -> None:
    caller.manage("GET", "logs")
    before = everything(running)

    answer = caller.manage(method, filled(path, named), json=filled_body(body, named))

    assert answer.status_code == status, answer.text
    assert everything(running) == before


def test_change_and_event_are_there_when_the_answer_is(running: RunningServer, caller: Caller) -> None:
    answer = caller.manage("POST", "clients", json={"name": "Seen"})

    rows = everything(running)
    assert any(answer.json()["client_id"] in row for row in rows["clients"])
    request_id = answer.headers["X-Request-Id"]
    assert len([row for row in rows["log_events"] if request_id in str(row)]) == 1


@pytest.mark.usefixtures("lines")  # keeps the failure out of the test's output
def test_event_that_cannot_be_written_takes_the_change_along(running: RunningServer, caller: Caller) -> None:
    connection = sqlite3.connect(running.settings.data / "gatewright.db", isolation_level=None)
    connection.execute(
        "CREATE TRIGGER full BEFORE INSERT ON log_events BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    before = everything(running)["clients"]
    try:
        status = caller.manage("POST", "clients", json={"name": "Unlogged"}).status_code
    finally:
        connection.execute("DROP TRIGGER full")
        connection.close()

    assert status >= 500
    assert everything(running)["clients"] == before


def test_reading_leaves_no_event(caller: Caller, events_of: Callable[..., list[dict[str, Any]]]) -> None:
    for path in ("resource-servers", "client-grants", "keys/signing", "logs"):
        assert events_of(caller.manage("GET", path)) == []


def test_host_header_cannot_forge_the_path_of_an_event(caller: Caller, wire: Wire) -> None:
    token = caller.token(caller.operator, caller.issuer + "api/v2/")
    for host in ("evil.example/other?", "[", "a@b#", ""):
        body = b'{"name":"x"}'
        answer = wire.send(
            f"""POST /api/v2/clients?x=y HTTP/1.1
            Host: {host}
            Authorization: Bearer {token}
            Content-Type: application/json""",
            body,
        )

        newest = caller.manage("GET", "logs", params={"per_page": 1, "q": "type:sapi"}).json()[0]
        assert answer.status == 201
        assert newest["details"]["request"] == {"method": "post", "path": "/api/v2/clients"}
