"""Every page that can be reached by links: sound, quiet, within its policy, and judged by axe."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.browser.judging import SMALL, require_narrow, require_no_violation
from tests.records import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import BrowserContext, Page

    from tests.running import Caller, ServerProcess

CANARY = "<img src=x onerror=\"document.title='fired'\">'\"><script>document.title='fired'</script>"
NAME = "\"' autofocus onfocus=document.title='fired' {{7*7}}"  # names may have no angle brackets
MOST_PAGES = 60


@pytest.fixture(scope="module", autouse=True)
def _tenant(caller: Caller) -> None:
    """One of everything, with a canary wherever a text may be."""
    scopes = [{"value": "read:blog", "description": CANARY}, {"value": "create:blog"}]
    caller.create("resource-servers", identifier="https://blog-api", name="Blogs", scopes=scopes)
    caller.create("resource-servers", identifier=f"urn:{CANARY}", scopes=[])
    made = caller.create("clients", name=NAME, description=CANARY, app_type="non_interactive")
    caller.create(
        "client-grants", client_id=made["client_id"], audience="https://blog-api", scope=["read:blog"]
    )
    caller.ask_token(caller.operator, f"urn:{CANARY}")
    row = refusal("https://blog-api", made["client_id"], minute=0, route="/<b>{id}", count=3)
    caller.manage("POST", "guard-reports", json={"refusals": [row]})


def crawl(page: Page, start: str, visit: Callable[[Page], None]) -> list[str]:
    """Opens every page of the dashboard that links lead to, and has each looked at; their addresses."""
    waiting, seen = [start], {start}
    while waiting:
        address = waiting.pop(0)
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200, address
        visit(page)
        for found in page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)"):
            # One view of each page: its filters and open parts are links too.
            plain = found.partition("#")[0].partition("?")[0]
            is_ours = urlsplit(plain).netloc == urlsplit(start).netloc and "/ui/" in plain
            is_file = plain.endswith(("/export", "/download"))
            if is_ours and not is_file and plain not in seen and len(seen) < MOST_PAGES:
                seen.add(plain)
                waiting.append(plain)
    return sorted(seen)


def test_every_page_is_sound_and_no_canary_fires(
    visitor: Callable[..., BrowserContext], server: ServerProcess
) -> None:
    context = visitor()
    page, faults = context.new_page(), list[str]()
    page.on("console", lambda said: faults.append(f"{said.type}: {page.url}: {said.text}"))
    page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
    page.on("dialog", lambda dialog: faults.append(f"{page.url}: a dialog {dialog.message}"))

    def look(page: Page) -> None:
        assert page.locator("h1").count() == 1, page.url
        assert page.title() not in ("", "fired"), page.url
        assert page.locator("html[lang]").count() == 1
        unlabelled = page.eval_on_selector_all(
            "input:not([type=hidden]), select, textarea",
            "all => all.filter(each => !each.labels?.length && !each.ariaLabel).map(each => each.outerHTML)",
        )
        assert not unlabelled, (page.url, unlabelled)
        ids = page.eval_on_selector_all("[id]", "all => all.map(each => each.id)")
        assert len(ids) == len(set(ids)), page.url

    addresses = crawl(page, server.issuer + "ui/", look)
    assert not [fault for fault in faults if not fault.startswith(("verbose:", "log:", "info:"))]
    assert len(addresses) >= 4


def test_axe_finds_nothing_in_either_scheme(
    visitor: Callable[..., BrowserContext], server: ServerProcess
) -> None:
    for scheme in ("light", "dark"):
        context = visitor(bypass_csp=True, color_scheme=scheme)
        crawl(context.new_page(), server.issuer + "ui/", require_no_violation)


def test_nothing_is_wider_than_a_small_screen(
    visitor: Callable[..., BrowserContext], server: ServerProcess
) -> None:
    crawl(visitor(viewport=SMALL).new_page(), server.issuer + "ui/", require_narrow)
