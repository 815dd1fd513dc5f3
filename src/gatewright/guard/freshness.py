"""How long what is known of an issuer's keys may be relied on, and when to ask again: arithmetic, no clock.

Times are seconds since 1970 by the guard's clock, and always passed in.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from gatewright.guard.refresh import Fetched, FetchFailed
from gatewright.guard.revocations import FeedHealth
from gatewright.guard.waiting import CHANCE
from gatewright.jose import JWKS
from gatewright.jose.errors import UnknownKey

COOL_DOWN: Final = 10.0  # seconds between fetches that unknown keys or failures may cause
COLD_COOL_DOWN: Final = 1.0  # the same while no key at all is known: every request is being refused
ABSENT_FOR: Final = 60.0  # seconds for which a key that a good answer lacked causes no other fetch
MOST_ABSENT: Final = 128
STALE_IF_ERROR: Final = 86400.0  # seconds for which an outage may outlive the freshness of the keys
_LONGEST_BACKOFF: Final = 60.0
_AHEAD = (0.75, 0.85)  # of the lifetime; spread, so that processes started together do not ask together

Wanted: TypeAlias = tuple[str | None, str]
"""What a token names its key by: `kid` and `alg`."""


@dataclass(frozen=True, slots=True)
class KeyHealth:
    """What is known of one issuer's keys, for readiness and metrics.

    Attributes:
        issuer: its URL.
        keys: the `kid` of each key in use, in the order published; None for one without.
        fetched_at: when the answer was asked for that is in use; None when no key is known. Times are
            seconds since 1970.
        fresh_until: until when nobody has to ask again.
        usable_until: until when the keys are used while the issuer does not answer.
        failures: how many fetches failed since the last good answer.
        last_failure: what the last of them was; None after a good answer.
        fetches: how often the issuer was asked by this process.
        stale: the keys are in use, or were, beyond their freshness: somebody should look at the issuer.
        revocations: how its revocation feed is doing; None where it has none, or it is not asked.
    """

    issuer: str
    keys: tuple[str | None, ...]
    fetched_at: float | None
    fresh_until: float | None
    usable_until: float | None
    failures: int
    last_failure: str | None
    fetches: int
    stale: bool
    revocations: FeedHealth | None = None


@dataclass(frozen=True, slots=True)
class KeyState:
    """What is known, and how the last attempts to know more went.

    `generation` counts the key sets that differed from the one before.
    """

    keys: JWKS | None = None
    skipped: tuple[str, ...] = ()
    generation: int = 0
    fetched_at: float = 0.0
    refresh_at: float = 0.0
    expires_at: float = 0.0
    jwks_uri: str | None = None
    revocations_uri: str | None = None
    discovered_at: float = 0.0
    attempted_at: float | None = None
    failure: FetchFailed | None = None
    failures: int = 0

    def fresh(self, now: float) -> bool:
        """Whether the keys are as good as just fetched."""
        # A clock that was set back makes every age a riddle: better to ask again.
        return self.keys is not None and self.fetched_at <= now < self.expires_at

    def usable(self, now: float) -> bool:
        """Fresh, or old while the issuer is away; an issuer that answers otherwise is believed."""
        if self.keys is None or self.fresh(now):
            return self.keys is not None
        return self._away and now < self.expires_at + STALE_IF_ERROR

    def must_ask(self, now: float) -> bool:
        """Whether a request has to wait for a fetch, whatever its key."""
        # While the issuer is known to be away nobody waits for it: the refresh goes on beside them.
        return not self.usable(now) or (not self.fresh(now) and self.failure is None)

    def may_ask(self, now: float, *, waiting: bool) -> bool:
        """Whether the last fetch was long enough ago; the refresh that nobody waits for backs off."""
        if self.attempted_at is None:
            return True
        pause = COOL_DOWN if self.usable(now) else COLD_COOL_DOWN
        if not waiting and self.failures:
            pause = min(pause * 2 ** (self.failures - 1), _LONGEST_BACKOFF)
        return not 0 <= now - self.attempted_at < pause

    def has(self, wanted: Wanted) -> bool:
        """Whether a key fits, be it fresh or not."""
        try:
            return self.keys is not None and self.keys.select(kid=wanted[0], alg=wanted[1]) is not None
        except UnknownKey:
            return False

    def answers(self, wanted: Wanted | None, now: float) -> bool:
        """Whether asking the issuer now would hardly tell more: for what another process has fetched."""
        if not self.fresh(now) or now >= self.refresh_at:
            return False
        return wanted is None or self.has(wanted) or now - self.fetched_at < COOL_DOWN

    def failed(self, failure: FetchFailed) -> "KeyState":
        """After a fetch that brought nothing."""
        return replace(self, failure=failure, failures=self.failures + 1)

    def learned(self, fetched: Fetched, at: float) -> "KeyState":
        """After a good answer that was asked for at `at`, by this process or another."""
        same = self.keys is not None and self.keys.to_dict() == fetched.keys.to_dict()
        ahead = CHANCE.uniform(*_AHEAD)
        moved = fetched.jwks_uri != self.jwks_uri
        return KeyState(
            # The very keys as before, so that what was verified with them stays verified.
            keys=self.keys if same else fetched.keys,
            skipped=fetched.keys.skipped,
            generation=self.generation if same else self.generation + 1,
            fetched_at=at,
            refresh_at=at + ahead * fetched.lifetime,
            expires_at=at + fetched.lifetime,
            jwks_uri=fetched.jwks_uri,
            revocations_uri=fetched.revocations_uri or (None if fetched.discovered else self.revocations_uri),
            discovered_at=at if fetched.discovered else 0.0 if moved else self.discovered_at,
            attempted_at=self.attempted_at,
        )

    def health(self, issuer: str, *, fetches: int, now: float) -> KeyHealth:
        """The same for people and their instruments."""
        known = self.keys is not None
        usable_until = self.expires_at + (STALE_IF_ERROR if self._away else 0.0)
        return KeyHealth(
            issuer=issuer,
            keys=tuple(key.kid for key in self.keys.keys) if self.keys is not None else (),
            fetched_at=self.fetched_at if known else None,
            fresh_until=self.expires_at if known else None,
            usable_until=usable_until if known else None,
            failures=self.failures,
            last_failure=None if self.failure is None else str(self.failure),
            fetches=fetches,
            stale=known and not self.fresh(now),
        )

    @property
    def _away(self) -> bool:
        return self.failure is None or self.failure.outage


class AbsentKeys:
    """Keys that a good answer lacked though it was asked for their sake; the oldest of 128 leave first.

    Not thread-safe: its owner has a lock.
    """

    def __init__(self) -> None:
        self._since: OrderedDict[Wanted, float] = OrderedDict()

    def note(self, wanted: Wanted, now: float) -> None:
        """A good answer of `now` lacks it."""
        self._since[wanted] = now
        self._since.move_to_end(wanted)
        while len(self._since) > MOST_ABSENT:
            self._since.popitem(last=False)

    def holds(self, wanted: Wanted, now: float) -> bool:
        """Whether asking for it again is too early."""
        since = self._since.get(wanted)
        return since is not None and 0 <= now - since < ABSENT_FOR

    def clear(self) -> None:
        """Another key set: nothing is known to be absent from it."""
        self._since.clear()
