"""Rotation and revocation of keys as three worker processes see it, a crowd at expiry, a day's outage."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gatewright.guard import Denied, Guard, Request
from tests.guard.issuing import AUDIENCE, NOW, Clock, StubIssuer, bearer, key
from tests.running import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKER = Path(__file__).with_name("rotation_worker.py")
REFRESH = 300.0
"""Seconds after which the keys of an issuer that says nothing of it are asked for again."""
LIFE = 3 * REFRESH
ROTATIONS = 100
DAY = 86400.0

Worker = subprocess.Popen[str]


@contextmanager
def three_workers(issuer: str) -> Iterator[list[Worker]]:
    """Three processes, each with a guard of its own; their input's end is theirs."""
    command = [sys.executable, str(WORKER), issuer, AUDIENCE]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())
        for _ in range(3)
    ]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.communicate(timeout=10)


def answers(workers: list[Worker], clock: Clock, *tokens: str) -> list[list[str]]:
    """What each worker answers to the tokens at the clock's time."""
    told = []
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(json.dumps({"now": clock(), "tokens": tokens}) + "\n")
        worker.stdin.flush()
    for worker in workers:
        assert worker.stdout is not None
        told.append(json.loads(worker.stdout.readline()))
    return told


@pytest.mark.slow
def test_a_hundred_rotations_refuse_nobody_in_three_processes_and_a_revoked_key_ends_in_time() -> None:
    clock = Clock()
    keys = [key(f"rotation-{number}", "ES256") for number in range(ROTATIONS + 1)]
    with StubIssuer(published=keys[:1]) as issuer, three_workers(issuer.url) as workers:

        def minted(number: int) -> str:
            return issuer.token(keys[number], exp=int(clock()) + LIFE)

        living = [minted(0)]
        assert answers(workers, clock, *living) == [["entered"]] * 3
        for number in range(1, ROTATIONS + 1):
            # Announced, and not used before everybody has had the time to hear of it.
            issuer.published = keys[max(0, number - 3) : number + 1]
            assert answers(workers, clock, *living) == [["entered"] * len(living)] * 3
            clock.forward(REFRESH + 1)
            # The oldest token's life is over once three times the refresh interval has gone.
            living = [*living[-2:], minted(number)]
            assert answers(workers, clock, *living) == [["entered"] * len(living)] * 3

        assert issuer.fetches <= 3 * (2 * ROTATIONS + 1)
        revoked, kept = minted(ROTATIONS), minted(ROTATIONS - 1)
        issuer.published = keys[ROTATIONS - 1 : ROTATIONS]
        clock.forward(REFRESH + 1)
        assert answers(workers, clock, revoked, kept) == [["unknown_key", "entered"]] * 3


def entered(guard: Guard, sent: str) -> bool:
    try:
        guard.check(Request("GET", "/", bearer(sent)))
    except Denied:
        return False
    return True


def test_a_thousand_threads_at_expiry_cause_one_fetch() -> None:
    clock, crowd = Clock(), 1000
    with StubIssuer() as issuer:
        guard, sent = issuer.guard(now=clock), issuer.token(exp=NOW + 2 * REFRESH)
        start = threading.Barrier(crowd)

        def enters(waits: bool) -> bool:  # noqa: FBT001 - what map hands over
            if waits:
                start.wait(30)
            return entered(guard, sent)

        assert enters(waits=False)
        clock.forward(REFRESH + 1)
        with ThreadPoolExecutor(crowd) as pool:
            assert all(pool.map(enters, [True] * crowd))
        assert issuer.fetches == 2, "one at the start, one at expiry"


def test_in_an_outage_of_a_day_who_knows_the_keys_refuses_nobody_and_a_cold_start_answers_503() -> None:
    clock = Clock()
    with StubIssuer() as issuer:
        warm, cold, sent = issuer.guard(now=clock), issuer.guard(now=clock), issuer.token(exp=NOW + 2 * DAY)
        assert entered(warm, sent)
        issuer.stop()
        for _ in range(24 * 12):
            clock.forward(DAY / (24 * 12))
            assert entered(warm, sent)
            with pytest.raises(Denied) as refusal:
                cold.check(Request("GET", "/", bearer(sent)))
            assert (refusal.value.status, refusal.value.reason) == (503, "keys_unavailable")
            answer = dict(refusal.value.headers)
            assert answer["Retry-After"] == "5"
            assert "WWW-Authenticate" not in answer
