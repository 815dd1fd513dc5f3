"""Who may call the Management API: its own guard, in Auth0's words (auth0-wire 3.1 and 3.4)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from gatewright.jose import JWK, jwt
from gatewright.server.management.app import ROUTES
from gatewright.server.system_api import SCOPES
from tests.running import bearer

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from gatewright.server.management.endpoint import Endpoint
    from tests.records import Clock
    from tests.running import Caller
    from tests.server.calling import Limited, Wire

# What each endpoint needs, written down a second time: nobody may loosen one without this test's notice.
# Any of the alternatives lets in; of those joined by + all are needed.
READ_MEMBERS = "read:users+read:roles,read:role_members"
READ_CLIENTS = "read:clients,read:client_keys,read:client_credentials"
UPDATE_CLIENTS = "update:clients,update:client_keys,update:client_credentials"
NEEDS = {
    "GET /resource-servers": "read:resource_servers",
    "POST /resource-servers": "create:resource_servers",
    "GET /resource-servers/{id}": "read:resource_servers",
    "PATCH /resource-servers/{id}": "update:resource_servers",
    "DELETE /resource-servers/{id}": "delete:resource_servers",
    "GET /resource-servers/{id}/base-urls": "read:resource_servers",
    "PUT /resource-servers/{id}/base-urls": "update:resource_servers",
    "GET /clients": READ_CLIENTS,
    "POST /clients": "create:clients",
    "GET /clients/{id}": READ_CLIENTS,
    "PATCH /clients/{id}": UPDATE_CLIENTS,
    "DELETE /clients/{id}": "delete:clients",
    "POST /clients/{id}/rotate-secret": "update:client_keys",
    "GET /clients/{id}/credentials": "read:client_credentials",
    "POST /clients/{id}/credentials": "create:client_credentials",
    "GET /clients/{id}/credentials/{credential_id}": "read:client_credentials",
    "PATCH /clients/{id}/credentials/{credential_id}": "update:client_credentials",
    "DELETE /clients/{id}/credentials/{credential_id}": "delete:client_credentials",
    "GET /clients/{id}/secrets": "read:clients,read:client_keys",
    "POST /clients/{id}/secrets": "create:client_keys",
    "DELETE /clients/{id}/secrets/{secret_id}": "delete:client_keys",
    "GET /client-grants": "read:client_grants",
    "POST /client-grants": "create:client_grants",
    "GET /client-grants/{id}": "read:client_grants",
    "PATCH /client-grants/{id}": "update:client_grants",
    "DELETE /client-grants/{id}": "delete:client_grants",
    "GET /keys/signing": "read:signing_keys",
    "GET /keys/signing/{kid}": "read:signing_keys",
    "GET /keys/signing/{kid}/impact": "read:signing_keys",
    "POST /keys/signing/rotate": "create:signing_keys+update:signing_keys",
    "PUT /keys/signing/{kid}/revoke": "update:signing_keys",
    "GET /revocations": "read:revocations",
    "POST /revocations": "create:revocations",
    "DELETE /revocations/{id}": "delete:revocations",
    "GET /tenants/settings": "read:tenant_settings",
    "PATCH /tenants/settings": "update:tenant_settings",
    "GET /roles": "read:roles",
    "POST /roles": "create:roles",
    "GET /roles/{id}": "read:roles",
    "PATCH /roles/{id}": "update:roles",
    "DELETE /roles/{id}": "delete:roles",
    "GET /roles/{id}/permissions": "read:roles",
    "POST /roles/{id}/permissions": "update:roles",
    "DELETE /roles/{id}/permissions": "update:roles",
    "GET /roles/{id}/users": READ_MEMBERS,
    "POST /roles/{id}/users": "update:roles,create:role_members",
    "GET /users": "read:users",
    "GET /users-by-email": "read:users",
    "POST /users": "create:users",
    "GET /users/{id}": "read:users",
    "PATCH /users/{id}": "update:users",
    "DELETE /users/{id}": "delete:users",
    "GET /users/{id}/permissions": "read:users",
    "POST /users/{id}/permissions": "update:users",
    "DELETE /users/{id}/permissions": "update:users",
    "GET /users/{id}/roles": READ_MEMBERS,
    "POST /users/{id}/roles": "update:users,create:role_members",
    "DELETE /users/{id}/roles": "update:users,delete:role_members",
    "GET /log-streams": "read:log_streams",
    "POST /log-streams": "create:log_streams",
    "GET /log-streams/{id}": "read:log_streams",
    "PATCH /log-streams/{id}": "update:log_streams",
    "DELETE /log-streams/{id}": "delete:log_streams",
    "POST /guard-reports": "create:guard_reports",
    "GET /guard-reports/refusals": "read:guard_reports",
    "GET /guard-reports/uses": "read:guard_reports",
    "GET /guard-reports/apis": "read:guard_reports",
    "GET /attention": "read:insights",
    "GET /stats/daily": "read:stats",
    "GET /stats/active-users": "read:stats",
    "GET /stats/token-requests": "read:stats",
    "GET /insights/tokens": "read:stats",
    "GET /insights/refusals": "read:stats",
    "GET /logs": "read:logs,read:logs_users",
    "GET /logs/{id}": "read:logs,read:logs_users",
}
OF_ONE = dict.fromkeys(("{id}", "{kid}", "{credential_id}", "{secret_id}"), "nothing-of-this-name")


def name_of(row: Endpoint) -> str:
    return f"{row.method} {row.path}"


def address_of(row: Endpoint) -> str:
    """The endpoint's address for something that does not exist, so that being let in changes nothing."""
    path = row.path.lstrip("/")
    for parameter, value in OF_ONE.items():
        path = path.replace(parameter, value)
    return path


def unauthorized(answer: httpx2.Response, status: int, message: str) -> None:
    """Auth0's answer, with the `attributes` that hapi adds."""
    assert answer.status_code == status, answer.text
    assert list(answer.json().items()) == [
        ("statusCode", status),
        ("error", answer.reason_phrase),
        ("message", message),
        ("attributes", {"error": message}),
    ]
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="')


def test_table_of_needs_names_every_endpoint() -> None:
    assert {name_of(row) for row in ROUTES} == NEEDS.keys()


def test_every_scope_that_opens_something_can_be_granted() -> None:
    assert {scope for row in ROUTES for scope in row.scopes} <= set(SCOPES)


@pytest.mark.parametrize("row", ROUTES, ids=name_of)
def test_every_scope_but_its_own_is_not_enough(holding: Callable[[str], Limited], row: Endpoint) -> None:
    named = NEEDS[name_of(row)].replace("+", ",")
    others = [scope for scope in SCOPES if scope not in named.split(",")]

    answer = holding(" ".join(others))(row.method, address_of(row), json={})

    assert answer.status_code == 403, answer.text
    assert list(answer.json().items()) == [
        ("statusCode", 403),
        ("error", "Forbidden"),
        ("message", f"Insufficient scope, expected any of: {named}"),
        ("errorCode", "insufficient_scope"),
    ]
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("row", ROUTES, ids=name_of)
def test_each_alternative_opens_an_endpoint_and_a_part_of_one_does_not(
    holding: Callable[[str], Limited], row: Endpoint
) -> None:
    for alternative in NEEDS[name_of(row)].split(","):
        scopes = alternative.split("+")
        assert holding(" ".join(scopes))(row.method, address_of(row), json={}).status_code not in (401, 403)
        for scope in scopes if len(scopes) > 1 else ():
            assert holding(scope)(row.method, address_of(row), json={}).status_code == 403


@pytest.mark.parametrize("row", ROUTES, ids=name_of)
def test_without_a_token_every_endpoint_is_closed(caller: Caller, row: Endpoint) -> None:
    answer = caller.http.request(row.method, f"api/v2/{address_of(row)}", json={})

    unauthorized(answer, 401, "Missing authentication")


@pytest.mark.parametrize("value", ["Basic eDp5", "DPoP x", "x", "", "Bearerx"])
def test_another_scheme_counts_as_no_token(caller: Caller, value: str) -> None:
    answer = caller.http.get("api/v2/clients", headers={"Authorization": value})

    unauthorized(answer, 401, "Missing authentication")


@pytest.mark.parametrize("value", ["Bearer", "Bearer a b", "bearer  a  b c"])
def test_odd_header_is_a_bad_request(caller: Caller, value: str) -> None:
    answer = caller.http.get("api/v2/clients", headers={"Authorization": value})

    unauthorized(answer, 400, "Bad HTTP authentication header format")


def test_two_headers_are_a_bad_request(caller: Caller, wire: Wire) -> None:
    token = caller.token(caller.operator, caller.issuer + "api/v2/")
    answer = wire.send(
        f"""GET /api/v2/clients HTTP/1.1
        Authorization: Bearer {token}
        Authorization: Bearer {token}"""
    )

    assert answer.status == 400
    assert json.loads(answer.body)["message"] == "Bad HTTP authentication header format"


@pytest.mark.parametrize("token", ["x", "a.b.c", "..", "é.é.é", "e30.e30.", "x" * 20_000])
def test_text_that_is_no_token_is_invalid(caller: Caller, token: str) -> None:
    headers = [(b"Authorization", b"Bearer " + token.encode())]
    answer = caller.http.get("api/v2/clients", headers=headers)

    unauthorized(answer, 401, "Invalid token")


def sound_token(caller: Caller) -> str:
    return caller.token(caller.operator, caller.issuer + "api/v2/")


def test_changed_signature_and_changed_claims_are_named(caller: Caller) -> None:
    head, body, signature = sound_token(caller).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    raised = base64.urlsafe_b64encode(json.dumps({**claims, "scope": "all"}).encode()).decode().rstrip("=")
    other = ("A" if signature[0] != "A" else "B") + signature[1:]

    for token in (f"{head}.{raised}.{signature}", f"{head}.{body}.{other}"):
        answer = caller.http.get("api/v2/clients", headers=bearer(token))

        unauthorized(answer, 401, "Invalid signature received for JSON Web Token validation")


@pytest.mark.parametrize("alg", ["ES256", "RS256", "HS256"])
def test_token_of_another_key_is_refused(caller: Caller, clock: Clock, alg: str) -> None:
    own = JWK.symmetric(b"x" * 32, alg=alg) if alg == "HS256" else JWK.generate(alg)
    claims = {"iss": caller.issuer, "aud": caller.issuer + "api/v2/", "exp": clock.now + 60, "scope": "x"}

    answer = caller.http.get("api/v2/clients", headers=bearer(jwt.sign(claims, own)))

    unauthorized(answer, 401, "Invalid token")


def test_token_expires_by_the_clock_with_thirty_seconds_of_grace(caller: Caller, moving_clock: Clock) -> None:
    headers = bearer(sound_token(caller))
    moving_clock.now += 86400 + 29
    assert caller.http.get("api/v2/clients", headers=headers).status_code == 200

    moving_clock.now += 2

    answer = caller.http.get("api/v2/clients", headers=headers)
    unauthorized(answer, 401, "Expired token received for JSON Web Token validation")


def test_token_for_another_api_is_refused_though_it_names_the_scopes(caller: Caller) -> None:
    caller.create("resource-servers", identifier="urn:other", scopes=[{"value": "read:clients"}])
    application = caller.application("Other")
    caller.authorize(application, "urn:other", "read:clients")

    answer = caller.http.get("api/v2/clients", headers=bearer(caller.token(application, "urn:other")))

    unauthorized(answer, 401, "Invalid token")


def test_token_in_the_query_is_not_looked_at(caller: Caller) -> None:
    params = {"access_token": sound_token(caller)}

    assert caller.http.get("api/v2/clients", params=params).status_code == 401


def test_permissions_of_another_claim_are_no_scopes(holding: Callable[[str], Limited]) -> None:
    assert holding("read:logs")("GET", "clients").status_code == 403


@pytest.mark.parametrize("length", [0, 10, 100_000_000])
def test_decision_is_taken_before_the_body_comes(wire: Wire, length: int) -> None:
    answer = wire.send(
        f"""POST /api/v2/clients HTTP/1.1
        Content-Type: application/json
        Content-Length: {length}"""
    )

    assert answer.status == 401


def test_insufficient_scope_is_told_before_a_wrong_body(holding: Callable[[str], Limited]) -> None:
    answer = holding("read:clients")("POST", "clients", json={"unknown": True})

    assert answer.status_code == 403


def test_client_cannot_widen_its_own_grant_with_other_scopes(holding: Callable[[str], Limited]) -> None:
    limited = holding("update:clients update:resource_servers read:client_grants")
    grant = limited("GET", "client-grants").json()[0]

    assert limited("PATCH", f"client-grants/{grant['id']}", json={"scope": []}).status_code == 403
    assert limited("POST", "client-grants", json={}).status_code == 403
