"""The way in and out: the link of the first start, login, the password once more, logout."""

from typing import Final

from starlette.responses import Response

from gatewright.server.context import Server
from gatewright.server.dashboard import links, passwords, sessions
from gatewright.server.dashboard.page import OpenRoute, Page, Route, Visit, ours, redirect
from gatewright.server.dashboard.rendering import PREFIX
from gatewright.server.dashboard.visits import LONGEST_NAME, event, name_fault
from gatewright.server.model import EventType
from gatewright.server.people import Administrator, new_administrator_id
from gatewright.server.store import Transaction

START: Final = "/start"
START_OPTION: Final = "dashboard_start"


def new_start_link(server: Server) -> str | None:
    """A link by which somebody becomes the first administrator; None once there is one.

    It is good once, for 30 minutes; a newer one ends it.
    """
    issuer = server.settings.issuer

    def make(tx: Transaction) -> str | None:
        if tx.people.count():
            return None
        return links.new_link(tx, START_OPTION, START, issuer=issuer, now=server.now())

    return None if server.store.read(lambda tx: tx.people.count()) else server.store.write(make)


async def show_start(visit: Visit) -> Response:
    """Who has the link chooses a name and a password."""
    key = visit.http.query_params.get("key", "")
    if not await visit.server.store.aread(lambda tx: _opens(tx, key, visit.server.now())):
        return visit.render("alone.html", status=403, text=links.GONE)
    return visit.render("choose.html", key=key, name="", fault="")


async def choose(visit: Visit) -> Response:
    """Makes the first administrator, and logs in."""
    server, form = visit.server, visit.form
    key, name, password = form.text("key"), form.text("name"), form.fields.get("password", [""])[0]
    fault = name_fault(name) or passwords.fault_in(password, name)
    if fault is None and password != form.fields.get("again", [""])[0]:
        fault = "The two passwords differ."
    if fault is not None:
        return visit.render("choose.html", status=400, key=key, name=name, fault=fault)
    person = Administrator(
        new_administrator_id(), name, "administrator", await passwords.hashed(password), server.now()
    )

    def make(tx: Transaction) -> bool:
        if not _opens(tx, key, server.now()):
            return False
        tx.people.add(person)
        links.end(tx, START_OPTION)
        tx.events.append(
            [event(server, visit.http, EventType.ADMINISTRATOR_IN, "the first administrator", person)]
        )
        return True

    if not await server.store.awrite(make):
        return visit.render("alone.html", status=403, text=links.GONE)
    response = redirect("/")
    await sessions.begin(server, visit.http, person, response)
    return response


async def show_login(visit: Visit) -> Response:
    """The login form."""
    if visit.session is not None:
        return redirect("/")
    if not await visit.server.store.aread(lambda tx: tx.people.count()):
        text = (
            "Nobody administers this server yet. Its start printed a link; for another one start it anew, "
            "or: gatewright admins link"
        )
        return visit.render("alone.html", status=403, text=text)
    return visit.render(
        "login.html", name="", fault="", next=PREFIX + ours(visit.http.query_params.get("next", ""))
    )


async def log_in(visit: Visit) -> Response:
    """Logs in with a name and a password; why not is the same whatever was wrong."""
    name, goal = visit.form.text("name")[:LONGEST_NAME], ours(visit.form.text("next"))
    person = await _known_by(visit, name, visit.form.fields.get("password", [""])[0])
    if person is None:
        fault = "Name and password do not fit, or were tried too often: then nobody may try for 15 minutes."
        return visit.render("login.html", status=403, name=name, fault=fault, next=PREFIX + goal)
    response = redirect(goal)
    await sessions.begin(visit.server, visit.http, person, response)
    return response


async def show_confirm(page: Page) -> Response:
    """The password once more, before what a stolen session must not do."""
    return page.render("confirm.html", next=PREFIX + ours(page.query.get("next", "")))


async def confirm(page: Page) -> Response:
    """Takes the password once more."""
    goal, password = ours(page.form.text("next")), page.form.fields.get("password", [""])[0]
    visit = Visit(page.server, page.http, page.form, page.session)
    if await _known_by(visit, page.session.administrator.name, password) is None:
        return page.render("confirm.html", status=403, fault="That is not your password.", next=PREFIX + goal)
    await sessions.confirm(page.server, page.session)
    return await page.go(goal, "Confirmed for 15 minutes.")


async def log_out(page: Page) -> Response:
    """Ends the session."""
    await sessions.end(page.server, page.http)
    return redirect("/login")


async def _known_by(visit: Visit, name: str, password: str) -> Administrator | None:
    """Whose name and password these are; each attempt is a log event."""
    server, now = visit.server, visit.server.now()
    person = await server.store.aread(lambda tx: tx.people.named(name))
    usable = person if person is not None and not person.is_locked(now) else None
    is_right = await passwords.fits(password, None if usable is None else usable.password_hash)

    def keep(tx: Transaction) -> None:
        if usable is None or not is_right:
            if usable is not None:
                tx.people.note_failure(usable, now)
            tx.events.append(
                [event(server, visit.http, EventType.ADMINISTRATOR_REFUSED, "wrong name or password", person)]
            )
        else:
            tx.people.note_success(usable)
            tx.events.append([event(server, visit.http, EventType.ADMINISTRATOR_IN, "logged in", usable)])

    await server.store.awrite(keep)
    return usable if is_right else None


def _opens(tx: Transaction, key: str, now: float) -> bool:
    return links.opened(tx, START_OPTION, key, now=now) is not None and not tx.people.count()


ROUTES = (
    OpenRoute("GET", START, show_start),
    OpenRoute("POST", START, choose),
    OpenRoute("GET", "/login", show_login),
    OpenRoute("POST", "/login", log_in),
    Route("GET", "/confirm", show_confirm, "administrator"),
    Route("POST", "/confirm", confirm, "administrator"),
    Route("POST", "/logout", log_out),
)
