"""What guards reported, added up: refusals by minute, scopes by their last use, APIs by when they reported.

They are no changes, so the change feed has none of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from gatewright.server.reported import ReportedRefusal, ReportedUse, ReportingApi
from gatewright.server.store.paging import Page, Rows
from gatewright.server.store.tables import refusals, reporting_apis, scope_uses

# Each report takes a few old rows along, so that neither the table grows nor a report waits for long.
MOST_FORGOTTEN: Final = 200

_SAME = ("minute", "audience", "method", "route", "reason", "client_id", "missing", "enforced")


@dataclass(frozen=True, slots=True)
class GuardReports:
    """The reports of one transaction."""

    connection: Connection

    def add_refusals(self, rows: Sequence[ReportedRefusal]) -> None:
        """Adds counts to those of the same kind and minute, from whichever process they came."""
        if not rows:
            return
        statement = insert(refusals)
        upsert = statement.on_conflict_do_update(
            index_elements=list(_SAME),
            set_={
                "times": refusals.c.times + statement.excluded.times,
                "request_id": statement.excluded.request_id,
            },
        )
        self.connection.execute(upsert, [_packed(row) for row in rows])

    def add_uses(self, rows: Sequence[ReportedUse]) -> None:
        """Keeps the latest use of each scope, and the first that was heard of."""
        if not rows:
            return
        statement = insert(scope_uses)
        later = statement.excluded.last_used_at
        upsert = statement.on_conflict_do_update(
            index_elements=["audience", "client_id", "scope"],
            set_={"last_used_at": func.max(scope_uses.c.last_used_at, later)},
        )
        values = [
            {
                "audience": row.audience,
                "client_id": row.client_id,
                "scope": row.scope,
                "first_used_at": row.last_used_at,
                "last_used_at": row.last_used_at,
            }
            for row in rows
        ]
        self.connection.execute(upsert, values)

    def heard_of(self, audience: str, *, at: float, dropped: int) -> None:
        """Notes that the guards of an API have reported."""
        statement = insert(reporting_apis).values(audience=audience, since=at, last_at=at, dropped=dropped)
        self.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["audience"],
                set_={"last_at": at, "dropped": reporting_apis.c.dropped + statement.excluded.dropped},
            )
        )

    def refusals(self, page: Page, *, since: float = 0, **equals: str) -> Rows[ReportedRefusal]:
        """One page, newest first."""
        position = refusals.c.position
        matching = [refusals.c[name] == value for name, value in equals.items()]
        if since:
            matching.append(refusals.c.minute >= since)
        count = select(func.count()).select_from(refusals).where(*matching)
        query = select(refusals).where(*matching).order_by(position.desc()).limit(page.limit + 1)
        query = query.where(position < page.after) if page.after else query.offset(page.start)
        rows = self.connection.execute(query).all()
        shown = rows[: page.limit]
        return Rows(
            [_unpacked(row) for row in shown],
            int(self.connection.execute(count).scalar_one()) if page.is_counted else 0,
            next=shown[-1].position if shown and len(rows) > len(shown) else None,
        )

    def by_reason(self, *, since: float, **equals: str) -> dict[str, int]:
        """How many requests were refused from a minute on, by reason."""
        matching = (refusals.c[name] == value for name, value in equals.items())
        query = (
            select(refusals.c.reason, func.sum(refusals.c.times))
            .where(refusals.c.minute >= since, *matching)
            .group_by(refusals.c.reason)
        )
        return {reason: int(times) for reason, times in self.connection.execute(query)}

    def uses(self, **equals: str) -> list[ReportedUse]:
        """The scopes that were used, by API, client and scope."""
        columns = scope_uses.c
        query = select(scope_uses).where(*(columns[name] == value for name, value in equals.items()))
        order = (columns.audience, columns.client_id, columns.scope)
        return [
            ReportedUse(row.audience, row.client_id, row.scope, row.last_used_at, row.first_used_at)
            for row in self.connection.execute(query.order_by(*order))
        ]

    def apis(self) -> list[ReportingApi]:
        """The APIs whose guards report."""
        query = select(reporting_apis).order_by(reporting_apis.c.audience)
        return [
            ReportingApi(row.audience, row.since, row.last_at, row.dropped)
            for row in self.connection.execute(query)
        ]

    def forget(self, *, before: float) -> None:
        """Removes some of the refusals of earlier minutes."""
        old = (
            select(refusals.c.position)
            .where(refusals.c.minute < before)
            .order_by(refusals.c.minute)
            .limit(MOST_FORGOTTEN)
        )
        self.connection.execute(delete(refusals).where(refusals.c.position.in_(old)))


def _packed(row: ReportedRefusal) -> dict[str, object]:
    return {
        **{name: getattr(row, name) for name in _SAME},
        "missing": " ".join(row.missing),
        "times": row.count,
        "request_id": row.request_id,
    }


def _unpacked(row: Row[Any]) -> ReportedRefusal:
    return ReportedRefusal(
        **{name: getattr(row, name) for name in _SAME if name != "missing"},
        missing=tuple(row.missing.split()),
        count=row.times,
        request_id=row.request_id,
    )
