"""`/api/v2/clients/{id}/secrets`: two secrets live while one is replaced, and each tells its last use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from gatewright.server.events import iso_time
from tests.records import NOW
from tests.running import Application

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatewright.server.app import RunningServer
    from tests.records import Clock
    from tests.running import Caller
    from tests.server.calling import Limited

API = "urn:two-secrets"


@pytest.fixture(scope="module", autouse=True)
def api(caller: Caller) -> None:
    caller.create("resource-servers", identifier=API)


@pytest.fixture
def application(caller: Caller) -> Application:
    """An application that may ask for tokens, with one secret."""
    made = caller.application("Two secrets")
    caller.authorize(made, API)
    return made


@pytest.fixture
def client(application: Application) -> str:
    return f"clients/{application.client_id}"


def listed(caller: Caller, client: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = caller.manage("GET", f"{client}/secrets").json()
    return found


def works(caller: Caller, client: str, secret: str) -> bool:
    status = caller.ask_token(Application(client.partition("/")[2], secret), API).status_code
    assert status in {200, 401}
    return status == 200


def test_added_secret_lives_beside_the_first_until_one_is_ended(
    caller: Caller, client: str, application: Application
) -> None:
    answer = caller.manage("POST", f"{client}/secrets")

    made = answer.json()
    old = application.client_secret
    assert answer.status_code == 201
    assert list(made) == ["id", "secret", "created_at"]
    assert re.fullmatch("sec_[A-Za-z0-9]{22}", made["id"])
    assert re.fullmatch("[A-Za-z0-9_-]{64}", made["secret"])
    assert made["created_at"] == iso_time(NOW)
    assert works(caller, client, old)
    assert works(caller, client, made["secret"])

    second, first = listed(caller, client)
    assert (second["id"], second["secret"], first["secret"]) == (made["id"], made["secret"], old)
    ended = caller.manage("DELETE", f"{client}/secrets/{first['id']}")
    assert (ended.status_code, ended.content) == (204, b"")
    assert not works(caller, client, old)
    assert works(caller, client, made["secret"])
    assert [each["id"] for each in listed(caller, client)] == [made["id"]]


def test_new_secret_may_be_ended_again(caller: Caller, client: str, application: Application) -> None:
    made = caller.create(f"{client}/secrets")

    assert caller.manage("DELETE", f"{client}/secrets/{made['id']}").status_code == 204
    assert not works(caller, client, made["secret"])
    assert works(caller, client, application.client_secret)


def test_the_newest_secret_is_the_one_that_the_client_shows(caller: Caller, client: str) -> None:
    made = caller.create(f"{client}/secrets")

    assert caller.manage("GET", client).json()["client_secret"] == made["secret"]
    caller.manage("DELETE", f"{client}/secrets/{made['id']}")
    (first,) = listed(caller, client)
    assert caller.manage("GET", client).json()["client_secret"] == first["secret"]


def test_a_third_secret_and_no_secret_at_all_are_refused(
    caller: Caller, refused: Callable[..., None], client: str
) -> None:
    (first,) = listed(caller, client)
    last = caller.manage("DELETE", f"{client}/secrets/{first['id']}")
    caller.create(f"{client}/secrets")
    third = caller.manage("POST", f"{client}/secrets")

    text = "It is the client's only secret: add another first, or rotate it"
    refused(last, 400, text, "operation_not_supported")
    text = "The client has two secrets: end one of them first"
    refused(third, 409, text, "client_secret_conflict")
    assert len(listed(caller, client)) == 2


def test_rotating_ends_all_at_once(caller: Caller, client: str, application: Application) -> None:
    made = caller.create(f"{client}/secrets")

    rotated = caller.manage("POST", f"{client}/rotate-secret").json()["client_secret"]

    assert works(caller, client, rotated)
    assert not works(caller, client, made["secret"])
    assert not works(caller, client, application.client_secret)
    assert [each["secret"] for each in listed(caller, client)] == [rotated]


def test_secret_set_by_hand_ends_the_others_and_keeps_its_id_when_it_is_one_of_them(
    caller: Caller, client: str, application: Application
) -> None:
    (first,) = listed(caller, client)
    made = caller.create(f"{client}/secrets")

    caller.update(client, client_secret=application.client_secret)

    assert [each["id"] for each in listed(caller, client)] == [first["id"]]
    assert not works(caller, client, made["secret"])
    caller.update(client, client_secret="sixteen letters!")
    (chosen,) = listed(caller, client)
    assert chosen["secret"] == "sixteen letters!"
    assert chosen["id"] != first["id"]


def test_last_use_is_told_of_each(
    caller: Caller, client: str, application: Application, moving_clock: Clock
) -> None:
    made = caller.create(f"{client}/secrets")
    assert not any("last_used_at" in each for each in listed(caller, client))

    moving_clock.now = NOW + 60
    assert works(caller, client, application.client_secret)
    moving_clock.now = NOW + 120
    assert works(caller, client, made["secret"])
    assert not works(caller, client, "wrong")

    second, first = listed(caller, client)
    assert (second["last_used_at"], first["last_used_at"]) == (iso_time(NOW + 120), iso_time(NOW + 60))
    moving_clock.now = NOW + 180
    assert works(caller, client, made["secret"])
    second, first = listed(caller, client)
    assert (second["last_used_at"], first["last_used_at"]) == (iso_time(NOW + 180), iso_time(NOW + 60))


def test_use_counts_even_when_the_grant_is_then_refused(
    caller: Caller, client: str, application: Application
) -> None:
    assert caller.ask_token(application, "urn:unknown").status_code == 403

    assert listed(caller, client)[0]["last_used_at"] == iso_time(NOW)


def test_what_is_known_of_a_secrets_use_goes_with_it(
    caller: Caller, client: str, application: Application
) -> None:
    assert works(caller, client, application.client_secret)
    assert "last_used_at" in listed(caller, client)[0]

    caller.manage("POST", f"{client}/rotate-secret")

    assert "last_used_at" not in listed(caller, client)[0]


def test_deleting_a_client_takes_what_is_known_of_its_secrets_along(
    caller: Caller, running: RunningServer, client: str, application: Application
) -> None:
    def uses() -> dict[str, float]:
        return running.server.store.read(lambda tx: tx.secret_uses.of(application.client_id))

    assert works(caller, client, application.client_secret)
    listed(caller, client)
    assert len(uses()) == 1

    assert caller.manage("DELETE", client).status_code == 204

    assert uses() == {}


def test_values_are_shown_and_logged_only_to_who_may_read_them(
    caller: Caller,
    holding: Callable[[str], Limited],
    events_of: Callable[..., list[dict[str, Any]]],
    client: str,
) -> None:
    hidden = holding("read:clients")("GET", f"{client}/secrets")
    shown = holding("read:client_keys")("GET", f"{client}/secrets")

    assert [list(each) for each in hidden.json()] == [["id", "created_at"]]
    assert [list(each) for each in shown.json()] == [["id", "secret", "created_at"]]
    assert events_of(hidden) == []
    assert [event["type"] for event in events_of(shown)] == ["mgmt_api_read"]
    assert holding("read:client_credentials")("GET", f"{client}/secrets").status_code == 403
    assert caller.manage("GET", client).status_code == 200


def test_each_change_leaves_an_event_without_the_secret(
    caller: Caller, events_of: Callable[..., list[dict[str, Any]]], client: str
) -> None:
    made = caller.manage("POST", f"{client}/secrets")
    gone = caller.manage("DELETE", f"{client}/secrets/{made.json()['id']}")

    told = [event for answer in (made, gone) for event in events_of(answer)]
    assert [(event["type"], event["description"]) for event in told] == [
        ("sapi", "Add a client secret"),
        ("sapi", "Delete a client secret"),
    ]
    assert made.json()["secret"] not in str(told)


def test_client_with_keys_has_no_use_for_a_second_secret(
    caller: Caller, refused: Callable[..., None], client: str
) -> None:
    caller.update(client, client_authentication_methods={"private_key_jwt": {"credentials": []}})

    text = "The client authenticates with its credentials, not with a secret"
    refused(caller.manage("POST", f"{client}/secrets"), 400, text, "operation_not_supported")
    answer = caller.manage("GET", f"{client}/secrets")
    assert [list(each) for each in answer.json()] == [["id", "created_at"]]


def test_what_does_not_exist_is_not_found(caller: Caller, refused: Callable[..., None], client: str) -> None:
    for method in ("GET", "POST"):
        answer = caller.manage(method, "clients/nothing/secrets")
        refused(answer, 404, "The client does not exist", "inexistent_client")
    for path in ("clients/nothing/secrets/sec_x", f"{client}/secrets/sec_x"):
        assert caller.manage("DELETE", path).status_code == 204
    assert len(listed(caller, client)) == 1


def test_secret_of_another_client_is_out_of_reach(
    caller: Caller, client: str, application: Application
) -> None:
    (secret,) = listed(caller, client)
    other = f"clients/{caller.application('Other').client_id}"
    caller.create(f"{other}/secrets")

    assert caller.manage("DELETE", f"{other}/secrets/{secret['id']}").status_code == 204
    assert works(caller, client, application.client_secret)
    assert len(listed(caller, other)) == 2
