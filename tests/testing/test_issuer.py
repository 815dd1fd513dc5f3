"""Tokens without a server: a guard that trusts the issuer for a while, its clock, rotation and outages."""

from __future__ import annotations

import pytest

from gatewright import Denied, Guard, Request
from gatewright.jose import JWK
from gatewright.testing import TokenIssuer

REAL = "https://issuer.example/"
AUDIENCE = "https://blog-api"


def guard(**options: object) -> Guard:
    return Guard(REAL, **{"audience": AUDIENCE} | options)  # type: ignore[arg-type]


def answer(judge: Guard, headers: dict[str, str], rule: str | None = None) -> str:
    try:
        judge.check(Request("GET", "/blogs", list(headers.items())), rule)
    except Denied as refusal:
        return refusal.reason
    return "accepted"


@pytest.fixture
def issuer() -> TokenIssuer:
    return TokenIssuer()


def test_guard_trusts_the_issuer_inside_of_the_block_only(issuer: TokenIssuer) -> None:
    judge = guard()
    with issuer.trusted_by(judge):
        headers = issuer.bearer("read:blog")
        assert answer(judge, headers, "read:blog") == "accepted"
        assert answer(judge, headers, "create:blog") == "insufficient_scope"
    assert judge.issuer == REAL
    assert answer(judge, headers) == "untrusted_issuer"


def test_guard_trusts_nobody_else_meanwhile(issuer: TokenIssuer) -> None:
    judge = guard()
    with issuer.trusted_by(judge):
        assert answer(judge, issuer.bearer(claims={"iss": REAL})) == "untrusted_issuer"


def test_options_of_a_token_are_refused_for_their_own_reasons(issuer: TokenIssuer) -> None:
    judge = guard()
    with issuer.trusted_by(judge):
        assert answer(judge, issuer.bearer(expired=True)) == "expired"
        assert answer(judge, issuer.bearer(audience="https://other")) == "wrong_audience"
        assert answer(judge, issuer.bearer(claims={"exp": None})) == "bad_claim"


def test_clock_makes_a_token_expire(issuer: TokenIssuer) -> None:
    judge = guard()
    with issuer.trusted_by(judge):
        headers = issuer.bearer()
        issuer.clock.forward(3600)
        assert answer(judge, headers) == "accepted"  # by the leeway
        issuer.clock.forward(31)
        assert answer(judge, headers) == "expired"


def test_issuer_signs_with_what_the_guard_allows(issuer: TokenIssuer) -> None:
    judge = guard(algorithms=("ES256",))
    with issuer.trusted_by(judge):
        assert answer(judge, issuer.bearer()) == "accepted"
    assert issuer.algorithm == "RS256"


def test_guard_with_a_shared_secret_trusts_published_keys_in_tests(issuer: TokenIssuer) -> None:
    secret = JWK.symmetric(b"a secret of tests, long enough...", alg="HS256")
    judge = guard(algorithms=("HS256",), keys=secret)
    with issuer.trusted_by(judge):
        assert answer(judge, issuer.bearer()) == "accepted"


def test_old_tokens_outlive_a_rotation_until_their_key_is_revoked(issuer: TokenIssuer) -> None:
    judge = guard()
    with issuer.trusted_by(judge):
        old = issuer.bearer()
        assert answer(judge, old) == "accepted"
        issuer.rotate()
        issuer.clock.forward(11)
        assert answer(judge, issuer.bearer()) == "accepted"
        assert answer(judge, old) == "accepted"
        issuer.rotate()
        issuer.revoke_old_keys()
        issuer.clock.forward(11)
        assert answer(judge, issuer.bearer()) == "accepted"
        assert answer(judge, old) == "unknown_key"


def test_known_keys_outlive_an_outage_and_unknown_ones_wait_for_its_end(issuer: TokenIssuer) -> None:
    judge = guard()
    with issuer.trusted_by(judge):
        known = issuer.bearer()
        assert answer(judge, known) == "accepted"
        issuer.rotate()
        issuer.down()
        issuer.clock.forward(11)
        assert answer(judge, issuer.bearer()) == "keys_unavailable"
        assert answer(judge, known) == "accepted"
        issuer.up()
        issuer.clock.forward(11)
        assert answer(judge, issuer.bearer()) == "accepted"


def test_slow_issuer_is_waited_for(issuer: TokenIssuer) -> None:
    judge = guard()
    issuer.slow(0.05)
    with issuer.trusted_by(judge):
        assert answer(judge, issuer.bearer()) == "accepted"


def test_guard_made_with_the_issuers_fetch_needs_no_block(issuer: TokenIssuer) -> None:
    judge = Guard(issuer.url, audience=AUDIENCE, fetch=issuer.fetch, now=issuer.clock)
    assert answer(judge, issuer.bearer(audience=AUDIENCE)) == "accepted"
