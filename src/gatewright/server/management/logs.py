"""``/api/v2/logs``: what happened."""

import re
from urllib.parse import quote

from gatewright.server.errors import ApiError, NotFound
from gatewright.server.management import answers
from gatewright.server.management.description import PAGES, TAKE, Items, Record, text
from gatewright.server.management.endpoint import Answer, Call, endpoint, paged
from gatewright.server.management.schema import LARGEST_PAGE, integer, invalid_query

_READ = ("read:logs", "read:logs_users")
_TERM = re.compile(r'(?P<field>[\w$]+):(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"()]+))(?:\s+AND\s+|\s+|$)')
_SEARCHABLE = frozenset({"type", "client_id", "log_id"})


def list_all(call: Call) -> object:
    """Log events: by search, newest first, or by checkpoint (``from``, ``take``), oldest first."""
    if "from" in call.query or "take" in call.query:
        return _after_checkpoint(call)
    newest_first = _newest_first(call.query.get("sort", "date:-1"))
    equals = _search(call.query.get("q", ""))
    return paged(
        call,
        "logs",
        lambda page: call.tx.events.page(page, newest_first=newest_first, **equals),
        lambda event: event.document,
    )


def read(call: Call) -> object:
    """One log event."""
    try:
        return call.tx.events.get(call.path["id"]).document
    except NotFound as error:
        raise ApiError(404, "The log event does not exist", "inexistent_log") from error


def _after_checkpoint(call: Call) -> Answer:
    last = call.query.get("from", "")
    if not (last.isascii() and (last.isdigit() or not last)):
        raise invalid_query("Expected a log_id", "from")
    limit = integer(call.query, "take", default=50, low=1, high=LARGEST_PAGE)
    events = call.tx.events.after(last, limit)
    # An empty page repeats its own checkpoint, so that whoever follows the link keeps polling.
    reached = events[-1].log_id if events else last
    address = f"{call.server.settings.management_audience}logs?from={quote(reached)}&take={limit}"
    return Answer([event.document for event in events], headers={"Link": f'<{address}>; rel="next"'})


def _newest_first(sort: str) -> bool:
    if sort not in {"date:1", "date:-1"}:
        raise invalid_query(f"No enum match for: {sort}", "sort")
    return sort == "date:-1"


def _search(query: str) -> dict[str, object]:
    """``field:value`` terms, joined by AND."""
    equals: dict[str, object] = {}
    position = 0
    while position < len(query):
        match = _TERM.match(query, position)
        if match is None or match["field"] not in _SEARCHABLE:
            supported = ", ".join(sorted(_SEARCHABLE))
            raise invalid_query(f"Only field:value terms joined by AND are supported, on {supported}", "q")
        equals[match["field"]] = match["phrase"] if match["word"] is None else match["word"]
        position = match.end()
    return equals


_SHOWN = Record("LogEvent", made=answers.LogEventMade)
_SEARCH = (
    text("sort", "The order, by time", choices=("date:1", "date:-1")),
    text("q", "`field:value` terms joined by AND, on `type`, `client_id` and `log_id`"),
    text("from", "A `log_id`: only events after it, oldest first; wins over search"),
    TAKE,
)

ROUTES = (
    endpoint(
        "GET",
        "/logs",
        list_all,
        scope=_READ,
        flushes_events=True,
        query=(*PAGES, *_SEARCH),
        answers=Items(_SHOWN, "logs", has_checkpoints=False),
    ),
    endpoint("GET", "/logs/{id}", read, scope=_READ, flushes_events=True, answers=_SHOWN),
)
