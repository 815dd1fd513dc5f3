"""The secrets of a client in the store: how they were kept once, and when each was last used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import update

from gatewright.server.client import ClientSecret
from gatewright.server.sealing import Sealer
from gatewright.server.store.tables import clients
from tests.databases import insert
from tests.records import NOW, application

if TYPE_CHECKING:
    from gatewright.server.store import Store, Transaction
    from tests.databases import Database


def test_a_secret_kept_as_a_bare_text_is_read_still(store: Store, database: Database) -> None:
    client = application()
    insert(store, client)
    place = f"clients|sealed_secrets|{client.client_id}"
    sealed = Sealer([database.master_key]).seal(json.dumps(["an old one"]).encode(), place)

    def as_it_was(tx: Transaction) -> None:
        tx._connection.execute(update(clients).values(sealed_secrets=sealed))  # noqa: SLF001 - as it was then

    store.write(as_it_was)

    found = store.read(lambda tx: tx.clients.get(client.client_id))
    assert found.secrets == (ClientSecret("sec_first", "an old one", None),)


def test_the_latest_use_of_each_secret_is_kept_whoever_tells_it_first(store: Store, other: Store) -> None:
    uses = {("one", "a"): NOW + 5, ("one", "b"): NOW, ("two", "a"): NOW}

    store.write(lambda tx: tx.secret_uses.note(uses))
    other.write(lambda tx: tx.secret_uses.note({("one", "a"): NOW + 3, ("one", "b"): NOW + 3}))
    store.write(lambda tx: tx.secret_uses.note({}))

    assert store.read(lambda tx: tx.secret_uses.of("one")) == {"a": NOW + 5, "b": NOW + 3}
    assert store.read(lambda tx: tx.secret_uses.of("two")) == {"a": NOW}
    assert store.read(lambda tx: tx.secret_uses.of("nobody")) == {}


def test_uses_are_forgotten_with_their_secrets(store: Store) -> None:
    uses = {("one", "a"): NOW, ("one", "b"): NOW, ("two", "a"): NOW}
    store.write(lambda tx: tx.secret_uses.note(uses))

    store.write(lambda tx: tx.secret_uses.forget("one", kept=["b"]))
    assert store.read(lambda tx: tx.secret_uses.of("one")) == {"b": NOW}
    store.write(lambda tx: tx.secret_uses.forget("one"))
    assert store.read(lambda tx: tx.secret_uses.of("one")) == {}
    assert store.read(lambda tx: tx.secret_uses.of("two")) == {"a": NOW}


def test_a_use_is_no_change_that_other_processes_hear_of(store: Store) -> None:
    before = store.read(lambda tx: tx.revision())

    store.write(lambda tx: tx.secret_uses.note({("one", "a"): NOW}))

    assert store.read(lambda tx: tx.revision()) == before
