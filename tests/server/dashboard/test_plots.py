"""Where the marks of plots stand: to scale, from zero, gaps kept, and told in a sentence too."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from gatewright.server.dashboard.plots import bars, filled, lanes, round_up, summary
from gatewright.server.events import iso_time

TODAY = date(2026, 11, 25)
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()
DAY = 86400.0


def days_of(*counts: int) -> list[tuple[date, int]]:
    return [(TODAY - timedelta(days=len(counts) - 1 - index), count) for index, count in enumerate(counts)]


def test_days_that_are_not_told_of_had_none_and_older_ones_are_left_out() -> None:
    told = [
        {"date": "2026-11-01T00:00:00.000Z", "logins": 9},
        {"date": "2026-11-23T00:00:00.000Z", "logins": 2},
        {"date": "2026-11-25T00:00:00.000Z", "logins": 5},
    ]
    assert filled(told, last=TODAY, number=4) == [
        (date(2026, 11, 22), 0),
        (date(2026, 11, 23), 2),
        (date(2026, 11, 24), 0),
        (date(2026, 11, 25), 5),
    ]


def test_bars_rise_from_the_base_in_proportion() -> None:
    plot = bars(days_of(0, 5, 10))
    none, half, full = plot.bars
    assert none.height == 0
    assert full.height == pytest.approx(2 * half.height)
    assert [bar.y + bar.height for bar in plot.bars] == pytest.approx([plot.base] * 3)


def test_bars_stand_beside_each_other_within_the_plot() -> None:
    plot = bars(days_of(*range(30)))
    ends = [bar.x + bar.width for bar in plot.bars]
    assert plot.left <= plot.bars[0].x
    assert all(end < after.x for end, after in zip(ends, plot.bars[1:], strict=False))
    assert ends[-1] <= plot.width


def test_the_scale_names_nought_its_middle_and_its_top() -> None:
    plot = bars(days_of(0, 1234))
    assert [tick.text for tick in plot.counts] == ["0", "1,000", "2,000"]
    assert plot.counts[0].at == plot.base


def test_the_last_day_is_named_and_each_a_week_before() -> None:
    assert [tick.text for tick in bars(days_of(*[1] * 15)).days] == ["11 Nov", "18 Nov", "25 Nov"]


def test_a_plot_of_nothing_is_drawn_too() -> None:
    plot = bars(days_of(0, 0))
    assert [bar.height for bar in plot.bars] == [0, 0]
    assert plot.summary == "No token in the last 2 days."


@pytest.mark.parametrize(
    ("count", "top"), [(0, 2), (2, 2), (3, 4), (5, 10), (11, 20), (21, 40), (41, 100), (101, 200)]
)
def test_scales_end_at_round_numbers(count: int, top: int) -> None:
    assert round_up(count) == top


def test_the_summary_tells_the_sum_and_the_best_day() -> None:
    told = summary(days_of(1000, 204, 0))
    assert told == "1,204 tokens in the last 3 days, most on 2026-11-23: 1,000."


def test_one_token_is_one_token() -> None:
    assert summary(days_of(1)).startswith("1 token in")


def key(**times: float | bool) -> dict[str, object]:
    """A key as the Management API tells it."""
    told = {name: iso_time(at) if isinstance(at, float) else at for name, at in times.items()}
    return {"kid": "kid", "revoked": "revoked_at" in times, **told}


def test_a_key_signs_and_then_only_verifies_until_now() -> None:
    first = key(current_since=NOW - 4 * DAY, current_until=NOW - DAY, previous=True)
    plot = lanes([first], now=NOW)
    signing, verifying = plot.lanes[0].stretches
    assert (signing.phase, verifying.phase) == ("signing", "verifying")
    assert signing.x == 0
    assert signing.width == pytest.approx(3 * verifying.width, rel=0.01)
    assert verifying.x + verifying.width == pytest.approx(plot.now, abs=0.2)


def test_a_revoked_key_ends_where_it_was_revoked() -> None:
    ended = key(current_since=NOW - 4 * DAY, current_until=NOW - 3 * DAY, revoked_at=NOW - 2 * DAY)
    plot = lanes([ended], now=NOW)
    end = plot.lanes[0].stretches[-1]
    assert plot.lanes[0].revoked_at == pytest.approx(plot.now / 2, abs=0.2)
    assert end.x + end.width == pytest.approx(plot.now / 2, abs=0.2)


def test_the_current_key_signs_until_now_and_the_next_comes_after_it() -> None:
    plot = lanes([key(next=True), key(current_since=NOW - DAY, current=True)], now=NOW)
    coming, current = plot.lanes
    assert [stretch.phase for stretch in coming.stretches] == ["next"]
    assert coming.stretches[0].x == plot.now
    assert [stretch.phase for stretch in current.stretches] == ["signing"]
    assert current.stretches[0].width == pytest.approx(plot.now, abs=0.2)
    assert coming.y < current.y


def test_lives_that_began_this_moment_are_drawn() -> None:
    plot = lanes([key(current_since=NOW, current=True)], now=NOW)
    assert plot.lanes[0].stretches[0].width >= 1
