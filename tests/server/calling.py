"""How the tests of both doors call them: sound requests with one member changed, few scopes, raw bytes."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.running import Caller, bearer

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

AUDIENCE = "https://blog.example/api"


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"  # stands in names of tests, which two processes must spell alike


ABSENT = _Absent()
"""A member with this value is left out."""


def renewed(caller: Caller) -> Caller:
    """The same caller, who takes a new management token: the old one may be of a key that was revoked."""
    return Caller(caller.issuer, caller.operator, caller.http)


@dataclass(frozen=True, slots=True)
class Asking:
    """Token requests of one application for one API, each member to be replaced or left out."""

    caller: Caller
    members: Mapping[str, str]

    def form(self, headers: Mapping[str, str] | None = None, /, **changed: object) -> httpx2.Response:
        return self.caller.http.post("oauth/token", data=self._with(changed), headers=headers)

    def json(self, headers: Mapping[str, str] | None = None, /, **changed: object) -> httpx2.Response:
        return self.caller.http.post("oauth/token", json=self._with(changed), headers=headers)

    def _with(self, changed: Mapping[str, object]) -> dict[str, object]:
        members = {**self.members, **changed}
        return {name: value for name, value in members.items() if value is not ABSENT}


@dataclass(frozen=True, slots=True)
class Limited:
    """Calls the Management API with a token that holds exactly certain scopes."""

    caller: Caller
    token: str

    def __call__(
        self, method: str, path: str, *, json: object = None, params: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        headers = bearer(self.token)
        return self.caller.http.request(method, f"api/v2/{path}", headers=headers, json=json, params=params)


@dataclass(frozen=True, slots=True)
class Answer:
    """A raw answer, its headers by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Wire:
    """Sends exactly these bytes to a server; for what no HTTP client would send."""

    address: tuple[str, int]

    def send(self, head: str, body: bytes = b"") -> Answer:
        """One request; `head` is its lines, the first of them the request line."""
        lines = [line.strip() for line in head.strip().splitlines()]
        names = {line.partition(":")[0].lower() for line in lines[1:]}
        lines += [] if "host" in names else ["Host: localhost"]
        lines += [] if "content-length" in names else [f"Content-Length: {len(body)}"]
        data = "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body
        with socket.create_connection(self.address, timeout=10) as connection:
            connection.sendall(data)
            return _parsed(connection)


def _parsed(connection: socket.socket) -> Answer:
    received = bytearray()
    while chunk := connection.recv(65536):
        received += chunk
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split(" ")[1]), headers, body)
