"""What a rule will say of a token of which the scopes alone are known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright import Request, acr, all_of, any_of, claim, fresh, path, where
from gatewright.guard.forecast import Forecast, forecast
from gatewright.guard.rules import Rule, Situation
from tests.guard.issuing import NOW
from tests.guard.test_rules import holder

SITUATION = Situation(Request("GET", "/"), NOW)
READ, CREATE = all_of("read"), all_of("create")
GOLD, ADMIN = claim("tier").equals("gold"), claim("realm", "roles").contains("admin")
WEEKDAYS = where(lambda *_: True, name="weekdays")

SCOPES = st.sets(st.sampled_from("abcd"), max_size=4)
NAMED = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3)
SIMPLE = st.one_of(
    NAMED.map(lambda scopes: all_of(*scopes)),
    NAMED.map(lambda scopes: any_of(*scopes)),
    st.sampled_from([GOLD, fresh(max_age=60)]),
)
RULES = st.recursive(
    SIMPLE,
    lambda inner: st.builds(lambda a, b, both: a & b if both else a | b, inner, inner, st.booleans()),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("rule", "scopes", "expected"),
    [
        (None, "", Forecast(met=True)),
        (READ, "read", Forecast(met=True)),
        (all_of("read", "create"), "read", Forecast(met=False, missing=("create",))),
        (any_of("admin", "read"), "", Forecast(met=False, missing=("admin",))),
        (READ & GOLD, "read", Forecast(met=None, depends=("claim tier",))),
        (READ & GOLD, "", Forecast(met=False, missing=("read",), depends=("claim tier",))),
        (READ | GOLD, "read", Forecast(met=True)),
        (READ | ADMIN, "", Forecast(met=None, depends=("claim realm.roles",))),
        (claim("org").equals(path("org")), "", Forecast(met=None, depends=("claim org",))),
        (GOLD & WEEKDAYS, "", Forecast(met=None, depends=("claim tier", "function weekdays"))),
        (READ & fresh(max_age=60), "read", Forecast(met=False, logins=("fresh(max_age=60)",))),
        (acr("high") | CREATE, "", Forecast(met=False, missing=("create",))),
        (all_of("a", "b") | CREATE, "", Forecast(met=False, missing=("create",))),
    ],
)
def test_what_is_told(rule: Rule | None, scopes: str, expected: Forecast) -> None:
    assert forecast(rule, scopes.split()) == expected


def test_of_alternatives_the_one_that_is_defined_is_missing() -> None:
    assert forecast(any_of("admin", "read"), (), defined=["read"]).missing == ("read",)


@given(RULES, SCOPES)
def test_it_is_what_the_rule_then_says(rule: Rule, scopes: set[str]) -> None:
    told = forecast(rule, scopes)
    silver, gold = (holder(" ".join(scopes), tier=tier) for tier in ("silver", "gold"))
    answers = {rule.unmet(token, SITUATION) is None for token in (silver, gold)}
    # Where it depends, some claim lets in: not any one does, when several are asked for.
    assert answers == {told.met} if told.met is not None else True in answers


@given(RULES, SCOPES)
def test_what_is_missing_opens_the_way(rule: Rule, scopes: set[str]) -> None:
    told = forecast(rule, scopes)
    if told.met is False and not told.logins:
        mended = holder(" ".join({*scopes, *told.missing}), tier="gold")
        assert rule.unmet(mended, SITUATION) is None
