"""What a program can ask of one issuer's keys: absent keys, generation, health, warming; nothing awaited."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from gatewright.guard import Request
from gatewright.guard.freshness import MOST_ABSENT
from gatewright.guard.keys import IssuerKeys
from gatewright.guard.refresh import FetchFailed
from gatewright.guard.transport import HttpFetch
from gatewright.jose import UnknownKey
from tests.guard.asking import DAY, ask, soon
from tests.guard.issuing import NOW, Clock, StubIssuer, bearer, key, reply


@pytest.fixture
def clock() -> Clock:
    return Clock()


def absent(keys: IssuerKeys, kid: str) -> bool:
    """Whether a good answer is said to lack the key."""
    try:
        keys.find(kid=kid, alg="RS256")
    except UnknownKey:
        return True
    return False


# Keys that are not there


def test_the_same_unknown_key_causes_one_fetch_a_minute_and_other_ones_one_in_ten_seconds(
    issuer: StubIssuer, clock: Clock
) -> None:
    keys = IssuerKeys(issuer.url, now=clock)
    assert absent(keys, "made-up")
    assert issuer.fetches == 1
    for _ in range(5):
        clock.forward(10)
        assert absent(keys, "made-up")
    assert issuer.fetches == 1
    assert absent(keys, "another")
    assert issuer.fetches == 2, "other keys are asked for all the same"
    clock.forward(10)
    assert absent(keys, "made-up")
    assert issuer.fetches == 3, "a minute later it may have come"


def test_a_key_that_appears_in_a_rotation_is_found_after_the_cool_down(
    issuer: StubIssuer, clock: Clock
) -> None:
    keys = IssuerKeys(issuer.url, now=clock)
    assert keys.warm()
    clock.forward(9)
    assert absent(keys, "k2"), "nobody was asked for its sake, so it is not held to be absent"
    issuer.published = [key("k1"), key("k2")]
    clock.forward(1)
    assert keys.find(kid="k2", alg="RS256").kid == "k2"
    assert issuer.fetches == 2


def test_a_new_key_set_ends_every_absence(issuer: StubIssuer, clock: Clock) -> None:
    keys = IssuerKeys(issuer.url, now=clock)
    assert keys.warm()
    clock.forward(10)
    assert absent(keys, "k2")
    issuer.published = [key("k1"), key("k3")]
    clock.forward(10)
    assert keys.find(kid="k3", alg="RS256").kid == "k3"
    issuer.published = [key("k1"), key("k2")]
    clock.forward(10)
    assert keys.find(kid="k2", alg="RS256").kid == "k2", "absent 20 s ago, but from another set"


def test_an_absent_key_is_known_as_soon_as_the_refresh_in_the_background_brings_it(
    issuer: StubIssuer, clock: Clock
) -> None:
    guard = issuer.guard(now=clock)
    assert ask(guard, issuer.token()) == "entered"
    clock.forward(0.86 * 300)
    issuer.published = [key("k1"), key("k2")]
    assert ask(guard, issuer.token()) == "entered"
    assert soon(lambda: issuer.fetches == 2)
    assert soon(lambda: ask(guard, issuer.token(key("k2"))) == "entered")


def test_what_is_absent_is_bounded_and_told_apart_by_algorithm(issuer: StubIssuer, clock: Clock) -> None:
    keys = IssuerKeys(issuer.url, now=clock)
    assert absent(keys, "first")
    clock.forward(10)
    with pytest.raises(UnknownKey):
        keys.find(kid="first", alg="ES256")
    assert issuer.fetches == 2
    store = keys._absent  # noqa: SLF001 - filling it by fetches would take 20 minutes of the clock
    for number in range(MOST_ABSENT - 1):
        store.note((f"flood-{number}", "RS256"), clock())
    clock.forward(10)
    assert absent(keys, "first")
    assert issuer.fetches == 3, "the oldest of them has left"
    assert len(store._since) == MOST_ABSENT  # noqa: SLF001 - as above


def test_an_absent_key_is_503_once_the_issuer_is_away(issuer: StubIssuer, clock: Clock) -> None:
    keys = IssuerKeys(issuer.url, now=clock)
    assert absent(keys, "made-up")
    issuer.stop()
    clock.forward(10)
    with pytest.raises(FetchFailed):
        keys.find(kid="other", alg="RS256")
    with pytest.raises(FetchFailed):
        keys.find(kid="made-up", alg="RS256")


def test_a_fetch_that_failed_makes_no_key_absent(issuer: StubIssuer, clock: Clock) -> None:
    keys = IssuerKeys(issuer.url, now=clock)
    assert keys.warm()
    issuer.replies[issuer.JWKS] = reply(500)
    clock.forward(10)
    with pytest.raises(FetchFailed):
        keys.find(kid="k2", alg="RS256")
    issuer.published = [key("k1"), key("k2")]
    del issuer.replies[issuer.JWKS]
    clock.forward(10)
    assert keys.find(kid="k2", alg="RS256").kid == "k2"


# Generation


def test_the_generation_changes_with_the_keys_and_not_with_the_answers(
    issuer: StubIssuer, clock: Clock
) -> None:
    keys = IssuerKeys(issuer.url, now=clock)
    assert keys.generation == 0
    first = keys.find(kid="k1", alg="RS256")
    assert keys.generation == 1
    clock.forward(301)
    assert keys.find(kid="k1", alg="RS256") is first, "what was verified with it stays verified"
    assert (keys.generation, issuer.fetches) == (1, 2)
    issuer.stop()
    clock.forward(301)
    assert keys.find(kid="k1", alg="RS256") is first
    assert keys.generation == 1
    issuer.start()
    issuer.published = [key("k1"), key("k2")]
    clock.forward(61)
    assert keys.known(kid="k1", alg="RS256", now=clock()) is not None
    assert soon(lambda: keys.generation == 2)
    issuer.published = [key("k2")]
    clock.forward(301)
    assert absent(keys, "k1")
    assert keys.generation == 3


# Health


def test_health_tells_what_is_known_and_how_the_last_fetches_went(issuer: StubIssuer, clock: Clock) -> None:
    keys = IssuerKeys(issuer.url, now=clock)
    cold = keys.health()
    assert (cold.issuer, cold.keys, cold.fetched_at, cold.fresh_until) == (issuer.url, (), None, None)
    assert (cold.usable_until, cold.failures, cold.fetches, cold.stale) == (None, 0, 0, False)
    issuer.published = [key("k1"), key("e1", "ES256")]
    assert keys.warm()
    warm = keys.health()
    assert warm.keys == ("k1", "e1")
    assert (warm.fetched_at, warm.fresh_until, warm.usable_until) == (NOW, NOW + 300, NOW + 300 + DAY)
    assert (warm.failures, warm.last_failure, warm.fetches, warm.stale) == (0, None, 1, False)
    issuer.replies[issuer.JWKS] = reply(503)
    clock.forward(301)
    assert keys.warm(), "old, but usable"
    ill = keys.health()
    assert (ill.failures, ill.fetches, ill.stale, ill.fetched_at) == (1, 2, True, NOW)
    assert "answered 503" in (ill.last_failure or "")
    issuer.replies[issuer.JWKS] = reply(404)
    clock.forward(61)
    assert not keys.warm(), "an issuer that says there are no keys is believed"
    assert keys.health().usable_until == NOW + 300
    del issuer.replies[issuer.JWKS]
    clock.forward(61)
    assert keys.warm()
    healed = keys.health()
    assert (healed.failures, healed.last_failure, healed.stale) == (0, None, False)


# Warming


def test_warming_fetches_once_and_a_cold_issuer_is_no_exception(issuer: StubIssuer, clock: Clock) -> None:
    keys = IssuerKeys(issuer.url, now=clock)
    issuer.stop()
    assert keys.warm() is False
    clock.forward(1)
    assert asyncio.run(keys.awarm()) is False
    issuer.start()
    clock.forward(1)
    assert asyncio.run(keys.awarm()) is True
    assert keys.warm() is True
    assert issuer.fetches == 1
    assert keys.known(kid="k1", alg="RS256", now=clock()) is not None


def test_keys_at_a_uri_of_their_own_need_no_discovery(issuer: StubIssuer, clock: Clock) -> None:
    issuer.replies["/mine"] = reply(200, {"keys": [key("k7").to_dict()]})
    keys = IssuerKeys(issuer.url, now=clock, jwks_uri=issuer.url + "mine")
    assert keys.find(kid="k7", alg="RS256").kid == "k7"
    clock.forward(4000)
    assert keys.find(kid="k7", alg="RS256").kid == "k7"
    assert dict(issuer.hits) == {"/mine": 2}


# Waiting


def test_with_a_warm_key_the_async_check_awaits_nothing(issuer: StubIssuer, clock: Clock) -> None:
    guard, sent = issuer.guard(now=clock, cache_size=0), issuer.token()

    async def asked_by_hand() -> list[bool]:
        # In a running loop, where a wait would suspend the coroutine in place of ending it.
        finished = []
        for seconds in (0, 0.86 * 300):
            clock.forward(seconds)
            pending = guard.acheck(Request("GET", "/", bearer(sent)))
            with contextlib.suppress(StopIteration):
                pending.send(None)
                pending.close()
                finished.append(False)
                continue
            finished.append(True)
        return finished

    assert ask(guard, sent) == "entered"
    assert asyncio.run(asked_by_hand()) == [True, True], "not even where a refresh is due"


def test_the_loop_goes_on_and_warm_tokens_enter_while_an_issuer_is_slow(
    issuer: StubIssuer, clock: Clock
) -> None:
    def silent(request: BaseHTTPRequestHandler) -> None:
        del request
        soon(lambda: False, seconds=1.5)

    keys = IssuerKeys(issuer.url, now=clock, timeout=0.5)
    assert keys.warm()
    issuer.replies[issuer.JWKS] = silent
    clock.forward(10)

    async def crowd() -> tuple[int, int]:
        ticks = entered = 0
        waiting = asyncio.ensure_future(keys.afind(kid="k2", alg="RS256"))
        while not waiting.done():
            entered += keys.known(kid="k1", alg="RS256", now=clock()) is not None
            ticks += 1
            await asyncio.sleep(0.01)
        assert isinstance(waiting.exception(), FetchFailed)
        return ticks, entered

    ticks, entered = asyncio.run(crowd())
    assert ticks == entered
    assert ticks > 20


def test_the_time_of_an_http_fetch_is_for_the_whole_refresh(issuer: StubIssuer, clock: Clock) -> None:
    def slow(request: BaseHTTPRequestHandler) -> None:
        soon(lambda: False, seconds=0.3)
        issuer.usual(request.path)(request)

    issuer.replies = dict.fromkeys((issuer.DISCOVERY, issuer.JWKS), slow)
    assert not IssuerKeys(issuer.url, now=clock, fetch=HttpFetch(timeout=0.45)).warm()
    assert IssuerKeys(issuer.url, now=clock, fetch=HttpFetch(timeout=3)).warm()


def test_a_fetch_nobody_waits_for_any_more_ends_with_the_time_of_its_refresh(
    issuer: StubIssuer, clock: Clock
) -> None:
    def silent(request: BaseHTTPRequestHandler) -> None:
        del request
        soon(lambda: False, seconds=3)

    issuer.replies[issuer.JWKS] = silent
    keys = IssuerKeys(issuer.url, now=clock, fetch=HttpFetch(timeout=5), timeout=0.3)
    assert not keys.warm()
    assert soon(
        lambda: not any(each.name == "gatewright-keys" for each in threading.enumerate()), seconds=1.5
    )
