"""`serve --tls`, and what makes other programs trust it: `env` and `trust`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from gatewright.cli.failures import ExitCode
from tests.compat.node_packages import node_and_npm
from tests.running import (
    GATEWRIGHT,
    ServerProcess,
    caller_of,
    environment,
    free_port,
    responds,
    trusting,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Cli

API = "https://blog-api"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with `--tls local` and one API."""
    with ServerProcess(tmp_path_factory.mktemp("tls") / "data", options=("--tls", "local")) as running:
        with caller_of(running.issuer, running.credentials()) as caller:
            caller.create("resource-servers", identifier=API, name="Blog API")
        yield running


@pytest.fixture
def cli(bare_cli: Cli, secure: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line on the data folder of that server."""
    monkeypatch.setenv("GATEWRIGHT_DATA", str(secure.data))
    return bare_cli


def test_everything_is_https_and_the_command_line_trusts_it_by_itself(
    cli: Cli, secure: ServerProcess
) -> None:
    assert secure.issuer.startswith("https:")
    assert cli("apis", "list", "--json").json[-1]["identifier"] == API
    token = cli("token", "--api", API, "--app", "Gatewright CLI")
    assert token.code == ExitCode.REFUSED, "it is not authorized, and the server said so"
    with httpx2.Client(verify=trusting(secure.ca_file)) as http:
        document = http.get(secure.issuer + ".well-known/openid-configuration").json()
    assert {url.partition(":")[0] for name, url in document.items() if name.endswith("_endpoint")} == {
        "https"
    }


def test_the_lines_of_env_make_python_curl_and_node_trust_it(cli: Cli) -> None:
    lines = cli("env", "--api", API).out
    issuer = next(line for line in lines.splitlines() if "GATEWRIGHT_ISSUER" in line) + "\n"
    node, *_ = node_and_npm()[0]
    fetched = "fetch(process.env.GATEWRIGHT_ISSUER).then(() => 0, () => process.exit(1))"
    programs = [
        f"{sys.executable} -c 'import os, urllib.request as u; u.urlopen(os.environ[\"GATEWRIGHT_ISSUER\"])'",
        'curl --fail --silent --show-error --output /dev/null "$GATEWRIGHT_ISSUER"',
        f"{node} -e '{fetched}'",
    ]
    for program in programs:
        assert runs(lines + program), program
        assert not runs(issuer + program), program


def runs(script: str) -> bool:
    """Whether a shell ends well; curl, where it is absent, is not what is tested."""
    if "curl" in script.splitlines()[-1] and shutil.which("curl") is None:
        pytest.skip("no curl is installed")
    command = ["/bin/sh", "-c", script]
    ran = subprocess.run(command, env=environment(), capture_output=True, check=False, timeout=60)
    return ran.returncode == 0


def test_the_tools_of_auth0_get_domain_client_and_secret_only_when_asked(
    cli: Cli, secure: ServerProcess
) -> None:
    assert "AUTH0" not in cli("env", "--api", API).out
    variables = cli("env", "--api", API, "--tools", "--json").json
    assert variables["AUTH0_DOMAIN"] == f"localhost:{secure.port}"
    assert variables["AUTH0_CLIENT_ID"] == secure.credentials()["client_id"]
    assert variables["AUTH0_CLIENT_SECRET"] == secure.credentials()["client_secret"]


def test_a_certificate_of_ones_own_serves_from_every_worker(tmp_path: Path, secure: ServerProcess) -> None:
    tls, port, log = secure.data / "tls", free_port(), tmp_path / "log"
    command = [GATEWRIGHT, "serve", "--data", str(tmp_path / "data"), "--listen", f"localhost:{port}"]
    command += ["--workers", "2", "--tls", f"{tls / 'server.pem'},{tls / 'server.key'}"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment(), stdout=output, stderr=output)
    try:
        url = f"https://localhost:{port}/health/ready"
        wait_until(lambda: responds(url, ca_file=secure.ca_file), process, log)
        assert not responds(url), "and nobody trusts it who was not told to"
        assert f"https://localhost:{port}/" in log.read_text()
        assert "ca_file" not in json.loads((tmp_path / "data" / "cli.json").read_text())
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_files_that_are_no_pair_are_told_in_one_sentence(tmp_path: Path, secure: ServerProcess) -> None:
    tls = secure.data / "tls"
    command = [GATEWRIGHT, "serve", "--data", str(tmp_path / "data"), "--listen", f"localhost:{free_port()}"]
    ran = subprocess.run(
        [*command, "--tls", f"{tls / 'server.pem'},{tls / 'ca.key'}"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == ExitCode.FAILED
    assert "are no certificate and its key" in ran.stderr
    assert "Traceback" not in ran.stderr


# trust


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system whose programs write down how they were called: its real store is not the tests' to change."""
    said = tmp_path / "said"
    for name in ("install", "rm", "update-ca-certificates"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> "{said}"\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return said


def test_trust_shows_the_authority(cli: Cli, secure: ServerProcess) -> None:
    shown = cli("trust", "show", "--json").json
    assert shown["ca_file"] == str(secure.ca_file)
    assert shown["sha256"] in cli("trust", "show").out


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="a system without users")
def test_trust_is_installed_and_taken_back_by_the_systems_own_programs(
    cli: Cli, store: Path, secure: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprint = cli("trust", "show", "--json").json["sha256"]
    target = f"/usr/local/share/ca-certificates/gatewright-{fingerprint[:12]}.crt"
    assert cli("trust", "install", "--dry-run").code == 0
    assert not store.exists()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cli("trust", "install").code == 0
    assert cli("trust", "uninstall").code == 0
    assert store.read_text().splitlines() == [
        f"install -m 644 {secure.ca_file} {target}",
        "update-ca-certificates ",
        f"rm -f {target}",
        "update-ca-certificates ",
    ]


def test_without_the_rights_the_commands_are_shown_and_nothing_is_done(
    cli: Cli, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    ran = cli("trust", "install")
    assert ran.code == ExitCode.REFUSED
    assert "sudo update-ca-certificates" in ran.err
    assert not store.exists()


def test_a_program_that_fails_is_told_with_its_own_words(
    cli: Cli, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (store.parent / "bin" / "install").write_text("#!/bin/sh\necho no space left >&2\nexit 3\n")
    ran = cli("trust", "install")
    assert (ran.code, "no space left" in ran.err) == (ExitCode.FAILED, True)


def test_a_system_that_is_not_known_gets_the_other_ways(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = cli("trust", "install")
    assert ran.code == ExitCode.FAILED
    assert "gatewright env" in ran.err


def test_a_server_without_an_authority_says_how_to_get_one(
    bare_cli: Cli, server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWRIGHT_DATA", str(server.data))
    ran = bare_cli("trust", "show")
    assert (ran.code, "--tls local" in ran.err) == (ExitCode.NOT_FOUND, True)
