"""One issuer's keys: freshness, rotation, floods of unknown keys, one flight, forks."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from gatewright.guard import Guard
from gatewright.guard.keys import IssuerKeys
from gatewright.guard.refresh import FetchFailed
from gatewright.jose import UnknownKey
from tests.guard.asking import (
    DAY,
    HOUR,
    aask,
    ask,
    ask_async,
    both_ways,
    dripping,
    slow,
    soon,
)
from tests.guard.issuing import NOW, Clock, StubIssuer, key, reply, segment

# Freshness


@pytest.mark.parametrize(
    ("control", "seconds"),
    [
        (None, 300),
        ("max-age=600", 600),
        ("public, max-age=600, immutable", 600),
        ('MAX-AGE="600"', 600),
        ("max-age=1", 60),
        ("max-age=0", 60),
        ("no-cache", 60),
        ("no-store, max-age=600", 60),
        ("max-age=99999999", 86400),
        ("max-age=-5", 300),
        ("max-age=soon", 300),
        ("s-maxage=600", 300),
    ],
)
def test_freshness_is_what_the_answer_says_within_limits(
    issuer: StubIssuer, control: str | None, seconds: float
) -> None:
    headers = {"Cache_Control": control} if control is not None else {}
    issuer.replies[issuer.JWKS] = reply(200, {"keys": [key().to_dict()]}, **headers)
    clock = Clock()
    guard = issuer.guard(now=clock)
    sent = issuer.token(exp=NOW + 3 * DAY)
    assert ask(guard, sent) == "entered"
    issuer.replies[issuer.JWKS] = reply(200, {"keys": []})
    clock.forward(seconds * 0.74)
    assert ask(guard, sent) == "entered"
    time.sleep(0.02)
    assert issuer.fetches == 1, "nothing is asked before three quarters of the time"
    clock.forward(seconds * 0.27)
    assert ask(guard, sent) == "unknown_key"


def test_a_refresh_runs_ahead_of_time_and_nobody_waits_for_it(issuer: StubIssuer) -> None:
    clock = Clock()
    guard = issuer.guard(now=clock)
    assert ask(guard, issuer.token(key("k1"))) == "entered"
    issuer.published = [key("k1"), key("k2")]
    clock.forward(0.86 * 300)
    assert ask(guard, issuer.token(key("k1"))) == "entered"
    assert soon(lambda: issuer.fetches == 2)
    assert soon(lambda: ask(guard, issuer.token(key("k2"))) == "entered")
    clock.forward(100)
    assert ask(guard, issuer.token(key("k2"))) == "entered"
    assert issuer.fetches == 2


def test_a_clock_that_is_set_back_makes_the_guard_ask_again(issuer: StubIssuer) -> None:
    clock = Clock()
    guard = issuer.guard(now=clock)
    assert ask(guard, issuer.token(key("k1"))) == "entered"
    clock.forward(-HOUR)
    issuer.published = [key("k2")]
    assert ask(guard, issuer.token(key("k1"))) == "unknown_key", "its age is a riddle, so it is not relied on"
    assert ask(guard, issuer.token(key("k2"))) == "entered"
    assert issuer.fetches == 2
    issuer.stop()
    clock.forward(-HOUR)
    assert ask(guard, issuer.token(key("k2"))) == "entered"


# Unknown keys


@both_ways
def test_a_new_key_is_fetched_in_the_request_that_needs_it(
    issuer: StubIssuer, asked: Callable[[Guard, str], str]
) -> None:
    clock = Clock()
    guard = issuer.guard(now=clock)
    assert asked(guard, issuer.token(key("k1"))) == "entered"
    issuer.published = [key("k1"), key("k2")]
    clock.forward(10)
    assert asked(guard, issuer.token(key("k2"))) == "entered"


def test_a_flood_of_unknown_keys_causes_one_fetch_in_ten_seconds_and_hurts_nobody(issuer: StubIssuer) -> None:
    clock = Clock()
    guard = issuer.guard(now=clock)
    good = issuer.token()
    assert ask(guard, good) == "entered"
    _, payload, signature = good.split(".")
    answers = set()
    for number in range(1000):
        clock.forward(0.01)
        header = segment({"alg": "RS256", "kid": f"random-{number}"})
        answers.add(ask(guard, f"{header}.{payload}.{signature}"))
        if not number % 100:
            assert ask(guard, good) == "entered"
    assert answers == {"unknown_key"}
    assert issuer.fetches <= 2
    issuer.published = [key("k1"), key("k2")]
    clock.forward(10)
    assert ask(guard, issuer.token(key("k2"))) == "entered"


def test_an_unknown_key_is_503_when_the_last_fetch_failed(issuer: StubIssuer) -> None:
    clock = Clock()
    guard = issuer.guard(now=clock)
    assert ask(guard, issuer.token(key("k1"))) == "entered"
    assert ask(guard, issuer.token(key("k2"))) == "unknown_key", "a good answer of this moment lacks it"
    issuer.stop()
    clock.forward(9.9)
    assert ask(guard, issuer.token(key("k2"))) == "unknown_key"
    clock.forward(0.1)
    assert ask(guard, issuer.token(key("k2"))) == "keys_unavailable"
    assert ask(guard, issuer.token(key("k1"))) == "entered"


def test_a_key_of_another_algorithm_is_unknown(issuer: StubIssuer) -> None:
    issuer.published = [key("k1"), key("e1", "ES256")]
    guard = issuer.guard()
    assert ask(guard, issuer.token(key("e1", "ES256"))) == "entered"
    wrong = IssuerKeys(issuer.url, now=Clock())
    with pytest.raises(UnknownKey):
        wrong.find(kid="e1", alg="RS256")


# One flight


def test_fifty_threads_at_a_cold_start_cause_one_fetch(issuer: StubIssuer) -> None:
    issuer.replies[issuer.JWKS] = slow(issuer.usual(issuer.JWKS))
    guard, sent, start = issuer.guard(), issuer.token(), threading.Barrier(50)

    def work(_: int) -> str:
        start.wait()
        return ask(guard, sent)

    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(work, range(50))) == {"entered"}
    assert dict(issuer.hits) == {issuer.DISCOVERY: 1, issuer.JWKS: 1}


def test_a_thousand_tasks_at_expiry_cause_one_fetch(issuer: StubIssuer) -> None:
    clock = Clock()
    guard, sent = issuer.guard(now=clock), issuer.token()

    async def crowd() -> set[str]:
        return set(await asyncio.gather(*(aask(guard, sent) for _ in range(1000))))

    assert ask(guard, sent) == "entered"
    clock.forward(301)
    assert asyncio.run(crowd()) == {"entered"}
    assert issuer.fetches == 2


def test_threads_and_event_loops_share_a_fetch(issuer: StubIssuer) -> None:
    issuer.replies[issuer.JWKS] = slow(issuer.usual(issuer.JWKS))
    guard, sent, start = issuer.guard(), issuer.token(), threading.Barrier(12)

    def work(number: int) -> str:
        start.wait()
        return (ask if number % 2 else ask_async)(guard, sent)

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(work, range(12))) == {"entered"}
    assert issuer.fetches == 1


def test_a_waiter_who_is_cancelled_does_not_end_the_fetch_for_the_others(issuer: StubIssuer) -> None:
    slow = issuer.usual(issuer.JWKS)

    def slowly(request: BaseHTTPRequestHandler) -> None:
        time.sleep(0.2)
        slow(request)

    issuer.replies[issuer.JWKS] = slowly
    guard, sent = issuer.guard(), issuer.token()

    async def crowd() -> str:
        first = asyncio.create_task(aask(guard, sent))
        second = asyncio.create_task(aask(guard, sent))
        await asyncio.sleep(0.05)
        first.cancel()
        return await second

    assert asyncio.run(crowd()) == "entered"
    assert issuer.fetches == 1


def test_the_event_loop_goes_on_while_keys_are_fetched(issuer: StubIssuer) -> None:
    issuer.replies[issuer.JWKS] = dripping(1.0)
    keys = IssuerKeys(issuer.url, now=Clock(), timeout=0.5)

    async def watch() -> tuple[int, object]:
        ticks = 0
        waiting = asyncio.ensure_future(keys.afind(kid="k1", alg="RS256"))
        while not waiting.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return ticks, waiting.exception()

    ticks, error = asyncio.run(watch())
    assert isinstance(error, FetchFailed)
    assert ticks > 20


# Forks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_a_fork_fetches_for_itself_even_in_the_middle_of_a_fetch(issuer: StubIssuer) -> None:
    usual = issuer.usual(issuer.JWKS)
    held = threading.Event()

    def slowly(request: BaseHTTPRequestHandler) -> None:
        held.wait(5)
        usual(request)

    issuer.replies[issuer.JWKS] = slowly
    guard, sent = issuer.guard(), issuer.token()
    source: Any = guard._verifier.issuers[issuer.url].keys  # noqa: SLF001 - a fork in the middle can be had no other way
    waiting = threading.Thread(target=ask, args=(guard, sent))
    waiting.start()
    assert soon(lambda: issuer.fetches == 1)
    source._lock.acquire()  # noqa: SLF001 - as if the fork came while the parent's thread held it
    with warnings.catch_warnings():
        # Newer Pythons warn of a fork beside threads, which is what this is about.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        answer = ask(guard, sent)
        os._exit(0 if answer == "entered" else 1)
    source._lock.release()  # noqa: SLF001 - as above
    assert soon(lambda: issuer.fetches == 2), "the child does not wait for a fetch of its parent's"
    held.set()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    waiting.join()
    assert ask(guard, sent) == "entered"
