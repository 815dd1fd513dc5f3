"""`/api/v2/resource-servers`: what is made, kept, changed and removed (auth0-wire 3.5)."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from gatewright.server.system_api import SCOPES
from tests.server.encryption_key import PEM, THUMBPRINT, encryption

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx2

    from tests.running import Caller
    from tests.server.calling import Limited

ORDER = [
    "id",
    "name",
    "identifier",
    "allow_offline_access",
    "skip_consent_for_verifiable_first_party_clients",
    "allow_online_access",
    "allow_online_access_with_ephemeral_sessions",
    "subject_type_authorization",
    "token_lifetime",
    "token_lifetime_for_web",
    "signing_alg",
    "scopes",
    "enforce_policies",
    "token_dialect",
    "token_encryption",
    "consent_policy",
    "authorization_details",
    "proof_of_possession",
    "authorization_policy",
]
EVERYTHING: dict[str, object] = {
    "authorization_policy": {"policy_id": "p"},
    "proof_of_possession": {"mechanism": "dpop", "required": True, "required_for": "all_clients"},
    "authorization_details": [{"type": "payment"}],
    "consent_policy": "transactional-authorization-with-mfa",
    "token_encryption": encryption(pem=PEM),
    "token_dialect": "rfc9068_profile_authz",
    "enforce_policies": True,
    "scopes": [{"value": "b", "description": "B"}, {"value": "a"}],
    "signing_alg": "PS256",
    "token_lifetime_for_web": 60,
    "token_lifetime": 120,
    "subject_type_authorization": {"user": {"policy": "deny_all"}, "client": {"policy": "deny_all"}},
    "allow_online_access_with_ephemeral_sessions": True,
    "allow_online_access": True,
    "skip_consent_for_verifiable_first_party_clients": True,
    "allow_offline_access": True,
    "name": "Everything",
}
ANSWERED = {**EVERYTHING, "token_encryption": encryption(thumbprint_sha256=THUMBPRINT)}
"""As it comes back: a key shows as its thumbprint."""


@pytest.fixture
def make(caller: Caller) -> Callable[..., dict[str, Any]]:
    """Makes an API of an identifier of its own, with these settings."""

    def made(**settings: object) -> dict[str, Any]:
        return caller.create("resource-servers", identifier=f"urn:uuid:{uuid.uuid4()}", **settings)

    return made


@pytest.fixture
def change(caller: Caller, make: Callable[..., dict[str, Any]]) -> Callable[..., httpx2.Response]:
    """`change(before, patch)` makes an API with the one and sends it the other."""

    def changed(before: Mapping[str, object], patch: Mapping[str, object]) -> httpx2.Response:
        return caller.manage("PATCH", f"resource-servers/{make(**before)['id']}", json=patch)

    return changed


def test_least_that_can_be_sent_answers_exactly_the_recorded_object(caller: Caller) -> None:
    answer = caller.manage("POST", "resource-servers", json={"identifier": "urn:blogs"})

    made = answer.json()
    assert answer.status_code == 201
    assert answer.text == json.dumps(
        {
            "id": made["id"],
            "identifier": "urn:blogs",
            "allow_offline_access": False,
            "skip_consent_for_verifiable_first_party_clients": False,
            "subject_type_authorization": {
                "client": {"policy": "require_client_grant"},
                "user": {"policy": "allow_all"},
            },
            "token_lifetime": 86400,
            "token_lifetime_for_web": 7200,
            "signing_alg": "RS256",
        },
        separators=(",", ":"),
    )
    assert len(made["id"]) == 24
    assert int(made["id"], 16)


def test_everything_that_can_be_sent_comes_back_in_the_recorded_order(
    caller: Caller, make: Callable[..., dict[str, Any]]
) -> None:
    made = make(**EVERYTHING)

    assert list(made) == ORDER
    assert {name: made[name] for name in EVERYTHING} == ANSWERED
    assert caller.manage("GET", f"resource-servers/{made['id']}").json() == made
    assert made in caller.manage("GET", "resource-servers").json()


def test_order_inside_of_what_is_sent_is_kept(make: Callable[..., dict[str, Any]]) -> None:
    made = make(**EVERYTHING)

    assert list(made["subject_type_authorization"]) == ["user", "client"]
    assert [scope["value"] for scope in made["scopes"]] == ["b", "a"]
    assert list(made["scopes"][0]) == ["value", "description"]


def test_lifetime_for_the_web_is_never_longer_than_the_lifetime(
    make: Callable[..., dict[str, Any]], change: Callable[..., httpx2.Response]
) -> None:
    assert make(token_lifetime=100)["token_lifetime_for_web"] == 100
    assert make(token_lifetime=10_000)["token_lifetime_for_web"] == 7200
    assert change({}, {"token_lifetime": 100}).json()["token_lifetime_for_web"] == 100


def test_null_of_a_create_counts_as_absent(make: Callable[..., dict[str, Any]]) -> None:
    nullable = ("token_encryption", "consent_policy", "authorization_details", "proof_of_possession")

    assert not {*nullable} & make(**dict.fromkeys(nullable)).keys()


def test_signing_secret_is_made_for_hs256_and_shown_with_it_alone(
    change: Callable[..., httpx2.Response], make: Callable[..., dict[str, Any]]
) -> None:
    given = make(signing_alg="HS256", signing_secret="s" * 32)

    assert given["signing_secret"] == "s" * 32
    assert list(given)[-2:] == ["signing_alg", "signing_secret"]
    assert len(make(signing_alg="HS256")["signing_secret"]) == 64
    assert "signing_secret" not in make(signing_secret="s" * 32)
    assert len(change({}, {"signing_alg": "HS256"}).json()["signing_secret"]) == 64
    assert "signing_secret" not in change({"signing_alg": "HS256"}, {"signing_alg": "RS256"}).json()


def test_change_replaces_what_is_sent_and_nothing_else(change: Callable[..., httpx2.Response]) -> None:
    answer = change(EVERYTHING, {"name": "New", "scopes": [{"value": "c"}]})

    changed = answer.json()
    assert answer.status_code == 200
    assert list(changed) == ORDER
    expected = {**ANSWERED, "name": "New", "scopes": [{"value": "c"}]}
    assert {name: changed[name] for name in EVERYTHING} == expected


def test_change_of_nothing_answers_the_whole_object(
    caller: Caller, make: Callable[..., dict[str, Any]]
) -> None:
    made = make(**EVERYTHING)

    assert caller.update(f"resource-servers/{made['id']}") == made


@pytest.mark.parametrize(
    "name",
    [
        "token_encryption",
        "consent_policy",
        "authorization_details",
        "proof_of_possession",
        "authorization_policy",
    ],
)
def test_null_removes_what_may_be_removed(change: Callable[..., httpx2.Response], name: str) -> None:
    answer = change(EVERYTHING, {name: None})

    assert answer.status_code == 200
    assert list(answer.json()) == [kept for kept in ORDER if kept != name]


@pytest.mark.parametrize(
    "name", ["name", "scopes", "signing_alg", "token_lifetime", "enforce_policies", "token_dialect"]
)
def test_null_for_anything_else_is_refused(change: Callable[..., httpx2.Response], name: str) -> None:
    answer = change(EVERYTHING, {name: None})

    assert answer.status_code == 400
    assert answer.json()["message"].endswith(f"but found type null' on property {name}.")


def test_cleared_scopes_are_an_empty_list(change: Callable[..., httpx2.Response]) -> None:
    assert change(EVERYTHING, {"scopes": []}).json()["scopes"] == []


def test_identifier_cannot_be_changed(
    change: Callable[..., httpx2.Response], refused: Callable[..., None]
) -> None:
    answer = change({}, {"identifier": "urn:new"})

    expected = "Payload validation error: 'Additional properties not allowed: identifier'."
    refused(answer, 400, expected, "invalid_body")


def test_identifier_is_taken_once(caller: Caller, refused: Callable[..., None]) -> None:
    caller.create("resource-servers", identifier="urn:once")

    answer = caller.manage("POST", "resource-servers", json={"identifier": "urn:once"})

    text = "A resource server with the same identifier already exists"
    refused(answer, 409, text, "resource_server_conflict")
    caller.create("resource-servers", identifier="urn:Once")


def test_removed_permission_leaves_grants_and_the_next_token_at_once(
    caller: Caller, make: Callable[..., dict[str, Any]]
) -> None:
    api = make(scopes=[{"value": "a"}, {"value": "b"}, {"value": "c"}])
    application = caller.application("Reader")
    grant_id = caller.authorize(application, api["identifier"], "c", "a", "b")
    assert caller.ask_token(application, api["identifier"]).json()["scope"] == "c a b"

    caller.update(f"resource-servers/{api['id']}", scopes=[{"value": "b"}, {"value": "c"}])

    assert caller.manage("GET", f"client-grants/{grant_id}").json()["scope"] == ["c", "b"]
    assert caller.ask_token(application, api["identifier"]).json()["scope"] == "c b"
    assert caller.ask_token(application, api["identifier"], scope="a").status_code == 403


def test_permission_that_comes_back_is_not_granted_again(
    caller: Caller, make: Callable[..., dict[str, Any]]
) -> None:
    api = make(scopes=[{"value": "a"}])
    application = caller.application("Reader")
    caller.authorize(application, api["identifier"], "a")

    for scopes in ([], [{"value": "a"}]):
        caller.update(f"resource-servers/{api['id']}", scopes=scopes)

    assert "scope" not in caller.ask_token(application, api["identifier"]).json()


def test_deleting_takes_the_grants_along(caller: Caller, make: Callable[..., dict[str, Any]]) -> None:
    api, other = make(), make()
    application = caller.application("Reader")
    gone, kept = (caller.authorize(application, each["identifier"]) for each in (api, other))

    answer = caller.manage("DELETE", f"resource-servers/{api['id']}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert caller.manage("GET", f"resource-servers/{api['id']}").status_code == 404
    assert caller.manage("GET", f"client-grants/{gone}").status_code == 404
    assert caller.manage("GET", f"client-grants/{kept}").status_code == 200
    assert caller.ask_token(application, api["identifier"]).status_code == 403


def test_grants_do_not_return_with_a_new_api_of_the_same_identifier(
    caller: Caller, make: Callable[..., dict[str, Any]]
) -> None:
    api, application = make(), caller.application("Reader")
    caller.authorize(application, api["identifier"])
    caller.manage("DELETE", f"resource-servers/{api['id']}")

    caller.create("resource-servers", identifier=api["identifier"])

    assert caller.ask_token(application, api["identifier"]).status_code == 403


def test_deleting_nothing_is_done_already(caller: Caller) -> None:
    assert caller.manage("DELETE", "resource-servers/000000000000000000000000").status_code == 204


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_what_does_not_exist_is_not_found(caller: Caller, refused: Callable[..., None], method: str) -> None:
    answer = caller.manage(method, "resource-servers/urn%3Anothing", json={})

    refused(answer, 404, "The resource server does not exist", "inexistent_resource_server")


@pytest.fixture
def system_path(caller: Caller) -> str:
    apis = caller.manage("GET", "resource-servers").json()
    return f"resource-servers/{next(api['id'] for api in apis if api.get('is_system'))}"


def test_system_api_is_there_as_auth0_has_it(caller: Caller, system_path: str) -> None:
    system = caller.manage("GET", system_path).json()

    assert list(system) == [*ORDER[:5], *ORDER[7:12], "is_system"]
    assert system["name"] == "Auth0 Management API"
    assert system["identifier"] == caller.issuer + "api/v2/"
    assert system["is_system"] is True
    assert len(system["scopes"]) == len(SCOPES)
    first = {"value": "read:client_grants", "description": "Read Client Grants"}
    assert system["scopes"][0] == first


@pytest.mark.parametrize(
    "patch",
    [
        {"name": "Mine"},
        {"scopes": []},
        {"signing_alg": "HS256"},
        {"token_lifetime": 60, "name": "x"},
        {"subject_type_authorization": {"client": {"policy": "deny_all"}}},
        {"proof_of_possession": {"mechanism": "dpop", "required": True}},
    ],
)
def test_system_api_changes_only_where_it_may(
    caller: Caller, refused: Callable[..., None], system_path: str, patch: Mapping[str, object]
) -> None:
    before = caller.manage("GET", system_path).json()

    answer = caller.manage("PATCH", system_path, json=patch)

    text = "System resource servers cannot be changed that way."
    refused(answer, 400, text, "operation_not_supported")
    assert caller.manage("GET", system_path).json() == before


def test_system_apis_lifetime_holds_for_the_next_management_token(caller: Caller, system_path: str) -> None:
    caller.update(system_path, token_lifetime=600, skip_consent_for_verifiable_first_party_clients=True)

    assert caller.ask_token(caller.operator, caller.issuer + "api/v2/").json()["expires_in"] == 600


def test_system_api_cannot_be_deleted(caller: Caller, refused: Callable[..., None], system_path: str) -> None:
    answer = caller.manage("DELETE", system_path)

    refused(answer, 400, "System resource servers cannot be deleted.", "operation_not_supported")


def test_secret_of_an_api_that_is_read_leaves_an_event(
    make: Callable[..., dict[str, Any]],
    holding: Callable[[str], Limited],
    events_of: Callable[..., list[dict[str, Any]]],
) -> None:
    api, plain = make(signing_alg="HS256"), make()
    read = holding("read:resource_servers")

    for path in (f"resource-servers/{api['id']}", "resource-servers"):
        (event,) = events_of(read("GET", path))
        assert event["type"] == "mgmt_api_read"
    assert events_of(read("GET", f"resource-servers/{plain['id']}")) == []


def test_secret_shows_in_no_event(caller: Caller, make: Callable[..., dict[str, Any]]) -> None:
    secret = make(signing_alg="HS256")["signing_secret"]

    assert secret not in caller.manage("GET", "logs", params={"per_page": 100}).text
