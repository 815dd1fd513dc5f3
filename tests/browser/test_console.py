"""The console in a real browser: a refusal is mended by its button, whichever way the calls take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from starlette.middleware.cors import CORSMiddleware

from gatewright import Guard
from tests.browser.conftest import PASSWORD
from tests.browser.judging import SMALL, require_narrow, require_no_violation
from tests.browser.sample import sample
from tests.running import serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI
    from playwright.sync_api import BrowserContext, Page

    from tests.running import Application, Caller, ServerProcess

AUDIENCE = "https://console-api"


@pytest.fixture(scope="module")
def api(caller: Caller) -> dict[str, Any]:
    scopes = [{"value": "read:blog"}]
    made: dict[str, Any] = caller.create(
        "resource-servers", name="Console API", identifier=AUDIENCE, scopes=scopes
    )
    return made


@pytest.fixture
def application(caller: Caller, api: dict[str, Any]) -> Application:
    made = caller.application("Reader")
    caller.authorize(made, api["identifier"])
    return made


@pytest.fixture
def guarded(server: ServerProcess) -> FastAPI:
    """The sample API; it answers no page of another site."""
    return sample(Guard(server.issuer, audience=AUDIENCE, algorithms=("RS256",)))


def opened(window: BrowserContext, server: ServerProcess, application: Application, url: str) -> Page:
    """The console of the API, which listens at `url`, with a token taken."""
    page = window.new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{server.issuer}ui/")
    page.get_by_role("link", name="Console", exact=True).click()
    page.get_by_role("link", name="Console API", exact=True).click()
    page.locator("select[name=app]").select_option(application.client_id)
    page.get_by_role("button", name="Choose").click()
    page.get_by_text("Where your API listens").first.wait_for()
    if not page.get_by_label("Base URLs").is_visible():
        page.get_by_text("Where your API listens").click()
    page.get_by_label("Base URLs").fill(url)
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved where the API listens").wait_for()
    take_token(page)
    return page


def take_token(page: Page) -> None:
    page.get_by_role("button", name="Take a token").click()
    if page.get_by_label("Password").is_visible():
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Take a token").click()
    page.get_by_text("a guard of this API accepts it").wait_for()


def send(page: Page, path: str) -> None:
    page.get_by_label("Path").fill(path)
    page.get_by_role("button", name="Send", exact=True).click()


@pytest.mark.parametrize("way", ["cors", "relay", "no-script"])
def test_fix_button_turns_a_403_into_a_200(
    visitor: Callable[..., BrowserContext],
    server: ServerProcess,
    caller: Caller,
    application: Application,
    guarded: FastAPI,
    way: str,
) -> None:
    asked: list[tuple[str, str]] = []

    @guarded.middleware("http")
    async def note(request: Any, call_next: Any) -> Any:  # noqa: ANN401 - FastAPI's
        asked.append((request.method, request.headers.get("user-agent", "")))
        return await call_next(request)

    if way == "cors":
        guarded.add_middleware(
            CORSMiddleware,
            allow_origins=[server.issuer.rstrip("/")],
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization"],
            expose_headers=["WWW-Authenticate"],
        )
    with serving(guarded) as url:
        page = opened(visitor(java_script_enabled=way != "no-script"), server, application, url)
        send(page, "/blogs")
        page.get_by_role("heading", name=re.compile("Answer:.*403")).wait_for()
        page.get_by_text("The token lacks read:blog.").wait_for()
        page.get_by_role("button", name="Grant read:blog and send again").click()
        page.get_by_role("heading", name=re.compile("Answer:.*200")).wait_for()
        page.get_by_text('"readBlogAccess": true').wait_for()
    grants = caller.manage("GET", "client-grants", params={"client_id": application.client_id}).json()
    assert [grant["scope"] for grant in grants] == [["read:blog"]]
    senders = [agent.partition("/")[0] for method, agent in asked if method != "OPTIONS"]
    assert senders == ["Mozilla" if way == "cors" else "gatewright-console"] * 2


def test_history_holds_calls_and_no_token_and_fills_the_form_again(
    visitor: Callable[..., BrowserContext], server: ServerProcess, application: Application, guarded: FastAPI
) -> None:
    with serving(guarded) as url:
        page = opened(visitor(), server, application, url)
        send(page, "/authtest")
        page.get_by_role("heading", name=re.compile("Answer:.*200")).wait_for()
        send(page, "/nowhere")
        page.get_by_role("heading", name=re.compile("Answer:.*404")).wait_for()
    rows = page.locator("[data-history] li")
    assert [re.findall(r"\d+ GET \S+", row.inner_text()) for row in rows.all()] == [
        [f"404 GET {url}/nowhere"],
        [f"200 GET {url}/authtest"],
    ]
    kept = page.evaluate("JSON.stringify(localStorage)")
    assert "authtest" in kept
    assert "eyJ" not in kept
    rows.last.get_by_role("button", name="Use again").click()
    assert page.get_by_label("Path").input_value() == "/authtest"
    page.get_by_role("button", name="Clear").click()
    assert not page.locator("[data-history]").is_visible()
    assert "authtest" not in page.evaluate("JSON.stringify(localStorage)")


def test_changed_and_missing_tokens_are_refused_with_the_reason(
    visitor: Callable[..., BrowserContext], server: ServerProcess, application: Application, guarded: FastAPI
) -> None:
    with serving(guarded) as url:
        page = opened(visitor(), server, application, url)
        page.get_by_label("Sends").select_option("changed")
        send(page, "/authtest")
        page.get_by_text("A character of the signature was changed, as you chose.").wait_for()
        page.get_by_label("Sends").select_option("none")
        send(page, "/authtest")
        page.get_by_text("Send it as Authorization: Bearer TOKEN.").wait_for()


def test_refusal_with_its_fix_is_sound_in_both_schemes_and_on_a_small_screen(
    visitor: Callable[..., BrowserContext], server: ServerProcess, application: Application, guarded: FastAPI
) -> None:
    with serving(guarded) as url:
        for options in ({"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": SMALL}):
            page = opened(visitor(bypass_csp=True, **options), server, application, url)
            send(page, "/blogs")
            page.get_by_role("button", name="Grant read:blog and send again").wait_for()
            page.eval_on_selector_all("details", "all => all.forEach(each => { each.open = true; })")
            require_no_violation(page)
            if "viewport" in options:
                require_narrow(page)
