"""Who asks for tokens while holding good ones is counted, by all processes together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from gatewright.server import token_requests
from gatewright.server.store.token_requests import TokenRequestCount
from gatewright.server.token_requests import Asked, Counts, TokenRequests
from tests.databases import Database
from tests.records import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gatewright.server.store import Store, Transaction

API = "https://blog-api"
TODAY = int(NOW // 86400)
HOUR = 3600.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Database.sqlite(tmp_path) as database:
        yield database.open()


def write(store: Store, counts: Counts) -> None:
    """As the log of events does."""

    def run(tx: Transaction) -> None:
        tx.token_requests.add(counts.issued)
        tx.token_hours.add(counts)

    store.write(run)


def asked(requests: TokenRequests) -> tuple[int, int]:
    """How many tokens were asked for in all, and how many needlessly."""
    counts = requests.take()
    requests.give_back(counts)
    issued = counts.issued.values()
    return sum(each.times for each in issued), sum(each.needless for each in issued)


def on(day: int, client_id: str, times: int = 1, needless: int = 0) -> Counts:
    """Tokens that somebody had in the last hour of a day."""
    hour = day * 24 + 23
    at = hour * HOUR
    return Counts({(hour, client_id, API): Asked(times, needless, at, at)})


@pytest.mark.parametrize(
    ("seconds", "needless"), [(0, 1), (1, 1), (HOUR / 2 - 1, 1), (HOUR / 2, 0), (HOUR, 0), (2 * HOUR, 0)]
)
def test_a_request_is_needless_while_the_token_before_has_half_its_life(
    seconds: float, needless: int
) -> None:
    requests = TokenRequests()
    requests.note("one", API, ("a",), at=NOW, lifetime=HOUR)
    assert requests.note("one", API, ("a",), at=NOW + seconds, lifetime=HOUR) is bool(needless)
    assert asked(requests) == (2, needless)


def test_the_newest_token_counts(store: Store) -> None:
    requests = TokenRequests()
    for minutes in (0, 20, 40, 60):  # always 20 minutes after the one before
        requests.note("one", API, (), at=NOW + 60 * minutes, lifetime=HOUR)
    assert asked(requests) == (4, 3)
    write(store, requests.take())
    assert store.read(lambda tx: tx.token_requests.between(TODAY, TODAY)) == [
        TokenRequestCount(TODAY, "one", API, 4, 3)
    ]


def test_tokens_for_something_else_are_no_reason_to_need_none() -> None:
    requests = TokenRequests()
    for client, audience, scopes in [
        ("one", API, ("a", "b")),
        ("two", API, ("a", "b")),
        ("one", "urn:other", ("a", "b")),
        ("one", API, ("a",)),
        ("one", API, ()),
    ]:
        requests.note(client, audience, scopes, at=NOW, lifetime=HOUR)
    assert asked(requests) == (5, 0)
    requests.note("one", API, ("b", "a"), at=NOW, lifetime=HOUR)
    assert asked(requests) == (6, 1)


def test_memory_is_bounded_and_who_asked_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_requests, "MOST_KNOWN", 2)
    requests = TokenRequests()
    for client in ("one", "two", "one", "three"):
        requests.note(client, API, (), at=NOW, lifetime=HOUR)
    assert asked(requests) == (4, 1)
    requests.note("one", API, (), at=NOW, lifetime=HOUR)
    assert asked(requests) == (5, 2)
    requests.note("two", API, (), at=NOW, lifetime=HOUR)
    assert asked(requests) == (6, 2)


def test_many_threads_count_every_request() -> None:
    requests = TokenRequests()
    with ThreadPoolExecutor(8) as threads:
        for _ in range(2000):
            threads.submit(requests.note, "one", API, (), at=NOW, lifetime=HOUR)
    assert asked(requests) == (2000, 1999)


def test_processes_add_up_and_days_are_apart(store: Store) -> None:
    for counts in (
        on(TODAY, "one", 3, 1),
        on(TODAY, "two"),
        on(TODAY, "one", 4, 2),
        on(TODAY + 1, "one", 1, 1),
    ):
        write(store, counts)
    assert store.read(lambda tx: tx.token_requests.between(TODAY, TODAY + 1)) == [
        TokenRequestCount(TODAY, "one", API, 7, 3),
        TokenRequestCount(TODAY, "two", API, 1, 0),
        TokenRequestCount(TODAY + 1, "one", API, 1, 1),
    ]
    assert len(store.read(lambda tx: tx.token_requests.between(TODAY + 1, TODAY + 1))) == 1


def test_days_are_kept_for_ninety(store: Store) -> None:
    for age in (400, 90, 89, 0):
        write(store, on(TODAY - age, "one"))
    kept = store.read(lambda tx: tx.token_requests.between(0, TODAY))
    assert [each.day for each in kept] == [TODAY - 89, TODAY]


def test_counting_is_no_change_for_others_to_follow(store: Store) -> None:
    before = store.read(lambda tx: tx.revision())
    write(store, on(TODAY, "one"))
    assert store.read(lambda tx: tx.revision()) == before
