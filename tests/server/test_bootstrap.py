from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from gatewright.server.app import build, close
from gatewright.server.bootstrap import open_store
from gatewright.server.errors import StartupError
from gatewright.server.sealing import generate_master_key
from gatewright.server.settings import Secret, Settings
from gatewright.server.system_api import OWN_SCOPES, SCOPES
from tests.databases import insert, policy_of
from tests.records import application, client_secret
from tests.running import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatewright.server.context import Server
    from gatewright.server.store import Store, Transaction


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "parent" / "data"


@pytest.fixture
def settings(folder: Path) -> Settings:
    return Settings.load({}, data=folder)


@contextmanager
def started(settings: Settings) -> Iterator[Server]:
    server = build(settings)
    try:
        yield server
    finally:
        close(server)


def start(settings: Settings) -> None:
    """One start and a graceful stop."""
    with started(settings):
        pass


@pytest.fixture
def used(settings: Settings) -> Settings:
    """The settings of a folder that a first start has filled."""
    start(settings)
    return settings


def credentials(folder: Path) -> dict[str, str]:
    members: dict[str, str] = json.loads((folder / "cli.json").read_text())
    return members


def contents(folder: Path) -> dict[str, str]:
    """Every file of the folder and what is in it; SQLite's own working files aside."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file() and path.suffix not in {".db-wal", ".db-shm"}
    }


def records(server: Server) -> Any:  # noqa: ANN401 - all that a start may make
    return server.store.read(
        lambda tx: (
            tx.revision(),
            tx.resource_servers.find(),
            tx.clients.find(),
            tx.client_grants.find(),
            tx.signing_keys.find(),
        )
    )


def refusal(settings: Settings) -> str:
    with pytest.raises(StartupError) as caught:
        start(settings)
    return str(caught.value)


def test_a_first_start_makes_a_private_folder(folder: Path, settings: Settings) -> None:
    before = os.umask(0)
    try:
        with started(settings):
            modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert modes.pop(".gitignore") is not None
    assert set(modes) == {"master.key", "cli.json", "gatewright.db", "gatewright.db-wal", "gatewright.db-shm"}
    assert set(modes.values()) == {0o600}
    assert (folder / ".gitignore").read_text() == "*\n"
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\n", (folder / "master.key").read_text())


def test_a_first_start_makes_credentials_that_may_do_everything(folder: Path, settings: Settings) -> None:
    with started(settings) as server:
        members = credentials(folder)
        policy = policy_of(server.store, members["client_id"], "http://localhost:8844/api/v2/")
    assert set(members) == {"issuer", "client_id", "client_secret"}
    assert members["issuer"] == "http://localhost:8844/"
    assert policy.client is not None
    assert [secret.value for secret in policy.client.secrets] == [members["client_secret"]]
    assert re.fullmatch(r"[A-Za-z0-9_-]{64}", members["client_secret"])
    assert policy.client_grant is not None
    assert policy.client_grant.scope == SCOPES


def test_scopes_that_a_newer_version_brings_are_there_after_a_start(folder: Path, settings: Settings) -> None:
    older = [{"value": scope, "description": scope} for scope in SCOPES if scope not in OWN_SCOPES]
    with started(settings) as server:
        server.store.write(lambda tx: made_by_an_older_version(tx, older))
    with started(settings) as server:
        policy = policy_of(server.store, credentials(folder)["client_id"], "http://localhost:8844/api/v2/")
    assert policy.resource_server is not None
    assert policy.resource_server.scopes == SCOPES
    assert policy.client_grant is not None
    assert policy.client_grant.scope == SCOPES


def made_by_an_older_version(tx: Transaction, scopes: list[dict[str, str]]) -> None:
    """The system API and the command line's grant with fewer scopes."""
    system = tx.resource_servers.find(is_system=True)[0]
    grant = tx.client_grants.find(resource_server_id=system.id)[0]
    names = [scope["value"] for scope in scopes]
    tx.resource_servers.update(
        system.id, lambda found: replace(found, document={**found.document, "scopes": scopes})
    )
    tx.client_grants.update(
        grant.id, lambda found: replace(found, document={**found.document, "scope": names})
    )


def test_a_first_start_makes_the_system_api_and_two_signing_keys(settings: Settings) -> None:
    with started(settings) as server:
        _, [system], [client], [grant], keys = records(server)
        published = json.loads(server.keys.key_set().body)["keys"]
    assert (system.is_system, system.identifier) == (True, None)
    assert (grant.client_id, grant.resource_server_id) == (client.client_id, system.id)
    assert [(key.alg, key.state) for key in keys] == [("RS256", "current"), ("RS256", "next")]
    assert [member["kid"] for member in published] == [key.kid for key in keys]
    assert keys[0].longest_lifetime == 86400


def test_a_second_start_changes_nothing(folder: Path, settings: Settings) -> None:
    with started(settings) as server:
        before = records(server)
    files = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}
    with started(settings) as server:
        assert records(server) == before
        for path in (folder / name for name in ("master.key", "cli.json", ".gitignore")):
            assert (path.stat().st_ino, path.stat().st_mtime_ns) == files[path]
    assert set(folder.iterdir()) == set(files)


def test_a_folder_that_exists_is_used_as_it_is(folder: Path, settings: Settings) -> None:
    folder.mkdir(parents=True)
    (folder / ".gitignore").write_text("gatewright.db\n")
    (folder / "notes.txt").write_text("mine\n")
    start(settings)
    assert (folder / ".gitignore").read_text() == "gatewright.db\n"
    assert (folder / "notes.txt").read_text() == "mine\n"


@pytest.mark.parametrize(
    "damage", [None, b"", b"{}", b"\xff\xfe\x00"], ids=["absent", "empty", "wrong", "bytes"]
)
def test_lost_credentials_are_written_again_from_the_database(
    folder: Path, used: Settings, damage: bytes | None
) -> None:
    before = credentials(folder)
    (folder / "cli.json").unlink()
    if damage is not None:
        (folder / "cli.json").write_bytes(damage)
    start(used)
    assert credentials(folder) == before
    assert (folder / "cli.json").stat().st_mode & 0o777 == 0o600


def test_a_new_port_is_a_new_issuer_and_nothing_else(folder: Path, used: Settings) -> None:
    before = credentials(folder)
    moved = Settings.load({}, data=folder, listen="localhost:9000")
    with started(moved) as server:
        policy = policy_of(server.store, before["client_id"], "http://localhost:9000/api/v2/")
        stale = policy_of(server.store, before["client_id"], used.management_audience)
    assert credentials(folder) == {**before, "issuer": "http://localhost:9000/"}
    assert policy.client_grant is not None
    assert stale.resource_server is None


def test_a_rotated_secret_of_the_command_line_reaches_its_file(folder: Path, used: Settings) -> None:
    client_id = credentials(folder)["client_id"]
    with started(used) as server:
        server.store.write(
            lambda tx: tx.clients.update(
                client_id, lambda client: replace(client, secrets=(client_secret("changed"),))
            )
        )
    start(used)
    assert credentials(folder) == {
        "issuer": used.issuer,
        "client_id": client_id,
        "client_secret": "changed",
    }


def test_a_deleted_client_of_the_command_line_is_made_anew(folder: Path, used: Settings) -> None:
    before = credentials(folder)
    with started(used) as server:
        server.store.write(lambda tx: tx.clients.delete(before["client_id"]))
    with started(used) as server:
        members = credentials(folder)
        policy = policy_of(server.store, members["client_id"], used.management_audience)
    assert members["client_id"] != before["client_id"]
    assert policy.client_grant is not None
    assert policy.client_grant.scope == SCOPES


def test_a_master_key_from_outside_is_kept_in_no_file(folder: Path, settings: Settings) -> None:
    given = replace(settings, master_key=Secret(generate_master_key()))
    start(given)
    before = credentials(folder)
    start(given)
    assert credentials(folder) == before
    assert "master.key" not in contents(folder)


def test_several_master_keys_open_what_the_older_one_sealed(folder: Path, settings: Settings) -> None:
    old, new = generate_master_key(), generate_master_key()
    start(replace(settings, master_key=Secret(old)))
    before = credentials(folder)
    (folder / "cli.json").unlink()
    start(replace(settings, master_key=Secret(f"{new},{old}")))
    assert credentials(folder) == before


def test_a_wrong_master_key_is_refused_and_nothing_is_written(folder: Path, used: Settings) -> None:
    (folder / "cli.json").unlink()
    before = contents(folder)
    text = refusal(replace(used, master_key=Secret(generate_master_key())))
    assert text.startswith("The master key does not fit this database")
    assert contents(folder) == before


def test_a_missing_master_key_is_refused_and_none_is_made(folder: Path, used: Settings) -> None:
    key = (folder / "master.key").read_text()
    (folder / "master.key").unlink()
    before = contents(folder)
    text = refusal(used)
    assert text.startswith(f"The master key is missing: {folder / 'master.key'} is not there")
    assert contents(folder) == before
    (folder / "master.key").write_text(key)
    start(used)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"short", b"\xff\xfe" * 20, b"A" * 43 + b"\n" + b"B" * 42], ids=repr
)
def test_an_unusable_master_key_is_refused_and_left_alone(
    folder: Path, used: Settings, content: bytes
) -> None:
    (folder / "master.key").write_bytes(content)
    before = contents(folder)
    assert "master key" in refusal(used)
    assert contents(folder) == before


def test_a_file_that_is_no_database_is_refused_and_nothing_is_written(folder: Path, used: Settings) -> None:
    (folder / "gatewright.db").write_bytes(b"this is no database\n" * 500)
    (folder / "cli.json").unlink()
    before = contents(folder)
    text = refusal(used)
    assert text == f"The database {folder / 'gatewright.db'} cannot be opened: file is not a database"
    assert contents(folder) == before


def test_a_damaged_secret_is_refused_with_its_place(folder: Path, used: Settings) -> None:
    with sqlite3.connect(folder / "gatewright.db") as connection:
        connection.execute(
            "UPDATE signing_keys SET sealed_private_jwk = CAST(sealed_private_jwk || x'00' AS BLOB)"
        )
    connection.close()
    assert refusal(used) == "A sealed value at signing_keys|sealed_private_jwk is damaged or was moved."


def test_a_database_that_fails_in_the_middle_is_refused_with_a_plain_sentence(
    folder: Path, used: Settings
) -> None:
    with sqlite3.connect(folder / "gatewright.db") as connection:
        connection.execute("DROP TABLE options")
    connection.close()
    text = "The server cannot start: the database does not answer: no such table: options."
    assert refusal(used) == text


def test_a_folder_that_cannot_be_one_is_refused_with_a_plain_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for data in (tmp_path / "file", tmp_path / "file" / "below"):
        assert refusal(Settings.load({}, data=data)).startswith(f"The data folder {data} cannot be used: ")


@pytest.mark.parametrize("name", ["master.key", "cli.json"])
def test_a_folder_in_a_files_place_is_refused_with_a_plain_sentence(
    folder: Path, used: Settings, name: str
) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    assert refusal(used).startswith(f"The data folder {folder} cannot be used: ")


def test_no_half_written_file_stays_behind(folder: Path, used: Settings) -> None:
    (folder / "cli.json").unlink()
    (folder / "cli.json").mkdir()
    before = contents(folder)
    refusal(used)
    assert contents(folder) == before


def test_stores_opened_at_once_in_an_empty_folder_have_one_master_key(tmp_path: Path) -> None:
    for turn in range(10):
        settings = Settings.load({}, data=tmp_path / str(turn))
        together = Barrier(4)

        def opened(settings: Settings = settings, together: Barrier = together) -> Store:
            together.wait()
            return open_store(settings)

        with ThreadPoolExecutor(4) as threads:
            stores = [opening.result() for opening in [threads.submit(opened) for _ in range(4)]]
        client = application()
        insert(stores[0], client)
        assert [store.read(lambda tx: tx.clients.find()) for store in stores] == [[client]] * 4
        for store in stores:
            store.close()


FIRST_START = """
import asyncio, json, pathlib, sys, time
from gatewright.server.app import build, close
from gatewright.server.settings import Settings

folder, ready, begin = map(pathlib.Path, sys.argv[1:])
ready.touch()
while not begin.exists():
    pass
server = build(Settings.load({}, data=folder))
asyncio.run(server.store.catch_up())
print(server.keys.key_set().etag, json.loads((folder / "cli.json").read_text())["client_id"])
close(server)
"""


@pytest.mark.slow
def test_two_first_starts_at_once_end_with_one_key_and_one_client(
    folder: Path, settings: Settings, tmp_path: Path
) -> None:
    begin, ready = tmp_path / "begin", [tmp_path / "first", tmp_path / "second"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST_START, str(folder), str(each), str(begin)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        for each in ready
    ]
    while not all(each.exists() for each in ready):
        assert all(process.poll() is None for process in processes)
        time.sleep(0.01)
    begin.touch()
    outcomes = [process.communicate(timeout=60) for process in processes]
    assert [errors.decode() for _, errors in outcomes] == ["", ""]
    assert outcomes[0] == outcomes[1]
    with started(settings) as server:
        _, systems, clients, grants, keys = records(server)
    assert [len(each) for each in (systems, clients, grants, keys)] == [1, 1, 1, 2]
    assert credentials(folder)["client_id"] == clients[0].client_id
