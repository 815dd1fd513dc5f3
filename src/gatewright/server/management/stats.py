"""``/api/v2/stats``: how much the server was used, counted as the events were written.

Machines do not log in: a token issued is a login, and a client that got one is an active user.
"""

import re
from datetime import UTC, datetime, timedelta

from gatewright.server.events import iso_time
from gatewright.server.management import answers
from gatewright.server.management.description import Items, Record, Value, text
from gatewright.server.management.endpoint import Call, endpoint
from gatewright.server.management.schema import invalid_query

DAYS = timedelta(days=30)
SECONDS_A_DAY = 86400

# Of years that other calendars, and sums with days, can take.
_DAY = "(19[7-9]|2[0-9]{2})[0-9](0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])"


def daily(call: Call) -> object:
    """Tokens issued a day, by UTC; without ``from`` and ``to`` the last 30 days."""
    first, last = _days(call)
    days = call.tx.token_hours.by_day(since=_number(first), until=_number(last))
    return [
        {
            "date": iso_time(day.starts_at),
            "logins": day.count,
            "signups": 0,
            "leaked_passwords": 0,
            "updated_at": iso_time(day.last),
            "created_at": iso_time(day.first),
        }
        for day in days
    ]


def active_users(call: Call) -> object:
    """How many clients got a token in the last 30 days; a bare number."""
    since = call.server.now() - DAYS.total_seconds()
    return call.tx.token_hours.holders(since=since)


def token_requests(call: Call) -> object:
    """Tokens issued a day, client and audience, and how many while the one before had half its life left."""
    first, last = _days(call)
    found = call.tx.token_requests.between(_number(first), _number(last))
    return [
        {
            "date": iso_time(each.day * SECONDS_A_DAY),
            "client_id": each.client_id,
            "audience": each.audience,
            "asked": each.asked,
            "needless": each.needless,
        }
        for each in found
    ]


def _number(day: datetime) -> int:
    """Days since 1970."""
    return int(day.timestamp()) // SECONDS_A_DAY


def _days(call: Call) -> tuple[datetime, datetime]:
    """The first and the last day asked for; the last 30 days without ``from`` and ``to``."""
    last = _day(call, "to", datetime.fromtimestamp(call.server.now(), UTC))
    return _day(call, "from", last - DAYS), last


def _day(call: Call, name: str, default: datetime) -> datetime:
    text = call.query.get(name)
    if text is None:
        return default.replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        day = datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        day = None
    if day is None or not re.fullmatch(_DAY, text):
        raise invalid_query(f"Object didn't pass validation for format date: {text}", name)
    return day


_FROM_TO = (
    text("from", "The first day, YYYYMMDD", pattern=f"^{_DAY}$"),
    text("to", "The last day, YYYYMMDD", pattern=f"^{_DAY}$"),
)

ROUTES = (
    endpoint(
        "GET",
        "/stats/daily",
        daily,
        scope="read:stats",
        flushes_events=True,
        query=_FROM_TO,
        answers=Items(Record("DailyStats", made=answers.DailyStatsMade)),
        operation_id="stats_get_daily",
    ),
    endpoint(
        "GET",
        "/stats/active-users",
        active_users,
        scope="read:stats",
        flushes_events=True,
        answers=Value({"type": "integer", "minimum": 0}),
        operation_id="stats_get_active_users_count",
    ),
    # Ours: Auth0 does not tell who asks more often than needed.
    endpoint(
        "GET",
        "/stats/token-requests",
        token_requests,
        scope="read:stats",
        flushes_events=True,
        query=_FROM_TO,
        answers=Items(Record("TokenRequests", made=answers.TokenRequestsMade)),
        operation_id="stats_get_token_requests",
    ),
)
