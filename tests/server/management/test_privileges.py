"""Nobody reaches further than their own token: grants of management scopes, system records (threats 1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from gatewright.server.system_api import SCOPES

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from tests.running import Application, Caller
    from tests.server.calling import Limited

GRANTER = "create:client_grants update:client_grants read:client_grants"


@pytest.fixture(scope="module")
def management(caller: Caller) -> str:
    """The audience of the Management API."""
    return caller.issuer + "api/v2/"


@pytest.fixture
def application(caller: Caller) -> Application:
    """An application without a grant."""
    return caller.application("Ambitious")


@pytest.fixture
def granter(holding: Callable[[str], Limited]) -> Limited:
    """Somebody who may manage grants and read the log."""
    return holding(f"{GRANTER} read:logs")


def refused_scopes(answer: httpx2.Response, named: str) -> None:
    """The refusal names exactly the scopes that the caller lacks."""
    assert answer.status_code == 403, answer.text
    assert answer.json() == {
        "statusCode": 403,
        "error": "Forbidden",
        "message": "Insufficient scope, a token grants only Management API scopes that it holds, not: "
        + named,
        "errorCode": "insufficient_scope",
    }


def grants_of(caller: Caller, application: Application) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = caller.manage(
        "GET", "client-grants", params={"client_id": application.client_id}
    ).json()
    return found


def test_only_management_scopes_that_the_token_holds_can_be_granted(
    caller: Caller, granter: Limited, application: Application, management: str
) -> None:
    members = {"client_id": application.client_id, "audience": management}

    more = granter("POST", "client-grants", json={**members, "scope": ["read:logs", "read:users"]})
    every = granter("POST", "client-grants", json={**members, "allow_all_scopes": True})
    third = {"audience": management, "default_for": "third_party_clients", "scope": ["read:users"]}
    for_all = granter("POST", "client-grants", json=third)
    assert grants_of(caller, application) == []
    same = granter("POST", "client-grants", json={**members, "scope": ["read:logs"]})

    refused_scopes(more, "read:users")
    refused_scopes(for_all, "read:users")
    names = "delete:client_grants read:users update:users delete:users create:users"
    assert every.status_code == 403
    assert f"not: {names} " in every.json()["message"]
    assert every.json()["message"].endswith(f" and {len(SCOPES) - 14} more")
    assert same.status_code == 201


def test_an_update_adds_only_what_the_token_holds_and_may_keep_or_take_the_rest(
    caller: Caller, granter: Limited, application: Application, management: str
) -> None:
    grant_id = caller.authorize(application, management, "read:users", "read:stats")
    path = f"client-grants/{grant_id}"

    wider = granter("PATCH", path, json={"scope": ["read:users", "read:stats", "update:users"]})
    every = granter("PATCH", path, json={"allow_all_scopes": True})

    refused_scopes(wider, "update:users")
    assert every.status_code == 403
    assert grants_of(caller, application)[0]["scope"] == ["read:users", "read:stats"]
    kept = granter("PATCH", path, json={"scope": ["read:users", "read:logs"]})
    assert kept.json()["scope"] == ["read:users", "read:logs"]
    assert granter("PATCH", path, json={"scope": ["read:logs"]}).status_code == 200
    refused_scopes(granter("PATCH", path, json={"scope": ["read:users"]}), "read:users")


def test_who_has_all_scopes_today_is_not_given_those_of_tomorrow(
    caller: Caller, granter: Limited, application: Application, management: str
) -> None:
    system = caller.manage("GET", f"resource-servers/{quote(management, safe='')}").json()
    scopes = [scope["value"] for scope in system["scopes"]]
    path = f"client-grants/{caller.authorize(application, management, *scopes)}"

    assert granter("PATCH", path, json={"allow_all_scopes": True}).status_code == 403
    assert caller.update(path, allow_all_scopes=True)["allow_all_scopes"] is True
    assert granter("PATCH", path, json={"allow_all_scopes": True}).status_code == 200


def test_scopes_of_other_apis_are_granted_by_whoever_may_grant(
    caller: Caller, granter: Limited, application: Application
) -> None:
    caller.create("resource-servers", identifier="urn:free", scopes=[{"value": "read:users"}])
    members = {"client_id": application.client_id, "audience": "urn:free", "allow_all_scopes": True}

    assert granter("POST", "client-grants", json=members).status_code == 201


def test_the_command_lines_client_has_all(caller: Caller, application: Application, management: str) -> None:
    members = {"client_id": application.client_id, "audience": management, "allow_all_scopes": True}

    assert caller.manage("POST", "client-grants", json=members).status_code == 201


def test_the_client_of_the_command_line_and_its_grant_stay(
    caller: Caller, refused: Callable[..., None]
) -> None:
    own = caller.operator.client_id
    (grant,) = grants_of(caller, caller.operator)

    client = caller.manage("DELETE", f"clients/{own}")
    at_system = caller.manage("DELETE", f"client-grants/{grant['id']}")

    code = "operation_not_supported"
    refused(client, 400, "The client of the command line cannot be deleted.", code)
    refused(at_system, 400, "The client grant of the command line cannot be deleted.", code)
    assert grants_of(caller, caller.operator) == [grant]


@pytest.mark.parametrize("body", [{"scope": []}, {"scope": ["read:logs"]}])
def test_the_command_line_keeps_its_scopes(
    caller: Caller, refused: Callable[..., None], body: dict[str, object]
) -> None:
    (grant,) = grants_of(caller, caller.operator)
    path = f"client-grants/{grant['id']}"
    everything = caller.update(path, allow_all_scopes=True)

    text = "The client grant of the command line cannot be narrowed."
    narrowed = caller.manage("PATCH", path, json={"allow_all_scopes": False, **body})
    refused(narrowed, 400, text, "operation_not_supported")
    assert grants_of(caller, caller.operator) == [everything]
    caller.update(path, allow_all_scopes=False, scope=grant["scope"])


@pytest.mark.parametrize(
    "body",
    [
        {"grant_types": []},
        {"grant_types": ["implicit"]},
        {"token_endpoint_auth_method": "none"},
        {
            "client_authentication_methods": {"private_key_jwt": {"credentials": []}},
            "token_endpoint_auth_method": None,
        },
    ],
    ids=str,
)
def test_the_client_of_the_command_line_stays_usable(
    caller: Caller, refused: Callable[..., None], body: dict[str, object]
) -> None:
    path = f"clients/{caller.operator.client_id}"
    before = caller.manage("GET", path).json()

    answer = caller.manage("PATCH", path, json=body)

    text = "The client of the command line needs its secret and client_credentials."
    refused(answer, 400, text, "operation_not_supported")
    assert caller.manage("GET", path).json() == before
    assert caller.update(path, description="changed")["description"] == "changed"


def test_the_command_lines_client_may_lose_any_other_grant(caller: Caller) -> None:
    caller.create("resource-servers", identifier="urn:passing", scopes=[{"value": "x"}])
    grant_id = caller.authorize(caller.operator, "urn:passing", "x")

    assert caller.update(f"client-grants/{grant_id}", scope=[])["scope"] == []
    assert caller.manage("DELETE", f"client-grants/{grant_id}").status_code == 204
    assert caller.manage("GET", f"client-grants/{grant_id}").status_code == 404


@pytest.mark.parametrize("methods", [{"private_key_jwt": {"credentials": []}}, None])
def test_how_a_client_authenticates_is_changed_only_by_who_may_update_credentials(
    caller: Caller,
    holding: Callable[[str], Limited],
    refused: Callable[..., None],
    application: Application,
    methods: object,
) -> None:
    path, body = f"clients/{application.client_id}", {"client_authentication_methods": methods}
    before = caller.manage("GET", path).json()

    answer = holding("update:clients update:client_keys")("PATCH", path, json=body)

    text = "Insufficient scope, expected any of: update:client_credentials"
    refused(answer, 403, text, "insufficient_scope")
    assert caller.manage("GET", path).json() == before
    assert holding("update:client_credentials")("PATCH", path, json=body).status_code == 200


def test_a_client_with_keys_is_made_only_by_who_may_create_credentials(
    holding: Callable[[str], Limited], refused: Callable[..., None]
) -> None:
    body = {"name": "x", "client_authentication_methods": {"private_key_jwt": {"credentials": []}}}

    answer = holding("create:clients")("POST", "clients", json=body)

    text = "Insufficient scope, expected any of: create:client_credentials"
    refused(answer, 403, text, "insufficient_scope")
    assert (
        holding("create:clients create:client_credentials")("POST", "clients", json=body).status_code == 201
    )


EXCLUSIVE = "client_authentication_methods and token_endpoint_auth_method are mutually exclusive"


def test_secret_and_key_exclude_each_other_across_requests(
    caller: Caller, refused: Callable[..., None]
) -> None:
    made = caller.create("clients", name="x", token_endpoint_auth_method="client_secret_post")
    path = f"clients/{made['client_id']}"
    methods: dict[str, object] = {"private_key_jwt": {"credentials": []}}

    to_keys = caller.manage("PATCH", path, json={"client_authentication_methods": methods})
    both = {"client_authentication_methods": methods, "token_endpoint_auth_method": None}
    caller.update(path, **both)
    to_secret = caller.manage("PATCH", path, json={"token_endpoint_auth_method": "client_secret_basic"})

    text = "Payload validation error: '{}, set {} to null' on property {}."
    names = ("token_endpoint_auth_method", "client_authentication_methods")
    refused(to_keys, 400, text.format(EXCLUSIVE, names[0], names[1]), "invalid_body")
    refused(to_secret, 400, text.format(EXCLUSIVE, names[1], names[0]), "invalid_body")
    assert caller.manage("GET", path).json()["client_authentication_methods"] == methods
    assert "token_endpoint_auth_method" not in caller.manage("GET", path).json()
    caller.update(path, client_authentication_methods=None, token_endpoint_auth_method="none")
