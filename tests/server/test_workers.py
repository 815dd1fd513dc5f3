"""Several processes on one database: what one of them acknowledged, all of them know.

Which process answers is decided by stopping the others for a moment: the kernel then has no choice.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx2
import pytest

from gatewright.server.sealing import generate_master_key
from tests.running import Application, ServerProcess, caller_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.running import Caller

AUDIENCE = "https://blog.example/"
FORM = "application/x-www-form-urlencoded"
PROCESSES = Path("/proc")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (PROCESSES / "self" / "task").exists(), reason="the workers' numbers are read from /proc (Linux)"
    ),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Two workers; the master key comes from settings, so that it has to travel to them."""
    folder = tmp_path_factory.mktemp("workers")
    (folder / "settings.toml").write_text(f'workers = 2\nmaster_key = "{generate_master_key()}"\n')
    options = ("--config", str(folder / "settings.toml"))
    with ServerProcess(folder / "data", options=options) as server:
        wait_for(lambda: len(workers(server)) == 2)
        wait_for(lambda: all(answers_alone(server, worker) for worker in workers(server)))
        yield server


def workers(server: ServerProcess) -> list[int]:
    """The numbers of the processes that serve."""
    assert server.process is not None
    try:
        main = PROCESSES / str(server.process.pid)
        children = (main / "task" / main.name / "children").read_text().split()
        commands = {int(child): (PROCESSES / child / "cmdline").read_bytes() for child in children}
    except FileNotFoundError:
        return []
    return sorted(child for child, command in commands.items() if b"spawn_main" in command)


def wait_for(happens: Callable[[], bool], *, every: float = 0.05) -> None:
    deadline = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(every)


def stands_still(worker: int) -> bool:
    """Whether each of its threads has noticed that it is stopped."""
    threads = (PROCESSES / str(worker) / "task").glob("*/stat")
    return all(thread.read_text().rpartition(")")[2].split()[0] == "T" for thread in threads)


def is_writable(server: ServerProcess) -> bool:
    """Whether nobody holds the database's write lock."""
    connection = sqlite3.connect(server.data / "gatewright.db", timeout=0.5, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return True


def stop(server: ServerProcess, others: list[int]) -> bool:
    """Stops the processes; true when none of them was just writing, which would hold up the rest."""
    for other in others:
        os.kill(other, signal.SIGSTOP)
    wait_for(lambda: all(stands_still(other) for other in others), every=0.001)
    if is_writable(server):
        return True
    go_on(others)
    return False


def go_on(others: list[int]) -> None:
    for other in others:
        os.kill(other, signal.SIGCONT)


@contextmanager
def only(server: ServerProcess, worker: int) -> Iterator[None]:
    """Just this worker runs, for less time than it takes the others to be missed."""
    others = [each for each in workers(server) if each != worker]
    try:
        wait_for(lambda: stop(server, others))
        yield
    finally:
        go_on(others)


def answers_alone(server: ServerProcess, worker: int) -> bool:
    with only(server, worker):
        try:
            return httpx2.get(server.issuer + "health/ready", timeout=1).status_code == 200
        except httpx2.TransportError:
            return False


@contextmanager
def calling(server: ServerProcess) -> Iterator[Caller]:
    """A caller with a connection of its own, which may end at either worker."""
    with caller_of(server.issuer, server.credentials()) as caller:
        yield caller


@pytest.fixture(scope="module")
def application(server: ServerProcess) -> Application:
    """An application that may ask for tokens of an API."""
    with calling(server) as caller:
        caller.create("resource-servers", name="Blog", identifier=AUDIENCE, scopes=[{"value": "read:blog"}])
        application = caller.application("Reader")
        caller.authorize(application, AUDIENCE, "read:blog")
    return application


def status(server: ServerProcess, application: Application) -> int:
    """What a token request of a fresh connection is answered with."""
    form = {
        "grant_type": "client_credentials",
        "client_id": application.client_id,
        "client_secret": application.client_secret,
        "audience": AUDIENCE,
    }
    # By the standard library: a hundred clients of the kind the other tests use take seconds to make.
    connection = HTTPConnection("localhost", server.port, timeout=30)
    try:
        connection.request("POST", "/oauth/token", urlencode(form), {"Content-Type": FORM})
        return connection.getresponse().status
    finally:
        connection.close()


def rotate_secret(server: ServerProcess, application: Application) -> Application:
    with calling(server) as caller:
        answer = caller.manage("POST", f"clients/{application.client_id}/rotate-secret")
        assert answer.status_code == 200, answer.text
        return Application(application.client_id, answer.json()["client_secret"])


def key_set(server: ServerProcess) -> list[str]:
    members: list[dict[str, Any]] = httpx2.get(server.issuer + ".well-known/jwks.json").json()["keys"]
    return [member["kid"] for member in members]


def test_both_workers_serve(server: ServerProcess) -> None:
    assert len(workers(server)) == 2
    assert all(answers_alone(server, worker) for worker in workers(server))


def test_many_requests_at_once_are_all_answered(server: ServerProcess, application: Application) -> None:
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: status(server, application), range(100)))
    assert answers == [200] * 100


def test_a_secret_that_one_worker_rotated_is_refused_by_the_other_at_once(
    server: ServerProcess, application: Application
) -> None:
    first, second = workers(server)
    current = rotate_secret(server, application)
    for _ in range(3):
        with only(server, first):
            assert status(server, current) == 200  # from now on it is in the first one's memory
        old = current
        with only(server, second):
            current = rotate_secret(server, old)
        with only(server, first):
            assert [status(server, old) for _ in range(5)] == [401] * 5
            assert status(server, current) == 200
        first, second = second, first


def test_no_worker_takes_an_old_secret_whoever_rotated_it(
    server: ServerProcess, application: Application
) -> None:
    current = rotate_secret(server, application)
    for _ in range(3):
        assert {status(server, current) for _ in range(10)} == {200}
        old, current = current, rotate_secret(server, current)
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _, old=old: status(server, old), range(50)))
        assert answers == [401] * 50


def test_a_deleted_grant_is_known_to_the_other_worker_at_once(
    server: ServerProcess, application: Application
) -> None:
    first, second = workers(server)
    reader = rotate_secret(server, application)
    with only(server, first):
        assert status(server, reader) == 200
    with only(server, second), calling(server) as caller:
        [grant] = caller.manage("GET", "client-grants", params={"client_id": reader.client_id}).json()
        assert caller.manage("DELETE", f"client-grants/{grant['id']}").status_code == 204
    with only(server, first):
        assert status(server, reader) == 403
        with calling(server) as caller:
            caller.authorize(reader, AUDIENCE, "read:blog")
    with only(server, second):
        assert status(server, reader) == 200


def test_both_workers_publish_the_same_keys_after_a_rotation_and_a_revocation(server: ServerProcess) -> None:
    first, second = workers(server)
    with only(server, first):
        before = key_set(server)
    with only(server, second), calling(server) as caller:
        assert caller.manage("POST", "keys/signing/rotate").status_code == 201
    with only(server, first):
        rotated = key_set(server)
        assert len(set(rotated) - set(before)) == 1
        with calling(server) as caller:
            assert caller.manage("PUT", f"keys/signing/{before[0]}/revoke").status_code == 200
    with only(server, second):
        assert key_set(server) == [kid for kid in rotated if kid != before[0]]


def test_a_worker_that_dies_is_replaced_and_the_other_answers_meanwhile(
    server: ServerProcess, application: Application
) -> None:
    gone, kept = workers(server)
    reader = rotate_secret(server, application)
    os.kill(gone, signal.SIGKILL)
    wait_for(lambda: status(server, reader) == 200 and gone not in workers(server))
    wait_for(lambda: status(server, reader) == 200 and len(workers(server)) == 2)
    assert kept in workers(server)
    new = next(worker for worker in workers(server) if worker != kept)
    wait_for(lambda: answers_alone(server, new))


def recorded(server: ServerProcess, type_: str) -> int:
    with sqlite3.connect(server.data / "gatewright.db") as connection:
        query = "SELECT count(*) FROM log_events WHERE type = ?"
        found: int = connection.execute(query, (type_,)).fetchone()[0]
    connection.close()
    return found


def test_a_stop_takes_under_ten_seconds_ends_every_process_and_loses_no_event(
    server: ServerProcess, application: Application
) -> None:
    reader = rotate_secret(server, application)
    stopped = workers(server)
    time.sleep(0.5)  # until the events of other tests are written
    before = recorded(server, "seccft")
    with calling(server) as idle:
        assert idle.ask_token(reader, AUDIENCE).status_code == 200  # its connection stays open
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: status(server, reader), range(40)))
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 10
    assert answers == [200] * 40
    assert not any((PROCESSES / str(worker)).exists() for worker in stopped)
    assert recorded(server, "seccft") == before + 41
    assert "Traceback" not in server.log.read_text()
