"""A browser for tests of the dashboard: somebody's cookies, the forms they see, and where those lead."""

from __future__ import annotations

import asyncio
import html
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2

from gatewright.server.dashboard import passwords
from gatewright.server.people import Administrator, new_administrator_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatewright.server.app import RunningServer
    from gatewright.server.people import AdministratorRole
    from tests.running import Application, Caller

PASSWORD = "a sentence to remember"
AUDIENCE = "https://blog.example/api"
CANARY = "<script>alert(1)</script>\"'"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;"


@dataclass(frozen=True, slots=True)
class Browser:
    """Somebody's cookies, and the forms of the pages they see."""

    http: httpx2.Client

    def page(self, path: str, *, status: int = 200) -> str:
        """The page, wherever it leads to."""
        answer = self.http.get(f"ui{path}", follow_redirects=True)
        assert answer.status_code == status, answer.text
        return answer.text

    def submit(self, path: str, action: str, fields: dict[str, Any] | None = None) -> httpx2.Response:
        """Sends the form with this action on the page, its hidden fields with it: the answer itself."""
        form = re.search(rf'<form [^>]*action="/ui{re.escape(action)}".*?</form>', self.page(path), re.DOTALL)
        assert form is not None, f"{path} has no form for {action}"
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[0])
        sent = {name: html.unescape(value) for name, value in hidden}
        return self.http.post(f"ui{action}", data={**sent, **(fields or {})})

    def done(self, path: str, action: str, fields: dict[str, Any] | None = None) -> str:
        """Sends a form that is to succeed: the page it leads to."""
        answer = self.submit(path, action, fields)
        assert answer.status_code == 303, answer.text
        return self.page(answer.headers["location"].removeprefix("/ui"))

    def refused(
        self, path: str, action: str, fields: dict[str, Any] | None = None, *, status: int = 400
    ) -> str:
        """Sends a form that is to be refused: the page that says why."""
        answer = self.submit(path, action, fields)
        assert answer.status_code == status, answer.text
        assert 'role="alert"' in answer.text
        return answer.text

    def confirm(self, location: str) -> str:
        """Gives the password once more where the server asks for it: the page it leads back to."""
        assert location.startswith("/ui/confirm?next="), location
        return self.done(location.removeprefix("/ui"), "/confirm", {"password": PASSWORD})


@contextmanager
def entered(running: RunningServer, name: str, role: AdministratorRole) -> Iterator[Browser]:
    """Somebody new, who has just logged in."""
    digest = asyncio.run(passwords.hashed(PASSWORD))
    person = Administrator(new_administrator_id(), name, role, digest, running.server.now())
    running.server.store.write(lambda tx: tx.people.add(person))
    with httpx2.Client(base_url=running.issuer, timeout=30) as http:
        answer = http.post("ui/login", data={"name": name, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        yield Browser(http)


def client(caller: Caller, app: Application) -> dict[str, Any]:
    members: dict[str, Any] = caller.manage("GET", f"clients/{app.client_id}").json()
    return members


def grants(caller: Caller, client_id: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = caller.manage("GET", "client-grants", params={"client_id": client_id}).json()
    return rows


def secret_ids(caller: Caller, app: Application) -> list[str]:
    return [row["id"] for row in caller.manage("GET", f"clients/{app.client_id}/secrets").json()]
