"""`/api/v2/log-streams` (auth0-wire 3.10)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from gatewright.server.app import RunningServer
    from tests.running import Caller
    from tests.server.calling import Limited

HTTP = {
    "httpEndpoint": "https://logs.example/in",
    "httpContentType": "application/json",
    "httpContentFormat": "JSONLINES",
    "httpAuthorization": "Bearer a-secret-of-the-receiver",
}
SINKS: dict[str, dict[str, Any]] = {
    "http": HTTP,
    "eventbridge": {"awsAccountId": "123456789012", "awsRegion": "eu-west-1"},
    "eventgrid": {
        "azureSubscriptionId": "b69a6835-57c7-4d53-b0d5-1c6ae580b6d5",
        "azureRegion": "northeurope",
        "azureResourceGroup": "logs",
    },
    "datadog": {"datadogApiKey": "a-datadog-key", "datadogRegion": "eu"},
    "splunk": {
        "splunkDomain": "splunk.example",
        "splunkPort": "8088",
        "splunkToken": "a-splunk-token",
        "splunkSecure": True,
    },
    "sumo": {"sumoSourceAddress": "https://sumo.example/receiver/v1/http/secret"},
    "segment": {"segmentWriteKey": "a-segment-key"},
    "mixpanel": {
        "mixpanelRegion": "eu",
        "mixpanelProjectId": "1",
        "mixpanelServiceAccountUsername": "robot",
        "mixpanelServiceAccountPassword": "a-mixpanel-password",
    },
}
SECRETS = (
    *("a-secret-of-the-receiver", "a-datadog-key", "a-splunk-token", "v1/http/secret", "a-segment-key"),
    "a-mixpanel-password",
)


def made(caller: Caller, **members: object) -> dict[str, Any]:
    answer = caller.manage("POST", "log-streams", json=members)
    assert answer.status_code == 200, answer.text
    stream: dict[str, Any] = answer.json()
    return stream


@pytest.mark.parametrize("kind", SINKS)
def test_stream_is_answered_as_recorded_with_its_secrets(caller: Caller, kind: str) -> None:
    stream = made(caller, name="Logs", type=kind, sink=SINKS[kind])

    assert re.fullmatch(r"lst_[0-9]{16}", stream["id"])
    assert list(stream) == ["id", "name", "type", "status", "sink"]
    assert (stream["type"], stream["status"], stream["sink"]) == (kind, "active", SINKS[kind])
    assert list(stream["sink"]) == sorted(stream["sink"])
    assert caller.manage("GET", f"log-streams/{stream['id']}").json() == stream
    assert stream in caller.manage("GET", "log-streams").json()


def test_secrets_lie_sealed_in_the_file(caller: Caller, running: RunningServer) -> None:
    for kind, sink in SINKS.items():
        made(caller, name=f"Sealed {kind}", type=kind, sink=sink)

    stored = b"".join(file.read_bytes() for file in running.settings.data.glob("*.db*"))

    assert b"Sealed http" in stored
    for secret in SECRETS:
        assert secret.encode() not in stored


def test_change_replaces_and_drops_the_pii_config_that_is_not_sent(caller: Caller) -> None:
    filters = [{"type": "category", "name": "auth.login.fail"}]
    pii = {"log_fields": ["email"], "method": "hash", "algorithm": "xxhash"}
    stream = made(
        caller, name="Old", type="http", sink=HTTP, isPriority=False, filters=filters, pii_config=pii
    )
    assert list(stream)[-3:] == ["isPriority", "filters", "pii_config"]
    path = f"log-streams/{stream['id']}"

    changed = caller.update(path, name="New", status="paused", pii_config=pii)
    assert changed == {**stream, "name": "New", "status": "paused"}
    without = caller.update(path, filters=[])
    assert without == {name: value for name, value in changed.items() if name != "pii_config"} | {
        "filters": []
    }
    sink = {"httpAuthorization": HTTP["httpAuthorization"], "httpEndpoint": "https://other.example/in"}
    assert caller.update(path, sink=sink) == {**without, "sink": sink}
    assert caller.manage("GET", path).json() == {**without, "sink": sink}


def test_type_cannot_change(caller: Caller, refused: Callable[..., None]) -> None:
    stream = made(caller, type="http", sink=HTTP)

    answer = caller.manage("PATCH", f"log-streams/{stream['id']}", json={"type": "sumo"})

    text = "Payload validation error: 'Additional properties not allowed: type'."
    refused(answer, 400, text, "invalid_body")


def test_sink_that_the_other_side_settled_cannot_change(caller: Caller, refused: Callable[..., None]) -> None:
    stream = made(caller, type="eventbridge", sink=SINKS["eventbridge"])

    answer = caller.manage("PATCH", f"log-streams/{stream['id']}", json={"sink": SINKS["eventbridge"]})

    text = "The sink of such a log stream cannot be changed."
    refused(answer, 400, text, "operation_not_supported")


@pytest.mark.parametrize(
    ("kind", "secret"),
    [
        ("http", "httpAuthorization"),
        ("datadog", "datadogApiKey"),
        ("splunk", "splunkToken"),
        ("mixpanel", "mixpanelServiceAccountPassword"),
    ],
)
def test_secret_that_is_not_sent_is_kept(caller: Caller, kind: str, secret: str) -> None:
    stream = made(caller, type=kind, sink=SINKS[kind])

    without = {name: value for name, value in SINKS[kind].items() if name != secret}
    changed = caller.update(f"log-streams/{stream['id']}", sink=without)

    assert changed["sink"] == SINKS[kind]


def test_secret_is_cleared_by_null(caller: Caller) -> None:
    stream = made(caller, type="http", sink=HTTP)

    changed = caller.update(f"log-streams/{stream['id']}", sink={**HTTP, "httpAuthorization": None})

    assert "httpAuthorization" not in changed["sink"]


def test_ended_stream_is_not_found(caller: Caller, refused: Callable[..., None]) -> None:
    stream = made(caller, type="http", sink=HTTP)
    path = f"log-streams/{stream['id']}"

    assert caller.manage("DELETE", path).status_code == 204
    for method in ("GET", "DELETE"):
        refused(caller.manage(method, path), 404, "The log stream does not exist", "inexistent_log_stream")


def test_reading_a_secret_is_logged(
    caller: Caller, events_of: Callable[[httpx2.Response], list[dict[str, Any]]]
) -> None:
    stream = made(caller, type="http", sink=HTTP)

    for path in ("log-streams", f"log-streams/{stream['id']}"):
        (event,) = events_of(caller.manage("GET", path))
        assert event["type"] == "mgmt_api_read"
        assert "a-secret" not in str(event)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"type": "http"}, "'Missing required property: sink'."),
        ({"sink": {}}, "'Missing required property: type'."),
        ({"type": "http", "sink": {}}, "'Missing required property: httpEndpoint' on property sink."),
        (
            {"type": "sumo", "sink": {**SINKS["sumo"], "x": 1}},
            "'Additional properties not allowed: x' on property sink.",
        ),
        (
            {"type": "datadog", "sink": {"datadogApiKey": 1, "datadogRegion": "eu"}},
            "'Expected type string but found type integer' on property sink.datadogApiKey.",
        ),
        (
            {"type": "http", "sink": HTTP, "filters": [{"type": "category", "name": "x"}]},
            "'No enum match for: 'x'' on property filters[0].name.",
        ),
        (
            {"type": "http", "sink": HTTP, "startFrom": "yesterday"},
            "'Invalid RFC3339 encoded datetime' on property startFrom.",
        ),
        (
            {"type": "http", "sink": HTTP, "pii_config": {"log_fields": ["email", "email"]}},
            "'Array items are not unique (indexes 0 and 1)' on property pii_config.log_fields.",
        ),
    ],
)
def test_stream_that_cannot_be_is_refused(
    caller: Caller, refused: Callable[..., None], body: dict[str, object], message: str
) -> None:
    answer = caller.manage("POST", "log-streams", json=body)

    refused(answer, 400, f"Payload validation error: {message}", "invalid_body")


@pytest.mark.parametrize(
    "sink",
    [
        {"httpEndpoint": "ftp://logs.example"},
        {"httpEndpoint": "https://logs.example/\r\nX: y"},
        {"httpEndpoint": "https://l.example", "httpCustomHeaders": [{"header": "A\r\nB", "value": "c"}]},
        {"httpEndpoint": "https://l.example", "httpCustomHeaders": [{"header": "A", "value": "c\r\nB: d"}]},
    ],
)
def test_sink_that_would_break_a_request_is_refused(caller: Caller, sink: dict[str, object]) -> None:
    answer = caller.manage("POST", "log-streams", json={"type": "http", "sink": sink})

    assert (answer.status_code, answer.json()["errorCode"]) == (400, "invalid_body")


def test_scopes_are_needed(
    caller: Caller, holding: Callable[[str], Limited], refused: Callable[..., None]
) -> None:
    stream = made(caller, type="http", sink=HTTP)
    path, text = f"log-streams/{stream['id']}", "Insufficient scope, expected any of: "
    reading = holding("read:log_streams")

    assert reading("GET", path).status_code == 200
    for method, where, scope in [
        ("POST", "log-streams", "create:log_streams"),
        ("PATCH", path, "update:log_streams"),
        ("DELETE", path, "delete:log_streams"),
    ]:
        refused(reading(method, where, json={}), 403, text + scope, "insufficient_scope")
