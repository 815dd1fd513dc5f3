"""What a rule will say of a token of which no more is known than its scopes: yes, no, or it depends.

For tokens that an application takes for itself: nobody has logged in, so what asks for a login is not met.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from gatewright.guard.conditions import (
    Acr,
    AllOf,
    AnyOf,
    Both,
    ClaimContains,
    ClaimEquals,
    Either,
    Fresh,
    Rule,
    Where,
)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Whether a rule will be met; None where the scopes do not tell.

    `missing` are the scopes that open the shortest way, `depends` names the claims and functions that have a
    word in it, `logins` what only a user's login can meet. All are empty when it is met.
    """

    met: bool | None
    missing: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()


_MET = Forecast(met=True)


def forecast(rule: Rule | None, scopes: Collection[str], *, defined: Collection[str] = ()) -> Forecast:
    """What `rule` will say of a token with `scopes`; of alternatives those `defined` are the missing ones."""
    match rule:
        case None:
            return _MET
        case Both(parts):
            return _all([forecast(part, scopes, defined=defined) for part in parts])
        case Either(parts):
            return _any([forecast(part, scopes, defined=defined) for part in parts])
        case AllOf(wanted):
            return _lacking(scope for scope in wanted if scope not in scopes)
        case AnyOf(wanted):
            nearest = next((scope for scope in wanted if scope in defined), wanted[0])
            return _lacking([nearest] if set(wanted).isdisjoint(scopes) else [])
        case _:
            return _unscoped(rule)


def _lacking(scopes: Iterable[str]) -> Forecast:
    missing = tuple(scopes)
    return Forecast(met=False, missing=missing) if missing else _MET


def _unscoped(rule: ClaimEquals | ClaimContains | Where | Fresh | Acr) -> Forecast:
    match rule:
        case ClaimEquals(name) | ClaimContains(name):
            return Forecast(met=None, depends=(f"claim {'.'.join(name)}",))
        case Where(_, label):
            return Forecast(met=None, depends=(f"function {label}",))
        case Fresh() | Acr():
            return Forecast(met=False, logins=(repr(rule),))


def _all(parts: Sequence[Forecast]) -> Forecast:
    met = {part.met for part in parts}
    if met == {True}:
        return _MET
    return Forecast(
        met=False if False in met else None,
        missing=_joined(part.missing for part in parts),
        depends=_joined(part.depends for part in parts),
        logins=_joined(part.logins for part in parts),
    )


def _any(parts: Sequence[Forecast]) -> Forecast:
    if any(part.met for part in parts):
        return _MET
    open_ = [part for part in parts if part.met is None]
    if open_:
        return Forecast(met=None, depends=_joined(part.depends for part in open_))
    return min(parts, key=lambda part: (len(part.logins), len(part.depends), len(part.missing)))


def _joined(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for part in parts for word in part))
