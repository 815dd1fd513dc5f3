"""Where the marks of a plot stand, for the templates that draw them as SVG. Pure: no clock, no records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

WIDTH: Final = 720.0
MARGIN: Final = 56.0  # for the words at the left
EDGE: Final = 12.0  # for the half of the last word that stands beside its bar
BARS_HEIGHT: Final = 160.0
GAP: Final = 0.25  # of a bar's step
LANE: Final = 34.0
SHORTEST_SPAN: Final = 60.0  # seconds: less than that is no time to divide
AHEAD: Final = 0.08  # of a timeline's width, for the keys to come

Phase: TypeAlias = Literal["signing", "verifying", "next"]


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    day: str
    count: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A word at a place of an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars from zero up, days from the left to the right; ``summary`` says in words what they show."""

    width: float
    height: float
    left: float
    base: float
    bars: tuple[Bar, ...]
    counts: tuple[Tick, ...]
    days: tuple[Tick, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a key's life."""

    x: float
    width: float
    phase: Phase


@dataclass(frozen=True, slots=True)
class Lane:
    """A key: its stretches, and where it was revoked, if it was."""

    y: float
    kid: str
    stretches: tuple[Stretch, ...]
    revoked_at: float | None


@dataclass(frozen=True, slots=True)
class Lanes:
    """A timeline with a lane for each key; ``now`` is where this moment is."""

    width: float
    height: float
    lane: float
    now: float
    lanes: tuple[Lane, ...]
    times: tuple[Tick, ...]


def filled(days: Sequence[Mapping[str, Any]], *, last: date, number: int) -> list[tuple[date, int]]:
    """Each of the ``number`` days up to ``last`` with its ``logins``; a day that is not told of had none."""
    told = {datetime.fromisoformat(day["date"]).date(): int(day["logins"]) for day in days}
    wanted = [last - timedelta(days=back) for back in reversed(range(number))]
    return [(day, told.get(day, 0)) for day in wanted]


def bars(days: Sequence[tuple[date, int]]) -> Bars:
    """A bar for each day; the scale ends at a round number."""
    top = round_up(max((count for _, count in days), default=0))
    base, step = BARS_HEIGHT - 20, (WIDTH - MARGIN - EDGE) / max(len(days), 1)
    highest = base - 10
    drawn = []
    for index, (day, count) in enumerate(days):
        height = highest * count / top
        left = MARGIN + step * (index + GAP / 2)
        drawn.append(
            Bar(
                rounded(left),
                rounded(base - height),
                rounded(step * (1 - GAP)),
                rounded(height),
                str(day),
                count,
            )
        )
    counts = tuple(Tick(rounded(base - highest * part), f"{round(top * part):,}") for part in (0.0, 0.5, 1.0))
    named = {index: day for index, (day, _) in enumerate(days) if (len(days) - 1 - index) % 7 == 0}
    ticks = tuple(
        Tick(rounded(MARGIN + step * (index + 0.5)), f"{day:%d %b}") for index, day in named.items()
    )
    return Bars(WIDTH, BARS_HEIGHT, MARGIN, base, tuple(drawn), counts, ticks, summary(days))


def summary(days: Sequence[tuple[date, int]]) -> str:
    """One sentence: how many in all, and when most."""
    total = sum(count for _, count in days)
    if not total:
        return f"No token in the last {len(days)} days."
    most = max(days, key=lambda each: each[1])
    tokens = "token" if total == 1 else "tokens"
    return f"{total:,} {tokens} in the last {len(days)} days, most on {most[0]}: {most[1]:,}."


def round_up(count: int) -> int:
    """The next of 2, 4, 10, 20, 40, 100, …: a scale whose half is a whole number too."""
    size = 1
    while True:
        for step in (2, 4, 10):
            if count <= step * size:
                return step * size
        size *= 10


def lanes(keys: Sequence[Mapping[str, Any]], *, now: float) -> Lanes:
    """The lives of signing keys as the Management API tells them, in the order given."""
    begun = [_seconds(key["current_since"]) for key in keys if key.get("current_since")]
    start = min(min(begun, default=now), now - SHORTEST_SPAN)
    here = WIDTH * (1 - AHEAD)

    def place(moment: float) -> float:
        return here * max(min(moment, now) - start, 0.0) / (now - start)

    drawn = tuple(
        Lane(
            index * LANE,
            str(key["kid"]),
            tuple(
                Stretch(rounded(place(begin)), rounded(max(place(end) - place(begin), 1.0)), phase)
                for begin, end, phase in _life(key, now)
            )
            if not key.get("next")
            else (Stretch(rounded(here), rounded(WIDTH - here), "next"),),
            rounded(place(_seconds(key["revoked_at"]))) if key.get("revoked_at") else None,
        )
        for index, key in enumerate(keys)
    )
    height = LANE * len(keys)
    times = (Tick(0.0, _day(start)), Tick(rounded(here), "now"))
    return Lanes(WIDTH, height + 22, LANE, rounded(here), drawn, times)


def _life(key: Mapping[str, Any], now: float) -> list[tuple[float, float, Phase]]:
    if not key.get("current_since"):
        return []
    begin = _seconds(key["current_since"])
    until = _seconds(key["current_until"]) if key.get("current_until") else now
    end = _seconds(key["revoked_at"]) if key.get("revoked_at") else now
    parts: list[tuple[float, float, Phase]] = [(begin, until, "signing")]
    if until < end:
        parts.append((until, end, "verifying"))
    return parts


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M")


def rounded(number: float) -> float:
    """A place, as exact as can be seen."""
    return round(number, 1)
