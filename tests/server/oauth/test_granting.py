"""What a client gets, and every refusal word for word (auth0-wire 1.5 and 1.6)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from tests.server.assertions import new_key, public_pem
from tests.server.calling import ABSENT, AUDIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import httpx2

    from tests.running import Application, Caller
    from tests.server.calling import Asking

DEMANDS_PROOF = {"mechanism": "dpop", "required": True}
DEMANDS_ENCRYPTION = {
    "format": "compact-nested-jwe",
    "encryption_key": {"name": "k", "alg": "RSA-OAEP-256", "pem": public_pem(new_key())},
}


def refusal(answer: httpx2.Response, status: int, error: str, description: str, **more: str) -> None:
    """Exactly these members, and never a cacheable answer."""
    assert answer.status_code == status, answer.text
    assert answer.json() == {"error": error, "error_description": description, **more}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"
    assert "www-authenticate" not in answer.headers


def no_grant(client_id: str, audience: str) -> str:
    """Auth0's present wording."""
    return (
        f'Client "{client_id}" is not authorized to access resource server "{audience}". '
        'You need to create a "client-grant" associated to this API.'
    )


@pytest.fixture
def newcomer(caller: Caller) -> Application:
    """An application without any grant."""
    return caller.application("Newcomer")


@pytest.fixture
def made(caller: Caller) -> Callable[..., str]:
    """Makes another API with these settings; its identifier."""

    def make(**settings: object) -> str:
        identifier = f"https://api.example/{uuid.uuid4()}"
        caller.create("resource-servers", identifier=identifier, **settings)
        return identifier

    return make


def test_unknown_grant_type_is_refused(ask: Asking) -> None:
    for grant_type in ("password", "CLIENT_CREDENTIALS", " client_credentials", "constructor"):
        expected = f"Unsupported grant type: {grant_type}"
        refusal(ask.form(grant_type=grant_type), 403, "unsupported_grant_type", expected)


def test_grant_type_that_the_client_may_not_use_is_refused(
    caller: Caller, asking: Callable[..., Asking], newcomer: Application
) -> None:
    caller.update(f"clients/{newcomer.client_id}", grant_types=["authorization_code"])

    refusal(
        asking(newcomer).form(),
        403,
        "unauthorized_client",
        "Grant type 'client_credentials' not allowed for the client.",
        error_uri="https://auth0.com/docs/clients/client-grant-types",
    )


@pytest.mark.parametrize("audience", [ABSENT, ""])
def test_no_audience_is_refused(ask: Asking, audience: object) -> None:
    expected = "Non-global clients are not allowed access to APIv1"

    refusal(ask.form(audience=audience), 403, "access_denied", expected)


@pytest.fixture
def _default_audience(caller: Caller, blogs: str) -> Iterator[None]:
    """`AUDIENCE` is what the tenant takes for the API where a request names none."""
    caller.update("tenants/settings", default_audience=blogs)
    yield
    caller.update("tenants/settings", default_audience="")


@pytest.mark.usefixtures("_default_audience")
def test_no_audience_means_the_default_one_of_the_tenant(ask: Asking) -> None:
    token = ask.form(audience=ABSENT).json()["access_token"]

    assert jwt.decode(token, options={"verify_signature": False})["aud"] == AUDIENCE
    expected = "Service not enabled within domain: urn:other"
    refusal(ask.form(audience="urn:other"), 403, "access_denied", expected)


@pytest.mark.usefixtures("_default_audience")
def test_the_default_audience_needs_a_grant_as_any_other(
    asking: Callable[..., Asking], newcomer: Application
) -> None:
    expected = no_grant(newcomer.client_id, AUDIENCE)

    refusal(asking(newcomer).form(audience=ABSENT), 403, "access_denied", expected)


@pytest.mark.parametrize(
    "audience", [AUDIENCE + "/", AUDIENCE.upper(), AUDIENCE + " ", AUDIENCE[:-1], "https://nowhere.example/"]
)
def test_audience_must_be_an_identifier_to_the_letter(ask: Asking, audience: str) -> None:
    expected = f"Service not enabled within domain: {audience}"

    refusal(ask.form(audience=audience), 403, "access_denied", expected)


def test_audience_without_a_grant_is_refused(
    asking: Callable[..., Asking], blogs: str, newcomer: Application
) -> None:
    refusal(asking(newcomer).form(), 403, "access_denied", no_grant(newcomer.client_id, blogs))


def test_management_audience_is_no_exception(
    caller: Caller, asking: Callable[..., Asking], newcomer: Application
) -> None:
    audience = caller.issuer + "api/v2/"

    answer = asking(newcomer, audience).form()

    refusal(answer, 403, "access_denied", no_grant(newcomer.client_id, audience))


def test_grant_for_users_gives_the_client_nothing(
    caller: Caller, asking: Callable[..., Asking], blogs: str, newcomer: Application
) -> None:
    members = {"client_id": newcomer.client_id, "audience": blogs, "scope": [], "subject_type": "user"}
    caller.create("client-grants", **members)

    refusal(asking(newcomer).form(), 403, "access_denied", no_grant(newcomer.client_id, blogs))


def test_grant_that_was_deleted_gives_nothing_at_once(
    caller: Caller, asking: Callable[..., Asking], blogs: str, newcomer: Application
) -> None:
    grant_id = caller.authorize(newcomer, blogs)
    assert asking(newcomer).form().status_code == 200

    caller.manage("DELETE", f"client-grants/{grant_id}")

    refusal(asking(newcomer).form(), 403, "access_denied", no_grant(newcomer.client_id, blogs))


def test_api_that_denies_all_gives_nothing(
    caller: Caller, asking: Callable[..., Asking], made: Callable[..., str], newcomer: Application
) -> None:
    identifier = made(subject_type_authorization={"client": {"policy": "deny_all"}})
    caller.authorize(newcomer, identifier)

    answer = asking(newcomer, identifier).form()

    refusal(answer, 403, "access_denied", no_grant(newcomer.client_id, identifier))


@pytest.mark.parametrize("organization", ["org_1", "acme"])
def test_organization_is_refused(ask: Asking, organization: str) -> None:
    expected = "The client-grant cannot be used with an organization on this server"

    refusal(ask.form(organization=organization), 403, "access_denied", expected)


def test_grant_that_requires_an_organization_is_refused(
    caller: Caller, asking: Callable[..., Asking], blogs: str, newcomer: Application
) -> None:
    grant_id = caller.authorize(newcomer, blogs)
    caller.update(f"client-grants/{grant_id}", organization_usage="require")

    assert asking(newcomer).form().status_code == 403


@pytest.mark.parametrize(
    ("settings", "demand"),
    [
        ({"proof_of_possession": DEMANDS_PROOF}, "proof of possession"),
        ({"proof_of_possession": {**DEMANDS_PROOF, "required_for": "all_clients"}}, "proof of possession"),
        ({"proof_of_possession": {**DEMANDS_PROOF, "mechanism": "mtls"}}, "proof of possession"),
        ({"token_encryption": DEMANDS_ENCRYPTION}, "token encryption"),
    ],
)
def test_api_that_demands_more_than_we_can_gets_no_weaker_token(
    caller: Caller,
    asking: Callable[..., Asking],
    made: Callable[..., str],
    newcomer: Application,
    settings: Mapping[str, object],
    demand: str,
) -> None:
    identifier = made(**settings)
    caller.authorize(newcomer, identifier)

    answer = asking(newcomer, identifier).form()

    refusal(answer, 400, "invalid_request", f"The API demands {demand}, which is not available")


@pytest.mark.parametrize("changed", [{"required": False}, {"required_for": "public_clients"}])
def test_demand_that_does_not_concern_the_client_is_none(
    caller: Caller,
    asking: Callable[..., Asking],
    made: Callable[..., str],
    newcomer: Application,
    changed: Mapping[str, Any],
) -> None:
    identifier = made(proof_of_possession={**DEMANDS_PROOF, **changed})
    caller.authorize(newcomer, identifier)

    assert asking(newcomer, identifier).form().status_code == 200


def test_client_that_demands_proof_of_possession_gets_no_bearer_token(
    caller: Caller, asking: Callable[..., Asking], blogs: str, newcomer: Application
) -> None:
    caller.authorize(newcomer, blogs)
    caller.update(f"clients/{newcomer.client_id}", require_proof_of_possession=True)

    expected = "The client demands proof of possession, which is not available"
    refusal(asking(newcomer).form(), 400, "invalid_request", expected)


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (ABSENT, "read:blog create:blog"),
        ("", "read:blog create:blog"),
        ("   ", "read:blog create:blog"),
        ("read:blog", "read:blog"),
        ("create:blog read:blog", "create:blog read:blog"),
        ("  read:blog   create:blog ", "read:blog create:blog"),
        ("read:blog read:blog", "read:blog"),
        ("create:blog read:blog create:blog", "create:blog read:blog"),
    ],
)
def test_scopes_are_those_asked_for_in_their_order(ask: Asking, asked: object, granted: str) -> None:
    answer = ask.form(scope=asked)

    assert answer.status_code == 200
    assert answer.json()["scope"] == granted


@pytest.mark.parametrize(
    ("asked", "missing"),
    [
        ("delete:blog", "delete:blog"),
        ("read:blog delete:blog", "delete:blog"),
        ("z delete:blog read:blog a", "z delete:blog a"),
        ("READ:BLOG", "READ:BLOG"),
        ("read:blog,create:blog", "read:blog,create:blog"),
        ("openid offline_access", "openid offline_access"),
    ],
)
def test_scope_outside_the_grant_is_refused_and_named(ask: Asking, asked: str, missing: str) -> None:
    expected = f"Client has not been granted scopes: {missing}"

    refusal(ask.form(scope=asked), 403, "access_denied", expected)


def test_token_without_any_scope_has_no_scope_member(
    caller: Caller, asking: Callable[..., Asking], blogs: str, newcomer: Application
) -> None:
    caller.authorize(newcomer, blogs)

    answer = asking(newcomer).form()

    assert list(answer.json()) == ["access_token", "expires_in", "token_type"]


def test_all_scopes_are_those_the_api_has_at_this_moment(
    caller: Caller, asking: Callable[..., Asking], made: Callable[..., str], newcomer: Application
) -> None:
    identifier = made(scopes=[{"value": "b"}, {"value": "a"}])
    members = {"client_id": newcomer.client_id, "audience": identifier, "allow_all_scopes": True}
    caller.create("client-grants", **members)
    ask = asking(newcomer, identifier)
    assert ask.form().json()["scope"] == "b a"

    scopes = [{"value": "c"}, {"value": "a"}]
    caller.manage("PATCH", f"resource-servers/{identifier.replace('/', '%2F')}", json={"scopes": scopes})

    assert ask.form().json()["scope"] == "c a"
    assert ask.form(scope="a").json()["scope"] == "a"
    refusal(ask.form(scope="b"), 403, "access_denied", "Client has not been granted scopes: b")


def test_lifetime_is_the_apis(
    caller: Caller, asking: Callable[..., Asking], made: Callable[..., str], newcomer: Application
) -> None:
    identifier = made(token_lifetime=321)
    caller.authorize(newcomer, identifier)

    assert asking(newcomer, identifier).form().json()["expires_in"] == 321


@pytest.mark.parametrize("member", ["audience", "scope", "grant_type"])
def test_descriptions_hold_no_control_and_no_foreign_characters(ask: Asking, member: str) -> None:
    answer = ask.json(**{member: "a\r\nb\x00\x1b[31m\u202eé\u2028"})

    assert answer.status_code == 403
    description = answer.json()["error_description"]
    assert description.isascii()
    assert description.isprintable()
    assert "\\u" not in answer.text


def test_log_line_stays_short_whatever_is_sent(ask: Asking, lines: Sequence[Mapping[str, object]]) -> None:
    ask.json(audience="a" * 60_000)
    ask.json(scope="s " * 10 + "t" * 60_000)

    assert all(len(str(line)) < 2000 for line in lines)
