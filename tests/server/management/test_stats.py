"""`/api/v2/stats`: counted in the log of events (auth0-wire 3.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.server.calling import renewed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.records import Clock
    from tests.running import Caller
    from tests.server.calling import Limited

API = "urn:counted"


@pytest.fixture(scope="module", autouse=True)
def _tokens(caller: Caller, clock: Clock) -> None:
    """Forty days ago three tokens for one application, today two for another, and one refused.

    The clock begins on 2027-01-15 at 08:00 UTC.
    """
    caller.create("resource-servers", identifier=API)
    first, second = caller.application("First"), caller.application("Second")
    for application in (first, second):
        caller.authorize(application, API)
    today = clock.now
    clock.now = today - 40 * 86400
    for _ in range(3):
        caller.token(first, API)
    clock.now = today
    for _ in range(2):
        caller.token(second, API)
        clock.now += 60
    caller.ask_token(first, "urn:refused")


def daily(caller: Caller, **params: str) -> list[dict[str, Any]]:
    answer = caller.manage("GET", "stats/daily", params=params)
    assert answer.status_code == 200, answer.text
    days: list[dict[str, Any]] = answer.json()
    return [day for day in days if day["logins"]]


def test_tokens_are_counted_by_day(caller: Caller) -> None:
    today = daily(caller)[-1]

    assert list(today) == ["date", "logins", "signups", "leaked_passwords", "updated_at", "created_at"]
    assert (today["date"], today["signups"]) == ("2027-01-15T00:00:00.000Z", 0)
    # The caller's own, for the Management API, is one.
    assert today["logins"] == 3
    assert today["created_at"] == "2027-01-15T08:00:00.000Z"
    assert today["updated_at"] == "2027-01-15T08:01:00.000Z"


def test_days_are_chosen(caller: Caller) -> None:
    assert [day["date"] for day in daily(caller)] == ["2027-01-15T00:00:00.000Z"]
    both = daily(caller, **{"from": "20261201", "to": "20270115"})
    assert [(day["date"], day["logins"]) for day in both] == [
        ("2026-12-06T00:00:00.000Z", 3),
        ("2027-01-15T00:00:00.000Z", 3),
    ]
    assert daily(caller, **{"from": "20261207", "to": "20270114"}) == []
    assert [day["logins"] for day in daily(caller, to="20261206")] == [3]


def test_active_users_are_the_clients_of_thirty_days(caller: Caller, moving_clock: Clock) -> None:
    def active() -> object:
        return renewed(caller).manage("GET", "stats/active-users").json()

    assert active() == 2  # the second application, and the caller
    moving_clock.now += 31 * 86400
    assert active() == 1  # the caller


def counted(caller: Caller, **params: str) -> list[tuple[str, str, int, int]]:
    """Day, audience, asked and needless of each row that is not the caller's own."""
    answer = caller.manage("GET", "stats/token-requests", params=params)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()
    assert all(list(row) == ["date", "client_id", "audience", "asked", "needless"] for row in rows)
    return [
        (row["date"], row["audience"], row["asked"], row["needless"])
        for row in rows
        if row["client_id"] != caller.operator.client_id
    ]


def test_token_requests_are_counted_and_the_needless_among_them(caller: Caller) -> None:
    today = ("2027-01-15T00:00:00.000Z", API, 2, 1)
    earlier = ("2026-12-06T00:00:00.000Z", API, 3, 2)
    assert counted(caller) == [today]
    assert counted(caller, **{"from": "20261206", "to": "20270115"}) == [earlier, today]
    assert counted(caller, **{"from": "20261207", "to": "20270114"}) == []


@pytest.mark.parametrize("path", ["stats/daily", "stats/token-requests"])
@pytest.mark.parametrize("name", ["from", "to"])
@pytest.mark.parametrize(
    "text", ["2027-01-15", "20271315", "20270230", "2027111", "00010101", "99991231", "x", ""]
)
def test_day_that_is_none_is_refused(
    caller: Caller, refused: Callable[..., None], path: str, name: str, text: str
) -> None:
    answer = caller.manage("GET", path, params={name: text})

    detail = f"Object didn't pass validation for format date: {text}"
    refused(answer, 400, f"Query validation error: '{detail}' on property {name}.", "invalid_query_string")


def test_scope_is_needed(holding: Callable[[str], Limited], refused: Callable[..., None]) -> None:
    for path in ("stats/daily", "stats/active-users", "stats/token-requests"):
        assert holding("read:stats")("GET", path).status_code == 200
        text = "Insufficient scope, expected any of: read:stats"
        refused(holding("read:logs")("GET", path), 403, text, "insufficient_scope")
