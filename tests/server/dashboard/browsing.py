"""A browser without script for tests of the dashboard: somebody's cookies, pages and forms."""

from __future__ import annotations

import asyncio
import html
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2

from gatewright.server.dashboard import passwords
from gatewright.server.dashboard.entry import new_start_link
from gatewright.server.people import Administrator, new_administrator_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gatewright.server.app import RunningServer
    from gatewright.server.people import AdministratorRole
    from tests.running import Application, Caller

    Fields = Mapping[str, str | Sequence[str]]

PASSWORD = "a sentence that is long enough"
AUDIENCE = "https://blog.example/api"
CANARY = "<script>alert(1)</script>\"'"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;"


@dataclass(slots=True)
class Browser:
    """Somebody's cookies, and the forms of the pages they see; all addresses are below `/ui`."""

    http: httpx2.Client
    path: str = field(default="", init=False)  # where the page is that was opened last

    def page(self, path: str, *, status: int = 200) -> str:
        """The page, wherever the address leads to."""
        answer = self.http.get(f"ui{path}", follow_redirects=True)
        assert answer.status_code == status, answer.text
        self.path = _below_ui(urlsplit(str(answer.url)).path)
        return answer.text

    def csrf(self) -> str:
        """The token that the forms of this session carry."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.page("/"))
        assert found is not None, "nobody is logged in"
        return found[1]

    def send(
        self,
        action: str,
        fields: Fields | None = None,
        *,
        on: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """The answer to a form itself, wherever it leads to.

        `on` is the page that must have the form: its hidden fields are sent too. Without it the token is.
        """
        hidden = {"csrf": self.csrf()} if on is None else _hidden_fields(self.page(on), action)
        return self.http.post(f"ui{action}", data={**hidden, **(fields or {})}, headers=headers)

    def done(self, action: str, fields: Fields | None = None, *, on: str | None = None) -> str:
        """Sends a form that is to succeed: the page it leads to."""
        answer = self.send(action, fields, on=on)
        assert answer.status_code == 303, answer.text
        return self.page(_below_ui(answer.headers["location"]))

    def refused(
        self, action: str, fields: Fields | None = None, *, on: str | None = None, status: int = 400
    ) -> str:
        """Sends a form that is to be refused: the page that says why."""
        answer = self.send(action, fields, on=on)
        assert answer.status_code == status, answer.text
        assert 'role="alert"' in answer.text
        return answer.text

    def hidden_fields(self, page: str, action: str) -> dict[str, str]:
        """What the form of a page that was seen sends by itself."""
        return _hidden_fields(page, action)

    def log_in(self, name: str, password: str = PASSWORD) -> None:
        """By the form, to the first page."""
        self.done("/login", {"name": name, "password": password}, on="/login")
        assert self.path == "/"

    def confirm(self, location: str) -> str:
        """Gives the password once more where the server asks for it: the page it leads back to."""
        assert location.startswith("/ui/confirm?next="), location
        return self.done("/confirm", {"password": PASSWORD}, on=_below_ui(location))


def _below_ui(address: str) -> str:
    assert address.startswith("/ui/"), address
    return address.removeprefix("/ui")


def _hidden_fields(page: str, action: str) -> dict[str, str]:
    form = re.search(rf'<form [^>]*action="/ui{re.escape(action)}".*?</form>', page, re.DOTALL)
    assert form is not None, f"no form for {action}"
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[0])
    return {name: html.unescape(value) for name, value in hidden}


@contextmanager
def nobody(running: RunningServer) -> Iterator[Browser]:
    """A browser in which nobody has logged in yet."""
    with httpx2.Client(base_url=running.issuer, timeout=30) as http:
        yield Browser(http)


@contextmanager
def first_administrator(running: RunningServer) -> Iterator[Browser]:
    """`ada`, who has just opened the link of the first start."""
    link = new_start_link(running.server)
    assert link is not None
    with nobody(running) as browser:
        fields = {"name": "ada", "password": PASSWORD, "again": PASSWORD}
        browser.done("/start", fields, on=link.partition("/ui")[2])
        assert browser.path == "/"
        yield browser


@contextmanager
def entered(running: RunningServer, name: str, role: AdministratorRole) -> Iterator[Browser]:
    """Somebody new, who has just logged in."""
    digest = asyncio.run(passwords.hashed(PASSWORD))
    person = Administrator(new_administrator_id(), name, role, digest, running.server.now())
    running.server.store.write(lambda tx: tx.people.add(person))
    with nobody(running) as browser:
        browser.log_in(name)
        yield browser


def alert(page: str) -> str:
    """What a page says in its alert or notice."""
    match = re.search(r'<p class="alert [a-z]+" role="(?:alert|status)">(.*?)</p>', page, re.DOTALL)
    assert match is not None, page
    return html.unescape(match[1])


def blocks(page: str) -> list[str]:
    """The texts that the page offers to copy as lines."""
    return [
        html.unescape(text) for text in re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", page, re.DOTALL)
    ]


def client(caller: Caller, app: Application) -> dict[str, Any]:
    members: dict[str, Any] = caller.manage("GET", f"clients/{app.client_id}").json()
    return members


def grants(caller: Caller, client_id: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = caller.manage("GET", "client-grants", params={"client_id": client_id}).json()
    return rows


def secret_ids(caller: Caller, app: Application) -> list[str]:
    return [row["id"] for row in caller.manage("GET", f"clients/{app.client_id}/secrets").json()]


def scopes_of(record: dict[str, Any]) -> dict[str, str | None]:
    """The permissions an API defines, with their descriptions."""
    return {scope["value"]: scope.get("description") for scope in record.get("scopes") or []}
