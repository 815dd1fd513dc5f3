"""What goes wrong while an issuer is asked about an opaque token: who is told, and what goes on."""

# ruff: noqa: ANN401 - answers of any shape are the point
from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gatewright import __version__
from gatewright.guard.introspection import Introspection, Introspector
from gatewright.guard.refresh import FetchFailed
from tests.guard.asking import dripping
from tests.guard.issuing import AUDIENCE, ISSUER, Clock
from tests.guard.test_introspection import ACTIVE, SECRET, StubEndpoint, soon

ENDPOINT = "https://issuer.example/introspect"
TOKEN = "opaque-token"


def introspector(fetch: Any, *, timeout: float = 5.0, **settings: Any) -> Introspector:
    settings = {"client_id": "api", "client_secret": SECRET} | settings
    clock = settings.pop("now", Clock())
    return Introspector(
        Introspection(f"{ENDPOINT}?key=hidden", **settings),
        issuer=ISSUER,
        now=clock,
        fetch=fetch,
        timeout=timeout,
    )


def answering(status: int, body: bytes, headers: Any = ()) -> Any:
    return lambda _url, **_: (status, headers, body)


def raising(error: Exception) -> Any:
    def fetch(_url: str, **_: object) -> Any:
        raise error

    return fetch


def araising(error: Exception) -> Any:
    async def fetch(_url: str, **_: object) -> Any:
        raise error

    return fetch


def failure_of(asked: Introspector, *, is_async: bool = False) -> FetchFailed:
    with pytest.raises(FetchFailed) as failed:
        _ = asyncio.run(asked.afind(TOKEN)) if is_async else asked.find(TOKEN)
    assert failed.value.outage
    return failed.value


@pytest.fixture
def endpoint() -> Iterator[StubEndpoint]:
    with StubEndpoint() as running:
        yield running


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, b"", "500"),
        (400, b"", "400"),
        (503, b"", "503"),
        (401, b"", "client_secret"),
        (200, b"[]", "active"),
        (200, b"{", "JSON"),
        (200, b'"' + b"x" * 65535 + b'"', "65536 bytes"),
    ],
)
def test_an_answer_that_says_nothing_is_told_with_the_endpoint_but_not_its_query(
    status: int, body: bytes, said: str
) -> None:
    asked = introspector(answering(status, body))
    # Remembered for a while, and told alike.
    for told in (str(failure_of(asked)), str(failure_of(asked))):
        assert told.startswith(ENDPOINT)
        assert "hidden" not in told
        assert said in told


def test_an_answer_may_have_64_kib() -> None:
    sound = json.dumps(ACTIVE).encode()
    assert introspector(answering(200, sound.ljust(65536))).find(TOKEN)["aud"] == AUDIENCE
    failure_of(introspector(answering(200, sound.ljust(65537))))


@pytest.mark.parametrize(
    "headers",
    [
        {"CONTENT-TYPE": "application/token-introspection+jwt;a=b;c=d"},
        [("x", "y"), ("Content-Type", " Application/Token-Introspection+JWT ")],
    ],
)
def test_a_signed_answer_is_known_by_its_media_type(headers: Any) -> None:
    sound = json.dumps(ACTIVE).encode()
    assert "RFC 9701" in str(failure_of(introspector(answering(200, sound, headers))))
    assert introspector(answering(200, sound, {"content-type": "application/json"})).find(TOKEN)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_request_that_fails_is_told_by_the_kind_of_error_and_its_text(*, is_async: bool) -> None:
    failing = araising if is_async else raising
    told = str(failure_of(introspector(failing(ConnectionResetError("by the peer"))), is_async=is_async))
    assert told == f"{ENDPOINT}: ConnectionResetError: by the peer"
    long = str(failure_of(introspector(failing(ConnectionResetError("x" * 5000))), is_async=is_async))
    assert len(long) < 300


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    "text", ["Authorization: Basic YTpi", f"token={TOKEN}", SECRET, "client_secret=a%3Amade%2Fup+secret%2B1"]
)
def test_a_text_that_quotes_a_secret_is_left_out(text: str, *, is_async: bool) -> None:
    failing = araising if is_async else raising
    told = str(failure_of(introspector(failing(OSError(text))), is_async=is_async))
    assert told == f"{ENDPOINT}: OSError"


def test_a_failure_is_logged_once_in_a_second_with_the_issuer(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    asked = introspector(answering(500, b""), now=clock)

    def logged() -> int:
        return sum("cannot be introspected" in record.getMessage() for record in caplog.records)

    for forward, lines in ((0, 1), (0, 1), (0.5, 1), (0.5, 2), (0.9, 2), (0.1, 3), (-60, 4)):
        clock.forward(forward)
        with pytest.raises(FetchFailed):
            asked.find(f"t{time.monotonic_ns()}")
        assert logged() == lines
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    assert ISSUER in caplog.text
    assert f"{ENDPOINT} answered 500" in caplog.text


def test_an_async_fetch_runs_in_the_loop_and_ends_with_the_time() -> None:
    seen: list[object] = []

    async def fetch(_url: str, **_: object) -> Any:
        seen.append(asyncio.get_running_loop())
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def ask() -> None:
        with pytest.raises(FetchFailed) as failed:
            await asked.afind(TOKEN)
        assert ENDPOINT in str(failed.value)
        assert failed.value.outage
        await asyncio.sleep(0.05)
        assert seen == [asyncio.get_running_loop(), "cancelled"]
        inside: Any = asked
        assert (inside._in_flight, inside._flights) == (0, {})  # noqa: SLF001 - what is kept has no other sight

    asked, started = introspector(fetch, timeout=0.1), time.monotonic()
    asyncio.run(ask())
    assert time.monotonic() - started < 5


def test_who_waits_in_a_loop_for_a_thread_waits_no_longer_than_the_time(endpoint: StubEndpoint) -> None:
    held = endpoint.held = threading.Event()
    asked, started = endpoint.introspector(timeout=0.2), time.monotonic()
    with pytest.raises(FetchFailed, match="introspect"):
        asyncio.run(asked.afind("good"))
    assert time.monotonic() - started < 5
    held.set()


def test_who_gives_up_leaves_the_outage_known_for_a_while() -> None:
    calls: list[str] = []

    def fetch(url: str, **_: object) -> Any:
        calls.append(url)
        time.sleep(0.4)
        return 200, {}, json.dumps(ACTIVE).encode()

    asked = introspector(fetch, timeout=0.1)
    for _ in range(2):
        assert "in time" in str(failure_of(asked))
    assert len(calls) == 1
    inside: Any = asked
    assert soon(lambda: inside._in_flight == 0)  # noqa: SLF001 - what is kept has no other sight


def test_without_a_loop_the_async_way_asks_as_the_other_does() -> None:
    pending = introspector(answering(200, json.dumps(ACTIVE).encode())).afind(TOKEN)
    with pytest.raises(StopIteration) as finished:
        pending.send(None)
    assert finished.value.value["aud"] == AUDIENCE


def test_what_is_remembered_is_given_by_the_async_way_too() -> None:
    asked = introspector(answering(200, json.dumps(ACTIVE).encode()))
    known = asked.find(TOKEN)
    assert asyncio.run(asked.afind(TOKEN)) == known


def test_a_machine_without_room_for_a_thread_is_an_outage(
    endpoint: StubEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    clock = Clock()
    asked = endpoint.introspector(now=clock)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", full)
        told = str(failure_of(asked))
    assert "can't start new thread" in told
    assert endpoint.url in told
    clock.forward(1)
    assert asked.find("good")["aud"] == AUDIENCE
    inside: Any = asked
    assert soon(lambda: inside._in_flight == 0)  # noqa: SLF001 - what is kept has no other sight


def test_the_request_says_who_asks(endpoint: StubEndpoint) -> None:
    endpoint.introspector().find("good")
    assert endpoint.headers[0]["user-agent"] == f"gatewright/{__version__}"


def test_a_thread_that_asks_does_not_keep_the_program_from_ending(endpoint: StubEndpoint) -> None:
    held = endpoint.held = threading.Event()
    asked = endpoint.introspector(timeout=0.1)
    with pytest.raises(FetchFailed):
        asked.find("good")
    asking = [thread for thread in threading.enumerate() if "introspection" in thread.name]
    assert asking
    assert all(thread.daemon for thread in asking)
    held.set()


def test_a_broken_answer_is_an_outage(endpoint: StubEndpoint) -> None:
    endpoint.answer = lambda request: request.wfile.write(b"no HTTP\r\n\r\n")  # type: ignore[assignment]
    asked = endpoint.introspector()
    assert "broken answer" in str(failure_of(asked))


def test_an_answer_that_never_ends_holds_no_thread_beyond_the_time(endpoint: StubEndpoint) -> None:
    endpoint.answer = dripping(20)
    asked = endpoint.introspector(timeout=0.3)
    failure_of(asked)
    assert soon(lambda: not any("introspection" in each.name for each in threading.enumerate()))
