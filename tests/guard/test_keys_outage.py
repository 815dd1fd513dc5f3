"""One issuer's keys while it is away, slow or hostile, and what is told of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest

from gatewright.guard import Guard
from gatewright.guard.keys import IssuerKeys
from gatewright.guard.refresh import FetchFailed
from tests.guard.asking import (
    DAY,
    ask,
    ask_async,
    both_ways,
    dripping,
    dripping_headers,
    published,
    silent,
    soon,
)
from tests.guard.issuing import NOW, Clock, StubIssuer, key, reply

# Outages


@both_ways
def test_a_cold_start_without_an_issuer_is_503_and_recovers(
    issuer: StubIssuer, asked: Callable[[Guard, str], str]
) -> None:
    clock = Clock()
    guard = issuer.guard(now=clock)
    sent = issuer.token()
    issuer.stop()
    assert [asked(guard, sent) for _ in range(3)] == ["keys_unavailable"] * 3
    issuer.start()
    assert asked(guard, sent) == "keys_unavailable", "one attempt in a second is enough"
    clock.forward(1)
    assert asked(guard, sent) == "entered"


@pytest.mark.parametrize(
    "outage",
    [
        None,
        reply(500),
        reply(503),
        reply(429),
        reply(200, "<!doctype html><title>Maintenance</title>"),
        reply(200, b""),
        reply(200, b"\xff\xfe"),
        reply(200, {}),
        reply(200, {"keys": {}}),
        reply(200, b'{"keys":[],"keys":[]}'),
        reply(200, b'{"keys":[' + b" " * 600_000 + b"]}"),
        reply(200, b'{"keys":[' + b",".join([b"{}"] * 101) + b"]}"),
        reply(200, b"\x1f\x8b\x08\x00" + bytes(50), Content_Encoding="gzip"),
    ],
)
def test_known_keys_outlive_an_outage_of_a_day_without_a_refusal(
    issuer: StubIssuer, outage: Callable[[BaseHTTPRequestHandler], None] | None
) -> None:
    clock = Clock()
    guard = issuer.guard(now=clock)
    sent = issuer.token(exp=NOW + 3 * DAY)
    assert ask(guard, sent) == "entered"
    if outage is None:
        issuer.stop()
    else:
        issuer.replies[issuer.JWKS] = outage
    answers = set()
    for _ in range(48):
        clock.forward(DAY / 48)
        answers.add(ask(guard, sent))
    assert answers == {"entered"}
    clock.forward(301)
    assert ask(guard, sent) == "keys_unavailable", "a day and its freshness later nothing is known any more"


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410])
def test_an_issuer_that_says_there_are_no_keys_is_believed_when_they_grow_old(
    issuer: StubIssuer, status: int
) -> None:
    clock = Clock()
    guard = issuer.guard(now=clock)
    sent = issuer.token(exp=NOW + DAY)
    assert ask(guard, sent) == "entered"
    issuer.replies[issuer.JWKS] = reply(status)
    clock.forward(200)
    assert ask(guard, sent) == "entered"
    clock.forward(200)
    assert ask(guard, sent) == "keys_unavailable"


def test_a_key_that_a_good_answer_lacks_is_refused_at_once(issuer: StubIssuer) -> None:
    clock = Clock()
    guard = issuer.guard(now=clock)
    issuer.published = [key("k1"), key("k2")]
    assert ask(guard, issuer.token(key("k1"))) == "entered"
    issuer.published = [key("k2")]
    assert ask(guard, issuer.token(key("k1"))) == "entered", "nobody has been asked again"
    clock.forward(301)
    assert ask(guard, issuer.token(key("k1"))) == "unknown_key"
    assert ask(guard, issuer.token(key("k2"))) == "entered"
    issuer.published = []
    clock.forward(301)
    assert ask(guard, issuer.token(key("k2"))) == "unknown_key"


def test_after_an_outage_the_first_good_answer_counts(issuer: StubIssuer) -> None:
    clock = Clock()
    guard = issuer.guard(now=clock)
    assert ask(guard, issuer.token()) == "entered"
    issuer.stop()
    clock.forward(400)
    assert ask(guard, issuer.token(exp=NOW + DAY)) == "entered"
    issuer.published = [key("k2")]
    issuer.start()
    clock.forward(60)
    assert ask(guard, issuer.token(exp=NOW + DAY)) == "entered", (
        "it does not wait for an issuer that was away"
    )
    assert soon(lambda: ask(guard, issuer.token(exp=NOW + DAY)) == "unknown_key")


def test_nobody_waits_for_an_issuer_that_is_known_to_be_away() -> None:
    clock, calls = Clock(), list[str]()
    released = threading.Event()
    stub = StubIssuer()

    def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        calls.append(url)
        if len(calls) > 2:
            released.wait(10)
            raise TimeoutError
        body = (
            b'{"issuer":"https://issuer.example/","jwks_uri":"https://issuer.example/keys"}'
            if "openid" in url
            else published(stub)
        )
        return 200, {}, body

    keys = IssuerKeys("https://issuer.example/", now=clock, fetch=fetch, timeout=0.2)
    assert keys.find(kid="k1", alg="RS256").kid == "k1"
    clock.forward(301)
    started = time.monotonic()
    assert keys.known(kid="k1", alg="RS256", now=clock()) is None
    assert keys.find(kid="k1", alg="RS256").kid == "k1", "old, but the issuer is away"
    assert time.monotonic() - started < 2
    for _ in range(5):
        clock.forward(15)
        started = time.monotonic()
        assert keys.known(kid="k1", alg="RS256", now=clock()) is not None
        assert time.monotonic() - started < 0.15
    released.set()


# Slow answers


@pytest.mark.parametrize("asked", [ask, ask_async])
@pytest.mark.slow
def test_a_body_that_drips_ends_after_five_seconds_in_all(
    issuer: StubIssuer, asked: Callable[[Guard, str], str]
) -> None:
    issuer.replies[issuer.JWKS] = dripping(8)
    started = time.monotonic()
    assert asked(issuer.guard(), issuer.token()) == "keys_unavailable"
    assert 4.5 < time.monotonic() - started < 6.5


@pytest.mark.parametrize("path", [StubIssuer.DISCOVERY, StubIssuer.JWKS])
@pytest.mark.parametrize("slow", [dripping(8), dripping_headers, silent])
def test_the_deadline_is_for_the_whole_refresh_and_its_thread_ends_with_it(
    issuer: StubIssuer, path: str, slow: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    issuer.replies[path] = slow
    keys = IssuerKeys(issuer.url, now=Clock(), timeout=0.4)
    started = time.monotonic()
    with pytest.raises(FetchFailed):
        keys.find(kid="k1", alg="RS256")
    assert time.monotonic() - started < 1.5
    assert soon(lambda: not any(each.name == "gatewright-keys" for each in threading.enumerate()))


# Telling


def test_an_outage_and_its_end_are_logged(issuer: StubIssuer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    guard = issuer.guard(now=clock)
    issuer.stop()
    ask(guard, issuer.token())
    assert "could not be fetched" in caplog.text
    assert "no key is known" in caplog.text
    issuer.start()
    clock.forward(1)
    ask(guard, issuer.token())
    assert "are fetched again" in caplog.text
