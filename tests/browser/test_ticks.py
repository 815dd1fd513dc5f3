"""A tick is saved at once and can be undone at once, by mouse and by keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import BrowserContext, Locator, Page

    from tests.running import Application, Caller, ServerProcess

AUDIENCE = "https://ticked"


@pytest.fixture(scope="module")
def rows(caller: Caller, server: ServerProcess) -> str:
    """Where the applications of an API are."""
    scopes = [{"value": value} for value in ("read:blog", "create:blog", "delete:blog")]
    api = caller.create("resource-servers", identifier=AUDIENCE, name="Ticked", scopes=scopes)
    return f"{server.issuer}ui/apis/{api['id']}/applications"


@pytest.fixture
def reader(caller: Caller, rows: str) -> Application:
    """An application that may read."""
    assert rows
    made = caller.application("Reader")
    caller.create("client-grants", client_id=made.client_id, audience=AUDIENCE, scope=["read:blog"])
    return made


def opened(page: Page, rows: str, app: Application) -> Locator:
    """The row of the application, its permissions in sight."""
    page.goto(f"{rows}?open={app.client_id}")
    row = page.locator(f"li[id='{app.client_id}']")
    row.locator("details[open]").wait_for()
    return row


def scope_of(caller: Caller, app: Application) -> list[str]:
    found = caller.manage("GET", "client-grants", params={"client_id": app.client_id}).json()
    return list(found[0]["scope"])


def test_a_tick_is_undone(
    visitor: Callable[..., BrowserContext], rows: str, caller: Caller, reader: Application
) -> None:
    row = opened(visitor().new_page(), rows, reader)
    row.get_by_label("create:blog").check()
    row.get_by_role("button", name="Undo").wait_for()
    assert row.get_by_role("status").inner_text().startswith("Saved")
    assert set(scope_of(caller, reader)) == {"read:blog", "create:blog"}
    row.get_by_role("button", name="Undo").click()
    row.get_by_text("Undone").wait_for()
    assert scope_of(caller, reader) == ["read:blog"]
    assert not row.get_by_label("create:blog").is_checked()
    assert row.get_by_text("1 of 3 permissions").is_visible()
    assert row.get_by_role("button", name="Undo").is_hidden()


def test_the_offer_is_reached_by_tab_and_waits_for_the_focus(
    visitor: Callable[..., BrowserContext], rows: str, caller: Caller, reader: Application
) -> None:
    page = visitor().new_page()
    page.clock.install()
    row = opened(page, rows, reader)
    row.get_by_label("delete:blog").focus()
    page.keyboard.press("Space")
    offer = row.get_by_role("button", name="Undo")
    offer.wait_for()
    page.clock.run_for(8000)
    assert offer.is_visible()
    for _ in range(6):
        page.keyboard.press("Tab")
        if offer.evaluate("each => each === document.activeElement"):
            break
    page.clock.run_for(60_000)
    assert offer.is_visible(), "it went away under the focus"
    page.keyboard.press("Enter")
    row.get_by_text("Undone").wait_for()
    assert scope_of(caller, reader) == ["read:blog"]


def test_the_offer_ends(visitor: Callable[..., BrowserContext], rows: str, reader: Application) -> None:
    page = visitor().new_page()
    page.clock.install()
    row = opened(page, rows, reader)
    row.get_by_label("delete:blog").check()
    offer = row.get_by_role("button", name="Undo")
    offer.wait_for()
    offer.hover()
    page.clock.run_for(60_000)
    assert offer.is_visible(), "it went away under the pointer"
    page.mouse.move(0, 0)
    page.clock.run_for(12_000)
    assert offer.is_hidden()


def test_an_undo_that_is_refused_says_why(
    visitor: Callable[..., BrowserContext], rows: str, caller: Caller, reader: Application
) -> None:
    page = visitor().new_page()
    row = opened(page, rows, reader)
    row.get_by_label("create:blog").check()
    row.get_by_role("button", name="Undo").wait_for()
    grant = caller.manage("GET", "client-grants", params={"client_id": reader.client_id}).json()[0]
    caller.manage("PATCH", f"client-grants/{grant['id']}", json={"scope": ["delete:blog"]})
    row.get_by_role("button", name="Undo").click()
    page.get_by_role("alert").wait_for()
    assert "nothing was undone" in page.get_by_role("alert").inner_text()
    assert scope_of(caller, reader) == ["delete:blog"]
