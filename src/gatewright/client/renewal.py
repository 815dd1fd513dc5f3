"""One renewal, as a script for threads and event loops: whose turn it is, where to ask, and asking again.

It yields what it has to wait for (`gatewright.guard.waiting`) and ends with a token, or with the reason why
there is none.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Final, TypeAlias, cast

from gatewright.client.cache import TokenFile
from gatewright.client.errors import TokenRefused, TokenUnavailable
from gatewright.client.request import Granted, NoAnswer, Wish, granted
from gatewright.guard.driving import checked
from gatewright.guard.fetching import Answer, exchange
from gatewright.guard.refresh import FetchFailed, endpoint_in, metadata
from gatewright.guard.shared_file import POLL
from gatewright.guard.transport import HttpFetch
from gatewright.guard.waiting import CHANCE, Script, Want, asked

FetchToken: TypeAlias = Callable[..., Answer | Awaitable[Answer]]
"""`fetch(url)` gets, `fetch(url, body=..., headers=...)` posts: the answer, or an awaitable of it."""

REDISCOVER: Final = 3600.0  # seconds after which the issuer is asked again where its token endpoint is
LONGEST_ATTEMPT: Final = 10.0  # seconds for one request
FIRST_PAUSE: Final = 0.25  # seconds before the first repetition; doubled each time
LONGEST_PAUSE: Final = 5.0
WINDOW: Final = 0.1  # of a token's life, at its end, in which it is renewed
LONGEST_WINDOW: Final = 300.0  # seconds
_NO_ENDPOINT: Final = (404, 405, 410)

logger = logging.getLogger("gatewright.client")


def window(token: Granted) -> float:
    """For how many seconds before its end a token is to be renewed."""
    return min(token.lifetime * WINDOW, LONGEST_WINDOW)


class Renewal:
    """How a source takes a token; what it has learned of the issuer is kept from one time to the next."""

    def __init__(
        self,
        wish: Wish,
        *,
        fetch: FetchToken | None,
        token_endpoint: str | None,
        insecure: bool,
        file: TokenFile | None,
        now: Callable[[], float],
    ) -> None:
        self._wish = wish
        self._fetch = fetch
        self._given = token_endpoint
        self._insecure = insecure
        self._file = file
        self._now = now
        self._found: tuple[str, float] | None = None

    def script(self, left: Callable[[], float], *, instead_of: str | None) -> Script[tuple[Granted, bool]]:
        """A token other than `instead_of`, and whether the issuer was asked for it; `left` gives seconds.

        Raises:
            TokenRefused, TokenUnavailable: there is none.
        """
        if self._file is None:
            return (yield from self._asked(left)), True
        shared = yield from self._shared(instead_of)
        if shared is not None:
            return shared, False
        turn = yield from self._turn(left)
        try:
            # Whoever had the turn before may have brought it.
            shared = yield from self._shared(instead_of)
            if shared is not None:
                return shared, False
            taken = yield from self._asked(left)
            yield _in_a_thread(partial(self._file.write, taken))
            return taken, True
        finally:
            self._file.turns.end(turn)

    def _shared(self, instead_of: str | None) -> Script[Granted | None]:
        file = cast("TokenFile", self._file)
        stored: Granted | None = yield _in_a_thread(file.read)
        if stored is None or stored.token == instead_of:
            return None
        now = self._now()
        return stored if stored.obtained_at <= now < stored.expires_at - window(stored) else None

    def _turn(self, left: Callable[[], float]) -> Script[int | None]:
        # Half of the time: whoever has the turn may be stuck, and the issuer must be asked all the same.
        patience = left() / 2
        file = cast("TokenFile", self._file)
        while True:
            turn = file.turns.take()
            if turn is not None or left() <= patience:
                return turn
            yield _pause(POLL)

    def _asked(self, left: Callable[[], float]) -> Script[Granted]:
        for pause in _pauses():
            try:
                return (yield from self._attempt(left))
            except NoAnswer as failure:
                wait = max(pause, failure.retry_after or 0.0)
                if wait >= left():
                    raise TokenUnavailable(str(failure), failure.retry_after) from None
                logger.info("%s; it is asked again in %.1f s", failure, wait)
            yield _pause(wait)
        raise AssertionError("pauses have no end")

    def _attempt(self, left: Callable[[], float]) -> Script[Granted]:
        url = yield from self._endpoint(left)
        asked_at = self._now()
        body, headers = self._wish.message(now=asked_at)
        answer = yield from self._sent(left, url, body=body, headers=headers)
        try:
            return granted(answer, self._wish, where=url.partition("?")[0], asked_at=asked_at)
        except TokenRefused as refusal:
            if refusal.status in _NO_ENDPOINT:
                self._found = None
            raise

    def _endpoint(self, left: Callable[[], float]) -> Script[str]:
        if self._given is not None:
            return self._given
        if self._found is not None and 0 <= self._now() - self._found[1] < REDISCOVER:
            return self._found[0]
        try:
            self._found = ((yield from self._discovered(left)), self._now())
        except (FetchFailed, NoAnswer) as failure:
            if isinstance(failure, FetchFailed) and not failure.outage:
                raise TokenUnavailable(f"the token endpoint cannot be found: {failure}") from None
            if self._found is None:
                raise NoAnswer(f"the token endpoint cannot be found: {failure}") from None
        return self._found[0]

    def _discovered(self, left: Callable[[], float]) -> Script[str]:
        steps = metadata(self._wish.issuer)
        wanted = next(steps)
        while True:
            answer = yield from self._sent(left, wanted)
            try:
                wanted = steps.send(answer)
            except StopIteration as end:
                url, document = cast("tuple[str, dict[str, object]]", end.value)
                issuer, insecure = self._wish.issuer, self._insecure
                return endpoint_in(document, "token_endpoint", url=url, issuer=issuer, insecure=insecure)

    def _sent(self, left: Callable[[], float], url: str, **message: object) -> Script[Answer]:
        fetch: FetchToken = exchange if self._fetch is None else self._fetch
        if fetch is exchange or isinstance(fetch, HttpFetch):
            message["timeout"] = max(min(left(), LONGEST_ATTEMPT), 0.001)
        try:
            return checked((yield asked(partial(fetch, url, **message))))
        except Exception as error:  # noqa: BLE001 - whatever a fetch raises: there was no answer
            # Some libraries quote the header or the body that they could not send.
            text = self._wish.without_secrets(str(error))[:200]
            where = url.partition("?")[0]
            raise NoAnswer(f"{where}: {type(error).__name__}{': ' * bool(text)}{text}") from None


def _pauses() -> Iterator[float]:
    longest = FIRST_PAUSE
    while True:
        yield CHANCE.uniform(longest / 2, longest)
        longest = min(longest * 2, LONGEST_PAUSE)


def _pause(seconds: float) -> Want:
    return Want(partial(time.sleep, seconds), partial(asyncio.sleep, seconds))


def _in_a_thread(function: Callable[[], object]) -> Want:
    return Want(function, partial(asyncio.to_thread, function))
