"""The search from anywhere, and the keys that lead somewhere by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.judging import require_no_violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import BrowserContext, Locator, Page

    from tests.running import Caller, ServerProcess

NAME = "<img src=x onerror=\"document.title='fired'\">"


@pytest.fixture
def page(visitor: Callable[..., BrowserContext], server: ServerProcess) -> Page:
    found = visitor().new_page()
    found.goto(server.issuer + "ui/apps")
    return found


def palette(page: Page) -> Locator:
    dialog = page.get_by_role("dialog", name="Search")
    dialog.wait_for()
    return dialog


def chosen(page: Page) -> str:
    """The option that a screen reader is told of."""
    option = page.locator(f"#{page.get_by_role('combobox').get_attribute('aria-activedescendant')}")
    assert option.get_attribute("aria-selected") == "true"
    return option.inner_text()


@pytest.mark.parametrize("keys", ["Control+k", "Meta+k"])
def test_keys_open_it_and_enter_goes_where_was_chosen(page: Page, keys: str) -> None:
    page.keyboard.press(keys)
    dialog = palette(page)
    dialog.get_by_role("option", name="Home").wait_for()
    page.keyboard.type("signing")
    dialog.get_by_role("option", name="Rotate the signing keys").wait_for()
    dialog.get_by_role("option", name="Home").wait_for(state="detached")
    assert chosen(page).startswith("Signing keys")
    page.keyboard.press("ArrowDown")
    assert chosen(page).startswith("Rotate the signing keys")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert chosen(page).startswith("Signing keys")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/keys")


def test_enter_takes_what_was_typed_however_quickly(page: Page, caller: Caller) -> None:
    made = caller.application("Quickly typed")
    page.keyboard.press("Control+k")
    palette(page)
    page.keyboard.type(made.client_id)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/ui/apps/{made.client_id}/settings")


def test_escape_closes_it_and_gives_the_focus_back(page: Page) -> None:
    page.get_by_role("button", name="Search", exact=True).focus()
    page.keyboard.press("Enter")
    dialog = palette(page)
    page.keyboard.press("Escape")
    assert dialog.is_hidden()
    assert page.evaluate("document.activeElement.textContent") == "Search"
    assert page.url.endswith("/ui/apps")


def test_what_is_found_is_text(page: Page, caller: Caller) -> None:
    caller.create("resource-servers", identifier=f"urn:{NAME}", scopes=[])
    page.keyboard.press("Control+k")
    page.keyboard.type("onerror")
    palette(page).get_by_role("option").first.wait_for()
    palette(page).get_by_text(NAME, exact=False).first.wait_for()
    assert page.title() != "fired"


@pytest.mark.parametrize(
    ("keys", "path"), [("ga", "apis"), ("gp", "apps"), ("gl", "logs"), ("gk", "keys"), ("gh", "")]
)
def test_two_keys_lead_to_a_page(page: Page, server: ServerProcess, keys: str, path: str) -> None:
    page.goto(server.issuer + "ui/settings/administrators")
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_url(f"**/ui/{path}")


def test_single_keys_search_and_show_the_shortcuts(page: Page) -> None:
    page.keyboard.press("?")
    shortcuts = page.get_by_role("dialog", name="Keyboard shortcuts")
    shortcuts.get_by_text("Signing keys").wait_for()
    page.keyboard.press("Escape")
    shortcuts.wait_for(state="hidden")
    page.keyboard.press("/")
    palette(page)
    assert page.get_by_role("combobox").input_value() == ""


def test_single_keys_do_nothing_in_fields(page: Page, server: ServerProcess) -> None:
    page.goto(server.issuer + "ui/apps/new")
    field = page.get_by_role("textbox", name="Name")
    field.focus()
    page.keyboard.type("gak/?")
    assert field.input_value() == "gak/?"
    assert page.locator("dialog[open]").count() == 0
    assert page.url.endswith("/ui/apps/new")


def test_single_keys_are_switched_off_for_good(page: Page) -> None:
    page.keyboard.press("Control+k")
    palette(page).get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_label("Keys without Ctrl").uncheck()
    page.get_by_role("button", name="Close").click()
    for _ in range(2):
        for key in ("?", "/", "g", "a"):
            page.keyboard.press(key)
        assert page.locator("dialog[open]").count() == 0
        assert page.url.endswith("/ui/apps")
        page.reload()
    page.keyboard.press("Control+k")
    palette(page)


def test_without_script_the_button_leads_to_the_page(
    visitor: Callable[..., BrowserContext], server: ServerProcess
) -> None:
    page = visitor(java_script_enabled=False).new_page()
    page.goto(server.issuer + "ui/")
    page.get_by_role("link", name="Search").click()
    page.get_by_role("searchbox").fill("signing")
    page.get_by_role("searchbox").press("Enter")
    page.get_by_role("link", name="Rotate the signing keys").click()
    page.wait_for_url("**/ui/keys")


def test_axe_finds_nothing_in_the_open_dialogs(
    visitor: Callable[..., BrowserContext], server: ServerProcess
) -> None:
    for scheme in ("light", "dark"):
        page = visitor(bypass_csp=True, color_scheme=scheme).new_page()
        page.goto(server.issuer + "ui/")
        page.keyboard.press("Control+k")
        palette(page).get_by_role("option").first.wait_for()
        for _ in range(2):
            require_no_violation(page)
            page.keyboard.press("Escape")
            page.keyboard.press("?")
