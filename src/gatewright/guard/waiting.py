"""Scripts that may have to wait: one generator serves threads and event loops.

A script yields a `Want` where it cannot go on alone and is sent what came of it. What is at hand it does
not ask for: then nothing is waited for, and a coroutine that drives it awaits nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, cast

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Want:
    """Something to wait for, in either way."""

    get: Callable[[], Any]
    aget: Callable[[], Awaitable[Any]]


Script: TypeAlias = Generator[Want, Any, Outcome]


def asked(function: Callable[..., Any], *arguments: object) -> Want:
    """The answer of a function of the user's, which may be async."""

    async def aget() -> object:
        answer = function(*arguments)
        return await answer if isinstance(answer, Awaitable) else answer

    def get() -> object:
        answer = function(*arguments)
        return asyncio.run(_awaited(answer)) if isinstance(answer, Awaitable) else answer

    return Want(get, aget)


def drive(script: Script[Outcome]) -> Outcome:
    """What the script gives in the end; blocks this thread where it has to wait."""
    try:
        want = next(script)
        while True:
            try:
                got = want.get()
            except Exception as error:  # noqa: BLE001 - the script knows what to make of it
                want = script.throw(error)
            else:
                want = script.send(got)
    except StopIteration as end:
        return cast("Outcome", end.value)


async def adrive(script: Script[Outcome]) -> Outcome:
    """As `drive`, without blocking the event loop."""
    try:
        want = next(script)
        while True:
            try:
                got = await want.aget()
            except Exception as error:  # noqa: BLE001 - the script knows what to make of it
                want = script.throw(error)
            else:
                want = script.send(got)
    except StopIteration as end:
        return cast("Outcome", end.value)


async def _awaited(answer: Awaitable[Any]) -> object:
    return await answer
