"""Counts for Prometheus: told on a listener of their own, by one process and by several."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx2
import pytest

from gatewright.server import events
from gatewright.server.app import RunningServer, start
from gatewright.server.errors import SettingsError
from gatewright.server.settings import Settings
from tests.running import GATEWRIGHT, ServerProcess, calling, environment, free_port, responds
from tests.server.test_workers import PROCESSES, wait_for, workers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.running import Caller

API = "https://blog-api"


def told(address: str) -> dict[str, float]:
    """What is told there: each time series and its value, without the library's own."""
    text = httpx2.get(f"http://{address}/metrics", timeout=10).text
    lines = [line.rpartition(" ") for line in text.splitlines() if line.startswith("gatewright_")]
    return {name: float(value) for name, _, value in lines if not name.partition("{")[0].endswith("_created")}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningServer]:
    settings = Settings.load(
        {},
        data=tmp_path / "data",
        listen=f"localhost:{free_port()}",
        metrics=f"127.0.0.1:{free_port()}",
    )
    with start(settings) as running:
        yield running


@pytest.fixture
def caller(running: RunningServer) -> Iterator[Caller]:
    with calling(running) as caller:
        yield caller


def test_requests_and_tokens_are_counted(running: RunningServer, caller: Caller) -> None:
    caller.create("resource-servers", identifier=API)
    reader = caller.application("Reader")
    caller.authorize(reader, API)
    made = 'gatewright_requests_total{door="management",status="201"}'
    wait_for(lambda: told(running.settings.metrics).get(made) == 3)
    before = told(running.settings.metrics)
    for _ in range(3):
        caller.token(reader, API)
    for _ in range(2):
        assert caller.ask_token(reader, "urn:none").status_code == 403
    caller.ask_token(type(reader)(reader.client_id, "wrong"), API)
    caller.http.get(".well-known/jwks.json")
    caller.http.get("a/page/that/is/not/there")
    caller.manage("GET", "clients/nobody")

    expected = {
        'gatewright_requests_total{door="oauth",status="200"}': 3,
        'gatewright_requests_total{door="oauth",status="403"}': 2,
        'gatewright_requests_total{door="oauth",status="401"}': 1,
        'gatewright_requests_total{door="metadata",status="200"}': 1,
        'gatewright_requests_total{door="other",status="404"}': 1,
        'gatewright_requests_total{door="management",status="404"}': 1,
        "gatewright_tokens_issued_total": 3,
        'gatewright_tokens_refused_total{error="access_denied"}': 3,
        "gatewright_token_requests_needless_total": 2,
    }

    def grown() -> dict[str, float]:
        counters = {name: by for name, by in told(running.settings.metrics).items() if "_total" in name}
        return {name: by - before.get(name, 0) for name, by in counters.items() if by != before.get(name, 0)}

    wait_for(lambda: grown() == expected)  # an answer arrives before it is counted


def test_changes_are_told(running: RunningServer, caller: Caller) -> None:
    before = told(running.settings.metrics)["gatewright_change_feed_revision"]
    assert before == running.server.store.read(lambda tx: tx.revision())
    caller.application("Reader")
    assert told(running.settings.metrics)["gatewright_change_feed_revision"] > before  # before the answer


def test_log_events_that_wait_or_are_lost_are_told(
    running: RunningServer, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_BUFFERED", 0)
    assert told(running.settings.metrics)["gatewright_log_events_dropped_total"] == 0
    caller.token(caller.operator, running.settings.management_audience)
    running.server.events.flush()
    counts = told(running.settings.metrics)
    assert counts["gatewright_log_events_dropped_total"] == 1
    assert counts["gatewright_log_events_waiting"] == 0
    assert counts["gatewright_tokens_issued_total"] == 1


def test_without_the_setting_nothing_is_counted_and_the_library_not_loaded(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from gatewright.server.app import start\n"
        "from gatewright.server.settings import Settings\n"
        "settings = Settings.load({}, data=Path(sys.argv[1]), listen=sys.argv[2])\n"
        "with start(settings): print('prometheus_client' in sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "data"), f"localhost:{free_port()}"],
        check=True,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
    )
    assert shown.stdout == "False\n"


@pytest.mark.slow
@pytest.mark.skipif(not PROCESSES.is_dir(), reason="the workers' numbers are read from /proc (Linux)")
def test_workers_are_added_up_and_those_that_died_too(tmp_path: Path) -> None:
    metrics = f"127.0.0.1:{free_port()}"
    options = ("--workers", "2", "--metrics", metrics)
    with ServerProcess(tmp_path / "data", options=options) as server:
        for _ in range(60):  # a connection each, so that both workers come to answer
            httpx2.get(server.issuer + "health/live")
        live = 'gatewright_requests_total{door="health",status="200"}'
        wait_for(lambda: told(metrics)[live] >= 61)  # the start asked too
        total = told(metrics)[live]
        gone = workers(server)[0]
        os.kill(gone, signal.SIGKILL)
        wait_for(lambda: gone not in workers(server) and responds(server.issuer + "health/live"))
        counts = told(metrics)
        assert counts[live] >= total
        assert counts["gatewright_log_events_waiting"] == 0
        assert len([name for name in counts if name.startswith("gatewright_change_feed")]) == 1
        assert server.stop() == 0


def test_an_address_that_is_taken_is_told(running: RunningServer, tmp_path: Path) -> None:
    words = ["--data", str(tmp_path / "other"), "--listen", f"localhost:{free_port()}"]
    ran = subprocess.run(
        [GATEWRIGHT, "serve", *words, "--metrics", running.settings.metrics],
        check=False,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
    )
    assert ran.returncode == 1
    assert re.search(r"Error: Metrics cannot be told on 127\.0\.0\.1:\d+: .*--metrics HOST:PORT", ran.stderr)


def test_an_address_that_is_none_is_a_fault() -> None:
    with pytest.raises(SettingsError, match="metrics: 'nine' is not HOST:PORT"):
        Settings.load({"GATEWRIGHT_SERVER_METRICS": "nine"})
    assert Settings.load({}).metrics_address is None
