"""Scripts that may have to wait: one generator serves threads and event loops.

A script yields a `Want` where it cannot go on alone and is sent what came of it. What is at hand it does
not ask for: then nothing is waited for, and a coroutine that drives it awaits nothing.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar, cast

# Spreads what many processes would do at once. The system's: after a fork not all draw the same, and no
# program that has seeded the module's own generator finds its numbers gone.
CHANCE: Final = random.SystemRandom()

Outcome = TypeVar("Outcome")
Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Want:
    """Something to wait for, in either way."""

    get: Callable[[], Any]
    aget: Callable[[], Awaitable[Any]]

    def wait(self) -> object:
        """It, blocking this thread."""
        return self.get()

    async def await_(self) -> object:
        """It, without blocking the event loop."""
        return await self.aget()


Script: TypeAlias = Generator[Want, Any, Outcome]


def asked(function: Callable[..., Any], *arguments: object) -> Want:
    """The answer of a function of the user's, which may be async."""

    async def aget() -> object:
        answer = function(*arguments)
        return await answer if isinstance(answer, Awaitable) else answer

    def get() -> object:
        return waited_for(function(*arguments))

    return Want(get, aget)


def drive(script: Script[Outcome]) -> Outcome:
    """What the script gives in the end; blocks this thread where it has to wait."""
    return answered(script, Want.wait)


async def adrive(script: Script[Outcome]) -> Outcome:
    """As `drive`, without blocking the event loop."""
    return await aanswered(script, Want.await_)


def answered(script: Generator[Asked, Any, Outcome], answer: Callable[[Asked], object]) -> Outcome:
    """What a script gives in the end, each thing it asks for answered; what `answer` raises is thrown in."""
    try:
        wanted = next(script)
        while True:
            try:
                got = answer(wanted)
            except Exception as error:  # noqa: BLE001 - the script knows what to make of it
                wanted = script.throw(error)
            else:
                wanted = script.send(got)
    except StopIteration as end:
        return cast("Outcome", end.value)


async def aanswered(
    script: Generator[Asked, Any, Outcome], answer: Callable[[Asked], Awaitable[object]]
) -> Outcome:
    """As `answered`, with answers that are awaited."""
    try:
        wanted = next(script)
        while True:
            try:
                got = await answer(wanted)
            except Exception as error:  # noqa: BLE001 - the script knows what to make of it
                wanted = script.throw(error)
            else:
                wanted = script.send(got)
    except StopIteration as end:
        return cast("Outcome", end.value)


def waited_for(answer: Answer | Awaitable[Answer]) -> Answer:
    """An answer, waited for in an event loop of its own if it is awaitable."""
    if not isinstance(answer, Awaitable):
        return answer

    async def wait() -> Answer:
        return await answer

    return asyncio.run(wait())
