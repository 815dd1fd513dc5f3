"""`gatewright serve --seed`: a tenant that is there before the server is; a wrong file ends the start."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from gatewright.jose import jws, jwt
from tests.running import GATEWRIGHT, Application, ServerProcess, caller_of, environment, free_port

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow  # each test starts servers of its own

SECRET = "made-up-for-this-test-0123456789"
TENANT = """
resourceServers:
  - {identifier: https://blog-api, name: Blog API, scopes: [{value: read:blog}]}
clients:
  - name: Reader
    client_id: ci-reader
    client_secret: "##READER_SECRET##"
    grant_types: [client_credentials]
clientGrants:
  - {client_id: Reader, audience: https://blog-api, scope: [read:blog]}
"""


@pytest.fixture
def seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("READER_SECRET", SECRET)
    file = tmp_path / "tenant.yaml"
    file.write_text(TENANT)
    return file


def fails(data: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A server that does not start."""
    return subprocess.run(
        [GATEWRIGHT, "serve", "--data", str(data), "--listen", f"localhost:{free_port()}", *words],
        env=environment(**variables), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("workers", ["1", "2"])
def test_seeded_application_gets_tokens_at_once_and_the_second_start_changes_nothing(
    tmp_path: Path, seed: Path, workers: str
) -> None:
    server = ServerProcess(tmp_path / "data", options=("--seed", str(seed), "--workers", workers))
    with server, caller_of(server.issuer, server.credentials()) as caller:
        reader = Application("ci-reader", SECRET)
        claims = jwt.claims(jws.parse(caller.token(reader, "https://blog-api")))
        first = caller.manage("GET", "logs", params={"q": "type:sapi"}).json()
    assert (claims["azp"], claims["scope"]) == ("ci-reader", "read:blog")
    told = server.log.read_text()
    assert told.index(f"{seed}: 3 changes done.") < told.index("Issuer")
    server.log.unlink()

    with server, caller_of(server.issuer, server.credentials()) as caller:
        assert caller.token(reader, "https://blog-api")
        assert caller.manage("GET", "logs", params={"q": "type:sapi"}).json() == first
    told = server.log.read_text()
    assert f"{seed}: nothing to change." in told
    assert "create  " not in told
    assert SECRET not in told


def test_setting_names_the_seed_too(tmp_path: Path, seed: Path) -> None:
    ran = fails(tmp_path / "data", GATEWRIGHT_SERVER_SEED=str(seed.with_name("nowhere.yaml")))
    assert (ran.returncode, "seed: " in ran.stderr, "is no file" in ran.stderr) == (6, True, True)
    seed.write_text("clients: Reader\n")
    ran = fails(tmp_path / "data", GATEWRIGHT_SERVER_SEED=str(seed))
    assert ran.stderr == f"Error: {seed} cannot be used: clients is no list of mappings.\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clients:\n  - {name: Reader\n", "it is no YAML (line 3, column 1)"),
        ("clients: [{name: Reader}, {name: Reader}]", "clients has Reader twice"),
        ("clients: [{name: '##NOWHERE##'}]", "there is no value for NOWHERE in"),
    ],
)
def test_file_that_is_none_ends_the_start_before_anything_is_made(
    tmp_path: Path, seed: Path, text: str, said: str
) -> None:
    seed.write_text(text)
    ran = fails(tmp_path / "data", "--seed", str(seed))
    assert (ran.returncode, f"{seed} cannot be used: {said}" in ran.stderr) == (6, True), ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_record_that_the_server_refuses_ends_the_start_and_a_mended_file_goes_on(
    tmp_path: Path, seed: Path
) -> None:
    seed.write_text(TENANT.replace("[read:blog]}\n", "[write:blog]}\n"))
    ran = fails(tmp_path / "data", "--seed", str(seed))
    assert ran.returncode == 6
    last = ran.stderr[ran.stderr.index("Error: ") :].splitlines()
    assert last[0].startswith(
        f"Error: {seed} cannot be brought in, so the server does not start. "
        "client grant Reader at https://blog-api: "
    )
    assert last[1] == "  Mend the file and start again. The changes above are done and stay."
    assert "Issuer" not in ran.stderr
    seed.write_text(TENANT)
    with ServerProcess(tmp_path / "data", options=("--seed", str(seed))) as server:
        told = server.log.read_text()
    assert "create  client grant    Reader at https://blog-api" in told
    assert f"{seed}: 1 changes done." in told


def test_application_with_another_id_is_no_match(tmp_path: Path, seed: Path) -> None:
    with ServerProcess(tmp_path / "data", options=("--seed", str(seed))):
        pass
    seed.write_text(TENANT.replace("client_id: ci-reader", "client_id: another"))
    ran = fails(tmp_path / "data", "--seed", str(seed))
    assert ran.returncode == 6
    assert (
        "The application Reader is there already, with another client_id than the file's another"
        in ran.stderr
    )
    assert "gatewright apps delete ci-reader" in ran.stderr
