"""The file of keys that the processes of a host share: who reads, who writes, when it is believed."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
import threading
import time
import warnings
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from gatewright.guard.keys import IssuerKeys
from gatewright.guard.refresh import FetchFailed
from gatewright.guard.snapshot import SnapshotFile
from gatewright.jose import UnknownKey
from tests.guard.asking import DAY, published, soon
from tests.guard.issuing import NOW, Clock, StubIssuer, key
from tests.running import environment

posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners and modes as Unix has them")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def found(keys: IssuerKeys, kid: str = "k1") -> str:
    """What a token of that key would meet."""
    try:
        keys.find(kid=kid, alg="RS256")
    except UnknownKey:
        return "unknown"
    except FetchFailed:
        return "unavailable"
    return "found"


def afound(keys: IssuerKeys, kid: str = "k1") -> str:
    async def wait() -> str:
        try:
            await keys.afind(kid=kid, alg="RS256")
        except (UnknownKey, FetchFailed) as error:
            return type(error).__name__
        return "found"

    return asyncio.run(wait())


def test_a_fetch_leaves_the_public_keys_in_a_file_of_its_owners(
    issuer: StubIssuer, clock: Clock, path: Path
) -> None:
    assert IssuerKeys(issuer.url, now=clock, snapshot=path).warm()
    document = json.loads(path.read_bytes())
    assert document == {
        "format": 1,
        "issuer": issuer.url,
        "jwks_uri": issuer.url.rstrip("/") + issuer.JWKS,
        "fetched_at": NOW,
        "lifetime": 300.0,
        "keys": [key().to_dict()],
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {each.name for each in path.parent.iterdir()} <= {"keys.json", "keys.json.lock"}


@pytest.mark.parametrize("way", [found, afound])
def test_a_cold_start_in_an_outage_accepts_what_the_snapshot_knows(
    issuer: StubIssuer, clock: Clock, path: Path, way: Callable[[IssuerKeys], str]
) -> None:
    assert IssuerKeys(issuer.url, now=clock, snapshot=path).warm()
    issuer.stop()
    clock.forward(DAY)
    assert way(IssuerKeys(issuer.url, now=clock, snapshot=path)) == "found"
    assert way(IssuerKeys(issuer.url, now=clock)) != "found"
    clock.forward(301)
    assert way(IssuerKeys(issuer.url, now=clock, snapshot=path)) != "found", "older than a day and its life"


def test_an_async_fetch_shares_the_snapshot_too(issuer: StubIssuer, clock: Clock, path: Path) -> None:
    asked: list[str] = []

    async def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        asked.append(url)
        await asyncio.sleep(0)
        return 200, {}, published(issuer)

    where = issuer.url + "k"
    for _ in range(3):
        keys = IssuerKeys(issuer.url, now=clock, fetch=fetch, jwks_uri=where, snapshot=path)
        assert afound(keys) == "found"
    assert asked == [where]


def test_a_second_process_asks_the_issuer_only_when_the_file_is_not_enough(
    issuer: StubIssuer, clock: Clock, path: Path
) -> None:
    first, second = (IssuerKeys(issuer.url, now=clock, snapshot=path) for _ in range(2))
    assert found(first) == "found"
    assert found(second) == "found"
    assert (issuer.fetches, second.health().fetches, second.health().fetched_at) == (1, 0, NOW)
    issuer.published = [key("k1"), key("k2")]
    clock.forward(10)
    assert found(first, "k2") == "found"
    assert found(second, "k2") == "found"
    assert issuer.fetches == 2, "the key was in the file"
    clock.forward(5)
    assert found(IssuerKeys(issuer.url, now=clock, snapshot=path), "k3") == "unknown"
    assert issuer.fetches == 2, "the file is of 5 s ago: a good answer lacks the key"
    clock.forward(5)
    assert found(second, "k3") == "unknown"
    assert issuer.fetches == 3


def test_a_key_that_another_process_learned_is_gone_is_refused_and_nothing_old_comes_back(
    issuer: StubIssuer, clock: Clock, path: Path
) -> None:
    first, second = (IssuerKeys(issuer.url, now=clock, snapshot=path) for _ in range(2))
    assert first.warm()
    assert second.warm()
    old = path.read_bytes()
    issuer.published = [key("k2")]
    clock.forward(301)
    assert found(first) == "unknown"
    assert found(second) == "unknown"
    assert issuer.fetches == 2
    path.write_bytes(old)
    clock.forward(301)
    assert found(first) == "unknown", "what is known is newer"
    issuer.stop()
    path.write_bytes(old)
    clock.forward(301)
    assert first.warm()
    assert found(first) == "unavailable"
    assert found(first, "k2") == "found"


def changed(path: Path, **members: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_bytes()) | members))


LIES: dict[str, Callable[[Path], object]] = {
    "issuer": lambda path: changed(path, issuer="https://evil.example/"),
    "format": lambda path: changed(path, format=2),
    "future": lambda path: changed(path, fetched_at=NOW + DAY / 2),
    "old": lambda path: changed(path, fetched_at=NOW - DAY - 301),
    "negative": lambda path: changed(path, fetched_at=-1),
    "time as text": lambda path: changed(path, fetched_at=str(NOW)),
    "time as bool": lambda path: changed(path, fetched_at=True),
    "no lifetime": lambda path: changed(path, lifetime=None),
    "long life": lambda path: changed(path, lifetime=1e9),
    "short life": lambda path: changed(path, lifetime=0),
    "scheme": lambda path: changed(path, jwks_uri="file:///etc/passwd"),
    "inside": lambda path: changed(path, jwks_uri="http://169.254.169.254/"),
    "no uri": lambda path: changed(path, jwks_uri=7),
    "no keys": lambda path: changed(path, keys={}),
    "list": lambda path: path.write_text("[]"),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "empty": lambda path: path.write_bytes(b""),
    "noise": lambda path: path.write_bytes(b"\xff\x00"),
    "huge": lambda path: path.write_bytes(path.read_bytes() + b" " * 600_000),
    "deep": lambda path: path.write_bytes(b'{"format":1,"keys":' + b"[" * 1000),
    "duplicate": lambda path: path.write_bytes(b'{"format":2,' + path.read_bytes()[1:]),
}


def linked(path: Path) -> None:
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


IF_POSIX: dict[str, Callable[[Path], object]] = {
    "group": lambda path: path.chmod(0o620),
    "others": lambda path: path.chmod(0o602),
    "link": linked,
    "folder": a_folder,
    "pipe": a_pipe,
}


@posix
@pytest.mark.parametrize("lie", [*LIES, *IF_POSIX])
def test_a_file_that_cannot_be_right_is_not_believed_and_told_once(
    issuer: StubIssuer, clock: Clock, path: Path, lie: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert IssuerKeys(issuer.url, now=clock, snapshot=path).warm()
    issuer.stop()
    assert found(IssuerKeys(issuer.url, now=clock, snapshot=path)) == "found", "untouched it is believed"
    cold = IssuerKeys(issuer.url, now=clock, snapshot=path)
    (LIES | IF_POSIX)[lie](path)
    for _ in range(3):
        assert found(cold) == "unavailable"
        clock.forward(2)
    told = [each for each in caplog.messages if str(path) in each]
    assert len(told) == 1
    assert "is not used" in told[0]


@posix
def test_a_file_of_another_user_is_not_believed(
    issuer: StubIssuer, clock: Clock, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Making files of other users takes rights that tests do not have: so the process is another's.
    assert IssuerKeys(issuer.url, now=clock, snapshot=path).warm()
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    issuer.stop()
    assert found(IssuerKeys(issuer.url, now=clock, snapshot=path)) == "unavailable"


@posix
def test_private_keys_in_the_file_are_skipped(issuer: StubIssuer, clock: Clock, path: Path) -> None:
    assert IssuerKeys(issuer.url, now=clock, snapshot=path).warm()
    secret = {"kty": "oct", "kid": "k2", "k": "c2VjcmV0" * 8, "alg": "HS256"}
    changed(path, keys=[key().to_dict(), key("k3").to_dict(private=True), secret])
    issuer.stop()
    keys = IssuerKeys(issuer.url, now=clock, snapshot=path)
    assert keys.warm()
    assert keys.health().keys == ("k1",)


def test_another_jwks_uri_than_the_configured_one_is_not_believed(
    issuer: StubIssuer, clock: Clock, path: Path
) -> None:
    assert IssuerKeys(issuer.url, now=clock, snapshot=path).warm()
    issuer.stop()
    elsewhere = IssuerKeys(issuer.url, now=clock, snapshot=path, jwks_uri=issuer.url + "elsewhere")
    assert found(elsewhere) == "unavailable"


def test_a_file_that_cannot_be_written_refuses_nobody(
    issuer: StubIssuer, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = IssuerKeys(issuer.url, now=clock, snapshot=tmp_path / "missing" / "keys.json")
    assert found(keys) == "found"
    assert any("cannot be written" in each for each in caplog.messages)


def test_a_file_may_have_512_kib(issuer: StubIssuer, clock: Clock, path: Path) -> None:
    assert IssuerKeys(issuer.url, now=clock, snapshot=path).warm()
    issuer.stop()
    path.write_bytes(path.read_bytes().ljust(512 * 1024))
    assert found(IssuerKeys(issuer.url, now=clock, snapshot=path)) == "found"
    path.write_bytes(path.read_bytes() + b" ")
    assert found(IssuerKeys(issuer.url, now=clock, snapshot=path)) == "unavailable"


def test_what_could_not_be_put_in_place_is_not_left_behind(
    issuer: StubIssuer, clock: Clock, tmp_path: Path
) -> None:
    path = tmp_path / "keys.json"
    path.mkdir()
    before = {*tmp_path.iterdir()}
    assert found(IssuerKeys(issuer.url, now=clock, snapshot=path)) == "found"
    assert {each for each in tmp_path.iterdir() if each.suffix != ".lock"} == before


def test_a_key_set_that_another_process_has_found_is_asked_for_there(
    issuer: StubIssuer, clock: Clock, path: Path
) -> None:
    assert IssuerKeys(issuer.url, now=clock, snapshot=path).warm()
    second = IssuerKeys(issuer.url, now=clock, snapshot=path)
    assert found(second) == "found"
    clock.forward(3600)
    path.unlink()
    assert found(second) == "found"
    assert issuer.hits[issuer.DISCOVERY] == 2, "who has only read the file asks once where the keys are"


def test_a_folder_without_locks_is_one_without_turns(
    issuer: StubIssuer, clock: Clock, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Path(f"{path}.lock").mkdir()
    started = time.monotonic()
    assert found(IssuerKeys(issuer.url, now=clock, snapshot=path, timeout=60)) == "found"
    assert time.monotonic() - started < 20, "nobody is waited for"
    assert any("cannot be locked" in each for each in caplog.messages)


def test_who_has_the_turn_and_is_stuck_holds_nobody_up_beyond_the_time(
    issuer: StubIssuer, clock: Clock, path: Path
) -> None:
    stuck = SnapshotFile(path, issuer=issuer.url)
    turn = stuck.take_turn()
    started = time.monotonic()
    keys = IssuerKeys(issuer.url, now=clock, snapshot=path, timeout=1)
    assert found(keys) == "found"
    assert 0.4 < time.monotonic() - started < 1, "half of the time for the other one, half for the issuer"
    stuck.end_turn(turn)
    started = time.monotonic()
    assert found(IssuerKeys(issuer.url, now=clock, snapshot=path.with_name("b"), timeout=1)) == "found"
    assert time.monotonic() - started < 0.4


WORKER = """
import sys, time
from pathlib import Path
from gatewright.guard.keys import IssuerKeys

keys = IssuerKeys(sys.argv[1], now=lambda: float(sys.argv[3]), snapshot=Path(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
keys.find(kid="k1", alg="RS256")
print(keys.health().fetches, flush=True)
"""


def test_eight_processes_that_start_together_make_one_fetch(
    issuer: StubIssuer, clock: Clock, path: Path
) -> None:
    usual = issuer.usual(issuer.JWKS)

    def slowly(request: BaseHTTPRequestHandler) -> None:
        time.sleep(0.2)
        usual(request)

    issuer.replies[issuer.JWKS] = slowly
    command = [sys.executable, "-c", WORKER, issuer.url, str(path), str(clock())]
    workers = [Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=environment()) for _ in range(8)]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        told = [worker.communicate(timeout=30)[0].strip() for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert sorted(told) == ["0"] * 7 + ["1"]
    assert dict(issuer.hits) == {issuer.DISCOVERY: 1, issuer.JWKS: 1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_child_of_a_fork_does_not_keep_its_parents_turn(
    issuer: StubIssuer, clock: Clock, path: Path
) -> None:
    usual = issuer.usual(issuer.JWKS)
    held = threading.Event()

    def slowly(request: BaseHTTPRequestHandler) -> None:
        held.wait(5)
        usual(request)

    issuer.replies[issuer.JWKS] = slowly
    keys = IssuerKeys(issuer.url, now=clock, snapshot=path)
    waiting = threading.Thread(target=keys.warm)
    waiting.start()
    assert soon(lambda: issuer.fetches == 1)
    (lock,) = keys._snapshot._turns.held  # type: ignore[union-attr]  # noqa: SLF001 - what the child must not have
    with warnings.catch_warnings():
        # Newer Pythons warn of a fork beside threads, which is what this is about.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        answer = "failed"
        try:
            os.fstat(lock)
        except OSError:
            answer = found(keys)
        finally:
            os._exit(0 if answer == "found" else 1)
    held.set()
    waiting.join()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    free = SnapshotFile(path, issuer=issuer.url)
    assert soon(lambda: free.take_turn() is not None)
    free.start_anew()
