"""The change feed: what one process changes, every other knows at its next request."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from gatewright.server.client import Client
from gatewright.server.model import ClientGrant, ResourceServer
from tests.databases import SYSTEM_IDENTIFIER, catch_up, insert, policy_of
from tests.records import AUDIENCE, api, application, client_secret, event, grant

if TYPE_CHECKING:
    from gatewright.server.model import GrantPolicy
    from gatewright.server.store import Store, Transaction
    from gatewright.server.store.transaction import Batch
    from tests.databases import Database


@dataclass(frozen=True, slots=True)
class Authorized:
    """An application that may read at an API."""

    client: Client
    resource_server: ResourceServer
    grant: ClientGrant

    def ask(self, store: Store) -> GrantPolicy:
        return policy_of(store, self.client.client_id, str(self.resource_server.identifier))


def authorize(store: Store, audience: str = AUDIENCE) -> Authorized:
    client, resource_server = application(), api(audience)
    granted = grant(client, resource_server, "read:blog")
    insert(store, client, resource_server, granted)
    return Authorized(client, resource_server, granted)


@pytest.fixture
def authorized(store: Store) -> Authorized:
    return authorize(store)


def rotate_secret(store: Store, client: Client, secret: str) -> None:
    store.write(
        lambda tx: tx.clients.update(
            client.client_id, lambda before: replace(before, secrets=(client_secret(secret),))
        )
    )


def change_often(store: Store, times: int) -> None:
    """As many revisions that concern no policy."""
    for _ in range(times):
        store.write(lambda tx: tx.set_option("name", {"value": 1}))


def widen(store: Store, authorized: Authorized) -> None:
    document = {**authorized.grant.document, "scope": ["read:blog", "create:blog"]}
    store.write(
        lambda tx: tx.client_grants.update(
            authorized.grant.id, lambda before: replace(before, document=document)
        )
    )


def test_a_policy_is_the_three_records_together(store: Store, authorized: Authorized) -> None:
    policy = authorized.ask(store)
    assert (policy.client, policy.resource_server, policy.client_grant) == (
        authorized.client,
        authorized.resource_server,
        authorized.grant,
    )


def test_what_does_not_exist_is_absent_from_the_policy(store: Store, authorized: Authorized) -> None:
    stranger = application()
    insert(store, stranger)
    unknown_client = policy_of(store, "nobody", AUDIENCE)
    unknown_api = policy_of(store, authorized.client.client_id, "https://nowhere.example/")
    ungranted = policy_of(store, stranger.client_id, AUDIENCE)
    assert (unknown_client.client, unknown_client.resource_server) == (None, authorized.resource_server)
    assert (unknown_api.client, unknown_api.resource_server) == (authorized.client, None)
    assert (ungranted.client, ungranted.client_grant) == (stranger, None)


def test_the_system_api_answers_to_the_identifier_derived_from_the_issuer(store: Store) -> None:
    system = replace(api(), identifier=None, document={**api().document, "is_system": True})
    client = application()
    insert(store, client, system, grant(client, system, "read:clients"))
    assert policy_of(store, client.client_id, SYSTEM_IDENTIFIER).resource_server == system


def test_a_grant_to_users_authorizes_no_machine(store: Store, authorized: Authorized) -> None:
    for_users = replace(authorized.grant, document={**authorized.grant.document, "subject_type": "user"})
    store.write(lambda tx: tx.client_grants.update(authorized.grant.id, lambda _: for_users))
    assert authorized.ask(store).client_grant is None


def test_an_unchanged_policy_is_answered_from_memory(store: Store, authorized: Authorized) -> None:
    assert authorized.ask(store) is authorized.ask(store)


def test_a_change_of_its_own_is_known_when_write_returns(store: Store, authorized: Authorized) -> None:
    authorized.ask(store)
    rotate_secret(store, authorized.client, "new")
    key = authorized.client.client_id, AUDIENCE
    assert store.policies.get(*key) is None
    assert store.policies.revision == store.read(lambda tx: tx.revision())


def test_a_secret_rotated_by_another_process_is_known_at_the_next_request(
    store: Store, other: Store, authorized: Authorized
) -> None:
    before = authorized.ask(other).client
    rotate_secret(store, authorized.client, "new")
    after = authorized.ask(other).client
    assert before == authorized.client
    assert after is not None
    assert after.secrets == (client_secret("new"),)


def test_every_kind_of_change_by_another_process_is_known(
    store: Store, other: Store, authorized: Authorized
) -> None:
    authorized.ask(other)
    widen(store, authorized)
    widened = authorized.ask(other).client_grant
    assert widened is not None
    assert widened.scope == ("read:blog", "create:blog")

    store.write(
        lambda tx: tx.resource_servers.update(
            authorized.resource_server.id,
            lambda before: replace(before, document={**before.document, "token_lifetime": 60}),
        )
    )
    shortened = authorized.ask(other).resource_server
    assert shortened is not None
    assert shortened.token_lifetime == 60

    store.write(lambda tx: tx.client_grants.delete(authorized.grant.id))
    assert authorized.ask(other).client_grant is None
    store.write(lambda tx: tx.clients.delete(authorized.client.client_id))
    assert authorized.ask(other).client is None


def test_a_deleted_client_is_unknown_though_only_the_cascade_took_its_grant(
    store: Store, other: Store, authorized: Authorized
) -> None:
    authorized.ask(other)
    store.write(lambda tx: tx.clients.delete(authorized.client.client_id))
    assert authorized.ask(other).client is None
    assert authorized.ask(store).client_grant is None


def test_a_change_by_another_process_is_not_lost_when_our_own_follows_it(
    store: Store, other: Store, authorized: Authorized
) -> None:
    """The revision of our own change may not stand for those before it that we never read."""
    authorized.ask(other)
    rotate_secret(store, authorized.client, "new")
    change_often(other, 1)
    after = authorized.ask(other).client
    assert after is not None
    assert after.secrets == (client_secret("new"),)


def test_listeners_hear_every_change_of_both_processes_once_or_more(store: Store, other: Store) -> None:
    heard: set[tuple[str, str]] = set()

    def listen(batch: Batch) -> None:
        heard.update((change.kind, change.key) for change in batch.changes or ())

    other.on_change(listen)
    clients = [application(str(number)) for number in range(40)]

    def create(number: int) -> None:
        insert((store, other)[number % 2], clients[number])
        catch_up(other)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(create, range(len(clients))))
    assert heard == {("client", client.client_id) for client in clients}


def test_a_listener_that_failed_hears_the_change_again(
    store: Store, other: Store, authorized: Authorized
) -> None:
    """A process that could not apply a revocation must not believe that it did."""
    heard: list[str] = []

    def listen(batch: Batch) -> None:
        heard.extend(change.key for change in batch.changes or ())
        if len(heard) == 1:
            raise RuntimeError("the database went away")

    other.on_change(listen)
    catch_up(other)
    heard.clear()
    rotate_secret(store, authorized.client, "new")
    with pytest.raises(RuntimeError):
        catch_up(other)
    catch_up(other)
    assert heard == [authorized.client.client_id] * 2


def test_log_events_alone_move_no_revision(store: Store, authorized: Authorized) -> None:
    policy = authorized.ask(store)
    revision = store.read(lambda tx: tx.revision())
    store.write(lambda tx: tx.events.append([event()]))
    assert store.read(lambda tx: tx.revision()) == revision
    assert authorized.ask(store) is policy


def test_one_transaction_is_one_revision_and_names_each_record_once(store: Store) -> None:
    client = application()

    def run(tx: Transaction) -> None:
        tx.clients.insert(client)
        tx.clients.update(client.client_id, lambda before: replace(before, secrets=(client_secret("new"),)))
        tx.set_option("name", {"value": 1})

    store.write(run)
    batch = store.read(lambda tx: tx.changes_since(0))
    assert batch.changes is not None
    assert [(change.revision, change.kind, change.key) for change in batch.changes] == [
        (1, "client", client.client_id),
        (1, "option", "name"),
    ]


def test_a_gap_in_the_feed_drops_everything_and_the_feed_goes_on(
    store: Store, other: Store, authorized: Authorized, monkeypatch: pytest.MonkeyPatch
) -> None:
    untouched = authorize(store, "https://other.example/")
    authorized.ask(other)
    kept = untouched.ask(other)
    monkeypatch.setattr("gatewright.server.store.transaction.KEPT_REVISIONS", 3)
    rotate_secret(store, authorized.client, "new")
    change_often(store, 5)
    assert store.read(lambda tx: tx.changes_since(2)).changes is None

    after = authorized.ask(other).client
    assert after is not None
    assert after.secrets == (client_secret("new"),)
    assert untouched.ask(other) is not kept  # dropped with the rest, and asked for again
    assert untouched.ask(other) == kept

    rotate_secret(store, authorized.client, "newer")
    again = authorized.ask(other).client
    assert again is not None
    assert again.secrets == (client_secret("newer"),)


def test_the_feed_reaches_back_exactly_as_far_as_it_is_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatewright.server.store.transaction.KEPT_REVISIONS", 3)
    change_often(store, 10)
    assert store.read(lambda tx: tx.changes_since(6)).changes is None
    batch = store.read(lambda tx: tx.changes_since(7))
    assert [change.revision for change in batch.changes or ()] == [8, 9, 10]
    assert store.read(lambda tx: tx.changes_since(10)).changes == ()


def test_requests_that_come_while_a_change_is_fetched_do_not_see_the_old_memory(
    store: Store, other: Store, authorized: Authorized
) -> None:
    authorized.ask(other)
    rotate_secret(store, authorized.client, "new")

    async def ask_often() -> list[GrantPolicy]:
        key = authorized.client.client_id, AUDIENCE
        return await asyncio.gather(*(other.grant_policy(*key) for _ in range(20)))

    for policy in asyncio.run(ask_often()):
        assert policy.client is not None
        assert policy.client.secrets == (client_secret("new"),)


def test_an_acknowledged_change_is_never_followed_by_the_old_policy(
    database: Database, store: Store, authorized: Authorized
) -> None:
    """One process rotates the secret and notes it; two that ask meanwhile never see an older one."""
    acknowledged = 0
    stop = threading.Event()

    def ask(asking: Store) -> int:
        asked = 0
        while not stop.is_set():
            least = acknowledged
            client = authorized.ask(asking).client
            assert client is not None
            assert int(client.secrets[0].value) >= least
            asked += 1
        return asked

    rotate_secret(store, authorized.client, "0")
    with ThreadPoolExecutor(2) as threads:
        asking = [threads.submit(ask, database.open()) for _ in range(2)]
        for number in range(1, 60):
            rotate_secret(store, authorized.client, str(number))
            acknowledged = number
        stop.set()
        assert all(each.result() > 0 for each in asking)
