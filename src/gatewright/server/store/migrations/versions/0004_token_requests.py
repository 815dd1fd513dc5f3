"""How many tokens each client asked for, and how many of them needlessly."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "token_requests",
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("audience", sa.String(600), nullable=False),
        sa.Column("asked", sa.Integer, nullable=False),
        sa.Column("needless", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("day", "client_id", "audience", name="pk_token_requests"),
    )
