"""`/api/v2/logs`: searching, paging, and following by checkpoint (auth0-wire 3.9)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from gatewright.server.events import Caller as Who
from gatewright.server.events import log_event
from gatewright.server.model import EventType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx2

    from gatewright.server.app import RunningServer
    from gatewright.server.model import LogEvent
    from tests.records import Clock
    from tests.running import Application, Caller


@pytest.fixture(scope="module")
def applications(caller: Caller, clock: Clock) -> tuple[Application, Application]:
    """Two applications: the first was refused twice and got a token, the second was refused once."""
    first, second = caller.application("First"), caller.application("Second")
    caller.create("resource-servers", identifier="urn:logged")
    caller.authorize(first, "urn:logged")
    for application, audience in (
        (first, "urn:a"),
        (first, "urn:logged"),
        (second, "urn:b"),
        (first, "urn:c"),
    ):
        clock.now += 1
        caller.ask_token(application, audience)
    return first, second


def logs(caller: Caller, **params: str | int) -> list[dict[str, Any]]:
    answer = caller.manage("GET", "logs", params=params)
    assert answer.status_code == 200, answer.text
    events: list[dict[str, Any]] = answer.json()
    return events


def event_at(running: RunningServer, date: float) -> LogEvent:
    """An event as another worker records it."""
    return log_event(
        EventType.CLIENT_CREDENTIALS_REFUSED,
        date=date,
        source=running.server.source,
        caller=Who("127.0.0.1", "", "another-worker"),
        description="",
    )


def following(answer: httpx2.Response) -> str:
    """The address of the `Link` header."""
    match = re.fullmatch('<(.+)>; rel="next"', answer.headers["Link"])
    assert match
    return match[1]


@pytest.mark.usefixtures("applications")
def test_newest_events_come_first(caller: Caller) -> None:
    events = logs(caller)

    ids = [event["log_id"] for event in events]
    assert ids == sorted(ids, reverse=True)
    assert events[0]["audience"] == "urn:c"


@pytest.mark.usefixtures("applications")
def test_order_is_chosen_by_sort(caller: Caller) -> None:
    newest_first, oldest_first = logs(caller, sort="date:-1"), logs(caller, sort="date:1")

    assert newest_first == oldest_first[::-1]
    assert newest_first == logs(caller)


def test_search_by_type_and_client(caller: Caller, applications: tuple[Application, Application]) -> None:
    first, second = (application.client_id for application in applications)

    def found(query: str) -> list[str]:
        return [event.get("audience", "-") for event in logs(caller, q=query)]

    assert found("type:feccft") == ["urn:c", "urn:b", "urn:a"]
    assert found(f"client_id:{first}") == ["urn:c", "urn:logged", "urn:a"]
    assert found(f"type:feccft AND client_id:{first}") == ["urn:c", "urn:a"]
    assert found(f"client_id:{second} type:feccft") == ["urn:b"]
    assert found(f'type:"seccft" client_id:"{first}"') == ["urn:logged"]
    assert found("type:nothing") == found("client_id:nobody") == found('type:""') == []
    assert len(found("")) == len(found(" ")) == len(logs(caller))


def test_one_event_is_found_by_its_id_in_both_ways(
    caller: Caller, applications: tuple[Application, Application]
) -> None:
    assert applications
    event = logs(caller)[2]

    assert logs(caller, q=f"log_id:{event['log_id']}") == [event]
    assert caller.manage("GET", f"logs/{event['log_id']}").json() == event


def test_unknown_event_is_not_found(caller: Caller, refused: Callable[..., None]) -> None:
    refused(caller.manage("GET", "logs/900"), 404, "The log event does not exist", "inexistent_log")


def test_long_search_is_refused_quickly(caller: Caller) -> None:
    for query in ("type:a " * 5000 + "!", "a" * 30_000, 'type:"' * 5000, "type:" + " " * 30_000):
        assert caller.manage("GET", "logs", params={"q": query}).elapsed.total_seconds() < 5


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"sort": "date:2"}, "'No enum match for: date:2' on property sort."),
        ({"sort": "type:1"}, "'No enum match for: type:1' on property sort."),
        ({"per_page": "101"}, "'Value 101 is greater than maximum 100' on property per_page."),
        ({"from": "abc"}, "'Expected a log_id' on property from."),
        ({"from": "9' OR 1"}, "'Expected a log_id' on property from."),
        ({"take": "101"}, "'Value 101 is greater than maximum 100' on property take."),
        ({"take": "0"}, "'Value 0 is less than minimum 1' on property take."),
    ],
)
def test_value_that_cannot_be_is_refused(
    caller: Caller, refused: Callable[..., None], params: Mapping[str, str], message: str
) -> None:
    answer = caller.manage("GET", "logs", params=params)

    refused(answer, 400, f"Query validation error: {message}", "invalid_query_string")


@pytest.mark.usefixtures("applications")
def test_pages_and_totals_as_with_other_lists(caller: Caller) -> None:
    every = logs(caller, per_page=100)
    params: dict[str, str | int] = {"page": 1, "per_page": 2, "include_totals": "true"}

    answer = caller.manage("GET", "logs", params=params).json()

    assert list(answer) == ["start", "limit", "length", "logs", "total"]
    assert (answer["total"], answer["start"], answer["limit"], answer["length"]) == (len(every), 2, 2, 2)
    assert answer["logs"] == every[2:4] == logs(caller, page=1, per_page=2)
    assert logs(caller, page=1000) == []


@pytest.mark.usefixtures("applications")
def test_checkpoint_leads_from_the_oldest_event_to_the_newest(caller: Caller, clock: Clock) -> None:
    every = logs(caller, sort="date:1", per_page=100)
    clock.now += 1.1

    address, collected = caller.issuer + "api/v2/logs?take=2", list[dict[str, Any]]()
    for _ in range(len(every)):
        answer = caller.manage("GET", address.removeprefix(caller.issuer + "api/v2/"))
        assert len(answer.json()) <= 2
        collected += answer.json()
        address = following(answer)
        assert address.startswith(caller.issuer + "api/v2/logs?from=")

    assert collected == every
    assert address.startswith(f"{caller.issuer}api/v2/logs?from={every[-1]['log_id']}&")


@pytest.mark.usefixtures("applications")
def test_checkpoint_ignores_every_other_parameter(caller: Caller, clock: Clock) -> None:
    clock.now += 1.1
    checkpoint = logs(caller, sort="date:1")[0]["log_id"]
    params: dict[str, str | int] = {
        "from": checkpoint,
        "take": 3,
        "q": "nonsense",
        "sort": "nonsense",
        "include_totals": "true",
    }

    assert caller.manage("GET", "logs", params=params).json() == logs(caller, sort="date:1")[1:4]


def test_whoever_follows_gets_what_happens_next_once_it_is_settled(caller: Caller, clock: Clock) -> None:
    last = logs(caller, per_page=1)[0]["log_id"]
    waiting = caller.manage("GET", "logs", params={"from": last, "take": 10})
    assert waiting.json() == []
    path = following(waiting).removeprefix(caller.issuer + "api/v2/")

    answer = caller.ask_token(caller.operator, "urn:next")

    clock.now += 0.9
    assert caller.manage("GET", path).json() == []
    clock.now += 0.2
    (event,) = caller.manage("GET", path).json()
    assert event["details"]["request_id"] == answer.headers["X-Request-Id"]


def test_event_that_another_worker_writes_late_is_not_passed(
    caller: Caller, clock: Clock, running: RunningServer
) -> None:
    clock.now += 2
    last = logs(caller, per_page=1)[0]["log_id"]
    early, late = event_at(running, clock.now), event_at(running, clock.now + 0.05)
    write = running.server.store.write

    write(lambda tx: tx.events.append([late]))
    clock.now += 0.1
    assert caller.manage("GET", "logs", params={"from": last}).json() == []
    write(lambda tx: tx.events.append([early]))
    clock.now += 2

    followed = caller.manage("GET", "logs", params={"from": last}).json()
    assert [event["log_id"] for event in followed] == [early.log_id, late.log_id]


def test_answer_holds_every_token_event_before_it(caller: Caller) -> None:
    for round_ in range(20):
        answer = caller.ask_token(caller.operator, f"urn:flush:{round_}")

        newest = logs(caller, q="type:feccft", per_page=1)[0]

        assert newest["details"]["request_id"] == answer.headers["X-Request-Id"]


def test_link_never_names_the_host_of_the_request(caller: Caller) -> None:
    token = caller.token(caller.operator, caller.issuer + "api/v2/")
    headers = {"Authorization": f"Bearer {token}", "Host": "evil.example"}

    answer = caller.http.get("api/v2/logs?take=1", headers=headers)

    assert answer.status_code == 200
    assert following(answer).startswith(caller.issuer)
