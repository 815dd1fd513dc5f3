"""``/api/v2/stats``: how much the server was used, counted in the log of events.

Machines do not log in: a token issued is a login, and a client that got one is an active user.
"""

from datetime import UTC, datetime, timedelta

from gatewright.server.events import iso_time
from gatewright.server.management.endpoint import Call, endpoint
from gatewright.server.management.schema import invalid_query
from gatewright.server.model import EventType

DAYS = timedelta(days=30)


def daily(call: Call) -> object:
    """Tokens issued a day, by UTC; without ``from`` and ``to`` the last 30 days."""
    now = datetime.fromtimestamp(call.server.now(), UTC)
    last = _day(call, "to", now)
    first = _day(call, "from", last - DAYS)
    days = call.tx.events.by_day(
        EventType.CLIENT_CREDENTIALS_EXCHANGED,
        since=first.timestamp(),
        until=(last + timedelta(days=1)).timestamp(),
    )
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
    return call.tx.events.clients_seen(EventType.CLIENT_CREDENTIALS_EXCHANGED, since=since)


def _day(call: Call, name: str, default: datetime) -> datetime:
    text = call.query.get(name)
    if text is None:
        return default.replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise invalid_query(f"Object didn't pass validation for format date: {text}", name) from error


ROUTES = (
    endpoint("GET", "/stats/daily", daily, scope="read:stats", flushes_events=True),
    endpoint("GET", "/stats/active-users", active_users, scope="read:stats", flushes_events=True),
)
