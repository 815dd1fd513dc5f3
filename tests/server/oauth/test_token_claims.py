"""The access token itself: claims and header in all four dialects (auth0-wire 1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jwt
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.records import Clock
    from tests.running import Application, Caller
    from tests.server.calling import Asking

DEFAULT = ["iss", "sub", "aud", "iat", "exp", "scope", "gty", "azp"]
RFC9068 = ["iss", "sub", "aud", "iat", "exp", "jti", "scope", "client_id"]
AUTHZ = {"access_token_authz", "rfc9068_profile_authz"}
DIALECTS = {
    None: ("JWT", DEFAULT),
    "access_token": ("JWT", DEFAULT),
    "access_token_authz": ("JWT", DEFAULT),
    "rfc9068_profile": ("at+jwt", RFC9068),
    "rfc9068_profile_authz": ("at+jwt", RFC9068),
}


@pytest.fixture(scope="module")
def application(caller: Caller) -> Application:
    return caller.application("Reader")


@pytest.fixture
def issue(
    caller: Caller, asking: Callable[..., Asking], application: Application
) -> Callable[..., tuple[Mapping[str, Any], dict[str, Any]]]:
    """Makes an API with these settings; header and claims of a token for it, not verified here."""

    def issued(
        *scopes: str, dialect: str | None, rbac: bool | None
    ) -> tuple[Mapping[str, Any], dict[str, Any]]:
        settings: dict[str, object] = {"scopes": [{"value": value} for value in ("b", "a", "c")]}
        settings |= {} if dialect is None else {"token_dialect": dialect}
        settings |= {} if rbac is None else {"enforce_policies": rbac}
        identifier = f"urn:{dialect}:{rbac}:{len(scopes)}"
        caller.create("resource-servers", identifier=identifier, **settings)
        caller.authorize(application, identifier, *scopes)
        token = asking(application, identifier).form().json()["access_token"]
        return jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})

    return issued


@pytest.mark.parametrize("rbac", [None, False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_dialect_has_exactly_its_claims_in_their_order(
    issue: Callable[..., tuple[Mapping[str, Any], dict[str, Any]]],
    dialect: str | None,
    rbac: bool | None,  # noqa: FBT001 - a parameter of the test
) -> None:
    header, claims = issue("b", "a", dialect=dialect, rbac=rbac)

    typ, names = DIALECTS[dialect]
    permitted = dialect in AUTHZ and rbac is True
    assert header["typ"] == typ
    assert list(claims) == [*names, *(["permissions"] if permitted else [])]
    assert claims.get("permissions") == (["b", "a"] if permitted else None)
    assert claims["scope"] == "b a"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_claims_say_what_they_should(
    caller: Caller,
    clock: Clock,
    application: Application,
    issue: Callable[..., tuple[Mapping[str, Any], dict[str, Any]]],
    dialect: str | None,
) -> None:
    header, claims = issue("a", dialect=dialect, rbac=None)

    name = "client_id" if DIALECTS[dialect][1] is RFC9068 else "azp"
    assert header.keys() == {"alg", "typ", "kid"}
    assert header["alg"] == "RS256"
    assert claims["iss"] == caller.issuer
    assert claims["sub"] == f"{application.client_id}@clients"
    assert claims["aud"] == f"urn:{dialect}:None:1"
    assert (claims["iat"], claims["exp"]) == (int(clock.now), int(clock.now) + 86400)
    assert type(claims["iat"]) is type(claims["exp"]) is int
    assert claims[name] == application.client_id
    assert claims.get("gty") == (None if name == "client_id" else "client-credentials")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_token_without_scopes_has_no_scope_claim(
    issue: Callable[..., tuple[Mapping[str, Any], dict[str, Any]]], dialect: str | None
) -> None:
    _, claims = issue(dialect=dialect, rbac=True)

    assert "scope" not in claims
    assert claims.get("permissions") == ([] if dialect in AUTHZ else None)


def test_permissions_are_the_scopes_asked_for(
    caller: Caller, asking: Callable[..., Asking], application: Application
) -> None:
    scopes = [{"value": "a"}, {"value": "b"}]
    settings = {"scopes": scopes, "enforce_policies": True, "token_dialect": "access_token_authz"}
    caller.create("resource-servers", identifier="urn:asked", **settings)
    caller.authorize(application, "urn:asked", "a", "b")

    token = asking(application, "urn:asked").form(scope="b").json()["access_token"]

    assert jwt.decode(token, options={"verify_signature": False})["permissions"] == ["b"]


def test_each_token_has_a_jti_of_its_own(
    caller: Caller, asking: Callable[..., Asking], application: Application
) -> None:
    caller.create("resource-servers", identifier="urn:jti", token_dialect="rfc9068_profile")
    caller.authorize(application, "urn:jti")
    ask = asking(application, "urn:jti")

    tokens = [ask.form().json()["access_token"] for _ in range(5)]
    names = {jwt.decode(token, options={"verify_signature": False})["jti"] for token in tokens}

    assert len(names) == 5
    assert min(map(len, names)) >= 22


def test_times_follow_the_clock_in_whole_seconds(ask: Asking, moving_clock: Clock) -> None:
    moving_clock.now += 1000.75

    claims = jwt.decode(ask.form().json()["access_token"], options={"verify_signature": False})

    assert claims["iat"] == int(moving_clock.now)
    assert claims["exp"] == claims["iat"] + 86400


def test_changed_dialect_is_in_the_next_token(
    caller: Caller, asking: Callable[..., Asking], application: Application
) -> None:
    made = caller.create("resource-servers", identifier="urn:changing")
    caller.authorize(application, "urn:changing")
    ask = asking(application, "urn:changing")
    assert jwt.get_unverified_header(ask.form().json()["access_token"])["typ"] == "JWT"

    caller.update(f"resource-servers/{made['id']}", token_dialect="rfc9068_profile", token_lifetime=60)

    answer = ask.form().json()
    assert jwt.get_unverified_header(answer["access_token"])["typ"] == "at+jwt"
    assert answer["expires_in"] == 60


def test_identifier_in_any_characters_is_the_audience_claim(
    caller: Caller, asking: Callable[..., Asking], application: Application
) -> None:
    identifier = 'urn:blog é/?#%2F "quoted" \\ \u2028 🔑'
    caller.create("resource-servers", identifier=identifier)
    caller.authorize(application, identifier)

    token = asking(application, identifier).json().json()["access_token"]

    assert jwt.decode(token, options={"verify_signature": False})["aud"] == identifier
