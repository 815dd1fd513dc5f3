"""`/api/v2/attention`: what somebody should look at, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gatewright.server.client import Client
from gatewright.server.events import iso_time
from gatewright.server.management import attention
from gatewright.server.model import client_document, new_client_id, new_client_secret
from tests.records import refusal
from tests.running import calling
from tests.server.calling import renewed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatewright.server.app import RunningServer
    from tests.records import Clock
    from tests.running import Application, Caller

API = "urn:attention"


@pytest.fixture(scope="module", autouse=True)
def api(running: RunningServer) -> dict[str, Any]:
    """An API with a permission and an application, which needs nobody."""
    with calling(running) as caller:
        made = caller.create("resource-servers", identifier=API, name="Tended", scopes=[{"value": "read"}])
        caller.create("client-grants", client_id=caller.operator.client_id, audience=API, scope=["read"])
    return made


@pytest.fixture
def caller(running: RunningServer) -> Iterator[Caller]:
    """With a token of the test's own: some end keys, and move the clock past its end."""
    with calling(running) as caller:
        yield caller


@pytest.fixture
def app(caller: Caller) -> Application:
    """An application with a grant, whose secret was just used."""
    made = caller.application("Tended")
    caller.authorize(made, API)
    caller.token(made, API)
    return made


def kinds(caller: Caller, **about: str) -> list[str]:
    """The kinds of what is said of something."""
    rows = renewed(caller).manage("GET", "attention").json()
    return [row["kind"] for row in rows if about.items() <= row.items()]


def test_what_is_tended_is_not_named(caller: Caller, app: Application, api: dict[str, Any]) -> None:
    assert kinds(caller, client_id=app.client_id) == []
    assert kinds(caller, client_id=caller.operator.client_id) == []
    assert kinds(caller, resource_server_id=api["id"]) == []


def test_a_secret_without_any_grant_is_named_at_once(caller: Caller) -> None:
    made = caller.application("Forgotten")
    assert kinds(caller, client_id=made.client_id) == ["no_grant"]


def test_who_has_no_secret_needs_no_grant(caller: Caller) -> None:
    made = caller.create("clients", name="Page", token_endpoint_auth_method="none")
    assert kinds(caller, client_id=made["client_id"]) == []


def test_a_secret_that_nobody_ever_used_is_named_after_a_week(caller: Caller, moving_clock: Clock) -> None:
    made = caller.application("Never used")
    caller.authorize(made, API)
    moving_clock.now += attention.SECRET_IS_NEW - 1
    assert kinds(caller, client_id=made.client_id) == []
    moving_clock.now += 1
    assert kinds(caller, client_id=made.client_id) == ["secret_never_used"]
    caller.token(made, API)
    assert kinds(caller, client_id=made.client_id) == []


def test_a_secret_grows_idle_and_old(caller: Caller, app: Application, moving_clock: Clock) -> None:
    used_at = moving_clock.now
    moving_clock.now += attention.SECRET_IS_IDLE + 1
    rows = renewed(caller).manage("GET", "attention").json()
    [row] = [row for row in rows if row.get("client_id") == app.client_id]
    assert (row["kind"], row["name"], row["since"]) == ("secret_idle", "Tended", iso_time(used_at))
    moving_clock.now = used_at + attention.SECRET_IS_OLD
    caller.token(app, API)
    assert kinds(caller, client_id=app.client_id) == ["secret_old"]
    renewed(caller).manage("POST", f"clients/{app.client_id}/rotate-secret")
    assert kinds(caller, client_id=app.client_id) == []


def test_two_secrets_are_named_when_they_have_lived_together_for_a_week(
    caller: Caller, app: Application, moving_clock: Clock
) -> None:
    made = caller.manage("POST", f"clients/{app.client_id}/secrets").json()
    moving_clock.now += attention.SECRET_IS_NEW - 1
    assert kinds(caller, client_id=app.client_id) == []
    moving_clock.now += 1
    assert kinds(caller, client_id=app.client_id) == ["two_secrets"]
    later = renewed(caller)
    secrets = later.manage("GET", f"clients/{app.client_id}/secrets").json()
    [old] = [each["id"] for each in secrets if each["id"] != made["id"]]
    assert kinds(caller, client_id=app.client_id, secret_id=old) == ["two_secrets"]
    later.manage("DELETE", f"clients/{app.client_id}/secrets/{old}")
    assert kinds(caller, client_id=app.client_id) == ["secret_never_used"]


def test_an_api_without_permission_or_application_is_named(caller: Caller) -> None:
    made = caller.create("resource-servers", identifier="urn:bare")
    named = {"resource_server_id": made["id"], "audience": "urn:bare"}
    assert kinds(caller, **named) == ["api_without_application", "api_without_permissions"]
    caller.manage("PATCH", f"resource-servers/{made['id']}", json={"scopes": [{"value": "read"}]})
    caller.create("client-grants", client_id=caller.operator.client_id, audience="urn:bare", scope=[])
    assert kinds(caller, **named) == []


def test_keys_are_named_when_they_are_old_and_when_they_were_revoked(
    caller: Caller, moving_clock: Clock
) -> None:
    assert kinds(caller, alg="RS256") == []
    moving_clock.now += attention.KEY_IS_OLD
    assert kinds(caller, alg="RS256") == ["key_old"]
    later = renewed(caller)
    later.manage("POST", "keys/signing/rotate")
    assert kinds(caller, alg="RS256") == []
    later = renewed(caller)
    [old] = [key["kid"] for key in later.manage("GET", "keys/signing").json() if key.get("previous")]
    assert later.manage("PUT", f"keys/signing/{old}/revoke").is_success
    assert kinds(caller, kid=old) == ["key_revoked"]
    moving_clock.now += attention.KEY_WAS_REVOKED
    assert kinds(caller, kid=old) == []


def test_a_ring_without_its_next_key_is_named(caller: Caller, running: RunningServer) -> None:
    key = running.server.store.read(lambda tx: tx.signing_keys.first(alg="RS256", state="next"))
    assert key is not None
    running.server.store.write(lambda tx: tx.signing_keys.delete(key.kid))
    assert "no_next_key" in kinds(caller, alg="RS256")
    running.server.store.write(lambda tx: tx.signing_keys.insert(key))
    assert "no_next_key" not in kinds(caller, alg="RS256")


def test_guards_that_ceased_to_report_are_named(
    caller: Caller, app: Application, moving_clock: Clock
) -> None:
    report = {"refusals": [refusal(API, app.client_id, minute=int(moving_clock.now))]}
    assert caller.manage("POST", "guard-reports", json=report).is_success
    assert kinds(caller, audience=API) == []
    moving_clock.now += attention.REPORTS_HAVE_ENDED + 1
    assert kinds(caller, audience=API) == ["reports_ended"]


def test_a_paused_log_stream_is_named_without_its_sink(caller: Caller) -> None:
    sink = {"httpEndpoint": "https://sink.example/", "httpAuthorization": "Bearer canary"}
    made = caller.manage("POST", "log-streams", json={"type": "http", "name": "Sink", "sink": sink}).json()
    assert kinds(caller, log_stream_id=made["id"]) == []
    caller.update(f"log-streams/{made['id']}", status="paused")
    answer = caller.manage("GET", "attention")
    assert {"kind": "log_stream_stopped", "log_stream_id": made["id"], "name": "Sink"} in answer.json()
    assert "canary" not in answer.text


def test_no_more_than_a_few_of_a_kind_are_told_however_many_there_are(
    caller: Caller, running: RunningServer, clock: Clock
) -> None:
    made = [
        Client(new_client_id(), client_document({"name": f"App {n}"}), (new_client_secret(clock.now),))
        for n in range(attention.MOST_LOOKED_AT + 50)
    ]

    def insert(tx: Any) -> None:  # noqa: ANN401 - a transaction
        for client in made:
            tx.clients.insert(client)

    running.server.store.write(insert)
    told = [row for row in caller.manage("GET", "attention").json() if row["kind"] == "no_grant"]
    assert len(told) == attention.MOST_OF_A_KIND
