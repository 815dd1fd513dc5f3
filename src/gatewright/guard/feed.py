"""How a guard comes to know what an issuer has revoked: a thread that asks, beside all requests.

The thread begins with the first token of the issuer and goes on for as long as such tokens are checked,
and five minutes longer. The check that begins it waits for its first answer, a second at the most: after a
pause nobody enters with what was revoked meanwhile. No other check ever waits. An answer that is not had,
or not good, changes nothing: what was revoked stays so, and everything else is decided as without a feed.
"""

import asyncio
import contextlib
import os
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

from gatewright.guard.driving import checked, is_async, running_loop
from gatewright.guard.fetching import MAX_BODY, Answer, Fetch, Headers, exchange
from gatewright.guard.keys import IssuerKeys
from gatewright.guard.options import DEFAULT_ALGORITHMS
from gatewright.guard.revocations import FEED_TYPE, BadFeed, FeedHealth, KnownRevocations, Page, read_page
from gatewright.guard.token import AccessToken
from gatewright.guard.transport import HttpFetch
from gatewright.guard.verdicts import logger
from gatewright.guard.waiting import CHANCE, Want, waited_for
from gatewright.jose import JWK, jws, jwt

POLL: Final = 5.0  # seconds between two questions
FIRST_WAIT: Final = 1.0  # seconds that a check waits for the first answer
IDLE: Final = 300.0  # seconds without a token to check, after which nobody asks any more
TIMEOUT: Final = 3.0  # seconds for one answer
LATE: Final = 10.0  # seconds after which an answer is no longer one of now
MOST_PAGES: Final = 1000  # at one time

_OK: Final = 200
_NOT_MODIFIED: Final = 304
_LONGEST_TAG: Final = 200

T = TypeVar("T")
_every_feed: "weakref.WeakSet[RevocationFeed]" = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class _Polling:
    """One thread that asks. `first` says when it has asked once, not how that went."""

    until: float  # by the monotonic clock: nobody waits for `first` any longer
    first: "Future[None]" = field(default_factory=Future)

    def left(self) -> float:
        return max(0.0, self.until - time.monotonic())


class RevocationFeed:
    """What one issuer has revoked; safe in threads, loops and after a fork.

    `keys` name the feed's address and judge its signature: it is believed as far as its issuer's tokens are.
    """

    def __init__(
        self,
        issuer: str,
        keys: IssuerKeys,
        *,
        now: Callable[[], float],
        leeway: float,
        fetch: Fetch | None = None,
    ) -> None:
        self._issuer = issuer
        self._keys = keys
        self._now = now
        self._leeway = leeway
        self._fetch = fetch
        self._awaits = is_async(fetch)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._known = KnownRevocations()
        self._page: Page | None = None
        self._tag: str | None = None
        self._fetched_at: float | None = None
        self._failures = 0
        self._last_failure: str | None = None
        self._used_at = 0.0
        self._polling: _Polling | None = None
        self._is_waited_for = True
        self._lock = threading.Lock()
        _every_feed.add(self)

    def tells(self, token: AccessToken, kid: str | None) -> str | None:
        """By what a token that the key `kid` signed is revoked, in words for logs; None: it is not."""
        return self._known.tells(token, kid)

    def want(self) -> Want | None:
        """What a check has to wait for; None, as nearly always, when nothing. It keeps the thread going."""
        if self._keys.revocations_uri is None:
            return None
        self._used_at = time.monotonic()
        if self._awaits:
            self._loop = running_loop() or self._loop
        polling = self._polling
        if polling is not None and not self._is_waited_for:
            return None
        polling = self._begin()
        if polling is None or polling.first.done() or not polling.left():
            self._is_waited_for = False
            return None
        return Want(lambda: _wait(polling), lambda: _await(polling))

    def health(self) -> FeedHealth | None:
        """How it is doing; None when the issuer is not known to have a feed. Asks nobody."""
        if self._keys.revocations_uri is None and self._fetched_at is None:
            return None
        now, fetched_at = self._now(), self._fetched_at
        is_late = fetched_at is None or not 0 <= now - fetched_at < LATE
        return FeedHealth(
            revision=self._known.revision,
            entries=len(self._known),
            fetched_at=fetched_at,
            age=None if fetched_at is None else now - fetched_at,
            failures=self._failures,
            last_failure=self._last_failure,
            stale=self._failures > 0 or (is_late and self._polling is not None),
        )

    def refresh(self) -> None:
        """Ask, page by page, until all is known; never raises: a failure is kept for `health`."""
        at = self._now()
        try:
            for _ in range(MOST_PAGES):
                if not self._ask():
                    break
            self._known.forget_ended(at)
        except Exception as error:  # noqa: BLE001 - the thread must go on, whatever it was
            self._failures += 1
            before, self._last_failure = self._last_failure, f"{type(error).__name__}: {error}"[:500]
            if before is None:
                logger.warning(
                    "what %s has revoked cannot be told (%s); what was revoked before stays so",
                    self._issuer,
                    self._last_failure,
                )
            return
        if self._last_failure is not None:
            logger.info("what %s has revoked is known again", self._issuer)
        self._fetched_at, self._failures, self._last_failure = at, 0, None

    def goes_on(self) -> bool:
        """Whether the thread is still needed; if not, the next check begins another."""
        with self._lock:
            is_used = time.monotonic() - self._used_at < IDLE
            if not is_used or self._keys.revocations_uri is None:
                self._polling = None
            return self._polling is not None

    def _begin(self) -> _Polling | None:
        with self._lock:
            if self._polling is not None:
                return self._polling
            polling = _Polling(time.monotonic() + FIRST_WAIT)
            # Running futures cannot be cancelled: one waiter who gives up must not end it for all.
            polling.first.set_running_or_notify_cancel()
            thread = threading.Thread(
                target=_poll, args=(weakref.ref(self), polling), name="gatewright-revocations", daemon=True
            )
            try:
                thread.start()
            except RuntimeError as error:
                self._failures, self._last_failure = self._failures + 1, f"no thread to ask in: {error}"
                return None
            self._polling, self._is_waited_for = polling, True
            return polling

    def _ask(self) -> bool:
        """Learn one page; whether there is another."""
        uri, since = self._keys.revocations_uri, self._known.revision
        if uri is None:
            raise BadFeed("the issuer does not name it any more")
        status, headers, body = checked(self._get(f"{uri}?since={since}"))
        if status == _NOT_MODIFIED and self._tag is not None and self._page is not None:
            # Nobody has signed this answer: it vouches for the page no longer than the page itself.
            if self._now() >= self._page.expires_at + self._leeway:
                raise BadFeed("it is said to be unchanged, and has expired")
            return False
        if status != _OK:
            raise BadFeed(f"{uri} answered {status}")
        if len(body) > MAX_BODY:
            raise BadFeed(f"{uri} answered more than {MAX_BODY} bytes")
        page = self._verified(body)
        self._known.learn(page, self._now())
        # A tag is of the address it came from, which a new revision changes.
        self._page, self._tag = page, _tag(headers) if page.revision == since else None
        return page.more

    def _verified(self, body: bytes) -> Page:
        signed = jws.parse(body, max_length=MAX_BODY)
        jws.check_algorithm(signed, DEFAULT_ALGORITHMS)
        jwt.check_type(signed, types=(FEED_TYPE,))
        key = self._key(signed)
        if self._known.has_key(key.kid):
            raise BadFeed(f"it is signed with the key {key.kid!r}, which was revoked")
        jws.verify(signed, key, algorithms=DEFAULT_ALGORITHMS)
        claims = jwt.claims(signed)
        jwt.check_types(claims)
        jwt.check_issuer(claims, issuer=self._issuer)
        jwt.check_time(claims, now=self._now(), leeway=self._leeway)
        return read_page(claims)

    def _key(self, signed: jws.JWS) -> JWK:
        kid, alg = signed.kid, signed.alg
        held = self._keys.held(kid=kid, alg=alg)
        if held is not None:
            return held
        return (
            self._run(self._keys.afind(kid=kid, alg=alg))
            if self._awaits
            else self._keys.find(kid=kid, alg=alg)
        )

    def _get(self, url: str) -> Answer:
        headers = {} if self._tag is None else {"If-None-Match": self._tag}
        if self._fetch is None:
            return exchange(url, timeout=TIMEOUT, headers=headers)
        if isinstance(self._fetch, HttpFetch):
            return self._fetch(url, timeout=TIMEOUT, headers=headers)
        if self._awaits:
            return self._run(cast("Awaitable[Answer]", self._fetch(url)))
        return waited_for(self._fetch(url))

    def _run(self, awaited: Awaitable[T]) -> T:
        """What comes of it, in the loop of the program: what its `fetch` holds may belong there."""

        async def wait() -> T:
            return await awaited

        loop = self._loop
        if loop is None or not loop.is_running():
            return asyncio.run(wait())
        running = asyncio.run_coroutine_threadsafe(wait(), loop)
        try:
            return running.result(TIMEOUT)
        except TimeoutError:
            running.cancel()
            raise

    def _start_anew(self) -> None:
        # In the child of a fork the thread does not exist, and the lock may be held.
        self._lock = threading.Lock()
        self._polling = None


def _poll(reference: "weakref.ref[RevocationFeed]", polling: _Polling) -> None:
    """The thread: it holds nothing that it is not needed for, so that it ends with its guard."""
    while (feed := reference()) is not None and feed.goes_on():
        feed.refresh()
        del feed
        _settle(polling.first)
        # Spread, so that processes started together do not ask together.
        time.sleep(POLL * CHANCE.uniform(0.9, 1.1))
    _settle(polling.first)


def _settle(first: "Future[None]") -> None:
    if not first.done():
        first.set_result(None)


def _wait(polling: _Polling) -> None:
    with contextlib.suppress(TimeoutError):
        polling.first.result(polling.left())


async def _await(polling: _Polling) -> None:
    if running_loop() is None:
        _wait(polling)
        return
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.wrap_future(polling.first), polling.left())


def _tag(headers: Headers) -> str | None:
    pairs: Any = cast("Mapping[str, str]", headers).items() if isinstance(headers, Mapping) else headers
    found = next((value for name, value in pairs if name.lower() == "etag"), None)
    is_sound = found is not None and found.isascii() and found.isprintable() and len(found) <= _LONGEST_TAG
    return found if is_sound else None


def _start_every_feed_anew() -> None:
    for feed in _every_feed:
        feed._start_anew()  # noqa: SLF001 - of this very module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_every_feed_anew)
