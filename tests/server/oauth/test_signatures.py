"""Tokens of every algorithm, verified by PyJWT and joserfc with what the server publishes."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import joserfc.jwt
import jwt
import pytest
from joserfc.jwk import KeySet, OctKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.records import Clock
    from tests.running import Application, Caller
    from tests.server.calling import Asking

ASYMMETRIC = ["RS256", "RS512", "PS256", "ES256", "EdDSA"]
SECRET = "a signing secret of 32 characters"


@pytest.fixture(scope="module")
def application(caller: Caller) -> Application:
    return caller.application("Signer's client")


def published(caller: Caller) -> dict[str, Any]:
    """The key set as anybody gets it."""
    answer = caller.http.get(".well-known/jwks.json")
    assert answer.status_code == 200
    members: dict[str, Any] = answer.json()
    return members


@pytest.fixture
def token_of(
    caller: Caller, asking: Callable[..., Asking], application: Application
) -> Callable[..., tuple[str, str]]:
    """Makes an API with these settings; a token for it, and its identifier."""

    def make(**settings: object) -> tuple[str, str]:
        identifier = f"urn:uuid:{uuid.uuid4()}"
        caller.create("resource-servers", identifier=identifier, **settings)
        caller.authorize(application, identifier)
        answer = asking(application, identifier).form()
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"], identifier

    return make


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_token_verifies_with_the_published_key_of_its_kid(
    caller: Caller, clock: Clock, token_of: Callable[..., tuple[str, str]], alg: str
) -> None:
    token, audience = token_of(signing_alg=alg)
    header = jwt.get_unverified_header(token)
    member = next(key for key in published(caller)["keys"] if key["kid"] == header["kid"])

    claims = jwt.decode(
        token,
        jwt.PyJWK(member),
        algorithms=[alg],
        audience=audience,
        issuer=caller.issuer,
        options={"verify_exp": False, "verify_iat": False},  # the server's clock is not today's
    )

    assert header == {"alg": alg, "typ": "JWT", "kid": member["kid"]}
    assert member["alg"] == alg
    assert claims["iat"] == int(clock.now)


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # joserfc prefers RFC 9864's name for it
@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_token_verifies_with_joserfc(
    caller: Caller, token_of: Callable[..., tuple[str, str]], alg: str
) -> None:
    token, audience = token_of(signing_alg=alg)
    keys = [key for key in published(caller)["keys"] if key["alg"] == alg]

    verified = joserfc.jwt.decode(token, KeySet.import_key_set({"keys": keys}), algorithms=[alg])

    assert verified.claims["aud"] == audience


def test_hs256_token_verifies_with_the_secret_of_its_api_and_names_no_key(
    token_of: Callable[..., tuple[str, str]],
) -> None:
    token, audience = token_of(signing_alg="HS256", signing_secret=SECRET)

    verified = joserfc.jwt.decode(token, OctKey.import_key(SECRET), algorithms=["HS256"])

    assert verified.header == {"alg": "HS256", "typ": "JWT"}
    assert verified.claims["aud"] == audience


def test_hs256_secret_is_made_when_none_is_given(
    caller: Caller, token_of: Callable[..., tuple[str, str]]
) -> None:
    token, audience = token_of(signing_alg="HS256")
    secret = caller.manage("GET", f"resource-servers/{audience}").json()["signing_secret"]

    assert len(secret) == 64
    assert (
        joserfc.jwt.decode(token, OctKey.import_key(secret), algorithms=["HS256"]).claims["aud"] == audience
    )


def test_changed_secret_signs_the_next_token(
    caller: Caller,
    asking: Callable[..., Asking],
    application: Application,
    token_of: Callable[..., tuple[str, str]],
) -> None:
    _, audience = token_of(signing_alg="HS256", signing_secret=SECRET)
    caller.update(f"resource-servers/{audience}", signing_secret=SECRET[::-1])

    token = asking(application, audience).form().json()["access_token"]

    key = OctKey.import_key(SECRET[::-1])
    assert joserfc.jwt.decode(token, key, algorithms=["HS256"]).claims["aud"] == audience


def test_changed_algorithm_signs_the_next_token(
    caller: Caller,
    asking: Callable[..., Asking],
    application: Application,
    token_of: Callable[..., tuple[str, str]],
) -> None:
    _, audience = token_of()
    for alg in ("ES256", "HS256", "RS256"):
        caller.update(f"resource-servers/{audience}", signing_alg=alg)

        token = asking(application, audience).form().json()["access_token"]

        assert jwt.get_unverified_header(token)["alg"] == alg


def test_no_secret_and_no_private_number_is_published(
    caller: Caller, token_of: Callable[..., tuple[str, str]]
) -> None:
    for alg in (*ASYMMETRIC, "HS256"):
        token_of(signing_alg=alg)

    keys = published(caller)["keys"]

    assert {key["kty"] for key in keys} == {"RSA", "EC", "OKP"}
    assert not {"d", "p", "q", "dp", "dq", "qi", "oth", "k"} & {name for key in keys for name in key}
    assert {(key["kty"], key.get("crv")) for key in keys} >= {("EC", "P-256"), ("OKP", "Ed25519")}
