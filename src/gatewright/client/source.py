"""Where a caller takes its access tokens from: kept, renewed ahead of time, asked for once by everybody.

The token held is one immutable value, swapped whole, so that taking it needs no lock; the lock is for
starting and ending a renewal. A renewal runs beside the callers, who wait for it only when they have nothing
to use.
"""

import asyncio
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeAlias

from gatewright.client.cache import TokenFile, digest, identity, made_folder
from gatewright.client.errors import TokenError, TokenRefused, TokenUnavailable, fresh
from gatewright.client.needless import Watch
from gatewright.client.renewal import FetchToken, Renewal, window
from gatewright.client.request import Granted, split_scope, wish_of
from gatewright.guard.driving import is_async, running_loop
from gatewright.guard.options import checked_issuer
from gatewright.guard.refresh import may_be_fetched
from gatewright.guard.waiting import CHANCE, adrive, drive
from gatewright.jose import JWK

TIMEOUT: Final = 20.0  # seconds for a renewal, repetitions included
REFUSED_FOR: Final = 5.0  # seconds for which a refusal is given to everybody without asking again
AWAY_FOR: Final = 1.0  # likewise, when the issuer cannot be asked
HELD_FOR: Final = 20.0  # likewise, while there is a token to use
LONGEST_WAIT: Final = 60.0  # seconds of a Retry-After that are heeded
FRESH: Final = 10.0  # seconds in which a token that was refused is not worth another; doubled each time
LONGEST_FRESH: Final = 600.0
MARGIN: Final = 0.02  # of a token's life, at its end, that a request may need to arrive
LONGEST_MARGIN: Final = 10.0  # seconds

logger = logging.getLogger("gatewright.client")
_every_source: "weakref.WeakSet[TokenSource]" = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class _Held:
    """A token in use; `refresh_at` is when the next one is due, `suspect` says that an API refused it."""

    granted: Granted
    refresh_at: float
    suspect: bool = False

    def good(self, now: float) -> bool:
        return not self.suspect and self.granted.obtained_at <= now < self.refresh_at

    def usable(self, now: float) -> bool:
        # A clock that was set back makes every age a riddle: better to ask again.
        margin = min(self.granted.lifetime * MARGIN, LONGEST_MARGIN)
        return self.granted.obtained_at <= now < self.granted.expires_at - margin


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a renewal brought no token, and since when that is known."""

    error: TokenError
    since: float

    def holds(self, now: float, *, in_use: bool) -> bool:
        """Whether nobody asks again yet; `in_use` says that there is a token to go on with."""
        refused = isinstance(self.error, TokenRefused)
        seconds = HELD_FOR if in_use else REFUSED_FOR if refused else AWAY_FOR
        if isinstance(self.error, TokenUnavailable) and self.error.retry_after is not None:
            seconds = max(seconds, min(self.error.retry_after, LONGEST_WAIT))
        return self.since <= now < self.since + seconds


@dataclass(frozen=True, slots=True)
class _Flight:
    """One renewal under way. `done` says when, never how: the outcome is in the source."""

    deadline: float  # by the monotonic clock
    instead_of: str | None
    done: "Future[None]" = field(default_factory=Future)
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)  # an event loop holds its tasks weakly

    def left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())


_Outcome: TypeAlias = tuple[Granted, bool] | TokenError


class TokenSource:
    """Access tokens of one client for one audience, by client credentials (RFC 6749, section 4.4).

    Make it once and keep it. It is safe in threads, event loops and after a fork; all callers together ask
    the issuer once for each lifetime of a token, and go on with the token they have while the issuer is away.

    Args:
        issuer: its URL; the token endpoint is found by discovery (OpenID Connect, RFC 8414).
        audience: the identifier of the API; None where the issuer wants none.
        client_id: who asks.
        client_secret: the client's secret; or
        private_key: its key, for `private_key_jwt` (RFC 7523): a `JWK`, the members of one, or a PEM text.
        signing_alg: by which algorithm the key signs, where several fit; else RS256 or the curve's own.
        scope: what is asked for, `"read:blog create:blog"` or several strings; nothing: all that is granted.
        auth_method: how the secret travels, `client_secret_post` or `client_secret_basic`.
        token_endpoint: where to ask, in place of discovery.
        cache: a folder, made if need be, in which the processes of this user share tokens.
        fetch: in place of the standard library, `HttpFetch(...)` or a function, sync or async, called as
            `fetch(url)` and `fetch(url, body=..., headers=...)`, that gives (status, headers, body).
        timeout: seconds that a caller who has no token waits at most, repetitions included.
        now: the clock, seconds since 1970.
        allow_insecure_issuer: allows plain http to another machine.

    Raises:
        TypeError, ValueError: an argument cannot be right; no secret is in the text.
    """

    def __init__(  # noqa: PLR0913 - what a user may have to say; a second object would only be in the way
        self,
        issuer: str,
        audience: str | None,
        *,
        client_id: str,
        client_secret: str | None = None,
        private_key: JWK | Mapping[str, object] | str | bytes | None = None,
        signing_alg: str | None = None,
        scope: str | Iterable[str] = (),
        auth_method: str = "client_secret_post",
        token_endpoint: str | None = None,
        cache: str | Path | None = None,
        fetch: FetchToken | None = None,
        timeout: float = TIMEOUT,
        now: Callable[[], float] = time.time,
        allow_insecure_issuer: bool = False,
    ) -> None:
        wish = wish_of(
            issuer=checked_issuer(issuer, allow_insecure=allow_insecure_issuer),
            audience=audience,
            client_id=client_id,
            client_secret=client_secret,
            private_key=private_key,
            signing_alg=signing_alg,
            scope=split_scope(scope),
            auth_method=auth_method,
        )
        if token_endpoint is not None and not may_be_fetched(
            token_endpoint, issuer=issuer, insecure=allow_insecure_issuer
        ):
            raise ValueError("token_endpoint is no https URL (plain http from loopback to loopback is fine)")
        if timeout <= 0:
            raise ValueError(f"timeout is a number of seconds above 0, not {timeout!r}")
        shared_by = identity(wish, token_endpoint)
        file = None if cache is None else TokenFile(made_folder(cache), shared_by)
        self._wish = wish
        self._fetch = fetch
        self._timeout = timeout
        self._now = now
        self._file = file
        self._watch = Watch(digest(shared_by), f"{client_id!r} for {audience or issuer}")
        self._renewal = Renewal(
            wish,
            fetch=fetch,
            token_endpoint=token_endpoint,
            insecure=allow_insecure_issuer,
            file=file,
            now=now,
        )
        self._held: _Held | None = None
        self._failure: _Failure | None = None
        self._refused_in_a_row = 0
        self._lock = threading.Lock()
        self._flight: _Flight | None = None
        _every_source.add(self)

    def __repr__(self) -> str:
        asked = self._wish
        scope = " ".join(asked.scope)
        named = f"client_id={asked.client_id!r}, scope={scope!r}"
        return f"TokenSource({asked.issuer!r}, {asked.audience!r}, {named})"

    def token(self) -> str:
        """An access token that is good now; blocks this thread where there is none yet.

        Raises:
            TokenRefused: the issuer gives this client none; remembered for 5 seconds.
            TokenUnavailable: the issuer could not be asked within `timeout` seconds.
        """
        found = self._board(loop=None)
        if isinstance(found, str):
            return found
        try:
            found.done.result(found.left())
        except TimeoutError:
            self._land(found, _too_late())
        return self._told()

    async def atoken(self) -> str:
        """As `token`, without blocking the event loop if it is asyncio's."""
        loop = running_loop()
        if loop is None:
            return self.token()
        found = self._board(loop=loop)
        if isinstance(found, str):
            return found
        try:
            await asyncio.wait_for(asyncio.wrap_future(found.done), found.left())
        except TimeoutError:
            self._land(found, _too_late())
        return self._told()

    def headers(self) -> dict[str, str]:
        """The header that carries a token: `{"Authorization": "Bearer …"}`. Raises as `token`."""
        return {"Authorization": f"Bearer {self.token()}"}

    async def aheaders(self) -> dict[str, str]:
        """As `headers`, without blocking the event loop."""
        return {"Authorization": f"Bearer {await self.atoken()}"}

    def invalidate(self, token: str) -> bool:
        """Tell that an API answered 401 to this token; whether it is worth trying with another.

        It is not when the token has only just been taken: then the API refuses what the issuer gives, and
        each time that happens a replacement has to be older to be replaced.
        """
        now = self._now()
        with self._lock:
            held = self._held
            if held is None or held.granted.token != token:
                return True  # another caller was faster
            if held.suspect:
                return True
            settled = min(FRESH * 2**self._refused_in_a_row, LONGEST_FRESH)
            if 0 <= now - held.granted.obtained_at < settled:
                return False
            self._refused_in_a_row = min(self._refused_in_a_row + 1, 10)
            self._held = replace(held, suspect=True)
        self._watch.was_refused(now)
        return True

    def _board(self, *, loop: asyncio.AbstractEventLoop | None) -> str | _Flight:
        """A token to use, or the renewal to wait for; where neither is to be had, its error is raised."""
        now = self._now()
        held = self._held
        if held is not None and held.good(now):
            return held.granted.token
        with self._lock:
            held = self._held
            in_use = held.granted.token if held is not None and held.usable(now) else None
            spare = None if held is None or held.suspect else in_use
            if spare is not None and held is not None and held.good(now):
                return spare
            flight = self._flight
            if flight is not None and flight.left():
                return spare or flight
            failure = self._failure
            if failure is not None and failure.holds(now, in_use=in_use is not None):
                return spare or _or_raise(in_use, failure.error)
            flight = _Flight(time.monotonic() + self._timeout, None if held is None else held.granted.token)
            # Running futures cannot be cancelled: one waiter who gives up must not end it for all.
            flight.done.set_running_or_notify_cancel()
            before, self._flight = self._flight, flight
        if before is not None:
            before.done.set_result(None)
        self._launch(flight, loop)
        return spare or flight

    def _told(self) -> str:
        """What there is after a renewal has ended."""
        held, failure, now = self._held, self._failure, self._now()
        in_use = held.granted.token if held is not None and held.usable(now) else None
        if in_use is not None and held is not None and not held.suspect:
            return in_use
        return _or_raise(in_use, failure.error if failure is not None else _too_late())

    def _launch(self, flight: _Flight, loop: asyncio.AbstractEventLoop | None) -> None:
        if loop is not None and is_async(self._fetch):
            flight.tasks.append(loop.create_task(self._afly(flight)))
            return
        thread = threading.Thread(target=self._fly, args=(flight,), name="gatewright-token", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._land(flight, TokenUnavailable(f"no thread to ask the issuer in: {error}"))

    def _fly(self, flight: _Flight) -> None:
        outcome: _Outcome = _too_late()
        script = self._renewal.script(flight.left, instead_of=flight.instead_of)
        try:
            outcome = drive(script)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it was
            outcome = _failed(error)
        finally:
            self._land(flight, outcome)

    async def _afly(self, flight: _Flight) -> None:
        outcome: _Outcome = _too_late()
        script = self._renewal.script(flight.left, instead_of=flight.instead_of)
        try:
            async with asyncio.timeout(flight.left()):
                outcome = await adrive(script)
        except TimeoutError:
            pass
        except Exception as error:  # noqa: BLE001 - as above
            outcome = _failed(error)
        finally:
            script.close()  # it may have been left in the middle, with this process's turn at the file
            self._land(flight, outcome)

    def _land(self, flight: _Flight, outcome: _Outcome) -> None:
        with self._lock:
            if self._flight is not flight:
                return  # given up before
            self._flight = None
            now, before = self._now(), self._held
            if isinstance(outcome, TokenError):
                self._failure = _Failure(outcome, now)
            else:
                self._failure = None
                self._held = _held(outcome[0])
                if before is not None and not before.suspect:
                    self._refused_in_a_row = 0  # the one before has served to its end
        try:
            self._report(before, outcome, now)
        finally:
            flight.done.set_result(None)

    def _report(self, before: _Held | None, outcome: _Outcome, now: float) -> None:
        if isinstance(outcome, TokenError):
            if before is not None and before.usable(now):
                left = before.granted.expires_at - now
                logger.warning("no new token (%s); the one held is good for another %.0f s", outcome, left)
            return
        granted, was_asked_for = outcome
        if was_asked_for:
            self._watch.took(granted)
        missing = set(self._wish.scope).difference((granted.scope or " ".join(self._wish.scope)).split(" "))
        if missing:
            logger.warning("%r was given a token without the scopes %s", self, " ".join(sorted(missing)))

    def _start_anew(self) -> None:
        # In the child of a fork: the lock may be held, and the renewal run, by threads that do not exist.
        self._lock = threading.Lock()
        self._flight = None
        if self._file is not None:
            self._file.turns.start_anew()


def _held(granted: Granted) -> _Held:
    # Not all at the same moment: the processes of a machine, or the machines of a fleet, began together.
    ahead = CHANCE.uniform(window(granted) / 2, window(granted))
    return _Held(granted, granted.expires_at - ahead)


def _or_raise(in_use: str | None, error: TokenError) -> str:
    """The token that an API refused, rather than none, while the issuer cannot be asked for another."""
    if in_use is not None and not isinstance(error, TokenRefused):
        return in_use
    raise fresh(error)


def _failed(error: Exception) -> TokenError:
    if isinstance(error, TokenError):
        return fresh(error)
    return TokenUnavailable(f"no token could be taken: {type(error).__name__}")


def _too_late() -> TokenUnavailable:
    return TokenUnavailable("the issuer gave no token in time")


def _start_every_source_anew() -> None:
    for source in _every_source:
        source._start_anew()  # noqa: SLF001 - of this very module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_every_source_anew)
