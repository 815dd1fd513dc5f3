"""`HttpFetch`: certificates, proxies, headers, time and bodies, against real servers on the loopback."""

# ruff: noqa: ANN401 - arguments of any shape are the point
from __future__ import annotations

import base64
import dataclasses
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from gatewright.guard.fetching import MAX_BODY
from gatewright.guard.transport import HttpFetch
from tests.guard.asking import ask
from tests.guard.issuing import StubIssuer, reply
from tests.guard.tls import secured, self_signed

Seen = list[tuple[str, str, dict[str, str], bytes]]


@pytest.fixture
def site() -> Iterator[StubIssuer]:
    with StubIssuer() as running:
        yield running


def noting(seen: Seen) -> Any:
    """An answer that notes method, path, headers (small names) and body of what it is asked."""

    def look(request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen.append((request.command, request.path, headers, body))
        reply(200, b"ok")(request)

    return look


@pytest.fixture
def posting(site: StubIssuer) -> StubIssuer:
    """The same site, which answers POST as it answers GET."""
    assert site.server is not None
    handler: Any = site.server.RequestHandlerClass
    handler.do_POST = handler.do_GET
    return site


def test_a_get_is_sent_with_the_headers_of_the_object_and_of_the_call(site: StubIssuer) -> None:
    seen: Seen = []
    site.replies["/a"] = noting(seen)
    fetch = HttpFetch(headers={"X-Api-Key": "abc", "user-agent": "me/1", "X-Both": "object"})
    status, _, body = fetch(site.url + "a", headers={"x-both": "call"})
    assert (status, body) == (200, b"ok")
    ((method, _, headers, sent),) = seen
    assert (method, sent) == ("GET", b"")
    assert headers["x-api-key"] == "abc"
    assert headers["user-agent"] == "me/1"
    assert headers["x-both"] == "call"
    assert headers["accept"] == "application/json"


def test_a_body_is_posted_as_a_form_unless_the_headers_say_otherwise(posting: StubIssuer) -> None:
    seen: Seen = []
    posting.replies["/a"] = noting(seen)
    fetch = HttpFetch()
    fetch(posting.url + "a", body=b"token=x")
    fetch(posting.url + "a", body=b"{}", headers={"Content-Type": "application/json"})
    fetch(posting.url + "a", body=b"")
    assert [(method, body) for method, _, _, body in seen] == [
        ("POST", b"token=x"),
        ("POST", b"{}"),
        ("POST", b""),
    ]
    assert [headers["content-type"] for _, _, headers, _ in seen] == [
        "application/x-www-form-urlencoded",
        "application/json",
        "application/x-www-form-urlencoded",
    ]


def test_limits_are_those_of_every_fetch(site: StubIssuer) -> None:
    site.replies["/big"] = reply(200, b"x" * (MAX_BODY + 9))
    site.replies["/away"] = reply(302, b"", Location=site.url + "other")
    fetch = HttpFetch()
    assert len(fetch(site.url + "big")[2]) == MAX_BODY + 1
    assert fetch(site.url + "away")[0] == 302
    assert not site.hits["/other"]
    for url in ("file:///etc/passwd", "ftp://127.0.0.1/", "data:,x"):
        for way in (fetch, HttpFetch(proxy=site.url)):
            with pytest.raises(OSError, match=r"unknown url type"):
                way(url)


def test_the_time_is_for_the_whole_answer_and_a_call_can_only_shorten_it(site: StubIssuer) -> None:
    def drip(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
        for _ in range(40):
            request.wfile.write(b" ")
            time.sleep(0.03)

    site.replies["/a"] = drip
    for fetch, timeout in ((HttpFetch(timeout=0.3), None), (HttpFetch(timeout=0.3), 9.0), (HttpFetch(), 0.3)):
        started = time.monotonic()
        with pytest.raises(OSError, match=r".+"):
            fetch(site.url + "a", timeout=timeout)
        assert time.monotonic() - started < 0.8


# Certificates


def test_a_ca_file_is_believed_and_no_other(tmp_path: Path) -> None:
    with secured(tmp_path) as (site, certificate):
        site.replies["/a"] = reply(200, b"secret")
        url = site.url.replace("http:", "https:") + "a"
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            HttpFetch()(url)
        stranger, _ = self_signed(tmp_path, "stranger")
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            HttpFetch(ca_file=stranger)(url)
        assert HttpFetch(ca_file=certificate)(url)[2] == b"secret"
        believes = HttpFetch(ca_file=str(certificate))
        certificate.unlink()
        assert believes(url)[2] == b"secret", "read once, when it was built"


def test_a_certificate_of_the_callers_is_shown_to_an_issuer_that_asks(tmp_path: Path) -> None:
    mine = self_signed(tmp_path, "mine")
    with secured(tmp_path, asks_for=mine[0]) as (site, certificate):
        site.replies["/a"] = reply(200, b"known")
        url = site.url.replace("http:", "https:") + "a"
        assert HttpFetch(ca_file=certificate, client_certificate=mine)(url)[2] == b"known"
        with pytest.raises(OSError, match=r".+"):
            HttpFetch(ca_file=certificate)(url)


@pytest.mark.parametrize("name", ["missing.pem", "noise.pem", "key.key"])
def test_a_ca_file_that_holds_no_certificate_is_told_when_it_is_built(tmp_path: Path, name: str) -> None:
    (tmp_path / "noise.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n")
    self_signed(tmp_path, "key")
    missing = name == "missing.pem"
    with pytest.raises(FileNotFoundError if missing else ValueError, match=f"ca_file .*{name}"):
        HttpFetch(ca_file=tmp_path / name)


def test_a_client_certificate_that_cannot_be_used_is_told_when_it_is_built(tmp_path: Path) -> None:
    mine, others = self_signed(tmp_path, "mine"), self_signed(tmp_path, "others")
    locked = self_signed(tmp_path, "locked", password=b"secret")
    with pytest.raises(ValueError, match="client_certificate"):
        HttpFetch(client_certificate=(mine[0], others[1]))
    with pytest.raises(ValueError, match="encrypted"):
        HttpFetch(client_certificate=locked)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        HttpFetch(client_certificate=(mine[0], tmp_path / "nowhere.key"))
    wrong: Any = str(mine[0])
    with pytest.raises(TypeError, match="pair"):
        HttpFetch(client_certificate=wrong)


# Proxies


def test_a_given_proxy_is_asked_for_everything_with_its_password(
    site: StubIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    seen: Seen = []
    site.replies["http://issuer.example/a"] = noting(seen)
    site.replies["http://127.0.0.1:1/a"] = noting(seen)
    host = site.url.removeprefix("http://")
    fetch = HttpFetch(proxy=f"http://user:p%40ss@{host}")
    fetch("http://issuer.example/a")
    fetch("http://127.0.0.1:1/a")
    assert [path for _, path, _, _ in seen] == ["http://issuer.example/a", "http://127.0.0.1:1/a"]
    expected = "Basic " + base64.b64encode(b"user:p@ss").decode()
    assert {headers["proxy-authorization"] for _, _, headers, _ in seen} == {expected}


def test_https_goes_through_a_tunnel_and_only_the_proxy_sees_its_password(site: StubIssuer) -> None:
    seen: Seen = []
    assert site.server is not None

    def connect(request: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen.append((request.command, request.path, headers, b""))
        reply(403)(request)

    handler: Any = site.server.RequestHandlerClass
    handler.do_CONNECT = connect
    host = site.url.removeprefix("http://").rstrip("/")
    with pytest.raises(OSError, match="403"):
        HttpFetch(proxy=f"http://u:p@{host}", headers={"X-Key": "abc"})("https://issuer.example/a")
    ((_, path, headers, _),) = seen
    assert path == "issuer.example:443"
    assert headers["proxy-authorization"].startswith("Basic ")
    assert "x-key" not in headers, "what is for the issuer is not for the proxy"


def test_the_environment_names_the_proxy_where_none_is_given(
    site: StubIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", site.url)
    site.replies["http://issuer.invalid/a"] = reply(200, b"by proxy")
    assert HttpFetch()("http://issuer.invalid/a")[2] == b"by proxy"
    with pytest.raises(OSError, match=r".+"):
        HttpFetch(proxy="", timeout=2)("http://issuer.invalid/a")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1/")
    site.replies["/a"] = reply(200, b"direct")
    assert HttpFetch()(site.url + "a")[2] == b"direct"


# Building


@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("timeout", 0, ValueError),
        ("timeout", -1, ValueError),
        ("timeout", float("nan"), ValueError),
        ("timeout", float("inf"), ValueError),
        ("timeout", "5", TypeError),
        ("timeout", True, TypeError),
        ("proxy", "proxy.example:3128", ValueError),
        ("proxy", "https://proxy.example", ValueError),
        ("proxy", "socks5://proxy.example", ValueError),
        ("proxy", "http://", ValueError),
        ("proxy", "http://proxy.example:x", ValueError),
        ("proxy", "http://proxy.example/path", ValueError),
        ("proxy", "http://proxy.example\r\nX: y", ValueError),
        ("proxy", 3128, TypeError),
        ("headers", [("X", "y")], TypeError),
        ("headers", {"X": 1}, TypeError),
        ("headers", {"X": "hush\r\nY: z"}, ValueError),
        ("headers", {"X": "hush\x00"}, ValueError),
        ("headers", {"X Y": "hush"}, ValueError),
        ("headers", {"": "hush"}, ValueError),
    ],
)
def test_an_argument_that_cannot_be_right_is_told_when_it_is_built(
    argument: str, value: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=argument if argument != "headers" else "header") as told:
        HttpFetch(**{argument: value})
    assert "hush" not in str(told.value)


def test_no_secret_is_shown(site: StubIssuer) -> None:
    fetch = HttpFetch(headers={"Authorization": "hush"}, proxy="http://user:hush@127.0.0.1:1")
    assert "hush" not in repr(fetch)
    with pytest.raises(OSError, match=r".+") as refused:
        fetch(site.url, body=b"hush", headers={"X": "hush\n"})
    assert "hush" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_it_is_a_value_that_nobody_changes() -> None:
    given = {"X": "1"}
    fetch = HttpFetch(headers=given)
    given["X"] = "2"
    assert fetch.headers == {"X": "1"}
    assert fetch == HttpFetch(headers={"X": "1"})
    assert fetch != HttpFetch(headers={"X": "2"})
    assert hash(fetch) == hash(HttpFetch(headers={"X": "1"}))
    with pytest.raises(dataclasses.FrozenInstanceError):
        fetch.timeout = 9  # type: ignore[misc]  # what is tried


def test_a_guard_fetches_its_keys_with_it(tmp_path: Path) -> None:
    with secured(tmp_path) as (site, certificate):
        url = site.url.replace("http:", "https:")
        site.replies[site.DISCOVERY] = reply(200, {"issuer": site.url, "jwks_uri": url + "k"})
        site.replies["/k"] = site.usual(site.JWKS)
        fetch = HttpFetch(ca_file=certificate)

        def over_tls(asked: str) -> Any:
            return fetch(asked.replace("http:", "https:"))

        assert ask(site.guard(fetch=over_tls), site.token()) == "entered"
        assert ask(site.guard(fetch=HttpFetch()), site.token()) == "keys_unavailable"


def test_a_guard_takes_it_as_it_is(site: StubIssuer) -> None:
    seen: Seen = []
    usual = site.usual(site.JWKS)

    def look(request: BaseHTTPRequestHandler) -> None:
        seen.append((request.command, request.path, dict(request.headers.items()), b""))
        usual(request)

    site.replies[site.JWKS] = look
    assert ask(site.guard(fetch=HttpFetch(headers={"X-Key": "abc"})), site.token()) == "entered"
    assert seen[0][2]["X-Key"] == "abc"
