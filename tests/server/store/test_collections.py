"""The store's contract for every kind of record: what goes in comes out, once, in order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from gatewright.server.client import ClientCredential
from gatewright.server.errors import AlreadyExists, NotFound
from gatewright.server.model import ClientGrant
from gatewright.server.store import Page, Rows
from tests.databases import insert
from tests.records import api, application, client_secret, credential, grant, signing_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatewright.server.store import Store

OWNER = application("Owner")
OWNED_APIS = tuple(api(f"https://{number}.example/") for number in range(10))


@dataclass(frozen=True, slots=True)
class Kind:
    """One collection: its records, their key, a change, and another record that may not stand beside one."""

    name: str
    key: str
    make: Callable[[int], Any]
    change: Callable[[Any], Any]
    rival: Callable[[Any], Any]


def described(record: Any) -> Any:  # noqa: ANN401 - a record of any kind
    return replace(record, document={**record.document, "description": "changed"})


KINDS = (
    Kind(
        "resource_servers",
        "id",
        lambda number: api(f"https://api-{number}.example/", secret=f"secret {number}"),
        described,
        lambda record: api(record.identifier),
    ),
    Kind(
        "clients",
        "client_id",
        lambda number: application(f"Application {number}"),
        lambda record: replace(described(record), secrets=(client_secret("new"), client_secret("old"))),
        lambda record: replace(application("Rival"), client_id=record.client_id),
    ),
    Kind(
        "client_grants",
        "id",
        lambda number: grant(OWNER, OWNED_APIS[number], "read:blog"),
        described,
        lambda record: replace(grant(OWNER, OWNED_APIS[0]), resource_server_id=record.resource_server_id),
    ),
    Kind(
        "client_credentials",
        "id",
        lambda number: credential(OWNER, name=f"key {number}"),
        lambda record: ClientCredential.of(
            record.id, record.client_id, {**record.document, "expires_at": 2.5}
        ),
        lambda record: replace(credential(OWNER), id=record.id),
    ),
    Kind(
        "signing_keys",
        "kid",
        lambda number: replace(
            signing_key(),
            certificate=f"PEM {number}",
            longest_lifetime=60,
            current_since=1.5,
            current_until=2.5,
        ),
        lambda record: replace(record, state="revoked", retires_at=3.5, revoked_at=4.25),
        lambda record: replace(signing_key(), kid=record.kid),
    ),
)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest, store: Store) -> Kind:
    """Each kind in turn, with what its records point at in place."""
    kind: Kind = request.param
    if kind.name == "client_grants":
        insert(store, OWNER, *OWNED_APIS)
    if kind.name == "client_credentials":
        insert(store, OWNER)
    return kind


def read(store: Store, kind: Kind, ask: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - whatever is asked for
    return store.read(lambda tx: ask(getattr(tx, kind.name)))


def paged(store: Store, kind: Kind, page: Page) -> Rows[Any]:
    rows: Rows[Any] = read(store, kind, lambda all_: all_.page(page))
    return rows


def keys_of(kind: Kind, records: list[Any]) -> list[str]:
    return [getattr(record, kind.key) for record in records]


def test_a_record_comes_back_as_it_was_put_in(store: Store, kind: Kind) -> None:
    record = kind.make(0)
    insert(store, record)
    assert read(store, kind, lambda all_: all_.get(getattr(record, kind.key))) == record


def test_an_unknown_key_is_not_found(store: Store, kind: Kind) -> None:
    with pytest.raises(NotFound):
        read(store, kind, lambda all_: all_.get("nobody"))
    assert read(store, kind, lambda all_: all_.first(**{kind.key: "nobody"})) is None
    assert read(store, kind, lambda all_: all_.find(**{kind.key: "nobody"})) == []


def test_a_unique_value_cannot_be_taken_twice(store: Store, kind: Kind) -> None:
    record = kind.make(0)
    insert(store, record)
    with pytest.raises(AlreadyExists):
        insert(store, kind.rival(record))
    assert read(store, kind, lambda all_: all_.find(**{kind.key: getattr(record, kind.key)})) == [record]


def test_records_are_found_in_order_of_creation(store: Store, kind: Kind) -> None:
    records = [kind.make(number) for number in range(5)]
    insert(store, *records)
    wanted = tuple(keys_of(kind, records)[1:4])
    assert read(store, kind, lambda all_: all_.find()) == records
    assert read(store, kind, lambda all_: all_.find(**{kind.key: wanted})) == records[1:4]
    assert read(store, kind, lambda all_: all_.first()) == records[0]


def test_pages_follow_each_other_in_order_of_creation(store: Store, kind: Kind) -> None:
    records = [kind.make(number) for number in range(5)]
    insert(store, *records)
    pages = [paged(store, kind, Page(start=start, limit=2)) for start in (0, 2, 4, 6)]
    assert [page.items for page in pages] == [records[:2], records[2:4], records[4:], []]
    assert [page.total for page in pages] == [5, 5, 5, 5]


def test_a_page_of_nothing_still_counts(store: Store, kind: Kind) -> None:
    insert(store, kind.make(0), kind.make(1))
    rows = paged(store, kind, Page(limit=0))
    assert (rows.items, rows.total, rows.next) == ([], 2, None)


def test_a_checkpoint_leads_through_everything_once_and_then_ends(store: Store, kind: Kind) -> None:
    records = [kind.make(number) for number in range(5)]
    insert(store, *records)
    seen: list[Any] = []
    after: int | None = 0
    while after is not None:
        rows = paged(store, kind, Page(limit=2, after=after))
        assert len(rows.items) <= 2
        seen += rows.items
        after = rows.next
    assert seen == records


def test_a_checkpoint_holds_while_records_before_it_go(store: Store, kind: Kind) -> None:
    records = [kind.make(number) for number in range(4)]
    insert(store, *records)
    first = paged(store, kind, Page(limit=2, after=0))
    store.write(lambda tx: getattr(tx, kind.name).delete(getattr(records[0], kind.key)))
    rest = paged(store, kind, Page(limit=2, after=first.next))
    assert rest.items == records[2:]


def test_the_last_full_page_has_no_next(store: Store, kind: Kind) -> None:
    insert(store, kind.make(0), kind.make(1))
    assert paged(store, kind, Page(limit=2, after=0)).next is None


def test_an_update_answers_and_keeps_the_new_record(store: Store, kind: Kind) -> None:
    records = [kind.make(0), kind.make(1)]
    insert(store, *records)
    key = getattr(records[0], kind.key)
    answered = store.write(lambda tx: getattr(tx, kind.name).update(key, kind.change))
    assert answered == kind.change(records[0])
    assert read(store, kind, lambda all_: all_.get(key)) == answered
    # Neither its place in lists nor its neighbour moved.
    assert keys_of(kind, read(store, kind, lambda all_: all_.find())) == keys_of(kind, records)
    assert read(store, kind, lambda all_: all_.find())[1] == records[1]


def test_updating_what_is_not_there_is_not_found(store: Store, kind: Kind) -> None:
    with pytest.raises(NotFound):
        store.write(lambda tx: getattr(tx, kind.name).update("nobody", kind.change))


def test_a_deleted_record_is_gone_and_the_others_stay(store: Store, kind: Kind) -> None:
    records = [kind.make(0), kind.make(1)]
    insert(store, *records)
    key = getattr(records[0], kind.key)
    store.write(lambda tx: getattr(tx, kind.name).delete(key))
    store.write(lambda tx: getattr(tx, kind.name).delete(key))  # removed already: not an error
    assert read(store, kind, lambda all_: all_.find()) == records[1:]


def test_a_position_is_never_given_twice(store: Store, kind: Kind) -> None:
    """Or a checkpoint taken before a deletion would show the new record too early, or not at all."""
    insert(store, kind.make(0), kind.make(1), kind.make(2))
    reached = paged(store, kind, Page(limit=2, after=0)).next
    assert reached is not None
    store.write(lambda tx: getattr(tx, kind.name).delete_all())
    late = kind.make(3)
    insert(store, late)
    assert paged(store, kind, Page(after=reached + 1)).items == [late]


def test_an_update_cannot_take_anothers_unique_value(store: Store) -> None:
    first, second = api("https://first.example/"), api("https://second.example/")
    insert(store, first, second)
    with pytest.raises(AlreadyExists):
        store.write(
            lambda tx: tx.resource_servers.update(
                second.id, lambda record: replace(record, identifier=first.identifier)
            )
        )
    assert store.read(lambda tx: tx.resource_servers.get(second.id)) == second


def test_no_two_keys_of_an_algorithm_are_current_or_next_at_once(store: Store) -> None:
    insert(store, signing_key("current"))
    insert(store, signing_key("current", alg="ES256"))
    with pytest.raises(AlreadyExists):
        insert(store, signing_key("current"))


ODD_DOCUMENTS: tuple[dict[str, object], ...] = (
    {},
    {"name": 'Ünïcode ✓ 🦊 \u0000 \u2028 "quoted" \\ </script>'},
    {"largest": 2**53, "smallest": -(2**53), "zero": 0, "minus": -0.0, "float": 0.1, "tiny": 5e-324},
    {"nested": {"a": [{"b": [[], {}, "", None, True, False]}]}, "": "an empty name", "é": 1},
    {"z": 1, "a": 2, "m": 3},
)


@pytest.mark.parametrize("odd", ODD_DOCUMENTS, ids=["empty", "text", "numbers", "nested", "order"])
def test_odd_documents_come_back_member_for_member_in_their_order(
    store: Store, odd: dict[str, object]
) -> None:
    client = replace(application(), document=odd)
    insert(store, client)
    document = store.read(lambda tx: tx.clients.get(client.client_id)).document
    assert document == odd
    assert list(document) == list(odd)
    assert [type(value) for value in document.values()] == [type(value) for value in odd.values()]


@pytest.mark.parametrize("secret", ["", "ünïcode ✓", "x" * 512], ids=["empty", "unicode", "long"])
def test_odd_secrets_come_back(store: Store, secret: str) -> None:
    both = (client_secret(secret), client_secret("second"))
    client = replace(application(), secrets=both)
    resource_server = api(alg="HS256", secret=secret)
    insert(store, client, resource_server)
    assert store.read(lambda tx: tx.clients.get(client.client_id)).secrets == both
    assert store.read(lambda tx: tx.resource_servers.get(resource_server.id)).signing_secret == secret


def grants_of_two(store: Store) -> tuple[ClientGrant, ClientGrant]:
    clients = application("first"), application("second")
    apis = api("https://first.example/"), api("https://second.example/")
    grants = grant(clients[0], apis[0], "read:blog"), grant(clients[1], apis[1], "read:blog")

    insert(store, *clients, *apis, *grants)
    return grants


def test_a_deleted_client_takes_its_grants_along(store: Store) -> None:
    gone, kept = grants_of_two(store)
    store.write(lambda tx: tx.clients.delete(str(gone.client_id)))
    assert store.read(lambda tx: tx.client_grants.find()) == [kept]


def test_a_deleted_api_takes_its_grants_along(store: Store) -> None:
    gone, kept = grants_of_two(store)
    store.write(lambda tx: tx.resource_servers.delete(gone.resource_server_id))
    assert store.read(lambda tx: tx.client_grants.find()) == [kept]


def test_delete_all_removes_exactly_what_find_answers(store: Store) -> None:
    gone, kept = grants_of_two(store)
    store.write(lambda tx: tx.client_grants.delete_all(client_id=gone.client_id))
    assert store.read(lambda tx: tx.client_grants.find()) == [kept]


def test_records_are_found_by_each_column(store: Store) -> None:
    first_party = replace(application("first"), document={"app_type": "spa", "is_first_party": True})
    third_party = replace(application("third"), document={"app_type": "native", "is_first_party": False})
    insert(store, first_party, third_party)

    def found(**equals: object) -> list[object]:
        return list(store.read(lambda tx: tx.clients.find(**equals)))

    assert found(is_first_party=False) == [third_party]
    assert found(app_type="spa") == [first_party]
    assert found(app_type=("spa", "native")) == [first_party, third_party]
    assert found(client_id=()) == []


def test_the_system_api_has_no_identifier_and_is_found_as_such(store: Store) -> None:
    system = replace(api(), identifier=None, document={**api().document, "is_system": True})
    insert(store, api(), system)
    assert store.read(lambda tx: tx.resource_servers.first(is_system=True)) == system
    assert store.read(lambda tx: tx.resource_servers.first(identifier=None)) == system


def test_an_option_is_kept_and_replaced(store: Store) -> None:
    assert store.read(lambda tx: tx.option("friendly_name")) is None
    store.write(lambda tx: tx.set_option("friendly_name", {"value": "one"}))
    store.write(lambda tx: tx.set_option("friendly_name", {"value": "two"}))
    assert store.read(lambda tx: tx.option("friendly_name")) == {"value": "two"}
