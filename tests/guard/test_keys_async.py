"""An async fetch does all that the one in a thread does: turns, snapshots, warming, its end."""

# ruff: noqa: ANN401 - what keys are built with is passed on as it is
from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from gatewright.guard.keys import IssuerKeys
from gatewright.guard.refresh import FetchFailed
from gatewright.guard.snapshot import SnapshotFile
from tests.guard.asking import published
from tests.guard.issuing import Clock, StubIssuer


class Fetching:
    """An async fetch that gives what the stub publishes, and keeps what it was asked."""

    def __init__(self, stub: StubIssuer, *, seconds: float = 0.0) -> None:
        self.stub = stub
        self.seconds = seconds
        self.asked: list[str] = []
        self.loops: set[object] = set()
        self.cancelled = 0

    async def __call__(self, url: str) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(url)
        self.loops.add(asyncio.get_running_loop())
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.stub.server is None:
            raise ConnectionRefusedError(url)
        return 200, {}, published(self.stub)


def source(stub: StubIssuer, fetch: Any, **options: Any) -> IssuerKeys:
    options.setdefault("now", Clock())
    return IssuerKeys(stub.url, fetch=fetch, jwks_uri=stub.url + "k", **options)


async def found(keys: IssuerKeys) -> bool:
    return (await keys.afind(kid="k1", alg="RS256")).kid == "k1"


def test_warming_asks_in_the_loop_once_and_again_when_the_keys_grow_old(issuer: StubIssuer) -> None:
    clock, fetch = Clock(), Fetching(issuer)
    keys = source(issuer, fetch, now=clock)

    async def warm() -> None:
        for fetches in (1, 1):
            assert await keys.awarm() is True
            assert len(fetch.asked) == fetches
        clock.forward(3600)
        assert await keys.awarm() is True
        assert len(fetch.asked) == 2
        assert fetch.loops == {asyncio.get_running_loop()}

    asyncio.run(warm())


def test_warming_outside_of_asyncio_waits_as_the_other_way_does(issuer: StubIssuer) -> None:
    pending = source(issuer, Fetching(issuer)).awarm()
    with pytest.raises(StopIteration) as finished:
        pending.send(None)
    assert finished.value.value is True


def test_warming_while_the_issuer_is_away_is_no_exception(issuer: StubIssuer) -> None:
    issuer.stop()
    keys = source(issuer, Fetching(issuer))
    assert asyncio.run(keys.awarm()) is False
    health = keys.health()
    assert (health.failures, health.keys, health.fetches) == (1, (), 1)
    assert "ConnectionRefusedError" in str(health.last_failure)


def test_a_fetch_that_is_too_slow_is_ended_and_counted(issuer: StubIssuer) -> None:
    fetch = Fetching(issuer, seconds=30)
    keys = source(issuer, fetch, timeout=0.1)

    async def ask() -> None:
        with pytest.raises(FetchFailed):
            await found(keys)
        await asyncio.sleep(0.05)

    asyncio.run(ask())
    assert fetch.cancelled == 1
    assert keys.health().failures == 1
    assert keys.health().last_failure


def test_who_waits_for_a_turn_takes_what_the_other_one_brought(issuer: StubIssuer, tmp_path: Path) -> None:
    path, fetch = tmp_path / "keys.json", Fetching(issuer)
    other = SnapshotFile(path, issuer=issuer.url, jwks_uri=issuer.url + "k")
    turn = other.take_turn()
    keys = source(issuer, fetch, snapshot=path, timeout=5)

    async def ask() -> None:
        asking = asyncio.create_task(found(keys))
        await asyncio.sleep(0.1)
        assert fetch.asked == []
        # The other process has asked, and leaves its answer.
        answered = source(issuer, Fetching(issuer), snapshot=tmp_path / "other.json")
        assert await found(answered)
        (tmp_path / "other.json").replace(path)
        other.end_turn(turn)
        assert await asking

    asyncio.run(ask())
    assert fetch.asked == []


def test_who_holds_a_turn_too_long_is_waited_for_half_of_the_time(issuer: StubIssuer, tmp_path: Path) -> None:
    path, fetch = tmp_path / "keys.json", Fetching(issuer)
    stuck = SnapshotFile(path, issuer=issuer.url)
    turn = stuck.take_turn()
    started = time.monotonic()
    assert asyncio.run(found(source(issuer, fetch, snapshot=path, timeout=1.5)))
    assert time.monotonic() - started > 0.7
    assert len(fetch.asked) == 1
    stuck.end_turn(turn)


def test_a_turn_is_given_back_and_the_answer_left_for_others(issuer: StubIssuer, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    assert asyncio.run(found(source(issuer, Fetching(issuer), snapshot=path)))
    other = SnapshotFile(path, issuer=issuer.url, jwks_uri=issuer.url + "k")
    turn = other.take_turn()
    assert turn is not None
    other.end_turn(turn)
    issuer.stop()
    failing = source(issuer, Fetching(issuer), snapshot=tmp_path / "other.json")
    assert asyncio.run(failing.awarm()) is False
    turn = SnapshotFile(tmp_path / "other.json", issuer=issuer.url).take_turn()
    assert turn is not None
    fetch = Fetching(issuer)
    assert asyncio.run(found(source(issuer, fetch, snapshot=path)))
    assert fetch.asked == []
