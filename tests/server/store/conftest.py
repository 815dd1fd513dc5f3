"""The databases that the store's suite runs on: a test takes a factory of stores and knows no engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.databases import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gatewright.server.store import Store

FACTORIES = {"sqlite": Database.sqlite}


@pytest.fixture(params=sorted(FACTORIES))
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with FACTORIES[request.param](tmp_path) as database:
        yield database


@pytest.fixture
def store(database: Database) -> Store:
    return database.open()


@pytest.fixture
def other(database: Database, store: Store) -> Store:  # noqa: ARG001 - the first store makes the schema
    """The store of a second process on the same database."""
    return database.open()
