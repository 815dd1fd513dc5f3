"""Tokens that are refused before they end."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "revocations",
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=True),
        sa.Column("audience", sa.String(600), nullable=True),
        sa.Column("jti", sa.String(255), nullable=True),
        sa.Column("kid", sa.String(255), nullable=True),
        sa.Column("revoked_before", sa.Float, nullable=True),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("undone_at", sa.Float, nullable=True),
        sa.PrimaryKeyConstraint("position", name="pk_revocations"),
        sa.UniqueConstraint("id", name="uq_revocations_id"),
        sa.UniqueConstraint("revision", name="uq_revocations_revision"),
        sqlite_autoincrement=True,
    )
    for column in ("client_id", "jti", "expires_at"):
        op.create_index(f"ix_revocations_{column}", "revocations", [column])
