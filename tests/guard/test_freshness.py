"""How long keys may be relied on and when to ask again: to the second."""

from __future__ import annotations

import pytest

from gatewright.guard.freshness import COOL_DOWN, STALE_IF_ERROR, AbsentKeys, KeyState
from gatewright.guard.refresh import Fetched, FetchFailed
from gatewright.jose import JWKS
from tests.guard.issuing import NOW, key

WANTED = ("k1", "RS256")
ABSENT = ("k2", "RS256")
LIFE = 1000.0


def known() -> KeyState:
    """Keys of `NOW` that live for `LIFE` seconds."""
    keys = JWKS([key("k1").public()])
    return KeyState().learned(Fetched(keys, LIFE, "https://issuer.example/k", discovered=True), NOW)


AWAY = FetchFailed("away", outage=True)
NO_KEYS = FetchFailed("there are none", outage=False)


@pytest.mark.parametrize(
    ("after", "fresh", "usable", "outage", "refusal"),
    [
        (-1, False, True, True, False),
        (0, True, True, True, True),
        (LIFE - 1, True, True, True, True),
        (LIFE, False, True, True, False),
        (LIFE + STALE_IF_ERROR - 1, False, True, True, False),
        (LIFE + STALE_IF_ERROR, False, False, False, False),
    ],
)
def test_keys_are_fresh_then_stale_then_gone(
    after: float, *, fresh: bool, usable: bool, outage: bool, refusal: bool
) -> None:
    now = NOW + after
    assert known().fresh(now) is fresh
    assert known().usable(now) is usable
    assert known().failed(AWAY).usable(now) is outage
    assert known().failed(NO_KEYS).usable(now) is refusal
    assert KeyState().fresh(now) is KeyState().usable(now) is False


def test_a_request_waits_where_nothing_can_be_used_or_what_is_old_was_not_asked_for_again() -> None:
    assert KeyState().must_ask(NOW)
    assert not known().must_ask(NOW)
    assert known().must_ask(NOW + LIFE)
    assert not known().failed(AWAY).must_ask(NOW + LIFE)
    assert known().failed(NO_KEYS).must_ask(NOW + LIFE)
    assert known().failed(AWAY).must_ask(NOW + LIFE + STALE_IF_ERROR)


def test_what_another_process_has_fetched_is_enough_while_it_would_not_be_asked_for_again() -> None:
    state = known()
    assert state.answers(None, NOW + 1)
    assert state.answers(WANTED, state.refresh_at - 1)
    assert not state.answers(WANTED, state.refresh_at)
    assert not state.answers(WANTED, NOW + LIFE)
    assert not state.answers(WANTED, NOW - 1)
    assert state.answers(ABSENT, NOW + COOL_DOWN - 1)
    assert not state.answers(ABSENT, NOW + COOL_DOWN)
    assert not KeyState().answers(None, NOW)


def test_a_refresh_is_due_in_the_last_quarter_and_not_for_all_at_once() -> None:
    due = {known().refresh_at - NOW for _ in range(50)}
    assert min(due) >= 0.75 * LIFE
    assert max(due) <= 0.85 * LIFE
    assert len(due) > 1


def test_the_same_keys_again_are_the_very_same_and_others_another_generation() -> None:
    first = known()
    again = Fetched(JWKS([key("k1").public()]), 5.0, "https://issuer.example/k", discovered=False)
    second = first.learned(again, NOW + 10)
    assert second.keys is first.keys
    assert (second.generation, second.fetched_at, second.expires_at) == (1, NOW + 10, NOW + 15)
    assert second.discovered_at == NOW
    moved = Fetched(JWKS([key("k2").public()]), 5.0, "https://issuer.example/other", discovered=False)
    third = second.learned(moved, NOW + 20)
    assert (third.generation, third.discovered_at, third.has(WANTED), third.has(ABSENT)) == (
        2,
        0.0,
        False,
        True,
    )


def test_failures_are_counted_until_a_good_answer() -> None:
    state = known().failed(AWAY).failed(NO_KEYS)
    assert (state.failures, state.failure) == (2, NO_KEYS)
    healed = state.learned(Fetched(JWKS([key("k1").public()]), LIFE, "x", discovered=True), NOW + 1)
    assert (healed.failures, healed.failure) == (0, None)


def test_health_says_until_when_the_keys_serve() -> None:
    health = known().health("https://issuer.example/", fetches=3, now=NOW)
    assert (health.issuer, health.keys, health.fetches) == ("https://issuer.example/", ("k1",), 3)
    assert (health.fetched_at, health.fresh_until) == (NOW, NOW + LIFE)
    assert health.usable_until == NOW + LIFE + STALE_IF_ERROR
    assert (health.stale, health.failures, health.last_failure) == (False, 0, None)
    refused = known().failed(NO_KEYS).health("i", fetches=1, now=NOW + LIFE)
    assert (refused.usable_until, refused.stale) == (NOW + LIFE, True)
    assert (refused.failures, refused.last_failure) == (1, "there are none")
    cold = KeyState().health("i", fetches=0, now=NOW)
    assert (cold.keys, cold.fetched_at, cold.fresh_until, cold.usable_until) == ((), None, None, None)
    assert cold.stale is False


def test_an_absent_key_is_absent_for_a_minute_and_the_oldest_of_128_leaves_first() -> None:
    absent = AbsentKeys()
    for number in range(128):
        absent.note((str(number), "RS256"), NOW)
    absent.note(("0", "RS256"), NOW)
    absent.note(("new", "RS256"), NOW)
    assert not absent.holds(("1", "RS256"), NOW)
    for kid in ("0", "2", "127", "new"):
        assert absent.holds((kid, "RS256"), NOW)
        assert not absent.holds((kid, "ES256"), NOW)
    assert absent.holds(("0", "RS256"), NOW + 59)
    assert not absent.holds(("0", "RS256"), NOW + 60)
    assert not absent.holds(("0", "RS256"), NOW - 1)
    absent.clear()
    assert not absent.holds(("0", "RS256"), NOW)
