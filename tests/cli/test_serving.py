"""`gatewright serve`: banner, settings and how it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

import pytest

from gatewright.cli import serving
from tests.running import GATEWRIGHT, ServerProcess, environment, free_port

pytestmark = pytest.mark.slow  # each test starts servers of its own


def serve(*words: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A server that cannot start."""
    return subprocess.run(
        [GATEWRIGHT, "serve", *words],
        cwd=cwd, env=environment(**variables), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.slow
def test_server_says_where_it_is_and_being_asked_to_stop_is_no_failure(
    tmp_path: Path, how: signal.Signals
) -> None:
    with ServerProcess(tmp_path / "data") as server:
        assert server.process is not None
        server.process.send_signal(how)
        assert server.process.wait(timeout=20) == 0
    log = server.log.read_text()
    assert "Traceback" not in log
    assert f"Issuer       {server.issuer}" in log
    assert f"{server.issuer}.well-known/jwks.json" in log
    assert f'gatewright apis create "Blog API" --identifier https://blog-api --data {server.data}' in log


def test_taken_port_is_a_plain_sentence_with_a_way_out(tmp_path: Path) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        ran = serve("--listen", f"localhost:{port}", cwd=tmp_path)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"Error: Port {port} is taken.")
    assert "Traceback" not in ran.stderr


def test_all_faulty_settings_are_told_at_once(tmp_path: Path) -> None:
    ran = serve("--listen", "nonsense", "--workers", "0", cwd=tmp_path, GATEWRIGHT_SERVER_NONSENSE="1")
    assert ran.returncode == 6
    for fault in ("listen:", "workers:", "GATEWRIGHT_SERVER_NONSENSE"):
        assert fault in ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flag", "variables", "chosen"),
    [
        (None, {}, None),  # the server's own default
        (None, {"GATEWRIGHT_DATA": "shared"}, Path("shared")),
        (None, {"GATEWRIGHT_DATA": "shared", "GATEWRIGHT_SERVER_DATA": "own"}, None),  # read by the server
        (Path("flag"), {"GATEWRIGHT_DATA": "shared", "GATEWRIGHT_SERVER_DATA": "own"}, Path("flag")),
    ],
)
def test_data_folder_is_chosen_by_flag_then_variables_then_default(
    monkeypatch: pytest.MonkeyPatch, flag: Path | None, variables: dict[str, str], chosen: Path | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert serving.chosen_folder(flag) == chosen


def test_settings_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('nonsense = 1\nworkers = "many"\n')
    ran = serve("--config", "settings.toml", cwd=tmp_path)
    assert ran.returncode == 6
    assert "nonsense" in ran.stderr
    assert "workers:" in ran.stderr
