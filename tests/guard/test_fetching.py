"""The one GET: certificates, proxies, schemes, sizes, all against real servers on the loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from gatewright.guard.fetching import MAX_BODY, get, is_loopback
from tests.guard.issuing import StubIssuer, reply
from tests.guard.tls import secured


@pytest.fixture
def site() -> Iterator[StubIssuer]:
    with StubIssuer() as running:
        yield running


def test_status_headers_and_body_are_given_as_they_are(site: StubIssuer) -> None:
    site.replies["/a"] = reply(418, b"\x00\xff", X_Test="1")
    status, headers, body = get(site.url + "a")
    assert (status, body) == (418, b"\x00\xff")
    assert ("X-Test", "1") in list(headers)


def test_the_request_names_the_library_and_asks_for_plain_json(site: StubIssuer) -> None:
    seen: dict[str, str] = {}

    def look(request: BaseHTTPRequestHandler) -> None:
        seen.update(request.headers.items())
        reply(200)(request)

    site.replies["/a"] = look
    get(site.url + "a")
    assert seen["User-Agent"].startswith("gatewright/")
    assert seen["Accept"] == "application/json"
    assert "Accept-Encoding" not in seen or seen["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/", "data:,x", "gopher://127.0.0.1/", "x"]
)
def test_nothing_but_http_is_opened(url: str) -> None:
    with pytest.raises(OSError, match=r"unknown url type|ValueError"):
        get(url)


def test_a_body_ends_one_byte_after_the_limit(site: StubIssuer) -> None:
    site.replies["/a"] = reply(200, b"x" * (4 * MAX_BODY))
    assert len(get(site.url + "a")[2]) == MAX_BODY + 1
    site.replies["/a"] = reply(200, b"x" * MAX_BODY)
    assert len(get(site.url + "a")[2]) == MAX_BODY


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200,
        b"\x16\x03",
    ],
)
def test_a_broken_answer_is_an_os_error(site: StubIssuer, raw: bytes) -> None:
    def send(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(raw)

    site.replies["/a"] = send
    with pytest.raises(OSError, match=r".+"):
        get(site.url + "a")


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_proxy_of_the_environment_is_never_asked_for_this_machine(
    site: StubIssuer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:1/")
    site.replies["/a"] = reply(200, b"direct")
    assert get(site.url + "a")[2] == b"direct"


def test_a_proxy_of_the_environment_is_asked_for_other_machines(
    site: StubIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", site.url)
    site.replies["http://issuer.example/a"] = reply(200, b"by proxy")
    assert get("http://issuer.example/a")[2] == b"by proxy"


@pytest.fixture
def tls_site(tmp_path: Path) -> Iterator[tuple[StubIssuer, Path]]:
    with secured(tmp_path) as site:
        yield site


def test_a_certificate_is_checked(tls_site: tuple[StubIssuer, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    site, certificate = tls_site
    site.replies["/a"] = reply(200, b"secret")
    url = site.url.replace("http:", "https:")
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        get(url + "a")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert get(url + "a")[2] == b"secret"
    with pytest.raises(OSError, match=r"SSL|WRONG_VERSION"), StubIssuer() as plain:
        get(plain.url.replace("http:", "https:") + "a")


def test_a_drip_over_tls_ends_too(tls_site: tuple[StubIssuer, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    site, certificate = tls_site
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
        for _ in range(100):
            request.wfile.write(b" ")
            time.sleep(0.03)

    site.replies["/a"] = drip
    started = time.monotonic()
    with pytest.raises(OSError, match=r".+"):
        get(site.url.replace("http:", "https:") + "a", timeout=0.3)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost/", True),
        ("http://LOCALHOST:1/", True),
        ("http://127.0.0.1/", True),
        ("http://127.9.9.9/", True),
        ("http://[::1]/", True),
        ("http://localhost.example/", False),
        ("http://x.localhost/", False),
        ("http://0.0.0.0/", False),
        ("http://[::]/", False),
        ("http://2130706433/", False),
        ("http://127.1/", False),
        ("http://localhost@evil.example/", False),
        ("http:///", False),
    ],
)
def test_loopback_is_known_by_its_literal_names(url: str, expected: bool) -> None:  # noqa: FBT001 - a column of the table
    assert is_loopback(url) is expected
