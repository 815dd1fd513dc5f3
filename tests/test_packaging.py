"""The wheel holds all that the program needs, and works where nothing of the source tree is near."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.running import environment

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, cwd: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("gatewright-*.whl")
    return wheel


def install(wheel: Path, extras: str, lock: str, folder: Path) -> Path:
    """A clean environment with the locked packages and the wheel, nothing beyond the lock; its programs."""
    venv.create(folder, with_pip=False)
    programs = folder / "bin"
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--python",
        programs / "python",
    ]
    needed = run(
        *pip, "install", "--require-hashes", "--requirement", ROOT / "requirements" / lock, cwd=folder
    )
    if "establish a new connection" in needed.stderr:
        pytest.skip("the package registry cannot be reached")
    assert needed.returncode == 0, needed.stderr
    ours = run(*pip, "install", "--no-index", f"{wheel}{extras}", cwd=folder)
    assert ours.returncode == 0, f"the lock lacks something that the wheel{extras} needs: {ours.stderr}"
    return programs


def test_wheel_holds_migrations_templates_and_the_sample(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    sources = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src/gatewright").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sources <= packed, sorted(sources - packed)
    assert "gatewright/py.typed" in packed
    assert "gatewright/demo/sample.py" in packed
    assert any(name.startswith("gatewright/server/store/migrations/") for name in packed)
    assert any(name.endswith(".html") for name in packed)


def test_wheel_holds_nothing_but_the_package(wheel: Path) -> None:
    folders = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {folder for folder in folders if not folder.endswith(".dist-info")} == {"gatewright"}


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_lock_pins_and_hashes_everything_and_names_no_host(lock: Path) -> None:
    text = lock.read_text()
    pins = re.findall(r"^[a-z0-9]\S+==\S+.*(?:\n +--hash=sha256:[0-9a-f]{64}.*)+", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE)) > 0
    assert "://" not in text
    assert "index" not in text


NPM_LOCKS = [
    path for path in (*ROOT.glob("tests/**/package-lock.json"), *ROOT.glob("examples/*/package-lock.json"))
    if "node_modules" not in path.parts
]  # fmt: skip


@pytest.mark.parametrize("lock", NPM_LOCKS, ids=lambda path: path.parent.name)
def test_npm_lock_hashes_everything_and_names_no_registry(lock: Path) -> None:
    packages = json.loads(lock.read_text())["packages"]
    del packages[""]
    assert all("integrity" in package and "resolved" not in package for package in packages.values())


@pytest.mark.slow
def test_installed_wheel_walks_the_tutorial_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    programs = install(wheel, "[all]", "demo.txt", tmp_path / "environment")
    empty = tmp_path / "empty"
    empty.mkdir()
    walked = run(programs / "gatewright", "demo", "--once", cwd=empty)
    assert walked.returncode == 0, walked.stdout + walked.stderr
    assert list(empty.iterdir()) == []


@pytest.mark.slow
def test_base_install_is_the_guard_and_names_the_extra_for_the_command(wheel: Path, tmp_path: Path) -> None:
    programs = install(wheel, "", "base.txt", tmp_path / "environment")
    guard = run(
        programs / "python", "-c", "from gatewright import Guard; Guard('https://a.example/', audience='b')",
        cwd=tmp_path,
    )  # fmt: skip
    assert guard.returncode == 0, guard.stderr

    command = run(programs / "gatewright", "serve", cwd=tmp_path)
    assert command.returncode != 0
    assert "Traceback" not in command.stderr
    assert "[all]" in command.stderr or "[cli]" in command.stderr
    assert len(command.stderr.strip().splitlines()) == 1
