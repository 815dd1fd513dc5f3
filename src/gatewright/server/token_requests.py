"""Counts what the token endpoint did: tokens issued, those asked for needlessly, and refusals by reason.

A request is needless that was made while the token before had half its life to live. All is counted by the
hour in memory, at a cost that does not depend on how many there were; the counts are written with the batches
of events. Each process knows the tokens that it issued itself: of the first requests after a start, one for
each process is taken for a needed one.
"""

import threading
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field

MOST_KNOWN = 10_000
SECONDS_AN_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Asked:
    """Tokens issued, how many of them needlessly, and the moments of the first and the last."""

    times: int
    needless: int
    first: float
    last: float

    def __add__(self, other: "Asked") -> "Asked":
        """Both together."""
        return Asked(
            self.times + other.times,
            self.needless + other.needless,
            min(self.first, other.first),
            max(self.last, other.last),
        )


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted, by hours since 1970.

    ``issued`` is by (hour, client_id, audience), ``refused`` by (hour, reason, client_id, audience), where ""
    stands for a client or an API that does not exist: what strangers send makes no row of its own.
    """

    issued: dict[tuple[int, str, str], Asked] = field(default_factory=dict)
    refused: dict[tuple[int, str, str, str], int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.issued or self.refused)

    def add(self, other: "Counts") -> None:
        """Takes what was counted elsewhere."""
        for key, asked in other.issued.items():
            before = self.issued.get(key)
            self.issued[key] = asked if before is None else before + asked
        for refusal, times in other.refused.items():
            self.refused[refusal] = self.refused.get(refusal, 0) + times


class TokenRequests:
    """What this process has counted and not written yet, and the tokens it compares with; for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counts()
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
            asked = Asked(1, int(is_needless), at, at)
            self._counts.add(Counts(issued={(_hour(at), client_id, audience): asked}))
        return is_needless

    def note_refusal(self, reason: str, client_id: str, audience: str, *, at: float) -> None:
        """A token was refused; "" for a client or an API that does not exist."""
        with self._lock:
            self._counts.add(Counts(refused={(_hour(at), reason, client_id, audience): 1}))

    def take(self) -> Counts:
        """What was counted since the last time."""
        with self._lock:
            counts, self._counts = self._counts, Counts()
        return counts

    def give_back(self, counts: Counts) -> None:
        """What could not be written; it is counted with what comes."""
        with self._lock:
            self._counts.add(counts)


def _hour(at: float) -> int:
    return int(at // SECONDS_AN_HOUR)
