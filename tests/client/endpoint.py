"""An issuer on the loopback that answers token requests as told, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl

from tests.loopback import Loopback

DISCOVERY = "/.well-known/openid-configuration"
AUDIENCE = "https://blog-api"
SECRET = "the-secret-of-reader"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; `body` is sent as JSON unless it is bytes."""

    status: int = 200
    body: object = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Asked:
    """One request that came."""

    path: str
    headers: dict[str, str]
    form: dict[str, str]


@dataclass(slots=True)
class TokenEndpoint(Loopback):
    """Each token request gets the next of `replies`, and when there is none a new token."""

    replies: deque[Reply] = field(default_factory=deque)
    discovered: Reply | None = None
    always: Reply | None = None
    lifetime: object = 3600
    delay: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def tokens(self) -> list[Asked]:
        """The token requests."""
        return [each for each in self.asked if each.path == "/token"]

    def handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Answering(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                endpoint._answer(self)

            def do_POST(self) -> None:
                endpoint._answer(self)

            def log_message(self, *arguments: object) -> None:
                pass  # the test's own report is enough

        return Answering

    def _answer(self, http: BaseHTTPRequestHandler) -> None:
        body = http.rfile.read(int(http.headers.get("Content-Length", "0"))).decode()
        headers = {name.lower(): value for name, value in http.headers.items()}
        with self._counting:
            self.asked.append(Asked(http.path, headers, dict(parse_qsl(body))))
            reply = self._reply(http.path)
        time.sleep(self.delay)
        content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        try:
            http.send_response(reply.status)
            for name, value in {"Content-Length": str(len(content)), **reply.headers}.items():
                http.send_header(name, value)
            http.end_headers()
            http.wfile.write(content)
        except OSError:  # whoever asked has hung up
            http.close_connection = True

    def _reply(self, path: str) -> Reply:
        if path == DISCOVERY:
            usual = Reply(body={"issuer": self.issuer, "token_endpoint": self.issuer + "token"})
            return self.discovered or usual
        if self.replies:
            return self.replies.popleft()
        return self.always or granted(f"token-{len(self.tokens)}", expires_in=self.lifetime)


def granted(token: str, **members: object) -> Reply:
    """A good answer; a member that is None is left out."""
    body: dict[str, object] = {"access_token": token, "token_type": "Bearer", "expires_in": 3600} | members
    return Reply(body={name: value for name, value in body.items() if value is not None})


def refused(status: int, error: str, description: str = "") -> Reply:
    """A refusal as RFC 6749 words it."""
    return Reply(status, {"error": error, "error_description": description})
