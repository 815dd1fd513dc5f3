"""A way back for whoever has forgotten the password: the link that the operator of the machine makes."""

import secrets
from typing import Final

from starlette.responses import Response

from gatewright._version import __version__
from gatewright.server.dashboard import links, passwords, sessions
from gatewright.server.dashboard.entry import START, START_OPTION
from gatewright.server.dashboard.page import OpenRoute, Visit, redirect
from gatewright.server.dashboard.visits import event
from gatewright.server.events import Caller, Source, log_event
from gatewright.server.model import EventType
from gatewright.server.people import Administrator
from gatewright.server.store import Transaction

OPTION: Final = "dashboard_recovery"
PATH: Final = "/recover"
OPERATOR: Final = "operator"


def operators_link(
    tx: Transaction, person: Administrator | None, *, issuer: str, source: Source, now: float
) -> str:
    """A link by which somebody chooses a new password; without a person, by which the first one is made.

    It is logged as made by the operator: who can open the database is asked for nothing more.
    """
    if person is None:
        link = links.new_link(tx, START_OPTION, START, issuer=issuer, now=now)
        said = "a link for the first administrator"
    else:
        link = links.new_link(tx, OPTION, PATH, issuer=issuer, now=now, administrator=person.id)
        said = f"a link for a new password of the {person.role} {person.name}"
    made = log_event(
        EventType.MANAGEMENT_WRITE,
        date=now,
        source=source,
        caller=Caller("", f"gatewright/{__version__}", secrets.token_hex(8)),
        description=f"Command line: {said}",
        user_id=f"gatewright|{OPERATOR}",
        user_name=OPERATOR,
    )
    tx.events.append([made])
    return link


async def show(visit: Visit) -> Response:
    """Whoever has the link chooses a new password."""
    key = visit.http.query_params.get("key", "")
    person = await visit.server.store.aread(lambda tx: _person(tx, key, visit.server.now()))
    if person is None:
        return visit.render("alone.html", status=403, text=links.GONE)
    return visit.render("recover.html", key=key, name=person.name, fault="")


async def choose(visit: Visit) -> Response:
    """Sets the password and logs in; every session of that person ends, and so does a lock."""
    server, form = visit.server, visit.form
    key, password = form.text("key"), form.fields.get("password", [""])[0]
    known = await server.store.aread(lambda tx: _person(tx, key, server.now()))
    if known is None:
        return visit.render("alone.html", status=403, text=links.GONE)
    fault = passwords.fault_in(password, known.name)
    if fault is None and password != form.fields.get("again", [""])[0]:
        fault = "The two passwords differ."
    if fault is not None:
        return visit.render("recover.html", status=400, key=key, name=known.name, fault=fault)
    kept = await passwords.hashed(password)

    def change(tx: Transaction) -> Administrator | None:
        person = _person(tx, key, server.now())
        if person is None:
            return None
        links.end(tx, OPTION)
        tx.people.set_password(person.id, kept)
        tx.people.note_success(person)
        said = "a new password, by the link of the operator"
        tx.events.append([event(server, visit.http, EventType.ADMINISTRATOR_IN, said, person)])
        return person

    person = await server.store.awrite(change)
    if person is None:
        return visit.render("alone.html", status=403, text=links.GONE)
    response = redirect("/")
    await sessions.begin(server, visit.http, person, response)
    return response


def _person(tx: Transaction, key: str, now: float) -> Administrator | None:
    """Whose link it is, if it is still good and they have not been removed."""
    known = links.opened(tx, OPTION, key, now=now)
    if known is None:
        return None
    return next((person for person in tx.people.all() if person.id == known.get("administrator")), None)


ROUTES = (OpenRoute("GET", PATH, show), OpenRoute("POST", PATH, choose))
