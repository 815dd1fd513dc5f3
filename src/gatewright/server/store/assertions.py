"""Client assertions that were used: each is good once, in whichever process it arrives."""

import hashlib
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, insert, select, tuple_
from sqlalchemy.exc import IntegrityError

from gatewright.server.errors import AlreadyExists
from gatewright.server.store.tables import spent_assertions

# Kept for longer than they are good, because the clocks of several machines differ.
KEPT_AFTER_EXPIRY: Final = 60.0
# Each new row takes a few expired ones along, so that the table never grows nor a request waits for long.
MOST_FORGOTTEN: Final = 10


@dataclass(frozen=True, slots=True)
class SpentAssertions:
    """The memory that makes an assertion good once."""

    connection: Connection

    def spend(self, client_id: str, jti: str, *, expires_at: float, now: float) -> None:
        """Remembers an assertion; the insert that fails is the replay.

        Raises:
            AlreadyExists: when it was used before.
        """
        self._forget_expired(now - KEPT_AFTER_EXPIRY)
        digest = hashlib.sha256(jti.encode()).hexdigest()
        row = {"client_id": client_id, "jti_digest": digest, "expires_at": expires_at}
        try:
            self.connection.execute(insert(spent_assertions).values(row))
        except IntegrityError as error:
            raise AlreadyExists("the assertion was used before") from error

    def _forget_expired(self, moment: float) -> None:
        columns = spent_assertions.c
        expired = (
            select(columns.client_id, columns.jti_digest)
            .where(columns.expires_at < moment)
            .order_by(columns.expires_at)
            .limit(MOST_FORGOTTEN)
        )
        key = tuple_(columns.client_id, columns.jti_digest)
        self.connection.execute(delete(spent_assertions).where(key.in_(expired)))
