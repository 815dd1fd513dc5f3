"""What was leased of each budget in each window, by all processes together; in no change feed."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from gatewright.server.store.tables import quota_windows


@dataclass(frozen=True, slots=True)
class QuotaWindows:
    """The windows of one transaction."""

    connection: Connection

    def lease(self, bucket: str, starts_at: int, wanted: int, *, limit: int | None) -> tuple[int, int]:
        """Up to `wanted` units of what is left below `limit`; what was granted, and what is leased in all."""
        place = (quota_windows.c.bucket == bucket) & (quota_windows.c.starts_at == starts_at)
        row = {"bucket": bucket, "starts_at": starts_at, "leased": 0}
        self.connection.execute(insert(quota_windows).on_conflict_do_nothing(), row)
        asked = select(quota_windows.c.leased).where(place).with_for_update()
        leased = self.connection.execute(asked).scalar_one()
        granted = wanted if limit is None else max(0, min(wanted, limit - leased))
        self.connection.execute(update(quota_windows).where(place).values(leased=leased + granted))
        return granted, leased + granted

    def forget(self, *, before: int) -> None:
        """Removes windows that began before that second."""
        self.connection.execute(delete(quota_windows).where(quota_windows.c.starts_at < before))
