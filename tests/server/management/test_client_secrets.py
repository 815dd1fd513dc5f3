"""Who sees and who sets the secrets of clients, and what the log says of it (auth0-wire 3.4 and 3.9)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.running import Application

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.running import Caller
    from tests.server.calling import Limited

SECRETS = {"client_secret", "encryption_key", "client_authentication_methods", "signing_keys"}


@pytest.fixture(scope="module")
def path(caller: Caller) -> str:
    """A client with something in every member that is secret or could be."""
    made = caller.create("clients", name="x", description="d", app_type="spa", encryption_key={"pub": "x"})
    return f"clients/{made['client_id']}"


@pytest.mark.parametrize("scope", ["read:client_keys", "read:client_credentials"])
@pytest.mark.parametrize("more", ["", " read:clients"])
def test_scopes_for_keys_see_everything(
    caller: Caller, holding: Callable[[str], Limited], path: str, scope: str, more: str
) -> None:
    read = holding(scope + more)

    assert read("GET", path).json() == caller.manage("GET", path).json()
    assert "client_secret" in read("GET", "clients").json()[0]


def test_reading_clients_alone_sees_no_secret(
    caller: Caller, holding: Callable[[str], Limited], path: str
) -> None:
    whole = caller.manage("GET", path).json()

    seen = holding("read:clients")("GET", path).json()

    assert seen == {name: value for name, value in whole.items() if name not in SECRETS}
    assert list(seen) == [name for name in whole if name not in SECRETS]
    listed = holding("read:clients")("GET", "clients").json()
    assert not SECRETS & {name for client in listed for name in client}


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"fields": "name,client_id"}, {"name", "client_id"}),
        ({"fields": "name,client_id", "include_fields": "true"}, {"name", "client_id"}),
        ({"fields": "client_secret"}, {"client_secret"}),
        ({"fields": "nothing"}, set()),
    ],
)
def test_fields_choose_members(caller: Caller, path: str, params: dict[str, str], names: set[str]) -> None:
    assert caller.manage("GET", path, params=params).json().keys() == names
    assert all(client.keys() == names for client in caller.manage("GET", "clients", params=params).json())


@pytest.mark.parametrize("value", ["", "1", "yes"])
def test_choice_that_is_no_choice_is_refused_though_nothing_is_chosen(
    caller: Caller, path: str, value: str
) -> None:
    assert caller.manage("GET", path, params={"include_fields": value}).status_code == 400


def test_fields_may_leave_members_out(caller: Caller, path: str) -> None:
    whole = caller.manage("GET", path).json()
    params = {"fields": "client_secret,name", "include_fields": "false"}

    assert caller.manage("GET", path, params=params).json().keys() == whole.keys() - {"client_secret", "name"}


def test_fields_never_reveal_more_than_the_scopes(holding: Callable[[str], Limited], path: str) -> None:
    answer = holding("read:clients")("GET", path, params={"fields": "client_secret,signing_keys"})

    assert answer.json() == {}


@pytest.mark.parametrize("name", ["clients", "one"])
def test_secret_that_is_read_leaves_an_event(
    caller: Caller,
    holding: Callable[[str], Limited],
    events_of: Callable[..., list[dict[str, Any]]],
    path: str,
    name: str,
) -> None:
    address = path if name == "one" else name

    (event,) = events_of(holding("read:client_keys")("GET", address))

    assert event["type"] == "mgmt_api_read"
    assert event["client_id"] == caller.operator.client_id
    assert event["client_name"] == "Gatewright CLI"
    assert event["details"]["request"] == {"method": "get", "path": f"/api/v2/{address}"}


def test_secret_of_a_public_client_is_one_too(
    caller: Caller, events_of: Callable[..., list[dict[str, Any]]]
) -> None:
    made = caller.create("clients", name="x", token_endpoint_auth_method="none")

    answer = caller.manage("GET", f"clients/{made['client_id']}")

    assert "client_secret" in answer.json()
    assert [event["type"] for event in events_of(answer)] == ["mgmt_api_read"]


@pytest.mark.parametrize(
    "params", [{}, {"fields": "name"}, {"fields": "client_secret", "include_fields": "false"}]
)
def test_reading_without_secrets_leaves_no_event(
    caller: Caller,
    holding: Callable[[str], Limited],
    events_of: Callable[..., list[dict[str, Any]]],
    path: str,
    params: dict[str, str],
) -> None:
    read = holding("read:clients") if not params else caller.manage

    for address in (path, "clients"):
        assert events_of(read("GET", address, params=params)) == []


def test_secret_is_set_only_by_who_may_update_keys(
    caller: Caller, holding: Callable[[str], Limited], path: str
) -> None:
    before = caller.manage("GET", path).json()
    body = {"client_secret": "a secret of the attacker's choice"}

    for scope in ("update:clients", "update:client_credentials"):
        answer = holding(scope)("PATCH", path, json={"name": "y", **body})

        assert answer.status_code == 403
        assert answer.json()["message"] == "Insufficient scope, expected any of: update:client_keys"
        assert answer.json()["errorCode"] == "insufficient_scope"
    assert caller.manage("GET", path).json() == before
    assert holding("update:client_keys")("PATCH", path, json=body).status_code == 200


def test_change_shows_no_secret_to_who_may_not_read_it(holding: Callable[[str], Limited], path: str) -> None:
    hidden = holding("update:clients")("PATCH", path, json={})
    shown = holding("update:clients read:client_keys")("PATCH", path, json={})

    assert hidden.status_code == shown.status_code == 200
    assert shown.json().keys() - hidden.json().keys() == SECRETS - {"client_authentication_methods"}


def test_who_makes_a_client_learns_its_secret(holding: Callable[[str], Limited]) -> None:
    made = holding("create:clients")("POST", "clients", json={"name": "x"})

    assert len(made.json()["client_secret"]) == 64


def test_who_rotates_a_secret_learns_it(holding: Callable[[str], Limited], path: str) -> None:
    rotated = holding("update:client_keys")("POST", f"{path}/rotate-secret")

    assert len(rotated.json()["client_secret"]) == 64


def test_no_secret_is_in_the_log(caller: Caller, path: str) -> None:
    secrets = [
        caller.manage("GET", path).json()["client_secret"],
        caller.manage("POST", f"{path}/rotate-secret").json()["client_secret"],
        caller.update(path, client_secret="a secret set by hand")["client_secret"],
    ]

    log = caller.manage("GET", "logs", params={"per_page": 100}).text

    assert not [secret for secret in secrets if secret in log]


@pytest.fixture
def api(caller: Caller) -> str:
    """An API that applications of these tests may use."""
    identifier = "urn:clients"
    caller.manage("POST", "resource-servers", json={"identifier": identifier})
    return identifier


def secret_works(caller: Caller, client_id: str, secret: str, api: str) -> bool:
    status = caller.ask_token(Application(client_id, secret), api).status_code
    assert status in {200, 401}
    return status == 200


def test_rotated_secret_ends_at_once(caller: Caller, api: str) -> None:
    application = caller.application("x")
    caller.authorize(application, api)
    assert secret_works(caller, application.client_id, application.client_secret, api)

    answer = caller.manage("POST", f"clients/{application.client_id}/rotate-secret")

    fresh = answer.json()["client_secret"]
    assert answer.status_code == 200
    assert fresh != application.client_secret
    assert re.fullmatch("[A-Za-z0-9_-]{64}", fresh)
    assert secret_works(caller, application.client_id, fresh, api)
    assert not secret_works(caller, application.client_id, application.client_secret, api)


def test_secret_set_by_hand_replaces_the_old_one(caller: Caller, api: str) -> None:
    application = caller.application("x")
    caller.authorize(application, api)

    changed = caller.update(f"clients/{application.client_id}", client_secret="sixteen letters!")

    assert changed["client_secret"] == "sixteen letters!"
    assert secret_works(caller, application.client_id, "sixteen letters!", api)
    assert not secret_works(caller, application.client_id, application.client_secret, api)


@pytest.mark.parametrize("secret", ["s" * 15, "s" * 513, "", None, 7])
def test_secret_too_short_or_too_long_is_refused(caller: Caller, secret: object) -> None:
    application = caller.application("x")

    answer = caller.manage("PATCH", f"clients/{application.client_id}", json={"client_secret": secret})

    assert answer.status_code == 400
    assert answer.json()["message"].endswith("on property client_secret.")


def test_client_with_keys_shows_no_secret_until_it_goes_back(caller: Caller) -> None:
    made = caller.create("clients", name="x")
    path = f"clients/{made['client_id']}"
    methods: dict[str, object] = {"private_key_jwt": {"credentials": []}}

    with_keys = caller.update(path, client_authentication_methods=methods, token_endpoint_auth_method=None)
    back = caller.update(
        path, client_authentication_methods=None, token_endpoint_auth_method="client_secret_post"
    )

    assert "client_secret" not in with_keys
    assert with_keys["client_authentication_methods"] == methods
    assert back["client_secret"] == made["client_secret"]
