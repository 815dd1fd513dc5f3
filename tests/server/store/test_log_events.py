"""The audit log: added to in batches, read by page and from a checkpoint, delivered twice but there once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gatewright.server.errors import NotFound
from gatewright.server.model import EventType
from gatewright.server.store import Page
from gatewright.server.store.log_events import log_search
from tests.records import NOW, event

if TYPE_CHECKING:
    from gatewright.server.model import LogEvent
    from gatewright.server.store import Rows, Store


def test_an_event_comes_back_as_it_was_recorded(store: Store) -> None:
    happened = event(client_id="somebody")
    store.write(lambda tx: tx.events.append([happened]))
    assert store.read(lambda tx: tx.events.get(happened.log_id)) == happened


def test_an_unknown_event_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        store.read(lambda tx: tx.events.get("900"))


def test_nothing_to_append_is_no_error(store: Store) -> None:
    store.write(lambda tx: tx.events.append([]))
    assert store.read(lambda tx: tx.events.page(Page()).total) == 0


def test_an_event_delivered_twice_is_there_once(store: Store) -> None:
    events = [event(NOW + number) for number in range(3)]
    store.write(lambda tx: tx.events.append(events[:2]))
    store.write(lambda tx: tx.events.append(events))
    assert store.read(lambda tx: tx.events.after("", 10)) == events


def test_pages_go_by_time_in_both_directions(store: Store) -> None:
    events = [event(NOW + number) for number in range(5)]
    store.write(lambda tx: tx.events.append(reversed(events)))
    newest = store.read(lambda tx: tx.events.page(Page(start=0, limit=2)))
    oldest = store.read(lambda tx: tx.events.page(Page(start=2, limit=2), newest_first=False))
    past = store.read(lambda tx: tx.events.page(Page(start=10, limit=2)))
    assert (newest.items, newest.total) == ([events[4], events[3]], 5)
    assert (oldest.items, oldest.total) == ([events[2], events[3]], 5)
    assert (past.items, past.total) == ([], 5)


def test_events_of_one_moment_keep_the_order_in_which_they_arose(store: Store) -> None:
    events = [event(NOW) for _ in range(20)]
    store.write(lambda tx: tx.events.append(events))
    assert store.read(lambda tx: tx.events.after("", 50)) == events


def test_events_are_found_by_type_and_client(store: Store) -> None:
    refused = event(NOW, EventType.CLIENT_CREDENTIALS_REFUSED, client_id="one")
    issued = event(NOW + 1, client_id="one")
    another = event(NOW + 2, client_id="two")
    store.write(lambda tx: tx.events.append([refused, issued, another]))

    def found(query: str, limit: int = 50) -> Rows[LogEvent]:
        wanted = log_search(query)
        assert wanted is not None
        return store.read(lambda tx: tx.events.page(Page(limit=limit), wanted))

    assert found("type:feccft").items == [refused]
    assert found("client_id:one").items == [issued, refused]
    assert found("client_id:one type:seccft").items == [issued]
    assert found("client_id:one", limit=1).total == 2


def test_a_checkpoint_leads_through_all_events_once(store: Store) -> None:
    events = [event(NOW + number) for number in range(5)]
    store.write(lambda tx: tx.events.append(events))
    first = store.read(lambda tx: tx.events.after("", 2))
    second = store.read(lambda tx: tx.events.after(first[-1].log_id, 2))
    third = store.read(lambda tx: tx.events.after(second[-1].log_id, 2))
    assert [*first, *second, *third] == events
    assert store.read(lambda tx: tx.events.after(events[-1].log_id, 2)) == []


@pytest.mark.parametrize(
    "query", ["date:[* TO 9999-12-31T23:59:59-12:00]", "date:[0001-01-02 TO *]", "date:0001-01-02"]
)
def test_dates_beyond_any_log_are_understood(store: Store, query: str) -> None:
    """What such dates say of the ids of events is nothing, and no fault."""
    store.write(lambda tx: tx.events.append([event()]))
    condition = log_search(query)
    assert condition is not None
    found = store.read(lambda tx: tx.events.page(Page(), condition)).total
    assert found == (0 if query == "date:0001-01-02" else 1)


def test_only_what_is_asked_for_is_counted(store: Store) -> None:
    store.write(lambda tx: tx.events.append([event(NOW + second) for second in range(5)]))
    assert store.read(lambda tx: tx.events.page(Page(limit=2))).total == 5
    assert store.read(lambda tx: tx.events.page(Page(start=4, limit=2))).total == 5
    assert store.read(lambda tx: tx.events.page(Page(start=9, limit=2))).total == 5
    assert store.read(lambda tx: tx.events.page(Page(limit=2, is_counted=False))).total == 0


def found(store: Store, query: str) -> set[str]:
    """The audiences of the events that a query finds."""
    condition = log_search(query)
    assert condition is not None
    rows = store.read(lambda tx: tx.events.page(Page(), condition))
    return {str(each.document["audience"]) for each in rows.items}


def test_apis_are_compared_as_far_as_the_longest_identifier_goes(store: Store) -> None:
    for audience in ("a" * 600, "a" * 1000, "a", ""):
        happened = event()
        told = replace(happened, document={**happened.document, "audience": audience})
        store.write(lambda tx, told=told: tx.events.append([told]))  # type: ignore[misc]
    assert found(store, "audience:a") == {"a"}
    assert found(store, f"audience:{'a' * 600}") == {"a" * 600, "a" * 1000}
    assert found(store, f"audience:{'a' * 1000}") == {"a" * 600, "a" * 1000}
    assert found(store, "audience:aa*") == {"a" * 600, "a" * 1000}
    assert found(store, 'audience:""') == {""}
    assert len(found(store, "audience:*")) == 4


@pytest.mark.parametrize(
    ("query", "audiences"),
    [
        ("type:feccft AND audience:one", {"one"}),
        ("type:seccft AND audience:one", set()),
        ("type:seccft OR audience:one", {"one", "two"}),
        ("NOT type:seccft AND audience:one", {"one"}),
        ("type:f* AND audience:(one OR two)", {"one"}),
        ("type:* audience:two", {"two"}),
    ],
)
def test_a_type_beside_an_api_means_the_same_whichever_index_is_taken(
    store: Store, query: str, audiences: set[str]
) -> None:
    for audience, type_ in (
        ("one", EventType.CLIENT_CREDENTIALS_REFUSED),
        ("two", EventType.CLIENT_CREDENTIALS_EXCHANGED),
    ):
        happened = event(type_=type_)
        told = replace(happened, document={**happened.document, "audience": audience})
        store.write(lambda tx, told=told: tx.events.append([told]))  # type: ignore[misc]
    assert found(store, query) == audiences
