"""`/api/v2/insights`: tokens over time and refusals by reason, counted by the hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.records import refusal
from tests.server.calling import renewed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.records import Clock
    from tests.running import Application, Caller

HOUR = 3600
NAMES = ("Zero", "One", "Two", "Three", "Four", "Five", "Six")
API = "urn:busy"


@pytest.fixture(scope="module")
def apps(caller: Caller, clock: Clock) -> dict[str, Application]:
    """Six applications: the first had six tokens an hour ago, the next five, and so on.

    The clock begins on 2027-01-15 at 08:00 UTC.
    """
    caller.create("resource-servers", identifier=API, name="Busy API")
    caller.create("resource-servers", identifier="urn:idle")
    now, apps = clock.now, {name: caller.application(name) for name in NAMES}
    clock.now = now - HOUR
    for index, app in enumerate(apps.values()):
        caller.authorize(app, API)
        for _ in range(6 - index):
            caller.token(app, API)
    clock.now = now
    return apps


def told(caller: Caller, **params: str | int) -> dict[str, Any]:
    answer = caller.manage("GET", "insights/tokens", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def by_reason(caller: Caller, **params: str | int) -> dict[tuple[str, str], int]:
    answer = caller.manage("GET", "insights/refusals", params=params)
    assert answer.status_code == 200, answer.text
    return {(row["refused_by"], row["reason"]): row["count"] for row in answer.json()}


def totals(answer: dict[str, Any]) -> list[tuple[str, int]]:
    return [(each.get("name", ""), each["total"]) for each in answer["series"]]


def test_five_are_told_by_themselves_and_the_others_together(
    caller: Caller, apps: dict[str, Application]
) -> None:
    answer = told(caller, by="client_id", audience=API)
    assert totals(answer) == [("Zero", 6), ("One", 5), ("Two", 4), ("Three", 3), ("Four", 2), ("", 1)]
    assert answer["series"][0]["client_id"] == apps["Zero"].client_id
    assert list(answer["series"][-1]) == ["total", "issued"]


def test_nobody_is_told_together_who_is_told_alone(caller: Caller, apps: dict[str, Application]) -> None:
    assert apps
    assert totals(told(caller, by="client_id", audience=API, series=6))[-1] == ("Five", 1)
    two = totals(told(caller, by="client_id", audience=API, series=2))
    assert two == [("Zero", 6), ("One", 5), ("", 10)]


def test_everybody_together_is_every_token(caller: Caller, apps: dict[str, Application]) -> None:
    assert apps
    answer = told(caller)
    named = dict(totals(answer))
    assert named["Busy API"] == 21
    # The caller's own tokens, for the Management API.
    assert sum(named.values()) == told_in_all(caller)
    assert answer["series"][0]["audience"] == API


def told_in_all(caller: Caller) -> int:
    return sum(day["logins"] for day in caller.manage("GET", "stats/daily").json())


def test_a_step_is_an_hour_and_the_last_is_the_one_of_now(
    caller: Caller, apps: dict[str, Application]
) -> None:
    assert apps
    answer = told(caller, audience=API)
    assert (answer["from"], answer["step"]) == ("2027-01-14T09:00:00.000Z", HOUR)
    assert answer["series"][0]["issued"] == [0] * 22 + [21, 0]


def test_a_week_goes_by_six_hours_that_begin_with_the_day(
    caller: Caller, apps: dict[str, Application]
) -> None:
    assert apps
    answer = told(caller, audience=API, span="7d")
    # 08:00 is in the second quarter of the day, and so is 07:00.
    assert (answer["from"], answer["step"]) == ("2027-01-09T00:00:00.000Z", 6 * HOUR)
    assert answer["series"][0]["issued"] == [0] * 25 + [21]


@pytest.mark.parametrize(
    ("seconds", "step"), [(HOUR - 1, 22), (HOUR, 21), (22 * HOUR, 0), (23 * HOUR - 1, 0), (23 * HOUR, None)]
)
def test_hours_end_where_they_end(
    caller: Caller, apps: dict[str, Application], moving_clock: Clock, seconds: int, step: int | None
) -> None:
    """The tokens were issued at 07:00:00 sharp, an hour before the clock began."""
    assert apps
    moving_clock.now += seconds
    series = told(renewed(caller), audience=API)["series"]
    assert [each["issued"].index(21) for each in series] == ([] if step is None else [step])


def test_a_week_is_today_and_six_days_before(
    caller: Caller, apps: dict[str, Application], moving_clock: Clock
) -> None:
    assert apps
    for hours, expected in ((0, 21), (4 * 24, 21), (6 * 24 + 15, 21), (6 * 24 + 16, 0)):
        moving_clock.now += hours * HOUR
        busy = [n for name, n in totals(told(renewed(caller), span="7d")) if name == "Busy API"]
        assert sum(busy) == expected
        moving_clock.now -= hours * HOUR


def test_what_is_gone_keeps_its_numbers_and_loses_its_name(caller: Caller) -> None:
    caller.create("resource-servers", identifier="urn:gone", name="Gone")
    app = caller.application("Going")
    caller.authorize(app, "urn:gone")
    caller.token(app, "urn:gone")
    caller.manage("DELETE", f"clients/{app.client_id}")
    (series,) = told(caller, by="client_id", audience="urn:gone")["series"]
    assert series == {"client_id": app.client_id, "total": 1, "issued": [0] * 23 + [1]}
    assert totals(told(caller, client_id=app.client_id)) == [("Gone", 1)]


def test_nothing_is_told_of_what_had_nothing(caller: Caller) -> None:
    assert told(caller, audience="urn:idle")["series"] == []
    assert told(caller, by="client_id", client_id="none")["series"] == []
    assert by_reason(caller, audience="urn:idle") == {}


def test_refusals_are_told_by_reason_and_door(caller: Caller, clock: Clock) -> None:
    api = caller.create("resource-servers", identifier="urn:strict", scopes=[{"value": "read"}])
    stranger, app = caller.application("Stranger"), caller.application("Strict")
    caller.authorize(app, "urn:strict")
    for _ in range(3):
        caller.ask_token(stranger, "urn:strict")
    caller.ask_token(app, "urn:strict", scope="write")
    caller.ask_token(app, "urn:nowhere")
    row = refusal("urn:strict", app.client_id, minute=int(clock.now), count=7)
    assert caller.manage("POST", "guard-reports", json={"refusals": [row]}).is_success

    of_api = by_reason(caller, audience="urn:strict")
    assert list(of_api.items()) == [
        (("guard", "insufficient_scope"), 7),
        (("token_endpoint", "no_grant"), 3),
        (("token_endpoint", "scope_not_granted"), 1),
    ]
    assert by_reason(caller, client_id=app.client_id) == {
        ("guard", "insufficient_scope"): 7,
        ("token_endpoint", "scope_not_granted"): 1,
        ("token_endpoint", "unknown_api"): 1,
    }
    assert api["id"]


def test_a_week_of_everybody_has_what_the_day_has(caller: Caller, moving_clock: Clock) -> None:
    """Everything here happened today: the counts of days and those of hours are the same."""
    caller.ask_token(caller.application("Weekly"), "urn:nowhere")
    today = by_reason(caller)
    assert today["token_endpoint", "unknown_api"] > 0
    assert by_reason(caller, span="7d") == today
    moving_clock.now += 7 * 24 * HOUR
    assert by_reason(renewed(caller), span="7d") == {}


def test_each_reason_is_found_in_the_log(caller: Caller) -> None:
    stranger = caller.application("Lost")
    caller.ask_token(stranger, "urn:lost")
    q = f"details.reason:unknown_api AND client_id:{stranger.client_id}"
    (event,) = caller.manage("GET", "logs", params={"q": q}).json()
    assert event["details"]["error"] == "access_denied"
    assert by_reason(caller, client_id=stranger.client_id) == {("token_endpoint", "unknown_api"): 1}


def test_refusals_go_when_their_span_is_over(caller: Caller, moving_clock: Clock) -> None:
    app = caller.application("Early")
    row = refusal(API, app.client_id, minute=int(moving_clock.now), count=2)
    assert caller.manage("POST", "guard-reports", json={"refusals": [row]}).is_success
    caller.ask_token(app, "urn:nowhere")
    expected = {("guard", "insufficient_scope"): 2, ("token_endpoint", "unknown_api"): 1}
    moving_clock.now += 24 * HOUR - 1
    assert by_reason(renewed(caller), client_id=app.client_id) == expected
    moving_clock.now += 1
    assert by_reason(renewed(caller), client_id=app.client_id) == {}
    assert by_reason(renewed(caller), client_id=app.client_id, span="7d") == expected


@pytest.mark.parametrize("path", ["insights/tokens", "insights/refusals"])
def test_a_span_that_is_none_is_refused(caller: Caller, refused: Callable[..., None], path: str) -> None:
    answer = caller.manage("GET", path, params={"span": "30d"})
    refused(
        answer,
        400,
        "Query validation error: 'No enum match for: 30d' on property span.",
        "invalid_query_string",
    )


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({"by": "name"}, "'No enum match for: name' on property by."),
        ({"series": "0"}, "'Value 0 is less than minimum 1' on property series."),
        ({"series": "21"}, "'Value 21 is greater than maximum 20' on property series."),
    ],
)
def test_what_cannot_be_told_is_refused(
    caller: Caller, refused: Callable[..., None], params: dict[str, str], fault: str
) -> None:
    answer = caller.manage("GET", "insights/tokens", params=params)
    refused(answer, 400, f"Query validation error: {fault}", "invalid_query_string")
