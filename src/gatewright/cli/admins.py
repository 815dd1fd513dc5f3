"""`gatewright admins`: who may enter the dashboard, and a way back for who cannot.

It opens the database itself, on the machine of the server: who can do that is asked for nothing more.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from gatewright.cli.failures import ExitCode, Failure, misuse
from gatewright.cli.folder import read_credentials
from gatewright.cli.options import SHARED_DEFAULTS, Shared, examples, noun
from gatewright.cli.output import say, table, write, write_json
from gatewright.cli.serving import server_settings

if TYPE_CHECKING:
    from gatewright.server.people import Administrator
    from gatewright.server.settings import Settings
    from gatewright.server.store import Store, Transaction

app = noun("admins", purpose="Administrators of the dashboard.")


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Where:
    """Which database, where it is not the one in the data folder."""

    database: Annotated[str | None, Parameter(help="Database URL, as `gatewright serve` was given it.")] = (
        None
    )
    config: Annotated[Path | None, Parameter(help="The TOML file of `gatewright serve`.")] = None


IN_FOLDER = Where()


@app.command(
    name="list", alias="ls", help_epilogue=examples("gatewright admins list", "gatewright admins ls --json")
)
def list_all(*, where: Where = IN_FOLDER, shared: Shared = SHARED_DEFAULTS) -> None:
    """List who may enter the dashboard."""
    from gatewright.server.events import iso_time  # noqa: PLC0415 - nothing else needs the server

    with _opened(where, shared) as (store, _):
        people = store.read(lambda tx: tx.people.all())
    now = time.time()
    rows = [
        {
            "name": person.name,
            "role": person.role,
            "created_at": iso_time(person.created_at),
            "locked": person.is_locked(now),
        }
        for person in people
    ]
    if shared.json:
        write_json(rows)
        return
    table(
        ["NAME", "ROLE", "SINCE", "LOCKED"],
        [[row["name"], row["role"], row["created_at"], "yes" if row["locked"] else ""] for row in rows],
    )
    if not rows:
        say("Nobody administers the server yet. For a link by which somebody does: gatewright admins link")


@app.command(help_epilogue=examples("gatewright admins link ada", "gatewright admins link"))
def link(
    name: Annotated[
        str | None, Parameter(help="Whose password is lost; may be left out where there is only one.")
    ] = None,
    /,
    *,
    where: Where = IN_FOLDER,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Make a link, good once and for 30 minutes, by which somebody chooses a new password.

    Where nobody administers the server, the link makes the first administrator.
    """
    from gatewright.server.dashboard.links import LIVES  # noqa: PLC0415 - as above
    from gatewright.server.dashboard.recovery import operators_link  # noqa: PLC0415
    from gatewright.server.events import Source, iso_time  # noqa: PLC0415

    now = time.time()
    with _opened(where, shared) as (store, settings):
        source = Source(settings.tenant, urlsplit(settings.issuer).hostname or "localhost")

        def make(tx: "Transaction") -> "tuple[str, Administrator | None]":
            person = _named(tx.people.all(), name)
            return operators_link(tx, person, issuer=settings.issuer, source=source, now=now), person

        made, person = store.write(make)
    if shared.json:
        about = {"name": person.name} if person is not None else {}
        write_json({"link": made, **about, "expires_at": iso_time(now + LIVES)})
        return
    say(f"Good once, for 30 minutes, and in no log: whoever opens it {_does(person)}.")
    write(made)


def _does(person: "Administrator | None") -> str:
    if person is None:
        return "becomes the first administrator"
    return f"enters as {person.name} with a new password, and ends every session of the old one"


def _named(people: "list[Administrator]", name: str | None) -> "Administrator | None":
    """Who is meant; None where there is nobody at all."""
    if not people:
        if name is not None:
            raise Failure(
                f"There is no {name}: nobody administers the server yet.",
                "For a link that makes the first administrator: gatewright admins link",
                code=ExitCode.NOT_FOUND,
            )
        return None
    if name is None and len(people) > 1:
        names = ", ".join(person.name for person in people)
        raise misuse(f"Whose password? There are {names}.", "gatewright admins link NAME")
    found = [person for person in people if name in (None, person.name)]
    if not found:
        raise Failure(f"There is no {name}.", "Who there is: gatewright admins list", code=ExitCode.NOT_FOUND)
    return found[0]


@contextmanager
def _opened(where: Where, shared: Shared) -> "Iterator[tuple[Store, Settings]]":
    """The database of the data folder, and the settings by which the server was started last.

    Raises:
        Failure: there is none, or it cannot be opened.
    """
    from gatewright.server.bootstrap import open_store  # noqa: PLC0415 - nothing else needs the server
    from gatewright.server.errors import StartupError, StoreUnavailable  # noqa: PLC0415
    from gatewright.server.store import database_exists  # noqa: PLC0415

    # Where the server really is, it has left in the folder when it started.
    credentials = read_credentials(shared.data)
    settings = server_settings(
        where.config,
        data=credentials.folder,
        issuer=credentials.issuer,
        database=where.database,
        allow_insecure_issuer=True,
    )
    if not database_exists(settings.database):
        raise Failure(
            f"There is no database at {settings.database}.",
            "Say where it is: --database URL, as `gatewright serve` was given it",
            code=ExitCode.NOT_FOUND,
        )
    try:
        store = open_store(settings)
        try:
            yield store, settings
        finally:
            store.close()
    except (StartupError, StoreUnavailable) as error:
        raise Failure(str(error)) from error
