"""Each page says under its heading what it is for, and each refusal is announced and leads on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from gatewright.server.dashboard.app import ROUTES

if TYPE_CHECKING:
    from tests.running import Caller
    from tests.server.dashboard.browsing import Browser

NO_PAGES = {"/static/{name}", "/apps/{id}", "/apis/{id}", "/start", "/recover"}
"""What leads to a page, and links that are of no use any more."""

PAGES = sorted(
    row.path
    for row in ROUTES
    if row.method == "GET" and getattr(row, "is_page", True) and row.path not in NO_PAGES
)
BEFORE = re.compile(r"<(h2|form|table|fieldset|dl|details|section)\b")


@pytest.fixture(scope="module")
def known(caller: Caller) -> dict[str, dict[str, str]]:
    """A record for each parameter of a path: by the path's first part."""
    api: dict[str, Any] = caller.create("resource-servers", identifier="https://helped", scopes=[])
    app = caller.application("Helped")
    caller.ask_token(caller.operator, "https://helped")
    keys = caller.manage("GET", "keys/signing").json()
    event = caller.manage("GET", "logs", params={"per_page": 1}).json()[0]
    of_api = {"id": api["id"], "client_id": app.client_id, "app": app.client_id, "framework": "fastapi"}
    secret = caller.manage("GET", f"clients/{app.client_id}/secrets").json()[0]["id"]
    of_app = {"id": app.client_id, "secret": secret, "secret_id": secret, "api": api["id"]}
    return {
        "apis": of_api,
        "apps": of_app,
        "keys": {"kid": keys[0]["kid"]},
        "logs": {"log_id": event["log_id"]},
    }


@pytest.mark.parametrize("path", PAGES)
def test_a_page_says_under_its_heading_what_it_is_for(
    ada: Browser, known: dict[str, dict[str, str]], path: str
) -> None:
    values = known.get(path.split("/")[1], {})
    page = ada.page(re.sub(r"\{(\w+)\}", lambda each: values[each[1]], path))
    # What stands beside a heading, a button or a form of one, is before what is under it.
    _, _, after = page.partition("</h1>")
    after = after.partition("</div>")[2] if '<div class="head">' in page else after
    assert after, "there is no heading"
    help_at = after.find('<p class="hint">')
    first = BEFORE.search(after)
    assert 0 <= help_at < (len(after) if first is None else first.start()), after[:600]


def test_a_refusal_on_a_page_of_its_own_is_announced_and_leads_home(ada: Browser) -> None:
    page = ada.page("/no/such/page", status=404)
    assert '<p role="alert">There is no such page.</p>' in page
    assert '<a href="/ui/">To Home</a>' in page
