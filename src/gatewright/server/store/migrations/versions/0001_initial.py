"""The first schema.

Written out and not taken from ``tables``: a migration stays as it was when the tables move on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes every table, and the single row that counts revisions."""
    op.create_table(
        "resource_servers",
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("id", sa.String(24), nullable=False),
        sa.Column("identifier", sa.String(600), nullable=True),
        sa.Column("is_system", sa.Boolean, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("sealed_signing_secret", sa.LargeBinary, nullable=True),
        sa.PrimaryKeyConstraint("position", name="pk_resource_servers"),
        sa.UniqueConstraint("id", name="uq_resource_servers_id"),
        sa.UniqueConstraint("identifier", name="uq_resource_servers_identifier"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "clients",
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("app_type", sa.String(64), nullable=True),
        sa.Column("is_first_party", sa.Boolean, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("sealed_secrets", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_clients"),
        sa.UniqueConstraint("client_id", name="uq_clients_client_id"),
        sqlite_autoincrement=True,
    )
    _create_client_grants()
    _create_signing_keys()
    _create_log_events()
    op.create_table(
        "options",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_options"),
    )
    _create_change_feed()


def _create_client_grants() -> None:
    op.create_table(
        "client_grants",
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=True),
        sa.Column("resource_server_id", sa.String(24), nullable=False),
        sa.Column("subject_type", sa.String(16), nullable=False),
        sa.Column("allow_any_organization", sa.Boolean, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_client_grants"),
        sa.UniqueConstraint("id", name="uq_client_grants_id"),
        sa.UniqueConstraint(
            "client_id",
            "resource_server_id",
            "subject_type",
            name="uq_client_grants_client_id_resource_server_id_subject_type",
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.client_id"], name="fk_client_grants_client_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["resource_server_id"],
            ["resource_servers.id"],
            name="fk_client_grants_resource_server_id",
            ondelete="CASCADE",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_client_grants_client_id", "client_grants", ["client_id"])
    op.create_index("ix_client_grants_resource_server_id", "client_grants", ["resource_server_id"])


def _create_signing_keys() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("kid", sa.String(255), nullable=False),
        sa.Column("alg", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("certificate", sa.Text, nullable=False),
        sa.Column("sealed_private_jwk", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("longest_lifetime", sa.Integer, nullable=False),
        sa.Column("current_since", sa.Float, nullable=True),
        sa.Column("current_until", sa.Float, nullable=True),
        sa.Column("retires_at", sa.Float, nullable=True),
        sa.Column("revoked_at", sa.Float, nullable=True),
        sa.PrimaryKeyConstraint("position", name="pk_signing_keys"),
        sa.UniqueConstraint("kid", name="uq_signing_keys_kid"),
        sqlite_autoincrement=True,
    )
    signing = sa.text("state IN ('current', 'next')")
    op.create_index(
        "uq_signing_keys_signing",
        "signing_keys",
        ["alg", "state"],
        unique=True,
        sqlite_where=signing,
        postgresql_where=signing,
    )


def _create_log_events() -> None:
    op.create_table(
        "log_events",
        sa.Column("log_id", sa.String(64), nullable=False),
        sa.Column("date", sa.Float, nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("log_id", name="pk_log_events"),
    )
    op.create_index("ix_log_events_type", "log_events", ["type"])
    op.create_index("ix_log_events_client_id", "log_events", ["client_id"])


def _create_change_feed() -> None:
    revisions = op.create_table(
        "revisions",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("value", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_revisions"),
        sa.CheckConstraint("id = 1", name="ck_revisions_single"),
    )
    op.bulk_insert(revisions, [{"id": 1, "value": 0}])
    op.create_table(
        "changes",
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("revision", "sequence", name="pk_changes"),
    )
