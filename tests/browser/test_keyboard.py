"""Keyboard only: an API is made and found again without a mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import BrowserContext, Page

    from tests.running import Caller, ServerProcess

MOST_STEPS = 80
FOCUSED = """() => {
  const at = document.activeElement;
  const label = at.labels && at.labels.length ? at.labels[0].textContent : at.textContent;
  return (at.ariaLabel || label || "").trim();
}"""


def walk_to(page: Page, words: str) -> None:
    """Tab until what has the focus says this; the focus is to be seen on each step."""
    for _ in range(MOST_STEPS):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED).partition("\n")[0].strip() == words:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", words
            return
    raise AssertionError(f"{words!r} cannot be reached by Tab at {page.url}")


def test_an_api_is_made_by_keyboard(
    visitor: Callable[..., BrowserContext], server: ServerProcess, caller: Caller
) -> None:
    page = visitor().new_page()
    page.goto(server.issuer + "ui/")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "To the content"
    walk_to(page, "Create an API")
    page.keyboard.press("Enter")
    page.get_by_role("textbox", name="Name").wait_for()
    page.get_by_role("textbox", name="Name").focus()
    page.keyboard.type("Typed API")
    walk_to(page, "Identifier")
    page.keyboard.type("https://typed")
    page.keyboard.press("Enter")
    page.get_by_text("Typed API (Test Application)").first.wait_for()
    found = caller.manage("GET", "resource-servers/https%3A%2F%2Ftyped").json()
    assert found["name"] == "Typed API"
    walk_to(page, "Permissions")
    page.keyboard.press("Enter")
    page.wait_for_url("**/permissions")
    walk_to(page, "Permission")
    page.keyboard.type("read:typed")
    page.keyboard.press("Enter")
    page.get_by_text("read:typed", exact=True).first.wait_for()
    found = caller.manage("GET", "resource-servers/https%3A%2F%2Ftyped").json()
    assert [scope["value"] for scope in found["scopes"]] == ["read:typed"]
