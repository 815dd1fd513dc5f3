"""A terminal as a reader has it: what one command sets the next one knows, and servers serve on."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import gatewright
from tests.running import START_TIMEOUT, environment, responds

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCES = str(Path(gatewright.__file__).parents[1])

FOREIGN = ("PYTEST_", "FLASK_", "DJANGO_", "UVICORN_", "LITESTAR_", "FORCE_COLOR", "PY_COLORS", "COLUMNS")
"""Variables of whoever runs the tests that would change what a reader's commands do."""


@dataclass(slots=True)
class Terminal:
    """A shell in a folder. As a context manager it ends, and with it what it started.

    A command may take `patience` seconds: far more than it needs, even on a busy machine.
    """

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    patience: float = 60.0
    _shell: subprocess.Popen[str] | None = None
    _servers: dict[int, int] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=self.folder, env=self._environment(), text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return self

    def __exit__(self, *failure: object) -> None:
        assert self._shell is not None
        for group in (*self._servers.values(), self._shell.pid):
            end(group)
        self._shell.communicate()

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in environment().items() if not name.startswith(FOREIGN)}
        programs = str(Path(sys.executable).parent)
        # curl shows no progress to a terminal, and asks no proxy for this machine.
        (self.folder / ".curlrc").write_text('silent\nshow-error\nnoproxy = "*"\n')
        ours = {
            "PATH": f"{programs}{os.pathsep}{kept['PATH']}",
            "PYTHONPATH": SOURCES,
            "CURL_HOME": str(self.folder),
        }
        return {**kept, **ours, **self.variables}

    def _tell(self, line: str) -> None:
        assert self._shell is not None
        assert self._shell.stdin is not None
        self._shell.stdin.write(line + "\n")
        self._shell.stdin.flush()

    def _ask(self, line: str) -> str:
        """The next line that the shell itself writes; what commands write goes elsewhere."""
        assert self._shell is not None
        assert self._shell.stdout is not None
        self._tell(line)
        watch = threading.Timer(self.patience, end, [self._shell.pid])
        watch.start()
        try:
            return self._shell.stdout.readline().strip()
        finally:
            watch.cancel()

    @property
    def _output(self) -> Path:
        return self.folder.with_name(self.folder.name + ".output")

    def run(self, line: str) -> tuple[int, str]:
        """The exit code of a command, and what it showed."""
        output = shlex.quote(str(self._output))
        code = self._ask(f"eval {shlex.quote(line)} </dev/null >{output} 2>&1; echo $?")
        shown = self._output.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n")
        assert code, f"{line} does not end: {shown}"
        return int(code), shown

    def variable(self, name: str) -> str:
        """What the shell knows by this name."""
        return self._ask(f'echo "${name}"')

    def serve(self, line: str, port: int) -> None:
        """Start a command that stays, in place of what served on the port; return when it answers there."""
        self.stop(port)
        log = self.folder.with_name(f"{self.folder.name}.{port}.log")
        output = shlex.quote(str(log))
        # With -m it becomes a group of processes of its own, that ends as one and without the shell.
        told = self._ask(f"set -m; eval {shlex.quote(line)} </dev/null >{output} 2>&1 & echo $!; set +m")
        process = int(told)
        self._servers[port] = process
        deadline = time.monotonic() + START_TIMEOUT
        authority = self.folder / ".gatewright/tls/ca.pem"
        url = f"://localhost:{port}/health/ready"
        while not (responds(f"http{url}") or responds(f"https{url}", ca_file=authority)):
            assert is_alive(process), f"{line} has ended: {log.read_text()[-4000:]}"
            assert time.monotonic() < deadline, f"{line} does not answer: {log.read_text()[-4000:]}"
            time.sleep(0.02)

    def stop(self, port: int) -> None:
        """End what serves on the port, if anything does."""
        process = self._servers.pop(port, None)
        if process is not None:
            end(process)
            self._ask(f"wait {process}; echo ended")


def end(group: int) -> None:
    """Kill all processes of a group, if there are any."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def is_alive(process: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
