"""What guards report: refusals, the scopes that are used, and which APIs report."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "refusals",
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("minute", sa.Integer, nullable=False),
        sa.Column("audience", sa.String(600), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("route", sa.String(300), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("missing", sa.String(1000), nullable=False),
        sa.Column("enforced", sa.Boolean, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("request_id", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_refusals"),
        sa.UniqueConstraint(
            *("minute", "audience", "method", "route", "reason", "client_id", "missing", "enforced"),
            name="uq_refusals_kind",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_refusals_request_id", "refusals", ["request_id"])
    op.create_index("ix_refusals_client_id", "refusals", ["client_id"])
    op.create_table(
        "scope_uses",
        sa.Column("audience", sa.String(600), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("scope", sa.String(280), nullable=False),
        sa.Column("first_used_at", sa.Float, nullable=False),
        sa.Column("last_used_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("audience", "client_id", "scope", name="pk_scope_uses"),
    )
    op.create_table(
        "reporting_apis",
        sa.Column("audience", sa.String(600), nullable=False),
        sa.Column("since", sa.Float, nullable=False),
        sa.Column("last_at", sa.Float, nullable=False),
        sa.Column("dropped", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("audience", name="pk_reporting_apis"),
    )
