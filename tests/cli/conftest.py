"""The command line in this process, against the real server of the test file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from gatewright.cli import main
from tests.running import ServerProcess, caller_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.running import Caller

    Cli = Callable[..., "Ran"]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON of whatever shape
        """What it printed for programs."""
        return json.loads(self.out)

    @property
    def rows(self) -> list[str]:
        """The lines of its table, without the headings."""
        return self.out.splitlines()[1:]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all files here: each test makes what it looks at, under names of its own."""
    with ServerProcess(tmp_path_factory.mktemp("cli") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def caller(server: ServerProcess) -> Iterator[Caller]:
    """Calls `server` with the credentials of its command line."""
    with caller_of(server.issuer, server.credentials()) as caller:
        yield caller


@pytest.fixture
def bare_cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs `gatewright WORDS…` with nothing arranged."""

    def run(*words: str) -> Ran:
        capsys.readouterr()
        code = main(words)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Ran(int(code), out, err)

    return run


@pytest.fixture
def cli(bare_cli: Cli, server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs `gatewright WORDS…` on the data folder of the running server."""
    monkeypatch.setenv("GATEWRIGHT_DATA", str(server.data))
    return bare_cli
