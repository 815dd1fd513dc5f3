"""What long lists and a long log are searched by, in columns of its own."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Adds the columns and fills them."""
    op.add_column("resource_servers", sa.Column("sought", sa.Text, nullable=True))
    op.add_column("clients", sa.Column("sought", sa.Text, nullable=True))
    op.add_column("clients", sa.Column("grant_types", sa.Text, nullable=True))
    op.add_column("log_events", sa.Column("audience", sa.String(600), nullable=True))
    _fill_clients()
    _fill_resource_servers()
    member = "substr(json_extract(document, '$.audience'), 1, 600)"
    op.execute(f"UPDATE log_events SET audience = {member}")  # noqa: S608 - nothing in it is from outside
    for name in ("type", "client_id"):
        op.drop_index(f"ix_log_events_{name}", "log_events")
    for name in ("type", "client_id", "audience"):
        op.create_index(f"ix_log_events_{name}_log_id", "log_events", [name, "log_id"])


def _fill_clients() -> None:
    clients = sa.table("clients", *map(sa.column, ("client_id", "document", "sought", "grant_types")))
    for client_id, text in op.get_bind().execute(sa.select(clients.c.client_id, clients.c.document)).all():
        document = json.loads(text)
        values = {
            "sought": f"{document.get('name', '')}\n{client_id}".casefold(),
            "grant_types": f" {' '.join(document.get('grant_types') or [])} ",
        }
        op.execute(sa.update(clients).where(clients.c.client_id == client_id).values(values))


def _fill_resource_servers() -> None:
    apis = sa.table("resource_servers", *map(sa.column, ("id", "identifier", "document", "sought")))
    query = sa.select(apis.c.id, apis.c.identifier, apis.c.document)
    for id_, identifier, text in op.get_bind().execute(query).all():
        sought = f"{json.loads(text).get('name') or ''}\n{identifier or ''}\n{id_}".casefold()
        op.execute(sa.update(apis).where(apis.c.id == id_).values(sought=sought))
