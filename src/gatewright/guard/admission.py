"""What an adapter does with one request: have it decided about once, and remember the decision.

`notes` is whatever mapping a framework keeps for one request: an ASGI scope, a WSGI environ, an aiohttp
request. The middleware decides there first; whatever guards the endpoint itself finds the decision and adds
its own rule to it, or decides when nobody has.
"""

from collections.abc import Callable, MutableMapping
from typing import Any, Final

from gatewright.guard.decision import Guard
from gatewright.guard.errors import Denied
from gatewright.guard.request import Request
from gatewright.guard.rules import Rule
from gatewright.guard.token import AccessToken
from gatewright.guard.verdicts import Verdict

TOKEN: Final = "gatewright"  # noqa: S105 - the name of the place
GUARD: Final = "gatewright.guard"

Notes = MutableMapping[str, Any]


def admit(
    notes: Notes,
    guard: Guard,
    request: Callable[[], Request],
    rule: Rule | None,
    *,
    optional: bool = False,
) -> AccessToken | None:
    """The token of a request that meets `rule`; None where it may enter without one.

    Raises:
        Denied: the request may not enter.
    """
    if notes.get(GUARD) is guard:
        return _once_more(notes, guard, request(), rule)
    return _noted(notes, guard, guard.decide(request(), rule, optional=optional))


async def aadmit(
    notes: Notes,
    guard: Guard,
    request: Callable[[], Request],
    rule: Rule | None,
    *,
    optional: bool = False,
) -> AccessToken | None:
    """As `admit`, without blocking the event loop.

    Raises:
        Denied: the request may not enter.
    """
    if notes.get(GUARD) is guard:
        return _once_more(notes, guard, request(), rule)
    return _noted(notes, guard, await guard.adecide(request(), rule, optional=optional))


def _noted(notes: Notes, guard: Guard, verdict: Verdict) -> AccessToken | None:
    if isinstance(verdict, Denied):
        if guard.enforce:
            raise verdict
        verdict = verdict.token
    notes[TOKEN] = verdict
    notes[GUARD] = guard
    return verdict


def _once_more(notes: Notes, guard: Guard, request: Request, rule: Rule | None) -> AccessToken | None:
    token: AccessToken | None = notes[TOKEN]
    try:
        if token is not None:
            return guard.require(request, token, rule)
    except Denied:
        if guard.enforce:
            raise
        return token
    if rule is None or not guard.enforce:
        return None
    # Let in without a token, before anybody knew that the endpoint has a rule.
    return _noted(notes, guard, guard.decide(request, rule))
