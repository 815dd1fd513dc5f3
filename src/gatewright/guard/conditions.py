"""The rules themselves: plain values, printable, hashable, joined by `&` and `|`.

A rule is asked about a token that is already known to be valid and answers what is missing, if anything.
`gatewright.guard.rules` is how they are made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from gatewright.guard.request import Request
    from gatewright.guard.token import AccessToken

Value: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Situation:
    """What a rule may look at beside the token: the request, and the time with its tolerance in seconds."""

    request: Request
    now: float
    leeway: float = 0.0


@dataclass(frozen=True, slots=True)
class Unmet:
    """Why a rule refuses: the scopes it needs, or a stronger or more recent login, or neither: a claim.

    `acr_values` and `max_age` (seconds) are what RFC 9470 calls so.
    """

    scopes: tuple[str, ...] = ()
    acr_values: tuple[str, ...] = ()
    max_age: int | None = None

    @property
    def is_step_up(self) -> bool:
        """Whether the user, logging in again, can mend it: 401, not 403."""
        return bool(self.acr_values) or self.max_age is not None


@dataclass(frozen=True, slots=True, repr=False)
class PathParameter:
    """A parameter of the matched route, in the place of a value: `path("org")`."""

    name: str

    def __repr__(self) -> str:
        return f"path({_quoted(self.name)})"


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

    def unmet(self, token: AccessToken, _: Situation) -> Unmet | None:
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

    def unmet(self, token: AccessToken, _: Situation) -> Unmet | None:
        """What `token` lacks; None when nothing."""
        return Unmet(self.scopes) if set(self.scopes).isdisjoint(token.scopes) else None

    def __repr__(self) -> str:
        return f"any_of({_listed(self.scopes)})"


@dataclass(frozen=True, slots=True, repr=False)
class ClaimEquals:
    """A claim with exactly this value, of this JSON type: `true` is not 1."""

    name: tuple[str, ...]
    value: Value | PathParameter
    json_type: str

    __and__ = _both
    __or__ = _either

    def unmet(self, token: AccessToken, situation: Situation) -> Unmet | None:
        """What `token` lacks; None when nothing."""
        found, held = _held(token.claims, self.name)
        return None if found and _meets(held, self.value, situation) else Unmet()

    def __repr__(self) -> str:
        return f"claim({_listed(self.name)}).equals({_quoted(self.value)})"


@dataclass(frozen=True, slots=True, repr=False)
class ClaimContains:
    """A claim that is a list with this value in it; a string is no list."""

    name: tuple[str, ...]
    value: Value | PathParameter
    json_type: str

    __and__ = _both
    __or__ = _either

    def unmet(self, token: AccessToken, situation: Situation) -> Unmet | None:
        """What `token` lacks; None when nothing."""
        _, held = _held(token.claims, self.name)
        met = isinstance(held, list | tuple) and any(_meets(item, self.value, situation) for item in held)
        return None if met else Unmet()

    def __repr__(self) -> str:
        return f"claim({_listed(self.name)}).contains({_quoted(self.value)})"


@dataclass(frozen=True, slots=True, repr=False)
class Fresh:
    """A user who logged in at most `max_age` seconds ago, as `auth_time` says (RFC 9470, section 3)."""

    max_age: int

    __and__ = _both
    __or__ = _either

    def unmet(self, token: AccessToken, situation: Situation) -> Unmet | None:
        """What `token` lacks; None when nothing."""
        at = token.claims.get("auth_time")
        if not isinstance(at, int | float) or isinstance(at, bool):
            return Unmet(max_age=self.max_age)
        # A login that is yet to come would stay fresh until long after it.
        is_fresh = -situation.leeway <= situation.now - at <= self.max_age + situation.leeway
        return None if is_fresh else Unmet(max_age=self.max_age)

    def __repr__(self) -> str:
        return f"fresh(max_age={self.max_age})"


@dataclass(frozen=True, slots=True, repr=False)
class Acr:
    """A login of one of these authentication contexts, as `acr` says (RFC 9470, section 3)."""

    values: tuple[str, ...]

    __and__ = _both
    __or__ = _either

    def unmet(self, token: AccessToken, _: Situation) -> Unmet | None:
        """What `token` lacks; None when nothing."""
        held = token.claims.get("acr")
        return None if isinstance(held, str) and held in self.values else Unmet(acr_values=self.values)

    def __repr__(self) -> str:
        return f"acr({_listed(self.values)})"


@dataclass(frozen=True, slots=True, repr=False)
class Where:
    """Whatever a function says of the token and the request; `name` stands for it in lists and logs."""

    check: Callable[[AccessToken, Request], bool]
    name: str

    __and__ = _both
    __or__ = _either

    def unmet(self, token: AccessToken, situation: Situation) -> Unmet | None:
        """What `token` lacks; None when nothing.

        Raises:
            TypeError: the function gives no bool; a coroutine, for one, would always count as true.
        """
        met = self.check(token, situation.request)
        if not isinstance(met, bool):
            if hasattr(met, "close"):
                met.close()  # a coroutine that nobody will await
            raise TypeError(f"{self!r} gives {type(met).__name__}, not True or False")
        return None if met else Unmet()

    def __repr__(self) -> str:
        return f"where({_quoted(self.name)})"


@dataclass(frozen=True, slots=True, repr=False)
class Both:
    """Every one of `parts`; refused with the answer of the first that is not met."""

    parts: tuple[Rule, ...]

    __and__ = _both
    __or__ = _either

    def unmet(self, token: AccessToken, situation: Situation) -> Unmet | None:
        """What `token` lacks; None when nothing."""
        for part in self.parts:
            missing = part.unmet(token, situation)
            if missing is None:
                continue
            if missing.scopes:
                return Unmet(self._scopes(token, situation))
            return self._step_up(token, situation) if missing.is_step_up else missing
        return None

    def _scopes(self, token: AccessToken, situation: Situation) -> tuple[str, ...]:
        # All that the rule needs, so that the caller need not ask once for each part. Of a part with
        # alternatives only what it would ask for itself.
        named: dict[str, None] = {}
        for part in self.parts:
            missing = part.unmet(token, situation)
            scopes = part.scopes if isinstance(part, AllOf) else missing.scopes if missing else ()
            named.update(dict.fromkeys(scopes))
        return tuple(named)

    def _step_up(self, token: AccessToken, situation: Situation) -> Unmet:
        # One login can satisfy all of it.
        lacks = [missing for part in self.parts if (missing := part.unmet(token, situation)) is not None]
        ages = [missing.max_age for missing in lacks if missing.max_age is not None]
        acr_values = next((missing.acr_values for missing in lacks if missing.acr_values), ())
        return Unmet(acr_values=acr_values, max_age=min(ages, default=None))

    def __repr__(self) -> str:
        return " & ".join(f"({part!r})" if isinstance(part, Either) else repr(part) for part in self.parts)


@dataclass(frozen=True, slots=True, repr=False)
class Either:
    """At least one of `parts`; refused with the answer of the first, a login before anything else."""

    parts: tuple[Rule, ...]

    __and__ = _both
    __or__ = _either

    def unmet(self, token: AccessToken, situation: Situation) -> Unmet | None:
        """What `token` lacks; None when nothing."""
        first: Unmet | None = None
        for part in self.parts:
            missing = part.unmet(token, situation)
            if missing is None:
                return None
            if first is None or (missing.is_step_up and not first.is_step_up):
                first = missing
        return first

    def __repr__(self) -> str:
        return " | ".join(f"({part!r})" if isinstance(part, Both) else repr(part) for part in self.parts)


Rule = AllOf | AnyOf | ClaimEquals | ClaimContains | Fresh | Acr | Where | Both | Either


def parts_of(rule: Rule) -> tuple[Rule, ...]:
    """What is joined by `&` in a rule; itself where nothing is."""
    return _parts(Both, rule)


def _parts(kind: type[Both | Either], rule: Rule) -> tuple[Rule, ...]:
    return rule.parts if isinstance(rule, Both | Either) and isinstance(rule, kind) else (rule,)


def _held(claims: Mapping[str, object], name: tuple[str, ...]) -> tuple[bool, object]:
    """Whether there is such a claim, and its value; several names lead into nested objects."""
    held: object = claims
    for step in name:
        if not isinstance(held, Mapping) or step not in held:
            return False, None
        held = held[step]
    return True, held


def _meets(held: object, wanted: Value | PathParameter, situation: Situation) -> bool:
    if not isinstance(wanted, PathParameter):
        # bool is an int to Python, and not a number to JSON.
        return held == wanted and isinstance(held, bool) == isinstance(wanted, bool)
    # A route gives text, or what its converter has made of it; the claim must read the same.
    given = situation.request.path_params.get(wanted.name)
    is_comparable = isinstance(held, str | int) and not isinstance(held, bool)
    return is_comparable and given is not None and str(held) == str(given)


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(_quoted(word) for word in words)


def _quoted(value: Value | PathParameter) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)
