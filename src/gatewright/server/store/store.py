"""Open a database, run operations in it, and keep the hot path's memory right."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Engine, make_url
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gatewright.server.errors import StartupError, StoreUnavailable
from gatewright.server.model import GrantPolicy
from gatewright.server.sealing import Sealer
from gatewright.server.store.database import DataVersion, make_engine
from gatewright.server.store.migrate import migrate
from gatewright.server.store.policies import GrantPolicies, read_policy
from gatewright.server.store.transaction import Batch, Transaction

R = TypeVar("R")

READERS = 4

logger = logging.getLogger("gatewright.server.store")


class Store:
    """One tenant's database.

    Writes go through one thread, so that they queue here and not inside SQLite; reads have their own
    connections. Operations are plain functions of a ``Transaction``; the ``a`` forms are for the event
    loop and cost one thread hop.
    """

    def __init__(self, url: str, sealer: Sealer, *, system_identifier: str) -> None:
        self._sealer = sealer
        self._writing = make_engine(url, begin="BEGIN IMMEDIATE", size=1)
        self._reading = make_engine(url, begin="BEGIN", size=READERS)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="gatewright-writer")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="gatewright-reader")
        self._version = DataVersion(url)
        self._applied_version = -1
        self._applied_revision = self.read(Transaction.revision)
        self._listeners: list[Callable[[Batch], None]] = []
        self._system_identifier = system_identifier
        self.policies = GrantPolicies(self._applied_revision)
        self.on_change(self.policies.apply)

    @classmethod
    def open(cls, url: str, sealer: Sealer, *, system_identifier: str) -> "Store":
        """Opens the database, made or brought up to date first.

        Raises:
            StartupError: when it cannot be opened, is newer than this version, or is no database.
        """
        try:
            migrate(url)
            return cls(url, sealer, system_identifier=system_identifier)
        except (DatabaseError, StoreUnavailable, OSError) as error:
            cause = error.orig if isinstance(error, DatabaseError) else error
            raise StartupError(f"The database {make_url(url).database} cannot be opened: {cause}") from error

    def read(self, operation: Callable[[Transaction], R]) -> R:
        """Runs ``operation`` on one unchanging view of the data."""
        return self._run(self._reading, operation)

    def write(self, operation: Callable[[Transaction], R]) -> R:
        """Runs ``operation``; when this returns, its changes are on disk and known in this process."""
        return self._writer.submit(self._write, operation).result()

    async def aread(self, operation: Callable[[Transaction], R]) -> R:
        """``read`` for the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read, operation)

    async def awrite(self, operation: Callable[[Transaction], R]) -> R:
        """``write`` for the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._write, operation)

    async def grant_policy(self, client_id: str, audience: str) -> GrantPolicy:
        """What this client may get at this audience: from memory while nothing changed."""
        await self.catch_up()
        known = self.policies.get(client_id, audience)
        if known is not None:
            return known

        def ask(tx: Transaction) -> tuple[int, GrantPolicy]:
            return tx.revision(), read_policy(
                tx, client_id, audience, system_identifier=self._system_identifier
            )

        revision, policy = await self.aread(ask)
        self.policies.keep(client_id, audience, policy, revision)
        return policy

    async def catch_up(self) -> None:
        """Applies what other processes changed since the last look; costs microseconds when nothing did."""
        version = self._version.read()
        if version == self._applied_version:
            return
        known = self._applied_revision
        self._announce(await self.aread(lambda tx: tx.changes_since(known)))
        # Only now: a request that came meanwhile must not take the old memory for the new.
        self._applied_version = version

    def on_change(self, listener: Callable[[Batch], None]) -> None:
        """Calls ``listener`` with each batch of changes, from whatever thread or process they came."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Lets running operations end, then closes every connection."""
        self._writer.shutdown()
        self._readers.shutdown()
        self._version.close()
        self._writing.dispose()
        self._reading.dispose()

    def _write(self, operation: Callable[[Transaction], R]) -> R:
        def run(tx: Transaction) -> tuple[R, Batch | None]:
            return operation(tx), tx.publish(since=self._applied_revision)

        result, changed = self._run(self._writing, run)
        if changed is not None:
            self._announce(changed)
        return result

    def _announce(self, batch: Batch) -> None:
        for listener in self._listeners:
            listener(batch)
        # Only now: what a listener failed to apply is announced again.
        self._applied_revision = max(self._applied_revision, batch.revision)

    def _run(self, engine: Engine, operation: Callable[[Transaction], R]) -> R:
        try:
            with engine.begin() as connection:
                return operation(Transaction(connection, self._sealer))
        except (OperationalError, PoolTimeout) as error:
            logger.exception("the database did not answer")
            cause = getattr(error, "orig", error)
            raise StoreUnavailable(f"the database does not answer: {cause}") from error
