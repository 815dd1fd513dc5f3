"""A change is on disk before its answer leaves: seen from outside, in the server's system calls."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.running import ServerProcess, caller_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running import Caller

TRACED = "fsync,fdatasync,recvfrom,recvmsg,read,write,writev,sendto,sendmsg"


def strace() -> str:
    """The tracer's path; skips where there is none or the system lets it trace nothing."""
    found = shutil.which("strace")
    if found is None:
        pytest.skip("strace is not installed")
    tried = subprocess.run([found, "-e", "trace=none", "true"], capture_output=True, check=False, timeout=30)
    if tried.returncode != 0:
        pytest.skip("strace may not trace here: " + tried.stderr.decode().strip())
    return found


def calls_of(trace: Path, marker: str, answer: str) -> list[str]:
    """The system calls from the one that reads `marker` to the one that sends `answer`."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        lines = trace.read_text(errors="replace").splitlines()
        first = next((n for n, line in enumerate(lines) if marker in line), None)
        if first is not None:
            last = next((n for n, line in enumerate(lines) if n > first and answer in line), None)
            if last is not None:
                return lines[first : last + 1]
        time.sleep(0.05)
    raise AssertionError(f"the trace shows no request with {marker} and its answer")


def syncs_among(calls: list[str]) -> int:
    """How many syncs ended, whole or resumed after another thread's call."""
    ended = re.compile(r"(?:\bf(?:data)?sync\(\d+\)|<\.\.\. f(?:data)?sync resumed>.*\))\s*=\s*0")
    return sum(1 for line in calls if ended.search(line))


@pytest.fixture
def traced(tmp_path: Path) -> tuple[ServerProcess, Path]:
    trace = tmp_path / "trace"
    prefix = (strace(), "-D", "-f", "-qq", "-s", "32768", "-e", f"trace={TRACED}", "-o", str(trace))
    return ServerProcess(tmp_path / "data", prefix=prefix), trace


@pytest.mark.slow
def test_sync_stands_between_a_change_and_its_answer(traced: tuple[ServerProcess, Path]) -> None:
    server, trace = traced
    with server, caller_of(server.issuer, server.credentials()) as caller:
        assert_each_change_is_synced(caller, trace)


def assert_each_change_is_synced(caller: Caller, trace: Path) -> None:
    created = caller.create("resource-servers", identifier="urn:durable-marker", name="Created")
    calls = calls_of(trace, "urn:durable-marker", "HTTP/1.1 201")
    assert syncs_among(calls) >= 1, "\n".join(calls)

    caller.update(f"resource-servers/{created['id']}", name="Renamed-marker")
    calls = calls_of(trace, "Renamed-marker", "HTTP/1.1 200")
    assert syncs_among(calls) >= 1, "\n".join(calls)

    caller.manage("DELETE", f"resource-servers/{created['id']}")
    calls = calls_of(trace, f"DELETE /api/v2/resource-servers/{created['id']}", "HTTP/1.1 204")
    assert syncs_among(calls) >= 1, "\n".join(calls)
