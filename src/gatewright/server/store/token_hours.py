"""What the token endpoint did, by the hour (UTC): totals for ever, clients and APIs as far back as plots go.

These tables answer what would take long to count in a log of a million events. Like all counts they are no
changes, and the change feed has none of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from sqlalchemy import ColumnElement, Connection, Subquery, case, delete, func, select
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gatewright.server.store.tables import (
    token_days,
    token_holders,
    token_hours,
    token_refusals,
    token_totals,
)
from gatewright.server.token_requests import Asked, Counts

KEPT_DAYS: Final = 7
KEPT_HOURS: Final = KEPT_DAYS * 24
HOURS_A_DAY: Final = 24
SECONDS_AN_HOUR: Final = 3600

Side: TypeAlias = Literal["client_id", "audience"]


@dataclass(frozen=True, slots=True)
class Day:
    """What happened on one day: how often, and when first and last, in seconds since 1970."""

    starts_at: float
    count: int
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Window:
    """Hours since 1970 up to the one of now, both included, and which client and API; None for any."""

    first: int
    last: int
    client_id: str | None = None
    audience: str | None = None


@dataclass(frozen=True, slots=True)
class TokenHours:
    """The counts of all processes together."""

    connection: Connection

    def add(self, counts: Counts) -> None:
        """Adds to what is there; what is older than any plot goes, but for the totals."""
        self._add_refused(counts.refused)
        self._add_issued(counts.issued)
        hours = [*(hour for hour, *_ in counts.issued), *(hour for hour, *_ in counts.refused)]
        if not hours:
            return
        self._add_days(counts)
        newest = max(hours)
        for table in (token_hours, token_refusals):
            self.connection.execute(delete(table).where(table.c.hour <= newest - KEPT_HOURS))
        day = token_days.c.day
        self.connection.execute(delete(token_days).where(day <= newest // HOURS_A_DAY - KEPT_DAYS))

    def by_day(self, *, since: int, until: int) -> list[Day]:
        """Tokens issued on each of these days, in days since 1970 (UTC); days without any are not there."""
        table = token_totals.c
        hours = select(table.hour, table.issued, table.first_at, table.last_at).where(
            table.hour >= since * HOURS_A_DAY, table.hour < (until + 1) * HOURS_A_DAY
        )
        days: dict[int, Day] = {}
        for hour, issued, first, last in self.connection.execute(hours.order_by(table.hour)):
            day = hour // HOURS_A_DAY
            before = days.get(day, Day(day * HOURS_A_DAY * SECONDS_AN_HOUR, 0, first, last))
            days[day] = Day(before.starts_at, before.count + issued, before.first, last)
        return list(days.values())

    def holders(self, *, since: float) -> int:
        """How many clients got a token."""
        query = select(func.count()).select_from(token_holders).where(token_holders.c.last_at >= since)
        return int(self.connection.execute(query).scalar_one())

    def totals(self, window: Window) -> dict[int, int]:
        """How many tokens were issued in each hour; hours without any are not there."""
        if window.client_id is None and window.audience is None:
            hours = token_totals.c
            query = select(hours.hour, hours.issued).where(
                hours.hour >= window.first, hours.hour <= window.last
            )
        else:
            table = token_hours.c
            query = select(table.hour, func.sum(table.issued)).where(*_within(window)).group_by(table.hour)
        return {hour: int(issued) for hour, issued in self.connection.execute(query)}

    def most(self, side: Side, window: Window, *, number: int) -> list[str]:
        """Those who got the most tokens, or for which most were issued; the most first."""
        told = _told(side, window)
        total = func.sum(told.c.issued)
        query = select(told.c.name).group_by(told.c.name).order_by(total.desc(), told.c.name).limit(number)
        return list(self.connection.execute(query).scalars())

    def of(self, side: Side, names: list[str], window: Window) -> dict[tuple[str, int], int]:
        """How many tokens each of the names had in each hour; none where there were none."""
        table = token_hours.c
        query = (
            select(table[side], table.hour, func.sum(table.issued))
            .where(*_within(window), table[side].in_(names))
            .group_by(table[side], table.hour)
        )
        return {(name, hour): int(issued) for name, hour, issued in self.connection.execute(query)}

    def refusals(self, window: Window) -> dict[str, int]:
        """How many tokens were refused, by reason."""
        table, days = token_refusals.c, token_days.c
        if _is_of_days(window):
            query = (
                select(days.name, func.sum(days.times))
                .where(days.side == "reason", days.day >= window.first // HOURS_A_DAY)
                .group_by(days.name)
            )
        else:
            equals = {"client_id": window.client_id, "audience": window.audience}
            query = (
                select(table.reason, func.sum(table.times))
                .where(table.hour >= window.first, table.hour <= window.last)
                .where(*(table[name] == value for name, value in equals.items() if value is not None))
                .group_by(table.reason)
            )
        return {reason: int(times) for reason, times in self.connection.execute(query)}

    def _add_issued(self, issued: Mapping[tuple[int, str, str], Asked]) -> None:
        if not issued:
            return
        statement = sqlite_insert(token_hours)
        upsert = statement.on_conflict_do_update(
            index_elements=["hour", "client_id", "audience"],
            set_={"issued": token_hours.c.issued + statement.excluded.issued},
        )
        rows = [
            {"hour": hour, "client_id": client_id, "audience": audience, "issued": more.times}
            for (hour, client_id, audience), more in issued.items()
        ]
        self.connection.execute(upsert, rows)
        self._add_totals(issued)
        self._note_holders(issued)

    def _add_days(self, counts: Counts) -> None:
        days: dict[tuple[str, str, int], int] = {}

        def add(side: str, name: str, hour: int, times: int) -> None:
            key = (side, name, hour // HOURS_A_DAY)
            days[key] = days.get(key, 0) + times

        for (hour, client_id, audience), asked in counts.issued.items():
            add("client_id", client_id, hour, asked.times)
            add("audience", audience, hour, asked.times)
        for (hour, reason, _, _), times in counts.refused.items():
            add("reason", reason, hour, times)
        statement = sqlite_insert(token_days)
        upsert = statement.on_conflict_do_update(
            index_elements=["side", "name", "day"],
            set_={"times": token_days.c.times + statement.excluded.times},
        )
        names = ("side", "name", "day")
        rows = [{**dict(zip(names, key, strict=True)), "times": times} for key, times in days.items()]
        self.connection.execute(upsert, rows)

    def _add_totals(self, issued: Mapping[tuple[int, str, str], Asked]) -> None:
        totals: dict[int, Asked] = {}
        for (hour, _, _), more in issued.items():
            totals[hour] = totals[hour] + more if hour in totals else more
        statement = sqlite_insert(token_totals)
        old, new = token_totals.c, statement.excluded
        upsert = statement.on_conflict_do_update(
            index_elements=["hour"],
            set_={
                "issued": old.issued + new.issued,
                "first_at": case((new.first_at < old.first_at, new.first_at), else_=old.first_at),
                "last_at": _later(old.last_at, new.last_at),
            },
        )
        rows = [
            {"hour": hour, "issued": each.times, "first_at": each.first, "last_at": each.last}
            for hour, each in totals.items()
        ]
        self.connection.execute(upsert, rows)

    def _note_holders(self, issued: Mapping[tuple[int, str, str], Asked]) -> None:
        holders: dict[str, float] = {}
        for (_, client_id, _), more in issued.items():
            holders[client_id] = max(more.last, holders.get(client_id, more.last))
        statement = sqlite_insert(token_holders)
        upsert = statement.on_conflict_do_update(
            index_elements=["client_id"],
            set_={"last_at": _later(token_holders.c.last_at, statement.excluded.last_at)},
        )
        rows = [{"client_id": client_id, "last_at": last} for client_id, last in holders.items()]
        self.connection.execute(upsert, rows)

    def _add_refused(self, refused: Mapping[tuple[int, str, str, str], int]) -> None:
        if not refused:
            return
        statement = sqlite_insert(token_refusals)
        upsert = statement.on_conflict_do_update(
            index_elements=["hour", "reason", "client_id", "audience"],
            set_={"times": token_refusals.c.times + statement.excluded.times},
        )
        names = ("hour", "reason", "client_id", "audience")
        rows = [{**dict(zip(names, key, strict=True)), "times": times} for key, times in refused.items()]
        self.connection.execute(upsert, rows)


def _later(old: ColumnElement[float], new: ColumnElement[float]) -> ColumnElement[float]:
    return case((new > old, new), else_=old)


def _within(window: Window) -> list[ColumnElement[bool]]:
    table = token_hours.c
    equals = {"client_id": window.client_id, "audience": window.audience}
    of = [table[name] == value for name, value in equals.items() if value is not None]
    return [table.hour >= window.first, table.hour <= window.last, *of]


def _is_of_days(window: Window) -> bool:
    """Whether it begins with a day and means everybody: the rows of days, which are few, tell it then."""
    return window.first % HOURS_A_DAY == 0 and window.client_id is None and window.audience is None


def _told(side: Side, window: Window) -> Subquery:
    """Names, and what was issued: of everybody by days, where the window is made of them."""
    hours, days = token_hours.c, token_days.c
    if not _is_of_days(window):
        return select(hours[side].label("name"), hours.issued).where(*_within(window)).subquery()
    first_day = window.first // HOURS_A_DAY
    return (
        select(days.name, days.times.label("issued"))
        .where(days.side == side, days.day >= first_day)
        .subquery()
    )
