"""A database of a test's own, and as many stores on it as the test wants: each is what a process has."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gatewright.server.client import Client, ClientCredential
from gatewright.server.model import ClientGrant, ResourceServer, SigningKey
from gatewright.server.sealing import Sealer, generate_master_key
from gatewright.server.store import Store
from gatewright.server.tenant import LogStream, Revocation, Role, User

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from gatewright.server.model import GrantPolicy
    from gatewright.server.store import Transaction

Record = (
    Client
    | ClientCredential
    | ClientGrant
    | ResourceServer
    | SigningKey
    | Role
    | User
    | LogStream
    | Revocation
)
COLLECTIONS: dict[type[Record], str] = {
    Client: "clients",
    ClientCredential: "client_credentials",
    ClientGrant: "client_grants",
    ResourceServer: "resource_servers",
    SigningKey: "signing_keys",
    Role: "roles",
    User: "users",
    LogStream: "log_streams",
    Revocation: "revocations",
}
SYSTEM_IDENTIFIER = "http://localhost:8844/api/v2/"


@dataclass(slots=True)
class Database:
    """One database. A context manager that closes what was opened."""

    url: str
    master_key: str = field(default_factory=generate_master_key)
    opened: list[Store] = field(default_factory=list)

    @classmethod
    def sqlite(cls, folder: Path) -> Database:
        return cls(f"sqlite:///{folder / 'store.db'}")

    def open(self) -> Store:
        """Another store on this database; the first one makes the schema."""
        store = Store.open(self.url, Sealer([self.master_key]), system_identifier=SYSTEM_IDENTIFIER)
        self.opened.append(store)
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for store in self.opened:
            store.close()


def insert(store: Store, *records: Record) -> None:
    """Adds records of any kind, in this order and in one transaction."""

    def run(tx: Transaction) -> None:
        for record in records:
            getattr(tx, COLLECTIONS[type(record)]).insert(record)

    store.write(run)


def policy_of(store: Store, client_id: str, audience: str) -> GrantPolicy:
    """What the token endpoint is told at this moment."""
    return asyncio.run(store.grant_policy(client_id, audience))


def catch_up(store: Store) -> None:
    """What each request does first: learn what other processes changed."""
    asyncio.run(store.catch_up())
