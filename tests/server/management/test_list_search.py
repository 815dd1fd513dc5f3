"""Long lists are searched where they lie: a text in names and ids, whatever its case, and grant types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.running import Caller


@pytest.fixture(scope="module", autouse=True)
def _records(caller: Caller) -> None:
    for name, grant_types in (
        ("Bücherei", ["client_credentials"]),
        ("100% wool_", ["client_credentials", "refresh_token"]),
        ("100 percent", ["refresh_token"]),
        ("Straße", []),
    ):
        caller.create("clients", name=name, grant_types=grant_types)
    caller.create("resource-servers", identifier="https://Shop.example/", name="Läden")
    caller.create("resource-servers", identifier="urn:plain_one")
    caller.create("resource-servers", identifier="urn:plainXone")


def clients(caller: Caller, **params: str | int) -> list[str]:
    answer = caller.manage("GET", "clients", params=params)
    assert answer.status_code == 200, answer.text
    return [row["name"] for row in answer.json()]


def apis(caller: Caller, **params: str | int) -> list[str]:
    answer = caller.manage("GET", "resource-servers", params=params)
    assert answer.status_code == 200, answer.text
    return [row["identifier"] for row in answer.json()]


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("bücher", ["Bücherei"]),
        ("BÜCHER", ["Bücherei"]),
        ("STRASSE", ["Straße"]),
        ("100%", ["100% wool_"]),
        ("wool_", ["100% wool_"]),
        ("l_", ["100% wool_"]),
        ("100", ["100% wool_", "100 percent"]),
        ("/", []),
        ("nobody", []),
    ],
)
def test_applications_are_found_by_a_part_of_their_name(
    caller: Caller, search: str, names: list[str]
) -> None:
    assert clients(caller, search=search) == names


def test_applications_are_found_by_their_id_in_any_case(caller: Caller) -> None:
    row = caller.manage("GET", "clients", params={"search": "wool"}).json()[0]
    assert clients(caller, search=row["client_id"].swapcase()) == ["100% wool_"]
    assert clients(caller, search=row["client_id"][3:12]) == ["100% wool_"]


def test_a_new_name_is_found_and_the_old_one_is_not(caller: Caller) -> None:
    made = caller.create("clients", name="Before", grant_types=[])
    caller.manage("PATCH", f"clients/{made['client_id']}", json={"name": "Afterwards"})
    assert clients(caller, search="before") == []
    assert clients(caller, search="afterw") == ["Afterwards"]


def test_applications_are_found_by_grant_type(caller: Caller) -> None:
    assert clients(caller, grant_type="refresh_token") == ["100% wool_", "100 percent"]
    assert clients(caller, grant_type="refresh_token", search="percent") == ["100 percent"]
    assert clients(caller, grant_type="refresh") == []


def test_what_is_found_comes_in_pages_and_is_counted(caller: Caller) -> None:
    assert clients(caller, search="100", per_page=1, page=1) == ["100 percent"]
    answer = caller.manage(
        "GET", "clients", params={"search": "100", "per_page": 1, "include_totals": "true"}
    )
    assert (answer.json()["total"], len(answer.json()["clients"])) == (2, 1)


@pytest.mark.parametrize(
    ("search", "identifiers"),
    [
        ("läd", ["https://Shop.example/"]),
        ("LÄDEN", ["https://Shop.example/"]),
        ("shop.EXAMPLE/", ["https://Shop.example/"]),
        ("plain_", ["urn:plain_one"]),
        ("nothing", []),
    ],
)
def test_apis_are_found_by_name_and_identifier(caller: Caller, search: str, identifiers: list[str]) -> None:
    assert apis(caller, search=search) == identifiers


def test_the_system_api_is_found_by_its_identifier_of_today(caller: Caller) -> None:
    assert apis(caller, search="/API/v2") == [f"{caller.issuer}api/v2/"]


@pytest.mark.parametrize(
    ("noun", "name"), [("clients", "search"), ("clients", "grant_type"), ("resource-servers", "search")]
)
def test_a_search_with_a_nul_is_refused(
    caller: Caller, refused: Callable[..., None], noun: str, name: str
) -> None:
    answer = caller.manage("GET", noun, params={name: "a\x00b"})
    refused(answer, 400, f"Query validation error: 'Holds a NUL' on property {name}.", "invalid_query_string")
