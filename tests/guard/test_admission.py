"""What an adapter remembers of one request: who was let in first is asked again when a rule turns up."""

# ruff: noqa: ANN401 - both ways are called alike
from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gatewright import AccessToken, Denied, Guard, Request, claim, path
from gatewright.guard.admission import GUARD, TOKEN, Notes, aadmit, admit
from gatewright.guard.rules import Rule, all_of
from tests.guard.issuing import bearer, guard, token

READ, CREATE = all_of("read:blog"), all_of("create:blog")
NOBODY = Request("GET", "/")


def reader() -> Request:
    return Request("GET", "/", bearer(token(scope="read:blog")))


def now(notes: Notes, by: Guard, request: Request, rule: Rule | None, **options: bool) -> AccessToken | None:
    return admit(notes, by, lambda: request, rule, **options)


def later(
    notes: Notes, by: Guard, request: Request, rule: Rule | None, **options: bool
) -> AccessToken | None:
    return asyncio.run(aadmit(notes, by, lambda: request, rule, **options))


Way = Callable[..., AccessToken | None]
both_ways = pytest.mark.parametrize("admitted", [now, later])


def reason(admitted: Way, *arguments: Any, **options: bool) -> str:
    with pytest.raises(Denied) as refused:
        admitted(*arguments, **options)
    return refused.value.reason


@both_ways
def test_a_request_is_decided_about_once(admitted: Way) -> None:
    notes: dict[str, Any] = {}
    by, request = guard(), reader()
    entered = admitted(notes, by, request, READ)
    assert entered is not None
    assert notes == {TOKEN: entered, GUARD: by}
    assert admitted(notes, by, request, None) is entered
    assert admitted(notes, by, request, READ) is entered
    assert by.counts() == {"accepted": 1}


@both_ways
def test_a_rule_that_turns_up_later_is_asked_for_with_the_request(admitted: Way) -> None:
    notes: dict[str, Any] = {}
    by, request = guard(), reader()
    admitted(notes, by, request, None)
    assert reason(admitted, notes, by, request, CREATE) == "insufficient_scope"
    own = claim("sub").equals(path("user"))
    mine = Request("GET", "/", request.headers, path_params={"user": "app@clients"})
    assert admitted(notes, by, mine, own) is notes[TOKEN]
    theirs = Request("GET", "/", request.headers, path_params={"user": "other"})
    assert reason(admitted, notes, by, theirs, own) == "rule_not_met"


@both_ways
def test_what_another_guard_has_decided_does_not_count(admitted: Way) -> None:
    notes: dict[str, Any] = {}
    first, second = guard(), guard()
    admitted(notes, first, reader(), READ)
    assert reason(admitted, notes, second, NOBODY, None) == "no_token"
    assert notes[GUARD] is first
    admitted(notes, second, reader(), READ)
    assert notes[GUARD] is second


@both_ways
def test_who_is_refused_leaves_no_note(admitted: Way) -> None:
    notes: dict[str, Any] = {}
    assert reason(admitted, notes, guard(), NOBODY, None) == "no_token"
    assert reason(admitted, notes, guard(), NOBODY, READ, optional=True) == "no_token"
    assert reason(admitted, notes, guard(), NOBODY, None, optional=False) == "no_token"
    assert notes == {}


@both_ways
def test_who_came_in_without_a_token_is_asked_for_one_where_a_rule_turns_up(admitted: Way) -> None:
    notes: dict[str, Any] = {}
    by = guard()
    assert admitted(notes, by, NOBODY, None, optional=True) is None
    assert notes == {TOKEN: None, GUARD: by}
    assert admitted(notes, by, NOBODY, None) is None
    assert reason(admitted, notes, by, NOBODY, READ) == "no_token"
    assert by.counts() == {"anonymous": 1, "no_token": 1}


@both_ways
def test_a_token_that_was_not_looked_at_before_is_looked_at_then(admitted: Way) -> None:
    notes: dict[str, Any] = {}
    by = guard()
    admitted(notes, by, NOBODY, None, optional=True)
    assert reason(admitted, notes, by, reader(), CREATE) == "insufficient_scope"
    entered = admitted(notes, by, reader(), READ)
    assert entered is not None
    assert notes == {TOKEN: entered, GUARD: by}


@both_ways
def test_where_nothing_is_enforced_everybody_enters_and_is_counted(admitted: Way) -> None:
    notes: dict[str, Any] = {}
    by = guard(enforce=False)
    assert admitted(notes, by, NOBODY, READ) is None
    assert admitted(notes, by, NOBODY, CREATE) is None
    assert by.counts() == {"no_token": 1}
    notes.clear()
    entered = admitted(notes, by, reader(), CREATE)
    assert entered is not None
    assert entered.scopes == ("read:blog",)
    assert admitted(notes, by, reader(), CREATE) is entered
    assert by.counts() == {"no_token": 1, "insufficient_scope": 2}
