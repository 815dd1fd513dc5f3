"""`gatewright grants` against a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Cli
    from tests.running import Caller

API = "https://granted"


@pytest.fixture(scope="module", autouse=True)
def api(caller: Caller) -> None:
    caller.create("resource-servers", name="Granted", identifier=API, scopes=[{"value": v} for v in "abc"])


@pytest.fixture
def app(caller: Caller, request: pytest.FixtureRequest) -> str:
    """A new application's name."""
    name = f"of {request.node.name}"
    caller.application(name)
    return name


@pytest.fixture
def grant_of(cli: Cli) -> Callable[[str], list[Any]]:
    return lambda app: list(cli("grants", "list", "--app", app, "--json").json)


def test_set_makes_the_grant_and_then_replaces_its_scopes(
    cli: Cli, app: str, grant_of: Callable[[str], list[Any]]
) -> None:
    first = cli("grants", "set", app, API, "--scope", "c", "--scope", "a", "--json")
    assert first.json["scope"] == ["c", "a"]
    second = cli("grants", "set", app, "Granted", "-s", "b a", "--json")
    assert second.json["id"] == first.json["id"]
    assert [grant["scope"] for grant in grant_of(app)] == [["b", "a"]]


def test_add_keeps_what_was_there(cli: Cli, app: str, grant_of: Callable[[str], list[Any]]) -> None:
    assert cli("grants", "add", app, API, "--scope", "b").code == 0
    assert cli("grants", "add", app, API, "--scope", "a,b").code == 0
    assert grant_of(app)[0]["scope"] == ["b", "a"]


def test_none_authorizes_with_nothing_and_all_with_everything(
    cli: Cli, app: str, grant_of: Callable[[str], list[Any]]
) -> None:
    assert cli("grants", "set", app, API, "--none").code == 0
    assert grant_of(app)[0]["scope"] == []
    assert cli("grants", "set", app, API, "--all").code == 0
    assert grant_of(app)[0]["allow_all_scopes"] is True
    assert cli("grants", "set", app, API, "--scope", "a").code == 0
    assert (grant_of(app)[0]["allow_all_scopes"], grant_of(app)[0]["scope"]) == (False, ["a"])


@pytest.mark.parametrize("words", [(), ("--all", "--none"), ("--scope", "a", "--all"), ("--scope", " ")])
def test_set_wants_exactly_one_of_scope_all_and_none(cli: Cli, app: str, words: tuple[str, ...]) -> None:
    assert cli("grants", "set", app, API, *words).code == 2


def test_undefined_scope_is_refused_with_the_command_that_defines_it(cli: Cli, app: str) -> None:
    ran = cli("grants", "set", app, API, "--scope", "a new:one")
    assert ran.code == 6
    assert f"gatewright apis scopes add {API} new:one" in ran.err


def test_removed_grant_ends_the_access(cli: Cli, app: str, grant_of: Callable[[str], list[Any]]) -> None:
    cli("grants", "set", app, API, "--none")
    assert cli("grants", "remove", app, API).code == 2
    assert cli("grants", "rm", app, API, "--force").code == 0
    assert grant_of(app) == []
    assert cli("grants", "remove", app, API, "--force").code == 3
    assert cli("token", "--api", API, "--app", app).code == 4


def test_flags_of_the_other_command_line_work_too(cli: Cli, app: str) -> None:
    ran = cli("grants", "create", "--client-id", app, "--audience", API, "-s", "a,b", "--json")
    assert ran.json["scope"] == ["a", "b"]


def test_table_names_application_api_and_scopes(cli: Cli, app: str) -> None:
    cli("grants", "set", app, API, "--scope", "a")
    (line,) = [row for row in cli("grants", "list", "--api", API).rows if app in row]
    assert line.split()[-2:] == [API, "a"]


def test_management_scopes_are_granted_with_a_token_that_holds_them(
    cli: Cli, caller: Caller, app: str, grant_of: Callable[[str], list[Any]]
) -> None:
    system = caller.issuer + "api/v2/"
    assert cli("grants", "set", app, system, "--none").code == 0
    assert cli("grants", "add", app, system, "--scope", "read:logs").code == 0
    assert grant_of(app)[0]["scope"] == ["read:logs"]
    assert cli("grants", "add", app, system, "--scope", "read:nothing").code == 6
    assert cli("grants", "set", app, system, "--all").code == 0
    assert grant_of(app)[0]["allow_all_scopes"] is True
