"""How a server for a test is started: on a port of the loopback, or with none at all.

The only module of the test kit that knows the server's parts; they are imported when one is started.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gatewright.testing.faults import Asgi, Faults

if TYPE_CHECKING:
    from gatewright.cli.http import Answer, Send
    from gatewright.cli.management import Management
    from gatewright.server.settings import Settings

_ADDRESS: Final = "127.0.0.1"
_WITHOUT_A_PORT: Final = "https://server.test/"


@dataclass(frozen=True, slots=True)
class Started:
    """A running server.

    Attributes:
        settings: what it was started with.
        url: where requests go.
        outside: sends requests as anybody would, faults and all.
        inside: sends requests to the server behind its faults.
    """

    settings: "Settings"
    url: str
    outside: "Send"
    inside: "Send"

    @property
    def issuer(self) -> str:
        """What `iss` says."""
        return self.settings.issuer

    def managing(self, *scopes: str) -> "Management":
        """The Management API with these scopes, or with all; faults do not touch it."""
        from gatewright.cli.folder import read_credentials  # noqa: PLC0415 - only those who start a server
        from gatewright.cli.management import Management  # noqa: PLC0415 - likewise

        return Management(read_credentials(self.settings.data), *scopes, send=self.inside)

    def ask(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> "Answer":
        """The answer to a request from outside.

        Raises:
            ConnectionError: there is none.
        """
        from gatewright.cli.http import Unreachable  # noqa: PLC0415 - likewise

        try:
            return self.outside(method, url, headers=headers, body=body)
        except Unreachable as error:
            raise ConnectionError(f"No server answers at {url} ({error}).") from error


def start(
    parts: ExitStack, *, port: int | None, issuer: str | None, faults: Faults, now: Callable[[], float]
) -> Started:
    """Starts a server in a temporary folder; `parts` ends it.

    Raises:
        ImportError: the server is not installed.
        ValueError: the issuer is not usable.
        OSError: the port is taken.
    """
    # Removed last: what is in it has been closed then.
    temporary = tempfile.TemporaryDirectory(prefix="gatewright-", ignore_cleanup_errors=True)
    folder = Path(parts.enter_context(temporary)) / "data"
    with installed("server"):
        if port is None:
            return _start_alone(parts, folder, issuer or _WITHOUT_A_PORT, faults=faults, now=now)
        return _start_listening(parts, folder, issuer, port, faults=faults, now=now)


@contextlib.contextmanager
def installed(extra: str) -> Iterator[None]:
    """Says in one sentence what to install where a package of others is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "gatewright":
            raise
        raise ImportError(
            f"gatewright.testing.server() needs the package {error.name}: install gatewright[{extra}].",
            name=error.name,
        ) from error


def _start_listening(
    parts: ExitStack,
    folder: Path,
    issuer: str | None,
    port: int,
    *,
    faults: Faults,
    now: Callable[[], float],
) -> Started:
    from gatewright.cli.http import send  # noqa: PLC0415 - as above
    from gatewright.cli.in_process import InProcess  # noqa: PLC0415
    from gatewright.server.app import start as start_server  # noqa: PLC0415
    from gatewright.server.errors import StartupError  # noqa: PLC0415
    from gatewright.server.listening import listen  # noqa: PLC0415

    try:
        # Taken before the settings name it, so that nobody else can take it in between.
        (listening,) = listen(_ADDRESS, port)
    except StartupError as error:
        raise OSError(str(error)) from error
    parts.callback(listening.close)
    address = f"{_ADDRESS}:{listening.getsockname()[1]}"
    behind: list[Asgi] = []

    def put_faults_before(app: Asgi) -> Asgi:
        behind.append(app)
        return faults.in_front_of(app)

    settings = _settings(folder, listen=address, issuer=issuer)
    running = start_server(settings, now=now, sockets=[listening], behind=put_faults_before)
    parts.callback(running.stop)
    assert faults.loop is not None  # noqa: S101 - known since the server has started
    inside = InProcess(behind[0], faults.loop).send
    return Started(settings, f"http://{address}/", send, inside)


def _start_alone(
    parts: ExitStack, folder: Path, issuer: str, *, faults: Faults, now: Callable[[], float]
) -> Started:
    from gatewright.cli.in_process import InProcess, running_loop  # noqa: PLC0415 - as above
    from gatewright.server.app import build, close, make_app  # noqa: PLC0415

    settings = _settings(folder, issuer=issuer)
    built = build(settings, now=now)
    parts.callback(close, built)
    app = make_app(built)
    loop = parts.enter_context(running_loop())
    outside = InProcess(faults.in_front_of(app), loop).send
    return Started(settings, settings.issuer, outside, InProcess(app, loop).send)


def _settings(data: Path, *, issuer: str | None, listen: str | None = None) -> "Settings":
    """Of these, and of nothing in the environment of whoever runs the tests."""
    from gatewright.server.errors import SettingsError  # noqa: PLC0415 - as above
    from gatewright.server.settings import Settings  # noqa: PLC0415

    try:
        return Settings.load({}, data=data, issuer=issuer, listen=listen)
    except SettingsError as error:
        raise ValueError("; ".join(error.faults)) from error
