"""Where the marks of the plots of Insights stand: tokens over time, stacked, and refusals by reason. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from gatewright.server.dashboard.plots import BARS_HEIGHT, EDGE, GAP, MARGIN, WIDTH, Tick, round_up, rounded

OTHERS: Final = "all others"
MOST_NAMED: Final = 60  # letters of a name in a sentence
STACK_HEIGHT: Final = BARS_HEIGHT + 40
NARROWEST: Final = 0.5  # hundredths: what is there is seen
MOST_ROWS: Final = 12
TICK_EVERY: Final = 4  # steps: four hours, or a day of four quarters


@dataclass(frozen=True, slots=True)
class Series:
    """One of those told apart; ``mark`` is the number of its pattern, 0 that of all others."""

    key: str
    name: str
    total: int
    mark: int
    issued: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a bar, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    mark: int
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """A time from the axis, in words, and how many each series had in it."""

    starts_at: str
    text: str
    counts: tuple[int, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Stacks:
    """Bars from zero up, the series with the most at the bottom; ``summary`` says what they show."""

    width: float
    height: float
    left: float
    base: float
    pieces: tuple[Piece, ...]
    counts: tuple[Tick, ...]
    times: tuple[Tick, ...]
    series: tuple[Series, ...]
    steps: tuple[Step, ...]
    total: int
    summary: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something was refused, how often and by whom, the page with each case, and what mends it."""

    reason: str
    door: str
    count: int
    address: str
    fix: str


@dataclass(frozen=True, slots=True)
class Row:
    """A bar from the left, in hundredths of the longest, and what it stands for."""

    share: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Reasons:
    """Bars from zero to the right, the longest first, no more than are seen at once."""

    rows: tuple[Row, ...]
    summary: str


def stacks(told: Mapping[str, Any], *, by: str, span: str) -> Stacks:
    """Tokens over time as the Management API tells them, ``by`` audience or client_id."""
    series = _series(told["series"], by)
    starts = _starts(told)
    steps = tuple(
        Step(f"{start:%Y-%m-%dT%H:%MZ}", _step_text(start, told["step"]), counts, sum(counts))
        for start, counts in zip(starts, _by_step(series, len(starts)), strict=True)
    )
    top = round_up(max((step.total for step in steps), default=0))
    base = STACK_HEIGHT - 20
    highest, width = base - 10, (WIDTH - MARGIN - EDGE) / max(len(steps), 1)
    pieces = [
        piece
        for index, step in enumerate(steps)
        for piece in _pile(
            step, series, left=MARGIN + width * (index + GAP / 2), width=width, unit=highest / top
        )
    ]
    ticks = [(index, start) for index, start in enumerate(starts) if _is_named(start, told["step"])]
    return Stacks(
        width=WIDTH,
        height=STACK_HEIGHT,
        left=MARGIN,
        base=base,
        pieces=tuple(pieces),
        counts=tuple(Tick(rounded(base - highest * at), f"{round(top * at):,}") for at in (0.0, 0.5, 1.0)),
        times=tuple(
            Tick(rounded(MARGIN + width * index), _tick_text(start, told["step"])) for index, start in ticks
        ),
        series=series,
        steps=steps,
        total=sum(step.total for step in steps),
        summary=_summary(series, steps, by=by, span=span),
    )


def reasons(found: Sequence[Reason], *, span: str) -> Reasons:
    """A bar for each of the first reasons."""
    shown = found[:MOST_ROWS]
    most = max((reason.count for reason in shown), default=1)
    rows = tuple(Row(rounded(max(100 * reason.count / most, NARROWEST)), reason) for reason in shown)
    total = sum(reason.count for reason in found)
    if not found:
        return Reasons((), f"Nothing was refused in {span}.")
    requests = "request was" if total == 1 else "requests were"
    first = found[0]
    told = (
        f"{total:,} {requests} refused in {span}, most for {first.reason} by {first.door}: {first.count:,}."
    )
    return Reasons(rows, told)


def _series(told: Sequence[Mapping[str, Any]], by: str) -> tuple[Series, ...]:
    return tuple(
        Series(
            key=str(each.get(by, "")),
            name=str(each.get("name") or each.get(by) or OTHERS),
            total=int(each["total"]),
            mark=index + 1 if by in each else 0,
            issued=tuple(each["issued"]),
        )
        for index, each in enumerate(told)
    )


def _starts(told: Mapping[str, Any]) -> list[datetime]:
    """When each step begins, the one of now included."""
    first, step = datetime.fromisoformat(told["from"]), timedelta(seconds=told["step"])
    last = datetime.fromisoformat(told["to"])
    return [first + step * index for index in range(int((last - first) / step) + 1)]


def _by_step(series: Sequence[Series], number: int) -> list[tuple[int, ...]]:
    return [tuple(each.issued[index] for each in series) for index in range(number)]


def _pile(step: Step, series: Sequence[Series], *, left: float, width: float, unit: float) -> list[Piece]:
    """The pieces of one bar from the bottom up; what is none is not drawn."""
    pieces, foot = [], STACK_HEIGHT - 20
    for each, count in zip(series, step.counts, strict=True):
        if not count:
            continue
        height = count * unit
        foot -= height
        text = f"{step.text}, {each.name}: {count:,}"
        place = (rounded(left), rounded(foot), rounded(width * (1 - GAP)), rounded(height))
        pieces.append(Piece(*place, each.mark, text))
    return pieces


def _is_named(start: datetime, step: int) -> bool:
    return start.hour * 3600 % (TICK_EVERY * step) == 0


def _tick_text(start: datetime, step: int) -> str:
    return f"{start:%d %b}" if TICK_EVERY * step >= 86400 else f"{start:%H:%M}"  # noqa: PLR2004 - a day


def _step_text(start: datetime, step: int) -> str:
    end = start + timedelta(seconds=step)
    return f"{start:%Y-%m-%d %H:%M} to {end:%H:%M}"


def _summary(series: Sequence[Series], steps: Sequence[Step], *, by: str, span: str) -> str:
    total = sum(step.total for step in steps)
    if not total:
        return f"No token in {span}."
    best = max(steps, key=lambda step: step.total)
    tokens = "token" if total == 1 else "tokens"
    first, side = series[0], "for" if by == "audience" else "to"
    name = first.name if len(first.name) <= MOST_NAMED else f"{first.name[:MOST_NAMED]}…"
    of_first = f"{first.total:,} of them {side} {name}"
    return f"{total:,} {tokens} in {span}, {of_first}; most from {best.text} UTC: {best.total:,}."
