"""The audit log in the database: added to, searched and followed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Integer, Row, cast, func, select
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gatewright.server.errors import NotFound
from gatewright.server.model import EventType, LogEvent, log_id_at
from gatewright.server.store.conditions import Condition
from gatewright.server.store.paging import Page, Rows
from gatewright.server.store.records import decode, encode
from gatewright.server.store.search import Field, search
from gatewright.server.store.tables import log_events

MOST_FOUND = 1000
"""A search answers no more than these, as Auth0's does; who wants all follows by checkpoint."""

SECONDS_AN_HOUR = 3600
LATEST = 2**37
"""Of times after that, in some thousand years, ids say nothing."""

LONGEST_AUDIENCE = 600
"""Characters that are compared: no API has a longer identifier, and strangers ask for what they like."""


def _ids_of(low: float | None, high: float | None) -> list[Condition]:
    """What a span of time says of ids, which are in order and indexed: a microsecond more at either end."""
    found = []
    if low is not None and 1 < low < LATEST:
        found.append(log_events.c.log_id >= log_id_at(low - 1e-6))
    if high is not None and 1 < high < LATEST:
        found.append(log_events.c.log_id < log_id_at(high + 1e-6))
    return found


def _member(name: str) -> Any:  # noqa: ANN401 - a column of the document's, of whatever type
    return func.json_extract(log_events.c.document, f"$.{name}")


_TEXTS = ("client_name", "description", "user_agent", "scope")
_KEYWORDS = (*("connection", "environment_name", "hostname", "ip", "tenant_name", "user_id", "user_name"),)
_FIELDS = {
    "type": Field(log_events.c.type, is_broad=True),
    "client_id": Field(log_events.c.client_id, narrows=True),
    "audience": Field(log_events.c.audience, longest=LONGEST_AUDIENCE, narrows=True),
    "log_id": Field(log_events.c.log_id),
    "_id": Field(log_events.c.log_id),
    "date": Field(log_events.c.date, "date", within=_ids_of),
    "details.reason": Field(_member("details.reason")),
    "details.request_id": Field(_member("details.request_id")),
    **{name: Field(_member(name), "text") for name in _TEXTS},
    **{name: Field(_member(name)) for name in _KEYWORDS},
}


def log_search(query: str) -> Condition | None:
    """What a ``q`` says of log events.

    Raises:
        SearchRefused: when it is not understood.
    """
    return search(query, _FIELDS, words_in=("client_name", "description"))


@dataclass(frozen=True, slots=True)
class HourOfTokens:
    """The tokens issued for an audience in one hour: how many, and when the last one."""

    audience: str
    count: int
    last: float


@dataclass(frozen=True, slots=True)
class LogEvents:
    """The audit log; its rows are never changed."""

    connection: Connection

    def append(self, batch: Iterable[LogEvent]) -> None:
        """Adds events; one whose ``log_id`` is there already is the same event, delivered twice."""
        rows = [
            {
                "log_id": event.log_id,
                "date": event.date,
                "type": event.type.value,
                "client_id": event.client_id,
                "document": encode(event.document),
                "audience": _audience(event),
            }
            for event in batch
        ]
        if not rows:
            return
        self.connection.execute(sqlite_insert(log_events).on_conflict_do_nothing(), rows)

    def get(self, log_id: str) -> LogEvent:
        """One event.

        Raises:
            NotFound: when there is none.
        """
        row = self.connection.execute(select(log_events).where(log_events.c.log_id == log_id)).one_or_none()
        if row is None:
            raise NotFound("log event not found")
        return _event(row)

    def page(self, page: Page, *conditions: Condition, newest_first: bool = True) -> Rows[LogEvent]:
        """One page, by time; nothing beyond the first thousand."""
        order = log_events.c.log_id.desc() if newest_first else log_events.c.log_id
        limit = max(0, min(page.limit, MOST_FOUND - page.start))
        query = select(log_events).where(*conditions).order_by(order).offset(page.start).limit(limit)
        events = [_event(row) for row in self.connection.execute(query)]
        if not page.is_counted:
            return Rows(events, 0)
        if len(events) < limit and (events or not page.start):
            return Rows(events, page.start + len(events))  # looking once more would take as long
        found = select(log_events.c.log_id).where(*conditions).limit(MOST_FOUND).subquery()
        count = select(func.count()).select_from(found)
        return Rows(events, self.connection.execute(count).scalar_one())

    def after(self, log_id: str, limit: int, *, before: float | None = None) -> Sequence[LogEvent]:
        """The events that follow ``log_id``, oldest first, as far as they happened before that time."""
        query = select(log_events).where(log_events.c.log_id > log_id)
        if before is not None:
            query = query.where(log_events.c.date < before)
        return [
            _event(row) for row in self.connection.execute(query.order_by(log_events.c.log_id).limit(limit))
        ]

    def tokens_by_hour(self, *, since: float, until: float) -> list[HourOfTokens]:
        """The tokens issued between two moments, by audience and hour."""
        audience, hour = log_events.c.audience, cast(log_events.c.date / SECONDS_AN_HOUR, Integer)
        query = (
            select(audience, func.count(), func.max(log_events.c.date))
            .where(
                log_events.c.type == EventType.CLIENT_CREDENTIALS_EXCHANGED.value,
                log_events.c.date >= since,
                log_events.c.date <= until,
                *_ids_of(since, until),
            )
            .group_by(audience, hour)
            .order_by(audience, hour)
        )
        return [HourOfTokens(*row) for row in self.connection.execute(query)]


def _audience(event: LogEvent) -> str | None:
    audience = event.document.get("audience")
    return None if audience is None else str(audience)[:LONGEST_AUDIENCE]


def _event(row: Row[Any]) -> LogEvent:
    return LogEvent(
        log_id=row.log_id,
        date=row.date,
        type=EventType(row.type),
        client_id=row.client_id,
        document=decode(row.document),
    )
