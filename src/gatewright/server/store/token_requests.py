"""How many tokens each client asked for, a row for each day (UTC), client and audience."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gatewright.server.store.tables import token_requests
from gatewright.server.token_requests import Asked

KEPT_DAYS = 90
HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True)
class TokenRequestCount:
    """One row; `day` in days since 1970."""

    day: int
    client_id: str
    audience: str
    asked: int
    needless: int


@dataclass(frozen=True, slots=True)
class TokenRequestCounts:
    """The counts of all processes together; they are no changes, so the change feed has none."""

    connection: Connection

    def add(self, issued: Mapping[tuple[int, str, str], Asked]) -> None:
        """Adds to what is there, by (hour, client_id, audience); old days go."""
        if not issued:
            return
        days: dict[tuple[int, str, str], tuple[int, int]] = {}
        for (hour, client_id, audience), more in issued.items():
            key = (hour // HOURS_A_DAY, client_id, audience)
            times, needless = days.get(key, (0, 0))
            days[key] = (times + more.times, needless + more.needless)
        rows = [
            {"day": day, "client_id": client_id, "audience": audience, "asked": asked, "needless": needless}
            for (day, client_id, audience), (asked, needless) in days.items()
        ]
        statement = sqlite_insert(token_requests)
        table, new = token_requests.c, statement.excluded
        upsert = statement.on_conflict_do_update(
            index_elements=[table.day, table.client_id, table.audience],
            set_={"asked": table.asked + new.asked, "needless": table.needless + new.needless},
        )
        self.connection.execute(upsert, rows)
        newest = max(day for day, _, _ in days)
        self.connection.execute(delete(token_requests).where(table.day <= newest - KEPT_DAYS))

    def between(self, first: int, last: int) -> list[TokenRequestCount]:
        """The rows of these days, both included; by day, client and audience."""
        table = token_requests.c
        query = (
            select(table.day, table.client_id, table.audience, table.asked, table.needless)
            .where(table.day >= first, table.day <= last)
            .order_by(table.day, table.client_id, table.audience)
        )
        return [TokenRequestCount(*row) for row in self.connection.execute(query)]
