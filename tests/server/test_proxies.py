"""Whose word is taken for where a request comes from: that of the proxies named in the settings alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gatewright.server.app import start
from gatewright.server.settings import Settings
from tests.running import caller_of, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TRUSTED = "127.0.0.0/8, ::1, 10.0.0.0/8"
FIRST = "203.0.113.7"


@pytest.fixture(scope="module")
def seen_by(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """`seen_by(trusted, "a, b")` is the address that the log shows for a refused token request."""
    made = {}
    for trusted in (TRUSTED, None):
        folder = tmp_path_factory.mktemp("proxied") / "data"
        settings = Settings.load({}, data=folder, listen=f"localhost:{free_port()}", trusted_proxies=trusted)
        made[trusted] = start(settings)

    def address(trusted: str | None, *forwarded: str) -> str:
        server = made[trusted]
        credentials = json.loads((Path(server.settings.data) / "cli.json").read_text())
        with caller_of(server.issuer, credentials) as caller:
            headers = [("X-Forwarded-For", value) for value in forwarded]
            form = {"grant_type": "client_credentials", "client_id": "none", "audience": "none"}
            answer = caller.http.post("oauth/token", data=form, headers=headers)
            events = caller.manage("GET", "logs", params={"per_page": 10}).json()
        asked = answer.headers["x-request-id"]
        (ip,) = [each["ip"] for each in events if each["details"]["request_id"] == asked]
        return str(ip)

    yield address
    for server in made.values():
        server.stop()


def test_without_trusted_proxies_the_header_says_nothing(seen_by: Callable[..., str]) -> None:
    assert seen_by(None, FIRST) in {"127.0.0.1", "::1"}


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ((FIRST,), FIRST),
        (("198.51.100.1, " + FIRST,), FIRST),  # what is further left, anybody may have written
        ((f"198.51.100.1, {FIRST}, 10.1.2.3",), FIRST),  # a chain of trusted proxies
        (("198.51.100.1", FIRST), FIRST),  # two headers are one list
        (("2001:db8::7",), "2001:db8::7"),
        (("[2001:db8::7]",), "2001:db8::7"),
        ((f"::ffff:{FIRST}",), FIRST),
        ((f"{FIRST}, 10.1.2.3, unknown",), None),
        (("unknown",), None),
        (("10.1.2.3",), "10.1.2.3"),  # nobody else is named
        (("",), None),
        ((), None),
    ],
)
def test_the_first_address_from_the_right_that_is_no_trusted_proxy_is_who_asks(
    seen_by: Callable[..., str], forwarded: tuple[str, ...], address: str | None
) -> None:
    seen = seen_by(TRUSTED, *forwarded)
    assert seen == address if address else seen in {"127.0.0.1", "::1"}
