"""The hot path's memory by itself: what it keeps, for how long, and what a change drops."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from gatewright.server.model import GrantPolicy
from gatewright.server.store.policies import GrantPolicies
from gatewright.server.store.transaction import Batch, Change
from tests.records import AUDIENCE, api, application, grant


def whole_policy() -> GrantPolicy:
    client, resource_server = application(), api()
    return GrantPolicy(client, resource_server, grant(client, resource_server, "read:blog"))


def names(policy: GrantPolicy) -> list[tuple[str, str]]:
    assert policy.client is not None
    assert policy.resource_server is not None
    assert policy.client_grant is not None
    return [
        ("client", policy.client.client_id),
        ("resource_server", policy.resource_server.id),
        ("client_grant", policy.client_grant.id),
    ]


def batch(revision: int, *changed: tuple[str, str]) -> Batch:
    return Batch(revision, tuple(Change(revision, kind, key) for kind, key in changed))


@pytest.fixture
def policies() -> GrantPolicies:
    return GrantPolicies(revision=5)


def test_a_kept_policy_is_given_for_its_client_and_audience_only(policies: GrantPolicies) -> None:
    policy = whole_policy()
    policies.keep("client", AUDIENCE, policy, 5)
    assert policies.get("client", AUDIENCE) is policy
    assert policies.get("client", "https://other.example/") is None
    assert policies.get("other", AUDIENCE) is None


def test_a_policy_read_before_a_change_and_kept_after_it_is_not_kept(policies: GrantPolicies) -> None:
    policy = whole_policy()
    policies.apply(batch(6, ("client", "anybody")))
    policies.keep("client", AUDIENCE, policy, 5)
    assert policies.get("client", AUDIENCE) is None
    policies.keep("client", AUDIENCE, policy, 6)
    assert policies.get("client", AUDIENCE) is policy


def test_a_policy_read_at_a_later_revision_than_applied_is_kept(policies: GrantPolicies) -> None:
    policy = whole_policy()
    policies.keep("client", AUDIENCE, policy, 9)
    assert policies.get("client", AUDIENCE) is policy


@pytest.mark.parametrize("missing", ["client", "resource_server", "client_grant"])
def test_what_is_not_whole_is_not_kept(policies: GrantPolicies, missing: str) -> None:
    absent: dict[str, Any] = {missing: None}
    incomplete = replace(whole_policy(), **absent)
    policies.keep("client", AUDIENCE, incomplete, 5)
    assert policies.get("client", AUDIENCE) is None


@pytest.mark.parametrize("which", [0, 1, 2], ids=["client", "resource_server", "client_grant"])
def test_a_change_drops_the_entries_of_that_record_and_no_others(policies: GrantPolicies, which: int) -> None:
    touched, untouched = whole_policy(), whole_policy()
    policies.keep("touched", AUDIENCE, touched, 5)
    policies.keep("untouched", AUDIENCE, untouched, 5)
    policies.apply(batch(6, names(touched)[which]))
    assert policies.get("touched", AUDIENCE) is None
    assert policies.get("untouched", AUDIENCE) is untouched


def test_a_change_of_an_api_drops_every_client_of_it(policies: GrantPolicies) -> None:
    resource_server = api()
    for name in ("first", "second"):
        client = application(name)
        policies.keep(name, AUDIENCE, GrantPolicy(client, resource_server, grant(client, resource_server)), 5)
    policies.apply(batch(6, ("resource_server", resource_server.id)))
    assert (policies.get("first", AUDIENCE), policies.get("second", AUDIENCE)) == (None, None)


def test_records_of_other_kinds_with_the_same_key_drop_nothing(policies: GrantPolicies) -> None:
    policy = whole_policy()
    policies.keep("client", AUDIENCE, policy, 5)
    policies.apply(batch(6, *(("signing_key", key) for _, key in names(policy))))
    assert policies.get("client", AUDIENCE) is policy


def test_a_gap_in_the_feed_drops_everything(policies: GrantPolicies) -> None:
    policies.keep("client", AUDIENCE, whole_policy(), 5)
    policies.apply(Batch(99, None))
    assert policies.get("client", AUDIENCE) is None
    assert policies.revision == 99


def test_an_older_batch_does_not_turn_the_revision_back(policies: GrantPolicies) -> None:
    policies.apply(batch(8))
    policies.apply(batch(7))
    assert policies.revision == 8


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_an_entry_that_replaced_another_goes_in_whatever_order_changes_come(
    policies: GrantPolicies, order: tuple[int, ...]
) -> None:
    """Two requests read around a re-created grant: the later entry takes the earlier one's place."""
    before = whole_policy()
    assert before.client is not None
    assert before.resource_server is not None
    after = replace(before, client_grant=grant(before.client, before.resource_server, "create:blog"))
    policies.keep("client", AUDIENCE, before, 5)
    policies.keep("client", AUDIENCE, after, 7)
    changed = [*names(before), names(after)[2]]
    policies.apply(batch(8, *(changed[which] for which in order)))
    assert policies.get("client", AUDIENCE) is None


def test_the_least_recently_used_entry_leaves_first(
    policies: GrantPolicies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatewright.server.store.policies.MOST_ENTRIES", 3)
    kept = {name: whole_policy() for name in ("first", "second", "third", "fourth")}
    for name in ("first", "second", "third"):
        policies.keep(name, AUDIENCE, kept[name], 5)
    policies.get("first", AUDIENCE)
    policies.keep("fourth", AUDIENCE, kept["fourth"], 5)
    assert [name for name in kept if policies.get(name, AUDIENCE)] == ["first", "third", "fourth"]
    # What left is forgotten altogether: its changes find nothing to drop.
    policies.apply(batch(6, *names(kept["second"])))
    assert policies.get("first", AUDIENCE) is kept["first"]


def test_nothing_is_held_on_to_after_entries_left(
    policies: GrantPolicies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatewright.server.store.policies.MOST_ENTRIES", 10)
    for number in range(50):
        policies.keep(str(number), AUDIENCE, whole_policy(), 5)
        policies.keep(str(number), AUDIENCE, whole_policy(), 5)
    assert len(policies._entries) == 10  # noqa: SLF001 - memory has no public face
    assert len(policies._keys_of) == 30  # noqa: SLF001 - as above
