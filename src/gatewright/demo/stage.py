"""What the demo runs: the server and the sample API, on the usual ports or the next free ones."""

import contextlib
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from rich.console import Console
from starlette.types import ASGIApp

from gatewright.demo.exchange import NoAnswer, Request
from gatewright.demo.feed import Feed, LogLines
from gatewright.demo.narrator import Narrator
from gatewright.demo.walk import AUDIENCE
from gatewright.guard import Guard, Reports

if TYPE_CHECKING:
    from gatewright.server.app import RunningServer
    from gatewright.server.settings import Settings

SERVER_PORT = 8844
SAMPLE_PORT = 3000
PORTS_TRIED = 200
START_DEADLINE = 20.0
FOLDER = ".gatewright"
# The only setting taken from outside: a folder may be sealed with it. Another database is not the demo's.
MASTER_KEY = "GATEWRIGHT_SERVER_MASTER_KEY"

Build = Callable[[Guard], ASGIApp]


@dataclass(frozen=True, slots=True)
class Stage:
    """What is running, and how it is told."""

    folder: Path
    server: "RunningServer"
    guard: Guard
    sample: str
    feed: Feed
    narrator: Narrator
    taken: tuple[int, ...]

    def credentials(self) -> dict[str, str]:
        """What the server left in the folder for the command line."""
        members: dict[str, str] = json.loads((self.folder / "cli.json").read_text(encoding="utf-8"))
        return members

    def dashboard(self) -> str:
        """Where the dashboard is: the link of the first administrator, while there is none."""
        from gatewright.server.dashboard.entry import new_start_link  # noqa: PLC0415 - as in open_stage

        return new_start_link(self.server.server) or f"{self.server.issuer}ui/"

    def report(self) -> None:
        """Have the guard tell the server now what it has refused, rather than within a second."""
        if self.guard.reporter is not None:
            self.guard.reporter.flush()

    def sign(self, claims: dict[str, object]) -> str:
        """Claims under the server's own key: only who runs the server can do that."""
        return self.server.server.keys.sign(claims, alg="RS256", typ="JWT")


@contextlib.contextmanager
def open_stage(folder: Path, console: Console, build: Build) -> Iterator[Stage]:
    """Starts both, and stops both at the end.

    Raises:
        gatewright.server.errors.StartupError: a plain sentence.
    """
    from gatewright.server.app import start  # noqa: PLC0415 - the server is loaded when it is run

    _require_unused(folder)
    port = _free_port(SERVER_PORT)
    feed = Feed(console)
    settings = _settings(folder, port)
    _route_log(settings, feed)
    with start(settings) as server:
        reports = _reports(folder)
        guard = Guard(
            server.issuer, audience=AUDIENCE, algorithms=("RS256",), observe=feed.observe, report=reports
        )
        feed.silent.add(reports.client_id)
        with _serving(feed.around(build(guard))) as sample_port:
            usual = {SERVER_PORT: port, SAMPLE_PORT: sample_port}
            taken = tuple(wanted for wanted, got in usual.items() if wanted != got)
            sample = f"http://localhost:{sample_port}"
            yield Stage(folder, server, guard, sample, feed, Narrator(console), taken)


def _reports(folder: Path) -> Reports:
    """What lets the sample API's guard report, as `gatewright env --reports` gives it."""
    from gatewright.cli.management import connect  # noqa: PLC0415 - as in open_stage
    from gatewright.cli.reporters import REPORTER_SCOPES, ensure_reporter  # noqa: PLC0415

    reporter, _ = ensure_reporter(connect(folder, *REPORTER_SCOPES), AUDIENCE)
    return Reports(client_id=reporter["client_id"], client_secret=reporter["client_secret"])


def _require_unused(folder: Path) -> None:
    """A second server on the folder would take the command line away from the first."""
    from gatewright.server.errors import StartupError  # noqa: PLC0415 - as in open_stage

    try:
        known = json.loads((folder / "cli.json").read_text(encoding="utf-8"))
        issuer = str(known.pop("issuer"))
        asked = {**known, "audience": f"{issuer}api/v2/", "grant_type": "client_credentials"}
        answer = Request("POST", f"{issuer}oauth/token", members=asked).send()
    except (OSError, ValueError, KeyError, AttributeError, NoAnswer):
        return
    # Another server may have the port by now; only this folder's knows the credentials.
    if answer.status == HTTPStatus.OK:
        raise StartupError(
            f"A server answers at {issuer} already, for the data folder {folder}. Stop it with Ctrl-C "
            "first, or give this one a folder of its own: gatewright demo --data DIR"
        )


def _settings(folder: Path, port: int) -> "Settings":
    from gatewright.server.settings import Settings  # noqa: PLC0415 - as in open_stage

    kept = {name: value for name, value in os.environ.items() if name == MASTER_KEY}
    return Settings.load(kept, listen=f"localhost:{port}", data=folder)


def _route_log(settings: "Settings", feed: Feed) -> None:
    from gatewright.server.logs import configure_logging  # noqa: PLC0415 - as in open_stage

    configure_logging(settings)
    logging.getLogger("gatewright").handlers = [LogLines(feed)]


def _listen(wanted: int) -> tuple[int, list[socket.socket]]:
    """The first free port from `wanted` on, and the sockets that hold it."""
    from gatewright.server.errors import StartupError  # noqa: PLC0415 - as in open_stage
    from gatewright.server.listening import listen  # noqa: PLC0415

    for port in range(wanted, wanted + PORTS_TRIED):
        with contextlib.suppress(StartupError):
            return port, listen("localhost", port)
    raise StartupError(f"No port from {wanted} to {wanted + PORTS_TRIED} is free.")


def _free_port(wanted: int) -> int:
    port, sockets = _listen(wanted)
    for each in sockets:
        each.close()
    return port


@contextlib.contextmanager
def _serving(app: ASGIApp) -> Iterator[int]:
    """The sample API in a thread; its port."""
    from gatewright.server.errors import StartupError  # noqa: PLC0415 - as in open_stage

    port, sockets = _listen(SAMPLE_PORT)
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=3)
    http = uvicorn.Server(config)
    thread = threading.Thread(target=http.run, args=(sockets,), name="sample-api")
    thread.start()
    try:
        deadline = time.monotonic() + START_DEADLINE
        while not http.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise StartupError("The sample API did not start.")
            time.sleep(0.005)
        yield port
    finally:
        http.should_exit = True
        thread.join()
        for each in sockets:
            each.close()
