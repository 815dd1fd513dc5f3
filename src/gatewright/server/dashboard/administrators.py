"""Who may enter: listed, added and removed by administrators; each changes his or her own password."""

import secrets

from starlette.responses import Response

from gatewright.server.dashboard import passwords
from gatewright.server.dashboard.page import Page, Route, redirect
from gatewright.server.dashboard.visits import event, name_fault
from gatewright.server.errors import AlreadyExists
from gatewright.server.model import EventType
from gatewright.server.people import Administrator, AdministratorRole, new_administrator_id
from gatewright.server.store import Transaction

HERE = "/settings/administrators"


async def show(page: Page, *, fault: str = "", name: str = "") -> Response:
    """Everybody who may enter."""
    people = await page.server.store.aread(lambda tx: tx.people.all())
    return page.render("administrators.html", fault=fault, people=people, name=name)


async def listed(page: Page) -> Response:
    """The page as it is first seen."""
    return await show(page)


async def add(page: Page) -> Response:
    """One more, with a first password that is shown once and to be changed."""
    page.operations.require_confirmed()
    name = page.form.text("name")
    role: AdministratorRole = "viewer" if page.form.text("role") == "viewer" else "administrator"
    fault = name_fault(name)
    if fault is not None:
        return await show(page, fault=fault, name=name)
    password = secrets.token_urlsafe(15)
    person = Administrator(
        new_administrator_id(), name, role, await passwords.hashed(password), page.server.now()
    )

    def make(tx: Transaction) -> None:
        tx.people.add(person)
        _record(page, tx, f"added the {role} {name}")

    try:
        await page.server.store.awrite(make)
    except AlreadyExists:
        return await show(page, fault=f"There is a {name} already.", name=name)
    people = await page.server.store.aread(lambda tx: tx.people.all())
    return page.render("administrators.html", people=people, name="", made=person, password=password)


async def remove(page: Page) -> Response:
    """One less; nobody removes himself, so that somebody is always left."""
    page.operations.require_confirmed()
    wanted = page.path["id"]
    if wanted == page.session.administrator.id:
        return await show(page, fault="You cannot remove yourself. Another administrator can.")

    def end(tx: Transaction) -> None:
        known = next((person for person in tx.people.all() if person.id == wanted), None)
        if known is not None:
            tx.people.remove(wanted)
            _record(page, tx, f"removed the {known.role} {known.name}")

    await page.server.store.awrite(end)
    return await page.go(HERE, "Removed. Whoever it was is out at once.")


async def change_password(page: Page) -> Response:
    """A password of one's own; every session of that person ends, this one too."""
    person = page.session.administrator
    old, new, again = (page.form.fields.get(name, [""])[0] for name in ("old", "password", "again"))
    fault = passwords.fault_in(new, person.name)
    if fault is None and new != again:
        fault = "The two passwords differ."
    if fault is None and not await passwords.fits(old, person.password_hash):
        fault = "That is not your present password."
    if fault is not None:
        return await show(page, fault=fault)
    kept = await passwords.hashed(new)

    def change(tx: Transaction) -> None:
        tx.people.set_password(person.id, kept)
        _record(page, tx, "changed the own password")

    await page.server.store.awrite(change)
    return redirect("/login")


def _record(page: Page, tx: Transaction, description: str) -> None:
    person = page.session.administrator
    tx.events.append([event(page.server, page.http, EventType.MANAGEMENT_WRITE, description, person)])


ROUTES = (
    Route("GET", HERE, listed),
    Route("POST", HERE, add, "administrator"),
    Route("POST", HERE + "/{id}/remove", remove, "administrator"),
    Route("POST", "/settings/password", change_password),
)
