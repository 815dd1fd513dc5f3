"""What goes wrong in front of a throw-away server: where and as long as it should, and nowhere else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx2
import pytest

from gatewright import Denied, Guard, Request
from gatewright.testing import Refused, ThrowawayServer, server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatewright.testing import Application

AUDIENCE = "https://blog-api"


@pytest.fixture(scope="module", params=[0, None], ids=["port", "in process"])
def shared(request: pytest.FixtureRequest) -> Iterator[ThrowawayServer]:
    with server(port=request.param) as made:
        made.api(AUDIENCE, scopes=["read:blog"])
        made.app("Reader", grants={AUDIENCE: ["read:blog"]})
        yield made


@pytest.fixture
def running(shared: ThrowawayServer) -> Iterator[ThrowawayServer]:
    yield shared
    shared.faults.clear()
    shared.clock.reset()


@pytest.fixture
def reader(running: ThrowawayServer) -> Application:
    return running.app("Reader")


def token(running: ThrowawayServer) -> str:
    return running.token(running.app("Reader"), AUDIENCE)


def status(running: ThrowawayServer, path: str) -> object:
    try:
        return running.fetch(running.issuer + path)[0]
    except OSError:
        return "no answer"


EVERYWHERE = ("oauth/token", ".well-known/jwks.json", "api/v2/clients", "health/live")


def statuses(running: ThrowawayServer) -> list[object]:
    return [status(running, path) for path in EVERYWHERE]


SOUND = [405, 200, 401, 200]


@pytest.mark.parametrize(
    ("at", "met"),
    [("token", [0]), ("jwks", [1]), ("management", [2]), ("everything", [0, 1, 2, 3])],
)
@pytest.mark.parametrize(
    ("kind", "answer"), [("rate_limit", 429), ("unavailable", 503), ("outage", "no answer")]
)
def test_fault_is_where_it_was_asked_for_and_nowhere_else(
    running: ThrowawayServer, kind: str, answer: object, at: str, met: list[int]
) -> None:
    with getattr(running.faults, kind)(at=at):
        during = statuses(running)
    assert during == [answer if place in met else sound for place, sound in enumerate(SOUND)]
    assert statuses(running) == SOUND


def test_too_many_requests_say_when_to_come_back_in_the_format_of_each_door(
    running: ThrowawayServer, reader: Application
) -> None:
    with running.faults.rate_limit(retry_after=30), pytest.raises(Refused) as refused:
        running.token(reader, AUDIENCE)
    assert (refused.value.status, refused.value.body) == (
        429,
        {"error": "too_many_requests", "error_description": "Global limit has been reached"},
    )
    with running.faults.rate_limit(retry_after=30, at="everything"):
        _, headers, _ = running.fetch(running.url + "oauth/token")
        assert dict(headers)["retry-after"] == "30"
        _, _, body = running.fetch(running.url + "api/v2/clients")
        assert b'"errorCode":"too_many_requests"' in body


def test_number_of_times_ends_a_fault(running: ThrowawayServer, reader: Application) -> None:
    running.faults.rate_limit(times=2)
    for _ in range(2):
        with pytest.raises(Refused):
            running.token(reader, AUDIENCE)
    assert running.token(reader, AUDIENCE)


def test_fault_is_a_switch_too_and_clear_ends_all(running: ThrowawayServer, reader: Application) -> None:
    fault = running.faults.outage(at="token")
    with pytest.raises(ConnectionError, match="No server answers"):
        running.token(reader, AUDIENCE)
    fault.end()
    fault.end()
    assert running.token(reader, AUDIENCE)
    running.faults.outage()
    running.faults.unavailable(at="jwks")
    running.faults.clear()
    assert statuses(running) == SOUND


def test_outage_does_not_tie_the_hands_of_the_test(running: ThrowawayServer) -> None:
    with running.faults.outage():
        running.rotate_keys()
        reader = running.app("Reader", grants={AUDIENCE: ["read:blog"]})
        assert running.management.get(f"clients/{reader.client_id}")["name"] == "Reader"


def test_slow_keys_take_their_time_and_other_answers_do_not(running: ThrowawayServer) -> None:
    with running.faults.slow(0.3):
        begun = time.monotonic()
        assert status(running, ".well-known/jwks.json") == 200
        assert time.monotonic() - begun >= 0.3
        assert token(running)


def test_place_that_is_none_is_told(running: ThrowawayServer) -> None:
    with pytest.raises(ValueError, match="at is one of everything, token, jwks, management, not 'keys'"):
        running.faults.slow(1, at="keys")  # type: ignore[arg-type]


def answer(guard: Guard, sent: str) -> str:
    try:
        guard.check(Request("GET", "/blogs", [("Authorization", f"Bearer {sent}")]))
    except Denied as refusal:
        return refusal.reason
    return "accepted"


def test_guard_outlives_an_outage_of_the_keys_and_a_new_one_says_so(running: ThrowawayServer) -> None:
    def guarding() -> Guard:
        return Guard(running.issuer, audience=AUDIENCE, fetch=running.fetch, now=running.clock)

    known, sent = guarding(), token(running)
    assert answer(known, sent) == "accepted"
    with running.faults.outage(at="jwks"):
        running.clock.forward(3600)
        assert answer(known, sent) == "accepted"
        assert answer(guarding(), sent) == "keys_unavailable"


def test_connection_is_cut_and_nothing_is_logged_as_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    with server() as made:
        with made.faults.outage(), pytest.raises(httpx2.TransportError):
            httpx2.get(made.url + "health/live")
        with made.faults.outage(), pytest.raises(httpx2.TransportError):
            httpx2.post(made.url + "oauth/token", content=b"x" * 100_000)
        assert httpx2.get(made.url + "health/live").status_code == 200
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
