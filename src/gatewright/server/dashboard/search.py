"""The search: pages, actions, APIs and applications by what they are called, and a log event by its id."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from gatewright.server.dashboard.apis import WITHOUT_SECRET, title
from gatewright.server.dashboard.listing import first
from gatewright.server.dashboard.operations import Operations, Record
from gatewright.server.dashboard.page import Page, Route, part
from gatewright.server.dashboard.rendering import PREFIX
from gatewright.server.dashboard.sentences import sentence

MOST: Final = 8  # of each kind
MOST_READS: Final = 100
"""Requests for records while somebody types: ten thousand are looked through, by the lists themselves all."""

LONGEST: Final = 600  # as long as an identifier


@dataclass(frozen=True, slots=True)
class Place:
    """A page to go to, and the other words that people look for it by."""

    name: str
    about: str
    path: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What was found: its name, what tells it from others, and its address."""

    name: str
    about: str
    href: str


@dataclass(frozen=True, slots=True)
class Group:
    """What was found of one kind."""

    name: str
    results: tuple[Result, ...]


PAGES: Final = (
    Place("Home", "What needs attention, refusals, tokens a day", "/", "dashboard overview"),
    Place("APIs", "What you protect, and its permissions", "/apis", "resource servers audience scopes"),
    Place("Applications", "Who asks for tokens", "/apps", "clients machine to machine m2m access"),
    Place("Logs", "What happened", "/logs", "events audit"),
    Place("Refusals", "What the guards of your APIs refused", "/logs/refusals", "denied 401 403 guards"),
    Place("Signing keys", "What tokens are signed with", "/keys", "jwks kid certificates"),
    Place("Settings", "Of the tenant: quotas, limits, defaults", "/settings", "tenant quota rate limit"),
    Place("Administrators", "Who may enter the dashboard", "/settings/administrators", "people viewers"),
)
ACTIONS: Final = (
    Place("Create an API", "With an application to try it with", "/apis/new", "new add resource server"),
    Place("Create an application", "Something that asks for tokens", "/apps/new", "new add client"),
    Place("Rotate the signing keys", "Or revoke one", "/keys", "rotate key revoke"),
    Place("Rotate a client secret", "Choose its application", "/apps", "rotate secret credentials"),
    Place("Add an administrator", "Or remove one", "/settings/administrators", "new invite person viewer"),
)
FOR_ALL: Final = (
    Place("Follow the log", "Events as they happen", "/logs?live=1", "live tail"),
    Place("Change your password", "Of this dashboard", "/settings/administrators", "own password"),
)


async def show(page: Page) -> Response:
    """Everything that fits ``?q=``, as a page or for script; without ``q`` the pages and actions."""
    q = "".join(filter(str.isprintable, page.query.get("q", ""))).strip()[:LONGEST]
    may_change = page.session.administrator.may_change
    groups = [
        Group("Pages", _fitting(PAGES, q)),
        Group("Actions", _fitting((*(ACTIONS if may_change else ()), *FOR_ALL), q)),
    ]
    if q:
        groups += [
            Group("APIs", await _apis(page.operations, q)),
            Group("Applications", await _applications(page.operations, q)),
            Group("Log events", await _log_events(page.operations, q)),
        ]
    found = [group for group in groups if group.results]
    if page.wants_json:
        return page.json({"groups": [asdict(group) for group in found]})
    return page.render("search.html", q=q, groups=found)


def _fitting(places: Iterable[Place], q: str) -> tuple[Result, ...]:
    """Those that have every word, first those whose name begins with what was typed."""
    wanted = q.casefold()
    found = [place for place in places if _has_all(f"{place.name} {place.words}".casefold(), wanted)]
    found.sort(key=lambda place: not place.name.casefold().startswith(wanted))
    return tuple(Result(place.name, place.about, PREFIX + place.path) for place in found[:MOST])


def _has_all(text: str, wanted: str) -> bool:
    return all(word in text for word in wanted.split())


async def _apis(operations: Operations, q: str) -> tuple[Result, ...]:
    exact = await operations.find(f"resource-servers/{part(q)}", **WITHOUT_SECRET)
    members = ("name", "identifier", "id")
    found = await _looked_up(operations, "resource-servers", members, WITHOUT_SECRET, q)
    results = [
        Result(title(api), str(api["identifier"]), f"{PREFIX}/apis/{part(api['id'])}")
        for api in _first_of("id", exact, found)
    ]
    return _with_more(results, "APIs", "/apis", q)


async def _applications(operations: Operations, q: str) -> tuple[Result, ...]:
    shown = {"fields": "client_id,name"}
    exact = await operations.find(f"clients/{part(q)}", **shown)
    found = await _looked_up(operations, "clients", ("name", "client_id"), shown, q)
    results = [
        Result(
            str(app.get("name") or app["client_id"]),
            app["client_id"],
            f"{PREFIX}/apps/{part(app['client_id'])}/settings",
        )
        for app in _first_of("client_id", exact, found)
    ]
    return _with_more(results, "applications", "/apps", q)


async def _looked_up(
    operations: Operations, noun: str, members: tuple[str, ...], query: dict[str, str], q: str
) -> list[Record]:
    return await first(operations, noun, searched=members, query=query, q=q, most=MOST + 1, reads=MOST_READS)


async def _log_events(operations: Operations, q: str) -> tuple[Result, ...]:
    if not (q.isascii() and q.isdigit()):
        return ()
    event = await operations.find(f"logs/{q}")
    return () if event is None else (Result(sentence(event), q, f"{PREFIX}/logs/{q}"),)


def _first_of(key: str, exact: Record | None, found: list[Record]) -> list[Record]:
    """The one that was named exactly before the others, each once."""
    rest = [record for record in found if exact is None or record[key] != exact[key]]
    return [*([exact] if exact else []), *rest]


def _with_more(results: list[Result], what: str, path: str, q: str) -> tuple[Result, ...]:
    """No more than are shown, and then the way to the rest."""
    if len(results) <= MOST:
        return tuple(results)
    more = Result(f"All {what} with “{q}”", "", f"{PREFIX}{path}?{urlencode({'q': q})}")
    return (*results[:MOST], more)


ROUTES = (Route("GET", "/search", show),)
