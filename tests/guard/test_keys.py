"""One issuer's keys over real HTTP: outages, rotation, floods, single flight, slow and hostile answers."""

# ruff: noqa: ANN401 - answers of any shape are the point
from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from gatewright.guard import Denied, Guard, Request
from gatewright.guard.keys import IssuerKeys
from gatewright.guard.refresh import FetchFailed
from gatewright.jose import UnknownKey
from tests.guard.issuing import NOW, Clock, StubIssuer, bearer, key, reply, segment

HOUR = 3600.0
DAY = 24 * HOUR


@pytest.fixture
def issuer() -> Iterator[StubIssuer]:
    with StubIssuer() as running:
        yield running


def ask(guard: Guard, sent: str) -> str:
    """What one request gets: "entered", or the reason it does not."""
    try:
        guard.check(Request("GET", "/", bearer(sent)))
    except Denied as refusal:
        return refusal.reason
    return "entered"


async def aask(guard: Guard, sent: str) -> str:
    try:
        await guard.acheck(Request("GET", "/", bearer(sent)))
    except Denied as refusal:
        return refusal.reason
    return "entered"


def ask_async(guard: Guard, sent: str) -> str:
    return asyncio.run(aask(guard, sent))


def soon(answers: Callable[[], bool]) -> bool:
    """Whether something becomes true that happens beside this thread."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if answers():
            return True
        time.sleep(0.005)
    return False


both_ways = pytest.mark.parametrize("asked", [ask, ask_async])


# Discovery


@both_ways
def test_keys_are_found_by_discovery_and_asked_for_once(
    issuer: StubIssuer, asked: Callable[[Guard, str], str]
) -> None:
    guard = issuer.guard()
    assert [asked(guard, issuer.token()) for _ in range(20)] == ["entered"] * 20
    assert dict(issuer.hits) == {issuer.DISCOVERY: 1, issuer.JWKS: 1}


def test_a_guard_asks_nothing_before_the_first_token(issuer: StubIssuer) -> None:
    guard = issuer.guard()
    assert ask(guard, "x") == "malformed"
    assert not issuer.hits


@pytest.mark.parametrize("path", ["", "realms/a", "realms/a/"])
def test_the_metadata_of_rfc_8414_serve_where_there_is_no_openid_discovery(
    issuer: StubIssuer, path: str
) -> None:
    url = issuer.url + path
    document = {"issuer": url, "jwks_uri": issuer.url + "keys"}
    issuer.replies["/.well-known/oauth-authorization-server" + ("/realms/a" if path else "")] = reply(
        200, document
    )
    oidc = ("/" + path).rstrip("/") + "/.well-known/openid-configuration"
    issuer.replies[oidc] = reply(404)
    issuer.replies["/keys"] = reply(200, {"keys": [key().to_dict()]})
    guard = Guard(url, audience="https://blog-api", now=Clock())
    assert ask(guard, issuer.token(iss=url)) == "entered"
    assert issuer.hits[oidc] == 1


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example/", "jwks_uri": "{url}keys"},
        {"issuer": "{url_without_slash}", "jwks_uri": "{url}keys"},
        {"issuer": "{URL}", "jwks_uri": "{url}keys"},
        {"issuer": None, "jwks_uri": "{url}keys"},
        {"jwks_uri": "{url}keys"},
        {"issuer": "{url}"},
        {"issuer": "{url}", "jwks_uri": ["{url}keys"]},
        {"issuer": "{url}", "jwks_uri": "file:///etc/passwd"},
        {"issuer": "{url}", "jwks_uri": "ftp://127.0.0.1/keys"},
        {"issuer": "{url}", "jwks_uri": "data:application/json,{}"},
        {"issuer": "{url}", "jwks_uri": "http://169.254.169.254/keys"},
        {"issuer": "{url}", "jwks_uri": "http://localhost.evil.example/keys"},
        {"issuer": "{url}", "jwks_uri": "http://[::1/keys"},
        {"issuer": "{url}", "jwks_uri": "{url}keys\r\nX: y"},
        {"issuer": "{url}", "jwks_uri": "//127.0.0.1/keys"},
        {"issuer": "{url}", "jwks_uri": "https://"},
        {"issuer": "{url}", "jwks_uri": ""},
    ],
)
def test_a_discovery_document_that_is_not_the_issuers_own_is_refused(
    issuer: StubIssuer, document: dict[str, Any]
) -> None:
    def filled(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        value = value.replace("{url}", issuer.url).replace("{URL}", issuer.url.upper())
        return value.replace("{url_without_slash}", issuer.url.rstrip("/"))

    issuer.replies[issuer.DISCOVERY] = reply(200, {name: filled(value) for name, value in document.items()})
    issuer.replies["/keys"] = reply(200, {"keys": [key().to_dict()]})
    assert ask(issuer.guard(), issuer.token()) == "keys_unavailable"
    assert dict(issuer.hits) == {issuer.DISCOVERY: 1}


def test_a_public_issuer_cannot_send_its_guard_to_this_machine() -> None:
    asked: list[str] = []

    def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        asked.append(url)
        document = b'{"issuer":"https://issuer.example/","jwks_uri":"http://127.0.0.1:22/"}'
        return 200, {}, document

    keys = IssuerKeys("https://issuer.example/", now=Clock(), fetch=fetch)
    with pytest.raises(FetchFailed, match="jwks_uri"):
        keys.find(kid="k1", alg="RS256")
    assert asked == ["https://issuer.example/.well-known/openid-configuration"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("path", [StubIssuer.DISCOVERY, StubIssuer.JWKS])
def test_a_redirect_is_not_followed(issuer: StubIssuer, status: int, path: str) -> None:
    issuer.replies[path] = reply(status, b"", Location=issuer.url + "elsewhere")
    issuer.replies["/elsewhere"] = reply(200, {"keys": [key().to_dict()]})
    assert ask(issuer.guard(), issuer.token()) == "keys_unavailable"
    assert not issuer.hits["/elsewhere"]


def test_discovery_is_repeated_when_the_key_set_has_moved(issuer: StubIssuer) -> None:
    clock = Clock()
    guard = issuer.guard(now=clock)
    assert ask(guard, issuer.token()) == "entered"
    issuer.replies[issuer.JWKS] = reply(410)
    issuer.replies["/new"] = reply(200, {"keys": [key().to_dict()]})
    issuer.replies[issuer.DISCOVERY] = reply(200, {"issuer": issuer.url, "jwks_uri": issuer.url + "new"})
    clock.forward(301)
    assert ask(guard, issuer.token()) == "keys_unavailable"
    clock.forward(2)
    assert ask(guard, issuer.token()) == "entered"
    assert issuer.hits["/new"] == 1


def test_discovery_is_repeated_once_an_hour_and_may_fail_meanwhile(issuer: StubIssuer) -> None:
    clock = Clock()
    guard = issuer.guard(now=clock)
    for _ in range(12):
        assert ask(guard, issuer.token(exp=NOW + DAY)) == "entered"
        clock.forward(301)
    assert issuer.hits[issuer.DISCOVERY] == 1
    issuer.replies[issuer.DISCOVERY] = reply(500)
    before = issuer.fetches
    assert ask(guard, issuer.token(exp=NOW + DAY)) == "entered"
    assert (issuer.hits[issuer.DISCOVERY], issuer.fetches) == (2, before + 1)


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
            else _published(stub)
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


def _published(stub: StubIssuer) -> bytes:
    return json.dumps({"keys": [each.to_dict() for each in stub.published]}).encode()


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
    slow = issuer.usual(issuer.JWKS)

    def slowly(request: BaseHTTPRequestHandler) -> None:
        time.sleep(0.1)
        slow(request)

    issuer.replies[issuer.JWKS] = slowly
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
    slow = issuer.usual(issuer.JWKS)

    def slowly(request: BaseHTTPRequestHandler) -> None:
        time.sleep(0.1)
        slow(request)

    issuer.replies[issuer.JWKS] = slowly
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


# Slow answers


def dripping(seconds: float) -> Callable[[BaseHTTPRequestHandler], None]:
    """A body that comes byte by byte: each read is quick, the whole never ends in time."""

    def send(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "100000")
        request.end_headers()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            request.wfile.write(b" ")
            request.wfile.flush()
            time.sleep(0.05)

    return send


def dripping_headers(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
    end = time.monotonic() + 8
    while time.monotonic() < end:
        request.wfile.write(b"x")
        request.wfile.flush()
        time.sleep(0.05)


def silent(request: BaseHTTPRequestHandler) -> None:
    del request
    time.sleep(8)


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


# Strange key sets


def test_keys_that_must_not_be_used_are_skipped_and_told(
    issuer: StubIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    sound = key().to_dict()
    strange: list[Any] = [
        key("private").to_dict(private=True),
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0" * 8},
        {"kty": "RSA", "kid": "weak", "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "kid": "off", "x": "AAAA", "y": "AAAA"},
        {"kty": "made-up", "kid": "new"},
        sound | {"kid": "for encryption", "use": "enc"},
        None,
        "key",
        [],
    ]
    issuer.replies[issuer.JWKS] = reply(200, {"keys": [*strange, sound]})
    guard = issuer.guard()
    assert ask(guard, issuer.token()) == "entered"
    assert ask(guard, issuer.token(key("private"))) == "unknown_key"
    (warning,) = [record.getMessage() for record in caplog.records if "not used" in record.getMessage()]
    assert "private" in warning
    assert "c2VjcmV0" not in warning


def test_two_keys_of_one_name_are_told_apart_by_their_algorithm_or_not_used(issuer: StubIssuer) -> None:
    first, second, curve = key("k1"), key("other"), key("e1", "ES256")
    issuer.published = [first]
    issuer.replies[issuer.JWKS] = reply(
        200, {"keys": [first.to_dict(), curve.to_dict() | {"kid": "k1"}, first.to_dict()]}
    )
    assert ask(issuer.guard(), issuer.token(first)) == "entered"
    issuer.replies[issuer.JWKS] = reply(200, {"keys": [first.to_dict(), second.to_dict() | {"kid": "k1"}]})
    assert ask(issuer.guard(), issuer.token(first)) == "unknown_key"


# A fetch of one's own


def test_a_fetch_of_ones_own_replaces_the_standard_library(issuer: StubIssuer) -> None:
    asked: list[str] = []

    def answers(url: str) -> tuple[int, list[tuple[str, str]], bytes]:
        asked.append(url)
        if url.endswith("openid-configuration"):
            return 200, [], b'{"issuer":"%s","jwks_uri":"https://x.example/k"}' % issuer.url.encode()
        return 200, [("CACHE-CONTROL", "max-age=1000")], _published(issuer)

    async def awaited(url: str) -> tuple[int, list[tuple[str, str]], bytes]:
        await asyncio.sleep(0)
        return answers(url)

    class Client:
        async def __call__(self, url: str) -> tuple[int, list[tuple[str, str]], bytes]:
            return await awaited(url)

    for fetch in (answers, awaited, lambda url: awaited(url), Client()):  # noqa: PLW0108 - async, and does not look it
        for way in (ask, ask_async):
            asked.clear()
            assert way(issuer.guard(fetch=fetch), issuer.token()) == "entered"
            assert len(asked) == 2
    assert not issuer.hits


def test_an_async_fetch_runs_in_the_event_loop_of_its_request(issuer: StubIssuer) -> None:
    threads = set()

    async def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        threads.add(threading.current_thread())
        if url.endswith("openid-configuration"):
            return 200, {}, b'{"issuer":"%s","jwks_uri":"https://x.example/k"}' % issuer.url.encode()
        return 200, {}, _published(issuer)

    assert ask_async(issuer.guard(fetch=fetch), issuer.token()) == "entered"
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize(
    "answer", [None, (200, {}), (200, {}, "text"), ("200", {}, b""), 200, (200, 1, b"{}")]
)
@both_ways
def test_a_fetch_that_answers_nonsense_is_an_outage(
    issuer: StubIssuer, answer: Any, asked: Callable[[Guard, str], str]
) -> None:
    assert asked(issuer.guard(fetch=lambda _: answer), issuer.token()) == "keys_unavailable"

    async def fetch(url: str) -> Any:
        del url
        return answer

    assert asked(issuer.guard(fetch=fetch), issuer.token()) == "keys_unavailable"


def test_a_fetch_of_ones_own_may_not_bring_a_huge_discovery_document(issuer: StubIssuer) -> None:
    def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        if url.endswith("openid-configuration"):
            return (
                200,
                {},
                b'{"issuer":"%s","jwks_uri":"https://x.example/k"}' % issuer.url.encode() + size * b" ",
            )
        return 200, {}, _published(issuer)

    size = 0
    assert ask(issuer.guard(fetch=fetch), issuer.token()) == "entered"
    size = 512 * 1024
    assert ask(issuer.guard(fetch=fetch), issuer.token()) == "keys_unavailable"


def test_an_async_fetch_ends_at_the_deadline(issuer: StubIssuer) -> None:
    async def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        await asyncio.sleep(60)
        raise AssertionError(url)

    keys = IssuerKeys(issuer.url, now=Clock(), fetch=fetch, timeout=0.2)
    for _ in range(2):
        with pytest.raises(FetchFailed):
            asyncio.run(keys.afind(kid="k1", alg="RS256"))


def test_a_fetch_that_comes_back_late_does_not_bring_back_what_is_gone() -> None:
    # The first answer, with k1, is held up; meanwhile a second fetch learns that k1 is gone.
    clock, held = Clock(), threading.Event()
    stub = StubIssuer(published=[key("k1")])
    calls: list[str] = []

    def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        if url.endswith("openid-configuration"):
            return 200, {}, b'{"issuer":"https://issuer.example/","jwks_uri":"https://issuer.example/k"}'
        body = _published(stub)
        calls.append(url)
        if len(calls) == 1:
            held.wait(5)
        return 200, {}, body

    keys = IssuerKeys("https://issuer.example/", now=clock, fetch=fetch, timeout=0.2)
    with pytest.raises(FetchFailed):
        keys.find(kid="k1", alg="RS256")
    stub.published = [key("k2")]
    clock.forward(1)
    assert keys.find(kid="k2", alg="RS256").kid == "k2"
    held.set()
    assert soon(lambda: not any(each.name == "gatewright-keys" for each in threading.enumerate()))
    assert keys.known(kid="k2", alg="RS256", now=clock()) is not None
    assert keys.known(kid="k1", alg="RS256", now=clock()) is None


def test_outside_of_asyncio_the_async_check_still_answers(issuer: StubIssuer) -> None:
    # As in an event loop of another make: nothing to wait in, so it waits as the sync check does.
    pending = issuer.guard().acheck(Request("GET", "/", bearer(issuer.token())))
    with pytest.raises(StopIteration) as finished:
        pending.send(None)
    assert finished.value.value.client_id == "app"


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
