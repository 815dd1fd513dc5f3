"""The fixture `gatewright_server` in a project of its own, run by a real pytest; also beside itself."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.running import environment

if TYPE_CHECKING:
    from pathlib import Path

TENANT = """
resourceServers: [{identifier: https://blog-api, scopes: [{value: read:blog}]}]
clients: [{name: Reader, client_id: ci-reader}]
clientGrants: [{client_id: Reader, audience: https://blog-api, scope: [read:blog]}]
"""

SEEDED = """
import pytest
from gatewright.testing import Refused

def test_seed_is_there(gatewright_server):
    reader = gatewright_server.app("Reader")
    assert reader.client_id == "ci-reader"
    assert gatewright_server.token(reader, "https://blog-api")
    gatewright_server.faults.outage()
    gatewright_server.clock.freeze(0)

def test_faults_and_time_of_the_test_before_are_gone(gatewright_server):
    assert gatewright_server.token(gatewright_server.app("Reader"), "https://blog-api")
    assert gatewright_server.clock() > 1_000_000_000
"""

# Each file has a server of its own: what the others make is not there.
ALONE = """
def test_it_is_alone(gatewright_server, record_property):
    assert [each["name"] for each in gatewright_server.management.get("clients")] == ["Gatewright CLI"]
    gatewright_server.app("Only here")
    (key, _) = gatewright_server.management.get("keys/signing")
    with open(NAMES, "a") as names:
        names.write(f"{gatewright_server.url} {key['kid']}\\n")
"""

UNITTEST = """
import unittest
from gatewright.testing import server

class Tokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = server()
        cls.addClassCleanup(cls.server.stop)

    def test_token(self):
        self.server.api("https://blog-api", scopes=["read:blog"])
        reader = self.server.app("Reader", grants={"https://blog-api": ["read:blog"]})
        self.assertTrue(self.server.token(reader, "https://blog-api"))
"""


def run(folder: Path, *command: str) -> str:
    (folder / "conftest.py").write_text('pytest_plugins = ["gatewright.testing.plugin"]\n')
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_fixture_has_the_seed_and_ends_what_a_test_left_wrong(tmp_path: Path) -> None:
    (tmp_path / "tenant.yaml").write_text(TENANT)
    (tmp_path / "pytest.ini").write_text("[pytest]\ngatewright_seed = tenant.yaml\n")
    (tmp_path / "test_seeded.py").write_text(SEEDED)
    assert "2 passed" in run(tmp_path, "pytest", "-p", "no:cacheprovider")


def test_ten_fixtures_side_by_side_do_not_meet(tmp_path: Path) -> None:
    names = tmp_path / "names"
    for number in range(10):
        (tmp_path / f"test_{number}.py").write_text(f"NAMES = {str(names)!r}\n{ALONE}")
    said = run(tmp_path, "pytest", "-p", "no:cacheprovider", "-p", "xdist", "-n", "3")
    assert "10 passed" in said
    told = [line.split() for line in names.read_text().splitlines()]
    assert len({kid for _, kid in told}) == 10


def test_server_serves_a_test_of_the_standard_library(tmp_path: Path) -> None:
    (tmp_path / "test_tokens.py").write_text(UNITTEST)
    assert "OK" in run(tmp_path, "unittest", "test_tokens")
