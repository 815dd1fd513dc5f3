"""What was ticked is taken back: by the form beside the notice, and as script asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gatewright.server.dashboard.sessions import CONFIRMED_FOR
from tests.server.dashboard.browsing import Browser, alert, grants

if TYPE_CHECKING:
    from tests.records import Clock
    from tests.running import Application, Caller

JSON = {"Accept": "application/json"}


@pytest.fixture
def application(caller: Caller, api: dict[str, Any]) -> Application:
    """An application that may read the test's own API."""
    made = caller.application("Reader")
    grant = {"client_id": made.client_id, "audience": api["identifier"], "scope": ["read:blog"]}
    caller.create("client-grants", **grant)
    return made


def _undo(browser: Browser, caller: Caller, client_id: str, page: str) -> str:
    """Sends the form that the page offers; the page it leads to."""
    action = f"/grants/{grants(caller, client_id)[0]['id']}/undo"
    return browser.done(action, browser.hidden_fields(page, action))


def test_notice_after_ticks_offers_to_take_them_back(
    ada: Browser, caller: Caller, api: dict[str, Any], application: Application
) -> None:
    path, client_id = f"/apis/{api['id']}/applications", application.client_id
    page = ada.done(f"{path}/update", {"client_id": client_id, "scope": ["create:blog"]})
    assert grants(caller, client_id)[0]["scope"] == ["create:blog"]
    assert '<button form="undo">' in page[page.index(f'<li id="{client_id}">') :]
    page = _undo(ada, caller, client_id, page)
    assert alert(page).startswith("Undone")
    assert ada.path == path
    assert grants(caller, client_id)[0]["scope"] == ["read:blog"]
    assert "/undo" not in page
    assert "/undo" not in ada.page(path)


def test_all_permissions_come_back_as_all(
    ada: Browser, caller: Caller, api: dict[str, Any], application: Application
) -> None:
    client_id = application.client_id
    grant = grants(caller, client_id)[0]
    caller.manage("PATCH", f"client-grants/{grant['id']}", json={"allow_all_scopes": True})
    fields = {"client_id": client_id, "scope": ["create:blog"]}
    page = ada.done(f"/apis/{api['id']}/applications/update", fields)
    assert grants(caller, client_id)[0]["scope"] == ["create:blog"]
    _undo(ada, caller, client_id, page)
    assert grants(caller, client_id)[0]["allow_all_scopes"] is True


def test_a_permission_that_is_called_like_all_of_them_comes_back_alone(
    ada: Browser, caller: Caller, api: dict[str, Any], application: Application
) -> None:
    client_id = application.client_id
    scopes = [{"value": "*"}, {"value": "all"}, {"value": "read:blog"}]
    caller.update(f"resource-servers/{api['id']}", scopes=scopes)
    for named in ("*", "all"):
        caller.update(f"client-grants/{grants(caller, client_id)[0]['id']}", scope=[named])
        page = ada.done(f"/apis/{api['id']}/applications/update", {"client_id": client_id, "scope": []})
        _undo(ada, caller, client_id, page)
        after = grants(caller, client_id)[0]
        assert (after["scope"], after.get("allow_all_scopes", False)) == ([named], False)


def test_ticks_of_the_application_are_taken_back_on_its_page(
    ada: Browser, caller: Caller, api: dict[str, Any], application: Application
) -> None:
    client_id = application.client_id
    page = ada.done(f"/apps/{client_id}/apis/{api['id']}", {"all": "on"})
    assert grants(caller, client_id)[0]["allow_all_scopes"] is True
    page = _undo(ada, caller, client_id, page)
    assert ada.path == f"/apps/{client_id}/apis"
    after = grants(caller, client_id)[0]
    assert (after["scope"], after.get("allow_all_scopes", False)) == (["read:blog"], False)


def test_nothing_is_offered_where_nothing_changed(
    ada: Browser, caller: Caller, api: dict[str, Any], application: Application
) -> None:
    path, client_id = f"/apis/{api['id']}/applications", application.client_id
    assert "/undo" not in ada.done(f"{path}/update", {"client_id": client_id, "scope": ["read:blog"]})
    answer = ada.send(f"{path}/update", {"client_id": client_id, "scope": ["read:blog"]}, headers=JSON)
    assert answer.json() == {"undo": None}
    assert grants(caller, client_id)[0]["scope"] == ["read:blog"]


def test_what_somebody_changed_since_is_left_alone(
    ada: Browser, caller: Caller, api: dict[str, Any], application: Application
) -> None:
    client_id = application.client_id
    grant = grants(caller, client_id)[0]
    page = ada.done(f"/apis/{api['id']}/applications/update", {"client_id": client_id, "scope": []})
    caller.manage("PATCH", f"client-grants/{grant['id']}", json={"scope": ["create:blog"]})
    action = f"/grants/{grant['id']}/undo"
    said = ada.refused(action, ada.hidden_fields(page, action), status=409)
    assert "changed again" in said
    assert grants(caller, client_id)[0]["scope"] == ["create:blog"]


def test_a_permission_that_is_gone_does_not_come_back(
    ada: Browser, caller: Caller, api: dict[str, Any], application: Application
) -> None:
    client_id = application.client_id
    fields = {"client_id": client_id, "scope": ["create:blog"]}
    page = ada.done(f"/apis/{api['id']}/applications/update", fields)
    caller.manage("PATCH", f"resource-servers/{api['id']}", json={"scopes": [{"value": "create:blog"}]})
    action = f"/grants/{grants(caller, client_id)[0]['id']}/undo"
    assert "read:blog" in alert(ada.refused(action, ada.hidden_fields(page, action)))
    assert grants(caller, client_id)[0]["scope"] == ["create:blog"]


def test_script_is_told_how_to_take_back_and_what_came_of_it(
    ada: Browser, caller: Caller, api: dict[str, Any], application: Application
) -> None:
    path, client_id = f"/apis/{api['id']}/applications", application.client_id
    fields = {"client_id": client_id, "scope": ["read:blog", "create:blog"]}
    answer = ada.send(f"{path}/update", fields, headers=JSON)
    assert answer.headers["cache-control"] == "no-store"
    undo = answer.json()["undo"]
    answer = ada.send(undo["path"].removeprefix("/ui"), dict(undo["fields"]), headers=JSON)
    assert answer.json() == {"scope": ["read:blog"], "all": False}
    assert grants(caller, client_id)[0]["scope"] == ["read:blog"]
    assert "Saved" not in ada.page(path)


def test_taking_back_more_of_the_management_api_asks_for_the_password(
    ada: Browser, caller: Caller, application: Application, moving_clock: Clock
) -> None:
    system = caller.manage("GET", "resource-servers").json()[0]
    given = {"client_id": application.client_id, "scope": ["update:client_keys"]}
    grant = caller.create("client-grants", audience=system["identifier"], **given)
    page = ada.done(
        f"/apis/{system['id']}/applications/update", {"client_id": application.client_id, "none": "1"}
    )
    moving_clock.now += CONFIRMED_FOR + 1
    action = f"/grants/{grant['id']}/undo"
    answer = ada.send(action, ada.hidden_fields(page, action))
    assert answer.headers["location"].startswith("/ui/confirm?next=")


def test_a_viewer_takes_nothing_back(vera: Browser, caller: Caller, application: Application) -> None:
    grant = grants(caller, application.client_id)[0]
    assert vera.send(f"/grants/{grant['id']}/undo", {"former": "*"}).status_code == 403
