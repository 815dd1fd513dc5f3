"""All or nothing, one after the other, and on disk: what an operation of the store is."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from gatewright.server.client import Client
from gatewright.server.errors import NotFound, StoreUnavailable
from tests.databases import catch_up, insert
from tests.records import api, application, client_secret, event, grant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatewright.server.store import Store, Transaction
    from tests.databases import Database

CHANGES = 100


def counted(client: Client) -> Client:
    return replace(client, document={**client.document, "count": int(str(client.document["count"])) + 1})


def test_a_hundred_updates_at_once_through_two_processes_lose_none(store: Store, other: Store) -> None:
    client = replace(application(), document={"count": 0})
    insert(store, client)

    def change(number: int) -> None:
        (store, other)[number % 2].write(lambda tx: tx.clients.update(client.client_id, counted))

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(change, range(CHANGES)))
    assert other.read(lambda tx: tx.clients.get(client.client_id)).document["count"] == CHANGES
    assert store.read(lambda tx: tx.revision()) == 1 + CHANGES


def test_an_operation_that_fails_leaves_nothing(store: Store) -> None:
    client, resource_server = application(), api()
    insert(store, client)
    heard: list[object] = []
    store.on_change(heard.append)

    def fail(tx: Transaction) -> None:
        tx.resource_servers.insert(resource_server)
        tx.client_grants.insert(grant(client, resource_server, "read:blog"))
        tx.clients.update(
            client.client_id, lambda before: replace(before, secrets=(client_secret("another"),))
        )
        tx.set_option("name", {"value": 1})
        tx.events.append([event()])
        raise RuntimeError("the operation changed its mind")

    before = store.read(lambda tx: tx.changes_since(0))
    with pytest.raises(RuntimeError):
        store.write(fail)
    assert store.read(lambda tx: tx.clients.find()) == [client]
    assert store.read(lambda tx: (tx.resource_servers.find(), tx.client_grants.find())) == ([], [])
    assert store.read(lambda tx: tx.option("name")) is None
    assert store.read(lambda tx: tx.events.after("", 10)) == []
    assert store.read(lambda tx: tx.changes_since(0)) == before
    assert heard == []


def test_the_writer_goes_on_after_an_operation_that_failed(store: Store) -> None:
    def fail(tx: Transaction) -> None:
        tx.clients.get("nobody")

    with pytest.raises(NotFound):
        store.write(fail)
    insert(store, application())


def test_a_change_and_its_log_event_stand_together(store: Store) -> None:
    happened = event()

    def run(tx: Transaction) -> None:
        tx.clients.insert(application())
        tx.events.append([happened])

    store.write(run)
    assert store.read(lambda tx: tx.events.get(happened.log_id)) == happened


def test_a_read_sees_one_moment_while_others_write(store: Store, other: Store) -> None:
    insert(store, application("first"))

    def look_twice(tx: Transaction) -> tuple[int, int]:
        before = len(tx.clients.find())
        insert(other, application("second"))
        return before, len(tx.clients.find())

    assert store.read(look_twice) == (1, 1)
    assert store.read(lambda tx: len(tx.clients.find())) == 2


def test_a_reader_does_not_wait_for_a_writer(store: Store) -> None:
    writing, may_end = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        tx.clients.insert(application())
        writing.set()
        assert may_end.wait(10)

    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(store.write, hold)
        assert writing.wait(10)
        assert store.read(lambda tx: tx.clients.find()) == []
        may_end.set()
        held.result()


def test_what_was_written_is_there_for_the_next_process(database: Database) -> None:
    client = application()
    first = database.open()
    insert(first, client)
    # A second store, while the first one has closed nothing: the change is in the file, not in memory.
    assert database.open().read(lambda tx: tx.clients.get(client.client_id)) == client


@pytest.fixture
def blocker(database: Database, store: Store) -> Iterator[sqlite3.Connection]:  # noqa: ARG001 - makes the file
    """A foreign program that holds the database's write lock."""
    connection = sqlite3.connect(str(make_url(database.url).database), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores that wait for a lock for a moment only."""
    monkeypatch.setattr("gatewright.server.store.database.BUSY_TIMEOUT", 0.05)


@pytest.mark.usefixtures("_impatient", "blocker")
def test_a_database_that_stays_locked_is_unavailable_for_changes(
    store: Store, blocker: sqlite3.Connection
) -> None:
    with pytest.raises(StoreUnavailable):
        insert(store, application())
    assert store.read(lambda tx: tx.clients.find()) == []
    blocker.execute("ROLLBACK")
    insert(store, application())


def test_a_database_that_was_deleted_is_unavailable(database: Database, store: Store) -> None:
    Path(str(make_url(database.url).database)).unlink()
    with pytest.raises(StoreUnavailable):
        catch_up(store)
