"""What an adapter does with one request: have it decided about once, and remember the decision.

`notes` is whatever mapping a framework keeps for one request: an ASGI scope, a WSGI environ, an aiohttp
request. The middleware decides there first; whatever guards the endpoint itself finds the decision and adds
its own rule to it, or decides when nobody has.
"""

from collections.abc import Callable, MutableMapping
from typing import Any, Final

from gatewright.guard.decision import Guard
from gatewright.guard.request import Request
from gatewright.guard.rules import Rule
from gatewright.guard.token import AccessToken

TOKEN: Final = "gatewright"
GUARD: Final = "gatewright.guard"

Notes = MutableMapping[str, Any]


def admit(
    notes: Notes, guard: Guard, request: Callable[[], Request], rule: Rule | None
) -> AccessToken | None:
    """The token of a request that meets `rule`; None where it may enter without one.

    Raises:
        Denied: the request may not enter.
    """
    if notes.get(GUARD) is guard:
        return guard.require(request(), notes[TOKEN], rule)
    return _noted(notes, guard, guard.check(request(), rule))


async def aadmit(
    notes: Notes, guard: Guard, request: Callable[[], Request], rule: Rule | None
) -> AccessToken | None:
    """As `admit`, without blocking the event loop.

    Raises:
        Denied: the request may not enter.
    """
    if notes.get(GUARD) is guard:
        return guard.require(request(), notes[TOKEN], rule)
    return _noted(notes, guard, await guard.acheck(request(), rule))


def _noted(notes: Notes, guard: Guard, token: AccessToken | None) -> AccessToken | None:
    notes[TOKEN] = token
    notes[GUARD] = guard
    return token
