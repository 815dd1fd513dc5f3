"""Tokens in the requests of httpx2, httpx and requests: sent, and replaced once when the API refuses them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import httpx2
import pytest
import requests

from gatewright.client import TokenSource
from gatewright.client.httpx import TokenAuth as HttpxAuth
from gatewright.client.httpx2 import TokenAuth as Httpx2Auth
from gatewright.client.requests import TokenAuth as RequestsAuth
from tests.client.endpoint import TokenEndpoint, refused
from tests.guard.issuing import Clock

Calling = Callable[..., tuple[int, dict[str, Any]]]
Making = Callable[..., TokenSource]


@dataclass(slots=True)
class Api:
    """An API that lets the tokens in `good` in, and answers what it was sent."""

    url: str = ""
    good: set[str] = field(default_factory=lambda: {"token-1", "token-2"})
    came: list[str | None] = field(default_factory=list)
    location: str = ""


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            else:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            authorization = self.headers.get("Authorization")
            api.came.append(authorization)
            is_good = (authorization or "").removeprefix("Bearer ") in api.good
            self.send_response(307 if api.location else 200 if is_good else 401)
            if api.location:
                self.send_header("Location", api.location)
            content = json.dumps({"sent": body.decode()}).encode()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass  # the test's own report is enough

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    api.url = f"http://127.0.0.1:{server.server_address[1]}/blogs"
    yield api
    server.shutdown()
    server.server_close()


def by_httpx2(source: TokenSource, url: str, content: Any = b"post") -> tuple[int, dict[str, Any]]:  # noqa: ANN401 - bytes, or chunks of them
    with httpx2.Client(auth=Httpx2Auth(source), follow_redirects=True) as http:
        answer = http.post(url, content=content)
        return answer.status_code, answer.json()


def by_httpx(source: TokenSource, url: str, content: Any = b"post") -> tuple[int, dict[str, Any]]:  # noqa: ANN401
    with httpx.Client(auth=HttpxAuth(source), follow_redirects=True) as http:
        answer = http.post(url, content=content)
        return answer.status_code, answer.json()


def by_httpx2_async(source: TokenSource, url: str, content: Any = b"post") -> tuple[int, dict[str, Any]]:  # noqa: ANN401
    async def chunks() -> Any:  # noqa: ANN401
        for chunk in content:
            yield chunk

    async def call() -> tuple[int, dict[str, Any]]:
        async with httpx2.AsyncClient(auth=Httpx2Auth(source), follow_redirects=True) as http:
            answer = await http.post(url, content=content if isinstance(content, bytes) else chunks())
            return answer.status_code, answer.json()

    return asyncio.run(call())


def by_httpx_async(source: TokenSource, url: str, content: Any = b"post") -> tuple[int, dict[str, Any]]:  # noqa: ANN401
    async def chunks() -> Any:  # noqa: ANN401
        for chunk in content:
            yield chunk

    async def call() -> tuple[int, dict[str, Any]]:
        async with httpx.AsyncClient(auth=HttpxAuth(source), follow_redirects=True) as http:
            answer = await http.post(url, content=content if isinstance(content, bytes) else chunks())
            return answer.status_code, answer.json()

    return asyncio.run(call())


def by_requests(source: TokenSource, url: str, content: Any = b"post") -> tuple[int, dict[str, Any]]:  # noqa: ANN401
    with requests.Session() as session:
        session.auth = RequestsAuth(source)
        answer = session.post(url, data=content, timeout=10)
        return answer.status_code, answer.json()


WAYS = [by_httpx2, by_httpx2_async, by_httpx, by_httpx_async, by_requests]


@pytest.mark.parametrize("call", WAYS)
def test_a_request_carries_a_token(call: Calling, source_of: Making, api: Api) -> None:
    assert call(source_of(), api.url) == (200, {"sent": "post"})
    assert api.came == ["Bearer token-1"]


@pytest.mark.parametrize("call", WAYS)
def test_a_refused_token_is_replaced_and_the_request_sent_once_more(
    call: Calling, source_of: Making, api: Api, clock: Clock
) -> None:
    source = source_of()
    source.token()
    clock.forward(60)
    api.good = {"token-2"}
    assert call(source, api.url) == (200, {"sent": "post"})
    assert api.came == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize("call", WAYS)
def test_a_second_refusal_is_the_answer(
    call: Calling, source_of: Making, api: Api, clock: Clock, endpoint: TokenEndpoint
) -> None:
    source = source_of()
    source.token()
    clock.forward(60)
    api.good = set()
    assert call(source, api.url)[0] == 401
    assert call(source, api.url)[0] == 401  # and now the token is new, so that nothing is repeated
    assert api.came == ["Bearer token-1", "Bearer token-2", "Bearer token-2"]
    assert len(endpoint.tokens) == 2


@pytest.mark.parametrize("call", WAYS)
def test_a_body_that_is_gone_is_not_sent_again(
    call: Calling, source_of: Making, api: Api, clock: Clock
) -> None:
    source = source_of()
    source.token()
    clock.forward(60)
    api.good = set()
    assert call(source, api.url, iter([b"po", b"st"])) == (401, {"sent": "post"})
    assert api.came == ["Bearer token-1"]


@pytest.mark.parametrize("call", WAYS)
def test_no_other_host_sees_the_token(
    call: Calling, source_of: Making, api: Api, clock: Clock, endpoint: TokenEndpoint
) -> None:
    source = source_of()
    source.token()
    clock.forward(60)
    endpoint.always = refused(401, "none_of_yours")
    api.location = endpoint.issuer.replace("127.0.0.1", "localhost") + "elsewhere"
    assert call(source, api.url)[0] == 401  # of which the token is not to blame
    assert source.token() == "token-1"
    elsewhere = [each for each in endpoint.asked if each.path == "/elsewhere"]
    assert len(elsewhere) == 1
    assert "authorization" not in elsewhere[0].headers
