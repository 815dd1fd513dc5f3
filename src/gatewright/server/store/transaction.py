"""What one operation sees of the database: collections of records, all or nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, func, insert, select, update
from sqlalchemy import delete as sql_delete
from sqlalchemy.exc import IntegrityError

from gatewright.server.errors import AlreadyExists, NotFound
from gatewright.server.model import Document
from gatewright.server.sealing import Sealer
from gatewright.server.store import records, tenant_records
from gatewright.server.store.assertions import SpentAssertions
from gatewright.server.store.conditions import Condition
from gatewright.server.store.guard_reports import GuardReports
from gatewright.server.store.log_events import LogEvents
from gatewright.server.store.paging import Page, Rows
from gatewright.server.store.people import People, Sessions
from gatewright.server.store.quotas import QuotaWindows
from gatewright.server.store.records import Kind, decode, encode
from gatewright.server.store.secret_uses import SecretUses
from gatewright.server.store.tables import changes, options, revisions
from gatewright.server.store.token_hours import TokenHours
from gatewright.server.store.token_requests import TokenRequestCounts

T = TypeVar("T")

# A reader further behind than this drops all it knows instead of reading the feed.
KEPT_REVISIONS = 10_000


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the change feed."""

    revision: int
    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What changed up to ``revision``; ``changes`` is ``None`` when the feed does not reach back."""

    revision: int
    changes: tuple[Change, ...] | None


class Transaction:
    """The collections of one transaction. Whoever changes a record leaves a row in the change feed."""

    def __init__(self, connection: Connection, sealer: Sealer) -> None:
        self._connection = connection
        self._changed: list[tuple[str, str]] = []
        self.resource_servers = Collection(connection, sealer, records.RESOURCE_SERVERS, self._changed)
        self.clients = Collection(connection, sealer, records.CLIENTS, self._changed)
        self.client_grants = Collection(connection, sealer, records.CLIENT_GRANTS, self._changed)
        self.client_credentials = Collection(connection, sealer, records.CLIENT_CREDENTIALS, self._changed)
        self.signing_keys = Collection(connection, sealer, records.SIGNING_KEYS, self._changed)
        self.roles = Collection(connection, sealer, tenant_records.ROLES, self._changed)
        self.users = Collection(connection, sealer, tenant_records.USERS, self._changed)
        self.log_streams = Collection(connection, sealer, tenant_records.LOG_STREAMS, self._changed)
        self.revocations = Collection(connection, sealer, tenant_records.REVOCATIONS, self._changed)
        self.spent_assertions = SpentAssertions(connection)
        self.secret_uses = SecretUses(connection)
        self.token_requests = TokenRequestCounts(connection)
        self.token_hours = TokenHours(connection)
        self.events = LogEvents(connection)
        self.quotas = QuotaWindows(connection)
        self.guard_reports = GuardReports(connection)
        self.people = People(connection)
        self.sessions = Sessions(connection)

    def option(self, name: str) -> Document | None:
        """What is kept of the tenant under this name."""
        text = self._connection.execute(
            select(options.c.document).where(options.c.name == name)
        ).scalar_one_or_none()
        return None if text is None else decode(text)

    def set_option(self, name: str, document: Document) -> None:
        """Keeps something of the tenant as a whole."""
        self._connection.execute(sql_delete(options).where(options.c.name == name))
        self._connection.execute(insert(options).values(name=name, document=encode(document)))
        self._changed.append(("option", name))

    def revision(self) -> int:
        """The newest revision this transaction sees."""
        return int(self._connection.execute(select(revisions.c.value)).scalar_one())

    def changes_since(self, revision: int) -> Batch:
        """What changed after ``revision``, oldest first."""
        newest = self.revision()
        oldest = self._connection.execute(select(func.min(changes.c.revision))).scalar_one_or_none()
        if oldest is not None and oldest > revision + 1:
            return Batch(newest, None)
        query = (
            select(changes.c.revision, changes.c.kind, changes.c.key)
            .where(changes.c.revision > revision)
            .order_by(changes.c.revision, changes.c.sequence)
        )
        return Batch(newest, tuple(Change(*row) for row in self._connection.execute(query)))

    def publish(self, *, since: int) -> Batch | None:
        """Writes this transaction's changes to the feed under one new revision; the store calls it last.

        Answers all that changed after ``since``: others may have committed between that and this revision.
        """
        if not self._changed:
            return None
        step = update(revisions).values(value=revisions.c.value + 1).returning(revisions.c.value)
        revision = self._connection.execute(step).scalar_one()
        rows = [
            {"revision": revision, "sequence": sequence, "kind": kind, "key": key}
            for sequence, (kind, key) in enumerate(dict.fromkeys(self._changed))
        ]
        self._connection.execute(insert(changes), rows)
        self._connection.execute(sql_delete(changes).where(changes.c.revision <= revision - KEPT_REVISIONS))
        return self.changes_since(since)


@dataclass(frozen=True, slots=True)
class Collection(Generic[T]):
    """The records of one kind."""

    connection: Connection
    sealer: Sealer
    kind: Kind[T]
    changed: list[tuple[str, str]] = field(repr=False)

    def get(self, key: str) -> T:
        """The record with this key.

        Raises:
            NotFound: when there is none.
        """
        row = self.connection.execute(self._where(**{self.kind.key: key})).one_or_none()
        if row is None:
            raise NotFound(f"{self.kind.name} not found")
        return self.kind.unpack(row, self.sealer)

    def find(self, *conditions: Condition, **equals: object) -> list[T]:
        """All records whose columns equal these values (a tuple: one of them), in order of creation."""
        query = self._where(*conditions, **equals).order_by(self.kind.table.c.position)
        return [self.kind.unpack(row, self.sealer) for row in self.connection.execute(query)]

    def few(self, *conditions: Condition, most: int) -> list[T]:
        """The oldest records that fulfil the conditions, without counting the others."""
        query = self._where(*conditions).order_by(self.kind.table.c.position).limit(most)
        return [self.kind.unpack(row, self.sealer) for row in self.connection.execute(query)]

    def first(self, **equals: object) -> T | None:
        """The first record that ``find`` would answer, if any."""
        query = self._where(**equals).order_by(self.kind.table.c.position).limit(1)
        row = self.connection.execute(query).one_or_none()
        return None if row is None else self.kind.unpack(row, self.sealer)

    def page(self, page: Page, *conditions: Condition, **equals: object) -> Rows[T]:
        """One page of what ``find`` would answer; past the end it is empty."""
        position = self.kind.table.c.position
        matching = (*conditions, *self._conditions(equals))
        query = self._where(*conditions, **equals).order_by(position).limit(page.limit + 1)
        query = query.offset(page.start) if page.after is None else query.where(position > page.after)
        rows = self.connection.execute(query).all()
        shown = rows[: page.limit]
        total = page.total_of(len(rows)) if page.is_counted else 0
        if total is None:
            count = select(func.count()).select_from(self.kind.table).where(*matching)
            total = self.connection.execute(count).scalar_one()
        return Rows(
            items=[self.kind.unpack(row, self.sealer) for row in shown],
            total=total,
            next=shown[-1].position if shown and len(rows) > len(shown) else None,
        )

    def insert(self, record: T) -> None:
        """Adds a record.

        Raises:
            AlreadyExists: when a unique value is taken.
        """
        values = self.kind.pack(record, self.sealer)
        try:
            self.connection.execute(insert(self.kind.table).values(values))
        except IntegrityError as error:
            raise AlreadyExists(f"{self.kind.name} exists") from error
        self._note(values)

    def update(self, key: str, change: Callable[[T], T]) -> T:
        """Replaces a record by ``change(record)``; nobody else changes it meanwhile.

        Raises:
            NotFound: when there is none.
            AlreadyExists: when a unique value is taken.
        """
        record = change(self.get(key))
        values = self.kind.pack(record, self.sealer)
        table = self.kind.table
        try:
            self.connection.execute(update(table).where(table.c[self.kind.key] == key).values(values))
        except IntegrityError as error:
            raise AlreadyExists(f"{self.kind.name} exists") from error
        self._note(values)
        return record

    def delete(self, key: str) -> None:
        """Removes a record; one that does not exist is removed already."""
        self.delete_all(**{self.kind.key: key})

    def delete_all(self, **equals: object) -> None:
        """Removes every record that ``find`` would answer."""
        table = self.kind.table
        removal = sql_delete(table).where(*self._conditions(equals)).returning(table.c[self.kind.key])
        for key in self.connection.execute(removal).scalars():
            self.changed.append((self.kind.name, key))

    def _where(self, *conditions: Condition, **equals: object) -> Select[Any]:
        return select(self.kind.table).where(*conditions, *self._conditions(equals))

    def _conditions(self, equals: dict[str, object]) -> list[ColumnElement[bool]]:
        columns = self.kind.table.c
        return [
            columns[name].in_(value) if isinstance(value, tuple) else columns[name] == value
            for name, value in equals.items()
        ]

    def _note(self, values: dict[str, object]) -> None:
        self.changed.append((self.kind.name, str(values[self.kind.key])))
