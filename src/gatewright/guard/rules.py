"""What a route requires of an access token: plain values, printable, hashable, joined by `&` and `|`.

A rule is asked about a token that is already known to be valid and answers what is missing, if anything.
It reads the token and does nothing else: no clock, no network.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from gatewright.guard.token import AccessToken

Value: TypeAlias = str | int | float | bool | None

# RFC 6749, section 3.3: what a scope may be made of; all of it can stand in a quoted string.
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


@dataclass(frozen=True, slots=True)
class Unmet:
    """Why a rule refuses: `scopes` are those it needs, none when the fault lies with other claims."""

    scopes: tuple[str, ...] = ()


def _both(left: Rule, right: Rule) -> Both:
    if not isinstance(right, Rule):
        return NotImplemented
    return Both(_parts(Both, left) + _parts(Both, right))


def _either(left: Rule, right: Rule) -> Either:
    if not isinstance(right, Rule):
        return NotImplemented
    return Either(_parts(Either, left) + _parts(Either, right))


@dataclass(frozen=True, slots=True, repr=False)
class AllOf:
    """Every one of `scopes`."""

    scopes: tuple[str, ...]

    __and__ = _both
    __or__ = _either

    def unmet(self, token: AccessToken) -> Unmet | None:
        """What `token` lacks; None when nothing."""
        granted = token.scopes
        for scope in self.scopes:
            if scope not in granted:
                return Unmet(self.scopes)
        return None

    def __repr__(self) -> str:
        return f"all_of({_listed(self.scopes)})"


@dataclass(frozen=True, slots=True, repr=False)
class AnyOf:
    """At least one of `scopes`."""

    scopes: tuple[str, ...]

    __and__ = _both
    __or__ = _either

    def unmet(self, token: AccessToken) -> Unmet | None:
        """What `token` lacks; None when nothing."""
        return Unmet(self.scopes) if set(self.scopes).isdisjoint(token.scopes) else None

    def __repr__(self) -> str:
        return f"any_of({_listed(self.scopes)})"


@dataclass(frozen=True, slots=True, repr=False)
class ClaimEquals:
    """A claim with exactly this value, of this JSON type: `true` is not 1."""

    name: str
    value: Value
    json_type: str

    __and__ = _both
    __or__ = _either

    def unmet(self, token: AccessToken) -> Unmet | None:
        """What `token` lacks; None when nothing."""
        met = self.name in token.claims and _same(token.claims[self.name], self.value)
        return None if met else Unmet()

    def __repr__(self) -> str:
        return f"claim({_quoted(self.name)}).equals({_quoted(self.value)})"


@dataclass(frozen=True, slots=True, repr=False)
class ClaimContains:
    """A claim that is a list with this value in it; a string is no list."""

    name: str
    value: Value
    json_type: str

    __and__ = _both
    __or__ = _either

    def unmet(self, token: AccessToken) -> Unmet | None:
        """What `token` lacks; None when nothing."""
        held = token.claims.get(self.name)
        met = isinstance(held, list | tuple) and any(_same(item, self.value) for item in held)
        return None if met else Unmet()

    def __repr__(self) -> str:
        return f"claim({_quoted(self.name)}).contains({_quoted(self.value)})"


@dataclass(frozen=True, slots=True, repr=False)
class Both:
    """Every one of `parts`; refused with the answer of the first that is not met."""

    parts: tuple[Rule, ...]

    __and__ = _both
    __or__ = _either

    def unmet(self, token: AccessToken) -> Unmet | None:
        """What `token` lacks; None when nothing."""
        for part in self.parts:
            missing = part.unmet(token)
            if missing is not None:
                return Unmet(self._scopes(token)) if missing.scopes else missing
        return None

    def _scopes(self, token: AccessToken) -> tuple[str, ...]:
        # All that the rule needs, so that the caller need not ask once for each part. Of a part with
        # alternatives only what it would ask for itself.
        named: dict[str, None] = {}
        for part in self.parts:
            missing = part.unmet(token)
            scopes = part.scopes if isinstance(part, AllOf) else missing.scopes if missing else ()
            named.update(dict.fromkeys(scopes))
        return tuple(named)

    def __repr__(self) -> str:
        return " & ".join(f"({part!r})" if isinstance(part, Either) else repr(part) for part in self.parts)


@dataclass(frozen=True, slots=True, repr=False)
class Either:
    """At least one of `parts`; refused with the answer of the first."""

    parts: tuple[Rule, ...]

    __and__ = _both
    __or__ = _either

    def unmet(self, token: AccessToken) -> Unmet | None:
        """What `token` lacks; None when nothing."""
        first: Unmet | None = None
        for part in self.parts:
            missing = part.unmet(token)
            if missing is None:
                return None
            first = first or missing
        return first

    def __repr__(self) -> str:
        return " | ".join(f"({part!r})" if isinstance(part, Both) else repr(part) for part in self.parts)


Rule = AllOf | AnyOf | ClaimEquals | ClaimContains | Both | Either


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim by name, not yet a rule: say what it `equals` or `contains`."""

    name: str

    def equals(self, value: Value) -> Rule:
        """The claim has this value, JSON type included.

        Raises:
            TypeError: `value` is no string, number, boolean or None.
        """
        return ClaimEquals(self.name, value, _json_type(value))

    def contains(self, value: Value) -> Rule:
        """The claim is a list, and this value one of its members, JSON type included.

        Raises:
            TypeError: `value` is no string, number, boolean or None.
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


def claim(name: str) -> Claim:
    """A claim of the token by its exact name, such as `tier` or `https://example.com/roles`.

    Raises:
        ValueError: `name` is empty.
        TypeError: `name` is no string.
    """
    if not _text(name):
        raise ValueError("a claim's name is not empty")
    return Claim(name)


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
    return rules[0] if len(rules) == 1 else Both(tuple(part for rule in rules for part in _parts(Both, rule)))


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


def _parts(kind: type[Both | Either], rule: Rule) -> tuple[Rule, ...]:
    return rule.parts if isinstance(rule, Both | Either) and isinstance(rule, kind) else (rule,)


def _rule(rule: object) -> Rule:
    if not isinstance(rule, Rule):
        raise TypeError(
            f"a rule is a scope, all_of(...), any_of(...) or claim(...).equals(...), not {rule!r}"
        )
    return rule


def _scopes(scopes: list[str]) -> tuple[str, ...]:
    if not scopes:
        raise ValueError("name at least one scope")
    for scope in scopes:
        if not _SCOPE.fullmatch(scope):
            raise ValueError(
                f"{scope!r} cannot be a scope: printable ASCII without space, quote or backslash"
            )
    return tuple(dict.fromkeys(scopes))


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
        case str():
            return "string"
        case _:
            raise TypeError(f"a claim is compared with a string, number, boolean or None, not {value!r}")


def _same(held: object, wanted: Value) -> bool:
    # bool is an int to Python, and not a number to JSON.
    return held == wanted and isinstance(held, bool) == isinstance(wanted, bool)


def _listed(scopes: tuple[str, ...]) -> str:
    return ", ".join(_quoted(scope) for scope in scopes)


def _quoted(value: Value) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)
