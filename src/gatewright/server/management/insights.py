"""``/api/v2/insights``: what the plots of the dashboard show, for anybody who draws their own.

Ours: Auth0 tells tokens by the day, and of machines nothing more. All of it was counted as it happened, so
that a plot costs the same whatever the length of the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from gatewright.server.events import iso_time
from gatewright.server.management import answers
from gatewright.server.management.description import Items, Record, number, text
from gatewright.server.management.endpoint import Call, endpoint
from gatewright.server.management.naming import find_api
from gatewright.server.management.schema import integer, invalid_query
from gatewright.server.store.token_hours import Side, Window

SECONDS_AN_HOUR: Final = 3600
MOST_SERIES: Final = 20
SERIES: Final = 5
DAY: Final = "24h"


@dataclass(frozen=True, slots=True)
class Span:
    """So many hours up to the end of the step or the day of now, cut into steps of ``hours`` each."""

    long: int
    hours: int
    ends_with_day: bool

    def first(self, now: int) -> int:
        """The hour that it begins with."""
        ends_every = 24 if self.ends_with_day else self.hours
        return (now // ends_every + 1) * ends_every - self.long


SPANS: Final[Mapping[str, Span]] = {DAY: Span(24, 1, False), "7d": Span(7 * 24, 6, True)}
SIDES: Final[tuple[Side, ...]] = ("audience", "client_id")


def tokens(call: Call) -> object:
    """Tokens issued over time: those who had the most, each by itself, and the others together."""
    span, window = _window(call)
    side = cast("Side", _chosen(call, "by", SIDES, "audience"))
    most = integer(call.query, "series", default=SERIES, low=1, high=MOST_SERIES)
    hours = call.tx.token_hours
    names = hours.most(side, window, number=most)
    found = hours.of(side, names, window)
    series = [
        {side: name, **_named(call, side, name), **_counted(span, window, _of(found, name))} for name in names
    ]
    others = dict(hours.totals(window))
    for (_, hour), issued in found.items():
        others[hour] = others.get(hour, 0) - issued
    if any(others.values()):
        series.append(_counted(span, window, others))
    return {
        "from": iso_time(window.first * SECONDS_AN_HOUR),
        "to": iso_time(call.server.now()),
        "step": span.hours * SECONDS_AN_HOUR,
        "series": series,
    }


def refusals(call: Call) -> object:
    """How often requests were refused, by reason: by the guards of APIs, and by the token endpoint."""
    _, window = _window(call)
    equals = {name: call.query[name] for name in SIDES if name in call.query}
    since = window.first * SECONDS_AN_HOUR
    told = {
        "guard": call.tx.guard_reports.by_reason(since=since, **equals),
        "token_endpoint": call.tx.token_hours.refusals(window),
    }
    rows = [
        {"refused_by": door, "reason": reason, "count": times}
        for door, reasons in told.items()
        for reason, times in reasons.items()
    ]
    return sorted(rows, key=lambda row: (-int(str(row["count"])), row["refused_by"], row["reason"]))


def _window(call: Call) -> tuple[Span, Window]:
    span = SPANS[_chosen(call, "span", tuple(SPANS), DAY)]
    now = int(call.server.now()) // SECONDS_AN_HOUR
    return span, Window(span.first(now), now, call.query.get("client_id"), call.query.get("audience"))


def _chosen(call: Call, name: str, choices: tuple[str, ...], default: str) -> str:
    text = call.query.get(name, default)
    if text not in choices:
        raise invalid_query(f"No enum match for: {text}", name)
    return text


def _of(found: Mapping[tuple[str, int], int], name: str) -> dict[int, int]:
    return {hour: issued for (of, hour), issued in found.items() if of == name}


def _counted(span: Span, window: Window, hours: Mapping[int, int]) -> dict[str, object]:
    issued = [0] * ((window.last - window.first) // span.hours + 1)
    for hour, count in hours.items():
        issued[(hour - window.first) // span.hours] += count
    return {"total": sum(issued), "issued": issued}


def _named(call: Call, side: Side, name: str) -> dict[str, str]:
    """What people call it; nothing where it is gone, or never had another name."""
    record = find_api(call, name) if side == "audience" else call.tx.clients.first(client_id=name)
    return {"name": record.name} if record is not None and record.name else {}


_OF = (
    text("span", "24 hours by the hour, or today and the six days before by six hours", choices=tuple(SPANS)),
    text("audience", "Only of this API"),
    text("client_id", "Only of this client"),
)

ROUTES = (
    endpoint(
        "GET",
        "/insights/tokens",
        tokens,
        scope="read:stats",
        flushes_events=True,
        query=(
            *_OF,
            text("by", "What is told apart", choices=SIDES),
            number("series", "How many by themselves", low=1, high=MOST_SERIES, default=SERIES),
        ),
        answers=Record("TokensOverTime", made=answers.TokensOverTimeMade),
        operation_id="insights_tokens",
    ),
    endpoint(
        "GET",
        "/insights/refusals",
        refusals,
        scope="read:stats",
        flushes_events=True,
        query=_OF,
        answers=Items(Record("RefusalsByReason", made=answers.RefusalsByReasonMade)),
        operation_id="insights_refusals",
    ),
)
