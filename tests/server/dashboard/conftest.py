"""A dashboard in this process, and people whose browsers hold cookies and fill in forms, without script."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2
import pytest

from gatewright.server.dashboard.entry import new_start_link
from gatewright.server.people import Administrator, new_administrator_id
from tests.running import caller_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gatewright.server.app import RunningServer
    from tests.running import Caller

PASSWORD = "a sentence that is long enough"


@dataclass
class Browser:
    """Follows links and sends forms as a browser without script does; `answer` is what it shows."""

    http: httpx2.Client
    answer: httpx2.Response = field(init=False)

    def go(self, path: str, status: int = 200) -> str:
        """Opens an address below `/ui`; the text of the page."""
        self.answer = self.http.get(f"ui{path}")
        assert self.answer.status_code == status, self.answer.text[:2000]
        return self.text

    def send(
        self,
        action: str,
        fields: Mapping[str, str | Sequence[str]] | None = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        csrf: str | None = None,
    ) -> str:
        """Sends a form to an address below `/ui`, with the token of the page that is open."""
        token = self.csrf if csrf is None else csrf
        data: dict[str, Any] = {**({"csrf": token} if token else {}), **(fields or {})}
        self.answer = self.http.post(f"ui{action}", data=data, headers=headers)
        assert self.answer.status_code == status, self.answer.text[:2000]
        return self.text

    @property
    def text(self) -> str:
        """What the page says, tags and all, entities resolved."""
        return html.unescape(self.answer.text)

    @property
    def path(self) -> str:
        """Where it is now, below `/ui`."""
        return urlsplit(str(self.answer.url)).path.removeprefix("/ui")

    @property
    def csrf(self) -> str:
        """The token of the forms of the page that is open; "" when there is none."""
        found = (
            re.search(r'name="csrf" value="([^"]+)"', self.answer.text) if hasattr(self, "answer") else None
        )
        return found[1] if found else ""


@pytest.fixture(scope="module")
def caller(running: RunningServer) -> Iterator[Caller]:
    """Calls the Management API of the same server, to see what a form has done."""
    credentials = json.loads((running.settings.data / "cli.json").read_text())
    with caller_of(running.issuer, credentials) as caller:
        yield caller


@pytest.fixture
def browser(running: RunningServer) -> Iterator[Browser]:
    """Nobody's yet."""
    with httpx2.Client(base_url=running.issuer, follow_redirects=True, timeout=30) as http:
        yield Browser(http)


@pytest.fixture(scope="module")
def people(running: RunningServer) -> dict[str, str]:
    """The first administrator, `ada`, and a viewer, `vic`, with the password of both."""
    link = new_start_link(running.server)
    assert link is not None
    with httpx2.Client(base_url=running.issuer, follow_redirects=True, timeout=30) as http:
        browser = Browser(http)
        browser.go(link.partition("/ui")[2])
        key = link.partition("key=")[2]
        browser.send("/start", {"key": key, "name": "ada", "password": PASSWORD, "again": PASSWORD})
    known = running.server.store.read(lambda tx: tx.people.named("ada"))
    assert known is not None
    viewer = Administrator(new_administrator_id(), "vic", "viewer", known.password_hash, running.server.now())
    running.server.store.write(lambda tx: tx.people.add(viewer))
    return {"ada": PASSWORD, "vic": PASSWORD}


@pytest.fixture
def enter(browser: Browser, people: Mapping[str, str]) -> Callable[[str], Browser]:
    """`enter("vic")` is a browser in which the viewer is logged in."""

    def log_in(name: str) -> Browser:
        browser.go("/login")
        browser.send("/login", {"name": name, "password": people[name]})
        assert browser.path == "/"
        return browser

    return log_in


@pytest.fixture
def ada(enter: Callable[[str], Browser]) -> Browser:
    """A browser in which the administrator is logged in, the password given just now."""
    return enter("ada")
