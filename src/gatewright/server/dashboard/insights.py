"""What the tenant was used for, and what is refused: two plots, each with its table and a file of it."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import Response

from gatewright.guard.walkthrough import FIXES
from gatewright.server.dashboard.operations import Operations, Record
from gatewright.server.dashboard.page import Page, Route
from gatewright.server.dashboard.rendering import HEADERS, PREFIX
from gatewright.server.dashboard.stacks import Reason, reasons, stacks
from gatewright.server.management.insights import SPANS

SIDES: Final[Mapping[str, str]] = {"api": "audience", "application": "client_id"}
WORDS: Final[Mapping[str, str]] = {"24h": "the last 24 hours", "7d": "the last 7 days"}
SECONDS: Final[Mapping[str, str]] = {"24h": "86400", "7d": "604800"}
DAY: Final = "24h"
DOORS: Final[Mapping[str, str]] = {"guard": "APIs", "token_endpoint": "the token endpoint"}

# What mends a refusal of the token endpoint; those of guards have theirs in the guard.
TOKEN_FIXES: Final[Mapping[str, str]] = {
    "wrong_credentials": "Compare the application's secret with the one under Credentials.",
    "unknown_client": "No application has the client id that was sent.",
    "invalid_client": "The assertion or certificate did not prove to be the application's: compare its keys.",
    "no_grant": "Authorize the application for the API.",
    "scope_not_granted": "Grant the application the permission, or let it ask for less.",
    "unknown_api": "No API has this identifier: let the application ask for another, or create the API.",
    "no_audience": "Let the application name an API (audience), or set a default one in the settings.",
    "organization": "Organizations are not here: take the requirement from the grant.",
    "unauthorized_client": "Allow the grant type in the application's settings.",
    "unsupported_grant_type": "Only client_credentials is here.",
    "invalid_request": "The API or the application demands what is not here, such as bound tokens.",
    "too_many_requests": "Keep a token until it expires instead of asking for each call.",
    "quota_exceeded": "Keep a token until it expires instead of asking for each call, or raise the quota.",
}

# What a spreadsheet would run.
FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Filters:
    """What is wanted, as it stands in the address; "" for any."""

    span: str
    by: str
    api: str
    application: str

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filters":
        """The filters of an address; of one API, applications are told apart."""
        api, application = (query.get(name, "").strip() for name in ("api", "application"))
        by = query.get("by", "")
        if by not in SIDES:
            by = "application" if api and not application else "api"
        span = query.get("span", DAY)
        return cls(span if span in SPANS else DAY, by, api, application)

    @property
    def is_narrow(self) -> bool:
        """Whether one API or application is meant."""
        return bool(self.api or self.application)

    def query(self) -> dict[str, str]:
        """For the operations."""
        wishes = {"audience": self.api, "client_id": self.application}
        return {"span": self.span, **{name: value for name, value in wishes.items() if value}}

    def address(self, **more: str) -> str:
        """The query of an address with these filters."""
        wishes = {"span": self.span, "by": self.by, **self.narrow(), **more}
        return urlencode(wishes)

    def narrow(self) -> dict[str, str]:
        """Those of the filters that the pages of the log have too."""
        wishes = {"api": self.api, "application": self.application}
        return {name: value for name, value in wishes.items() if value}


async def show(page: Page) -> Response:
    """Both plots, of the same time, API and application."""
    filters, operations = Filters.of(page.query), page.operations
    told = await _tokens(operations, filters)
    found = await _refusals(operations, filters, since=told["from"])
    span = WORDS[filters.span]
    return page.render(
        "insights.html",
        filters=filters,
        spans=WORDS,
        span=span,
        tokens=stacks(told, by=SIDES[filters.by], span=span),
        refused=reasons(found, span=span),
        found=found,
        reporting=await operations.get("guard-reports/apis"),
    )


async def export(page: Page) -> Response:
    """What a plot shows, as CSV: ``?plot=tokens``, a row for each time and series, or ``?plot=refusals``."""
    filters, plot = Filters.of(page.query), page.query.get("plot", "tokens")
    told = await _tokens(page.operations, filters)
    if plot == "refusals":
        name, rows = "refusals", _refusal_rows(await _refusals(page.operations, filters, since=told["from"]))
    else:
        name, rows = "tokens", _token_rows(told, filters)
    disposition = f'attachment; filename="gatewright-{name}-{filters.span}.csv"'
    headers = {**HEADERS, "Content-Disposition": disposition}
    return Response(_csv(rows), media_type="text/csv; charset=utf-8", headers=headers)


async def _tokens(operations: Operations, filters: Filters) -> Record:
    told: Record = await operations.get("insights/tokens", by=SIDES[filters.by], **filters.query())
    return told


async def _refusals(operations: Operations, filters: Filters, *, since: str) -> list[Reason]:
    """Every reason, the most frequent first."""
    found: Sequence[Mapping[str, Any]] = await operations.get("insights/refusals", **filters.query())
    return [
        Reason(
            reason=str(row["reason"]),
            door=DOORS[row["refused_by"]],
            count=int(row["count"]),
            address=_cases(row, filters, since),
            fix=(FIXES if row["refused_by"] == "guard" else TOKEN_FIXES).get(row["reason"], ""),
        )
        for row in found
    ]


def _cases(row: Mapping[str, Any], filters: Filters, since: str) -> str:
    """The page that lists each refusal of a reason."""
    reason = str(row["reason"])
    if row["refused_by"] == "guard":
        wishes = {"reason": reason, "since": SECONDS[filters.span], **filters.narrow()}
        return f"{PREFIX}/logs/refusals?{urlencode(wishes)}"
    wishes = {"type": "feccft", "q": f"details.reason:{reason}", "from": since, **filters.narrow()}
    return f"{PREFIX}/logs?{urlencode(wishes)}"


def _token_rows(told: Record, filters: Filters) -> Iterable[Sequence[object]]:
    plot = stacks(told, by=SIDES[filters.by], span="")
    yield ("time_utc", filters.by, "name", "tokens")
    for index, step in enumerate(plot.steps):
        for each in plot.series:
            yield (step.starts_at, each.key, each.name, each.issued[index])


def _refusal_rows(found: Iterable[Reason]) -> Iterable[Sequence[object]]:
    yield ("refused_by", "reason", "count", "fix")
    for each in found:
        yield (each.door, each.reason, each.count, each.fix)


def _csv(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> str:
    said = str(value)
    return f"'{said}" if said.startswith(FORMULAS) else said


ROUTES = (
    Route("GET", "/insights", show),
    Route("GET", "/insights/export", export, is_page=False),
)
