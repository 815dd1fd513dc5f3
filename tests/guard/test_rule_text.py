"""Rules read back from how they print: the same rule, or an error; nothing else."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright import Request, acr, all_of, any_of, claim, fresh, path, where
from gatewright.guard.rule_text import DEEPEST, LONGEST, parse
from gatewright.guard.rules import Rule, Situation
from tests.guard.issuing import NOW
from tests.guard.test_rules import holder

SCOPES = st.text(string.printable[:94].replace('"', "").replace("\\", ""), min_size=1, max_size=12)
WORDS = st.lists(SCOPES, min_size=1, max_size=4)
# Any text but that of two halves of one character, which JSON writes like the character.
TEXTS = st.text(min_size=1, max_size=12) | st.sampled_from(["\ud83d", "\U0001f600", '"', "\\", "\x7f", "\n"])
VALUES = st.one_of(
    st.text(max_size=12),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.builds(path, TEXTS),
)
CLAIMS = st.lists(TEXTS, min_size=1, max_size=3).map(lambda names: claim(*names))
SIMPLE = st.one_of(
    WORDS.map(lambda words: all_of(*words)),
    WORDS.map(lambda words: any_of(*words)),
    WORDS.map(lambda words: acr(*words)),
    st.integers(0, 10**9).map(lambda seconds: fresh(max_age=seconds)),
    st.builds(lambda held, value: held.equals(value), CLAIMS, VALUES),
    st.builds(lambda held, value: held.contains(value), CLAIMS, VALUES),
)
RULES = st.recursive(
    SIMPLE,
    lambda inner: st.builds(lambda a, b, both: a & b if both else a | b, inner, inner, st.booleans()),
    max_leaves=12,
)


@given(RULES)
def test_what_prints_is_read_back_as_the_same_rule(rule: Rule) -> None:
    assert parse(repr(rule)) == rule


@given(
    st.text(alphabet='all_ofanycimpthrew()"".,&|= -0123456789\\u{}[]\n', max_size=60) | st.text(max_size=60)
)
def test_any_other_text_is_refused(text: str) -> None:
    try:
        rule = parse(text)
    except ValueError:
        return
    assert repr(rule) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "read:blog",
        "any valid token",
        "public",
        "all_of()",
        'all_of("a b")',
        'all_of("a", "a")',
        'all_of("a",)',
        ' all_of("a")',
        'all_of("a") ',
        'all_of("a")\n',
        "all_of('a')",
        'all_of("a" "b")',
        'all_of(f"a")',
        'all_of(b"a")',
        'all_of(*"ab")',
        'all_of(scopes="a")',
        'all_of(path("a"))',
        'all_of("\\x61")',
        '(all_of("a"))',
        'all_of("a") # remark',
        'all_of("a") and any_of("b")',
        'all_of("a") + any_of("b")',
        '~all_of("a")',
        'all_of("a") & "b"',
        'all_of("a") & public',
        'all_of("a") & (any_of("b") & any_of("c"))',
        'claim("a")',
        'claim("a").equals()',
        'claim("a").equals(all_of("b"))',
        'claim("a").equals(--1)',
        'claim("a").equals(-True)',
        'claim("a").equals(nan)',
        'claim("a").equals(1e999)',
        'claim("a").equals(1_0)',
        'claim("a").equals(0x1)',
        'claim("a").equals(1j)',
        'claim("a").equals.equals(1)',
        'claim("a").contains([1])',
        'claim("a").name',
        "fresh(1)",
        "fresh(max_age=-1)",
        "fresh(max_age=True)",
        "fresh(max_age=1.5)",
        'fresh(max_age="1")',
        'fresh(max_age=fresh("a"))',
        "where()",
        'where("")',
        'where(print, name="a")',
        'path("a")',
        "__import__('os').system('true')",
        'all_of.__class__("a")',
        "claim(" * 200 + ")" * 200,
        "(" * 5000,
        "-" * 5000 + "1",
        "claim.equals" * 1000,
        'all_of("a") & ' * 1200,
        "9" * 10_000,
        'claim("a").equals(' + "9" * 10_000 + ")",
        "\x00",
        'all_of("\ud800")',
    ],
)
def test_hostile_text_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="no rule as it prints"):
        parse(text)


def test_length_and_depth_are_bounded() -> None:
    longest = f'all_of("{"a" * (LONGEST - len("all_of()") - 2)}")'
    assert repr(parse(longest)) == longest
    with pytest.raises(ValueError, match="no rule as it prints"):
        parse(longest.replace("aa", "aaa", 1))

    deep: Rule = all_of("a")
    for level in range(DEEPEST - 1):
        deep = deep & any_of("b") if level % 2 else deep | any_of("b")
    assert parse(repr(deep)) == deep
    with pytest.raises(ValueError, match="no rule as it prints"):
        parse(repr(deep & any_of("c") if DEEPEST % 2 == 0 else deep | any_of("c")))


def test_a_long_row_is_not_deep() -> None:
    row: Rule = all_of("s0")
    for number in range(1, 400):
        row = row & any_of(f"s{number}", "x")
    assert parse(repr(row)) == row


def test_a_function_is_known_by_its_name_alone() -> None:
    rule = where(lambda *_: True, name="works on weekdays") & all_of("a")
    read = parse(repr(rule))
    assert repr(read) == repr(rule)
    assert read == parse(repr(rule))
    with pytest.raises(LookupError, match="does not have its function"):
        read.unmet(holder("a"), Situation(Request("GET", "/"), NOW))
