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


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """One page of records; ``total`` counts all that match, if asked for; go on from position ``next``."""

    items: list[T]
    total: int
    next: int | None = None
