"""What the token endpoint did, by the hour, and when each client last had a token.

What the log of events tells of the time before is counted once, here, so that no number falls to nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

SECONDS_AN_HOUR = 3600


def upgrade() -> None:
    """Makes the tables, and fills those that go back for ever."""
    op.create_table(
        "token_hours",
        sa.Column("hour", sa.Integer, nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("audience", sa.String(600), nullable=False),
        sa.Column("issued", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("hour", "client_id", "audience", name="pk_token_hours"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_token_hours_client_id_hour", "token_hours", ["client_id", "hour"])
    op.create_index("ix_token_hours_audience_hour", "token_hours", ["audience", "hour"])
    op.create_table(
        "token_days",
        sa.Column("side", sa.String(16), nullable=False),
        sa.Column("name", sa.String(600), nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("side", "name", "day", name="pk_token_days"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_token_days_day", "token_days", ["day"])
    totals = op.create_table(
        "token_totals",
        sa.Column("hour", sa.Integer, nullable=False),
        sa.Column("issued", sa.Integer, nullable=False),
        sa.Column("first_at", sa.Float, nullable=False),
        sa.Column("last_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("hour", name="pk_token_totals"),
    )
    holders = op.create_table(
        "token_holders",
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("last_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("client_id", name="pk_token_holders"),
    )
    op.create_index("ix_token_holders_last_at", "token_holders", ["last_at"])
    op.create_table(
        "token_refusals",
        sa.Column("hour", sa.Integer, nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("audience", sa.String(600), nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("hour", "reason", "client_id", "audience", name="pk_token_refusals"),
        sqlite_with_rowid=False,
    )
    _count(totals, holders)


def _count(totals: sa.Table, holders: sa.Table) -> None:
    events = sa.table("log_events", sa.column("date", sa.Float), sa.column("type"), sa.column("client_id"))
    issued = sa.select(events.c.date, events.c.client_id).where(events.c.type == "seccft")
    hours: dict[int, tuple[int, float, float]] = {}
    last: dict[str, float] = {}
    for date, client_id in op.get_bind().execute(issued):
        hour = int(date // SECONDS_AN_HOUR)
        times, first_at, last_at = hours.get(hour, (0, date, date))
        hours[hour] = (times + 1, min(first_at, date), max(last_at, date))
        if client_id is not None:
            last[client_id] = max(date, last.get(client_id, date))
    names = ("issued", "first_at", "last_at")
    op.bulk_insert(
        totals, [{"hour": hour, **dict(zip(names, each, strict=True))} for hour, each in hours.items()]
    )
    op.bulk_insert(holders, [{"client_id": client_id, "last_at": at} for client_id, at in last.items()])
