from __future__ import annotations

import json
import logging
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DatabaseError

from gatewright.server import events
from gatewright.server.app import start
from gatewright.server.bootstrap import open_store
from gatewright.server.errors import StoreUnavailable
from gatewright.server.events import Caller, EventLog, Source, iso_time, log_event, new_log_id
from gatewright.server.model import EventType, LogEvent
from gatewright.server.settings import Settings
from gatewright.server.store import Page
from tests.databases import Database
from tests.records import NOW, event
from tests.running import caller_of, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gatewright.server.store import Store


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.sqlite(tmp_path) as database:
        yield database


@pytest.fixture
def store(database: Database) -> Store:
    return database.open()


@pytest.fixture
def log(store: Store) -> Iterator[EventLog]:
    log = EventLog(store)
    yield log
    log.close()


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log's own thread waits for longer than a test lasts: what is written, the test itself flushed."""
    monkeypatch.setattr(events, "BATCH_EVERY", 60.0)


def written(store: Store) -> list[LogEvent]:
    return list(store.read(lambda tx: tx.events.after("", 10_000)))


def count(store: Store) -> int:
    return store.read(lambda tx: tx.events.page(Page(limit=1)).total)


def wait_until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


def seconds_until_written(store: Store, log: EventLog) -> float:
    before = count(store)
    begun = time.monotonic()
    log.record(event())
    wait_until(lambda: count(store) > before)
    return time.monotonic() - begun


def test_an_event_is_on_disk_a_tenth_of_a_second_later(store: Store, log: EventLog) -> None:
    # The quickest of a few: a busy machine may delay any one of them.
    assert min(seconds_until_written(store, log) for _ in range(5)) < 0.1


@pytest.mark.usefixtures("_patient")
def test_what_was_recorded_is_there_after_a_flush(store: Store, log: EventLog) -> None:
    happened = [event(NOW + number) for number in range(5)]
    for each in happened[:3]:
        log.record(each)
    assert written(store) == []
    log.flush()
    assert written(store) == happened[:3]
    for each in happened[3:]:
        log.record(each)
    log.flush()
    log.flush()
    assert written(store) == happened


@pytest.mark.usefixtures("_patient")
def test_a_close_writes_all_that_was_recorded_and_does_not_wait(store: Store) -> None:
    log = EventLog(store)
    happened = [event(NOW + number) for number in range(1000)]
    for each in happened:
        log.record(each)
    begun = time.monotonic()
    log.close()
    assert written(store) == happened
    assert time.monotonic() - begun < 10


def test_recording_from_many_threads_loses_nothing(store: Store, log: EventLog) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: log.record(event(NOW + number)), range(2000)))
        list(threads.map(lambda _: log.flush(), range(8)))
    assert len(written(store)) == 2000


@pytest.mark.usefixtures("_patient")
def test_a_server_that_stops_writes_the_events_of_its_last_requests(tmp_path: Path) -> None:
    settings = Settings.load({}, data=tmp_path / "data", listen=f"localhost:{free_port()}")
    with start(settings) as server:
        credentials = json.loads((settings.data / "cli.json").read_text())
        with caller_of(server.issuer, credentials) as caller:
            caller.token(caller.operator, settings.management_audience)
    again = open_store(settings)
    [happened] = written(again)
    again.close()
    assert (happened.type.value, happened.client_id) == ("seccft", credentials["client_id"])


@pytest.fixture
def blocker(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """A foreign program that holds the database's write lock, for which stores wait a moment only."""
    monkeypatch.setattr("gatewright.server.store.database.BUSY_TIMEOUT", 0.1)
    database.open()
    connection = sqlite3.connect(str(make_url(database.url).database), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


@pytest.mark.usefixtures("_patient")
def test_while_the_database_is_away_nothing_is_lost_and_the_order_is_kept(
    blocker: sqlite3.Connection, database: Database
) -> None:
    store = database.opened[0]
    log = EventLog(store)
    happened = [event(NOW + number) for number in range(6)]
    with ThreadPoolExecutor(1) as threads:
        for first, second in zip(happened[::2], happened[1::2], strict=True):
            log.record(first)
            flushing = threads.submit(log.flush)
            log.record(second)  # while the first one is tried to be written, most of the time
            with pytest.raises(StoreUnavailable):
                flushing.result()
    assert list(log._buffer) == happened  # noqa: SLF001 - the order in which they wait
    blocker.execute("ROLLBACK")
    log.flush()
    assert written(store) == happened
    log.close()


@pytest.mark.usefixtures("_patient")
def test_while_the_database_is_away_the_latest_use_of_a_secret_is_kept(
    blocker: sqlite3.Connection, database: Database
) -> None:
    store = database.opened[0]
    log = EventLog(store)
    log.note_use("one", "a", NOW)
    log.note_use("one", "b", NOW)
    with pytest.raises(StoreUnavailable):
        log.flush()
    log.note_use("one", "b", NOW + 1)
    blocker.execute("ROLLBACK")
    log.flush()
    assert store.read(lambda tx: tx.secret_uses.of("one")) == {"a": NOW, "b": NOW + 1}
    log.close()


def test_the_log_goes_on_by_itself_when_the_database_is_back(
    blocker: sqlite3.Connection, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    store = database.opened[0]
    log = EventLog(store)
    log.record(event(NOW))
    wait_until(lambda: "log events cannot be written now" in caplog.messages)
    log.record(event(NOW + 1))
    blocker.execute("ROLLBACK")
    wait_until(lambda: count(store) == 2)
    log.close()


def test_a_close_while_the_database_is_away_ends_and_says_what_was_lost(
    blocker: sqlite3.Connection,  # noqa: ARG001 - it stays locked
    database: Database,
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = EventLog(database.opened[0])
    log.record(event())
    log.close()
    lost = [record for record in caplog.records if "lost" in record.getMessage()]
    assert [(record.levelno, record.__dict__["lost"]) for record in lost] == [(logging.ERROR, 1)]


def test_a_failure_nobody_thought_of_neither_loses_events_nor_ends_the_log(
    database: Database, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    file = Path(str(make_url(database.url).database))
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    sound = file.read_bytes()
    log = EventLog(store)
    file.write_bytes(b"damaged!" * (len(sound) // 8))
    log.record(event(NOW))
    wait_until(lambda: "log events cannot be written now" in caplog.messages)
    with pytest.raises(DatabaseError):
        log.flush()
    file.write_bytes(sound)
    log.record(event(NOW + 1))
    wait_until(lambda: count(store) == 2)
    log.close()


@pytest.mark.usefixtures("_patient")
def test_more_than_can_wait_is_dropped_and_counted_the_newest_first(
    store: Store, log: EventLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(events, "MOST_BUFFERED", 10)
    happened = [event(NOW + number) for number in range(25)]
    for each in happened:
        log.record(each)
    assert log.dropped == 15
    assert len(caplog.records) == 1  # said once, not for each
    log.flush()
    assert written(store) == happened[:10]
    log.record(happened[24])
    log.flush()
    assert written(store) == [*happened[:10], happened[24]]


def test_a_log_id_is_56_digits_that_start_with_900_and_the_date() -> None:
    log_id = new_log_id(NOW)
    assert len(log_id) == 56
    assert log_id.isascii()
    assert log_id.isdigit()
    assert log_id.startswith("90020270115080000000000")


def test_log_ids_sort_by_time_and_within_a_moment_by_origin() -> None:
    dates = [0.0, 1.0, NOW - 0.000_001, *[NOW] * 20, NOW + 0.000_001, NOW + 0.5, NOW + 86400]
    ids = [new_log_id(date) for date in dates]
    assert ids == sorted(ids)


def test_log_ids_made_by_many_threads_at_one_moment_differ() -> None:
    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(lambda _: new_log_id(NOW), range(20_000)))
    assert len(set(ids)) == len(ids)


def test_times_are_written_with_milliseconds_and_z() -> None:
    assert iso_time(NOW) == "2027-01-15T08:00:00.000Z"
    assert iso_time(0.1239) == "1970-01-01T00:00:00.123Z"


CALLER = Caller(ip="127.0.0.1", user_agent="tests", request_id="0123456789abcdef")
SOURCE = Source(tenant="my-tenant", hostname="my-tenant.example")


def test_an_event_says_what_applies_and_leaves_out_what_does_not() -> None:
    happened = log_event(
        EventType.MANAGEMENT_WRITE, date=NOW, source=SOURCE, caller=CALLER, description="Create a client"
    )
    assert happened.document == {
        "date": "2027-01-15T08:00:00.000Z",
        "type": "sapi",
        "description": "Create a client",
        "details": {"request_id": "0123456789abcdef"},
        "ip": "127.0.0.1",
        "user_agent": "tests",
        "hostname": "my-tenant.example",
        "tenant_name": "my-tenant",
        "environment_name": "gatewright",
        "$event_schema": {"version": "1.0.0"},
        "log_id": happened.log_id,
        "_id": happened.log_id,
        "isMobile": False,
    }
    assert (happened.date, happened.type, happened.client_id) == (NOW, EventType.MANAGEMENT_WRITE, None)


def test_a_token_event_names_client_audience_and_scope() -> None:
    happened = log_event(
        EventType.CLIENT_CREDENTIALS_EXCHANGED,
        date=NOW,
        source=SOURCE,
        caller=CALLER,
        description="Success",
        client_id="a client",
        client_name="Blog",
        audience="https://blog.example/",
        scope=("read:blog", "create:blog"),
        details={"more": 1},
    )
    document = happened.document
    assert (document["client_id"], document["client_name"]) == ("a client", "Blog")
    assert (document["audience"], document["scope"]) == ("https://blog.example/", "read:blog create:blog")
    assert document["details"] == {"request_id": "0123456789abcdef", "more": 1}
    assert happened.client_id == "a client"


def test_a_refused_stranger_has_an_empty_name_as_at_auth0() -> None:
    happened = log_event(
        EventType.CLIENT_CREDENTIALS_REFUSED,
        date=NOW,
        source=SOURCE,
        caller=CALLER,
        description="Unauthorized",
        audience="",
    )
    assert happened.document["client_name"] == ""
    assert "client_id" not in happened.document


@pytest.mark.usefixtures("_patient")
def test_while_the_database_is_away_token_requests_are_counted_on(
    blocker: sqlite3.Connection, database: Database
) -> None:
    store = database.opened[0]
    log = EventLog(store)
    log.note_token("one", "urn:api", (), at=NOW, lifetime=60)
    with pytest.raises(StoreUnavailable):
        log.flush()
    log.note_token("one", "urn:api", (), at=NOW + 1, lifetime=60)
    blocker.execute("ROLLBACK")
    log.flush()
    log.flush()
    (row,) = store.read(lambda tx: tx.token_requests.between(0, 10**6))
    assert (row.client_id, row.audience, row.asked, row.needless) == ("one", "urn:api", 2, 1)
    log.close()
