"""Administrators and their sessions; in no change feed, for nobody keeps them in memory."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from gatewright.server.errors import AlreadyExists
from gatewright.server.people import LOCKED_FOR, MOST_FAILURES, Administrator, Session
from gatewright.server.store.tables import administrators, sessions

MOST_FORGOTTEN: Final = 100


@dataclass(frozen=True, slots=True)
class People:
    """The administrators of one transaction."""

    connection: Connection

    def all(self) -> list[Administrator]:
        """Everybody, in the order they came."""
        query = select(administrators).order_by(administrators.c.position)
        return [_administrator(row) for row in self.connection.execute(query)]

    def count(self) -> int:
        """How many there are."""
        return int(self.connection.execute(select(func.count()).select_from(administrators)).scalar_one())

    def named(self, name: str) -> Administrator | None:
        """The one with this name."""
        row = self.connection.execute(
            select(administrators).where(administrators.c.name == name)
        ).one_or_none()
        return None if row is None else _administrator(row)

    def add(self, person: Administrator) -> None:
        """One more.

        Raises:
            AlreadyExists: somebody has that name.
        """
        values = {
            "id": person.id,
            "name": person.name,
            "role": person.role,
            "password_hash": person.password_hash,
            "created_at": person.created_at,
            "failures": 0,
            "locked_until": None,
        }
        try:
            self.connection.execute(insert(administrators).values(values))
        except IntegrityError as error:
            raise AlreadyExists("an administrator has that name") from error

    def remove(self, person_id: str) -> None:
        """Somebody less; sessions end with it."""
        self.connection.execute(delete(administrators).where(administrators.c.id == person_id))

    def set_password(self, person_id: str, password_hash: str) -> None:
        """A new password; every session of that person ends."""
        where = administrators.c.id == person_id
        self.connection.execute(update(administrators).where(where).values(password_hash=password_hash))
        self.connection.execute(delete(sessions).where(sessions.c.administrator_id == person_id))

    def note_failure(self, person: Administrator, now: float) -> None:
        """A wrong password; after several in a row nobody may try for a while."""
        step = (
            update(administrators)
            .where(administrators.c.id == person.id)
            .values(failures=administrators.c.failures + 1)
            .returning(administrators.c.failures)
        )
        if self.connection.execute(step).scalar_one() >= MOST_FAILURES:
            locked = {"failures": 0, "locked_until": now + LOCKED_FOR}
            where = administrators.c.id == person.id
            self.connection.execute(update(administrators).where(where).values(locked))

    def note_success(self, person: Administrator) -> None:
        """A right password; what went before is forgotten."""
        where = administrators.c.id == person.id
        fresh = {"failures": 0, "locked_until": None}
        self.connection.execute(update(administrators).where(where).values(fresh))


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions of one transaction."""

    connection: Connection

    def begin(self, session: Session, *, ended_before: float) -> None:
        """Keeps a session; some that nobody has used since ``ended_before`` go."""
        old = select(sessions.c.digest).where(sessions.c.seen_at < ended_before).limit(MOST_FORGOTTEN)
        self.connection.execute(delete(sessions).where(sessions.c.digest.in_(old)))
        values = {
            "digest": session.digest,
            "administrator_id": session.administrator.id,
            "csrf": session.csrf,
            "created_at": session.created_at,
            "seen_at": session.seen_at,
            "confirmed_at": session.confirmed_at,
            "notice": session.notice,
        }
        self.connection.execute(insert(sessions).values(values))

    def find(self, digest: str) -> Session | None:
        """The session of a cookie, with its person as he or she is now."""
        query = select(sessions, administrators).join(
            administrators, administrators.c.id == sessions.c.administrator_id
        )
        query = query.where(sessions.c.digest == digest).with_only_columns(
            sessions,
            *(column.label(f"person_{column.name}") for column in administrators.c),
        )
        row = self.connection.execute(query).one_or_none()
        if row is None:
            return None
        return Session(
            digest=row.digest,
            administrator=_administrator(row, prefix="person_"),
            csrf=row.csrf,
            created_at=row.created_at,
            seen_at=row.seen_at,
            confirmed_at=row.confirmed_at,
            notice=row.notice,
        )

    def change(self, digest: str, **values: object) -> None:
        """Sets members of a session, if it is still there."""
        self.connection.execute(update(sessions).where(sessions.c.digest == digest).values(values))

    def end(self, digest: str) -> None:
        """Ends a session."""
        self.connection.execute(delete(sessions).where(sessions.c.digest == digest))


def _administrator(row: Row[Any], *, prefix: str = "") -> Administrator:
    found = row._mapping  # noqa: SLF001 - public, in spite of its name
    names = ("id", "name", "role", "password_hash", "created_at", "failures", "locked_until")
    return Administrator(**{name: found[prefix + name] for name in names})
