"""Permissions as people type them."""

from __future__ import annotations

import pytest

from gatewright.cli import scopes
from gatewright.cli.failures import Failure
from gatewright.cli.options import split_scopes


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["b,a"], [{"value": "b"}, {"value": "a"}]),
        (["b", "a b"], [{"value": "b"}, {"value": "a"}]),
        (["a, b"], [{"value": "a"}, {"value": "b"}]),
        (["a=Read it"], [{"value": "a", "description": "Read it"}]),
        (["a=Read, and more,b=Write"], [
            {"value": "a", "description": "Read, and more"},
            {"value": "b", "description": "Write"},
        ]),
        (["a=x=y"], [{"value": "a", "description": "x=y"}]),
        (["a="], [{"value": "a"}]),
        ([" ", ","], []),
    ],
)  # fmt: skip
def test_permissions_are_parsed_in_the_order_typed(words: list[str], expected: list[dict[str, str]]) -> None:
    assert scopes.parse(words) == expected


def test_adding_keeps_places_and_describes_anew() -> None:
    present = [{"value": "b", "description": "old"}, {"value": "a"}]
    assert scopes.added(present, [{"value": "c"}, {"value": "b", "description": "new"}]) == [
        {"value": "b", "description": "new"},
        {"value": "a"},
        {"value": "c"},
    ]
    assert scopes.added(present, [{"value": "b"}])[0] == {"value": "b", "description": "old"}


def test_removing_what_is_not_there_is_a_failure() -> None:
    with pytest.raises(Failure, match="does not define c"):
        scopes.removed([{"value": "a"}], ["a", "c"], api="Blog")


def test_scopes_are_split_at_spaces_and_commas_without_repetition() -> None:
    assert split_scopes(["b a", "a,c", ""]) == ["b", "a", "c"]
    assert split_scopes(None) == []
