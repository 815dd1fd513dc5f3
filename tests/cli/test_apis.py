"""`gatewright apis` against a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli
    from tests.running import Caller


def test_new_api_comes_with_a_test_application_authorized_for_nothing(cli: Cli, caller: Caller) -> None:
    made = cli("apis", "create", "Fresh", "--identifier", "https://fresh")
    assert made.code == 0
    assert "IDENTIFIER" in made.out

    (application,) = [
        each for each in cli("apps", "list", "--json").json if each["name"] == "Fresh (Test Application)"
    ]
    assert application["app_type"] == "non_interactive"
    assert application["grant_types"] == ["client_credentials"]
    assert application["token_endpoint_auth_method"] == "client_secret_post"
    assert application["oidc_conformant"] is True
    assert application["jwt_configuration"]["alg"] == "RS256"
    (grant,) = caller.manage("GET", "client-grants", params={"audience": "https://fresh"}).json()
    assert grant["client_id"] == application["client_id"]
    assert grant["scope"] == []


def test_no_test_app_makes_the_api_alone(cli: Cli, caller: Caller) -> None:
    assert cli("apis", "create", "Alone", "-i", "https://alone", "--no-test-app").code == 0
    names = [each["name"] for each in caller.manage("GET", "clients").json()]
    assert "Alone (Test Application)" not in names


def test_json_of_create_show_and_list_is_the_servers_own_object(cli: Cli, caller: Caller) -> None:
    made = cli(
        *("apis", "create", "Wire", "-i", "urn:wire", "--no-test-app", "--json"),
        *("--scopes", "write:b,read:a=Read a", "-l", "600", "--signing-alg", "PS256", "--enforce-policies"),
    )
    api = caller.manage("GET", "resource-servers/urn%3Awire").json()
    assert made.json == api
    assert made.err == ""
    assert api["scopes"] == [{"value": "write:b"}, {"value": "read:a", "description": "Read a"}]
    assert (api["token_lifetime"], api["signing_alg"], api["enforce_policies"]) == (600, "PS256", True)
    assert cli("apis", "show", "urn:wire", "--json").json == api
    assert api in cli("apis", "ls", "--json").json
    # Nothing nobody asked for is sent.
    assert "token_dialect" not in api


def test_list_shows_one_line_for_each_api(cli: Cli, caller: Caller) -> None:
    caller.create("resource-servers", name="Listed", identifier="urn:listed", scopes=[{"value": "a"}])
    listed = cli("apis", "list")
    (line,) = [row for row in listed.rows if "urn:listed" in row]
    assert line.split() == [line.split()[0], "Listed", "urn:listed", "1"]
    assert len(cli("apis", "list", "-n", "1").rows) == 1


def test_list_reads_every_page(cli: Cli, caller: Caller) -> None:
    for number in range(105):
        caller.create("resource-servers", identifier=f"urn:page:{number}")
    identifiers = [api["identifier"] for api in cli("apis", "list", "--json").json]
    assert {f"urn:page:{number}" for number in range(105)} <= set(identifiers)
    assert len(identifiers) == len(set(identifiers))


@pytest.fixture
def blog(caller: Caller) -> dict[str, str]:
    """An API that stands under several names."""
    known = caller.manage("GET", "resource-servers/https%3A%2F%2Fnamed%2Fapi%3Fx").json()
    if known.get("id"):
        return dict(known)
    return caller.create("resource-servers", name="Named API", identifier="https://named/api?x")


def test_api_is_found_by_id_identifier_and_name_whatever_its_capitals(cli: Cli, blog: dict[str, str]) -> None:
    for name in (blog["id"], "https://named/api?x", "Named API", "named api"):
        assert cli("apis", "show", name, "--json").json["id"] == blog["id"], name


def test_unknown_api_is_not_found_and_the_error_names_the_next_step(cli: Cli) -> None:
    ran = cli("apis", "show", "nowhere")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == 'Error: There is no API "nowhere".\n  List them: gatewright apis list\n'


def test_ambiguous_name_is_refused_with_the_choices(cli: Cli, caller: Caller) -> None:
    for identifier in ("urn:twin:1", "urn:twin:2"):
        caller.create("resource-servers", name="Twin", identifier=identifier)
    ran = cli("apis", "delete", "Twin", "--force")
    assert ran.code == 2
    assert "urn:twin:1" in ran.err
    assert "urn:twin:2" in ran.err
    assert cli("apis", "show", "urn:twin:1").code == 0


def test_identifier_that_exists_is_a_conflict(cli: Cli, caller: Caller) -> None:
    caller.create("resource-servers", identifier="urn:taken")
    ran = cli("apis", "create", "Again", "-i", "urn:taken")
    assert ran.code == 5
    assert "already exists" in ran.err


def test_values_the_server_refuses_are_invalid_input(cli: Cli) -> None:
    ran = cli("apis", "create", "Bad", "-i", "urn:bad", "--token-lifetime", "-5")
    assert ran.code == 6
    assert "token_lifetime" in ran.err


def test_update_changes_only_what_is_named(cli: Cli, caller: Caller) -> None:
    before = caller.create("resource-servers", name="Before", identifier="urn:update", token_lifetime=500)
    ran = cli("apis", "update", "urn:update", "--name", "After", "--json")
    assert ran.json == before | {"name": "After"}
    assert cli("apis", "update", "urn:update").code == 2


def test_delete_needs_force_where_nobody_can_answer(cli: Cli, caller: Caller) -> None:
    caller.create("resource-servers", identifier="urn:delete")
    ran = cli("apis", "delete", "urn:delete")
    assert ran.code == 2
    assert "--force" in ran.err
    assert cli("apis", "show", "urn:delete").code == 0

    assert cli("apis", "rm", "urn:delete", "--force").code == 0
    assert cli("apis", "show", "urn:delete").code == 3


def test_the_servers_own_api_cannot_be_deleted(cli: Cli, caller: Caller) -> None:
    ran = cli("apis", "delete", f"{caller.issuer}api/v2/", "--force")
    assert ran.code == 6
    assert "System" in ran.err


def test_scopes_are_added_after_those_there_and_keep_their_order(cli: Cli, caller: Caller) -> None:
    caller.create("resource-servers", identifier="urn:scopes", scopes=[{"value": "z"}, {"value": "a"}])
    cli("apis", "scopes", "add", "urn:scopes", "m=Middle, indeed", "a=Now described", "b")
    listed = cli("apis", "scopes", "list", "urn:scopes", "--json").json
    assert listed == [
        {"value": "z"},
        {"value": "a", "description": "Now described"},
        {"value": "m", "description": "Middle, indeed"},
        {"value": "b"},
    ]


def test_removed_scope_goes_from_the_client_grants_too(cli: Cli, caller: Caller) -> None:
    caller.create("resource-servers", identifier="urn:narrow", scopes=[{"value": "a"}, {"value": "b"}])
    reader = caller.application("Narrow reader")
    grant = caller.authorize(reader, "urn:narrow", "a", "b")

    assert cli("apis", "scopes", "remove", "urn:narrow", "a").code == 2
    assert cli("apis", "scopes", "rm", "urn:narrow", "a", "--force").code == 0
    assert caller.manage("GET", f"client-grants/{grant}").json()["scope"] == ["b"]
    assert cli("apis", "scopes", "remove", "urn:narrow", "a", "--force").code == 3
