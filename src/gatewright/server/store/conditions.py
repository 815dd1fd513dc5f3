"""Conditions that no equality of columns says, for ``Collection``; the doors hand them on unread.

Members of documents are read by SQLite's JSON functions, and every value is a bound parameter.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

from sqlalchemy import ColumnElement, Select, Table, and_, func, or_, select

from gatewright.server.store import tables

Condition: TypeAlias = ColumnElement[bool]

LEAST_OF_A_PAIR: Final = 260
"""Bytes that two secrets take at least as they are sealed; one that this server made takes fewer."""


def role_name_contains(text: str) -> Condition:
    """Roles whose name contains the text, whatever its case."""
    return tables.roles.c.name.icontains(text, autoescape=True)


def user_has_role(role_id: str) -> Condition:
    """Users who were given this role."""
    roles = func.json_each(tables.users.c.document, "$.roles").table_valued("value")
    return select(roles.c.value).where(roles.c.value == role_id).exists()


def role_permits(resource_server_id: str) -> Condition:
    """Roles with a permission of this API."""
    return tables.roles.c.document.contains(resource_server_id)


def user_is_permitted(resource_server_id: str) -> Condition:
    """Users with a permission of their own of this API."""
    return tables.users.c.document.contains(resource_server_id)


def client_has(text: str) -> Condition:
    """Clients with the text in their name or id, whatever its case."""
    return tables.clients.c.sought.contains(text.casefold(), autoescape=True)


def client_may_use(grant_type: str) -> Condition:
    """Clients with this grant type."""
    return tables.clients.c.grant_types.contains(f" {grant_type} ", autoescape=True)


def resource_server_has(text: str, *, system_identifier: str) -> Condition:
    """APIs with the text in their name, identifier or id, whatever its case.

    The system API's identifier is not in its row.
    """
    columns = tables.resource_servers.c
    found = columns.sought.contains(text.casefold(), autoescape=True)
    return or_(found, columns.is_system) if text.casefold() in system_identifier.casefold() else found


def resource_server_is_one_of(identifiers: Sequence[str], *, with_system: bool) -> Condition:
    """APIs by identifier; the system API's is not in its row."""
    columns = tables.resource_servers.c
    named = columns.identifier.in_(identifiers)
    return or_(named, columns.is_system) if with_system else named


def revocation_changed_after(revision: int) -> Condition:
    """Revocations whose last change came after this revision."""
    return tables.revocations.c.revision > revision


def revocation_ends_by(moment: float) -> Condition:
    """Revocations that speak of no token alive at this moment."""
    return tables.revocations.c.expires_at <= moment


def revocation_holds(moment: float) -> Condition:
    """Revocations that are in force at this moment: neither ended nor taken back."""
    columns = tables.revocations.c
    return and_(columns.expires_at > moment, columns.undone_at.is_(None))


def client_asks_with_secret() -> Condition:
    """Clients that get tokens of their own with a client secret."""
    document = tables.clients.c.document
    grant_types = func.json_each(document, "$.grant_types").table_valued("value")
    return and_(
        func.json_extract(document, "$.client_authentication_methods").is_(None),
        func.coalesce(func.json_extract(document, "$.token_endpoint_auth_method"), "") != "none",
        select(grant_types.c.value).where(grant_types.c.value == "client_credentials").exists(),
    )


def client_has_no_grant() -> Condition:
    """Clients that may have nothing at any API."""
    return ~_of_client(tables.client_grants).exists()


def client_has_used_no_secret() -> Condition:
    """Clients none of whose present secrets was ever used."""
    return ~_of_client(tables.secret_uses).exists()


def client_has_used_no_secret_since(moment: float) -> Condition:
    """Clients that have used a secret, and none of the present ones since then."""
    uses = _of_client(tables.secret_uses)
    return and_(uses.exists(), ~uses.where(tables.secret_uses.c.last_used_at >= moment).exists())


def client_may_have_two_secrets() -> Condition:
    """Clients with two secrets, and some with a single long one: only the length shows of what is sealed."""
    return func.length(tables.clients.c.sealed_secrets) >= LEAST_OF_A_PAIR


def resource_server_defines_nothing() -> Condition:
    """APIs of people's own that define no permission."""
    columns = tables.resource_servers.c
    return and_(
        ~columns.is_system, func.coalesce(func.json_array_length(columns.document, "$.scopes"), 0) == 0
    )


def resource_server_has_no_grant() -> Condition:
    """APIs of people's own that no client may have tokens for."""
    columns, grants = tables.resource_servers.c, tables.client_grants.c
    return and_(
        ~columns.is_system, ~select(grants.id).where(grants.resource_server_id == columns.id).exists()
    )


def _of_client(table: Table) -> Select[tuple[str]]:
    return select(table.c.client_id).where(table.c.client_id == tables.clients.c.client_id)
