"""`gatewright admins`: on the database itself, with the server running beside it or not."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.running import ServerProcess, caller_of
from tests.server.dashboard.browsing import PASSWORD, Browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.cli.conftest import Cli

NEW = "another sentence, as long as the first"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server of the test's own, which nobody administers yet."""
    with ServerProcess(tmp_path / "data") as running:
        yield running


@pytest.fixture
def admins(bare_cli: Cli, own: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs `gatewright admins WORDS…` on the data folder of that server."""
    monkeypatch.setenv("GATEWRIGHT_DATA", str(own.data))
    return lambda *words: bare_cli("admins", *words)


def http(own: ServerProcess) -> AbstractContextManager[httpx2.Client]:
    return httpx2.Client(base_url=own.issuer, timeout=30)


def make_first(admins: Cli, browser: Browser, name: str = "ada") -> None:
    link = admins("link").out.strip()
    fields = {"name": name, "password": PASSWORD, "again": PASSWORD}
    browser.done("/start", fields, on=link.partition("/ui")[2])


def test_link_makes_the_first_administrator_where_there_is_none(admins: Cli, own: ServerProcess) -> None:
    ran = admins("list")
    assert (ran.code, ran.rows) == (0, [])
    assert "gatewright admins link" in ran.err
    assert "becomes the first administrator" in admins("link").err
    with http(own) as client:
        make_first(admins, Browser(client))
    [row] = admins("list", "--json").json
    assert (row["name"], row["role"], row["locked"]) == ("ada", "administrator", False)
    assert admins("list").rows[0].split()[:2] == ["ada", "administrator"]


def test_link_for_a_lost_password_ends_the_sessions_of_the_old_one_and_itself(
    admins: Cli, own: ServerProcess
) -> None:
    with http(own) as first, http(own) as second:
        before, after = Browser(first), Browser(second)
        make_first(admins, before)
        older, ran = admins("link", "ada").out.strip(), admins("link")
        link = ran.out.strip().partition("/ui")[2]
        assert ran.out.startswith(f"{own.issuer}ui/recover?key=")
        assert "of no use" in after.page(older.partition("/ui")[2], status=403)
        assert "Log out" in before.page("/")

        short = {"password": "short", "again": "short"}
        assert "fewer than 12" in after.refused("/recover", short, on=link)
        assert "differ" in after.refused("/recover", {"password": NEW, "again": PASSWORD}, on=link)
        assert "Log out" in before.page("/")
        after.done("/recover", {"password": NEW, "again": NEW}, on=link)

        assert after.path == "/"
        before.page("/")
        assert before.path == "/login"
        before.refused("/login", {"name": "ada", "password": PASSWORD}, on="/login", status=403)
        before.log_in("ada", NEW)
        assert "of no use" in after.page(link, status=403)
        used_again = {"key": link.partition("key=")[2], "password": PASSWORD, "again": PASSWORD}
        assert after.send("/recover", used_again).status_code == 403


def test_what_the_operator_did_is_in_the_log_and_the_key_is_not(admins: Cli, own: ServerProcess) -> None:
    with http(own) as client:
        browser = Browser(client)
        make_first(admins, browser)
        link = admins("link", "ada").out.strip()
        fields = {"password": NEW, "again": NEW}
        browser.done("/recover", fields, on=link.partition("/ui")[2])
    with caller_of(own.issuer, own.credentials()) as caller:
        answer = caller.manage("GET", "logs", params={"q": 'user_id:"gatewright|operator"'})
        told = [(event["user_name"], event["type"], event["description"]) for event in answer.json()]
        assert told == [
            ("operator", "sapi", "Command line: a link for a new password of the administrator ada"),
            ("operator", "sapi", "Command line: a link for the first administrator"),
        ]
        everything = caller.manage("GET", "logs")
        used = [event for event in everything.json() if "by the link of the operator" in event["description"]]
        assert [event["user_name"] for event in used] == ["ada"]
    key = link.partition("key=")[2]
    assert key not in everything.text
    assert key not in own.log.read_text()
    assert key.encode() not in (own.data / "gatewright.db").read_bytes()


def test_link_lifts_the_lock_of_whoever_tried_too_often(admins: Cli, own: ServerProcess) -> None:
    with http(own) as client, http(own) as other:
        browser = Browser(client)
        make_first(admins, Browser(other))
        for _ in range(5):
            browser.send("/login", {"name": "ada", "password": "wrong", "next": ""}, on="/login")
        assert admins("list", "--json").json[0]["locked"] is True
        link = admins("link", "--json").json
        assert link["name"] == "ada"
        expires_at = datetime.fromisoformat(link["expires_at"]).timestamp()
        assert 1700 < expires_at - time.time() <= 1800
        fields = {"password": NEW, "again": NEW}
        browser.done("/recover", fields, on=link["link"].partition("/ui")[2])
        assert admins("list", "--json").json[0]["locked"] is False


def test_link_is_made_while_the_server_stands_still(admins: Cli, own: ServerProcess) -> None:
    with http(own) as client:
        make_first(admins, Browser(client))
    own.stop()
    link = admins("link", "ada").out.strip()
    own.start()
    with http(own) as client:
        browser = Browser(client)
        browser.done("/recover", {"password": NEW, "again": NEW}, on=link.partition("/ui")[2])
        assert browser.path == "/"


def test_names_that_are_unknown_or_missing_are_refused(admins: Cli, own: ServerProcess) -> None:
    assert admins("link", "ada").code == 3
    with http(own) as client:
        browser = Browser(client)
        make_first(admins, browser)
        browser.send("/settings/administrators", {"name": "vera", "role": "viewer"})
    ran = admins("link")
    assert ran.code == 2
    assert "ada, vera" in ran.err
    ran = admins("link", "eve")
    assert ran.code == 3
    assert "gatewright admins list" in ran.err
    assert "/recover" in admins("link", "vera").out


def test_a_database_that_is_not_there_is_not_made(admins: Cli, own: ServerProcess) -> None:
    elsewhere = own.data / "elsewhere.db"
    ran = admins("list", "--database", f"sqlite:///{elsewhere}")
    assert ran.code == 3
    assert not elsewhere.exists()
