"""HTTP without a socket: requests to an ASGI application of this very process, in the place of `http.send`.

For a server that is asked before it listens, and for tests that open no port.
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from gatewright.cli.http import TIMEOUT, Answer, Unreachable

Message = MutableMapping[str, Any]
Application = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]
_CLIENT = ("127.0.0.1", 0)
SLACK = 1.0  # seconds: an answer that comes in time is also told in time, unless the loop has stopped


@dataclass(frozen=True, slots=True)
class InProcess:
    """Sends requests to `app`, which runs in `loop`; may be used from any thread but the loop's own."""

    app: Application
    loop: asyncio.AbstractEventLoop

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = TIMEOUT,
        ca_file: str | None = None,  # noqa: ARG002 - nothing is sent that could be read on its way
    ) -> Answer:
        """One request, whatever host the URL names.

        Raises:
            Unreachable: no whole answer came, or none in time.
        """
        asked = _answer_within(timeout, self.app, _scope(method, url, headers or {}), body or b"")
        try:
            answering = asyncio.run_coroutine_threadsafe(asked, self.loop)
        except RuntimeError as error:  # who asks has outlived the loop, as a guard does that polls on
            asked.close()
            raise Unreachable("it has ended") from error
        try:
            return answering.result(timeout + SLACK)
        except TimeoutError as error:
            raise Unreachable("it did not answer in time") from error
        except ConnectionError as error:
            raise Unreachable("the connection was closed") from error


@contextlib.contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread of its own, which has ended when this has."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="gatewright-loop", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _answer_within(seconds: float, app: Application, scope: dict[str, Any], body: bytes) -> Answer:
    async with asyncio.timeout(seconds):
        return await _answer(app, scope, body)


def _scope(method: str, url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    parts = urlsplit(url)
    sent = {"host": parts.netloc, **{name.lower(): value for name, value in headers.items()}}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": parts.scheme,
        "path": unquote(parts.path),
        "raw_path": parts.path.encode("ascii"),
        "query_string": parts.query.encode("ascii"),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()],
        "client": _CLIENT,
        "server": (parts.hostname, parts.port),
    }


async def _answer(app: Application, scope: dict[str, Any], body: bytes) -> Answer:
    said: list[Message] = []
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    gone: asyncio.Future[Message] = asyncio.get_running_loop().create_future()  # the caller stays to the end

    async def receive() -> Message:
        return waiting.pop() if waiting else await gone

    async def send(message: Message) -> None:
        said.append(message)

    await app(scope, receive, send)
    if not said or said[-1].get("more_body"):
        raise ConnectionResetError("the application did not answer")
    headers: dict[str, str] = {}
    for raw_name, raw_value in said[0].get("headers", ()):
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Answer(said[0]["status"], headers, b"".join(part.get("body", b"") for part in said[1:]))
