"""What entry and administration share: log events of people, and what may be a name."""

from typing import Final

from starlette.requests import Request

from gatewright.server.context import Server
from gatewright.server.events import log_event
from gatewright.server.model import EventType, LogEvent
from gatewright.server.people import Administrator
from gatewright.server.requests import caller

LONGEST_NAME: Final = 64


def event(
    server: Server, http: Request, kind: EventType, description: str, person: Administrator | None
) -> LogEvent:
    """A log event that names the person, as far as it is known who it was."""
    return log_event(
        kind,
        date=server.now(),
        source=server.source,
        caller=caller(http),
        description=f"Dashboard: {description}",
        user_id=None if person is None else f"gatewright|{person.id}",
        user_name=None if person is None else person.name,
    )


def name_fault(name: str) -> str | None:
    """What is wrong with a name that somebody chooses; None when nothing is."""
    if not name:
        return "Choose a name."
    if len(name) > LONGEST_NAME or not name.isprintable():
        return f"A name has at most {LONGEST_NAME} characters, all of them printable."
    return None
