"""When each secret of a client was last used."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gatewright.server.store.tables import secret_uses


@dataclass(frozen=True, slots=True)
class SecretUses:
    """The moments of last use, by client and secret; they are no changes, so the change feed has none."""

    connection: Connection

    def note(self, uses: Mapping[tuple[str, str], float]) -> None:
        """Keeps the latest use of each ``(client_id, secret_id)``; another process may know a later one."""
        rows = [
            {"client_id": client_id, "secret_id": secret_id, "last_used_at": at}
            for (client_id, secret_id), at in uses.items()
        ]
        if not rows:
            return
        statement = sqlite_insert(secret_uses)
        later = statement.excluded.last_used_at
        upsert = statement.on_conflict_do_update(
            index_elements=[secret_uses.c.client_id, secret_uses.c.secret_id],
            set_={"last_used_at": later},
            where=secret_uses.c.last_used_at < later,
        )
        self.connection.execute(upsert, rows)

    def of(self, client_id: str) -> dict[str, float]:
        """Last uses of one client, by secret; one that was never used is absent."""
        query = select(secret_uses.c.secret_id, secret_uses.c.last_used_at).where(
            secret_uses.c.client_id == client_id
        )
        return {row.secret_id: row.last_used_at for row in self.connection.execute(query)}

    def forget(self, client_id: str, *, kept: Collection[str] = ()) -> None:
        """Drops what is known of a client's secrets, but for those ``kept``."""
        gone = secret_uses.c.secret_id.not_in(list(kept))
        self.connection.execute(delete(secret_uses).where(secret_uses.c.client_id == client_id, gone))
