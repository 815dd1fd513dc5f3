"""What the guards of APIs refused, each with its explanation and what would let it in."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from gatewright.guard.walkthrough import FIXES
from gatewright.server.dashboard.page import Page, Route

PER_PAGE: Final = 50
LAST_PAGE: Final = 1000
SPANS: Final[Mapping[str, str]] = {
    "3600": "the last hour",
    "86400": "the last 24 hours",
    "604800": "the last 7 days",
    "2592000": "the last 30 days",
}
DAY: Final = "86400"
_FILTERS: Final = {"api": "audience", "application": "client_id", "reason": "reason"}


async def show_all(page: Page) -> Response:
    """The newest first."""
    typed = {name: page.query.get(name, "").strip() for name in _FILTERS}
    since = page.query.get("since", DAY)
    span = since if since in SPANS else DAY
    number = page.number(last=LAST_PAGE)
    found = await page.operations.get(
        "guard-reports/refusals",
        page=number - 1,
        per_page=PER_PAGE,
        include_totals="true",
        since=int(page.server.now()) - int(span),
        **{_FILTERS[name]: value for name, value in typed.items() if value},
    )
    wishes = {name: value for name, value in {**typed, "since": span}.items() if value}
    return page.render(
        "refusals.html",
        refusals=found["refusals"],
        total=found["total"],
        page=number,
        pages=max(1, -(-int(found["total"]) // PER_PAGE)),
        address=urlencode(wishes),
        typed=typed,
        is_filtered=any(typed.values()),
        since=span,
        spans=SPANS,
        reasons=sorted(FIXES),
        reporting=await page.operations.get("guard-reports/apis"),
    )


ROUTES = (Route("GET", "/logs/refusals", show_all),)
