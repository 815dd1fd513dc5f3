"""The console's way to an API that the browser may not call itself: one request, to registered places only.

Whoever makes a server send requests can reach what only the server reaches. So: the URL is a base URL that an
administrator registered and a path below it; its name is resolved once, the connection goes to that very
address, and the address is of the public internet or of a network that the operator has named; nothing but
https leaves those networks; no redirect is followed; time and size are bounded.
"""

import asyncio
import contextlib
import http.client
import re
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from gatewright._version import __version__
from gatewright.guard.fetching import hung_up_at
from gatewright.server.settings import Network

DEADLINE: Final = 10.0  # seconds, for the whole answer
CONNECT_WITHIN: Final = 3.0
LARGEST_ANSWER: Final = 64 * 1024
MOST_AT_ONCE: Final = 4
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")

Address: TypeAlias = IPv4Address | IPv6Address

_PATH = re.compile(r"/[\x21\x23-\x5b\x5d-\x7e]*")  # no blank, no backslash, no quote, ASCII alone
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# Not public, though not every Python knows: for protocols (a cloud's metadata is there), local translation.
_NOT_PUBLIC = (IPv4Network("192.0.0.0/24"), IPv6Network("64:ff9b:1::/48"), IPv6Network("fec0::/10"))
_TRANSLATED = IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address inside
# They belong to the connection, or would tell the API another place than the one that was checked.
_OURS = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "proxy-authorization", "proxy-connection", "cookie"}
)


class RelayRefused(Exception):
    """The request was not sent, or nothing came back; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it is to be sent; ``base_url`` is one of those registered."""

    method: str
    base_url: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def url(self) -> str:
        """Where it goes."""
        return self.base_url.rstrip("/") + self.path


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back; of a long body the beginning."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    milliseconds: int
    is_cut: bool = False


class Relay:
    """Sends the requests of administrators; ``networks`` are where it may go beside the public internet."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks
        self._free = asyncio.Semaphore(MOST_AT_ONCE)

    async def send(self, outgoing: Outgoing, *, registered: Sequence[str]) -> Answered:
        """The API's answer, whatever it is.

        Raises:
            RelayRefused: nothing was sent, or nothing came back.
        """
        if outgoing.base_url not in registered:
            raise RelayRefused("Register this base URL for the API first.")
        require_sound(outgoing)
        if self._free.locked():
            raise RelayRefused("Several calls are waiting for answers. Try again in a few seconds.")
        async with self._free:
            return await asyncio.to_thread(_exchange, outgoing, self._networks)


def require_sound(outgoing: Outgoing) -> None:
    """Method, path and headers are what they seem.

    Raises:
        RelayRefused: naming the first fault.
    """
    if outgoing.method not in METHODS:
        raise RelayRefused(f"The method is one of {', '.join(METHODS)}.")
    if not _PATH.fullmatch(outgoing.path):
        raise RelayRefused("The path begins with / and holds no blank; escape what is not ASCII.")
    segments = outgoing.path.partition("?")[0].lower().replace("%2e", ".").split("/")
    if {".", ".."} & set(segments):
        raise RelayRefused("The path has no . or .. in it: the call would leave the base URL.")
    for name, value in outgoing.headers:
        if not _NAME.fullmatch(name) or not (value.isascii() and (value.isprintable() or not value)):
            raise RelayRefused("A header is a line such as X-Trace: 1, in printable ASCII.")
        if name.lower() in _OURS:
            raise RelayRefused(f"The header {name} is not sent from here.")


def require_allowed(found: Sequence[str], *, networks: Sequence[Network], is_https: bool) -> None:
    """All addresses that a name stands for are ones to connect to.

    Raises:
        RelayRefused: one of them is not, or the request would go there in clear.
    """
    for text in found:
        address = _inner(ip_address(text.partition("%")[0]))
        if any(address in network for network in networks):
            continue
        if not _is_public(address):
            raise RelayRefused(
                f"{address} is not of the public internet. The operator of this server allows it with the "
                "setting relay_networks."
            )
        if not is_https:
            raise RelayRefused("The token would travel in clear: register the API's https URL.")


def _is_public(address: Address) -> bool:
    if any(address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address only wraps."""
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)


def _exchange(outgoing: Outgoing, networks: Sequence[Network]) -> Answered:
    begun = time.monotonic()
    url = urlsplit(outgoing.url)
    host, is_https = url.hostname or "", url.scheme == "https"
    port = url.port or (443 if is_https else 80)
    sockets: list[socket.socket] = []
    try:
        addresses = _resolved(host, port)
        require_allowed(addresses, networks=networks, is_https=is_https)
        with hung_up_at(begun + DEADLINE, sockets):
            connection = _connection(host, port, addresses, sockets, is_https=is_https)
            try:
                connection.request(
                    outgoing.method,
                    f"{url.path or '/'}?{url.query}" if url.query else url.path or "/",
                    body=outgoing.body or None,
                    headers=_sent(outgoing),
                )
                return _read(connection.getresponse(), begun)
            finally:
                connection.close()
    except ssl.SSLError as error:
        raise RelayRefused(f"{host} has no certificate that this machine trusts: {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        seconds = time.monotonic() - begun
        late = f"No whole answer came within {DEADLINE:.0f} s." if seconds >= DEADLINE else ""
        said = late or f"Nothing answers at {host}:{port} ({_cause(error)}). Does the API run?"
        raise RelayRefused(said) from error


def _resolved(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(row[4][0]) for row in found]


def _connection(
    host: str, port: int, addresses: Sequence[str], sockets: list[socket.socket], *, is_https: bool
) -> http.client.HTTPConnection:
    """Connected to one of these very addresses, and to the one that has the host's certificate."""
    connected = _connected(port, addresses)
    connected.settimeout(DEADLINE)
    sockets.append(connected)
    if not is_https:
        connection = http.client.HTTPConnection(host, port)
        connection.sock = connected
        return connection
    connection = http.client.HTTPSConnection(host, port)
    connection.sock = ssl.create_default_context().wrap_socket(connected, server_hostname=host)
    sockets.append(connection.sock)
    return connection


def _connected(port: int, addresses: Sequence[str]) -> socket.socket:
    *rest, last = addresses
    for address in rest:
        with contextlib.suppress(OSError):
            return socket.create_connection((address, port), timeout=CONNECT_WITHIN)
    return socket.create_connection((last, port), timeout=CONNECT_WITHIN)


def _sent(outgoing: Outgoing) -> Mapping[str, str]:
    return {"User-Agent": f"gatewright-console/{__version__}", "Accept": "*/*", **dict(outgoing.headers)}


def _read(answer: http.client.HTTPResponse, begun: float) -> Answered:
    body = answer.read(LARGEST_ANSWER + 1)
    if time.monotonic() - begun >= DEADLINE:
        raise TimeoutError("no whole answer in time")
    return Answered(
        status=answer.status,
        headers=tuple(answer.getheaders()),
        body=body[:LARGEST_ANSWER],
        milliseconds=round((time.monotonic() - begun) * 1000),
        is_cut=len(body) > LARGEST_ANSWER,
    )


def _cause(error: Exception) -> str:
    strerror = getattr(error, "strerror", None)
    return str(strerror).lower() if strerror else type(error).__name__
