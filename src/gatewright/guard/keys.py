"""One issuer's keys: known, refreshed ahead of time, kept through outages, asked for once by everybody.

What is known is one immutable value, swapped whole, so that a verification reads it without a lock; the
lock is for starting and ending a fetch. A fetch runs beside the requests and they wait for it only when
they must: nothing is known, what is known has grown old, or a token names an unknown key.
"""

import asyncio
import inspect
import logging
import os
import random
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Final, cast

from gatewright.guard import fetching
from gatewright.guard.fetching import TIMEOUT, Answer, Fetch, Headers
from gatewright.guard.refresh import Fetched, FetchFailed, steps
from gatewright.jose import JWK, JWKS
from gatewright.jose.errors import UnknownKey

COOL_DOWN: Final = 10.0  # seconds between fetches that unknown keys or failures may cause
COLD_COOL_DOWN: Final = 1.0  # the same while no key at all is known: every request is being refused
STALE_IF_ERROR: Final = 86400.0  # seconds for which an outage may outlive the freshness of the keys
_REDISCOVER: Final = 3600.0
_LONGEST_BACKOFF: Final = 60.0
_AHEAD = (0.75, 0.85)  # of the lifetime; spread, so that processes started together do not ask together

logger = logging.getLogger("gatewright.guard")
_every_source: "weakref.WeakSet[IssuerKeys]" = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class _State:
    """What is known, and how the last attempts to know more went. Times are the guard's clock."""

    keys: JWKS | None = None
    fetched_at: float = 0.0
    refresh_at: float = 0.0
    expires_at: float = 0.0
    jwks_uri: str | None = None
    discovered_at: float = 0.0
    attempted_at: float | None = None
    failure: FetchFailed | None = None
    failures: int = 0

    def fresh(self, now: float) -> bool:
        # A clock that was set back makes every age a riddle: better to ask again.
        return self.keys is not None and self.fetched_at <= now < self.expires_at

    def usable(self, now: float) -> bool:
        """Fresh, or old while the issuer is away; an issuer that answers otherwise is believed."""
        if self.keys is None or self.fresh(now):
            return self.keys is not None
        away = self.failure is None or self.failure.outage
        return away and now < self.expires_at + STALE_IF_ERROR

    def must_ask(self, now: float) -> bool:
        # While the issuer is known to be away nobody waits for it: the refresh goes on beside them.
        return not self.usable(now) or (not self.fresh(now) and self.failure is None)

    def may_ask(self, now: float, *, waiting: bool) -> bool:
        if self.attempted_at is None:
            return True
        pause = COOL_DOWN if self.usable(now) else COLD_COOL_DOWN
        if not waiting and self.failures:
            pause = min(pause * 2 ** (self.failures - 1), _LONGEST_BACKOFF)
        return not 0 <= now - self.attempted_at < pause


@dataclass(frozen=True, slots=True)
class _Flight:
    """One fetch under way. `done` says when, never how: the outcome is in the state."""

    deadline: float  # by the monotonic clock
    done: "Future[None]" = field(default_factory=Future)
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)  # an event loop holds its tasks weakly

    def left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())


class IssuerKeys:
    """The keys of one issuer, found by discovery or at `jwks_uri`; safe in threads, loops and after a fork.

    `known` never waits; `find` and `afind` ask the issuer when they have to, for at most `timeout`
    seconds, and then raise `UnknownKey` (a good answer lacks the key) or `FetchFailed` (who knows).
    """

    def __init__(
        self,
        issuer: str,
        *,
        now: Callable[[], float],
        fetch: Fetch | None = None,
        insecure: bool = False,
        timeout: float = TIMEOUT,
        jwks_uri: str | None = None,
    ) -> None:
        self._issuer = issuer
        self._now = now
        self._fetch = fetch
        self._insecure = insecure
        self._timeout = timeout
        self._jwks_uri = jwks_uri
        self._state = _State()
        self._lock = threading.Lock()
        self._flight: _Flight | None = None
        _every_source.add(self)

    def known(self, *, kid: str | None, alg: str, now: float) -> JWK | None:
        """The key, if it can be told without asking anybody; starts a refresh that is due."""
        state = self._state
        if state.keys is None or state.must_ask(now):
            return None
        if now >= state.refresh_at and state.may_ask(now, waiting=False):
            self._board(waiting=False, loop=_running_loop())
        try:
            return state.keys.select(kid=kid, alg=alg)
        except UnknownKey:
            return None

    def find(self, *, kid: str | None, alg: str) -> JWK:
        """The key, asking the issuer if need be; blocks this thread meanwhile."""
        flight = self._board(waiting=True, loop=None)
        if flight is not None:
            try:
                flight.done.result(flight.left())
            except TimeoutError:
                self._land(flight, _too_late())
        return self._told(kid=kid, alg=alg)

    async def afind(self, *, kid: str | None, alg: str) -> JWK:
        """The key, asking the issuer if need be; the event loop, if it is asyncio's, goes on meanwhile."""
        loop = _running_loop()
        if loop is None:
            return self.find(kid=kid, alg=alg)
        flight = self._board(waiting=True, loop=loop)
        if flight is not None:
            try:
                await asyncio.wait_for(asyncio.wrap_future(flight.done), flight.left())
            except TimeoutError:
                self._land(flight, _too_late())
        return self._told(kid=kid, alg=alg)

    def _told(self, *, kid: str | None, alg: str) -> JWK:
        state = self._state
        if state.keys is None or not state.usable(self._now()):
            raise state.failure or _too_late()
        try:
            return state.keys.select(kid=kid, alg=alg)
        except UnknownKey as unknown:
            if state.failure is not None:
                raise state.failure from unknown
            raise

    def _board(self, *, waiting: bool, loop: asyncio.AbstractEventLoop | None) -> _Flight | None:
        """The fetch under way, or a new one, or None when the last one was too short a while ago."""
        now = self._now()
        with self._lock:
            if self._flight is not None:
                if self._flight.left():
                    return self._flight
                self._flight.done.set_result(None)
            if not self._state.may_ask(now, waiting=waiting):
                return None
            self._state = replace(self._state, attempted_at=now)
            flight = _Flight(time.monotonic() + self._timeout)
            # Running futures cannot be cancelled: one waiter who gives up must not end it for all.
            flight.done.set_running_or_notify_cancel()
            self._flight = flight
        self._launch(flight, now, loop)
        return flight

    def _launch(self, flight: _Flight, now: float, loop: asyncio.AbstractEventLoop | None) -> None:
        if loop is not None and _is_async(self._fetch):
            flight.tasks.append(loop.create_task(self._afly(flight, now)))
            return
        thread = threading.Thread(target=self._fly, args=(flight, now), name="gatewright-keys", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._land(flight, FetchFailed(f"no thread to fetch in: {error}", outage=True))

    def _fly(self, flight: _Flight, now: float) -> None:
        get = self._fetch or _by_urllib(flight)
        try:
            outcome: Fetched | FetchFailed = _drive(self._steps(now), get)
        except FetchFailed as failure:
            outcome = failure
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it was
            outcome = FetchFailed(f"{type(error).__name__}: {error}", outage=True)
        self._land(flight, outcome, now=now)

    async def _afly(self, flight: _Flight, now: float) -> None:
        outcome: Fetched | FetchFailed = _too_late()
        try:
            assert self._fetch is not None  # noqa: S101 - only an async fetch comes here
            async with asyncio.timeout(flight.left()):
                outcome = await _adrive(self._steps(now), self._fetch)
        except FetchFailed as failure:
            outcome = failure
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it was
            outcome = FetchFailed(f"{type(error).__name__}: {error}", outage=True)
        finally:
            self._land(flight, outcome, now=now)

    def _steps(self, now: float) -> Generator[str, Answer, Fetched]:
        state = self._state
        known_for = now - state.discovered_at
        refused = state.failure is not None and not state.failure.outage
        return steps(
            self._issuer,
            jwks_uri=self._jwks_uri or state.jwks_uri,
            discover=self._jwks_uri is None and (refused or not 0 <= known_for < _REDISCOVER),
            insecure=self._insecure,
        )

    def _land(self, flight: _Flight, outcome: Fetched | FetchFailed, *, now: float = 0.0) -> None:
        with self._lock:
            if self._flight is not flight:
                return  # given up before: what it brings may be older than what is known by now
            before = self._state
            self._state = after = _after(before, outcome, now)
            self._flight = None
        try:
            _report(self._issuer, before, after)
        finally:
            flight.done.set_result(None)

    def _start_anew(self) -> None:
        # In the child of a fork: the lock may be held, and the fetch run, by threads that do not exist.
        self._lock = threading.Lock()
        self._flight = None
        self._state = replace(self._state, attempted_at=None)


def _after(before: _State, outcome: Fetched | FetchFailed, now: float) -> _State:
    if isinstance(outcome, FetchFailed):
        return replace(before, failure=outcome, failures=before.failures + 1)
    ahead = random.uniform(*_AHEAD)  # noqa: S311 - spreads load, guards nothing
    return _State(
        keys=outcome.keys,
        fetched_at=now,
        refresh_at=now + ahead * outcome.lifetime,
        expires_at=now + outcome.lifetime,
        jwks_uri=outcome.jwks_uri,
        discovered_at=now if outcome.discovered else before.discovered_at,
        attempted_at=before.attempted_at,
    )


def _report(issuer: str, before: _State, after: _State) -> None:
    if after.failure is not None:
        kept = "the keys known before are kept" if after.keys else "no key is known: every token gets 503"
        logger.warning("the keys of %s could not be fetched (%s); %s", issuer, after.failure, kept)
        return
    if before.failure is not None:
        logger.info("the keys of %s are fetched again", issuer)
    skipped = after.keys.skipped if after.keys else ()
    if skipped and skipped != (before.keys.skipped if before.keys else ()):
        logger.warning("keys of %s that are not used: %s", issuer, "; ".join(skipped))


def _drive(script: Generator[str, Answer, Fetched], get: Fetch) -> Fetched:
    try:
        url = next(script)
        while True:
            try:
                answer = _checked(_waited_for(get(url)))
            except Exception as error:  # noqa: BLE001 - a fetch of the user's may raise anything
                url = script.throw(_no_answer(url, error))
            else:
                url = script.send(answer)
    except StopIteration as end:
        return cast("Fetched", end.value)


async def _adrive(script: Generator[str, Answer, Fetched], get: Fetch) -> Fetched:
    try:
        url = next(script)
        while True:
            try:
                answer = _checked(await cast("Awaitable[Answer]", get(url)))
            except Exception as error:  # noqa: BLE001 - a fetch of the user's may raise anything
                url = script.throw(_no_answer(url, error))
            else:
                url = script.send(answer)
    except StopIteration as end:
        return cast("Fetched", end.value)


def _waited_for(answer: Answer | Awaitable[Answer]) -> Answer:
    if not isinstance(answer, Awaitable):
        return answer

    async def wait() -> Answer:
        return await answer

    return asyncio.run(wait())


def _checked(answer: Answer) -> Answer:
    status, headers, body = cast("tuple[object, Headers, object]", answer)
    if isinstance(status, int) and isinstance(body, bytes):
        return status, headers, body
    raise TypeError("fetch gives (status: int, headers, body: bytes)")


def _no_answer(url: str, error: Exception) -> FetchFailed:
    return FetchFailed(f"{url}: {type(error).__name__}: {error}", outage=True)


def _too_late() -> FetchFailed:
    return FetchFailed("no answer in time", outage=True)


def _by_urllib(flight: _Flight) -> Fetch:
    # What is left of the time shrinks from one get to the next.
    return lambda url: fetching.get(url, timeout=flight.left())


def _is_async(fetch: Fetch | None) -> bool:
    return inspect.iscoroutinefunction(fetch) or inspect.iscoroutinefunction(getattr(fetch, "__call__", None))  # noqa: B004 - an object whose call is async


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _start_every_source_anew() -> None:
    for source in _every_source:
        source._start_anew()  # noqa: SLF001 - of this very module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_every_source_anew)
