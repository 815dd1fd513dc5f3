"""One issuer's keys: known, refreshed ahead of time, kept through outages, asked for once by everybody.

What is known is one immutable value, swapped whole, so that a verification reads it without a lock; the
lock is for starting and ending a fetch. A fetch runs beside the requests and they wait for it only when
they must: nothing is known, what is known has grown old, or a token names an unknown key.
"""

import asyncio
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from gatewright.guard import fetching
from gatewright.guard.driving import adrive, drive, is_async, running_loop
from gatewright.guard.fetching import TIMEOUT, Answer, Fetch
from gatewright.guard.freshness import AbsentKeys, KeyHealth, KeyState, Wanted
from gatewright.guard.refresh import Fetched, FetchFailed, steps
from gatewright.guard.shared_file import POLL
from gatewright.guard.snapshot import SnapshotFile, Stored
from gatewright.guard.transport import HttpFetch
from gatewright.jose import JWK
from gatewright.jose.errors import UnknownKey

_REDISCOVER: Final = 3600.0

logger = logging.getLogger("gatewright.guard")
_every_source: "weakref.WeakSet[IssuerKeys]" = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class _Flight:
    """One fetch under way. `done` says when, never how: the outcome is in the state."""

    deadline: float  # by the monotonic clock
    at: float  # when it started, by the guard's clock
    wanted: Wanted | None = None  # the key for whose sake it started
    done: "Future[None]" = field(default_factory=Future)
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)  # an event loop holds its tasks weakly

    def left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())


class IssuerKeys:
    """The keys of one issuer, found by discovery or at `jwks_uri`; safe in threads, loops and after a fork.

    `known` never waits; `find` and `afind` ask the issuer when they have to, for at most `timeout`
    seconds (by default those of an `HttpFetch`, else 5), and then raise `UnknownKey` (a good answer lacks
    the key) or `FetchFailed` (who knows). `snapshot` is a file that processes share: see
    `gatewright.guard.snapshot`.
    """

    def __init__(
        self,
        issuer: str,
        *,
        now: Callable[[], float],
        fetch: Fetch | None = None,
        insecure: bool = False,
        timeout: float | None = None,
        jwks_uri: str | None = None,
        snapshot: Path | None = None,
    ) -> None:
        self._issuer = issuer
        self._now = now
        self._fetch = fetch
        self._insecure = insecure
        if timeout is None:
            timeout = fetch.timeout if isinstance(fetch, HttpFetch) else TIMEOUT
        self._timeout = timeout
        self._jwks_uri = jwks_uri
        self._snapshot = None
        if snapshot is not None:
            self._snapshot = SnapshotFile(snapshot, issuer=issuer, jwks_uri=jwks_uri, insecure=insecure)
        self._state = KeyState()
        self._absent = AbsentKeys()
        self._fetches = 0
        self._lock = threading.Lock()
        self._flight: _Flight | None = None
        _every_source.add(self)

    @property
    def generation(self) -> int:
        """Another number whenever the keys are others; a good answer with the same keys changes nothing."""
        return self._state.generation

    @property
    def revocations_uri(self) -> str | None:
        """Where the issuer tells what it revoked; None while it is not known to do so."""
        return self._state.revocations_uri

    def health(self) -> KeyHealth:
        """What is known now; asks nobody."""
        return self._state.health(self._issuer, fetches=self._fetches, now=self._now())

    def warm(self) -> bool:
        """Fetch the keys unless they are fresh; whether there are any to use, and never an exception."""
        if not self._state.fresh(self._now()):
            self._wait(self._board(waiting=True, loop=None))
        return self._state.usable(self._now())

    async def awarm(self) -> bool:
        """As `warm`, without blocking the event loop."""
        loop = running_loop()
        if loop is None:
            return self.warm()
        if not self._state.fresh(self._now()):
            await self._await(self._board(waiting=True, loop=loop))
        return self._state.usable(self._now())

    def known(self, *, kid: str | None, alg: str, now: float) -> JWK | None:
        """The key, if it can be told without asking anybody; starts a refresh that is due."""
        state = self._state
        if state.keys is None or state.must_ask(now):
            return None
        if now >= state.refresh_at and state.may_ask(now, waiting=False):
            self._board(waiting=False, loop=running_loop())
        try:
            return state.keys.select(kid=kid, alg=alg)
        except UnknownKey:
            return None

    def held(self, *, kid: str | None, alg: str) -> JWK | None:
        """As `known`, and starts nothing."""
        state = self._state
        if state.keys is None or not state.usable(self._now()):
            return None
        try:
            return state.keys.select(kid=kid, alg=alg)
        except UnknownKey:
            return None

    def find(self, *, kid: str | None, alg: str) -> JWK:
        """The key, asking the issuer if need be; blocks this thread meanwhile."""
        self._wait(self._board(waiting=True, loop=None, wanted=(kid, alg)))
        return self._told(kid=kid, alg=alg)

    async def afind(self, *, kid: str | None, alg: str) -> JWK:
        """The key, asking the issuer if need be; the event loop, if it is asyncio's, goes on meanwhile."""
        loop = running_loop()
        if loop is None:
            return self.find(kid=kid, alg=alg)
        await self._await(self._board(waiting=True, loop=loop, wanted=(kid, alg)))
        return self._told(kid=kid, alg=alg)

    def _wait(self, flight: _Flight | None) -> None:
        if flight is None:
            return
        try:
            flight.done.result(flight.left())
        except TimeoutError:
            self._land(flight, _too_late())

    async def _await(self, flight: _Flight | None) -> None:
        if flight is None:
            return
        try:
            await asyncio.wait_for(asyncio.wrap_future(flight.done), flight.left())
        except TimeoutError:
            self._land(flight, _too_late())

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

    def _board(
        self, *, waiting: bool, loop: asyncio.AbstractEventLoop | None, wanted: Wanted | None = None
    ) -> _Flight | None:
        """The fetch under way, or a new one, or None when the last one was too short a while ago."""
        now = self._now()
        with self._lock:
            if self._flight is not None:
                if self._flight.left():
                    return self._flight
                self._flight.done.set_result(None)
            if not self._state.may_ask(now, waiting=waiting):
                return None
            if wanted is not None and not self._state.must_ask(now) and self._absent.holds(wanted, now):
                return None
            self._state = replace(self._state, attempted_at=now)
            flight = _Flight(time.monotonic() + self._timeout, now, wanted)
            # Running futures cannot be cancelled: one waiter who gives up must not end it for all.
            flight.done.set_running_or_notify_cancel()
            self._flight = flight
        self._launch(flight, loop)
        return flight

    def _launch(self, flight: _Flight, loop: asyncio.AbstractEventLoop | None) -> None:
        if loop is not None and is_async(self._fetch):
            flight.tasks.append(loop.create_task(self._afly(flight)))
            return
        thread = threading.Thread(target=self._fly, args=(flight,), name="gatewright-keys", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._land(flight, FetchFailed(f"no thread to fetch in: {error}", outage=True))

    def _fly(self, flight: _Flight) -> None:
        outcome: Fetched | FetchFailed | None = _too_late()
        turn = None
        try:
            fetched = None
            if not self._adopts(flight):
                turn = self._turn(flight)
                # Whoever had the turn before may have brought it.
                fetched = None if self._adopts(flight) else drive(self._steps(flight), self._get(flight))
                self._store(flight, fetched)
            outcome = fetched
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it was
            outcome = _failure(error)
        finally:
            self._land(flight, outcome)
            self._end_turn(turn)

    async def _afly(self, flight: _Flight) -> None:
        outcome: Fetched | FetchFailed | None = _too_late()
        turn = None
        try:
            async with asyncio.timeout(flight.left()):
                fetched = None
                if not await self._aadopts(flight):
                    turn = await self._aturn(flight)
                    adopted = await self._aadopts(flight)
                    fetched = None if adopted else await adrive(self._steps(flight), self._get(flight))
                    await self._astore(flight, fetched)
            outcome = fetched
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it was
            outcome = _failure(error)
        finally:
            self._land(flight, outcome)
            self._end_turn(turn)

    def _get(self, flight: _Flight) -> Fetch:
        # What is left of the time shrinks from one get to the next.
        fetch = self._fetch
        if fetch is None:
            return lambda url: fetching.get(url, timeout=flight.left())
        if isinstance(fetch, HttpFetch):
            return lambda url: fetch(url, timeout=flight.left())
        return fetch

    def _steps(self, flight: _Flight) -> Generator[str, Answer, Fetched]:
        with self._lock:
            self._fetches += 1
        state = self._state
        known_for = flight.at - state.discovered_at
        refused = state.failure is not None and not state.failure.outage
        return steps(
            self._issuer,
            jwks_uri=self._jwks_uri or state.jwks_uri,
            revocations_uri=state.revocations_uri,
            discover=self._jwks_uri is None and (refused or not 0 <= known_for < _REDISCOVER),
            insecure=self._insecure,
        )

    def _land(self, flight: _Flight, outcome: Fetched | FetchFailed | None) -> None:
        """End the flight with what it brought; None: what is known by now is all there is."""
        with self._lock:
            if self._flight is not flight:
                return  # given up before: what it brings may be older than what is known by now
            self._flight = None
            before = after = self._state
            if isinstance(outcome, Fetched):
                after = before.learned(outcome, flight.at)
            elif outcome is not None:
                after = before.failed(outcome)
            self._know(after)
            # Only for whose sake it was asked: others may have come when the answer was made already.
            if isinstance(outcome, Fetched) and flight.wanted is not None and not after.has(flight.wanted):
                self._absent.note(flight.wanted, flight.at)
        try:
            if outcome is not None:
                _report(self._issuer, before, after)
        finally:
            flight.done.set_result(None)

    def _know(self, after: KeyState) -> None:
        if after.generation != self._state.generation:
            self._absent.clear()
        self._state = after

    def _adopts(self, flight: _Flight) -> bool:
        """Whether another process has fetched what this flight is for; what it fetched is known then."""
        now = self._now()
        stored = self._snapshot.read(now) if self._snapshot is not None else None
        if stored is None:
            return False
        with self._lock:
            before = self._state
            newer = before.keys is None or stored.at > before.fetched_at
            if self._flight is not flight or not newer:
                return False
            after = before.learned(stored.fetched, stored.at)
            self._know(after)
        _report(self._issuer, before, after)
        return after.answers(flight.wanted, now)

    async def _aadopts(self, flight: _Flight) -> bool:
        return self._snapshot is not None and await asyncio.to_thread(self._adopts, flight)

    def _turn(self, flight: _Flight) -> int | None:
        # Half of the time: whoever has the turn may be stuck, and the issuer must be asked all the same.
        patience = time.monotonic() + flight.left() / 2
        while self._snapshot is not None:
            turn = self._snapshot.take_turn()
            if turn is not None or time.monotonic() >= patience:
                return turn
            time.sleep(POLL)
        return None

    async def _aturn(self, flight: _Flight) -> int | None:
        patience = time.monotonic() + flight.left() / 2
        while self._snapshot is not None:
            turn = self._snapshot.take_turn()
            if turn is not None or time.monotonic() >= patience:
                return turn
            await asyncio.sleep(POLL)
        return None

    def _store(self, flight: _Flight, fetched: Fetched | None) -> None:
        # Before anybody goes on: a process that is about to end leaves its keys behind.
        if self._snapshot is not None and fetched is not None and self._flight is flight:
            self._snapshot.write(Stored(fetched, flight.at))

    async def _astore(self, flight: _Flight, fetched: Fetched | None) -> None:
        if self._snapshot is not None:
            await asyncio.to_thread(self._store, flight, fetched)

    def _end_turn(self, turn: int | None) -> None:
        if self._snapshot is not None:
            self._snapshot.end_turn(turn)

    def _start_anew(self) -> None:
        # In the child of a fork: the lock may be held, and the fetch run, by threads that do not exist.
        self._lock = threading.Lock()
        self._flight = None
        self._state = replace(self._state, attempted_at=None)
        if self._snapshot is not None:
            self._snapshot.start_anew()


def _report(issuer: str, before: KeyState, after: KeyState) -> None:
    if after.failure is not None:
        kept = "the keys known before are kept" if after.keys else "no key is known: every token gets 503"
        logger.warning("the keys of %s could not be fetched (%s); %s", issuer, after.failure, kept)
        return
    if before.failure is not None:
        logger.info("the keys of %s are fetched again", issuer)
    if after.skipped and after.skipped != before.skipped:
        logger.warning("keys of %s that are not used: %s", issuer, "; ".join(after.skipped))


def _too_late() -> FetchFailed:
    return FetchFailed("no answer in time", outage=True)


def _failure(error: Exception) -> FetchFailed:
    if isinstance(error, FetchFailed):
        return error
    return FetchFailed(f"{type(error).__name__}: {error}", outage=True)


def _start_every_source_anew() -> None:
    for source in _every_source:
        source._start_anew()  # noqa: SLF001 - of this very module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_every_source_anew)
