"""Killed at any moment, the server has lost nothing it had acknowledged, and every change has its event."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx2
import pytest

from gatewright.server.management.logs import SETTLED_AFTER
from tests.running import ServerProcess, bearer, caller_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUNDS = 20
LONGEST_LIFE = 0.6
"""Seconds of writing before the kill, at most."""

NOUNS = {"resource-servers": "id", "clients": "client_id"}
GONE = "gone"


@dataclass(slots=True)
class Ledger:
    """What the server acknowledged: the last name of each record, and the request id of each change.

    A change that was under way when the server died may or may not have happened: `in_doubt` names
    the record it was about, and what it would have become.
    """

    names: dict[tuple[str, str], str] = field(default_factory=dict)
    requests: set[str] = field(default_factory=set)
    in_doubt: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass(slots=True)
class Writer:
    """Creates, renames and deletes records one after the other, until the server is gone."""

    issuer: str
    token: str
    label: str
    chance: random.Random
    ledger: Ledger
    count: int = 0
    own: list[tuple[str, str]] = field(default_factory=list)

    def run(self) -> None:
        try:
            with httpx2.Client(base_url=self.issuer + "api/v2/", headers=bearer(self.token)) as http:
                while True:
                    self.change(http)
        except httpx2.TransportError:
            pass

    def change(self, http: httpx2.Client) -> None:
        self.count += 1
        name = f"{self.label} {self.count}"
        act = self.chance.choice(["create", "create", "rename", "delete"]) if self.own else "create"
        if act == "create":
            self.create(http, name)
            return
        record = self.own.pop(self.chance.randrange(len(self.own)))
        self.ledger.in_doubt[record] = GONE if act == "delete" else name
        path = "/".join(record)
        if act == "delete":
            self.acknowledge(http.delete(path), 204, record, GONE)
        else:
            self.acknowledge(http.patch(path, json={"name": name}), 200, record, name)
            self.own.append(record)
        del self.ledger.in_doubt[record]

    def create(self, http: httpx2.Client, name: str) -> None:
        noun = self.chance.choice(list(NOUNS))
        body = {"name": name} if noun == "clients" else {"name": name, "identifier": f"urn:{name}"}
        answer = http.post(noun, json=body)
        record = (noun, answer.json().get(NOUNS[noun], ""))
        self.acknowledge(answer, 201, record, name)
        self.own.append(record)

    def acknowledge(self, answer: httpx2.Response, status: int, record: tuple[str, str], name: str) -> None:
        assert answer.status_code == status, answer.text
        self.ledger.names[record] = name
        self.ledger.requests.add(answer.headers["X-Request-Id"])


def write_until_killed(server: ServerProcess, token: str, ledger: Ledger, seed: int) -> None:
    """Two writers, and SIGKILL at a moment that the seed decides."""
    chance = random.Random(seed)
    writers = [
        Writer(
            server.issuer, token, f"Round {seed} writer {number}", random.Random(seed * 2 + number), ledger
        )
        for number in range(2)
    ]
    failures: list[BaseException] = []

    def run(writer: Writer) -> None:
        try:
            writer.run()
        except BaseException as failure:  # noqa: BLE001 - a thread's failure has to reach the test
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(writer,)) for writer in writers]
    for thread in threads:
        thread.start()
    time.sleep(chance.uniform(0.05, LONGEST_LIFE))
    server.kill()
    for thread in threads:
        thread.join(timeout=30)
    assert not failures, failures


def assert_sound(data: Path) -> None:
    """The database as the killed process left it."""
    (database,) = data.glob("*.db")
    connection = sqlite3.connect(database)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    finally:
        connection.close()


def everything(http: httpx2.Client, path: str) -> list[dict[str, object]]:
    """All pages of a list."""
    found: list[dict[str, object]] = []
    while True:
        page = http.get(path, params={"page": len(found) // 100, "per_page": 100}).json()
        found += page
        if len(page) < 100:
            return found


def followed(http: httpx2.Client) -> Iterator[dict[str, object]]:
    """All events, oldest first."""
    last = ""
    while page := http.get("logs", params={"from": last, "take": 100}).json():
        yield from page
        last = page[-1]["log_id"]


def assert_nothing_lost(http: httpx2.Client, ledger: Ledger) -> None:
    kept = {
        (noun, str(record[key])): str(record.get("name"))
        for noun, key in NOUNS.items()
        for record in everything(http, noun)
    }
    for record, name in list(ledger.names.items()):
        found = kept.get(record, GONE)
        assert found in {name, ledger.in_doubt.pop(record, name)}, (record, name, found)
        ledger.names[record] = found


def assert_every_change_has_its_event(http: httpx2.Client, ledger: Ledger) -> None:
    # A search ends after a thousand events; followers are led to those that have settled.
    time.sleep(SETTLED_AFTER)
    events = [event for event in followed(http) if event["type"] == "sapi"]
    recorded = [details["request_id"] for event in events if isinstance(details := event["details"], dict)]
    assert ledger.requests <= set(recorded)
    assert len(recorded) == len(set(recorded)), "a change was recorded twice"


@pytest.mark.slow
def test_kill_at_any_moment_loses_no_acknowledged_change(tmp_path: Path) -> None:
    ledger = Ledger()
    with ServerProcess(tmp_path / "data") as server:
        with caller_of(server.issuer, server.credentials()) as caller:
            token = caller.token(caller.operator, caller.issuer + "api/v2/")
        for seed in range(ROUNDS):
            write_until_killed(server, token, ledger, seed)
            assert_sound(server.data)
            server.start()
            with httpx2.Client(base_url=server.issuer + "api/v2/", headers=bearer(token), timeout=30) as http:
                assert_nothing_lost(http, ledger)
                assert_every_change_has_its_event(http, ledger)
    assert len(ledger.requests) > ROUNDS, "the rounds wrote too little to prove anything"
