"""Over https the cookie has the prefix by which browsers keep it to this very host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx2

from tests.running import ServerProcess, trusting
from tests.server.dashboard.browsing import PASSWORD

if TYPE_CHECKING:
    from pathlib import Path


def test_the_cookie_is_of_this_host_alone_and_the_link_is_printed_until_it_was_used(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", options=("--tls", "local"))
    with server:
        (link,) = re.findall(r"Dashboard +(\S+)", server.log.read_text())
        assert link.startswith(server.issuer + "ui/start?key=")
        key = link.partition("key=")[2]
        form = {"key": key, "name": "ada", "password": PASSWORD, "again": PASSWORD}
        with httpx2.Client(base_url=server.issuer, verify=trusting(server.ca_file)) as http:
            answer = http.post("ui/start", data=form)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-gatewright-session=")
        for word in ("Secure", "HttpOnly", "Path=/", "SameSite=lax"):
            assert word.lower() in cookie.lower()
        assert "domain" not in cookie.lower()
    with server:
        printed = re.findall(r"Dashboard +(\S+)", server.log.read_text())
    assert printed[-1] == server.issuer + "ui/"
    assert "key=" not in server.log.read_text().replace(link, "")
    assert PASSWORD not in server.log.read_text()
