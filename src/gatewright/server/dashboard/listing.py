"""Long lists on pages: what fits a filter, fifty at a time, and no more read than is shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Final

from gatewright.server.dashboard.operations import PAGE, Operations, Record
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


async def excerpt(
    page: Page,
    noun: str,
    *,
    searched: tuple[str, ...],
    query: Mapping[str, str],
    fits: Callable[[Record], bool] = lambda _: True,
) -> Excerpt:
    """``?page=`` of the records that fit and have ``?q=`` in one of the members ``searched``.

    ``query`` is sent along with each request for records.
    """
    number, q = page.number(last=LAST), page.query.get("q", "").strip()
    start = (number - 1) * SHOWN
    found = await first(
        page.operations,
        noun,
        searched=searched,
        query=query,
        fits=fits,
        q=q,
        most=start + SHOWN + 1,
    )
    return Excerpt(found[start : start + SHOWN], number, len(found) > start + SHOWN, q)


async def first(
    operations: Operations,
    noun: str,
    *,
    searched: tuple[str, ...],
    query: Mapping[str, str],
    fits: Callable[[Record], bool] = lambda _: True,
    q: str,
    most: int,
    reads: int | None = None,
) -> list[Record]:
    """The first ``most`` records that fit and have ``q``; ``reads`` bounds the requests."""
    found: list[Record] = []
    for index in count() if reads is None else range(reads):
        records: list[Record] = await operations.get(noun, page=index, per_page=PAGE, **query)
        found += [record for record in records if fits(record) and _has(record, searched, q)]
        if len(records) < PAGE or len(found) >= most:
            break
    return found[:most]


def _has(record: Record, members: tuple[str, ...], q: str) -> bool:
    return not q or any(q.casefold() in str(record.get(member, "")).casefold() for member in members)
