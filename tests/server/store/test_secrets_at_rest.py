"""What somebody with the file, and without the master key, can learn of the secrets in it: nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from gatewright.jose import JWK
from gatewright.server.errors import StartupError
from gatewright.server.model import new_kid
from gatewright.server.sealing import generate_master_key
from gatewright.server.store.tables import clients
from tests.databases import insert
from tests.records import api, application, client_secret, signing_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatewright.server.store import Store, Transaction
    from tests.databases import Database


def bytes_on_disk(database: Database) -> bytes:
    """The database and its write-ahead log, as they lie on disk at this moment."""
    file = Path(str(make_url(database.url).database))
    return b"".join(path.read_bytes() for path in sorted(file.parent.glob(file.name + "*")))


def store_secrets(store: Store) -> Sequence[str]:
    """Stores one secret of each kind, changes one, and gives all of them."""
    private = JWK.generate("ES256", kid=new_kid()).to_dict(private=True)
    client, hmac_secret = (
        application(secret="the-first-client-secret"),
        "a-signing-secret-of-an-api-with-HS256",
    )
    key = replace(signing_key("current", alg="ES256"), private_jwk=private)
    insert(store, client, api(alg="HS256", secret=hmac_secret), key)
    changed = replace(client, secrets=(client_secret("the-second-client-secret"),))
    store.write(lambda tx: tx.clients.update(client.client_id, lambda _: changed))
    return [*(each.value for each in (*client.secrets, *changed.secrets)), hmac_secret, str(private["d"])]


def test_no_secret_lies_in_the_file_in_clear(database: Database, store: Store) -> None:
    secrets = store_secrets(store)
    while_open = bytes_on_disk(database)
    assert b"https://blog.example/" in while_open  # the records are there
    store.close()
    for secret in secrets:
        assert secret.encode() not in while_open
        assert secret.encode() not in bytes_on_disk(database)


def test_another_master_key_opens_no_secret(database: Database) -> None:
    client = application()
    insert(database.open(), client)
    database.master_key = generate_master_key()
    with pytest.raises(StartupError, match="does not fit this database"):
        database.open().read(lambda tx: tx.clients.get(client.client_id))


def test_a_secret_copied_into_another_row_does_not_open(store: Store) -> None:
    """Whoever may write to the file cannot give a client the secret of one that they know."""
    known, victim = application("known"), application("victim")
    insert(store, known, victim)

    def copy(tx: Transaction) -> None:
        of_known = clients.select().where(clients.c.client_id == known.client_id)
        envelope = tx._connection.execute(of_known).one().sealed_secrets  # noqa: SLF001 - an intruder's access
        into_victim = clients.update().where(clients.c.client_id == victim.client_id)
        tx._connection.execute(into_victim.values(sealed_secrets=envelope))  # noqa: SLF001 - as above

    store.write(copy)
    with pytest.raises(StartupError, match="damaged or was moved"):
        store.read(lambda tx: tx.clients.get(victim.client_id))
    assert store.read(lambda tx: tx.clients.get(known.client_id)) == known
