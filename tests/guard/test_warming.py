"""What an operator asks of a guard: keys before the first request, and how its issuers are doing."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gatewright import Guard, Issuer, Request
from gatewright.guard.fetching import Answer
from tests.guard.issuing import AUDIENCE, NOW, Clock, StubIssuer, bearer, key, token

OTHER = "https://other.example/"


def ways(guard: Guard, *, in_a_loop: bool) -> bool:
    return asyncio.run(guard.awarm()) if in_a_loop else guard.warm()


@pytest.mark.parametrize("in_a_loop", [False, True])
def test_a_warm_guard_asks_nobody_at_the_first_request(*, in_a_loop: bool, issuer: StubIssuer) -> None:
    guard = issuer.guard()
    assert ways(guard, in_a_loop=in_a_loop)
    assert issuer.fetches == 1
    issuer.stop()
    assert guard.check(Request("GET", "/", bearer(issuer.token()))).client_id == "app"
    assert ways(guard, in_a_loop=in_a_loop), "they are fresh"


@pytest.mark.parametrize("in_a_loop", [False, True])
def test_one_issuer_that_is_down_is_told_and_does_not_keep_another_from_being_warm(
    *, in_a_loop: bool, issuer: StubIssuer
) -> None:
    clock = Clock()
    with StubIssuer() as other:
        down = other.url
    guard = Guard(issuer.url, down, Issuer(OTHER, keys=key()), audience=AUDIENCE, now=clock)
    assert not ways(guard, in_a_loop=in_a_loop)
    up, away = guard.health()
    assert (up.issuer, up.keys, up.fetched_at, up.failures, up.stale) == (issuer.url, ("k1",), NOW, 0, False)
    assert (away.issuer, away.keys, away.fetched_at, away.failures) == (down, (), None, 1)
    assert away.last_failure is not None
    clock.forward(400)
    assert guard.health()[0].stale, "and asking for it has fetched nothing"
    assert issuer.fetches == 1


def test_all_issuers_are_asked_at_once() -> None:
    both = threading.Barrier(2, timeout=3)

    def fetch(url: str) -> Answer:
        if url.endswith("openid-configuration"):
            both.wait()
        raise OSError("nobody there")

    guard = Guard("https://issuer.example/", OTHER, audience=AUDIENCE, now=Clock(), fetch=fetch)
    assert not guard.warm()
    assert not both.broken


def test_keys_that_are_handed_over_are_always_warm_and_have_no_health() -> None:
    guard = Guard(OTHER, audience=AUDIENCE, keys=key())
    assert guard.warm()
    assert asyncio.run(guard.awarm())
    assert guard.health() == ()


def test_tenants_have_a_health_once_they_are_looked_up(issuer: StubIssuer) -> None:
    guard = Guard(audience=AUDIENCE, tenants=Issuer, now=Clock())
    assert guard.health() == ()
    assert guard.warm(), "no issuer is named"
    assert guard.check(Request("GET", "/", bearer(token(iss=issuer.url)))).issuer == issuer.url
    assert [health.issuer for health in guard.health()] == [issuer.url]
