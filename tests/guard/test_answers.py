"""The answer of each refusal, byte for byte: status, headers, body and the stable reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gatewright import Denied, Request, acr, all_of, claim
from gatewright.guard import (
    BadHeader,
    InsufficientScope,
    InvalidToken,
    KeysUnavailable,
    NoToken,
    RuleNotMet,
    StepUpRequired,
    Unavailable,
)
from gatewright.guard.rules import Rule, fresh
from tests.guard.issuing import NOW, REMOVED, bearer, guard, token

REALM = 'Bearer realm="https://blog-api"'
INVALID = f'{REALM}, error="invalid_token", error_description='
LACKING = f'{REALM}, error="insufficient_scope", error_description='
STEP_UP = f'{REALM}, error="insufficient_user_authentication", error_description='

# What is asked, for which rule; status, challenge, body's error and description, reason.
TABLE: dict[str, tuple[list[tuple[str, str]], Rule | None, int, str, str, str, str]] = {
    "no token": ([], None, 401, REALM, "unauthorized", "No access token was sent", "no_token"),
    "another scheme": (
        [("Authorization", "Basic YTpi")],
        None,
        401,
        REALM,
        "unauthorized",
        "No access token was sent",
        "no_token",
    ),
    "two words": (
        bearer("a b"),
        None,
        400,
        f'{REALM}, error="invalid_request", error_description="The Authorization header is malformed"',
        "invalid_request",
        "The Authorization header is malformed",
        "bad_header",
    ),
    "malformed": (
        bearer("x.y"),
        None,
        401,
        f'{INVALID}"The access token is malformed"',
        "invalid_token",
        "The access token is malformed",
        "malformed",
    ),
    "expired": (
        bearer(token(exp=NOW - 31)),
        None,
        401,
        f'{INVALID}"The access token expired"',
        "invalid_token",
        "The access token expired",
        "expired",
    ),
    "not yet": (
        bearer(token(nbf=NOW + 31)),
        None,
        401,
        f'{INVALID}"The access token is not valid yet"',
        "invalid_token",
        "The access token is not valid yet",
        "not_yet_valid",
    ),
    "no exp": (
        bearer(token(exp=REMOVED)),
        None,
        401,
        f'{INVALID}"The access token is invalid"',
        "invalid_token",
        "The access token is invalid",
        "bad_claim",
    ),
    "scope": (
        bearer(token(scope="a")),
        all_of("a", "b"),
        403,
        f'{LACKING}"The access token lacks a required scope", scope="a b"',
        "insufficient_scope",
        "The access token lacks a required scope",
        "insufficient_scope",
    ),
    "claim": (
        bearer(token()),
        claim("tier").equals("gold"),
        403,
        f'{LACKING}"The access token does not meet the requirements of this resource"',
        "insufficient_scope",
        "The access token does not meet the requirements of this resource",
        "rule_not_met",
    ),
    "acr": (
        bearer(token()),
        acr("mfa", "hwk"),
        401,
        f'{STEP_UP}"A different authentication level is required", acr_values="mfa hwk"',
        "insufficient_user_authentication",
        "A different authentication level is required",
        "insufficient_user_authentication",
    ),
    "fresh": (
        bearer(token(auth_time=int(NOW) - 900)),
        fresh(max_age=300),
        401,
        f'{STEP_UP}"More recent authentication is required", max_age="300"',
        "insufficient_user_authentication",
        "More recent authentication is required",
        "insufficient_user_authentication",
    ),
    "both of a login": (
        bearer(token(acr="pwd", auth_time=int(NOW) - 900)),
        acr("mfa") & fresh(max_age=300),
        401,
        f'{STEP_UP}"A different authentication level is required", acr_values="mfa", max_age="300"',
        "insufficient_user_authentication",
        "A different authentication level is required",
        "insufficient_user_authentication",
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_a_refusal_is_this_answer(case: str) -> None:
    headers, rule, status, challenge, error, description, reason = TABLE[case]
    with pytest.raises(Denied) as refused:
        guard().check(Request("GET", "/", headers), rule)
    assert refused.value.status == status
    assert refused.value.headers == [
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-store"),
        ("WWW-Authenticate", challenge),
        ("X-Request-Id", refused.value.request_id),
    ]
    assert refused.value.body == {"error": error, "error_description": description}
    assert refused.value.content == (
        f'{{"error":"{error}","error_description":"{description}"}}'.encode("ascii")
    )
    assert (refused.value.reason, str(refused.value)) == (reason, reason)
    assert refused.value.realm == "https://blog-api"


def test_keys_that_cannot_be_fetched_are_answered_without_a_challenge() -> None:
    def down(url: str) -> tuple[int, dict[str, str], bytes]:
        raise ConnectionRefusedError(url)

    with pytest.raises(KeysUnavailable) as refused:
        guard(keys=None, fetch=down).check(Request("GET", "/", bearer(token())))
    assert refused.value.status == 503
    assert refused.value.headers == [
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-store"),
        ("Retry-After", "5"),
        ("X-Request-Id", refused.value.request_id),
    ]
    assert refused.value.body == {
        "error": "temporarily_unavailable",
        "error_description": "The keys to check the access token cannot be fetched now",
    }
    assert (refused.value.reason, refused.value.realm) == ("keys_unavailable", "https://blog-api")
    assert "ConnectionRefusedError" in refused.value.detail


REFUSALS: dict[str, Callable[..., Denied]] = {
    "no_token": NoToken,
    "bad_header": BadHeader,
    "revoked": lambda **given: InvalidToken("revoked", **given),
    "insufficient_scope": lambda **given: InsufficientScope(("a",), **given),
    "rule_not_met": RuleNotMet,
    "insufficient_user_authentication": lambda **given: StepUpRequired(acr_values=(), max_age=1, **given),
    "keys_unavailable": KeysUnavailable,
    "issuers_unavailable": lambda **given: Unavailable("issuers_unavailable", **given),
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_what_developers_are_told_is_no_part_of_the_answer(reason: str) -> None:
    made = REFUSALS[reason](realm="r", detail="SECRET")
    assert (made.reason, made.realm, made.detail, made.token) == (reason, "r", "SECRET", None)
    assert "SECRET" not in f"{made.headers}{made.content!r}{made}"
    assert REFUSALS[reason](realm="r").detail == ""


def test_a_challenge_can_be_extended_and_breaks_out_of_no_quotes() -> None:
    refusal = NoToken(realm='a"b\\c\r\nd\u00e9')
    refusal.extend_challenge(resource_metadata="https://api.example/x", scope='a"')
    refusal.extend_challenge(scope="a b")
    assert dict(refusal.headers)["WWW-Authenticate"] == (
        'Bearer realm="abcd", resource_metadata="https://api.example/x", scope="a b"'
    )
