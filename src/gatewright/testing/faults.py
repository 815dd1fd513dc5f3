"""What can go wrong with an authorization server, rehearsed in front of a real one.

A thin ASGI application that stands before the server's own: it lets a request through, holds it up, answers
in the server's place, or hangs up. The server knows nothing of it.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Asgi: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]
Meeting: TypeAlias = Callable[[Message, Receive, Send], Awaitable[bool]]
Place: TypeAlias = Literal["everything", "token", "jwks", "management"]

_PATHS: Final[dict[str, str]] = {
    "everything": "/",
    "token": "/oauth/token",
    "jwks": "/.well-known/jwks.json",
    "management": "/api/v2/",
}


@dataclass(eq=False, slots=True)
class Fault:
    """One thing that goes wrong from now on: until `end()`, or as long as a `with` block runs."""

    _path: str
    _left: int | None  # how many requests it still meets; None: all
    _meet: Meeting
    _end: Callable[["Fault"], None]
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def end(self) -> None:
        """It goes right again; may be said twice."""
        self._end(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    async def meets(self, scope: Message, receive: Receive, send: Send) -> bool:
        """Whether the request is answered by this fault, and so done with."""
        return self._takes(scope["path"]) and await self._meet(scope, receive, send)

    def _takes(self, path: str) -> bool:
        if not path.startswith(self._path):
            return False
        with self._counting:
            if self._left is not None:
                self._left -= 1
            return self._left is None or self._left >= 0


class Faults:
    """The faults of one server, none at first. Each method begins one; it is for a `with`, or has an `end()`.

    `at` says where: at the token endpoint (`token`), the key set (`jwks`), the Management API (`management`),
    or everywhere. `times` ends a fault after so many requests. Several hold at once, in the order begun.
    """

    def __init__(self) -> None:
        self._active: tuple[Fault, ...] = ()
        self._changing = threading.Lock()
        self._app: Asgi | None = None
        self.loop: asyncio.AbstractEventLoop | None = None  # the server's own, from its start on

    def rate_limit(self, *, retry_after: int = 1, at: Place = "token", times: int | None = None) -> Fault:
        """429 with `Retry-After`, in seconds."""
        refuse = _refusing(429, "too_many_requests", "Global limit has been reached", retry_after)
        return self._begin(at, times, refuse)

    def unavailable(
        self, *, retry_after: int = 1, at: Place = "everything", times: int | None = None
    ) -> Fault:
        """503 with `Retry-After`, in seconds."""
        refuse = _refusing(503, "temporarily_unavailable", "The server is down", retry_after)
        return self._begin(at, times, refuse)

    def outage(self, *, at: Place = "everything", times: int | None = None) -> Fault:
        """The connection is closed without an answer."""
        return self._begin(at, times, _hang_up)

    def slow(self, seconds: float, *, at: Place = "jwks", times: int | None = None) -> Fault:
        """An answer takes so many seconds of real time; a guard gives up on a key set after 5."""

        async def meet(_: Message, __: Receive, ___: Send) -> bool:
            await asyncio.sleep(seconds)
            return False

        return self._begin(at, times, meet)

    def clear(self) -> None:
        """Everything goes right again."""
        with self._changing:
            self._active = ()

    def in_front_of(self, app: Asgi) -> Asgi:
        """The application to serve in the place of `app`."""
        self._app = app
        return self

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        assert self._app is not None  # noqa: S101 - said before anything is served
        if scope["type"] == "lifespan":
            self.loop = asyncio.get_running_loop()
        elif scope["type"] == "http":
            for fault in self._active:
                if await fault.meets(scope, receive, send):
                    return
        await self._app(scope, receive, send)

    def _begin(self, at: Place, times: int | None, meet: Meeting) -> Fault:
        if at not in _PATHS:
            raise ValueError(f"at is one of {', '.join(_PATHS)}, not {at!r}")
        fault = Fault(_PATHS[at], times, meet, self._end)
        with self._changing:
            self._active = (*self._active, fault)
        return fault

    def _end(self, fault: Fault) -> None:
        with self._changing:
            self._active = tuple(one for one in self._active if one is not fault)


def _refusing(status: int, code: str, text: str, retry_after: int) -> Meeting:
    """An answer in the format of the door that is asked, as the server itself would write it."""
    from gatewright.server.errors import ApiError, OAuthError  # noqa: PLC0415 - only those who have the server
    from gatewright.server.requests import MANAGEMENT_PATH, render  # noqa: PLC0415 - likewise

    headers = {"Retry-After": str(retry_after)}
    of_management = render(ApiError(status, text, code, headers=headers))
    of_others = render(OAuthError(status, code, text, headers=headers))

    async def refuse(scope: Message, receive: Receive, send: Send) -> bool:
        answer = of_management if scope["path"].startswith(MANAGEMENT_PATH) else of_others
        await answer(scope, receive, send)
        return True

    return refuse


async def _hang_up(_: Message, receive: Receive, send: Send) -> bool:
    # ASGI has no word for it: uvicorn's `send` belongs to the object that holds the connection.
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("the server is down")
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
    return True
