"""Keys are made before the transaction that keeps them, which others wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gatewright.server.keys import SigningKeys
from tests.databases import Database, insert
from tests.records import Clock, api

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gatewright.server.store import Store

ALGORITHMS = ("ES256", "EdDSA")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Database.sqlite(tmp_path) as database:
        yield database.open()


@pytest.fixture
def keys(store: Store) -> SigningKeys:
    return SigningKeys(store, host="auth.example", now=Clock())


def add_api(store: Store, keys: SigningKeys, alg: str) -> set[str]:
    """Keeps an API of the algorithm, with the ring made for it; gives the kids of that ring."""
    ring = keys.missing_ring(alg)
    resource_server = api(f"https://{alg}.example/", alg=alg)
    insert(store, resource_server)
    store.write(lambda tx: keys.prepare_for(tx, resource_server, ring))
    return {key.kid for key in ring}


def stored(store: Store, **equals: str) -> set[str]:
    return {key.kid for key in store.read(lambda tx: tx.signing_keys.find(**equals))}


def test_the_ring_that_was_made_is_the_one_that_is_kept(store: Store, keys: SigningKeys) -> None:
    ring = add_api(store, keys, "ES256")

    assert len(ring) == 2
    assert stored(store) == ring


def test_no_ring_is_made_where_one_is_or_none_is_needed(store: Store, keys: SigningKeys) -> None:
    add_api(store, keys, "ES256")

    assert keys.missing_ring("ES256") == keys.missing_ring("HS256") == []


def test_a_ring_that_another_process_made_meanwhile_stays(store: Store, keys: SigningKeys) -> None:
    late, resource_server = keys.missing_ring("ES256"), api(alg="ES256")
    ring = add_api(store, keys, "ES256")

    store.write(lambda tx: keys.prepare_for(tx, resource_server, late))

    assert stored(store) == ring


def test_a_rotation_announces_the_keys_that_were_made_for_it(store: Store, keys: SigningKeys) -> None:
    for alg in ALGORITHMS:
        add_api(store, keys, alg)

    fresh = keys.fresh_keys()
    announced = store.write(lambda tx: keys.rotate(tx, fresh))

    assert set(fresh) == set(ALGORITHMS)
    assert [key.kid for key in announced] == [fresh[key.alg].kid for key in announced]
    assert stored(store, state="next") == {key.kid for key in fresh.values()}


def test_a_ring_that_came_after_the_keys_were_made_turns_too(store: Store, keys: SigningKeys) -> None:
    add_api(store, keys, "ES256")
    fresh = keys.fresh_keys()
    add_api(store, keys, "EdDSA")

    announced = store.write(lambda tx: keys.rotate(tx, fresh))

    assert {key.alg for key in announced} == set(ALGORITHMS)
