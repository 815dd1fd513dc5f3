"""The page at `/`: what this is and how to get through its door; nothing of the request, no secret."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from gatewright import __version__

if TYPE_CHECKING:
    from gatewright.server.app import RunningServer
    from tests.running import Caller
    from tests.server.calling import Wire


class Page(HTMLParser):
    """What a page loads and where it leads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "action"}]
        assert not [name for name, _ in attrs if name.startswith("on")]


@pytest.fixture(scope="module")
def page(caller: Caller) -> str:
    return caller.http.get("").text


def test_page_names_issuer_key_set_and_the_three_requests(caller: Caller, page: str) -> None:
    assert f"<code>{caller.issuer}</code>" in page
    assert f"{caller.issuer}.well-known/jwks.json" in page
    assert f"curl {caller.issuer}oauth/token" in page
    assert page.count("curl ") >= 3
    assert __version__ in page


def test_links_lead_to_pages_that_exist_on_this_server(caller: Caller, page: str) -> None:
    addresses = Page(page).addresses

    assert addresses
    for address in addresses:
        assert address.startswith(caller.issuer)
        assert caller.http.get(address).status_code == 200


def test_page_holds_no_secret_and_names_no_client(running: RunningServer, caller: Caller, page: str) -> None:
    assert caller.operator.client_secret not in page
    assert caller.operator.client_id not in page
    assert (running.settings.data / "master.key").read_text().strip() not in page
    assert str(running.settings.data) not in page


def test_page_is_locked_down(caller: Caller) -> None:
    answer = caller.http.get("")

    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} <= {*policy}
    assert "script" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["X-Request-Id"]


def test_page_needs_nothing_that_its_policy_forbids(page: str) -> None:
    assert not {"script", "img", "iframe", "link", "form", "object", "base"} & Page(page).tags


@pytest.mark.parametrize(
    "host", ["evil.example", '"><script>alert(1)</script>', "[", "", "evil.example:1/x?y#"]
)
def test_nothing_of_the_request_is_on_the_page(page: str, wire: Wire, host: str) -> None:
    answer = wire.send(
        f"""GET /?q=evil.example HTTP/1.1
        Host: {host}
        X-Forwarded-Host: evil.example
        X-Forwarded-Proto: gopher
        Forwarded: host=evil.example
        Referer: https://evil.example/
        User-Agent: evil.example"""
    )

    assert answer.status == 200
    assert answer.body.decode() == page
    assert "evil" not in str(answer.headers)


@pytest.mark.parametrize("path", ["health/live", "health/ready"])
def test_health_is_told_and_never_kept(caller: Caller, path: str) -> None:
    answer = caller.http.get(path)

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    ["", "health/live", "health/ready", ".well-known/jwks.json", ".well-known/openid-configuration", "nope"],
)
def test_every_page_has_a_request_id_of_its_own(caller: Caller, path: str) -> None:
    first, second = (caller.http.get(path).headers["X-Request-Id"] for _ in range(2))

    assert first != second


def test_head_answers_without_a_page(caller: Caller) -> None:
    answer = caller.http.head("")

    assert (answer.status_code, answer.content) == (200, b"")


def test_other_methods_are_refused(caller: Caller) -> None:
    assert caller.http.post("").status_code == 405
