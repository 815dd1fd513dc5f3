"""Counts token requests, and those that were needless: made while the token before had half its life to live.

In memory, at a cost that does not depend on how many there were; the counts are written with the batches of
events. Each process knows the tokens that it issued itself: of the first requests after a start, one for each
process is taken for a needed one.
"""

import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import TypeAlias

MOST_KNOWN = 10_000
SECONDS_A_DAY = 86400

Counts: TypeAlias = dict[tuple[int, str, str], tuple[int, int]]
"""(days since 1970, client_id, audience) to how many were asked for, and how many of those needlessly."""


class TokenRequests:
    """What this process has counted and not written yet, and the tokens it compares with; for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counts = {}
        # To when a request for the same is needless; the one asked for longest ago goes first.
        self._until: OrderedDict[tuple[str, str, frozenset[str]], float] = OrderedDict()

    def note(
        self, client_id: str, audience: str, scopes: Collection[str], *, at: float, lifetime: float
    ) -> bool:
        """A token was issued at `at`, seconds since 1970, for `lifetime` seconds; whether needlessly."""
        token = (client_id, audience, frozenset(scopes))
        with self._lock:
            is_needless = at < self._until.pop(token, at)
            self._until[token] = at + lifetime / 2
            if len(self._until) > MOST_KNOWN:
                self._until.popitem(last=False)
            self._add({(int(at // SECONDS_A_DAY), client_id, audience): (1, int(is_needless))})
        return is_needless

    def take(self) -> Counts:
        """What was counted since the last time."""
        with self._lock:
            counts, self._counts = self._counts, {}
        return counts

    def give_back(self, counts: Counts) -> None:
        """What could not be written; it is counted with what comes."""
        with self._lock:
            self._add(counts)

    def _add(self, counts: Mapping[tuple[int, str, str], tuple[int, int]]) -> None:
        for key, (asked, needless) in counts.items():
            before = self._counts.get(key, (0, 0))
            self._counts[key] = (before[0] + asked, before[1] + needless)
