"""What a guard tells the issuer's server of its decisions: counted, and little.

A row of refusals is a minute, a reason, a route's template, a client, the scopes that were missing, how many
there were, and the id of the last such request. A use is a scope that a client needed and had. No token, no
other claim, no address, no path as it was sent. Rows wait in a bounded memory and are sent by a thread of
their own: whoever is at the door never waits for it, and what finds no room is dropped and counted.
"""

import contextlib
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from gatewright.guard.delivery import Delivery, Post, Reports, Undelivered
from gatewright.guard.errors import Denied
from gatewright.guard.fetching import Fetch
from gatewright.guard.request import Request
from gatewright.guard.rules import Rule, alternatives
from gatewright.guard.token import AccessToken
from gatewright.guard.transport import HttpFetch
from gatewright.guard.waiting import CHANCE

MOST_WAITING: Final = 1000  # rows of a kind
MOST_AT_ONCE: Final = 200  # rows of a kind in one request
REFUSALS_AFTER: Final = 1.0  # seconds
USES_AFTER: Final = 15.0
LONGEST_PAUSE: Final = 60.0  # between tries, in seconds
IDLE_AFTER: Final = 30.0  # seconds after which the thread ends until there is something to send again

_LONGEST_ROUTE: Final = 300

Row = TypeVar("Row")
Told = TypeVar("Told")

logger = logging.getLogger("gatewright.guard")
_every_reporter: "weakref.WeakSet[Reporter]" = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class ReportHealth:
    """How reporting goes: rows that wait, were taken by the server, or found no room or no favour there.

    `failure` says why the last try failed, None when it did not.
    """

    waiting: int
    sent: int
    dropped: int
    failure: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What refusals have in common that are counted together; `minute` is seconds since 1970 of its start."""

    minute: int
    audience: str
    method: str
    route: str
    reason: str
    client_id: str | None
    missing: tuple[str, ...]
    enforced: bool


class Use(NamedTuple):
    """What a client's token held when it was let in, and the rule that it met."""

    audience: str
    client_id: str
    held: tuple[str, ...]
    rule: Rule | None


@dataclass(slots=True)
class _Count:
    count: int
    request_id: str


class Reporter:
    """Counts what a guard decides and has a thread of its own send it; safe in threads and after a fork."""

    def __init__(
        self,
        reports: Reports,
        *,
        issuer: str,
        audience: tuple[str, ...],
        enforce: bool,
        now: Callable[[], float],
        post: Post,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._enforce = enforce
        self._now = now
        self._mail = Delivery(reports, issuer=issuer, post=post, now=now)
        self._sent = self._dropped = self._dropped_untold = 0
        self._failure: str | None = None
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._refusals: dict[Refusal, _Count] = {}
        self._uses: dict[Use, int] = {}
        _every_reporter.add(self)

    def refused(self, request: Request, refusal: Denied) -> None:
        """One refusal, or what would be one if anything were enforced."""
        token = refusal.token
        held = token.scopes if token is not None else ()
        row = Refusal(
            minute=int(self._now()) // 60 * 60,
            audience=self._audience_of(token),
            method=request.method[:16].upper(),
            route=(request.route or "")[:_LONGEST_ROUTE],
            reason=refusal.reason,
            client_id=self._client_of(token),
            missing=tuple(scope for scope in getattr(refusal, "scopes", ()) if scope not in held),
            enforced=self._enforce,
        )
        with self._lock:
            counted = self._refusals.get(row)
            if counted is not None:
                counted.count += 1
                counted.request_id = refusal.request_id
            elif len(self._refusals) < MOST_WAITING:
                self._refusals[row] = _Count(1, refusal.request_id)
            else:
                self._dropped += 1
                self._dropped_untold += 1
        self._hurry.set()
        self._awaken()

    def accepted(self, token: AccessToken, rule: Rule | None) -> None:
        """A request that was let in for what its token holds."""
        client_id = self._client_of(token)
        if client_id is None:
            return
        use = Use(self._audience_of(token), client_id, token.scopes, rule)
        with self._lock:
            if use in self._uses or len(self._uses) < MOST_WAITING:
                self._uses[use] = int(self._now())
            else:
                self._dropped += 1
                self._dropped_untold += 1
        self._awaken()

    def health(self) -> ReportHealth:
        """How it goes."""
        with self._lock:
            waiting = len(self._refusals) + len(self._uses)
            return ReportHealth(waiting, self._sent, self._dropped, self._failure)

    def flush(self) -> bool:
        """Send what waits now, in the caller's thread; whether all of it was taken."""
        with self._sending:
            while True:
                with self._lock:
                    if not (self._refusals or self._uses or self._dropped_untold):
                        return True
                    self._hurry.clear()
                if not self._send_some():
                    return False

    def _audience_of(self, token: AccessToken | None) -> str:
        if len(self._audience) == 1:
            return self._audience[0]
        named = () if token is None else token.audience
        return next((name for name in self._audience if name in named), self._audience[0])

    def _client_of(self, token: AccessToken | None) -> str | None:
        # Another issuer's clients are none of this server's business.
        return token.client_id if token is not None and token.issuer == self._issuer else None

    def _send_some(self) -> bool:
        with self._lock:
            refusals = dict(_first(self._refusals, MOST_AT_ONCE))
            uses = dict(_first(self._uses, MOST_AT_ONCE))
            for row in refusals:
                del self._refusals[row]
            for use in uses:
                del self._uses[use]
            dropped, self._dropped_untold = self._dropped_untold, 0
        try:
            self._mail.send(_document(refusals, uses, dropped))
        except Undelivered as failure:
            self._take_back(refusals, uses, dropped, failure)
            return False
        with self._lock:
            was_failing, self._failure = self._failure is not None, None
            self._sent += len(refusals) + len(uses)
        if was_failing:
            logger.info("reports are taken again by %s", self._issuer)
        return True

    def _take_back(
        self, refusals: dict[Refusal, _Count], uses: dict[Use, int], dropped: int, failure: Undelivered
    ) -> None:
        with self._lock:
            is_new, self._failure = self._failure is None, str(failure)
            self._dropped_untold += dropped
            if failure.is_final:
                self._dropped += len(refusals) + len(uses)
            else:
                # What came meanwhile is newer; the old goes first where there is no room for both.
                self._refusals, lost = _merged(refusals, self._refusals)
                self._dropped += lost
                self._dropped_untold += lost
                self._uses = dict(_first({**uses, **self._uses}, MOST_WAITING))
        if is_new:
            logger.warning("reports are not taken by %s (%s); decisions go on", self._issuer, failure)

    def retire(self) -> bool:
        """Whether nothing waits; then the thread ends, and the next row starts another."""
        with self._lock:
            if self._refusals or self._uses:
                return False
            self._thread = None
            return True

    def _awaken(self) -> None:
        if self._thread is not None:
            return
        with self._lock:
            if self._thread is not None:
                return
            thread = threading.Thread(
                target=_send_for_ever,
                args=(weakref.ref(self), self._hurry),
                name="gatewright-reports",
                daemon=True,
            )
            with contextlib.suppress(RuntimeError):  # the process is ending: there is nobody to report
                thread.start()
                self._thread = thread

    def _start_anew(self) -> None:
        # Also in the child of a fork: what waits there is its parent's to send, and locks may be held.
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._hurry = threading.Event()
        self._thread = None
        self._refusals = {}
        self._uses = {}


def reporter_of(
    reports: Reports | None,
    issuers: Sequence[str],
    audience: tuple[str, ...],
    *,
    enforce: bool,
    fetch: Fetch | None,
    now: Callable[[], float],
) -> Reporter | None:
    """The reporter of a guard, if it is to have one.

    Raises:
        TypeError: `reports` is none.
        ValueError: it names no issuer of the guard, or there is none to name.
    """
    if reports is None:
        return None
    if not isinstance(reports, Reports):
        raise TypeError(f"report is Reports(client_id=..., client_secret=...), not {type(reports).__name__}")
    issuer = next(iter(issuers), None) if reports.issuer is None else reports.issuer
    if issuer is None or issuer not in issuers:
        raise ValueError("a guard reports to one of the issuers it names: Reports(..., issuer=...)")
    post = reports.fetch or (fetch if isinstance(fetch, HttpFetch) else HttpFetch())
    return Reporter(reports, issuer=issuer, audience=audience, enforce=enforce, now=now, post=post)


def _send_for_ever(reporter_of: "Callable[[], Reporter | None]", hurry: threading.Event) -> None:
    """Until nothing is left to send for a while, or nobody holds the reporter any more."""
    failures, idle_since = 0, time.monotonic()
    while True:
        if hurry.wait(USES_AFTER):
            time.sleep(REFUSALS_AFTER * CHANCE.uniform(0.5, 1))
        reporter = reporter_of()
        if reporter is None:
            return
        if reporter.health().waiting:
            idle_since = time.monotonic()
        elif time.monotonic() - idle_since > IDLE_AFTER and reporter.retire():
            return
        failures = 0 if reporter.flush() else failures + 1
        del reporter
        if failures:
            pause = min(LONGEST_PAUSE, 2.0**failures)
            time.sleep(pause * CHANCE.uniform(0.5, 1))


def _document(refusals: Mapping[Refusal, _Count], uses: Mapping[Use, int], dropped: int) -> dict[str, object]:
    """A report as it is sent: docs/reference/guard-reports.md shows every member."""
    told: dict[tuple[str, str, str], int] = {}
    for use, at in uses.items():
        for scope in _needed(use):
            key = (use.audience, use.client_id, scope)
            told[key] = max(at, told.get(key, 0))
    return {
        "refusals": [
            {
                "minute": row.minute,
                "audience": row.audience,
                "method": row.method,
                "route": row.route,
                "reason": row.reason,
                **({} if row.client_id is None else {"client_id": row.client_id}),
                "missing": list(row.missing),
                "enforced": row.enforced,
                "count": counted.count,
                "request_id": counted.request_id,
            }
            for row, counted in refusals.items()
        ],
        "uses": [
            {"audience": audience, "client_id": client_id, "scope": scope, "last_used_at": at}
            for (audience, client_id, scope), at in told.items()
        ],
        "dropped": dropped,
    }


def _needed(use: Use) -> tuple[str, ...]:
    """The scopes that opened the way; "" where any valid token did: the client is alive at least."""
    ways = alternatives(use.rule)
    way = next((way for way in ways if all(scope in use.held for scope in way)), ())
    return way or ("",)


def _first(rows: Mapping[Row, Told], most: int) -> Iterator[tuple[Row, Told]]:
    return (pair for pair, _ in zip(rows.items(), range(most), strict=False))


def _merged(older: dict[Refusal, _Count], newer: dict[Refusal, _Count]) -> tuple[dict[Refusal, _Count], int]:
    """Both, counts added up, and how many rows found no room."""
    merged = dict(newer)
    lost = 0
    for row, counted in older.items():
        known = merged.get(row)
        if known is not None:
            known.count += counted.count
        elif len(merged) < MOST_WAITING:
            merged[row] = counted
        else:
            lost += 1
    return merged, lost


def _start_every_reporter_anew() -> None:
    for reporter in _every_reporter:
        reporter._start_anew()  # noqa: SLF001 - of this very module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_every_reporter_anew)
