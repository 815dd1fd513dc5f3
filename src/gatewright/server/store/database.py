"""Connections: how SQLite is opened so that what was committed is on disk."""

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url

from gatewright.server.errors import StoreUnavailable

CACHE = 24_000  # KiB of the file that a connection keeps, at most: ten thousand applications
BUSY_TIMEOUT = 5.0  # seconds to wait for another process's write


def make_engine(url: str, *, begin: str, size: int) -> Engine:
    """An engine with ``size`` connections whose transactions start with ``begin``."""
    _create_privately(make_url(url).database)
    engine = create_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT,
        connect_args={"timeout": BUSY_TIMEOUT, "check_same_thread": False},
        hide_parameters=True,  # errors are logged, and customers' data has no place there
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:  # noqa: ANN401 - a DBAPI connection has no type
        # The driver would begin transactions by itself, and later than we mean.
        connection.isolation_level = None
        _use_write_ahead_log(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON", f"cache_size=-{CACHE}"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def database_exists(url: str) -> bool:
    """Whether a server was ever started on this database."""
    database = make_url(url).database
    return bool(database) and Path(str(database)).exists()


class DataVersion:
    """A number that moves whenever any other connection, of any process, has committed."""

    def __init__(self, url: str) -> None:
        self._connection = sqlite3.connect(
            str(make_url(url).database), isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT
        )

    def read(self) -> int:
        """SQLite's ``data_version``; costs microseconds.

        Raises:
            StoreUnavailable: when the file does not answer.
        """
        try:
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error as error:
            raise StoreUnavailable("the database does not answer") from error

    def close(self) -> None:
        """Gives the connection back."""
        self._connection.close()


def _create_privately(database: str | None) -> None:
    """Makes the file readable by its owner only, before SQLite would make it readable by all."""
    if not database or database == ":memory:":
        return
    path = Path(database)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Waits here, because SQLite does not wait by itself when two processes switch a new file at once."""
    deadline = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
