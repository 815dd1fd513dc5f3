"""``/api/v2/logs``: what happened."""

from urllib.parse import quote

from gatewright.server.errors import ApiError, NotFound
from gatewright.server.management import answers
from gatewright.server.management.description import FIELDS, PAGES, TAKE, Items, Record, text
from gatewright.server.management.endpoint import Answer, Call, endpoint, paged
from gatewright.server.management.schema import LARGEST_PAGE, chosen, integer, invalid_query, searched
from gatewright.server.store.log_events import log_search

_READ = ("read:logs", "read:logs_users")
_TOTALS = ("start", "limit", "length", "", "total")

# Token events are written in batches, by each worker its own: one that happened earlier may come into the
# database later than one of another worker, by a tenth of a second. Whoever was led past it by a checkpoint
# would never see it, so a checkpoint leads to events only when all that happened before them are there.
SETTLED_AFTER = 1.0  # seconds


def list_all(call: Call) -> object:
    """Log events: by search, newest first, or by checkpoint (``from``, ``take``), oldest first."""
    if "from" in call.query or "take" in call.query:
        return _after_checkpoint(call)
    newest_first = _newest_first(call.query.get("sort", "date:-1"))
    wanted = searched(call.query, log_search)
    return paged(
        call,
        "logs",
        lambda page: call.tx.events.page(page, *wanted, newest_first=newest_first),
        lambda event: chosen(call.query, dict(event.document)),
        totals=_TOTALS,
    )


def read(call: Call) -> object:
    """One log event."""
    try:
        return dict(call.tx.events.get(call.path["id"]).document)
    except NotFound as error:
        raise ApiError(404, "The log event does not exist", "inexistent_log") from error


def _after_checkpoint(call: Call) -> Answer:
    last = call.query.get("from", "")
    if not (last.isascii() and (last.isdigit() or not last)):
        raise invalid_query("Expected a log_id", "from")
    limit = integer(call.query, "take", default=50, low=1, high=LARGEST_PAGE)
    events = call.tx.events.after(last, limit, before=call.server.now() - SETTLED_AFTER)
    # An empty page repeats its own checkpoint, so that whoever follows the link keeps polling.
    reached = events[-1].log_id if events else last
    address = f"{call.server.settings.management_audience}logs?from={quote(reached)}&take={limit}"
    return Answer([event.document for event in events], headers={"Link": f'<{address}>; rel="next"'})


def _newest_first(sort: str) -> bool:
    if sort not in {"date:1", "date:-1"}:
        raise invalid_query(f"No enum match for: {sort}", "sort")
    return sort == "date:-1"


_SHOWN = Record("LogEvent", made=answers.LogEventMade)
_SEARCH = (
    text("sort", "The order, by time", choices=("date:1", "date:-1")),
    text("q", "Lucene: `field:value` terms, AND, OR, NOT, parentheses, `*` and ranges"),
    text("from", "A `log_id`: only events after it, oldest first; wins over search", pattern="^[0-9]*$"),
    TAKE,
)

ROUTES = (
    endpoint(
        "GET",
        "/logs",
        list_all,
        scope=_READ,
        flushes_events=True,
        query=(*PAGES, *_SEARCH, *FIELDS),
        answers=Items(_SHOWN.in_part(), "logs", has_checkpoints=False),
    ),
    endpoint("GET", "/logs/{id}", read, scope=_READ, flushes_events=True, answers=_SHOWN),
)
