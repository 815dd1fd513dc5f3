"""What part of a list is asked for, and what comes back."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows are wanted: from row ``start``, or those after position ``after``; at most ``limit``.

    Counting all that match takes longer than finding some: who needs no total says so.
    """

    start: int = 0
    limit: int = 50
    after: int | None = None
    is_counted: bool = True

    def total_of(self, found: int) -> int | None:
        """How many match, where so many were found from here on tells it: when the page is not full."""
        is_last = found <= self.limit and (found > 0 or not self.start) and self.after is None
        return self.start + found if is_last and self.limit else None


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """One page of records; ``total`` counts all that match, if asked for; go on from position ``next``."""

    items: list[T]
    total: int
    next: int | None = None
