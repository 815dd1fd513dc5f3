"""One request by the standard library, with the limits a guard needs and urllib has not.

A deadline for the whole answer (urllib's timeout is for each read, so that a slow drip never ends), a
limit on its size, no redirects, nothing but http and https, and no proxy in front of this very machine.
"""

import contextlib
import http.client
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from gatewright._version import __version__

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
Answer: TypeAlias = tuple[int, Headers, bytes]
Fetch: TypeAlias = Callable[[str], Answer | Awaitable[Answer]]

MAX_BODY: Final = 512 * 1024
TIMEOUT: Final = 5.0  # seconds, for everything a refresh of the keys takes

_CHUNK: Final = 64 * 1024
# Some firewalls turn urllib's own name away.
_HEADERS: Final = {"User-Agent": f"gatewright/{__version__}", "Accept": "application/json"}


def get(url: str, *, timeout: float = TIMEOUT) -> Answer:
    """Status, headers and body at `url`, within `timeout` seconds in all.

    The body ends one byte after `MAX_BODY`, so that the reader sees that it was too long. Proxies are
    taken from the environment, as everywhere in the standard library, but never for loopback.

    Raises:
        OSError: no http or https URL, no answer, a broken one, or none in time.
    """
    return exchange(url, timeout=timeout)


def exchange(
    url: str,
    *,
    timeout: float,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    context: ssl.SSLContext | None = None,
    proxy: str | None = None,
) -> Answer:
    """As `get`; a POST when there is a body.

    `context` says which certificates are believed (None: those of the system). `proxy` is the host and
    port of an HTTP proxy that is asked whatever the URL, the empty string for none, None for what the
    environment says.

    Raises:
        OSError: as `get`; its text repeats neither the headers nor the body.
    """
    deadline = time.monotonic() + timeout
    sockets: list[socket.socket] = []
    try:
        request = urllib.request.Request(url, body)  # noqa: S310 - the opener knows http and https only
        for name, value in (*_HEADERS.items(), *(headers or {}).items()):
            request.add_header(name, value)
        if proxy and request.type in ("http", "https"):
            request.set_proxy(proxy, "http")
        opener = _opener(url, sockets, context=context, by_environment=proxy is None)
        with hung_up_at(deadline, sockets), opener.open(request, timeout=timeout) as answer:
            return answer.status, answer.headers.items(), _read(answer, deadline)
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"no URL or a broken answer: {type(error).__name__}") from None


def is_loopback(url: str) -> bool:
    """Whether the host of `url` is this machine, by its literal name or address."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _read(answer: http.client.HTTPResponse, deadline: float) -> bytes:
    body = bytearray()
    while len(body) <= MAX_BODY:
        chunk = answer.read1(min(_CHUNK, MAX_BODY + 1 - len(body)))
        if time.monotonic() >= deadline:
            raise TimeoutError("no whole answer in time")
        if not chunk:
            break
        body += chunk
    return bytes(body)


@contextlib.contextmanager
def hung_up_at(deadline: float, sockets: list[socket.socket]) -> Iterator[None]:
    """Ends the connections at the deadline from outside, wherever their reader is waiting."""

    def hang_up() -> None:
        for connected in sockets:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _opener(
    url: str,
    sockets: list[socket.socket],
    *,
    context: ssl.SSLContext | None = None,
    by_environment: bool = True,
) -> urllib.request.OpenerDirector:
    # Made of these parts alone: the usual opener also follows redirects and opens file: and ftp:.
    opener = urllib.request.OpenerDirector()
    opener.add_handler(urllib.request.ProxyHandler(None if by_environment and not is_loopback(url) else {}))
    opener.add_handler(_Http(sockets))
    opener.add_handler(_Https(sockets, context))
    opener.add_handler(urllib.request.UnknownHandler())
    return opener


class _Http(urllib.request.HTTPHandler):
    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._sockets = sockets

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_noting(http.client.HTTPConnection, self._sockets), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, sockets: list[socket.socket], context: ssl.SSLContext | None) -> None:
        super().__init__()
        self._sockets = sockets
        self._believed = context

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        connection = _noting(http.client.HTTPSConnection, self._sockets)
        return self.do_open(connection, req, context=self._believed or ssl.create_default_context())


def _noting(
    kind: type[http.client.HTTPConnection], sockets: list[socket.socket]
) -> Callable[..., http.client.HTTPConnection]:
    """Connections of this kind that note their socket: urllib closes its own sight of it."""

    def connection(*args: Any, **options: Any) -> http.client.HTTPConnection:  # noqa: ANN401 - urllib's, passed on
        made = kind(*args, **options)
        connect = made.connect

        def connect_and_note() -> None:
            connect()
            sockets.append(made.sock)

        made.connect = connect_and_note  # type: ignore[method-assign]  # one object's, not the class's
        return made

    return connection
