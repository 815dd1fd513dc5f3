"""Conditions that no equality of columns says, for ``Collection``; the doors hand them on unread.

Members of documents are read by SQLite's JSON functions, and every value is a bound parameter.
"""

from collections.abc import Sequence
from typing import TypeAlias

from sqlalchemy import ColumnElement, and_, func, or_, select

from gatewright.server.store import tables

Condition: TypeAlias = ColumnElement[bool]


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
