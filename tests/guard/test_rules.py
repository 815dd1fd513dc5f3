"""Rules are values: what they ask, how they join, how they print, what they refuse to be."""

from __future__ import annotations

import operator

import pytest

from gatewright import Request, all_of, any_of, claim
from gatewright.guard.rules import Rule, Situation, Unmet, alternatives, combine
from gatewright.guard.token import AccessToken
from tests.guard.issuing import NOW, claims

SITUATION = Situation(Request("GET", "/"), NOW)


def holder(scope: str = "", **more: object) -> AccessToken:
    return AccessToken.from_claims(claims(scope=scope, **more))


READ, CREATE, ADMIN = all_of("read:blog"), all_of("create:blog"), any_of("admin")
GOLD = claim("tier").equals("gold")


@pytest.mark.parametrize(
    ("rule", "scope", "expected"),
    [
        (all_of("a", "b"), "a b", None),
        (all_of("a", "b"), "b c a", None),
        (all_of("a", "b"), "a", Unmet(("a", "b"))),
        (all_of("a b"), "a", Unmet(("a", "b"))),
        (all_of("read"), "read:blog", Unmet(("read",))),
        (all_of("Read:blog"), "read:blog", Unmet(("Read:blog",))),
        (any_of("a", "b"), "b", None),
        (any_of("a", "b"), "", Unmet(("a", "b"))),
        (all_of("a") & all_of("b"), "a", Unmet(("a", "b"))),
        (all_of("a") & any_of("b", "c"), "c", Unmet(("a",))),
        (all_of("a") & any_of("b", "c"), "a", Unmet(("a", "b", "c"))),
        (all_of("a") | all_of("b"), "b", None),
        (all_of("a") | all_of("b"), "", Unmet(("a",))),
    ],
)
def test_scopes_are_compared_as_they_are(rule: Rule, scope: str, expected: Unmet | None) -> None:
    assert rule.unmet(holder(scope), SITUATION) == expected


@pytest.mark.parametrize(
    ("rule", "value", "met"),
    [
        (claim("x").equals("gold"), "gold", True),
        (claim("x").equals("gold"), "golden", False),
        (claim("x").equals("gold"), ["gold"], False),
        (claim("x").equals(1), 1, True),
        (claim("x").equals(1), 1.0, True),
        (claim("x").equals(1), True, False),
        (claim("x").equals(True), True, True),
        (claim("x").equals(True), 1, False),
        (claim("x").equals(True), "true", False),
        (claim("x").equals(None), None, True),
        (claim("x").equals(0), False, False),
        (claim("x").contains("admin"), ["user", "admin"], True),
        (claim("x").contains("admin"), ["administrator"], False),
        (claim("x").contains("admin"), "super admin", False),
        (claim("x").contains("a"), "admin", False),
        (claim("x").contains(1), [True], False),
        (claim("x").contains("admin"), {"admin": 1}, False),
    ],
)
def test_claims_are_compared_with_their_json_type(rule: Rule, value: object, met: bool) -> None:  # noqa: FBT001 - a column of the table
    assert (rule.unmet(holder(x=value), SITUATION) is None) is met


def test_a_claim_that_is_absent_equals_nothing_not_even_none() -> None:
    assert claim("x").equals(None).unmet(holder(), SITUATION) == Unmet()


def test_an_and_is_refused_with_the_answer_of_its_first_part_not_met() -> None:
    assert (READ & GOLD).unmet(holder(), SITUATION) == Unmet(("read:blog",))
    assert (GOLD & READ).unmet(holder(), SITUATION) == Unmet()
    assert (GOLD & READ).unmet(holder(tier="gold"), SITUATION) == Unmet(("read:blog",))
    assert (READ & GOLD).unmet(holder("read:blog"), SITUATION) == Unmet()
    assert (READ & GOLD).unmet(holder("read:blog", tier="gold"), SITUATION) is None


def test_an_or_is_refused_with_the_answer_of_its_first_alternative() -> None:
    assert (GOLD | READ).unmet(holder(), SITUATION) == Unmet()
    assert (READ | GOLD).unmet(holder(), SITUATION) == Unmet(("read:blog",))
    assert (READ | GOLD).unmet(holder(tier="gold"), SITUATION) is None


@pytest.mark.parametrize(
    ("rule", "printed"),
    [
        (all_of("a", "b"), 'all_of("a", "b")'),
        (any_of("a", "b") & GOLD, 'any_of("a", "b") & claim("tier").equals("gold")'),
        (
            (READ | CREATE) & GOLD,
            '(all_of("read:blog") | all_of("create:blog")) & claim("tier").equals("gold")',
        ),
        (READ & GOLD | ADMIN, '(all_of("read:blog") & claim("tier").equals("gold")) | any_of("admin")'),
        (READ & CREATE & GOLD, 'all_of("read:blog") & all_of("create:blog") & claim("tier").equals("gold")'),
        (
            claim("n").contains(1) | claim("n").equals(None),
            'claim("n").contains(1) | claim("n").equals(None)',
        ),
    ],
)
def test_a_rule_prints_as_it_is_written_and_reads_back(rule: Rule, printed: str) -> None:
    assert repr(rule) == str(rule) == printed
    again = eval(printed, {"all_of": all_of, "any_of": any_of, "claim": claim})  # noqa: S307 - our own text
    assert again == rule


def test_equal_rules_are_one_in_a_set_and_different_types_are_not_equal() -> None:
    assert len({READ & GOLD, all_of("read:blog") & claim("tier").equals("gold"), READ}) == 2
    assert claim("x").equals(1) != claim("x").equals(True)
    assert hash(claim("x").equals(1)) != hash(claim("x").equals(True))
    assert all_of("a") != any_of("a")


@pytest.mark.parametrize("scope", ["", "a\nb", 'a"b', "a\\b", "lesen:müll", "a\tb", "a\x7f"])
def test_what_cannot_be_a_scope_is_refused_when_the_rule_is_built(scope: str) -> None:
    with pytest.raises(ValueError, match="scope"):
        all_of(scope)
    with pytest.raises(ValueError, match="scope"):
        any_of("a", scope)


def test_a_rule_of_no_scopes_cannot_be_built_so_that_an_empty_list_opens_nothing() -> None:
    for build in (all_of, any_of):
        with pytest.raises(ValueError, match="at least one scope"):
            build(*[])
    with pytest.raises(ValueError, match="at least one scope"):
        all_of("  ")
    with pytest.raises(ValueError, match="cannot be a scope"):
        any_of("a b")


@pytest.mark.parametrize("wrong", [None, 1, ["a"], b"a", claim("tier")])
def test_what_is_no_rule_is_a_type_error_never_an_open_door(wrong: object) -> None:
    with pytest.raises(TypeError):
        combine(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        all_of(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        operator.and_(READ, wrong)
    with pytest.raises(TypeError):
        operator.or_(READ, wrong)


@pytest.mark.parametrize("wrong", [["a"], {"a": 1}, b"a", object()])
def test_a_claim_is_compared_with_plain_values_only(wrong: object) -> None:
    with pytest.raises(TypeError):
        claim("x").equals(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        claim("x").contains(wrong)  # type: ignore[arg-type]


def test_a_claim_needs_a_name() -> None:
    with pytest.raises(ValueError, match="name"):
        claim("")
    with pytest.raises(TypeError):
        claim(1)  # type: ignore[arg-type]


def test_several_requirements_are_all_needed() -> None:
    assert combine() is None
    assert combine("a", "b") == all_of("a", "b")
    assert combine("a b") == all_of("a", "b")
    assert combine(GOLD) is GOLD
    assert combine(GOLD, "a", READ & ADMIN) == all_of("a") & GOLD & READ & ADMIN


@pytest.mark.parametrize(
    ("rule", "ways"),
    [
        (None, ((),)),
        (all_of("a", "b"), (("a", "b"),)),
        (any_of("a", "b"), (("a",), ("b",))),
        (all_of("a") & any_of("b", "c"), (("a", "b"), ("a", "c"))),
        (all_of("a") & GOLD, (("a",),)),
        (all_of("a") | GOLD, (("a",), ())),
        (all_of("a") & all_of("a"), (("a",),)),
    ],
)
def test_the_ways_in_are_told_as_sets_of_scopes(rule: Rule | None, ways: object) -> None:
    assert alternatives(rule) == ways
