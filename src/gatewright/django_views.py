"""Django's views as the guard sees them: which there are, and what `require` has left on each."""

import functools
import inspect
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias, cast

from django.contrib.admindocs.utils import (
    replace_metacharacters,
    replace_named_groups,
    replace_unnamed_groups,
)
from django.urls import Resolver404, get_resolver, resolve
from django.urls.resolvers import RegexPattern

from gatewright.guard import Rule
from gatewright.guard.patterns import Ruled
from gatewright.guard.routes import ANY, Found
from gatewright.guard.rules import combine

Requirement: TypeAlias = dict[str, Rule | None]
"""Rules by method; what holds for all of them is at ""."""

MARK: Final = "__gatewright__"
_PARAMETER: Final = re.compile(r"<(?:[^<>:]*:)?([A-Za-z_]\w*)>")

logger = logging.getLogger("gatewright.guard")


def requirement_of(rules: Iterable[Rule | str], by_method: Mapping[str, Rule | str]) -> Requirement:
    """The requirement of `require(*rules, **by_method)`.

    Raises:
        TypeError, ValueError: neither a scope nor a rule; no method of HTTP.
    """
    for method in by_method:
        if not (method.isalpha() and method.isupper()) or method == "HEAD":
            raise ValueError(f"{method!r} is no method to name a rule after; GET stands for HEAD too")
    return {"": combine(*rules), **{method: combine(rule) for method, rule in by_method.items()}}


def rule_in(requirements: Iterable[Requirement], method: str) -> Rule | None:
    """The rule that they make for one method."""
    names = ("", "GET" if method == "HEAD" else method)
    found = (requirement.get(name) for requirement in requirements for name in names)
    return combine(*(rule for rule in found if rule is not None))


def rule_at(method: str, path: str, urlconf: object = None) -> Ruled:
    """The rule, the path parameters and the route of the view that will serve a request, as Django finds it.

    A view checks its own rule again. So one that is not seen here is refused all the same, only later.
    """
    try:
        match = resolve(path, urlconf)
        return Ruled(_rule_of(match.func, method), match.kwargs, route_of(match))
    except Resolver404:
        return Ruled(None, {}, None)
    except Exception:
        # Django will fall over the same request, but only for somebody with a valid token.
        logger.debug("no view could be found for a request", exc_info=True)
        return Ruled(None, {}, None)


def route_of(match: Any) -> str:  # noqa: ANN401 - Django has no types
    """`/blogs/{id}` of what Django has resolved."""
    return "/" + _template(match.route, is_regex="(?P<" in match.route or "^" in match.route)


def found() -> Iterator[Found]:
    """The routes of ROOT_URLCONF, in the order they are tried."""
    return _walk(cast("Iterable[Any]", get_resolver().url_patterns), "")


def _walk(patterns: Iterable[Any], prefix: str) -> Iterator[Found]:
    for entry in patterns:
        path = prefix + _path_of(entry.pattern)
        if hasattr(entry, "url_patterns"):
            yield from _walk(entry.url_patterns, path)
        else:
            view = entry.callback
            yield Found("/" + path.lstrip("/"), _methods_of(view), functools.partial(_rule_of, view), view)


def _path_of(pattern: Any) -> str:  # noqa: ANN401 - Django has no types
    """`blogs/{id}` of a route with converters, or of a regular expression."""
    return _template(str(pattern), is_regex=isinstance(pattern, RegexPattern))


def _template(text: str, *, is_regex: bool) -> str:
    if is_regex:
        text = replace_metacharacters(replace_unnamed_groups(replace_named_groups(text)))
    return _PARAMETER.sub(r"{\1}", text)


def _methods_of(view: Any) -> Iterable[str]:  # noqa: ANN401 - a view of any shape
    cls = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if cls is not None:
        actions = getattr(view, "actions", None)
        names = actions or [name for name in cls.http_method_names if _is_its_own(cls, name)]
        return [name.upper() for name in names if name in cls.http_method_names]
    allowed = _allowed_by_decorator(view)
    named = {name for mark in getattr(view, MARK, ()) for name in mark if name}
    return allowed or {ANY, *named}


def _is_its_own(cls: type, name: str) -> bool:
    """Whether a class of views serves the method itself; OPTIONS each has from its framework."""
    served = getattr(cls, name, None)
    inherited = name == "options" and getattr(served, "__module__", "").startswith(
        ("django.", "rest_framework.")
    )
    return served is not None and not inherited


def _allowed_by_decorator(view: Any) -> Iterable[str]:  # noqa: ANN401 - as above
    """What Django's `require_http_methods` lets through, which it keeps to itself."""
    layer = view
    while layer is not None:
        if inspect.isfunction(layer) and "request_method_list" in layer.__code__.co_freevars:
            cells = dict(zip(layer.__code__.co_freevars, layer.__closure__ or (), strict=True))
            return list(cells["request_method_list"].cell_contents)
        layer = getattr(layer, "__wrapped__", None)
    return ()


def _rule_of(view: Any, method: str) -> Rule | None:  # noqa: ANN401 - as above
    marks = (mark for place in _places(view, method) for mark in getattr(place, MARK, ()))
    return rule_in(marks, method)


def _places(view: Any, method: str) -> Iterator[object]:  # noqa: ANN401 - a view of any shape
    """Where the rules of a view may be: itself, the method of its class, the permissions of its class."""
    yield view
    cls = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if cls is None:
        return
    actions = getattr(view, "actions", None)
    for name in (method.lower(), "get" if method == "HEAD" else ""):
        handler = getattr(cls, (actions.get(name) if actions else name) or "", None)
        if handler is not None:
            yield handler
            break
    # A class that chooses its permissions itself may choose others.
    chooser = getattr(cls, "get_permissions", None)
    if getattr(chooser, "__module__", "").startswith("rest_framework."):
        given = getattr(view, "initkwargs", {}).get("permission_classes", cls.permission_classes)
        yield from (permission for permission in given if hasattr(permission, MARK))
