"""Downloaded folders of quick starts, used as their README says: unpacked, set up, served, called."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import gatewright
from tests.compat.node_packages import node_and_npm, node_with_packages
from tests.running import environment, free_port, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running import Application

SOURCES = str(Path(gatewright.__file__).parents[1])
EXPRESS = Path(__file__).parents[3] / "examples/blogs-express"
LOAD = "set -a; . ./.env; set +a; "
FORGET = "unset GATEWRIGHT_ISSUER GATEWRIGHT_AUDIENCE GATEWRIGHT_ALGORITHMS; "
"""Leaves what stands in the sources."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A downloaded folder, unpacked."""

    path: Path

    def text(self, name: str) -> str:
        return (self.path / name).read_text(encoding="utf-8")

    def names(self) -> set[str]:
        return {file.name for file in self.path.iterdir()}

    def fill_env(self, application: Application, secret: str = "") -> None:
        """Does what `.env.example` asks for."""
        text = self.text(".env.example")
        filled = {
            "CLIENT_ID": application.client_id,
            "CLIENT_SECRET": application.client_secret,
            "SIGNING_SECRET": secret,
        }
        for name, value in filled.items():
            text = text.replace(f"\n{name}=\n", f"\n{name}={shlex.quote(value)}\n")
        (self.path / ".env").write_text(text, encoding="utf-8")

    def steps(self) -> list[str]:
        """The commands of its README between the environment and the calls, without remarks."""
        (block,) = re.findall(r"^```sh\n(.*?)^```$", self.text("README.md"), re.DOTALL | re.MULTILINE)
        lines = [re.sub(r"\s+#.*", "", line) for line in block.splitlines()]
        assert lines[:2] == ["cp .env.example .env", LOAD.rstrip("; ")]
        assert lines[-1] == "sh calls.sh"
        return lines[2:-1]

    def run(self, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """A line in a shell, with what stands in `.env`."""
        return subprocess.run(
            ["sh", "-c", LOAD + command], cwd=self.path, env=environment(PYTHONPATH=SOURCES, **variables),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    def variables(self, *names: str) -> dict[str, str]:
        """What a shell reads from `.env`."""
        shown = self.run("printf '%s\\0' " + " ".join(f'"${name}"' for name in names))
        assert shown.returncode == 0, shown.stderr
        return dict(zip(names, shown.stdout.split("\0"), strict=False))

    @contextmanager
    def served(self, before: str = "") -> Iterator[str]:
        """What its README starts, on a free port; the URL. `before` is said in its shell."""
        port = free_port()
        program, *words = self.steps()[-1].split()
        command = " ".join([*_at_hand(program), *words]).replace("3000", str(port))
        url = f"http://127.0.0.1:{port}"
        with started(
            ["sh", "-c", f"{LOAD}{before}exec {command}"], f"{url}/health", cwd=self.path,
            log=self.path.parent / "log", variables=environment(PYTHONPATH=SOURCES, PORT=str(port)),
        ):  # fmt: skip
            yield url

    def calls(self, url: str, before: str = "") -> list[tuple[str, int]]:
        """What `calls.sh` tells: each call and the status of its answer."""
        ran = self.run(f"{before}sh calls.sh", API_URL=url)
        assert ran.returncode == 0, ran.stderr
        found = re.findall(r"^((?:GET|POST) \S+) .* (\d{3})$", ran.stdout, re.MULTILINE)
        return [(call, int(status)) for call, status in found]


def _at_hand(program: str) -> list[str]:
    """The command for a program of a README, from the environment of the tests."""
    if program == "node":
        return node_and_npm()[0]
    if program in {"uvicorn", "flask"}:
        return [sys.executable, "-m", program]
    return [sys.executable if program == "python" else program]


def unpacked(content: bytes, into: Path) -> Folder:
    """The one folder of a downloaded file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        (top,) = {name.partition("/")[0] for name in archive.namelist()}
        archive.extractall(into)
    return Folder(into / top)


def set_up(folder: Folder, framework: str) -> None:
    """The step before serving, with packages that are at hand instead of those an index would give."""
    if framework == "express":
        node_with_packages(EXPRESS)
        (folder.path / "node_modules").symlink_to(EXPRESS / "node_modules")
        return
    if framework == "go":
        if shutil.which("go") is None:
            pytest.skip("Go is not installed")
        command = f'{folder.steps()[0]} && go build -o ../unused . && test -z "$(gofmt -l .)"'
    else:
        step = folder.steps()[0]
        assert step.startswith("pip install -r requirements.txt && python -m pytest")
        command = f"{sys.executable} -m pytest -q -W error -p no:cacheprovider"
    ran = folder.run(command)
    assert ran.returncode == 0, ran.stdout + ran.stderr
