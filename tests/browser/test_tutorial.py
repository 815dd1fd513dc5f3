"""The tutorial by mouse: from the link of the first start to an accepted request, with and without script."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx2
import pytest

from gatewright import Guard
from tests.browser.conftest import PASSWORD, WIDE, start_link
from tests.browser.sample import sample
from tests.running import ServerProcess, bearer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

AUDIENCE = "https://blog-api"


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that nobody has entered yet."""
    with ServerProcess(tmp_path / "data") as running:
        yield running


@pytest.fixture
def blogs(fresh: ServerProcess) -> Iterator[str]:
    """The sample API; it knows three values, and where to get the keys."""
    with serving(sample(Guard(fresh.issuer, audience=AUDIENCE, algorithms=("RS256",)))) as url:
        yield url


def enter(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Enter the dashboard").click()
    page.get_by_role("heading", name="Home").wait_for()


def credentials(page: Page) -> dict[str, str]:
    """What the application's page shows as JSON once the secret is asked for."""
    page.get_by_role("link", name="Applications", exact=True).first.click()
    page.get_by_role("link", name="Blog API (Test Application)").click()
    page.get_by_label("Of this page").get_by_role("link", name="Credentials").click()
    page.get_by_role("link", name="Show").first.click()
    text = page.locator("pre", has_text='"client_secret"').inner_text()
    found: dict[str, str] = json.loads(text)
    return found


def token(issuer: str, app: dict[str, str]) -> str:
    asked = {
        "grant_type": "client_credentials",
        "audience": AUDIENCE,
        "client_id": app["client_id"],
        "client_secret": app["client_secret"],
    }
    return str(httpx2.post(f"{issuer}oauth/token", json=asked).json()["access_token"])


def statuses(blogs: str, access_token: str | None) -> list[int]:
    """What `/authtest`, reading and writing answer."""
    headers = bearer(access_token) if access_token else {}
    asked = (("GET", "authtest"), ("GET", "blogs"), ("POST", "blogs"))
    return [httpx2.request(method, f"{blogs}/{path}", headers=headers).status_code for method, path in asked]


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_the_tutorial_is_done_by_mouse(
    chromium: Browser,
    fresh: ServerProcess,
    blogs: str,
    script: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    context = chromium.new_context(viewport=WIDE, java_script_enabled=script)
    page = context.new_page()
    page.set_default_timeout(20_000)
    enter(page, start_link(fresh))

    page.get_by_role("link", name="Create an API").first.click()
    page.get_by_role("textbox", name="Name").fill("Blog API")
    page.get_by_role("textbox", name="Identifier").fill(AUDIENCE)
    page.get_by_role("button", name="Create").click()
    page.get_by_text("Blog API (Test Application)").first.wait_for()

    assert statuses(blogs, None) == [401, 401, 401]
    app = credentials(page)
    assert statuses(blogs, token(fresh.issuer, app)) == [200, 403, 403]

    page.get_by_role("link", name="APIs", exact=True).first.click()
    page.get_by_role("link", name="Blog API", exact=True).click()
    page.get_by_label("Of this page").get_by_role("link", name="Permissions").click()
    for scope in ("read:blog", "create:blog"):
        page.get_by_label("Permission", exact=True).fill(scope)
        page.get_by_label("Description", exact=True).fill(f"May {scope}")
        page.get_by_role("button", name="Add", exact=True).click()
        page.get_by_text(scope, exact=True).first.wait_for()

    page.get_by_label("Of this page").get_by_role("link", name="Applications").click()
    row = page.locator("li", has_text=app["client_id"])
    row.locator("summary").click()
    for scope in ("read:blog", "create:blog"):
        row.get_by_label(scope).check()
    row.get_by_role("button", name="Update").click()
    page.locator("li", has_text=app["client_id"]).get_by_text("2 of 2 permissions").wait_for()

    assert statuses(blogs, token(fresh.issuer, app)) == [200, 200, 200]
    context.close()
