"""Pages of a tenant that has more than one page shows: fifty at a time, found by name, nothing left out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.running import Caller
    from tests.server.dashboard.browsing import Browser

APIS = 60


@pytest.fixture(scope="module", autouse=True)
def apis(caller: Caller) -> list[dict[str, Any]]:
    """Sixty APIs beside the server's own, with a permission each."""
    return [
        caller.create(
            "resource-servers",
            identifier=f"urn:{number:02}",
            name=f"API {number:02}",
            scopes=[{"value": "read"}],
        )
        for number in range(APIS)
    ]


@pytest.fixture(scope="module")
def app(caller: Caller) -> dict[str, Any]:
    """An application that may have tokens of the last API but one."""
    made = caller.create(
        "clients", name="Busy", app_type="non_interactive", grant_types=["client_credentials"]
    )
    caller.create("client-grants", client_id=made["client_id"], audience="urn:58", scope=["read"])
    return made


def named(page: str) -> list[str]:
    """The APIs of the page, in its order."""
    return re.findall(r"<summary>(API \d\d|[^<\n]*Management API)", page)


def test_an_application_shows_the_apis_it_is_authorized_for_first(ada: Browser, app: dict[str, Any]) -> None:
    address = f"/apps/{app['client_id']}/apis"
    first = named(ada.page(address))
    assert first[:2] == ["API 58", "API 00"]
    assert len(first) == 51
    second = named(ada.page(f"{address}?page=2"))
    assert second == [f"API {number:02}" for number in range(49, 60) if number != 58]


def test_an_api_of_another_page_is_found_linked_to_and_authorized(
    ada: Browser, caller: Caller, app: dict[str, Any], apis: list[dict[str, Any]]
) -> None:
    address = f"/apps/{app['client_id']}/apis"
    assert named(ada.page(f"{address}?q=api+59")) == ["API 59"]
    assert "No API with “nothing”" in ada.page(f"{address}?q=nothing")
    linked = ada.page(f"{address}?open={apis[57]['id']}")
    assert named(linked)[:3] == ["API 58", "API 57", "API 00"]
    assert "API 00" in named(ada.page(f"{address}?open=none"))
    ada.done(f"{address}/{apis[57]['id']}", {"scope": "read"}, on=f"{address}?open={apis[57]['id']}")
    grants = caller.manage("GET", "client-grants", params={"client_id": app["client_id"]}).json()
    assert {grant["audience"] for grant in grants} == {"urn:58", "urn:57"}
    caller.manage("DELETE", f"client-grants/{next(g['id'] for g in grants if g['audience'] == 'urn:57')}")


def test_a_new_application_gets_an_api_of_another_page(ada: Browser, caller: Caller) -> None:
    plain = ada.page("/apps/new")
    assert 'value="urn:48"' in plain
    assert 'value="urn:59"' not in plain
    fields = {"name": "Late", "app_type": "non_interactive", "audience": "urn:59", "scope urn:59": "read"}
    assert "“Late” was created" in ada.done("/apps/new", fields, on="/apps/new?q=API+59")
    (made,) = caller.manage("GET", "clients", params={"search": "late"}).json()
    (grant,) = caller.manage("GET", "client-grants", params={"client_id": made["client_id"]}).json()
    assert (grant["audience"], grant["scope"]) == ("urn:59", ["read"])


def test_what_was_chosen_stays_when_the_form_is_refused(ada: Browser) -> None:
    fields = {"name": "<", "app_type": "non_interactive", "audience": "urn:59", "scope urn:59": "read"}
    page = ada.refused("/apps/new", fields, on="/apps/new?q=API+59")
    assert 'value="urn:59" checked' in page
    assert 'name="scope urn:59" value="read" checked' in page


def test_the_default_audience_is_typed_where_there_are_many(ada: Browser, caller: Caller) -> None:
    page = ada.page("/settings")
    assert '<input name="default_audience" value=""' in page
    assert page.count('<option value="urn:') == 50
    ada.done("/settings", {"default_audience": "urn:59"}, on="/settings")
    assert caller.manage("GET", "tenants/settings").json()["default_audience"] == "urn:59"
    assert '<input name="default_audience" value="urn:59"' in ada.page("/settings")
    said = ada.done("/settings", {"default_audience": "urn:none"}, on="/settings")
    assert "There is no API urn:none yet" in said


def test_the_matrix_pages_through_those_that_ask_for_themselves(
    ada: Browser, caller: Caller, app: dict[str, Any], apis: list[dict[str, Any]]
) -> None:
    for number in range(55):
        kind = ["client_credentials"] if number % 5 else []
        caller.create("clients", name=f"Row {number:02}", grant_types=kind)
    address = f"/apis/{apis[58]['id']}/applications"
    pages = [ada.page(f"{address}?q=row"), ada.page(address), ada.page(f"{address}?page=2")]
    rows = [re.findall(r"Row \d\d", page) for page in pages]
    expected = [f"Row {number:02}" for number in range(55) if number % 5]
    assert list(dict.fromkeys(rows[0])) == expected
    assert "Row 00" not in pages[1] + pages[2]
    assert app["client_id"] in pages[1]


def test_the_first_page_counts_them_all(ada: Browser) -> None:
    assert f"<strong>{APIS}</strong> APIs" in ada.page("/")
