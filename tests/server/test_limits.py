"""Token quotas and rate limits, off until set: spent by all processes together, never exceeded."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from gatewright.server.app import RunningServer, start
from gatewright.server.settings import Settings
from tests.records import NOW, Clock
from tests.running import Application, Caller, caller_of, free_port
from tests.server.calling import renewed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2

AUDIENCE = "https://blog-api"
START_OF_HOUR = NOW - NOW % 3600
HEADER = "Auth0-Client-Quota-Limit"


@dataclass(slots=True)
class Pair:
    """Two servers on one database, as two processes or machines are, and a clock for both."""

    first: Caller
    second: Caller
    clock: Clock
    count: int = 0

    def application(self, **members: object) -> Application:
        """A new application that may take tokens."""
        self.count += 1
        made = self.first.create("clients", name=f"App {self.count}", app_type="non_interactive", **members)
        application = Application(made["client_id"], made["client_secret"])
        self.first.authorize(application, AUDIENCE)
        return application

    def ask(self, application: Application, *, at: Caller | None = None) -> httpx2.Response:
        """The answer to one more request for a token."""
        return (at or self.first).ask_token(application, AUDIENCE)

    def settings(self, **members: object) -> None:
        """Change the tenant's."""
        self.first.update("tenants/settings", **members)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    clock, folder = Clock(), tmp_path_factory.mktemp("limits") / "data"
    port = free_port()
    settings = Settings.load({}, data=folder, listen=f"localhost:{port}")
    with start(settings, now=clock) as first:
        other = Settings.load({}, data=folder, listen=f"localhost:{free_port()}", issuer=first.issuer)
        with start(other, now=clock) as second, _called(first) as one, _called(second, other) as two:
            one.create("resource-servers", identifier=AUDIENCE, name="Blog API")
            yield Pair(one, two, clock)


def _called(server: RunningServer, settings: Settings | None = None) -> Any:  # noqa: ANN401 - a context manager
    credentials = json.loads((server.settings.data / "cli.json").read_text())
    listen = (settings or server.settings).listen
    return caller_of(f"http://{listen}/", credentials)


@pytest.fixture(autouse=True)
def whole_windows(pair: Pair) -> Iterator[None]:
    """Each test begins a day of its own, and leaves no limit behind."""
    pair.clock.now += 86400 - pair.clock.now % 86400
    pair.first = renewed(pair.first)  # management tokens do not live that long
    yield
    pair.clock.now += 3600
    pair.first = renewed(pair.first)
    pair.settings(default_token_quota=None, rate_limits=None)


def quota(**members: object) -> dict[str, object]:
    return {"client_credentials": members}


# Quotas


def test_without_a_quota_nothing_is_said_and_nothing_refused(pair: Pair) -> None:
    answer = pair.ask(pair.application())
    assert answer.status_code == 200
    assert not [name for name in answer.headers if "limit" in name.lower()]


def test_a_quota_is_counted_down_and_refused_with_everything_a_client_needs(pair: Pair) -> None:
    application = pair.application(token_quota=quota(per_hour=3, per_day=100))
    pair.clock.now += 60
    told = [pair.ask(application).headers[HEADER] for _ in range(3)]
    assert told == [
        f"b=per_hour;q=3;r={left};t=3540,b=per_day;q=100;r={97 + left};t=86340" for left in (2, 1, 0)
    ]
    refused = pair.ask(application)
    assert (refused.status_code, refused.json()) == (
        429,
        {"error": "too_many_requests", "error_description": "Client quota exceeded"},
    )
    assert refused.headers[HEADER].startswith("b=per_hour;q=3;r=0;t=3540")
    assert refused.headers["Retry-After"] == "3540"
    assert refused.headers["X-RateLimit-Limit"] == "3"
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert refused.headers["X-RateLimit-Reset"] == str(int(pair.clock.now) + 3540)


def test_a_new_hour_begins_with_a_whole_quota_but_the_day_goes_on(pair: Pair) -> None:
    application = pair.application(token_quota=quota(per_hour=2, per_day=3))
    assert [pair.ask(application).status_code for _ in range(3)] == [200, 200, 429]
    pair.clock.now += 3600
    assert [pair.ask(application).status_code for _ in range(2)] == [200, 429]
    assert "b=per_hour;q=2;r=1" in pair.ask(application).headers[HEADER], "refused by the day, not the hour"
    pair.clock.now += 86400
    assert pair.ask(application).status_code == 200


def test_the_tenants_quota_is_for_clients_without_their_own_and_known_to_all_servers(pair: Pair) -> None:
    own, other = pair.application(token_quota=quota(per_hour=2)), pair.application()
    pair.settings(default_token_quota={"clients": quota(per_hour=1)})
    for caller in (pair.first, pair.second):
        assert "q=1;" in pair.ask(other, at=caller).headers[HEADER]
    assert [pair.ask(own).status_code for _ in range(3)] == [200, 200, 429]
    pair.settings(default_token_quota=None)
    assert HEADER not in pair.ask(other, at=pair.second).headers


@pytest.mark.parametrize("limit", [7, 150, 400])
def test_two_servers_together_never_exceed_a_quota_and_leave_at_most_a_block(pair: Pair, limit: int) -> None:
    application = pair.application(token_quota=quota(per_hour=limit))
    with ThreadPoolExecutor(4) as threads:
        asked = [pair.first, pair.second] * (limit // 2 + 20)
        answers = Counter(threads.map(lambda at: pair.ask(application, at=at).status_code, asked))
    assert set(answers) == {200, 429}
    block = max(1, limit // 100)
    assert limit - (block - 1) <= answers[200] <= limit


def test_a_quota_that_is_not_enforced_counts_and_warns_at_60_80_and_100_percent(pair: Pair) -> None:
    application = pair.application(token_quota=quota(per_hour=5, enforce=False))
    answers = [pair.ask(application) for _ in range(7)]
    assert {answer.status_code for answer in answers} == {200}
    assert "q=5;r=0" in answers[-1].headers[HEADER]
    query = {"q": f"type:token_quota_consumption_warning AND client_id:{application.client_id}"}
    warned = pair.first.manage("GET", "logs", params=query).json()
    assert sorted(event["details"]["quota_consumption_percentage"] for event in warned) == [60, 80, 100]
    assert {(event["details"]["bucket"], event["details"]["entity_type"]) for event in warned} == {
        ("per_hour", "client")
    }


def test_a_refusal_leaves_an_event(pair: Pair) -> None:
    application = pair.application(token_quota=quota(per_day=1))
    assert [pair.ask(application).status_code for _ in range(2)] == [200, 429]
    query = {"q": f"type:feccft AND client_id:{application.client_id}"}
    (event,) = pair.first.manage("GET", "logs", params=query).json()
    assert event["description"] == "Client quota exceeded"


def test_tokens_for_the_management_api_are_not_counted(pair: Pair) -> None:
    pair.settings(default_token_quota={"clients": quota(per_day=1)})
    for _ in range(3):
        answer = pair.first.ask_token(pair.first.operator, pair.first.issuer + "api/v2/")
        assert (answer.status_code, HEADER in answer.headers) == (200, False)


def test_what_is_refused_before_costs_nothing(pair: Pair) -> None:
    application = pair.application(token_quota=quota(per_day=1))
    assert pair.first.ask_token(application, AUDIENCE, scope="not:granted").status_code == 403
    assert pair.first.ask_token(Application(application.client_id, "wrong"), AUDIENCE).status_code == 401
    assert pair.ask(application).status_code == 200


# Rate limits


def test_a_rate_limit_of_the_token_endpoint_is_for_each_client(pair: Pair) -> None:
    busy, quiet = pair.application(), pair.application()
    pair.settings(rate_limits={"token_endpoint": {"per_minute": 10}})
    answers = [pair.ask(busy) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert [answers[0].headers[f"X-RateLimit-{name}"] for name in ("Limit", "Remaining")] == ["10", "9"]
    assert answers[-1].json()["error_description"] == "Global limit has been reached"
    assert answers[-1].headers["Retry-After"] == "60"
    assert pair.ask(quiet).status_code == 200
    pair.clock.now += 60
    assert pair.ask(busy).status_code == 200


def test_strangers_cannot_spend_a_clients_rate(pair: Pair) -> None:
    application = pair.application()
    pair.settings(rate_limits={"token_endpoint": {"per_minute": 10}})
    for _ in range(12):
        answer = pair.first.ask_token(Application(application.client_id, "guessed"), AUDIENCE)
        assert answer.status_code == 401
    assert pair.ask(application).status_code == 200


def test_a_rate_limit_of_the_management_api_answers_in_its_own_format(pair: Pair) -> None:
    pair.settings(rate_limits={"management_api": {"per_minute": 10}})
    answers = [pair.first.manage("GET", "clients") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[-1].json() == {
        "statusCode": 429,
        "error": "Too Many Requests",
        "message": "Global limit has been reached",
        "errorCode": "too_many_requests",
    }
    assert "Retry-After" in answers[-1].headers
    pair.clock.now += 60


@pytest.mark.parametrize(
    "limits",
    [
        {"token_endpoint": {"per_minute": 9}},
        {"token_endpoint": {"per_minute": "10"}},
        {"token_endpoint": {"per_hour": 10}},
        {"other": {"per_minute": 10}},
        {"token_endpoint": {}},
    ],
)
def test_limits_that_cannot_be_are_refused(pair: Pair, limits: object) -> None:
    answer = pair.first.manage("PATCH", "tenants/settings", json={"rate_limits": limits})
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "invalid_body")
