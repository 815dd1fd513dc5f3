"""How roles, users and log streams lie in their tables.

Roles and permissions of a holder lie beside its own members in the document, so that nothing a tool
sends can be taken for one.
"""

from collections.abc import Iterable
from typing import Any, cast

from sqlalchemy import Row

from gatewright.server.model import Document
from gatewright.server.sealing import Sealer
from gatewright.server.store import tables
from gatewright.server.store.records import Kind, Values, decode, encode
from gatewright.server.tenant import Permission, Role, User


def _pack_role(record: Role, _: Sealer) -> Values:
    document = {"members": record.document, "permissions": _pairs(record.permissions)}
    return {"id": record.id, "name": record.name, "document": encode(document)}


def _unpack_role(row: Row[Any], _: Sealer) -> Role:
    document = decode(row.document)
    return Role(
        id=row.id,
        document=cast("Document", document["members"]),
        permissions=_permissions(document["permissions"]),
    )


def _pack_user(record: User, _: Sealer) -> Values:
    document = {
        "members": record.document,
        "roles": list(record.roles),
        "permissions": _pairs(record.permissions),
    }
    return {"user_id": record.user_id, "email": record.email, "document": encode(document)}


def _unpack_user(row: Row[Any], _: Sealer) -> User:
    document = decode(row.document)
    return User(
        user_id=row.user_id,
        document=cast("Document", document["members"]),
        roles=tuple(cast("list[str]", document["roles"])),
        permissions=_permissions(document["permissions"]),
    )


def _pairs(permissions: Iterable[Permission]) -> list[list[str]]:
    return [[permission.resource_server_id, permission.name] for permission in permissions]


def _permissions(pairs: object) -> tuple[Permission, ...]:
    return tuple(Permission(*pair) for pair in cast("list[list[str]]", pairs))


ROLES = Kind("role", tables.roles, "id", _pack_role, _unpack_role)
USERS = Kind("user", tables.users, "user_id", _pack_user, _unpack_user)
