"""The first page: what was issued and refused lately, and what needs attention."""

from datetime import UTC, datetime, timedelta

from starlette.responses import Response

from gatewright.server.dashboard.page import Page, Route
from gatewright.server.dashboard.plots import bars, filled

RECENT = 86400  # seconds
MOST_SHOWN = 10
DAYS_DRAWN = 30


async def show(page: Page) -> Response:
    """Numbers of today, refusals with their fix, and the first steps until they are done."""
    operations, now = page.operations, page.server.now()
    today = datetime.fromtimestamp(now, UTC).date()
    first = today - timedelta(days=DAYS_DRAWN - 1)
    told = await operations.get("stats/daily", **{"from": f"{first:%Y%m%d}", "to": f"{today:%Y%m%d}"})
    days = filled(told, last=today, number=DAYS_DRAWN)
    counted = await operations.get("resource-servers", per_page=0, include_totals="true")
    refusals = await operations.get("guard-reports/refusals", per_page=MOST_SHOWN, since=int(now) - RECENT)
    refused = await operations.get("logs", q="type:feccft", per_page=5)
    return page.render(
        "home.html",
        apis=counted["total"] - 1,  # but for the Management API
        tokens_today=days[-1][1],
        plot=bars(days),
        active=await operations.get("stats/active-users"),
        refusals=refusals,
        reporting=await operations.get("guard-reports/apis"),
        refused=refused,
    )


ROUTES = (Route("GET", "/", show),)
