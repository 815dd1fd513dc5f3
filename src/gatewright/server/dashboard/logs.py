"""The log: what happened, searched and filtered, one event in full, and a file of it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import Response

from gatewright.server.dashboard.operations import Operations, Record
from gatewright.server.dashboard.page import Page, Route, part
from gatewright.server.dashboard.rendering import HEADERS
from gatewright.server.dashboard.sentences import KINDS, Places, brief, fix_of, kind_of, sentence
from gatewright.server.errors import ApiError
from gatewright.server.events import new_log_id

PER_PAGE: Final = 100
MOST_SHOWN: Final = 1000
"""The operation finds no more by search; who wants all follows by checkpoint."""

MOST_SCOPES: Final = 4  # in a row of the list
EARLIER: Final = 2.0
"""Seconds by which live events overlap with those of the page; what is there twice shows once."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What is wanted of the log, as it stands in the address; "" is no wish."""

    type: str = ""
    application: str = ""
    api: str = ""
    since: str = ""
    until: str = ""
    q: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filters":
        """The filters of an address."""
        names = ("type", "application", "api", "from", "to", "q")
        return cls(*(query.get(name, "").strip() for name in names))

    def address(self, **more: str | int) -> str:
        """The query of an address with these filters."""
        named = {**asdict(self), "from": self.since, "to": self.until}
        wishes = {name: named[name] for name in ("type", "application", "api", "from", "to", "q")}
        return urlencode({name: value for name, value in {**wishes, **more}.items() if value != ""})

    def clauses(self) -> list[str]:
        """All but ``q``, in the language of the operation."""
        words = {"type": self.type, "client_id": self.application, "audience": self.api}
        found = [f'{name}:"{_quoted(value)}"' for name, value in words.items() if value]
        if self.since or self.until:
            found.append(f"date:[{_date(self.since)} TO {_date(self.until)}]")
        return found

    def query(self) -> str:
        """All of them, in the language of the operation."""
        typed = [f"({self.q})"] if self.q else []
        return " AND ".join([*self.clauses(), *typed])


async def show_all(page: Page) -> Response:
    """The newest first; a query that is refused stays in its field."""
    filters, number = Filters.of(page.query), page.number(last=MOST_SHOWN // PER_PAGE)
    follows = new_log_id(page.server.now() - EARLIER)
    fault, status = "", 200
    found: Record = {"logs": [], "total": 0}
    try:
        found = await search(page.operations, filters, page=number - 1)
    except ApiError as refusal:
        fault, status = refusal.message, refusal.status
    rows = [row(event) for event in found["logs"]]
    return page.render(
        "logs.html",
        status=status,
        fault=fault,
        filters=filters,
        rows=rows,
        total=found["total"],
        page=number,
        pages=max(1, -(-int(found["total"]) // PER_PAGE)),
        most=MOST_SHOWN,
        groups=_groups(filters.type),
        applications={each["client_id"]: each["application"] for each in rows if each["client_id"]},
        is_live=page.query.get("live") == "1" and not fault,
        follows=follows,
    )


async def show(page: Page) -> Response:
    """One event: in a sentence, member by member, as it was written, and what mends it."""
    event: Record = await page.operations.get(f"logs/{part(page.path['log_id'])}")
    details = event.get("details")
    client_id = str(event.get("client_id", ""))
    return page.render(
        "log.html",
        event=event,
        kind=kind_of(event),
        sentence=sentence(event),
        fix=fix_of(event, await _places(page.operations, event)),
        members=[(name, _shown(value)) for name, value in event.items()],
        raw=json.dumps(event, indent=2, ensure_ascii=False),
        request_id=str(details.get("request_id", "")) if isinstance(details, Mapping) else "",
        alike=Filters(type=str(event["type"]), application=client_id, api=str(event.get("audience", ""))),
        by_same=Filters(application=client_id) if client_id else None,
    )


async def export(page: Page) -> Response:
    """The events of the filters as JSON lines, the newest first, no more than a search finds."""
    filters = Filters.of(page.query)
    events: list[Record] = []
    for number in range(MOST_SHOWN // PER_PAGE):
        found = (await search(page.operations, filters, page=number))["logs"]
        events += found
        if len(found) < PER_PAGE:
            break
    lines = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)
    moment = datetime.fromtimestamp(page.server.now(), UTC).strftime("%Y%m%d-%H%M%S")
    disposition = f'attachment; filename="gatewright-logs-{moment}.jsonl"'
    headers = {**HEADERS, "Content-Disposition": disposition}
    return Response(lines.encode(), media_type="application/jsonl", headers=headers)


async def search(operations: Operations, filters: Filters, *, page: int) -> Record:
    """A page of what is wanted: ``logs``, and ``total`` of them.

    Raises:
        ApiError: the query is not understood.
    """
    if filters.q and filters.clauses():
        # Alone first: a parenthesis too many must not reach around the other filters.
        await operations.get("logs", q=filters.q, per_page=0)
    q = filters.query() if filters.clauses() else filters.q
    found: Record = await operations.get(
        "logs", q=q, page=page, per_page=PER_PAGE, include_totals="true", sort="date:-1"
    )
    return found


def row(event: Mapping[str, Any]) -> dict[str, str]:
    """An event as the list shows it."""
    kind, client_id = kind_of(event), str(event.get("client_id", ""))
    return {
        "log_id": str(event["log_id"]),
        "date": str(event["date"]),
        "word": kind.word,
        "shape": kind.shape,
        "what": brief(event),
        "client_id": client_id,
        "application_path": f"/apps/{part(client_id)}/settings" if client_id else "",
        "application": str(event.get("client_name") or client_id),
        "api": str(event.get("audience", "")),
        "scope": _few(str(event.get("scope", "")).split()),
        "ip": str(event.get("ip", "")),
    }


async def _places(operations: Operations, event: Mapping[str, Any]) -> Places:
    client_id, audience = str(event.get("client_id", "")), str(event.get("audience", ""))
    application = f"/apps/{part(client_id)}" if client_id else ""
    # Only the id is asked for: a read of an API's secret would be an event of its own.
    apis: Sequence[Record] = (
        await operations.get("resource-servers", identifiers=audience, fields="id") if audience else ()
    )
    is_known = bool(apis and client_id)
    grant = f"/apis/{part(apis[0]['id'])}/applications?open={part(client_id)}" if is_known else ""
    if not application:
        return Places(grant=grant)
    return Places(f"{application}/settings", f"{application}/credentials", grant)


def _few(scopes: Sequence[str]) -> str:
    """Scopes for a column; the event's own page has all of them."""
    more = len(scopes) - MOST_SCOPES
    return " ".join(scopes) if more <= 0 else f"{' '.join(scopes[:MOST_SCOPES])} and {more} more"


def _groups(chosen: str) -> dict[str, list[tuple[str, str]]]:
    """The types to choose from, by group; one that nobody here knows stays chosen."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for code, kind in KINDS.items():
        groups.setdefault(kind.group, []).append((code, kind.name))
    if chosen and chosen not in KINDS:
        groups["Other"] = [(chosen, "Other")]
    return groups


def _quoted(text: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", text)


def _date(text: str) -> str:
    """A date of a range; what would end the range becomes what the operation calls no date."""
    return re.sub(r'[\s\[\]{}"]', "?", text) or "*"


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


ROUTES = (
    Route("GET", "/logs", show_all),
    Route("GET", "/logs/export", export, is_page=False),
    Route("GET", "/logs/{log_id}", show),
)
