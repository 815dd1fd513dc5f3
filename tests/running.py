"""Real servers for tests: processes of their own on free ports of the loopback, and a caller for them.

What tests of the whole product share lives here; what one test file needs alone stays there.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx2
import uvicorn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from starlette.types import ASGIApp

    from gatewright.server.app import RunningServer

GATEWRIGHT = str(Path(sys.executable).with_name("gatewright"))
"""The command as users have it."""

START_TIMEOUT = 30.0
"""Seconds a process may take until it answers: far more than it needs, even on a busy machine."""


def free_port() -> int:
    """A port that is free on both loopback addresses at this moment."""
    while True:
        with socket.socket() as v4, socket.socket(socket.AF_INET6) as v6:
            v4.bind(("127.0.0.1", 0))
            port: int = v4.getsockname()[1]
            try:
                v6.bind(("::1", port))
            except OSError:
                continue
            return port


def environment(**more: str) -> dict[str, str]:
    """The environment for our own programs: none of the settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWRIGHT_")}
    return kept | more


def wait_until(answers: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when `answers` is true; fail with the process's own words when it ended or never answers."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if answers():
            return
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise AssertionError(f"it did not start (exit code {process.returncode}):\n{log.read_text()[-4000:]}")


@contextmanager
def started(
    command: Sequence[str], url: str, *, cwd: Path, log: Path, variables: Mapping[str, str]
) -> Iterator[None]:
    """A program in a session of its own, from when `url` answers until the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=cwd, env=variables, stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until(lambda: responds(url), process, log)
        yield
    finally:
        # Some are several processes: all are of the session that was begun for them.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=20)


def trusting(ca_file: Path | str | None) -> ssl.SSLContext:
    """What a client believes: the system's authorities, or those in the file."""
    return ssl.create_default_context(cafile=ca_file)


def responds(url: str, *, ca_file: Path | None = None) -> bool:
    """Whether anything answers at the URL with less than a server error."""
    try:
        return httpx2.get(url, timeout=5, verify=trusting(ca_file)).status_code < 500
    except (httpx2.TransportError, FileNotFoundError):
        return False


@dataclass(slots=True)
class ServerProcess:
    """A `gatewright serve` of its own on one data folder; start it again after a stop or a kill.

    As a context manager it is started, and stopped at the end.
    """

    data: Path
    port: int = field(default_factory=free_port)
    prefix: Sequence[str] = ()
    options: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def issuer(self) -> str:
        return f"http{'s' if self.ca_file else ''}://localhost:{self.port}/"

    @property
    def ca_file(self) -> Path | None:
        """The authority that the server makes with `--tls local`."""
        return self.data / "tls" / "ca.pem" if "--tls" in self.options else None

    @property
    def log(self) -> Path:
        return self.data.with_name(self.data.name + ".log")

    def start(self) -> Self:
        command = [*self.prefix, GATEWRIGHT, "serve"]
        command += ["--data", str(self.data), "--listen", f"localhost:{self.port}", *self.options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment()
            )
        wait_until(
            lambda: responds(self.issuer + "health/ready", ca_file=self.ca_file), self.process, self.log
        )
        return self

    def kill(self) -> None:
        """SIGKILL: nothing of the process runs any more."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, as a service manager does it; the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        try:
            return self.process.wait(timeout=20)
        finally:
            self.process.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *failure: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()

    def credentials(self) -> dict[str, str]:
        """What `cli.json` in the data folder says."""
        members: dict[str, str] = json.loads((self.data / "cli.json").read_text())
        return members


@dataclass(frozen=True, slots=True)
class Application:
    """An application of the server and its secret."""

    client_id: str
    client_secret: str


@dataclass(slots=True)
class Caller:
    """Calls one server over HTTP: for tokens, and the Management API as the command line's client."""

    issuer: str
    operator: Application
    http: httpx2.Client
    _management_token: str | None = None

    def ask_token(self, application: Application, audience: str, **more: str) -> httpx2.Response:
        """The answer of the token endpoint, whatever it is."""
        form = {
            "grant_type": "client_credentials",
            "client_id": application.client_id,
            "client_secret": application.client_secret,
            "audience": audience,
        }
        return self.http.post("oauth/token", data=form | more)

    def token(self, application: Application, audience: str, **more: str) -> str:
        """An access token; fails when the server refuses."""
        answer = self.ask_token(application, audience, **more)
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token

    def manage(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str | int] | None = None,
    ) -> httpx2.Response:
        """The answer of the Management API at `/api/v2/{path}`, whatever it is."""
        if self._management_token is None:
            self._management_token = self.token(self.operator, self.issuer + "api/v2/")
        headers = bearer(self._management_token)
        return self.http.request(method, f"api/v2/{path}", headers=headers, json=json, params=params)

    def create(self, noun: str, **members: object) -> dict[str, Any]:
        """The new record as the server answers it."""
        return self._made(self.manage("POST", noun, json=members), 201)

    def update(self, path: str, **members: object) -> dict[str, Any]:
        """The changed record as the server answers it."""
        return self._made(self.manage("PATCH", path, json=members), 200)

    def application(self, name: str) -> Application:
        """A new machine-to-machine application."""
        made = self.create("clients", name=name, app_type="non_interactive")
        return Application(made["client_id"], made["client_secret"])

    def authorize(self, application: Application, audience: str, *scopes: str) -> str:
        """Let the application ask for tokens of the API, with these scopes; the grant's id."""
        made = self.create(
            "client-grants", client_id=application.client_id, audience=audience, scope=list(scopes)
        )
        grant_id: str = made["id"]
        return grant_id

    @staticmethod
    def _made(answer: httpx2.Response, status: int) -> dict[str, Any]:
        assert answer.status_code == status, answer.text
        members: dict[str, Any] = answer.json()
        return members


@contextmanager
def caller_of(issuer: str, credentials: dict[str, str]) -> Iterator[Caller]:
    """A caller for the server, with the credentials of its command line."""
    operator = Application(credentials["client_id"], credentials["client_secret"])
    context = trusting(credentials.get("ca_file"))
    with httpx2.Client(base_url=issuer, timeout=30, verify=context) as http:
        yield Caller(issuer, operator, http)


def calling(server: RunningServer) -> AbstractContextManager[Caller]:
    """A caller for a server in this process, with the credentials of its command line."""
    credentials = json.loads((server.settings.data / "cli.json").read_text())
    return caller_of(server.issuer, credentials)


def bearer(token: str) -> dict[str, str]:
    """The header that carries an access token."""
    return {"Authorization": f"Bearer {token}"}


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """An ASGI application under uvicorn in a thread; yields its base URL without a slash."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while not server.started:
            assert thread.is_alive(), "the application did not start"
            assert time.monotonic() < deadline, "the application did not start in time"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
