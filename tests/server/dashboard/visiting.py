"""Somebody at the dashboard with a browser that knows cookies and forms, and no script."""

from __future__ import annotations

import asyncio
import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import httpx2

from gatewright.server.dashboard import passwords
from gatewright.server.dashboard.entry import new_start_link
from gatewright.server.people import Administrator, new_administrator_id
from tests.records import NOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatewright.server.app import RunningServer

PASSWORD = "a sentence that is long enough"
CANARY = """<script>alert(1)</script>"'"""


@dataclass(slots=True)
class Person:
    """Somebody who is logged in."""

    http: httpx2.Client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.http.close()

    def see(self, path: str) -> str:
        """The page at the path below `/ui`, wherever it leads to; it must be there."""
        answer = self.http.get(f"/ui{path}", follow_redirects=True)
        assert answer.status_code == 200, answer.text
        return answer.text

    def send(self, path: str, **fields: str | Sequence[str]) -> httpx2.Response:
        """The answer to a form, redirects not followed."""
        csrf = re.search(r'name="csrf" value="([^"]+)"', self.see("/"))
        assert csrf is not None
        return self.http.post(f"/ui{path}", data={"csrf": csrf[1], **fields})

    def done(self, path: str, **fields: str | Sequence[str]) -> str:
        """The page that a form leads to; it must not be refused."""
        answer = self.send(path, **fields)
        assert answer.status_code == 303, answer.text
        return self.see(answer.headers["Location"].removeprefix("/ui"))

    def refused(self, path: str, status: int, **fields: str | Sequence[str]) -> str:
        """The page that a refused form shows."""
        answer = self.send(path, **fields)
        assert answer.status_code == status, answer.text
        return answer.text


def first_administrator(running: RunningServer) -> Person:
    """Who opened the link of the first start."""
    link = new_start_link(running.server)
    assert link is not None
    person = Person(httpx2.Client(base_url=running.issuer))
    entered = {
        "key": link.partition("key=")[2],
        "name": "ada",
        "password": PASSWORD,
        "again": PASSWORD,
    }
    assert person.http.post("/ui/start", data=entered).status_code == 303
    return person


def viewer(running: RunningServer) -> Person:
    """Who may look only."""
    password_hash = asyncio.run(passwords.hashed(PASSWORD))
    record = Administrator(new_administrator_id(), "vera", "viewer", password_hash, NOW)
    running.server.store.write(lambda tx: tx.people.add(record))
    person = Person(httpx2.Client(base_url=running.issuer))
    answer = person.http.post("/ui/login", data={"name": "vera", "password": PASSWORD})
    assert answer.status_code == 303
    return person


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


def scopes_of(record: dict[str, Any]) -> dict[str, str | None]:
    """The permissions an API defines, with their descriptions."""
    return {scope["value"]: scope.get("description") for scope in record.get("scopes") or []}
