"""A real browser in front of a real server: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import ViewportSize, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext

    from tests.running import ServerProcess

PASSWORD = "a sentence that is long enough"
WIDE: ViewportSize = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser; absent, the tests are skipped, but never in CI (tests/conftest.py).

    For one file at a time: while Playwright is there, no other test of this process can run an event loop.
    """
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("chromium is not installed")
    # Root, as in a container, may not use the sandbox.
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"] if root else [])
        yield browser
        browser.close()


def start_link(server: ServerProcess) -> str:
    """What the start has printed for the first administrator."""
    found = re.findall(r"Dashboard +(\S+key=\S+)", server.log.read_text())
    assert found, server.log.read_text()
    return str(found[-1])


@pytest.fixture(scope="module")
def visitor(chromium: Browser, server: ServerProcess) -> Iterator[Callable[..., BrowserContext]]:
    """`visitor(**options)` is a browser window, logged in as the first administrator."""
    first = chromium.new_context(viewport=WIDE)
    page = first.new_page()
    page.goto(start_link(server))
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Enter the dashboard").click()
    page.get_by_role("heading", name="Home").wait_for()
    state = first.storage_state()
    opened = [first]

    def open_window(**options: object) -> BrowserContext:
        context = chromium.new_context(**{"viewport": WIDE, "storage_state": state, **options})  # type: ignore[arg-type]  # Playwright's many
        opened.append(context)
        return context

    yield open_window
    for context in opened:
        context.close()
