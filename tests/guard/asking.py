"""What the tests of an issuer's keys share: asking a guard in both ways, and answers that are slow."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest

from gatewright.guard import Denied, Guard, Request
from tests.guard.issuing import StubIssuer, bearer

HOUR = 3600.0
DAY = 24 * HOUR


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


def soon(answers: Callable[[], bool], *, seconds: float = 5) -> bool:
    """Whether something becomes true that happens beside this thread."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answers():
            return True
        time.sleep(0.005)
    return False


both_ways = pytest.mark.parametrize("asked", [ask, ask_async])


def published(stub: StubIssuer) -> bytes:
    """The key set that the issuer publishes now."""
    return json.dumps({"keys": [each.to_dict() for each in stub.published]}).encode()


def slow(answer: Callable[[BaseHTTPRequestHandler], None]) -> Callable[[BaseHTTPRequestHandler], None]:
    """The same answer, a tenth of a second late."""

    def send(request: BaseHTTPRequestHandler) -> None:
        time.sleep(0.1)
        answer(request)

    return send


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
