"""Tokens and an issuer for the guard's tests: real signatures, a clock that is passed in, real HTTP."""

# ruff: noqa: ANN401 - what a guard is built with is passed on as it is
from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from gatewright.guard import Guard
from gatewright.jose import JWK, JWKS, jws, jwt
from gatewright.jose.encoding import encode
from tests.loopback import Loopback

ISSUER = "https://issuer.example/"
AUDIENCE = "https://blog-api"
NOW = 1_800_000_000.0
REMOVED = object()
"""A claim with this value is left out."""


def key(kid: str = "k1", alg: str = "RS256") -> JWK:
    """One key per name for the whole run: making RSA keys is slow."""
    return _generated(kid, alg)


@functools.cache
def _generated(kid: str, alg: str) -> JWK:
    return JWK.generate(alg, kid=kid)


def segment(data: object) -> str:
    """A part of a compact token: bytes as they are, anything else as JSON."""
    return encode(data if isinstance(data, bytes) else json.dumps(data).encode())


class Clock:
    """A clock that stands still until it is told to move."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


def claims(**changed: object) -> dict[str, object]:
    """The claims of a sound access token, some of them changed or `REMOVED`."""
    made: dict[str, object] = {
        "iss": ISSUER,
        "sub": "app@clients",
        "aud": AUDIENCE,
        "iat": int(NOW),
        "exp": int(NOW) + 3600,
        "azp": "app",
        "gty": "client-credentials",
    }
    return {name: value for name, value in (made | changed).items() if value is not REMOVED}


def token(signed_by: object = None, *, typ: object = "JWT", **changed: object) -> str:
    """A signed access token, sound unless told otherwise; loosely typed, so that tables may tell it."""
    by = signed_by if isinstance(signed_by, JWK) else key()
    return jwt.sign(claims(**changed), by, typ=None if typ is None else str(typ))


def raw_token(
    payload: bytes, *, signed_by: JWK | None = None, header: dict[str, object] | None = None
) -> str:
    """A correct signature over any payload whatever."""
    return jws.sign(payload, signed_by or key(), header={"typ": "JWT"} | (header or {}))


def bearer(value: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {value}")]


def guard(**options: Any) -> Guard:
    """A guard with its keys at hand, at `NOW`."""
    options.setdefault("keys", JWKS([key()]))
    options.setdefault("now", Clock())
    options.setdefault("audience", AUDIENCE)
    return Guard(ISSUER, **options)


Reply = Callable[[BaseHTTPRequestHandler], None]


def reply(status: int, body: bytes | str | Mapping[str, object] = b"", **headers: str) -> Reply:
    """One whole answer."""
    content = json.dumps(body) if isinstance(body, Mapping) else body
    content = content.encode() if isinstance(content, str) else content

    def send(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    return send


@dataclass(slots=True)
class StubIssuer(Loopback):
    """An issuer on the loopback that answers as told and counts what it is asked."""

    published: list[JWK] = field(default_factory=lambda: [key()])
    replies: dict[str, Reply] = field(default_factory=dict)
    hits: Counter[str] = field(default_factory=Counter)

    DISCOVERY = "/.well-known/openid-configuration"
    JWKS = "/.well-known/jwks.json"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def fetches(self) -> int:
        """How often the key set itself was asked for."""
        return self.hits[self.JWKS]

    def token(self, signed_by: JWK | None = None, **changed: object) -> str:
        return token(signed_by, **{"iss": self.url} | changed)

    def guard(self, **options: Any) -> Guard:
        return Guard(self.url, audience=AUDIENCE, **{"now": Clock()} | options)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Answering(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.hits[self.path] += 1
                answer = issuer.replies.get(self.path) or issuer.usual(self.path)
                try:
                    answer(self)
                except OSError:  # whoever asked has hung up, with TLS or without
                    self.close_connection = True

            def log_message(self, *arguments: object) -> None:
                pass  # the test's own report is enough

        return Answering

    def usual(self, path: str) -> Reply:
        if path == self.DISCOVERY:
            return reply(200, {"issuer": self.url, "jwks_uri": self.url.rstrip("/") + self.JWKS})
        if path == self.JWKS:
            return reply(200, {"keys": [published.to_dict() for published in self.published]})
        return reply(404)
