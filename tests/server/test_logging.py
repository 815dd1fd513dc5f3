"""What the logs say when something goes wrong: the cause and the request, and never a secret."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.running import ServerProcess, bearer, caller_of, environment
from tests.server.crashing import SECRET, TOKEN

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Told:
    """What `crashing` answered and logged."""

    answers: list[dict[str, Any]]
    log: str

    def request_id(self, number: int) -> str:
        return str(self.answers[number]["headers"]["x-request-id"])

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines()]


def told(log_format: str, level: str = "info") -> Told:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.server.crashing", log_format, level],
        capture_output=True,
        check=True,
        text=True,
        cwd=ROOT,
        env=environment(),
    )
    return Told(json.loads(ran.stdout), ran.stderr)


@pytest.fixture(scope="module")
def as_text() -> Told:
    return told("text")


@pytest.fixture(scope="module")
def as_json() -> Told:
    return told("json")


@pytest.fixture(params=["text", "json"])
def either(request: pytest.FixtureRequest, as_text: Told, as_json: Told) -> Told:
    return {"text": as_text, "json": as_json}[request.param]


def test_a_crash_is_logged_with_its_cause_and_the_request(either: Told) -> None:
    assert "RuntimeError: the reason it crashed Secret(…)" in either.log or "Secret(\\u2026)" in either.log
    assert "KeyError: 'a-cli'" in either.log
    assert "in look_up" in either.log
    for number in (0, 1):
        assert either.log.count(either.request_id(number)) == 2  # the failure, and the request's own line


def test_a_crash_shows_no_secret_and_no_token(either: Told) -> None:
    for word in (SECRET, TOKEN, TOKEN.split(".")[1], "nobody-may-read"):
        assert word not in either.log
        assert all(word not in json.dumps(answer) for answer in either.answers)


def test_each_door_answers_a_crash_in_its_own_format(either: Told) -> None:
    token, management = (json.loads(answer["body"]) for answer in either.answers[:2])
    assert [answer["status"] for answer in either.answers[:2]] == [500, 500]
    assert token == {
        "error": "server_error",
        "error_description": f"An internal error occurred (request {either.request_id(0)})",
    }
    assert management == {
        "statusCode": 500,
        "error": "Internal Server Error",
        "message": f"An internal server error occurred (request {either.request_id(1)})",
    }
    assert all("no-store" in answer["headers"]["cache-control"] for answer in either.answers[:2])


def test_json_is_one_object_a_line(as_json: Told) -> None:
    lines = as_json.lines()
    assert [line["event"] for line in lines] == [
        *("request failed", "request") * 2,
        *("the database", "request"),
        "request",
    ]
    failed, request = lines[:2]
    assert (failed["level"], failed["path"], failed["method"]) == ("error", "/oauth/token", "POST")
    assert failed["exception"].startswith("Traceback (most recent call last)")
    assert (request["level"], request["status"], request["path"]) == ("info", 500, "/oauth/token")
    assert request["request_id"] == failed["request_id"] == as_json.request_id(0)
    assert request["timestamp"].endswith("Z")
    assert request["ms"] >= 0


def test_the_standard_librarys_loggers_look_the_same(as_json: Told) -> None:
    line = next(line for line in as_json.lines() if line["event"] == "the database")
    assert (line["level"], line["waiting"]) == ("error", 3)
    assert "KeyError" in line["exception"]


def test_text_is_for_people_and_without_colours_where_no_terminal_reads(as_text: Told) -> None:
    assert "\x1b" not in as_text.log
    assert "request failed" in as_text.log
    assert "path=/oauth/token" in as_text.log


def test_a_path_can_neither_steer_a_terminal_nor_forge_a_line(either: Told) -> None:
    assert either.answers[3]["status"] == 404
    assert either.request_id(3) in either.log
    assert "\x1b" not in either.log
    assert not any(line.startswith("fake line") for line in either.log.splitlines())


def test_a_query_is_not_logged(either: Told) -> None:
    assert "client_secret" not in either.log


def test_automatic_is_json_where_no_terminal_reads() -> None:
    assert told("auto").lines()[0]["event"] == "request failed"


def test_a_level_leaves_out_what_lies_below_it() -> None:
    assert [line["event"] for line in told("json", "error").lines()] == [
        "request failed",
        "request failed",
        "the database",
    ]


@pytest.fixture(scope="module")
def damaged(server: ServerProcess) -> tuple[ServerProcess, str]:
    """A real server whose command line's client can no longer be opened, and a token it got before."""
    with caller_of(server.issuer, server.credentials()) as caller:
        token = caller.token(caller.operator, server.issuer + "api/v2/")
    with sqlite3.connect(server.data / "gatewright.db") as connection:
        connection.execute("UPDATE clients SET sealed_secrets = CAST(sealed_secrets || x'00' AS BLOB)")
        # The feed says so, as for any change: what is known of the client is asked for again.
        connection.execute("UPDATE revisions SET value = value + 1")
        connection.execute(
            "INSERT INTO changes SELECT revisions.value, 0, 'client', client_id FROM clients, revisions"
        )
    connection.close()
    return server, token


def test_a_real_crash_in_either_door_tells_the_log_why_and_nobody_a_secret(
    damaged: tuple[ServerProcess, str],
) -> None:
    server, token = damaged
    credentials = server.credentials()
    with caller_of(server.issuer, credentials) as caller:
        basic = (credentials["client_id"], credentials["client_secret"])
        form = {"grant_type": "client_credentials", "audience": server.issuer + "api/v2/"}
        answers = [
            caller.ask_token(caller.operator, server.issuer + "api/v2/"),
            caller.http.post("oauth/token", data=form, auth=basic),
            caller.http.get("api/v2/clients", headers=bearer(token)),
        ]
    log = server.log.read_text()
    assert [answer.status_code for answer in answers] == [500, 500, 500]
    assert log.count("A sealed value at clients|sealed_secrets is damaged or was moved.") == 3
    for answer in answers:
        assert answer.headers["X-Request-Id"] in log
        assert answer.headers["X-Request-Id"] in answer.text
    encoded = answers[1].request.headers["Authorization"].split()[1]
    for word in (credentials["client_secret"], token, encoded):
        assert word not in log
        assert all(word not in answer.text for answer in answers)


def test_what_was_to_be_stored_is_not_logged_when_the_database_fails(
    damaged: tuple[ServerProcess, str],
) -> None:
    server, token = damaged
    with sqlite3.connect(server.data / "gatewright.db") as connection:
        connection.execute("ALTER TABLE clients RENAME TO elsewhere")
    connection.close()
    with caller_of(server.issuer, server.credentials()) as caller:
        members = {"name": "a-name-of-a-customer", "app_type": "non_interactive"}
        answer = caller.http.post("api/v2/clients", json=members, headers=bearer(token))
    log = server.log.read_text()
    assert answer.status_code == 503
    assert "no such table" in log
    assert "a-name-of-a-customer" not in log
