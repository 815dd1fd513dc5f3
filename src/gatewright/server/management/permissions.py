"""Permissions of roles and users: named on the wire by an API's identifier and one of its scopes."""

from collections.abc import Iterable, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from gatewright.server.errors import ApiError
from gatewright.server.management.endpoint import Call
from gatewright.server.management.naming import find_api, identifier_of
from gatewright.server.management.schema import Body, ScopeValue
from gatewright.server.model import ResourceServer
from gatewright.server.store import Transaction
from gatewright.server.store.conditions import role_permits, user_is_permitted
from gatewright.server.tenant import Permission, permissions_without


class Named(Struct, forbid_unknown_fields=True):
    """One permission."""

    resource_server_identifier: Annotated[str, Meta(min_length=1, max_length=600)]
    permission_name: ScopeValue


class Permissions(Body):
    """A body that adds or removes permissions."""

    permissions: Annotated[list[Named], Meta(min_length=1, max_length=1000)]


def defined(call: Call) -> tuple[Permission, ...]:
    """The permissions of the body, each of which its API defines.

    Raises:
        ApiError: 400 when one is not defined; it would be invisible today and in force some day.
    """
    found = []
    for entry in call.body["permissions"]:
        identifier, name = entry["resource_server_identifier"], entry["permission_name"]
        resource_server = find_api(call, identifier)
        if resource_server is None or name not in resource_server.scopes:
            raise ApiError(
                400,
                f"The permission {name} is not defined on the resource server {identifier}",
                "invalid_body",
            )
        found.append(Permission(resource_server.id, name))
    return tuple(found)


def without_named(call: Call, held: tuple[Permission, ...]) -> tuple[Permission, ...]:
    """What is left of the permissions when those of the body are gone; one not held is gone already."""
    for entry in call.body["permissions"]:
        resource_server = find_api(call, entry["resource_server_identifier"])
        if resource_server is not None:
            held = permissions_without(held, resource_server.id, {entry["permission_name"]})
    return held


def rendered(call: Call, permissions: Sequence[Permission]) -> list[dict[str, object]]:
    """The permissions as they go over the wire."""
    ids = tuple({permission.resource_server_id for permission in permissions})
    known = {each.id: each for each in call.tx.resource_servers.find(id=ids)}
    return [_entry(call, permission, known[permission.resource_server_id]) for permission in permissions]


def forget(tx: Transaction, resource_server_id: str, names: Iterable[str] | None) -> None:
    """Takes permissions that an API no longer defines from roles and users; ``None``: all of them."""
    gone = None if names is None else frozenset(names)

    def left(held: tuple[Permission, ...]) -> tuple[Permission, ...]:
        return permissions_without(held, resource_server_id, gone)

    for role in tx.roles.find(role_permits(resource_server_id)):
        if left(role.permissions) != role.permissions:
            tx.roles.update(role.id, lambda each: each.with_permissions(left(each.permissions)))
    for user in tx.users.find(user_is_permitted(resource_server_id)):
        if left(user.permissions) != user.permissions:
            tx.users.update(user.user_id, lambda each: each.with_permissions(left(each.permissions)))


def _entry(call: Call, permission: Permission, resource_server: ResourceServer) -> dict[str, object]:
    identifier = identifier_of(call.server, resource_server)
    return {
        "permission_name": permission.name,
        "description": resource_server.describe(permission.name),
        "resource_server_name": resource_server.name or identifier,
        "resource_server_identifier": identifier,
    }
