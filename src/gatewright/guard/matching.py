"""Which route of a list takes a request: for questions about an application that is not running.

A list does not tell everything: in which order routes were declared, what a parameter may be, whether it
spans several segments. So the most specific route takes the request, as most frameworks have it, and where
two are alike both are told.
"""

import dataclasses
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

from gatewright.guard.routes import ANY, Route
from gatewright.guard.rules import combine

_PARAMETER: Final = re.compile(r"\{[^{}]*\}")
# How closely a segment was meant: the text itself, a text with parameters in it, a parameter alone, and
# whatever is below.
_TEXT, _MIXED, _PARAMETER_ALONE, _BELOW = range(4)


def routes_for(routes: Iterable[Route], method: str, path: str) -> tuple[Route, ...]:
    """The route that takes this request, or several where the list does not tell which; none: no route.

    `path` is as it was sent, without the query, or itself the path of a route, `/blogs/{id}`. Of an
    application that was protected by patterns every rule that fits counts.
    """
    # GET stands for HEAD, unless HEAD is listed apart.
    methods = [*dict.fromkeys([method.upper(), "GET" if method.upper() == "HEAD" else ANY, ANY])]
    listed = list(routes)
    segments = _segments(unquote(path.partition("?")[0]))
    fitting = []
    for route in listed:
        closeness = _closeness(_segments(route.path), segments)
        if closeness is not None and route.method in methods:
            # A route that is asked for by its own path is meant, whatever else is shaped like it.
            fitting.append(((route.path != path, closeness, methods.index(route.method)), route))
    if not fitting:
        return ()
    fitting.sort(key=lambda pair: pair[0])
    best, first = fitting[0]
    if first.asks_for_token and _are_patterns(listed):
        rules = [route.rule for _, route in fitting if route.asks_for_token and route.rule is not None]
        return (dataclasses.replace(first, rule=combine(*rules)),)
    return tuple(route for place, route in fitting if place == best)


def methods_at(routes: Iterable[Route], path: str) -> tuple[str, ...]:
    """The methods of the routes at this path, for whoever asked with another one."""
    segments = _segments(unquote(path.partition("?")[0]))
    fitting = (route.method for route in routes if _closeness(_segments(route.path), segments) is not None)
    return tuple(dict.fromkeys(fitting))


def _are_patterns(routes: Iterable[Route]) -> bool:
    # What `attach_patterns` always tells; a framework's routes have it only where all else is handed on.
    return any(route.method == ANY and route.path == "/*" for route in routes)


def _segments(path: str) -> list[str]:
    return path.rstrip("/").split("/")[1:]


def _closeness(template: list[str], given: list[str]) -> tuple[int, ...] | None:
    """How closely each segment was meant, the lower the closer; None: the path is another one."""
    last = template[-1] if template else ""
    if last == "*" or (_PARAMETER.fullmatch(last) and len(given) > len(template)):
        # A parameter may stand for several segments, which a list does not tell.
        above = template[:-1]
        head = _closeness(above, given[: len(above)])
        return None if head is None else (*head, _BELOW)
    if len(template) != len(given):
        return None
    found = [_segment_closeness(wanted, segment) for wanted, segment in zip(template, given, strict=True)]
    return None if None in found else tuple(each for each in found if each is not None)


def _segment_closeness(wanted: str, given: str) -> int | None:
    if _PARAMETER.fullmatch(wanted):
        return _PARAMETER_ALONE if given else None
    if wanted == given:
        return _TEXT
    pieces = _PARAMETER.split(wanted)
    is_fitting = len(pieces) > 1 and re.fullmatch("[^/]+".join(map(re.escape, pieces)), given)
    return _MIXED if is_fitting else None
