"""How a script that yields URLs is driven to its end by a `fetch`, blocking or awaiting."""

import asyncio
import inspect
from collections.abc import Awaitable, Generator
from typing import cast

from gatewright.guard.fetching import Answer, Fetch, Headers
from gatewright.guard.refresh import Fetched, FetchFailed
from gatewright.guard.waiting import aanswered, answered, waited_for


def drive(script: Generator[str, Answer, Fetched], get: Fetch) -> Fetched:
    """What the script gives in the end; blocks this thread, and raises what the script raises."""

    def answer(url: str) -> Answer:
        try:
            return checked(waited_for(get(url)))
        except Exception as error:
            raise _no_answer(url, error) from error

    return answered(script, answer)


async def adrive(script: Generator[str, Answer, Fetched], get: Fetch) -> Fetched:
    """As `drive`, with a fetch whose answers are awaited."""

    async def answer(url: str) -> Answer:
        try:
            return checked(await cast("Awaitable[Answer]", get(url)))
        except Exception as error:
            raise _no_answer(url, error) from error

    return await aanswered(script, answer)


def checked(answer: Answer) -> Answer:
    """The answer of a user's `fetch`, if it is one; else a `TypeError`."""
    status, headers, body = cast("tuple[object, Headers, object]", answer)
    if isinstance(status, int) and isinstance(body, bytes):
        return status, headers, body
    raise TypeError("fetch gives (status: int, headers, body: bytes)")


def _no_answer(url: str, error: Exception) -> FetchFailed:
    return FetchFailed(f"{url}: {type(error).__name__}: {error}", outage=True)


def is_async(fetch: Fetch | None) -> bool:
    """Whether calling it gives something to await, as far as can be told before."""
    return inspect.iscoroutinefunction(fetch) or inspect.iscoroutinefunction(getattr(fetch, "__call__", None))  # noqa: B004 - an object whose call is async


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop of asyncio that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
