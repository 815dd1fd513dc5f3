"""The schema: made by migrations alone, equal to the tables, and safe to bring about by several at once."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import upgrade
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, make_url, text

from gatewright.server.errors import StartupError
from gatewright.server.store import tables
from gatewright.server.store.database import make_engine
from gatewright.server.store.migrate import HEAD, MIGRATIONS, migrate
from tests.databases import insert
from tests.records import application
from tests.running import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.databases import Database


@pytest.fixture
def migrated(database: Database) -> Iterator[Connection]:
    migrate(database.url)
    engine = create_engine(database.url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def shape(connection: Connection) -> dict[str, Any]:
    """All that an inspection tells of each table, as values that compare."""
    found = inspect(connection)
    return {
        table: {
            "columns": [{**column, "type": str(column["type"])} for column in found.get_columns(table)],
            "primary key": found.get_pk_constraint(table),
            "unique": sorted(found.get_unique_constraints(table), key=lambda each: str(each["name"])),
            "foreign keys": sorted(found.get_foreign_keys(table), key=lambda each: str(each["name"])),
            "checks": found.get_check_constraints(table),
            "indexes": sorted(map(indexed, found.get_indexes(table)), key=str),
        }
        for table in found.get_table_names()
        if table not in {"alembic_version", "sqlite_sequence"}
    }


def indexed(index: Any) -> dict[str, Any]:  # noqa: ANN401 - what the inspection gives
    where = index["dialect_options"].get("sqlite_where")
    return {**index, "dialect_options": re.sub(r"\w+\.", "", str(where))}


def test_migrations_make_exactly_the_tables(migrated: Connection) -> None:
    context = MigrationContext.configure(migrated, opts={"compare_server_default": True})
    assert compare_metadata(context, tables.metadata) == []
    fresh = create_engine("sqlite://")
    with fresh.begin() as connection:
        tables.metadata.create_all(connection)
        assert shape(migrated) == shape(connection)
    fresh.dispose()


def test_positions_are_never_reused_in_either(migrated: Connection) -> None:
    automatic = {
        name
        for name, sql in migrated.execute(text("SELECT name, sql FROM sqlite_master"))
        if sql and "AUTOINCREMENT" in sql
    }
    assert automatic == {
        table.name
        for table in tables.metadata.sorted_tables
        if table.dialect_options["sqlite"]["autoincrement"]
    }


def test_the_newest_migration_is_the_one_a_database_is_checked_for() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_a_database_is_written_so_that_what_was_committed_is_on_disk(database: Database) -> None:
    migrate(database.url)
    engine = make_engine(database.url, begin="BEGIN IMMEDIATE", size=1)
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    engine.dispose()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def file_of(database: Database) -> Path:
    return Path(str(make_url(database.url).database))


def test_migrating_again_changes_nothing(database: Database) -> None:
    client = application()
    with database:
        insert(database.open(), client)
    before = digest(file_of(database))
    migrate(database.url)
    assert digest(file_of(database)) == before
    assert database.open().read(lambda tx: tx.clients.get(client.client_id)) == client


def test_only_its_owner_can_read_the_file(database: Database) -> None:
    migrate(database.url)
    assert file_of(database).stat().st_mode & 0o777 == 0o600


def test_a_schema_of_a_newer_version_is_refused_and_left_alone(database: Database) -> None:
    migrate(database.url)
    with sqlite3.connect(file_of(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = digest(file_of(database))
    with pytest.raises(StartupError, match=r"schema 9999.*newer version that made it"):
        database.open()
    assert digest(file_of(database)) == before


@pytest.mark.parametrize(
    "content",
    [b"this is no database\n" * 500, b"SQLite format 3\0" + b"\xff" * 8000],
    ids=["text", "damaged"],
)
def test_a_file_that_is_no_database_is_refused_and_left_alone(database: Database, content: bytes) -> None:
    file = file_of(database)
    file.write_bytes(content)
    with pytest.raises(StartupError, match=rf"^The database {re.escape(str(file))} cannot be opened: "):
        database.open()
    assert file.read_bytes() == content


def test_a_migration_that_fails_leaves_an_empty_database(database: Database) -> None:
    """All statements are one transaction: the next start begins anew, and not in the middle."""
    with sqlite3.connect(file_of(database)) as connection:
        connection.execute("CREATE TABLE changes (stands_in_the_way)")
    connection.close()
    with pytest.raises(StartupError, match="changes already exists"):
        database.open()
    with sqlite3.connect(file_of(database)) as connection:
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        connection.execute("DROP TABLE changes")
    connection.close()
    assert names == ["changes"]
    assert database.open().read(lambda tx: tx.revision()) == 0


def test_a_database_that_stays_locked_is_refused_with_a_plain_sentence(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatewright.server.store.database.BUSY_TIMEOUT", 0.05)
    migrate(database.url)
    holder = sqlite3.connect(file_of(database), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StartupError, match="cannot be opened: database is locked"):
        database.open()
    holder.close()


def test_a_new_file_that_another_process_is_switching_is_waited_for(database: Database) -> None:
    """SQLite itself gives up at once here, however long it was told to wait."""
    holder = sqlite3.connect(file_of(database), isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, holder.close)
    release.start()
    migrate(database.url)
    release.join()


AT_ONCE = """
import pathlib, sys, time
import alembic.command, alembic.config  # loaded before the race, so that it is one
from gatewright.server.store.migrate import migrate

ready, start = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
ready.touch()
while not start.exists():
    pass
migrate(sys.argv[1])
"""


@pytest.mark.slow
def test_processes_that_migrate_at_once_all_end_well(database: Database, tmp_path: Path) -> None:
    start = tmp_path / "start"
    ready = [tmp_path / f"ready-{number}" for number in range(3)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE, database.url, str(each), str(start)],
            stderr=subprocess.PIPE,
            env=environment(),
        )
        for each in ready
    ]
    while not all(each.exists() for each in ready):
        assert all(process.poll() is None for process in processes)
        time.sleep(0.01)
    start.touch()
    outcomes = [(process.communicate(timeout=30)[1].decode(), process.returncode) for process in processes]
    assert outcomes == [("", 0)] * 3
    assert database.open().read(lambda tx: tx.revision()) == 0


def test_what_the_log_and_the_records_tell_is_in_the_new_columns(database: Database) -> None:
    """A database as 0006 left it: two tokens in one hour, one in the next, and a record of each list."""
    engine = make_engine(database.url, begin="BEGIN IMMEDIATE", size=1)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    document = '{"name":"Bücher & Co","grant_types":["client_credentials"]}'
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        upgrade(config, "0006")
        for log_id, date, type_ in (
            ("1", 3600.5, "seccft"),
            ("2", 3700.0, "seccft"),
            ("3", 7200.0, "seccft"),
            ("4", 7300.0, "sapi"),
        ):
            connection.execute(
                text("INSERT INTO log_events VALUES (:log_id, :date, :type, 'one', :document)"),
                {"log_id": log_id, "date": date, "type": type_, "document": '{"audience":"urn:api"}'},
            )
        connection.execute(
            text(
                "INSERT INTO clients (client_id, is_first_party, document, sealed_secrets) "
                "VALUES ('AbC', 1, :document, '')"
            ),
            {"document": document},
        )
        connection.execute(
            text(
                "INSERT INTO resource_servers (id, identifier, is_system, document) "
                "VALUES ('id1', 'urn:API', 0, :document)"
            ),
            {"document": document},
        )
    migrate(database.url)
    with engine.begin() as connection:

        def rows(query: str) -> list[tuple[object, ...]]:
            return [tuple(row) for row in connection.execute(text(query))]

        assert rows("SELECT * FROM token_totals ORDER BY hour") == [
            (1, 2, 3600.5, 3700.0),
            (2, 1, 7200.0, 7200.0),
        ]
        assert rows("SELECT * FROM token_holders") == [("one", 7200.0)]
        assert rows("SELECT DISTINCT audience FROM log_events") == [("urn:api",)]
        assert rows("SELECT sought, grant_types FROM clients") == [
            ("bücher & co\nabc", " client_credentials ")
        ]
        assert rows("SELECT sought FROM resource_servers") == [("bücher & co\nurn:api\nid1",)]
    engine.dispose()
