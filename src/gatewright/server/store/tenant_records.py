"""How roles, users, log streams and revocations lie in their tables.

Roles and permissions of a holder lie beside its own members in the document, so that nothing a tool
sends can be taken for one.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, cast

from sqlalchemy import Row, func

from gatewright.server.model import Document
from gatewright.server.sealing import Sealer
from gatewright.server.store import tables
from gatewright.server.store.conditions import Condition
from gatewright.server.store.records import Kind, Values, decode, encode
from gatewright.server.store.search import Field, search
from gatewright.server.tenant import LogStream, Permission, Revocation, Role, User


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


def _pack_log_stream(record: LogStream, sealer: Sealer) -> Values:
    place = f"log_streams|sealed_sink|{record.id}"
    return {
        "id": record.id,
        "document": encode(record.document),
        "sealed_sink": sealer.seal(encode(record.sink).encode(), place),
    }


def _unpack_log_stream(row: Row[Any], sealer: Sealer) -> LogStream:
    place = f"log_streams|sealed_sink|{row.id}"
    return LogStream(
        id=row.id,
        document=decode(row.document),
        sink=decode(sealer.open(row.sealed_sink, place).decode()),
    )


def _pack_revocation(record: Revocation, _: Sealer) -> Values:
    return asdict(record)


def _unpack_revocation(row: Row[Any], _: Sealer) -> Revocation:
    members = {name: value for name, value in row._mapping.items() if name != "position"}  # noqa: SLF001 - SQLAlchemy's public name
    return Revocation(**members)


def _pairs(permissions: Iterable[Permission]) -> list[list[str]]:
    return [[permission.resource_server_id, permission.name] for permission in permissions]


def _permissions(pairs: object) -> tuple[Permission, ...]:
    return tuple(Permission(*pair) for pair in cast("list[list[str]]", pairs))


def user_search(query: str) -> Condition | None:
    """What a ``q`` says of users.

    Raises:
        SearchRefused: when it is not understood.
    """
    return search(query, _USER_FIELDS, words_in=("email", "name", "nickname"))


def _member(path: str) -> Any:  # noqa: ANN401 - a column of the document's, of whatever type
    return func.json_extract(tables.users.c.document, f"$.members.{path}")


_USER_FIELDS = {
    "user_id": Field(tables.users.c.user_id),
    "email": Field(tables.users.c.email),
    "identities.connection": Field(_member("identities[0].connection")),
    "username": Field(_member("username")),
    **{name: Field(_member(name), "text") for name in ("name", "nickname", "given_name", "family_name")},
}

ROLES = Kind("role", tables.roles, "id", _pack_role, _unpack_role)
USERS = Kind("user", tables.users, "user_id", _pack_user, _unpack_user)
LOG_STREAMS = Kind("log_stream", tables.log_streams, "id", _pack_log_stream, _unpack_log_stream)
REVOCATIONS = Kind("revocation", tables.revocations, "id", _pack_revocation, _unpack_revocation)
