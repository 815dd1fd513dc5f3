"""Changes of what an application may have at an API, and taking back the last one."""

import hashlib
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from gatewright.server.dashboard import sessions
from gatewright.server.dashboard.notices import Undo
from gatewright.server.dashboard.operations import NotConfirmed, Operations, Record
from gatewright.server.dashboard.page import Page, Route, ours, part
from gatewright.server.dashboard.rendering import PREFIX
from gatewright.server.errors import ApiError

EVERYTHING: Final = '"all"'  # no scope has quotes in it
CHANGED_SINCE: Final = "These permissions were changed again since then: nothing was undone."


@dataclass(frozen=True, slots=True)
class Held:
    """What a grant gives: all permissions, also later ones, or those of ``scope``."""

    scope: tuple[str, ...] = ()
    has_all: bool = False

    @classmethod
    def of(cls, grant: Record) -> "Held":
        """What this grant gives."""
        if grant.get("allow_all_scopes"):
            return cls(has_all=True)
        return cls(tuple(grant.get("scope") or ()))

    def members(self) -> Record:
        """As the operation takes it for a new grant."""
        return {"allow_all_scopes": True} if self.has_all else {"scope": list(self.scope)}

    def text(self) -> str:
        """In one word, or one for each permission."""
        return EVERYTHING if self.has_all else " ".join(self.scope)

    @classmethod
    def parse(cls, text: str) -> "Held":
        """The other way round."""
        return cls(has_all=True) if text == EVERYTHING else cls(tuple(text.split()))

    def digest(self) -> str:
        """Tells what is given from anything else, in whatever order: a form has no room for both."""
        return hashlib.sha256(Held(tuple(sorted(self.scope)), self.has_all).text().encode()).hexdigest()


async def change(operations: Operations, grant: Record, wanted: Held, *, back: str) -> Undo | None:
    """Makes a grant give what is wanted; how that is undone, None where it gave the same before.

    ``back`` is the page, below ``/ui``, that the undoing leads to.
    """
    before = Held.of(grant)
    after = Held.of(await _patch(operations, grant, wanted))
    if after.digest() == before.digest():
        return None
    fields = (("back", f"{PREFIX}{back}"), ("former", before.text()), ("latter", after.digest()))
    return Undo(f"/grants/{part(grant['id'])}/undo", fields)


async def undo(page: Page) -> Response:
    """Gives back exactly what was granted before, unless it has been changed since."""
    form = page.form
    former = Held.parse(form.text("former"))
    grant: Record = await page.operations.get(f"client-grants/{part(page.path['id'])}")
    if Held.of(grant).digest() != form.text("latter"):
        raise ApiError(409, CHANGED_SINCE)
    try:
        await _patch(page.operations, grant, former)
    except ApiError as refusal:
        ask_password(page, refusal)
        raise
    if page.wants_json:
        return page.json({"scope": list(former.scope), "all": former.has_all})
    return await page.go(
        ours(form.text("back")), "Undone: it may have what it had before, from the next token on."
    )


async def _patch(operations: Operations, grant: Record, wanted: Held) -> Record:
    members = wanted.members()
    if grant.get("allow_all_scopes") and not wanted.has_all:
        members["allow_all_scopes"] = False
    return await operations.patch(f"client-grants/{part(grant['id'])}", members)


def ask_password(page: Page, refusal: ApiError) -> None:
    """Nobody gives away more of the Management API than they have, and some of it needs the password.

    Raises:
        NotConfirmed: with it, it may go through.
    """
    if refusal.code == "insufficient_scope" and not sessions.is_confirmed(page.server, page.session):
        raise NotConfirmed from refusal


ROUTES = (Route("POST", "/grants/{id}/undo", undo, "administrator"),)
