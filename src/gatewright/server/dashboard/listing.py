"""Long lists on pages: what fits a filter, fifty at a time, and no more read than is shown."""

from dataclasses import dataclass
from typing import Final

from gatewright.server.dashboard.operations import Record
from gatewright.server.dashboard.page import Page

SHOWN: Final = 50
LAST: Final = 20_000  # one million records: as far as the operations list them


@dataclass(frozen=True, slots=True)
class Excerpt:
    """One page of a list; ``number`` counts from 1."""

    items: list[Record]
    number: int
    has_more: bool
    q: str


async def excerpt(page: Page, noun: str, **query: str) -> Excerpt:
    """``?page=`` of the records that have ``?q=`` in them; ``query`` is sent along with each request."""
    number, q = page.number(last=LAST), page.query.get("q", "").strip()
    wishes = {**query, "search": q} if q else query
    items: list[Record] = await page.operations.get(noun, page=number - 1, per_page=SHOWN, **wishes)
    has_more = False
    if len(items) == SHOWN and number < LAST:
        # Whether there is a next one costs less than how many there are.
        has_more = bool(await page.operations.get(noun, page=number * SHOWN, per_page=1, **wishes))
    return Excerpt(items, number, has_more, q)
