"""`gatewright demo` as a person sees it: a process, its words, its exit code, and the requests it makes."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.running import GATEWRIGHT, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow  # each test runs the whole demo

TITLES = [
    "1  Create an API",
    "2  Guard an API with three values",
    "3  No token, no entry",
    "4  A valid token without the permission",
    "5  Define two permissions, tick them, take a new token",
    "6  Try to break in",
]
REASONS = ["no_token", "insufficient_scope", "bad_signature", "alg_not_allowed", "expired", "wrong_audience"]


def walk(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GATEWRIGHT, "demo", *words],
        cwd=cwd, env=environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """One walk; its folder is checked to be empty afterwards."""
    folder = tmp_path_factory.mktemp("once")
    walked = walk("--once", cwd=folder)
    assert list(folder.iterdir()) == []
    return walked


def test_once_tells_every_step_and_exits_with_0(once: subprocess.CompletedProcess[str]) -> None:
    assert once.returncode == 0, once.stdout + once.stderr
    places = [once.stdout.index(title) for title in TITLES]
    assert places == sorted(places)
    assert "Each step answered as told." in once.stdout
    assert once.stderr == ""


def test_once_shows_the_tutorials_requests_and_answers(once: subprocess.CompletedProcess[str]) -> None:
    statuses = re.findall(r"^    HTTP/1.1 (\d{3})", once.stdout, re.MULTILINE)
    told = "200 201 201 201 | 200 | 401 200 200 | 403 403 | 200 200 200 200 200 | 200 401 401 401 401 401"
    assert statuses == told.replace("|", "").split()
    for body in ('{"loggedin": true}', '{"readBlogAccess": true}', '{"createBlogAccess": true}'):
        assert body in once.stdout


def test_once_names_the_reason_of_every_refusal(once: subprocess.CompletedProcess[str]) -> None:
    found = re.findall(r"✓ refused: (\w+)", once.stdout)
    assert list(dict.fromkeys(found)) == REASONS
    assert len(found) == 8


def test_once_tells_why_and_what_to_do(once: subprocess.CompletedProcess[str]) -> None:
    told = once.stdout.partition("gatewright why ")[2]
    assert re.match(r"[0-9a-f]{16}\n", told)
    assert "The token lacks `create:blog`; the API does not define `create:blog`." in told
    assert "Fix: gatewright apis scopes add https://blog-api create:blog" in told


def test_once_shortens_every_secret_and_token(once: subprocess.CompletedProcess[str]) -> None:
    assert "shortened" in once.stdout
    assert not re.search(r"[A-Za-z0-9_-]{40,}", once.stdout)


def test_output_of_a_pipe_has_no_colour(once: subprocess.CompletedProcess[str]) -> None:
    assert "\x1b" not in once.stdout


@pytest.mark.parametrize(
    ("wrong", "step"),
    [
        ('@app.get("/authtest")\n    def a(): return {"loggedin": "yes"}', "Step 3"),
        ('@app.get("/authtest")\n    def a(): return {"loggedin": True}', "Step 4"),
    ],
    ids=["body", "status"],
)
def test_answer_otherwise_than_told_names_the_step_and_exits_with_1(wrong: str, step: str) -> None:
    program = f"""
import sys
from fastapi import FastAPI
from gatewright.demo.run import run
from gatewright.fastapi import protect

def build(guard):
    app = FastAPI()
    protect(app, guard)
    {wrong}
    return app

sys.exit(run(None, once=True, build=build))
"""
    walked = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert walked.returncode == 1
    assert walked.stderr.startswith(f"Error: {step} (")
    assert "did not answer as told" in walked.stderr
    assert "Each step answered as told" not in walked.stdout


def test_step_that_breaks_in_after_all_is_noticed() -> None:
    # A guard that takes every token of the issuer, whatever its audience, is what the sixth step is for.
    program = """
import sys
from gatewright.demo import sample
from gatewright.demo.run import run
from gatewright.guard import Guard

def build(guard):
    both = (*guard.audience, guard.issuer + "api/v2/")
    wrong = Guard(guard.issuer, audience=both, algorithms=("RS256",))
    wrong._verdicts = guard._verdicts
    return sample.build(wrong)

sys.exit(run(None, once=True, build=build))
"""
    walked = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert walked.returncode == 1
    assert walked.stderr.startswith("Error: Step 6 (")


class Running:
    """A demo in its own process, after its walk."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, log: Path) -> None:
        self.process = process
        self.folder = folder
        self._log = log

    @property
    def text(self) -> str:
        return self._log.read_text()

    def wait_for(self, words: str) -> str:
        deadline = time.monotonic() + 40
        while words not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.02)
        return self.text

    def lines_to_copy(self) -> str:
        """What the demo says to type in a second terminal."""
        return self.text.partition("In a second terminal:")[2].partition("Ctrl-C stops")[0]


@contextmanager
def demo(folder: Path) -> Iterator[Running]:
    log = folder.with_suffix(".log")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [GATEWRIGHT, "demo", "--data", str(folder)], stdout=out, stderr=out, env=environment()
        )
    try:
        running = Running(process, folder, log)
        running.wait_for("Waiting for requests")
        yield running
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        process.kill()


def _bind(held: socket.socket, port: int) -> None:
    try:
        held.bind(("::1", port))
    except OSError:
        return  # taken already, by whom does not matter
    held.listen()


@pytest.fixture(scope="module")
def second_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A demo that serves, on the folder that an earlier run left, with the sample API's usual port taken."""
    folder = tmp_path_factory.mktemp("kept") / "folder with spaces"
    first = walk("--once", "--data", str(folder), cwd=folder.parent)
    assert first.returncode == 0, first.stdout + first.stderr
    # On one of the two addresses of localhost only: curl would find the other program there.
    with socket.socket(socket.AF_INET6) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(other, 3000)
        with demo(folder) as running:
            yield running


def test_second_run_finds_everything_and_makes_nothing(second_run: Running) -> None:
    told = second_run.text
    assert "https://blog-api is there already, from an earlier run" in told
    assert "delete the folder to start over" in told
    assert "201" not in re.findall(r"^    HTTP/1.1 (\d{3})", told, re.MULTILINE)
    assert "PATCH" not in told


def test_taken_port_is_said_aloud(second_run: Running) -> None:
    assert "Port 3000 is taken, so the next free one is used." in second_run.text


def test_lines_to_copy_work_in_a_second_terminal_and_each_request_is_shown(
    second_run: Running, tmp_path: Path
) -> None:
    shell = subprocess.run(
        ["sh", "-c", second_run.lines_to_copy()],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    statuses = re.findall(r"HTTP/1.1 (\d{3})", shell.stdout)
    assert statuses == ["401", "200", "200", "200"], shell.stdout + shell.stderr
    shown = second_run.wait_for("insufficient_scope: needs create:blog")
    assert re.search(r"401  GET /authtest +- +no_token: no Authorization header", shown)
    assert "ask for one: gatewright token --api https://blog-api" in shown
    assert re.search(r"200  GET /blogs +Blog API \(Test Application\) +read:blog create:blog", shown)
    assert "gatewright grants add 'Blog API (Test Application)' https://blog-api --scope create:blog" in shown


def test_stranger_cannot_steer_the_terminal(second_run: Running) -> None:
    found = re.search(r"Sample API   (\S+)/authtest", second_run.text)
    assert found is not None
    answer = httpx2.get(f"{found[1]}/%1b%5b2J%9b", headers={"Authorization": "Bearer a.b.c"})
    assert answer.status_code == 401
    shown = second_run.wait_for("/\\x1b[2J")
    assert "\x1b" not in shown


def test_refused_token_request_is_shown_with_what_helps(second_run: Running) -> None:
    issuer = re.search(r"Issuer       (\S+)", second_run.text)
    assert issuer is not None
    form = {"grant_type": "client_credentials", "client_id": "nobody", "client_secret": "x", "audience": "y"}
    assert httpx2.post(f"{issuer[1]}oauth/token", data=form).status_code == 401
    shown = second_run.wait_for("check client id and secret")
    assert re.search(r"401  POST /oauth/token +nobody +Unauthorized", shown)


def test_another_demo_on_the_same_folder_is_refused(second_run: Running) -> None:
    another = walk("--data", str(second_run.folder), cwd=second_run.folder.parent)
    assert another.returncode == 1
    assert "answers at http://localhost:" in another.stderr
    assert "Traceback" not in another.stderr
