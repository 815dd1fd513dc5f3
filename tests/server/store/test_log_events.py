"""The audit log: added to in batches, read by page and from a checkpoint, delivered twice but there once."""

from __future__ import annotations

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
