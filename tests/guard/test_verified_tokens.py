"""A token that was verified before is judged again by everything that can have changed since."""

# ruff: noqa: ANN401 - tables of calls and options are loosely typed
from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from gatewright import Denied, Guard, Request, any_of
from gatewright.jose import JWKS
from gatewright.jose import jws as signatures
from tests.guard.issuing import AUDIENCE, ISSUER, NOW, Clock, StubIssuer, bearer, guard, key, reply, token


def asked(value: str) -> Request:
    return Request("GET", "/", bearer(value))


def reason(guard: Guard, value: str, rule: Any = None) -> str:
    verdict = guard.decide(asked(value), rule)
    return verdict.reason if isinstance(verdict, Denied) else "accepted"


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each signature that is really verified."""
    seen: list[str] = []
    verify = signatures.verify

    def count(jws: Any, key: Any, **options: Any) -> None:
        seen.append(str(jws.kid))
        verify(jws, key, **options)

    monkeypatch.setattr(signatures, "verify", count)
    return seen


def test_the_signature_of_one_token_is_verified_once_a_minute(verifications: list[str]) -> None:
    clock = Clock()
    door, sent = guard(now=clock), token()
    assert [reason(door, sent) for _ in range(5)] == ["accepted"] * 5
    assert len(verifications) == 1
    clock.forward(61)
    assert reason(door, sent) == "accepted"
    assert len(verifications) == 2


def test_without_a_cache_each_signature_is_verified(verifications: list[str]) -> None:
    door, sent = guard(cache_size=0), token()
    assert [reason(door, sent) for _ in range(3)] == ["accepted"] * 3
    assert len(verifications) == 3


def test_a_remembered_token_expires_with_its_leeway() -> None:
    clock = Clock()
    door, sent = guard(now=clock), token(exp=NOW + 10)
    assert reason(door, sent) == "accepted"
    clock.forward(39)
    assert reason(door, sent) == "accepted"
    clock.forward(1)
    assert reason(door, sent) == "expired"


def test_a_remembered_token_is_judged_anew_when_the_clock_was_set_back() -> None:
    clock = Clock()
    door, sent = guard(now=clock), token(nbf=NOW)
    assert reason(door, sent) == "accepted"
    clock.forward(-31)
    assert reason(door, sent) == "not_yet_valid"


def test_a_remembered_token_of_a_key_that_was_handed_away_is_refused_at_once() -> None:
    ring = JWKS([key()])
    door = guard(keys=lambda: ring)
    sent = token()
    assert reason(door, sent) == "accepted"
    ring = JWKS([key("k2")])
    assert reason(door, sent) == "unknown_key"


def test_a_remembered_token_is_judged_anew_when_another_key_has_taken_its_keys_name() -> None:
    ring = JWKS([key()])
    door = guard(keys=lambda: ring)
    sent = token()
    assert reason(door, sent) == "accepted"
    ring = JWKS([dataclasses.replace(key("other"), kid="k1")])
    assert reason(door, sent) == "bad_signature"


def test_a_remembered_token_of_a_key_that_is_no_longer_published_is_refused() -> None:
    clock = Clock()
    with StubIssuer() as issuer:
        usual = {"keys": [key().to_dict()]}
        issuer.replies[issuer.JWKS] = reply(200, usual, Cache_Control="max-age=60")
        door = issuer.guard(now=clock)
        assert reason(door, issuer.token()) == "accepted"
        clock.forward(30)
        sent = issuer.token(jti="remembered")
        assert reason(door, sent) == "accepted"
        issuer.replies[issuer.JWKS] = reply(200, {"keys": [key("k2").to_dict()]})
        clock.forward(31)  # the keys have grown old, the memory of this token has not
        assert reason(door, sent) == "unknown_key"


def test_revocation_is_asked_at_each_hit() -> None:
    revoked: set[str | None] = set()
    door = guard(revoked=lambda token: token.token_id in revoked)
    sent = token(jti="t1")
    assert reason(door, sent) == "accepted"
    revoked.add("t1")
    assert reason(door, sent) == "revoked"


def test_rules_are_never_remembered() -> None:
    door, sent = guard(), token(scope="read:blog")
    assert reason(door, sent, "read:blog") == "accepted"
    assert reason(door, sent, "create:blog") == "insufficient_scope"
    assert reason(door, sent, any_of("admin", "read:blog")) == "accepted"


def test_refusals_are_not_remembered() -> None:
    clock = Clock()
    door, sent = guard(now=clock), token(nbf=NOW + 60)
    assert reason(door, sent) == "not_yet_valid"
    clock.forward(60)
    assert reason(door, sent) == "accepted"


def test_a_token_that_differs_in_one_character_is_another(verifications: list[str]) -> None:
    door, sent = guard(), token()
    assert reason(door, sent) == "accepted"
    header, payload, signature = sent.split(".")
    changed = ("B" if signature[0] == "A" else "A") + signature[1:]
    assert reason(door, f"{header}.{payload}.{changed}") == "bad_signature"
    assert len(verifications) == 2


def test_memory_is_bounded(verifications: list[str]) -> None:
    door = guard(cache_size=3)
    tokens = [token(jti=str(number)) for number in range(5)]
    for sent in tokens:
        assert reason(door, sent) == "accepted"
    assert len(door._verifier.cache._entries) == 3  # noqa: SLF001 - what is not to be seen from outside
    reason(door, tokens[-1])
    assert len(verifications) == 5
    reason(door, tokens[0])
    assert len(verifications) == 6


def test_guards_do_not_share_what_they_remember() -> None:
    sent = token()
    assert reason(guard(), sent) == "accepted"
    assert reason(Guard(ISSUER, audience="https://other", keys=key(), now=Clock()), sent) == "wrong_audience"
    assert AUDIENCE != "https://other"
