"""Opaque access tokens: the issuer is asked whether they are active (RFC 7662), and remembered for a while.

Good answers and refusals are kept apart, each within bounds, so that a flood of invented tokens pushes no
good one out. A token is asked for once, whoever waits for it, and only so many requests are under way at
a time. In an outage nothing that is too old is used: the token may have been revoked meanwhile.
"""

import asyncio
import hashlib
import http.client
import logging
import math
import os
import re
import socket
import threading
import time
import urllib.request
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, TypeAlias, cast
from urllib.parse import quote_plus

from gatewright._version import __version__
from gatewright.guard.driving import checked, is_async, running_loop
from gatewright.guard.fetching import TIMEOUT, Answer, _opener, _read, hung_up_at
from gatewright.guard.introspected import (
    Away,
    Inactive,
    Introspection,
    claims_of,
    document_of,
    request_body,
    request_headers,
)
from gatewright.guard.refresh import FetchFailed
from gatewright.guard.waiting import waited_for
from gatewright.jose import JoseError

__all__ = ["Inactive", "Introspection", "Introspector"]

MAX_IN_FLIGHT: Final = 32  # requests to one issuer at a time
MAX_TOKEN: Final = 16 * 1024
COOL_DOWN: Final = 1.0  # seconds for which a failed request is not repeated
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*\Z")  # b64token: RFC 6750, section 2.1

Post: TypeAlias = Callable[..., Answer | Awaitable[Answer]]
"""`post(url, body=bytes, headers={...})` gives (status, headers, body), or an awaitable of it."""

logger = logging.getLogger("gatewright.guard")
_every_introspector: "weakref.WeakSet[Introspector]" = weakref.WeakSet()
_Outcome: TypeAlias = dict[str, object] | JoseError | FetchFailed


@dataclass(frozen=True, slots=True)
class _Entry:
    """What came of asking, and from when to when it holds by the guard's clock."""

    outcome: _Outcome
    since: float
    until: float

    def holds(self, now: float) -> bool:
        # A clock that was set back makes every age a riddle: better to ask again.
        return self.since <= now < self.until


@dataclass(frozen=True, slots=True)
class _Flight:
    """One request under way; `done` never holds an exception, for all who wait share it."""

    digest: bytes
    started: float  # by the guard's clock
    deadline: float  # by the monotonic clock
    done: "Future[_Outcome]" = field(default_factory=Future)
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)  # an event loop holds its tasks weakly

    def left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())


class Introspector:
    """What one issuer says of its opaque tokens; safe in threads, event loops and after a fork.

    `known` asks nobody; `find` and `afind` ask the issuer when they have to, for at most `timeout`
    seconds. They give the claims of an active token (`iss` and `exp` filled in where the issuer leaves
    them out) and raise a `JoseError` for one that must be refused, `FetchFailed` when nobody can tell.
    `fetch` is called as `fetch(url, body=..., headers=...)`, sync or async, and must not follow redirects.
    """

    def __init__(
        self,
        settings: Introspection,
        *,
        issuer: str,
        now: Callable[[], float],
        fetch: Post | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self._settings = settings
        self._issuer = issuer
        self._now = now
        self._fetch = fetch
        self._timeout = timeout
        self._where = settings.endpoint.partition("?")[0]  # in texts: a query may hold a key
        self._headers = request_headers(settings)
        self._lock = threading.Lock()
        self._good: OrderedDict[bytes, _Entry] = OrderedDict()
        self._bad: OrderedDict[bytes, _Entry] = OrderedDict()
        self._away: _Entry | None = None
        self._flights: dict[bytes, _Flight] = {}
        self._in_flight = 0  # also those that nobody waits for any more
        self._warned_at = -math.inf
        _every_introspector.add(self)

    def known(self, token: str, now: float) -> dict[str, object] | None:
        """The claims of a token that was asked for lately; None when it must be asked for.

        Raises:
            JoseError: it was refused lately, usually as `Inactive`.
            ValueError: the token is no b64token (RFC 6750, section 2.1) of at most 16 KiB.
        """
        digest = _digest(token)
        with self._lock:
            outcome = self._remembered(digest, now)
        if outcome is None or isinstance(outcome, FetchFailed):
            return None
        return _told(outcome)

    def find(self, token: str) -> dict[str, object]:
        """The claims of the token, asking the issuer if need be; blocks this thread meanwhile.

        Raises:
            JoseError: it is `Inactive`, or no access token, or what is told of it has wrong types.
            FetchFailed: the issuer does not answer, or not as it should.
            ValueError: as for `known`.
        """
        found = self._board(token, loop=None)
        if not isinstance(found, _Flight):
            return _told(found)
        try:
            outcome = found.done.result(found.left())
        except TimeoutError:
            outcome = self._give_up(found)
        return _told(outcome)

    async def afind(self, token: str) -> dict[str, object]:
        """As `find`; the event loop, if it is asyncio's, goes on meanwhile."""
        loop = running_loop()
        if loop is None:
            return self.find(token)
        found = self._board(token, loop=loop)
        if not isinstance(found, _Flight):
            return _told(found)
        try:
            outcome = await asyncio.wait_for(asyncio.wrap_future(found.done), found.left())
        except TimeoutError:
            outcome = self._give_up(found)
        return _told(outcome)

    def _board(self, token: str, *, loop: asyncio.AbstractEventLoop | None) -> _Flight | _Outcome:
        """What is known by now, or the request under way for this token, or a new one."""
        digest = _digest(token)
        now = self._now()
        with self._lock:
            outcome = self._remembered(digest, now)
            if outcome is not None:
                return outcome
            flight = self._flights.get(digest)
            if flight is not None:
                return flight
            if self._away is not None and self._away.holds(now):
                return self._away.outcome
            busy = self._in_flight >= MAX_IN_FLIGHT
            if not busy:
                self._in_flight += 1
                flight = _Flight(digest, now, time.monotonic() + self._timeout)
                # Running futures cannot be cancelled: one waiter who gives up must not end it for all.
                flight.done.set_running_or_notify_cancel()
                self._flights[digest] = flight
        if flight is None:
            failure = FetchFailed(f"{MAX_IN_FLIGHT} requests to {self._where} are under way", outage=True)
            self._warn(failure, now)
            return failure
        self._launch(flight, token, loop)
        return flight

    def _launch(self, flight: _Flight, token: str, loop: asyncio.AbstractEventLoop | None) -> None:
        if loop is not None and is_async(self._fetch):
            task = loop.create_task(self._afly(flight, token))
            task.add_done_callback(lambda _: self._end(flight, self._too_late()))
            flight.tasks.append(task)
            return
        thread = threading.Thread(
            target=self._fly, args=(flight, token), name="gatewright-introspection", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            self._end(flight, Away(f"no thread to ask {self._where} in: {error}"))

    def _fly(self, flight: _Flight, token: str) -> None:
        outcome: _Outcome = self._too_late()
        try:
            outcome = self._read(checked(waited_for(self._sent(flight, token))), flight.started)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it was
            outcome = self._no_answer(error, token)
        finally:
            self._end(flight, outcome)

    async def _afly(self, flight: _Flight, token: str) -> None:
        try:
            async with asyncio.timeout(flight.left()):
                answer = await cast("Awaitable[Answer]", self._sent(flight, token))
            self._land(flight, self._read(checked(answer), flight.started))
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it was
            self._land(flight, self._no_answer(error, token))

    def _sent(self, flight: _Flight, token: str) -> Answer | Awaitable[Answer]:
        body = request_body(token)
        headers = dict(self._headers)
        if self._fetch is not None:
            return self._fetch(self._settings.endpoint, body=body, headers=headers)
        return _post(self._settings.endpoint, body=body, headers=headers, timeout=flight.left())

    def _read(self, answer: Answer, started: float) -> _Outcome:
        try:
            document = document_of(answer, where=self._where)
            return claims_of(document, issuer=self._issuer, until=started + self._settings.ttl)
        except (JoseError, FetchFailed) as error:
            return _bare(error)

    def _land(self, flight: _Flight, outcome: _Outcome) -> None:
        now = self._now()
        with self._lock:
            if self._flights.get(flight.digest) is not flight:
                return  # given up before
            del self._flights[flight.digest]
            self._remember(flight, outcome, now)
        try:
            if isinstance(outcome, FetchFailed):
                self._warn(outcome, now)
        finally:
            flight.done.set_result(outcome)

    def _end(self, flight: _Flight, outcome: _Outcome) -> None:
        with self._lock:
            self._in_flight -= 1
        self._land(flight, outcome)

    def _give_up(self, flight: _Flight) -> _Outcome:
        self._land(flight, self._too_late())
        return flight.done.result() if flight.done.done() else self._too_late()

    def _remembered(self, digest: bytes, now: float) -> _Outcome | None:
        for shelf in (self._good, self._bad):
            entry = shelf.get(digest)
            if entry is not None and entry.holds(now):
                shelf.move_to_end(digest)
                return entry.outcome
        return None

    def _remember(self, flight: _Flight, outcome: _Outcome, now: float) -> None:
        self._good.pop(flight.digest, None)
        self._bad.pop(flight.digest, None)
        if isinstance(outcome, dict):
            # From when it was asked for: it may have been revoked since.
            until = min(flight.started + self._settings.ttl, cast("float", outcome["exp"]))
            shelf, entry = self._good, _Entry(outcome, flight.started, until)
        elif isinstance(outcome, Away):
            self._away = _Entry(outcome, now, now + COOL_DOWN)
            return
        else:
            # A token on which the endpoint stumbles must not close the way to the others.
            seconds = COOL_DOWN if isinstance(outcome, FetchFailed) else self._settings.negative_ttl
            shelf, entry = self._bad, _Entry(outcome, now, now + seconds)
        if entry.holds(now):
            shelf[flight.digest] = entry
        while len(shelf) > self._settings.cache_size:
            shelf.popitem(last=False)

    def _warn(self, failure: FetchFailed, now: float) -> None:
        # Invented tokens must not fill the log.
        if not 0 <= now - self._warned_at < COOL_DOWN:
            self._warned_at = now
            logger.warning("tokens of %s cannot be introspected (%s)", self._issuer, failure)

    def _no_answer(self, error: Exception, token: str) -> FetchFailed:
        text = str(error)
        # Some libraries quote the header or the body that they could not send.
        secrets = (token, self._settings.client_secret)
        hidden = "Basic" in text or any(each in text or quote_plus(each) in text for each in secrets)
        return Away(f"{self._where}: {type(error).__name__}" + ("" if hidden else f": {text[:200]}"))

    def _too_late(self) -> FetchFailed:
        return Away(f"{self._where}: no answer in time")

    def _start_anew(self) -> None:
        # In the child of a fork: the lock may be held, and requests made, by threads that do not exist.
        self._lock = threading.Lock()
        self._flights = {}
        self._in_flight = 0
        self._away = None


def _post(url: str, *, body: bytes, headers: dict[str, str], timeout: float) -> Answer:
    deadline = time.monotonic() + timeout
    sockets: list[socket.socket] = []
    try:
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - the opener knows http and https only
        request.add_header("User-Agent", f"gatewright/{__version__}")
        with hung_up_at(deadline, sockets), _opener(url, sockets).open(request, timeout=timeout) as answer:
            return answer.status, answer.headers.items(), _read(answer, deadline)
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"no URL or a broken answer: {type(error).__name__}") from None


def _told(outcome: _Outcome) -> dict[str, object]:
    if isinstance(outcome, dict):
        return dict(outcome)  # the caller's own
    raise _bare(outcome)


def _bare(error: JoseError | FetchFailed) -> JoseError | FetchFailed:
    # Without its traceback, whose frames hold the token, and for one raising only.
    if isinstance(error, Away | JoseError):
        return type(error)(str(error))
    return FetchFailed(str(error), outage=True)


def _digest(token: str) -> bytes:
    if len(token) > MAX_TOKEN or not _TOKEN.match(token):
        raise ValueError("no b64token (RFC 6750, section 2.1) of at most 16 KiB")
    return hashlib.sha256(token.encode("ascii")).digest()


def _start_every_introspector_anew() -> None:
    for introspector in _every_introspector:
        introspector._start_anew()  # noqa: SLF001 - of this very module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_every_introspector_anew)
