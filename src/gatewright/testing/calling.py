"""One request to an application in this very process, and whether its endpoint was entered meanwhile.

The proof does not rest on the answer: while the request runs, the interpreter reports each Python function
that it enters, in this thread and in those started meanwhile, and the endpoint's own is looked for. What
it cannot see: an endpoint written in C, and one that the route report does not name.
"""

import asyncio
import atexit
import contextlib
import functools
import inspect
import io
import sys
import threading
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

_HOST: Final = "testserver"
_PATIENCE: Final = 30.0  # seconds


@dataclass(slots=True)
class Reply:
    """An answer; header names are in lower case. A handshake that was accepted has status 101."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def values(self, name: str) -> list[str]:
        """The values of one header, in the order sent."""
        return [value for key, value in self.headers if key == name]


def call(app: object, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Reply:
    """The application's answer; `method` WEBSOCKET makes a handshake; `body` is for ASGI alone.

    Raises:
        TypeError: neither ASGI, WSGI nor aiohttp.
    """
    application: Any = app
    if type(application).__module__.startswith("aiohttp."):
        return _runner().run(_aiohttp(application, method, path, headers))
    if hasattr(application, "wsgi_app"):  # Flask
        return _wsgi(application, method, path, headers)
    for candidate in (application, getattr(application, "__call__", None)):  # noqa: B004 - an async one is looked for
        if inspect.iscoroutinefunction(candidate):
            return asyncio.run(_asgi(application, method, path, headers, body))
    if callable(application):
        return _wsgi(application, method, path, headers)
    raise TypeError(f"{app!r} is no application that can be called in process")


@contextlib.contextmanager
def entered(endpoint: str) -> Iterator[list[str]]:
    """The list of entries of the endpoint, `module.qualified_name`, and of its methods."""
    seen: list[str] = []
    last = endpoint.rpartition(".")[2]
    prefix = f"{endpoint}."

    def profile(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or last not in code.co_qualname:
            return
        name = f"{frame.f_globals.get('__name__')}.{code.co_qualname}"
        if name == endpoint or name.startswith(prefix):
            seen.append(name)

    if not endpoint:
        yield seen
        return
    before, threads_before = sys.getprofile(), threading.getprofile()
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield seen
    finally:
        sys.setprofile(before)
        threading.setprofile(threads_before)


async def _asgi(app: Any, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:  # noqa: ANN401 - any application
    is_handshake = method == "WEBSOCKET"
    kind = "websocket" if is_handshake else "http"
    scope: dict[str, Any] = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws" if is_handshake else "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", _HOST.encode())]
        + [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": (_HOST, 80),
        "extensions": {"websocket.http.response": {}},
        "state": {},
    }
    if is_handshake:
        scope["subprotocols"] = []
    else:
        scope["method"] = method
    waiting = [{"type": "websocket.connect"} if is_handshake else {"type": "http.request", "body": body}]
    reply = Reply()
    answered = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop()
        # Not before the answer is out: Django gives up on a caller who has left.
        await answered.wait()
        return {"type": f"{kind}.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        said = str(message["type"])
        if said.endswith("response.start"):
            reply.status = message["status"]
            pairs = message.get("headers", ())
            reply.headers += [
                (name.decode("latin-1").lower(), text.decode("latin-1")) for name, text in pairs
            ]
        elif said.endswith("response.body"):
            reply.body += message.get("body", b"")
            if not message.get("more_body"):
                answered.set()
        elif said == "websocket.accept":
            reply.status = 101
            answered.set()
        elif said == "websocket.close":
            reply.status = reply.status or 403
            answered.set()

    async with asyncio.timeout(_PATIENCE):
        await app(scope, receive, send)
    return reply


def _wsgi(app: Callable[..., Any], method: str, path: str, headers: dict[str, str]) -> Reply:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": _HOST,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": _HOST,
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    reply = Reply()

    def start(status: str, pairs: list[tuple[str, str]], _: object = None) -> Callable[[bytes], object]:
        reply.status = int(status.split(maxsplit=1)[0])
        reply.headers = [(name.lower(), value) for name, value in pairs]
        return lambda _: None

    chunks = app(environ, start)
    try:
        reply.body = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    return reply


@functools.cache
def _runner() -> asyncio.Runner:
    # An aiohttp application belongs to the event loop that it was started in first.
    runner = asyncio.Runner()
    atexit.register(runner.close)
    return runner


async def _aiohttp(app: Any, method: str, path: str, headers: dict[str, str]) -> Reply:  # noqa: ANN401 - an aiohttp application
    from aiohttp.test_utils import TestClient, TestServer  # noqa: PLC0415 - only those who have it

    async with TestClient(TestServer(app)) as client:
        answer = await client.request(method, path, headers=headers, allow_redirects=False)
        pairs = [(name.lower(), value) for name, value in answer.headers.items()]
        return Reply(answer.status, pairs, await answer.read())
