"""What a whole tenant has: client credentials, secrets in use, quotas, roles, users, log streams."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes the tables."""
    _create_client_credentials()
    op.create_table(
        "secret_uses",
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("secret_id", sa.String(64), nullable=False),
        sa.Column("last_used_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("client_id", "secret_id", name="pk_secret_uses"),
    )
    op.create_table(
        "quota_windows",
        sa.Column("bucket", sa.String(128), nullable=False),
        sa.Column("starts_at", sa.Integer, nullable=False),
        sa.Column("leased", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("bucket", "starts_at", name="pk_quota_windows"),
    )
    _create_people()
    op.create_table(
        "log_streams",
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("sealed_sink", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_log_streams"),
        sa.UniqueConstraint("id", name="uq_log_streams_id"),
        sqlite_autoincrement=True,
    )


def _create_client_credentials() -> None:
    op.create_table(
        "client_credentials",
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_client_credentials"),
        sa.UniqueConstraint("id", name="uq_client_credentials_id"),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.client_id"], name="fk_client_credentials_client_id", ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_client_credentials_client_id", "client_credentials", ["client_id"])
    op.create_table(
        "spent_assertions",
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("jti_digest", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("client_id", "jti_digest", name="pk_spent_assertions"),
    )
    op.create_index("ix_spent_assertions_expires_at", "spent_assertions", ["expires_at"])


def _create_people() -> None:
    op.create_table(
        "roles",
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_roles"),
        sa.UniqueConstraint("id", name="uq_roles_id"),
        sa.UniqueConstraint("name", name="uq_roles_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "users",
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("email", sa.String(320), nullable=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_users"),
        sa.UniqueConstraint("user_id", name="uq_users_user_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_users_email", "users", ["email"])
