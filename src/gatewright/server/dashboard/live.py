"""Log events as they happen, as server-sent events (WHATWG HTML, section 9.2).

An answer lasts a few seconds only; the browser asks again by itself and says where it left off. So nothing
here has to be told that the server stops or that the session has ended: a stop waits no longer than such an
answer takes, and an ended session is found at the next request, in whichever process that is.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import Response, StreamingResponse

from gatewright.server.dashboard.logs import Filters, row
from gatewright.server.dashboard.operations import Operations, Record
from gatewright.server.dashboard.page import Page, Route
from gatewright.server.dashboard.rendering import HEADERS
from gatewright.server.errors import ApiError
from gatewright.server.events import new_log_id
from gatewright.server.requests import routine

LASTS: Final = 2.5  # seconds of an answer, well below those that a server gives requests when it stops
EVERY: Final = 1.0  # seconds between two looks
RETRY: Final = 500  # milliseconds until the browser asks again
TAKE: Final = 50
LONGEST_CHECKPOINT: Final = 100


async def follow(page: Page) -> Response:
    """The events after a checkpoint, oldest first, as rows of the list; one message for those of one look."""
    routine(page.http)
    filters = Filters.of(page.query)
    start = page.http.headers.get("last-event-id") or page.query.get("after", "")
    if not (start.isascii() and start.isdigit() and len(start) <= LONGEST_CHECKPOINT):
        start = new_log_id(page.server.now())
    headers = {**HEADERS, "X-Accel-Buffering": "no"}
    return StreamingResponse(_messages(page, filters, start), media_type="text/event-stream", headers=headers)


async def _messages(page: Page, filters: Filters, checkpoint: str) -> AsyncIterator[str]:
    yield f"retry: {RETRY}\n\n"
    ends = time.monotonic() + LASTS
    while not await page.http.is_disconnected():
        try:
            batch: list[Record] = await page.operations.get("logs", take=TAKE, **{"from": checkpoint})
            rows = [row(event) for event in await _wanted(page.operations, filters, batch)]
        except ApiError:
            return  # the database is away: the browser asks again
        if batch:
            checkpoint = str(batch[-1]["log_id"])
            yield f"id: {checkpoint}\ndata: {json.dumps(rows)}\n\n"
        if time.monotonic() > ends:
            return
        if len(batch) < TAKE:
            await asyncio.sleep(EVERY)


async def _wanted(operations: Operations, filters: Filters, batch: list[Record]) -> list[Record]:
    """Those of a batch that the filters want, as a search of the same time tells: checkpoints lead to all."""
    if not batch or not filters.query():
        return batch
    span = f"date:[{batch[0]['date']} TO {batch[-1]['date']}]"
    found = await operations.get("logs", q=f"{filters.query()} AND {span}", per_page=100)
    wanted = {event["log_id"] for event in found}
    return [event for event in batch if event["log_id"] in wanted]


ROUTES = (Route("GET", "/logs/live", follow, is_page=False),)
