"""Bring a database to the schema of this version, before anything else touches it."""

import threading
from importlib import import_module
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from gatewright.server.errors import StartupError
from gatewright.server.store.database import make_engine

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0008"
# Alembic keeps what it works on in its modules' globals: one database of a process after another.
_upgrading = threading.Lock()


def migrate(url: str) -> None:
    """Applies the missing migrations in one transaction; processes that start together wait for one.

    Raises:
        StartupError: when the database was made by a newer version.
    """
    engine = make_engine(url, begin="BEGIN IMMEDIATE", size=1)
    try:
        with engine.begin() as connection:
            version = _version(connection)
            if version == HEAD:
                return
            if version is not None and version not in _known_versions():
                raise StartupError(
                    f"The database has schema {version}, which this version of gatewright does not know "
                    f"(it knows up to {HEAD}). Start the newer version that made it."
                )
            _upgrade(connection)
    finally:
        engine.dispose()


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _known_versions() -> set[str]:
    return {path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("*.py")}


def _upgrade(connection: Connection) -> None:
    # Alembic takes a tenth of a second to load and is not needed once the schema is current.
    command = import_module("alembic.command")
    config = import_module("alembic.config").Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    with _upgrading:
        command.upgrade(config, "head")
