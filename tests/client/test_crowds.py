"""A thousand callers, and four processes with them, against a real server: it is asked once."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gatewright.client import TokenRefused, TokenSource
from gatewright.guard import Guard, Request
from gatewright.server.app import RunningServer, start
from gatewright.server.settings import Settings
from tests.running import Application, calling, environment, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running import Caller

API = "https://blog-api"
PROGRAM = Path(__file__).with_name("caller_process.py")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("server") / "data"
    with start(Settings.load({}, data=folder, listen=f"localhost:{free_port()}")) as server:
        yield server


@pytest.fixture(scope="module")
def caller(server: RunningServer) -> Iterator[Caller]:
    with calling(server) as caller:
        caller.create("resource-servers", identifier=API, scopes=[{"value": "read:blog"}])
        yield caller


@pytest.fixture
def reader(caller: Caller) -> Application:
    """An application of the test's own, which may read."""
    application = caller.application("Reader")
    caller.authorize(application, API, "read:blog")
    return application


def events_of(caller: Caller, application: Application) -> list[str]:
    """The types of the log events of an application: one for each token request."""
    query = f"client_id:{application.client_id}"
    events = caller.manage("GET", "logs", params={"q": query, "per_page": 100}).json()
    return [event["type"] for event in events if event["type"] in ("seccft", "feccft")]


def source_of(server: RunningServer, application: Application) -> TokenSource:
    return TokenSource(
        server.issuer, API, client_id=application.client_id, client_secret=application.client_secret
    )


def crowd(source: TokenSource, *, threads: int, tasks: int) -> list[str | TokenRefused]:
    """What a crowd of callers gets who all come at once."""
    got: list[str | TokenRefused] = []
    gate = threading.Barrier(threads + 1)

    def take() -> None:
        gate.wait()
        try:
            got.append(source.token())
        except TokenRefused as refusal:
            got.append(refusal)

    async def atake() -> str | TokenRefused:
        try:
            return await source.atoken()
        except TokenRefused as refusal:
            return refusal

    async def take_all() -> None:
        gate.wait()
        got.extend(await asyncio.gather(*(atake() for _ in range(tasks))))

    workers = [threading.Thread(target=take) for _ in range(threads)]
    for each in workers:
        each.start()
    asyncio.run(take_all())
    for each in workers:
        each.join()
    return got


def test_a_thousand_callers_ask_once(server: RunningServer, caller: Caller, reader: Application) -> None:
    got = crowd(source_of(server, reader), threads=200, tasks=800)

    assert len(got) == 1000
    (token,) = set(got)
    guard = Guard(server.issuer, audience=API)
    headers = [("Authorization", f"Bearer {token}")]
    assert guard.check(Request("GET", "http://localhost/blogs", headers)).client_id == reader.client_id
    assert events_of(caller, reader) == ["seccft"]


def test_a_thousand_callers_with_a_secret_that_has_ended_ask_once_and_are_told(
    server: RunningServer, caller: Caller, reader: Application
) -> None:
    caller.manage("POST", f"clients/{reader.client_id}/rotate-secret")

    got = crowd(source_of(server, reader), threads=200, tasks=800)

    assert len(got) == 1000
    (text,) = {str(each) for each in got}
    assert text == (
        f"{server.issuer}oauth/token gives '{reader.client_id}' no token (401 access_denied: Unauthorized). "
        "The client_id is unknown there, or its credential is wrong, was replaced or revoked: "
        "take the current one from whoever looks after the issuer"
    )
    assert events_of(caller, reader) == ["feccft"]


def test_four_processes_with_a_cache_ask_once(
    server: RunningServer, caller: Caller, reader: Application, tmp_path: Path
) -> None:
    words = [server.issuer, reader.client_id, API, str(tmp_path / "cache"), "50", "200"]
    root = str(Path(__file__).parents[2] / "src")
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(CLIENT_SECRET=reader.client_secret, PYTHONPATH=root),
        )
        for _ in range(4)
    ]
    try:
        for each in processes:
            assert each.stdout is not None
            assert each.stdout.readline() == b"ready\n"
        taken = [json.loads(out) for out in (each.communicate(b"go\n", 60)[0] for each in processes)]
    finally:
        for each in processes:
            each.kill()
            each.wait()

    (token,) = {token for each in taken for token in each}
    assert [each[token] for each in taken] == [250] * 4
    assert events_of(caller, reader) == ["seccft"]
    (kept,) = (tmp_path / "cache").glob("*.json")
    assert json.loads(kept.read_text())["access_token"] == token


def test_keys_authenticate_too(server: RunningServer, caller: Caller, reader: Application) -> None:
    pem, private = _key_pair()
    credential = caller.create(
        f"clients/{reader.client_id}/credentials", credential_type="public_key", pem=pem
    )
    methods = {"private_key_jwt": {"credentials": [{"id": credential["id"]}]}}
    change = {"token_endpoint_auth_method": None, "client_authentication_methods": methods}
    caller.update(f"clients/{reader.client_id}", **change)

    source = TokenSource(
        server.issuer, API, client_id=reader.client_id, private_key=private, scope="read:blog"
    )

    assert source.token()
    with pytest.raises(TokenRefused, match="401 "):
        source_of(server, reader).token()  # its secret is good no more


def _key_pair() -> tuple[str, str]:
    """A public and a private key, as PEM texts."""
    command = ["openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
    private = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    made = ["openssl", "pkey", "-pubout"]
    public = subprocess.run(made, check=True, capture_output=True, text=True, input=private).stdout
    return public, private


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_of_a_fork_takes_tokens_of_its_own_accord(server: RunningServer, reader: Application) -> None:
    source = source_of(server, reader)
    source._lock.acquire()  # noqa: SLF001 - as if another thread was just starting a renewal
    child = os.fork()
    if child == 0:
        os._exit(0 if source.token() else 1)
    source._lock.release()  # noqa: SLF001
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
