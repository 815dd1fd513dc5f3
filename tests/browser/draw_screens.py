"""The pictures of `docs/screens`, outside of `make test`: `make screens`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.records import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playwright.sync_api import BrowserContext

    from tests.running import Caller, ServerProcess

SCREENS = Path(__file__).parents[2] / "docs" / "screens"
AUDIENCE = "https://blog-api"
PERMISSIONS = {
    "read:blog": "Read posts",
    "create:blog": "Write posts",
    "delete:blog": "Delete posts",
    "read:comment": "Read comments",
}


@pytest.fixture(scope="module")
def pages(caller: Caller) -> Mapping[str, str]:
    """A tenant as one may look after some days: the name of each picture, and the page it shows."""
    scopes = [{"value": value, "description": told} for value, told in PERMISSIONS.items()]
    api = caller.create("resource-servers", identifier=AUDIENCE, name="Blog API", scopes=scopes)
    caller.create("resource-servers", identifier="https://shop-api", name="Shop API", scopes=[])
    newsletter = caller.application("Newsletter")
    for name in ("Blog frontend", "Import job"):
        app = caller.application(name)
        caller.create("client-grants", client_id=app.client_id, audience=AUDIENCE, scope=["read:blog"])
        for _ in range(4):
            caller.token(app, AUDIENCE)
    caller.create("client-grants", client_id=newsletter.client_id, audience=AUDIENCE, scope=["read:blog"])
    caller.token(newsletter, AUDIENCE)
    row = refusal(AUDIENCE, newsletter.client_id, count=3)
    assert caller.manage("POST", "guard-reports", json={"refusals": [row]}).is_success
    of_api = "apis/" + quote(api["id"], safe="")
    return {
        "home": "",
        "permissions": f"{of_api}/permissions",
        "quickstart": f"{of_api}/quickstart",
        "applications": f"{of_api}/applications",
        "credentials": f"apps/{newsletter.client_id}/credentials",
        "console": f"{of_api}/test/{newsletter.client_id}",
        "logs": "logs",
        "insights": "insights?by=application",
        "keys": "keys",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_draw(
    visitor: Callable[..., BrowserContext], server: ServerProcess, pages: Mapping[str, str], scheme: str
) -> None:
    SCREENS.mkdir(exist_ok=True)
    page = visitor(color_scheme=scheme, viewport={"width": 1200, "height": 760}).new_page()
    for name, path in pages.items():
        answer = page.goto(f"{server.issuer}ui/{path}")
        assert answer is not None
        assert answer.status == 200, path
        page.screenshot(path=SCREENS / f"{name}-{scheme}.png")
