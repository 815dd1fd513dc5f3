"""Clients written in Go, outside of `make test`: `make compat-go`, which needs Go and its module proxy."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.running import environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.compat.conftest import Tenant

FOLDER = Path(__file__).parent
AUTH0_CLI = "github.com/auth0/auth0-cli/cmd/auth0@latest"

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")


def ran(command: list[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=FOLDER,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def variables(tenant: Tenant) -> dict[str, str]:
    own = tenant.caller.operator
    return tenant.trust | {
        "AUTH0_DOMAIN": tenant.domain,
        "AUTH0_CLIENT_ID": own.client_id,
        "AUTH0_CLIENT_SECRET": own.client_secret,
    }


@pytest.fixture(scope="module")
def machine_login(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program of main.go, built."""
    program = str(tmp_path_factory.mktemp("go") / "machine-login")
    built = ran(["go", "build", "-o", program, "."], {})
    assert built.returncode == 0, built.stderr
    return program


def test_the_oauth_library_of_gos_tools_logs_in_as_a_machine(tenant: Tenant, machine_login: str) -> None:
    done = ran([machine_login], variables(tenant))
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) == len(tenant.caller.manage("GET", "clients").json())


def test_it_is_told_when_the_secret_is_wrong(tenant: Tenant, machine_login: str) -> None:
    done = ran([machine_login], variables(tenant) | {"AUTH0_CLIENT_SECRET": "wrong"})
    assert done.returncode == 1
    assert "access_denied" in done.stderr


@pytest.fixture(scope="module")
def auth0(tmp_path_factory: pytest.TempPathFactory) -> str:
    """auth0-cli, if the module proxy has it."""
    folder = tmp_path_factory.mktemp("bin")
    built = ran(["go", "install", AUTH0_CLI], {"GOBIN": str(folder)})
    if built.returncode:
        pytest.skip(f"{AUTH0_CLI} cannot be had: {built.stderr.strip()[-300:]}")
    return str(folder / "auth0")


def test_auth0_cli_logs_in_and_manages(tenant: Tenant, auth0: str, tmp_path: Path) -> None:
    known = variables(tenant) | {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    login = ["login", "--domain", known["AUTH0_DOMAIN"], "--client-id", known["AUTH0_CLIENT_ID"]]
    login += ["--client-secret", known["AUTH0_CLIENT_SECRET"], "--no-input"]
    assert ran([auth0, *login], known).returncode == 0
    for words in (["apis", "list"], ["apps", "list"], ["logs", "list"]):
        listed = ran([auth0, *words, "--json", "--no-input"], known)
        assert listed.returncode == 0, listed.stderr
        assert json.loads(listed.stdout), words
    got = ran([auth0, "api", "get", "client-grants", "--no-input"], known)
    assert got.returncode == 0, got.stderr
    asked = [auth0, "test", "token", tenant.reader.client_id, "--audience", "https://blog-api", "--no-input"]
    assert ran(asked, known).returncode == 0
