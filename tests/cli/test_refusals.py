"""`logs refusals`, `why REQUEST_ID`, `grants unused` and `env --reports` against a real server."""

from __future__ import annotations

import json
import shlex
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from gatewright.cli.failures import ExitCode
from tests.records import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Cli
    from tests.running import Application, Caller


@pytest.fixture
def audience(caller: Caller) -> str:
    identifier = f"https://refusing.example/{uuid.uuid4()}"
    scopes = [{"value": value} for value in ("read:blog", "create:blog")]
    caller.create("resource-servers", identifier=identifier, name=identifier, scopes=scopes)
    return identifier


@pytest.fixture
def reader(caller: Caller, audience: str) -> Application:
    """May read, and is called after the API."""
    application = caller.application(f"Reader of {audience}")
    caller.authorize(application, audience, "read:blog")
    return application


@pytest.fixture
def report(caller: Caller, audience: str, reader: Application) -> Callable[..., str]:
    """Reports a refusal, as a guard would; its request id."""

    def send(**changed: object) -> str:
        told = refusal(audience, reader.client_id, request_id=uuid.uuid4().hex[:16]) | changed
        row = {name: value for name, value in told.items() if value is not None}
        assert caller.manage("POST", "guard-reports", json={"refusals": [row]}).status_code == 204
        return str(row["request_id"])

    return send


def fix_for(reader: Application, audience: str) -> str:
    return f"gatewright grants add {reader.client_id} {audience} --scope create:blog"


def test_refusals_are_listed_with_the_command_that_mends_them(
    cli: Cli, report: Callable[..., str], reader: Application, audience: str
) -> None:
    request_id = report(count=7)
    ran = cli("logs", "refusals", "--api", audience)
    (row,) = ran.rows
    assert row.split()[2] == "7"
    for word in (f"Reader of {audience}", "POST", "/blogs", "insufficient_scope", "create:blog", request_id):
        assert word in row
    assert f"  Fix: {fix_for(reader, audience)}\n" in ran.err


def test_the_command_that_is_printed_runs_and_ends_the_matter(
    cli: Cli, report: Callable[..., str], reader: Application, audience: str, caller: Caller
) -> None:
    report()
    (row,) = cli("logs", "refusals", "--api", audience, "--json").json
    (command,) = row["commands"]
    assert cli(*shlex.split(command)[1:]).code == ExitCode.FINE
    granted = caller.ask_token(reader, audience).json()["scope"]
    assert granted == "read:blog create:blog"
    (row,) = cli("logs", "refusals", "--api", audience, "--json").json
    assert row["commands"] == []


def test_refusals_of_an_application_and_of_a_span_of_time(
    cli: Cli, report: Callable[..., str], reader: Application, audience: str
) -> None:
    report(minute=int(time.time()) - 7200)
    report(reason="no_token", client_id=None, missing=[])

    def found(*words: str) -> list[str]:
        rows = cli("logs", "refusals", "--api", audience, "--json", *words).json
        return [row["reason"] for row in rows]

    assert found() == ["no_token", "insufficient_scope"]
    assert found("--since", "1h") == ["no_token"]
    assert found("--app", reader.client_id) == ["insufficient_scope"]
    assert found("-n", "1") == ["no_token"]
    ran = cli("logs", "refusals", "--since", "yesterday")
    assert (ran.code, "90s, 30m, 6h or 7d" in ran.err) == (ExitCode.WRONG_USAGE, True)


def test_what_a_guard_would_refuse_is_told_apart(cli: Cli, report: Callable[..., str], audience: str) -> None:
    request_id = report(enforced=False)
    assert "insufficient_scope (let in)" in cli("logs", "refusals", "--api", audience).out
    assert "let in, for its guard only reports" in cli("why", request_id).out


def test_where_nothing_is_reported_the_next_step_is_named(cli: Cli, audience: str) -> None:
    ran = cli("logs", "refusals", "--api", audience)
    assert (ran.code, ran.out) == (ExitCode.FINE, "")
    assert "reported anything" in ran.err or "Nothing was refused" in ran.err


def test_why_joins_a_refusal_with_the_grant(
    cli: Cli, report: Callable[..., str], reader: Application, audience: str
) -> None:
    ran = cli("why", report(count=3))
    assert ran.code == ExitCode.REFUSED
    assert ran.out.splitlines()[-2:] == [
        (
            "The token lacks `create:blog`; "
            f"the grant of 'Reader of {audience}' for this API has only `read:blog`."
        ),
        f"  Fix: {fix_for(reader, audience)}",
    ]
    assert "3 times in that minute" in ran.out
    assert "POST /blogs" in ran.out


def test_why_knows_refusals_of_the_token_endpoint_too(
    cli: Cli, caller: Caller, audience: str, reader: Application
) -> None:
    refused = caller.ask_token(reader, audience, scope="delete:blog")
    request_id = refused.headers["X-Request-Id"]
    ran = cli("why", request_id)
    assert ran.code == ExitCode.REFUSED
    assert ran.out.endswith("\nClient has not been granted scopes: delete:blog\n") or "delete:blog" in ran.out
    assert cli("why", request_id, "--json").json["type"] == "feccft"


def test_why_of_an_id_that_nobody_reported(cli: Cli) -> None:
    ran = cli("why", "0" * 16)
    assert ran.code == ExitCode.NOT_FOUND
    assert "gatewright env --reports" in ran.err
    assert cli("why", "0" * 16, "--require", "a").code == ExitCode.WRONG_USAGE


def test_env_makes_one_reporter_for_an_api_which_may_do_nothing_else(
    cli: Cli, caller: Caller, audience: str
) -> None:
    names = ("GATEWRIGHT_REPORT_CLIENT_ID", "GATEWRIGHT_REPORT_CLIENT_SECRET")
    first = cli("env", "--api", audience, "--reports", "--json").json
    again = cli("env", "--api", audience, "--reports", "--json").json
    assert [first[name] for name in names] == [again[name] for name in names]
    grants = caller.manage("GET", "client-grants", params={"client_id": first[names[0]]}).json()
    assert [grant["scope"] for grant in grants] == [["create:guard_reports"]]
    assert not set(names) & set(cli("env", "--api", audience, "--json").json)


def used(caller: Caller, audience: str, client_id: str, scope: str, *, ahead: int = 0) -> None:
    at = int(time.time()) + ahead
    use = {"audience": audience, "client_id": client_id, "scope": scope, "last_used_at": at}
    assert caller.manage("POST", "guard-reports", json={"uses": [use]}).status_code == 204


def test_unused_permissions_are_looked_for_only_where_reports_reach_back(
    cli: Cli, caller: Caller, audience: str, reader: Application
) -> None:
    ran = cli("grants", "unused", "--api", audience)
    assert f"no guard of {audience} reports" in ran.err
    used(caller, audience, reader.client_id, "read:blog")
    ran = cli("grants", "unused", "--api", audience, "--json")
    assert (ran.json, "reports only since" in ran.err) == ([], True)
    assert cli("grants", "unused", "--days", "0").code == ExitCode.WRONG_USAGE


def test_unused_permissions_and_the_command_that_takes_them_away(
    cli: Cli, caller: Caller, audience: str, reader: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = caller.application(f"Idle at {audience}")
    caller.authorize(idle, audience, "create:blog")
    (grant,) = caller.manage("GET", "client-grants", params={"client_id": reader.client_id}).json()
    caller.update(f"client-grants/{grant['id']}", scope=["read:blog", "create:blog"])
    used(caller, audience, reader.client_id, "create:blog")
    used(caller, audience, reader.client_id, "read:blog", ahead=200)
    # Somebody asks a day later, for whom only the second use was within the last day.
    later = time.time() + 86400 + 100
    monkeypatch.setattr("gatewright.cli.unused.time.time", lambda: later)
    ran = cli("grants", "unused", "--api", audience, "--days", "1")
    rows = cli("grants", "unused", "--api", audience, "--days", "1", "--json").json
    found = {row["name"]: (row["unused"], row["used"], row["command"]) for row in rows}
    set_ = "gatewright grants set"
    assert found == {
        f"Reader of {audience}": (
            ["create:blog"],
            ["read:blog"],
            f"{set_} {reader.client_id} {audience} --scope read:blog",
        ),
        f"Idle at {audience}": (["create:blog"], [], f"{set_} {idle.client_id} {audience} --none"),
    }
    for row in rows:
        assert f"  {row['command']}\n" in ran.err
        assert cli(*shlex.split(row["command"])[1:]).code == ExitCode.FINE
    assert cli("grants", "unused", "--api", audience, "--days", "1", "--json").json == []


def test_json_of_refusals_is_what_the_server_answers(
    cli: Cli, report: Callable[..., str], audience: str, caller: Caller
) -> None:
    report()
    answered = caller.manage("GET", "guard-reports/refusals", params={"audience": audience}).json()
    assert json.loads(cli("logs", "refusals", "--api", audience, "--json").out) == answered
