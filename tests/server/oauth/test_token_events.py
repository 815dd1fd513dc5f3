"""What the log says of token requests: `seccft` and `feccft`, with Auth0's members and never a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.server.calling import ABSENT, AUDIENCE

if TYPE_CHECKING:
    import httpx2

    from tests.records import Clock
    from tests.running import Application, Caller
    from tests.server.calling import Asking

REQUIRED = {
    "audience",
    "client_name",
    "description",
    "environment_name",
    "hostname",
    "ip",
    "log_id",
    "tenant_name",
    "type",
}
"""What Auth0's log schema demands of both kinds."""


def events_of(caller: Caller, *answers: httpx2.Response) -> list[dict[str, Any]]:
    """The events of just these requests, newest first; all of them are among the newest hundred."""
    wanted = {answer.headers["X-Request-Id"] for answer in answers}
    events = caller.manage("GET", "logs", params={"per_page": 100}).json()
    return [event for event in events if event["details"]["request_id"] in wanted]


def event_of(caller: Caller, answer: httpx2.Response) -> dict[str, Any]:
    """The one event that a request left."""
    (event,) = events_of(caller, answer)
    return event


def test_token_leaves_a_success_with_every_member(caller: Caller, ask: Asking, author: Application) -> None:
    event = event_of(caller, ask.form({"User-Agent": "tests/1"}, scope="create:blog"))

    assert event.keys() >= REQUIRED
    assert event["type"] == "seccft"
    assert event["client_id"] == author.client_id
    assert event["client_name"] == "Author"
    assert event["audience"] == AUDIENCE
    assert event["scope"] == "create:blog"
    assert event["ip"] in {"127.0.0.1", "::1"}
    assert event["user_agent"] == "tests/1"
    assert (event["hostname"], event["tenant_name"]) == ("localhost", "localhost")


def test_event_is_dated_by_the_clock_and_its_id_begins_as_auth0s(
    caller: Caller, ask: Asking, moving_clock: Clock
) -> None:
    moving_clock.now += 3600.5

    event = event_of(caller, ask.form())

    assert event["date"] == "2027-01-15T09:00:00.500Z"
    assert event["_id"] == event["log_id"]
    assert len(event["log_id"]) == 56
    assert event["log_id"].startswith("90020270115090000500000")
    assert event["log_id"].isdigit()


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"client_secret": "wrong"}, "access_denied"),
        ({"client_secret": ABSENT}, "access_denied"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"audience": "https://nowhere.example/"}, "access_denied"),
        ({"audience": ABSENT}, "access_denied"),
        ({"scope": "delete:blog"}, "access_denied"),
        ({"organization": "org_1"}, "access_denied"),
    ],
)
def test_refusal_leaves_a_failure_with_every_member(
    caller: Caller, ask: Asking, author: Application, changed: dict[str, object], error: str
) -> None:
    answer = ask.form(**changed)

    event = event_of(caller, answer)
    assert event.keys() >= REQUIRED
    assert event["type"] == "feccft"
    assert event["client_id"] == author.client_id
    assert event["client_name"] == "Author"
    assert event["description"] == answer.json()["error_description"]
    assert event["details"]["error"] == error == answer.json()["error"]


def test_unknown_client_is_named_nowhere_in_the_event(caller: Caller, ask: Asking) -> None:
    event = event_of(caller, ask.form(client_id="a client id\nof a stranger"))

    assert event["type"] == "feccft"
    assert event.keys() >= REQUIRED
    assert "client_id" not in event
    assert event["client_name"] == ""
    assert "stranger" not in str(event)


@pytest.mark.parametrize("changed", [{"grant_type": ABSENT}, {"client_id": ABSENT}])
def test_request_that_names_no_client_leaves_no_event(
    caller: Caller, ask: Asking, changed: dict[str, object]
) -> None:
    answer = ask.form(**changed)

    assert answer.status_code == 400
    assert events_of(caller, answer) == []


def test_event_stays_small_whatever_is_sent(caller: Caller, ask: Asking) -> None:
    answer = ask.json(
        {"User-Agent": "u" * 10_000}, audience="a" * 20_000, scope="s" * 20_000, client_id="c" * 9000
    )

    assert len(str(event_of(caller, answer))) < 5000


def test_no_secret_and_no_token_is_in_any_event(caller: Caller, ask: Asking, author: Application) -> None:
    token = ask.form().json()["access_token"]
    ask.form(client_secret="a wrong secret of a person")
    ask.form(client_id="nobody", client_secret=author.client_secret)

    events = caller.manage("GET", "logs", params={"per_page": 100}).text

    assert author.client_secret not in events
    assert "a wrong secret" not in events
    assert token.split(".")[2] not in events


def test_every_request_has_one_event_and_their_order_is_kept(caller: Caller, ask: Asking) -> None:
    answers = [ask.form() for _ in range(30)]

    events = events_of(caller, *answers)

    expected = [answer.headers["X-Request-Id"] for answer in reversed(answers)]
    assert [event["details"]["request_id"] for event in events] == expected
