"""The one HTTP caller of the command line, against a small server of the standard library."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from gatewright.cli import http
from tests.running import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


class Echo(BaseHTTPRequestHandler):
    """Answers by the path: a status, a redirect, a flood, silence."""

    def do_GET(self) -> None:
        if self.path == "/moved":
            self._answer(302, [("Location", "/moved-to")], b"")
        elif self.path == "/flood":
            self._answer(200, [], b"x" * (http.LARGEST_ANSWER + 1))
        elif self.path == "/teapot":
            self._answer(418, [("X-Twice", "a"), ("X-Twice", "b")], b"\xff")
        elif self.path == "/silence":
            self.close_connection = True
        else:
            self._answer(200, [], self.path.encode() + (self.headers["Authorization"] or "").encode())

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Silent."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_every_status_is_an_answer(url: str) -> None:
    answer = http.send("GET", f"{url}/teapot")
    assert (answer.status, answer.phrase, answer.text) == (418, "I'm a Teapot", "�")
    assert answer.headers["x-twice"] == "a, b"
    assert answer.is_refusal


def test_redirect_is_not_followed_so_that_a_token_stays_where_it_was_sent(url: str) -> None:
    answer = http.send("GET", f"{url}/moved", headers={"Authorization": "Bearer x"})
    assert answer.status == 302
    assert answer.headers["location"] == "/moved-to"


def test_loopback_is_reached_without_the_proxy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert http.send("GET", f"{url}/direct").text == "/direct"


@pytest.mark.parametrize("path", ["/flood", "/silence"])
def test_flood_and_silence_are_no_answer(url: str, path: str) -> None:
    with pytest.raises(http.Unreachable):
        http.send("GET", url + path)


def test_nobody_there_is_told_in_words() -> None:
    with pytest.raises(http.Unreachable, match="connection refused"):
        http.send("GET", f"http://127.0.0.1:{free_port()}/")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://localhost/", "localhost:80/", "", "http:///x"])
def test_only_http_urls_are_sent(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        http.send("GET", url)


@pytest.mark.parametrize(
    "url", ["http://local host/", "http://[::1/", "http://localhost:99999/", "http://a\nb/"]
)
def test_malformed_url_raises_nothing_else(url: str) -> None:
    with pytest.raises((ValueError, http.Unreachable)):
        http.send("GET", url)
