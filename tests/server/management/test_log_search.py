"""`q` of `/api/v2/logs`: what it finds, and that nothing in it is SQL (auth0-wire 3.9)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from gatewright.server.events import Caller as Who
from gatewright.server.events import Source, log_event
from gatewright.server.model import EventType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gatewright.server.app import RunningServer
    from gatewright.server.model import LogEvent
    from tests.running import Caller

OLD = datetime(2001, 1, 1, tzinfo=UTC).timestamp()
DAY = 86400.0
ISSUED, REFUSED, CHANGED = (
    EventType.CLIENT_CREDENTIALS_EXCHANGED,
    EventType.CLIENT_CREDENTIALS_REFUSED,
    EventType.MANAGEMENT_WRITE,
)


def made(days: float, type_: EventType, ip: str = "10.0.0.1", **more: Any) -> LogEvent:  # noqa: ANN401
    """An event of long ago."""
    who = Who(ip, "agent", f"search-{days}")
    source = Source("t", "h")
    return log_event(
        type_, date=OLD + days * DAY, source=source, caller=who, **{"description": "Done", **more}
    )


@pytest.fixture(scope="module", autouse=True)
def _events(running: RunningServer) -> None:
    events = [
        made(0, ISSUED, client_id="one", client_name="Blog reader", audience="https://a/b:1"),
        made(1, REFUSED, client_id="one", client_name="Blog reader", audience="urn:x"),
        made(
            2, REFUSED, client_id="two", client_name="Other 100%", ip="10.0.0.2", description="Client is off"
        ),
        made(3, CHANGED, description='Say "hi" (now)'),
    ]
    running.server.store.write(lambda tx: tx.events.append(events))


@pytest.fixture
def found(caller: Caller) -> Callable[[str], Sequence[int]]:
    """`found(query)`: the days of the events that it finds, oldest first, among those of this file."""

    def days(query: str) -> list[int]:
        params: dict[str, str | int] = {
            "q": f"({query}) AND date:[2001-01-01 TO 2001-12-31]",
            "sort": "date:1",
            "per_page": 100,
        }
        answer = caller.manage("GET", "logs", params=params)
        assert answer.status_code == 200, answer.text
        dates = [datetime.fromisoformat(event["date"]).timestamp() for event in answer.json()]
        return [round((date - OLD) / DAY) for date in dates]

    return days


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("type:feccft", [1, 2]),
        ("type:(seccft OR sapi)", [0, 3]),
        ("type:f*", [1, 2]),
        ('type:"f*"', []),
        ("type:feccft OR type:sapi", [1, 2, 3]),
        ("type:feccft || type:sapi", [1, 2, 3]),
        ("type:feccft AND client_id:one", [1]),
        ("type:feccft && client_id:one", [1]),
        ("type:feccft client_id:one", [1]),
        ("type:sapi OR type:feccft AND client_id:one", [1, 3]),
        ("(type:sapi OR type:feccft) AND client_id:one", [1]),
        ("NOT client_id:one", [2, 3]),
        ("!client_id:one", [2, 3]),
        ("NOT (type:feccft OR type:sapi)", [0]),
        ("NOT NOT type:sapi", [3]),
        ("client_id:*", [0, 1, 2]),
        ("NOT client_id:*", [3]),
        ("client_name:blog", [0, 1]),
        ('client_name:"BLOG READER"', [0, 1]),
        ("client_name:Blog*", [0, 1]),
        ('client_name:"100%"', [2]),
        ("client_name:%", [2]),
        ("client_name:_", []),
        ("audience:urn:x", [1]),
        ("audience:https://a/b:1", [0]),
        ('audience:"https://a/b:1"', [0]),
        ("audience:https*", [0]),
        ("audience:(urn:x OR https://a/b:1) type:feccft", [1]),
        ("ip:10.0.0.2", [2]),
        ("ip:10.0.0.*", [0, 1, 2, 3]),
        ("description:off", [2]),
        (r'description:"say \"hi\" (now)"', [3]),
        ("blog", [0, 1]),
        ("done NOT type:seccft", [1]),
        ("date:2001-01-02", [1]),
        ("date:[2001-01-02 TO *]", [1, 2, 3]),
        ("date:[* TO 2001-01-02]", [0, 1]),
        ("date:[2001-01-02 TO 2001-01-03]", [1, 2]),
        ("date:{2001-01-02 TO 2001-01-04}", [2]),
        ("date:[2001-01-02T00:00:00Z TO 2001-01-03T00:00:00.000Z]", [1, 2]),
        ("date:[2001-01-02T00:00:01Z TO *]", [2, 3]),
        ('date:["2001-01-02T00:00:00+00:00" TO *]', [1, 2, 3]),
        ("tenant_name:t hostname:h", [0, 1, 2, 3]),
        ("user_id:auth0|x", []),
    ],
)
def test_search_finds(found: Callable[[str], Sequence[int]], query: str, days: Sequence[int]) -> None:
    assert found(query) == days


@pytest.mark.parametrize(
    "value", ["x' OR '1'='1", 'x") OR 1=1 --', "'); DROP TABLE log_events; --", "\\", "%' OR 1=1"]
)
def test_nothing_in_a_value_is_sql(found: Callable[[str], Sequence[int]], value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    for field in ("type", "client_name", "audience"):
        assert found(f'{field}:"{quoted}"') == []
    assert found("type:sapi") == [3]


FIELDS = """_id, audience, client_id, client_name, connection, date, description, details.reason,
details.request_id, environment_name, hostname, ip, log_id, scope, tenant_name, type, user_agent,
user_id, user_name""".replace("\n", " ")


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("colour:red", f"colour cannot be searched, only {FIELDS}"),
        ("type:", "The query ends too early"),
        ("type:a AND", "The query ends too early"),
        ("NOT", "The query ends too early"),
        ("AND type:a", "Unexpected AND"),
        ("type:a OR OR type:b", "Unexpected OR"),
        ("(type:a", "A parenthesis is not closed"),
        ("type:a)", "Unexpected )"),
        ("()", "Unexpected )"),
        ("type:(a AND b)", "Values in parentheses are joined by OR"),
        ("type:[a TO b]", "A range is [from TO to] of a date"),
        ("date:[2026-01-01]", "A range is [from TO to] of a date"),
        ("date:[yesterday TO *]", "yesterday is no date"),
        ("date:9999-12-31", "9999-12-31 is no date"),
        ("date:tomorrow", "tomorrow is no date"),
        ('type:"open', "Unexpected text at position 5"),
        ('client_name:"\x00"', "The query holds a NUL"),
        ("(" * 21 + "type:a" + ")" * 21, "The query is nested deeper than 20"),
        ("NOT " * 21 + "type:a", "The query is nested deeper than 20"),
        ("type:a " * 150, "The query has more than 200 parts"),
        ("(" * 201, "The query has more than 200 parts"),
        ("a" * 4097, "The query is longer than 4096 characters"),
    ],
)
def test_search_that_is_not_understood_is_refused(
    caller: Caller, refused: Callable[..., None], query: str, detail: str
) -> None:
    answer = caller.manage("GET", "logs", params={"q": query})

    refused(answer, 400, f"Query validation error: '{detail}' on property q.", "invalid_query_string")


def test_deep_search_is_answered(caller: Caller) -> None:
    for query in ("(" * 20 + "type:a" + ")" * 20, "NOT " * 20 + "type:a", "type:a OR " * 66 + "type:b"):
        assert caller.manage("GET", "logs", params={"q": query}).status_code == 200


def test_fields_choose_members(caller: Caller) -> None:
    def members(**params: str) -> Mapping[str, Any]:
        event: Mapping[str, Any] = caller.manage("GET", "logs", params={"q": "type:sapi", **params}).json()[0]
        return event

    whole = members()
    assert members(fields="type,log_id") == {"type": "sapi", "log_id": whole["log_id"]}
    assert members(fields="details", include_fields="false").keys() == whole.keys() - {"details"}


def test_a_search_answers_a_thousand_events_at_most(running: RunningServer, caller: Caller) -> None:
    many = [made(1000, ISSUED, client_id="many") for _ in range(1010)]
    running.server.store.write(lambda tx: tx.events.append(many))

    def page(number: int) -> Any:  # noqa: ANN401 - an object
        params: dict[str, str | int] = {
            "q": "client_id:many",
            "page": number,
            "per_page": 100,
            "include_totals": "true",
        }
        return caller.manage("GET", "logs", params=params).json()

    assert [len(page(number)["logs"]) for number in (9, 10)] == [100, 0]
    assert page(0)["total"] == 1000
