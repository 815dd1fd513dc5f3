"""`gatewright serve` and `gatewright demo`: the commands that load the server."""

import os
import shlex
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

from cyclopts import Parameter

from gatewright._version import __version__
from gatewright.cli.failures import ExitCode, Failure
from gatewright.cli.folder import NAME, read_credentials
from gatewright.cli.in_process import Application, InProcess, running_loop
from gatewright.cli.management import Management, Record
from gatewright.cli.options import environment_folder
from gatewright.cli.output import say
from gatewright.cli.tenant_changes import changes, scopes_for
from gatewright.cli.tenant_file import left_out, read_file

if TYPE_CHECKING:
    from gatewright.server.settings import Settings


def serve(
    *,
    listen: Annotated[
        str | None, Parameter(help="HOST:PORT; localhost:8844 without it. localhost is 127.0.0.1 and ::1.")
    ] = None,
    issuer: Annotated[
        str | None, Parameter(help="Public base URL, ends with /; http(s)://localhost:PORT/ without it.")
    ] = None,
    data: Annotated[
        Path | None, Parameter(help="The data folder, made when it is not there; ./.gatewright without it.")
    ] = None,
    database: Annotated[
        str | None, Parameter(help="Database URL; SQLite in the data folder without it.")
    ] = None,
    workers: Annotated[int | None, Parameter(help="Processes that serve; 1 without it.")] = None,
    tls: Annotated[
        str | None,
        Parameter(help="local: https with a certificate made here, for localhost; CERT,KEY: with your own."),
    ] = None,
    seed: Annotated[
        Path | None,
        Parameter(help="A file as of `gatewright import`, brought in before the server is ready."),
    ] = None,
    metrics: Annotated[
        str | None,
        Parameter(help="HOST:PORT where counts for Prometheus are told at /metrics; off without it."),
    ] = None,
    config: Annotated[Path | None, Parameter(help="A TOML file with settings.")] = None,
) -> None:
    """Run the authorization server until Ctrl-C or SIGTERM.

    Each setting is also a variable GATEWRIGHT_SERVER_…; see docs/reference/settings.md.
    """
    from gatewright.server.app import serve as run  # noqa: PLC0415 - nothing else needs the server
    from gatewright.server.errors import StartupError  # noqa: PLC0415

    _end_on_sigterm()
    settings = server_settings(
        config,
        listen=listen,
        issuer=issuer,
        data=chosen_folder(data),
        database=database,
        workers=workers,
        tls=tls,
        seed=seed,
        metrics=metrics,
    )
    # Read before anything is made: a file that is none leaves no trace.
    tenant = None if settings.seed is None else read_file(settings.seed)
    try:
        run(
            settings,
            prepare=None if tenant is None else lambda app: _bring_in(app, settings, tenant),
            ready=lambda link: _say_where(settings, link),
        )
    except StartupError as error:
        raise Failure(str(error)) from error
    except KeyboardInterrupt:
        say("Stopped.")


def demo(
    *,
    once: Annotated[
        bool, Parameter(negative="", help="Walk in a temporary folder and exit: 0 if all went as told.")
    ] = False,
    data: Annotated[
        Path | None, Parameter(help="The data folder, kept for the next run; ./.gatewright without it.")
    ] = None,
    open_browser: Annotated[
        bool, Parameter(name="--open", negative="", help="Open the start page in a browser.")
    ] = False,
) -> int:
    """Watch it work: a server, a sample API, and every request of the tutorial, really made."""
    from gatewright.demo.run import run  # noqa: PLC0415 - nothing else needs server and sample
    from gatewright.server.errors import StartupError  # noqa: PLC0415

    _end_on_sigterm()
    folder = data if once else data or environment_folder() or Path(NAME)
    try:
        return run(folder, once=once, open_browser=open_browser)
    except StartupError as error:
        raise Failure(str(error)) from error


def server_settings(config: Path | None, **overrides: object) -> "Settings":
    """The server's settings: flags, then the environment, then the file.

    Raises:
        Failure: naming every fault at once.
    """
    from gatewright.server.errors import SettingsError  # noqa: PLC0415 - as above
    from gatewright.server.settings import Settings  # noqa: PLC0415

    try:
        return Settings.load(os.environ, config, **overrides)
    except SettingsError as error:
        raise Failure("The settings are not usable.", *error.faults, code=ExitCode.INVALID_INPUT) from error


def _bring_in(app: Application, settings: "Settings", tenant: Record) -> None:
    """Brings the tenant to what the seed says, by the Management API of a server nobody can reach yet."""
    with running_loop() as loop:
        send = InProcess(app, loop).send
        server = Management(read_credentials(settings.data), *scopes_for(tenant), send=send)
        done = 0
        try:
            for change in changes(server, tenant):
                say(str(change))
                done += 1
        except Failure as failure:
            left = "The changes above are done and stay." if done else "Nothing was changed."
            raise Failure(
                f"{settings.seed} cannot be brought in, so the server does not start. {failure.message}",
                *failure.steps,
                f"Mend the file and start again. {left}",
                code=ExitCode.INVALID_INPUT,
            ) from failure
    if left := left_out(tenant):
        say(left)
    say(f"{settings.seed}: {done} changes done." if done else f"{settings.seed}: nothing to change.")


def chosen_folder(given: Path | None) -> Path | None:
    """The data folder of `serve`: the flag, else GATEWRIGHT_DATA, else what the server's settings say."""
    # The server's own variable is more precise than the one shared with the other commands.
    if given is not None or "GATEWRIGHT_SERVER_DATA" in os.environ:
        return given
    return environment_folder()


def _say_where(settings: "Settings", link: str | None) -> None:
    folder = settings.data.absolute()
    option = "" if folder == Path.cwd() / NAME else f" --data {shlex.quote(str(folder))}"
    say(f"gatewright {__version__}")
    say()
    say(f"  Issuer       {settings.issuer}")
    say(f"  Key set      {settings.issuer}.well-known/jwks.json")
    say(f"  Dashboard    {link or settings.issuer + 'ui/'}")
    if link is not None:
        say("               good once, for 30 minutes: who opens it becomes the first administrator")
    say(f"  Data         {folder}")
    say()
    if settings.tls == "local":
        say(f"  Certificate  for localhost; programs learn to trust it by: gatewright env{option}")
        say()
    say(f'  Next         gatewright apis create "Blog API" --identifier https://blog-api{option}')
    say("  Stop         Ctrl-C")
    say()


def _end_on_sigterm() -> None:
    """SIGTERM is how a server is asked to end, so it ends with 0."""
    signal.signal(signal.SIGTERM, _leave)


def _leave(_: int, __: FrameType | None) -> NoReturn:
    raise SystemExit(0)
