"""What part of a list is asked for, and what comes back."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows are wanted: from row ``start``, or those after position ``after``; at most ``limit``."""

    start: int = 0
    limit: int = 50
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """One page of records; ``total`` counts all that match, ``next`` is the position to go on from."""

    items: list[T]
    total: int
    next: int | None = None
