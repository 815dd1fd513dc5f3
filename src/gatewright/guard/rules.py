"""How a route says what it requires: `all_of`, `any_of`, `claim`, `path`, `fresh`, `acr`, `where`.

Each makes a rule, a plain value; `&` and `|` join them. What cannot be a rule is told when it is made.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Final

from gatewright.guard.conditions import (
    Acr,
    AllOf,
    AnyOf,
    Both,
    ClaimContains,
    ClaimEquals,
    Either,
    Fresh,
    PathParameter,
    Rule,
    Situation,
    Unmet,
    Value,
    Where,
    parts_of,
)
from gatewright.guard.request import Request
from gatewright.guard.token import AccessToken

__all__ = [
    "Claim",
    "Rule",
    "Situation",
    "Unmet",
    "acr",
    "all_of",
    "alternatives",
    "any_of",
    "claim",
    "combine",
    "fresh",
    "path",
    "where",
]

# RFC 6749, section 3.3: what a scope may be made of; all of it can stand in a quoted string.
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim by name, not yet a rule: say what it `equals` or `contains`."""

    name: tuple[str, ...]

    def equals(self, value: Value | PathParameter) -> Rule:
        """The claim has this value, JSON type included, or reads as the path parameter does.

        Raises:
            TypeError: `value` is no string, number, boolean, None or `path(...)`.
        """
        return ClaimEquals(self.name, value, _json_type(value))

    def contains(self, value: Value | PathParameter) -> Rule:
        """The claim is a list, and this value one of its members, compared as `equals` does.

        Raises:
            TypeError: `value` is no string, number, boolean, None or `path(...)`.
        """
        return ClaimContains(self.name, value, _json_type(value))


def all_of(*scopes: str) -> Rule:
    """Every one of these scopes; a string of several, parted by spaces, counts as several.

    Raises:
        ValueError: no scope, or one that cannot be a scope (RFC 6749, section 3.3).
        TypeError: a scope is no string.
    """
    return AllOf(_scopes([word for scope in scopes for word in _text(scope).split(" ") if word]))


def any_of(*scopes: str) -> Rule:
    """At least one of these scopes.

    Raises:
        ValueError: no scope, or one that cannot be a scope (RFC 6749, section 3.3).
        TypeError: a scope is no string.
    """
    return AnyOf(_scopes([_text(scope) for scope in scopes]))


def claim(*name: str) -> Claim:
    """A claim of the token by its exact name, such as `tier` or `https://example.com/roles`.

    Several names lead into nested objects: `claim("realm_access", "roles")`.

    Raises:
        ValueError: a name is empty, or there is none.
        TypeError: a name is no string.
    """
    if not name or not all(_text(step) for step in name):
        raise ValueError("a claim's name is not empty")
    return Claim(name)


def path(name: str) -> PathParameter:
    """A parameter of the matched route, for `claim("org_id").equals(path("org"))`.

    A request whose route has no such parameter does not meet the rule.

    Raises:
        ValueError: `name` is empty.
        TypeError: `name` is no string.
    """
    if not _text(name):
        raise ValueError("a path parameter's name is not empty")
    return PathParameter(name)


def fresh(*, max_age: int) -> Rule:
    """A user who logged in at most `max_age` seconds ago; refused with 401 and `max_age` (RFC 9470).

    Raises:
        ValueError: `max_age` is negative.
        TypeError: `max_age` is no whole number.
    """
    if isinstance(max_age, bool) or not isinstance(max_age, int):
        raise TypeError(f"max_age is a whole number of seconds, not {max_age!r}")
    if max_age < 0:
        raise ValueError(f"max_age is a number of seconds from 0 on, not {max_age}")
    return Fresh(max_age)


def acr(*values: str) -> Rule:
    """A login of one of these authentication contexts, the preferred first; refused with 401 (RFC 9470).

    Raises:
        ValueError: no value, or one that cannot stand in a list parted by spaces.
        TypeError: a value is no string.
    """
    return Acr(_words([_text(value) for value in values], what="value of acr"))


def where(check: Callable[[AccessToken, Request], bool], *, name: str) -> Rule:
    """What `check(token, request)` says, True or False; `name` stands for it in lists and logs.

    It is called at each request and must be quick; what it raises is the program's own failure, a 500.

    Raises:
        ValueError: `name` is empty.
        TypeError: `check` cannot be called, or `name` is no string.
    """
    if not callable(check):
        raise TypeError(f"where takes a function of the token and the request, not {check!r}")
    if not _text(name):
        raise ValueError("where needs a name: it stands for the function in lists and logs")
    return Where(check, name)


def combine(*required: Rule | str) -> Rule | None:
    """One rule of several, all of which must be met; None, any valid token, when there are none.

    Raises:
        ValueError: a string that cannot be a scope.
        TypeError: neither a rule nor a string.
    """
    if not required:
        return None
    scopes = [rule for rule in required if isinstance(rule, str)]
    rules = [_rule(rule) for rule in required if not isinstance(rule, str)]
    if scopes:
        rules.insert(0, all_of(*scopes))
    return rules[0] if len(rules) == 1 else Both(tuple(part for rule in rules for part in parts_of(rule)))


def alternatives(rule: Rule | None) -> tuple[tuple[str, ...], ...]:
    """The sets of scopes that open the way, any one of which will do, for documents such as OpenAPI.

    What is asked of other claims cannot be told so and is left out.
    """
    match rule:
        case AllOf(scopes):
            return (scopes,)
        case AnyOf(scopes):
            return tuple((scope,) for scope in scopes)
        case Either(parts):
            return tuple(dict.fromkeys(way for part in parts for way in alternatives(part)))
        case Both(parts):
            ways = product(*(alternatives(part) for part in parts))
            joined = (tuple(dict.fromkeys(scope for part in way for scope in part)) for way in ways)
            return tuple(dict.fromkeys(joined))
        case _:
            return ((),)


def _rule(rule: object) -> Rule:
    if not isinstance(rule, Rule):
        raise TypeError(
            f"a rule is a scope, all_of(...), any_of(...) or claim(...).equals(...), not {rule!r}"
        )
    return rule


def _scopes(scopes: list[str]) -> tuple[str, ...]:
    return _words(scopes, what="scope")


def _words(words: list[str], *, what: str) -> tuple[str, ...]:
    if not words:
        raise ValueError(f"name at least one {what}")
    for word in words:
        if not _SCOPE.fullmatch(word):
            raise ValueError(
                f"{word!r} cannot be a {what}: printable ASCII without space, quote or backslash"
            )
    return tuple(dict.fromkeys(words))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a string is needed here, not {value!r}")
    return value


def _json_type(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str() | PathParameter():
            return "string"
        case _:
            raise TypeError(f"a claim is compared with a string, number, boolean or None, not {value!r}")
