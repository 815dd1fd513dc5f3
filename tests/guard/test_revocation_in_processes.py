"""A client is revoked over HTTP: guards in two processes refuse its live token in time; then it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.running import ServerProcess, caller_of, environment

if TYPE_CHECKING:
    from collections.abc import Callable

WORKER = Path(__file__).with_name("revocation_worker.py")
PROMISE = 10.0
"""Seconds from the answer that acknowledges a revocation to the last acceptance, with the usual interval."""
AUDIENCE = "urn:processes"

Worker = subprocess.Popen[str]


def started(stack: ExitStack, issuer: str) -> Worker:
    command = [sys.executable, str(WORKER), issuer, AUDIENCE]
    worker = stack.enter_context(
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())
    )
    assert worker.stdin is not None
    stack.callback(worker.stdin.close)
    return worker


def ask(workers: list[Worker], *tokens: str) -> list[dict[str, Any]]:
    told = []
    for worker in workers:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(json.dumps(tokens) + "\n")
        worker.stdin.flush()
        told.append(json.loads(worker.stdout.readline()))
    return told


def seconds_until(is_so: Callable[[], bool], *, at_most: float) -> float:
    began = time.monotonic()
    while time.monotonic() - began < at_most:
        if is_so():
            break
        time.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.slow
def test_two_processes_refuse_within_ten_seconds_and_an_outage_changes_nothing_but_the_gauge(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(ServerProcess(tmp_path / "data"))
        caller = stack.enter_context(caller_of(server.issuer, server.credentials()))
        caller.create("resource-servers", identifier=AUDIENCE)
        applications = [caller.application(name) for name in ("Revoked", "Left alone")]
        for each in applications:
            caller.authorize(each, AUDIENCE)
        tokens = [caller.token(each, AUDIENCE) for each in applications]
        workers = [started(stack, server.issuer) for _ in range(2)]
        before = {"answers": ["entered", "entered"], "stale": False}
        assert ask(workers, *tokens) == [before] * 2

        caller.create("revocations", client_id=applications[0].client_id)
        after = {"answers": ["revoked", "entered"], "stale": False}
        took = seconds_until(lambda: ask(workers, *tokens) == [after] * 2, at_most=2 * PROMISE)
        assert took < PROMISE

        server.stop()
        away = {**after, "stale": True}
        seconds_until(lambda: ask(workers, *tokens) == [away] * 2, at_most=3 * PROMISE)
        assert ask(workers, *tokens) == [away] * 2
        # One that begins now knows no keys either: nobody can tell, and it says so.
        assert ask([started(stack, server.issuer)], tokens[1])[0]["answers"] == ["keys_unavailable"]
