"""Notices when tokens are asked for more often than needed, and says so once, with what to do.

What is known of the sources of this process is kept here for all of them, since the usual fault is to make a
new `TokenSource` for each call. Counts may be off by one where threads meet; nothing depends on them.
"""

import itertools
import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from gatewright.client.request import Granted

MADE_ANEW: Final = 3  # tokens that other sources took while one was good
SHORT: Final = 60.0  # seconds
REFUSED_OFTEN: Final = 5  # times within an hour
HOUR: Final = 3600.0
MOST_KNOWN: Final = 1024

logger = logging.getLogger("gatewright.client")
_numbers = itertools.count()
_latest: "OrderedDict[str, _Latest]" = OrderedDict()


@dataclass(frozen=True, slots=True)
class _Latest:
    """The newest token of one kind in this process, who took it, and how many were taken needlessly."""

    taker: int
    granted: Granted
    needless: int = 0

    def makes_needless(self, granted: Granted, *, taker: int) -> bool:
        """Whether another source has taken a token while this one had half its life left."""
        since, half = self.granted.obtained_at, self.granted.lifetime / 2
        return taker != self.taker and since <= granted.obtained_at < since + half


class Watch:
    """What one source does, held against what it would have to do; `kind` is what sources have in common."""

    def __init__(self, kind: str, about: str) -> None:
        self._kind = kind
        self._about = about
        self._number = next(_numbers)
        self._said: set[str] = set()
        self._refused_at: list[float] = []

    def took(self, granted: Granted) -> None:
        """The issuer was asked and gave this token."""
        if granted.lifetime < SHORT:
            self._say(
                "short", "tokens of %s live for %.0f s only: they are asked for constantly", granted.lifetime
            )
        before = _latest.get(self._kind)
        is_needless = before is not None and before.makes_needless(granted, taker=self._number)
        needless = is_needless + (0 if before is None else before.needless)
        _latest[self._kind] = _Latest(self._number, granted, needless)
        _latest.move_to_end(self._kind)
        if len(_latest) > MOST_KNOWN:
            _latest.popitem(last=False)
        # By the count of all, so that the sources of a process say it once together.
        if is_needless and needless == MADE_ANEW:
            logger.warning(
                "this process has taken %d tokens of %s while it had one that was good, each with a new "
                "TokenSource: make it once, beside the HTTP client, and keep it; or give it cache=",
                needless,
                self._about,
            )

    def was_refused(self, now: float) -> None:
        """An API answered 401 to a token that should have been good, and it was thrown away."""
        self._refused_at = [at for at in self._refused_at if 0 <= now - at < HOUR] + [now]
        if len(self._refused_at) >= REFUSED_OFTEN:
            self._say(
                "refused",
                "an API refuses tokens of %s again and again (%d in the last hour) that their issuer calls "
                "good: compare its issuer, audience and algorithms with the token's (gatewright why)",
                len(self._refused_at),
            )

    def _say(self, what: str, text: str, figure: float) -> None:
        if what not in self._said:
            self._said.add(what)
            logger.warning(text, self._about, figure)
