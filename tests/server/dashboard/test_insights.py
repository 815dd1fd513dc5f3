"""Insights: what was issued and what was refused, drawn, in a table, and as a file."""

from __future__ import annotations

import csv
import io
import re
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from gatewright.guard.walkthrough import FIXES
from gatewright.server.dashboard.insights import TOKEN_FIXES
from gatewright.server.dashboard.stacks import MOST_ROWS, OTHERS, Reason, reasons, stacks
from tests.records import refusal
from tests.server.dashboard.browsing import ESCAPED, blocks

if TYPE_CHECKING:
    from tests.records import Clock
    from tests.running import Application, Caller
    from tests.server.dashboard.browsing import Browser

API = "https://insights"
HOSTILE = "=1+1 \"' {{7*7}} & so on"  # names may have no angle brackets
UNTOLD = f"urn:{'<script>alert(1)</script>'}\"'"


def table(page: str, number: int = 0) -> list[list[str]]:
    """The cells of a table of the page, row by row."""
    found = re.findall(r"<table.*?</table>", page, re.DOTALL)[number]
    return [
        [unescape(re.sub(r"<[^>]+>", "", cell)) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)]
        for row in re.findall(r"<tr>.*?</tr>", found, re.DOTALL)
    ]


def summary(page: str) -> str:
    found = re.search(r"<figcaption>(.*?)</figcaption>", page, re.DOTALL)
    assert found is not None, page
    return unescape(found[1])


def exported(browser: Browser, **query: str) -> list[list[str]]:
    answer = browser.http.get(f"ui/insights/export?{urlencode(query)}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="gatewright-')
    return list(csv.reader(io.StringIO(answer.text)))


def test_a_new_tenant_is_told_how_to_begin(ada: Browser) -> None:
    page = ada.page("/insights")
    assert "None in the last 24 hours" in page
    assert "gatewright token --api https://blog-api" in blocks(page)
    assert "Nothing was refused in the last 24 hours." in page
    assert 'eval "$(gatewright env --reports)"' in blocks(page)
    assert "<svg" not in page


@pytest.fixture(scope="module")
def reader(caller: Caller, clock: Clock) -> Application:
    """An application with a hostile name that had three tokens two hours ago and one now, at 08:00 UTC.

    It was refused twice, once for an API that nobody has.
    """
    caller.create("resource-servers", identifier=API, name="Insights API")
    reader = caller.application(HOSTILE)
    caller.authorize(reader, API)
    clock.now -= 7200
    for _ in range(3):
        caller.token(reader, API)
    clock.now += 7200
    caller.token(reader, API)
    caller.ask_token(reader, API, scope="write:all")
    caller.ask_token(reader, UNTOLD)
    row = refusal(API, reader.client_id, minute=int(clock.now), count=5)
    assert caller.manage("POST", "guard-reports", json={"refusals": [row]}).is_success
    return reader


def test_tokens_are_drawn_told_and_listed(ada: Browser, reader: Application) -> None:
    page = ada.page(f"/insights?application={reader.client_id}")
    assert summary(page) == (
        "4 tokens in the last 24 hours, 4 of them for Insights API; "
        "most from 2027-01-15 06:00 to 07:00 UTC: 3."
    )
    head, now, before, earlier = table(page)[:4]
    assert head == ["Time (UTC)", "Insights API", "Together"]
    assert now == ["2027-01-15 08:00 to 09:00", "1", "1"]
    assert before == ["2027-01-15 07:00 to 08:00", "0", "0"]
    assert earlier == ["2027-01-15 06:00 to 07:00", "3", "3"]
    assert len(table(page)) == 25
    drawn = re.findall(r'<rect class="piece" fill="url\(#mark-1\)".*?height="([\d.]+)"><title>([^<]+)', page)
    assert [told for _, told in drawn] == [
        "2027-01-15 06:00 to 07:00, Insights API: 3",
        "2027-01-15 08:00 to 09:00, Insights API: 1",
    ]
    assert float(drawn[0][0]) == pytest.approx(3 * float(drawn[1][0]), rel=0.01)


def test_of_one_api_applications_are_told_apart(ada: Browser, reader: Application) -> None:
    page = ada.page(f"/insights?{urlencode({'api': API})}")
    assert table(page)[0] == ["Time (UTC)", HOSTILE, "Together"]
    assert '<option value="application" selected>' in page
    together = ada.page(f"/insights?{urlencode({'api': API, 'application': reader.client_id})}")
    assert table(together)[0] == ["Time (UTC)", "Insights API", "Together"]


def test_a_week_goes_by_six_hours(ada: Browser, reader: Application) -> None:
    rows = table(ada.page(f"/insights?span=7d&application={reader.client_id}"))
    assert rows[1] == ["2027-01-15 06:00 to 12:00", "4", "4"]
    assert rows[-1][0] == "2027-01-09 00:00 to 06:00"
    assert len(rows) == 27


def test_reasons_lead_to_the_cases(ada: Browser, reader: Application) -> None:
    page = ada.page(f"/insights?application={reader.client_id}")
    assert summary(page.partition("Refused, by reason")[2]) == (
        "7 requests were refused in the last 24 hours, most for insufficient_scope by APIs: 5."
    )
    assert table(page, 1)[1:] == [
        ["insufficient_scope", "APIs", "5", FIXES["insufficient_scope"]],
        ["scope_not_granted", "the token endpoint", "1", TOKEN_FIXES["scope_not_granted"]],
        ["unknown_api", "the token endpoint", "1", TOKEN_FIXES["unknown_api"]],
    ]
    first, second, third = (
        unescape(address)
        for address in re.findall(r'<li><a href="/ui([^"]+)">', page.partition('class="reasons"')[2])
    )
    assert "5 times" in ada.page(first)
    events = [re.findall(r"<tr data-id=.*?</tr>", ada.page(each), re.DOTALL) for each in (second, third)]
    assert [len(rows) for rows in events] == [1, 1]
    assert "has not been granted scopes: write:all" in events[0][0]
    assert "service not enabled within domain" in events[1][0]


@pytest.mark.usefixtures("reader")
def test_filters_that_nothing_fits_say_so(ada: Browser) -> None:
    page = ada.page(f"/insights?{urlencode({'api': UNTOLD})}")
    assert "No token was issued that fits the filters." in page
    assert "Nothing that fits the filters." in page
    assert f'value="urn:{ESCAPED}"' in page
    assert UNTOLD not in page


def test_what_is_no_filter_is_none(ada: Browser, reader: Application) -> None:
    page = ada.page(f"/insights?span=1y&by=weather&application={reader.client_id}")
    assert len(table(page)) == 25


def test_a_viewer_sees_all_of_it(vera: Browser, reader: Application) -> None:
    assert HOSTILE in table(vera.page("/insights?by=application"))[0]
    assert exported(vera, application=reader.client_id)


def test_tokens_come_as_a_file_that_no_spreadsheet_runs(ada: Browser, reader: Application) -> None:
    rows = exported(ada, plot="tokens", by="application", api=API)
    assert rows[0] == ["time_utc", "application", "name", "tokens"]
    assert rows[-1] == ["2027-01-15T08:00Z", reader.client_id, f"'{HOSTILE}", "1"]
    assert sum(int(row[3]) for row in rows[1:]) == 4
    assert len(rows) == 25


def test_refusals_come_as_a_file(ada: Browser, reader: Application) -> None:
    rows = exported(ada, plot="refusals", application=reader.client_id)
    assert rows[0] == ["refused_by", "reason", "count", "fix"]
    assert rows[1] == ["APIs", "insufficient_scope", "5", FIXES["insufficient_scope"]]
    assert len(rows) == 4


def told(*series: dict[str, Any], steps: int = 24) -> dict[str, Any]:
    """Tokens over time as the Management API tells them, of a day that ends at 08:30."""
    empty = [0] * steps
    return {
        "from": "2027-01-14T09:00:00.000Z",
        "to": "2027-01-15T08:30:00.000Z",
        "step": 3600,
        "series": [{"issued": [*empty[:-1], each["total"]], **each} for each in series],
    }


def test_bars_pile_up_the_most_at_the_bottom_without_a_gap() -> None:
    plot = stacks(
        told({"audience": "a", "total": 6}, {"audience": "b", "total": 3}, {"total": 1}),
        by="audience",
        span="a day",
    )
    assert [piece.mark for piece in plot.pieces] == [1, 2, 0]
    lowest, middle, highest = plot.pieces
    assert lowest.y + lowest.height == pytest.approx(plot.base, abs=0.1)
    assert middle.y + middle.height == pytest.approx(lowest.y, abs=0.1)
    assert highest.y + highest.height == pytest.approx(middle.y, abs=0.1)
    assert highest.y == pytest.approx(plot.counts[2].at, abs=0.1)  # ten of ten
    assert plot.series[2].name == OTHERS
    assert all(piece.x + piece.width <= plot.width for piece in plot.pieces)


def test_hours_are_named_every_four_and_days_in_a_week() -> None:
    assert [tick.text for tick in stacks(told(), by="audience", span="").times] == [
        *("12:00", "16:00", "20:00", "00:00", "04:00", "08:00"),
    ]
    week = {"from": "2027-01-08T12:00:00.000Z", "to": "2027-01-15T08:30:00.000Z", "step": 21600, "series": []}
    plot = stacks(week, by="audience", span="")
    assert [tick.text for tick in plot.times][:2] == ["09 Jan", "10 Jan"]
    assert len(plot.steps) == 28


def test_a_long_name_is_cut_in_the_sentence_alone() -> None:
    plot = stacks(told({"audience": "a" * 100, "total": 1}), by="audience", span="a day")
    assert f"for {'a' * 60}…;" in plot.summary
    assert plot.series[0].name == "a" * 100


def test_no_more_reasons_are_drawn_than_are_seen_at_once() -> None:
    many = [Reason(f"reason_{number}", "APIs", 100 - number, "/", "") for number in range(30)]
    plot = reasons(many, span="a day")
    assert len(plot.rows) == MOST_ROWS
    assert [row.share for row in plot.rows[:2]] == [100, 99]
    rare = reasons([Reason("a", "APIs", 10**6, "/", ""), Reason("b", "APIs", 1, "/", "")], span="a day")
    assert rare.rows[1].share > 0
    assert plot.summary.startswith(f"{sum(each.count for each in many):,} requests were refused")
