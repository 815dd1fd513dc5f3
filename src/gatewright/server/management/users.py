"""``/api/v2/users``: people, kept and listed. Nobody logs in here, so no password is kept."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from gatewright.guard import all_of, any_of
from gatewright.server.errors import AlreadyExists, ApiError, NotFound
from gatewright.server.events import iso_time
from gatewright.server.management import answers, permissions
from gatewright.server.management.description import (
    EMPTY_OBJECT,
    FIELDS,
    PAGING,
    Items,
    Nothing,
    Parameter,
    Record,
    text,
)
from gatewright.server.management.endpoint import LIST_FIRST, Call, endpoint, page_of, paged
from gatewright.server.management.schema import (
    Body,
    chosen,
    invalid_body,
    invalid_query,
    require_unique,
    searched,
)
from gatewright.server.model import merged
from gatewright.server.store.tenant_records import user_search
from gatewright.server.tenant import (
    Permission,
    Role,
    User,
    new_identity_id,
    permissions_added,
    user_in_wire_order,
)

PROVIDER = "auth0"
LONGEST_USER_ID = 64
ROLE_MEMBERS = ("read:users", "read:roles", "read:role_members")

# Taken, because every tool sends them, and without effect.
_NOT_KEPT = frozenset({"password", "verify_email", "verify_phone_number"})
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_ORDER = "created_at:1"
_TOTALS = ("start", "limit", "length", "", "total")

Email = Annotated[str, Meta(max_length=320)]
Line = Annotated[str, Meta(min_length=1, max_length=300)]
LocalId = Annotated[
    str, Meta(min_length=1, max_length=LONGEST_USER_ID - len(PROVIDER) - 1, pattern=r"^[^\s\x00-\x1f]+\Z")
]
Metadata = dict[str, Any]


class UserPatch(Body):
    """An update body; ``null`` clears."""

    email: Email | UnsetType | None = UNSET
    email_verified: bool | UnsetType = UNSET
    phone_number: Annotated[str, Meta(max_length=30)] | UnsetType | None = UNSET
    phone_verified: bool | UnsetType = UNSET
    username: Annotated[str, Meta(min_length=1, max_length=128)] | UnsetType | None = UNSET
    name: Line | UnsetType | None = UNSET
    given_name: Line | UnsetType | None = UNSET
    family_name: Line | UnsetType | None = UNSET
    nickname: Line | UnsetType | None = UNSET
    picture: Annotated[str, Meta(max_length=2048)] | UnsetType | None = UNSET
    blocked: bool | UnsetType = UNSET
    user_metadata: Metadata | UnsetType = UNSET
    app_metadata: Metadata | UnsetType = UNSET
    connection: Annotated[str, Meta(min_length=1, max_length=128)] | UnsetType = UNSET
    client_id: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    password: Annotated[str, Meta(min_length=1, max_length=1024)] | UnsetType | None = UNSET
    verify_email: bool | UnsetType = UNSET
    verify_phone_number: bool | UnsetType = UNSET


class NewUser(UserPatch, kw_only=True):
    """A create body."""

    connection: Annotated[str, Meta(min_length=1, max_length=128)]
    user_id: LocalId | UnsetType = UNSET


class Roles(Body):
    """The roles to give or take."""

    roles: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=32)]], Meta(min_length=1, max_length=50)
    ]


def create(call: Call) -> object:
    """Keeps a person. A password is taken, as every tool sends one, and not kept."""
    now = iso_time(call.server.now())
    sent = {name: value for name, value in call.body.items() if value is not None and name not in _NOT_KEPT}
    local_id, connection = sent.pop("user_id", None) or new_identity_id(), sent.pop("connection")
    sent.pop("client_id", None)
    if not sent.keys() & {"email", "phone_number", "username"}:
        raise invalid_body("Missing required property: email")
    user_id = f"{PROVIDER}|{local_id}"
    _require_free(call, sent.get("email"), connection)
    identity = {"connection": connection, "user_id": local_id, "provider": PROVIDER, "isSocial": False}
    document = _with_names(sent) | {
        "created_at": now,
        "updated_at": now,
        "user_id": user_id,
        "identities": [identity],
    }
    user = User(user_id, user_in_wire_order(document))
    try:
        call.tx.users.insert(user)
    except AlreadyExists as error:
        raise _taken() from error
    return rendered(user)


def read(call: Call) -> object:
    """One person."""
    return chosen(call.query, rendered(_named(call)))


def list_all(call: Call) -> object:
    """The people that ``q`` finds, in order of creation."""
    if call.query.get("sort", _ORDER) != _ORDER:
        raise invalid_query(f"No enum match for: {call.query['sort']}", "sort")
    wanted = searched(call.query, user_search)
    return paged(
        call,
        "users",
        lambda page: call.tx.users.page(page, *wanted),
        lambda user: chosen(call.query, rendered(user)),
        totals=_TOTALS,
    )


def list_by_email(call: Call) -> object:
    """The people with this address, of every connection."""
    email = call.query.get("email")
    if not email:
        raise invalid_query("Missing required property: email", "email")
    chosen(call.query, {})  # what is wrong with the query is wrong also where nobody has the address
    return [chosen(call.query, rendered(user)) for user in call.tx.users.find(email=email)]


def update(call: Call) -> object:
    """Changes a person: members replace, ``null`` clears, the two kinds of metadata merge."""
    user = _named(call)
    if call.body.get("password") is not None:
        raise ApiError(400, "Passwords are not kept here: nobody logs in.", "operation_not_supported")
    if call.body.get("connection", user.connection) != user.connection:
        raise ApiError(400, "The connection of a user cannot be changed.", "operation_not_supported")
    patch = {
        name: value
        for name, value in call.body.items()
        if name not in _NOT_KEPT and name not in {"connection", "client_id"}
    }
    if patch.get("email") not in {None, user.email}:
        _require_free(call, patch["email"], user.connection)
    for name in ("user_metadata", "app_metadata"):
        if name in patch:
            before: Any = user.document.get(name) or {}
            patch[name] = merged(before, patch[name])
    patch["updated_at"] = iso_time(call.server.now())

    def change(before: User) -> User:
        return replace(before, document=user_in_wire_order(merged(before.document, patch)))

    return rendered(call.tx.users.update(user.user_id, change))


def delete(call: Call) -> None:
    """Removes a person; one who does not exist is removed already."""
    call.tx.users.delete(call.path["id"])


def list_permissions(call: Call) -> object:
    """What a person may, by themselves and by their roles, and where it comes from."""
    user = _named(call)
    sources: dict[Permission, list[dict[str, str]]] = {
        held: [{"source_id": "", "source_name": "", "source_type": "DIRECT"}] for held in user.permissions
    }
    for role in _roles_of(call, user):
        for held in role.permissions:
            source = {"source_id": role.id, "source_name": role.name, "source_type": "ROLE"}
            sources.setdefault(held, []).append(source)
    entries = permissions.rendered(call, tuple(sources))
    whole = [entry | {"sources": sources[held]} for held, entry in zip(sources, entries, strict=True)]
    return paged(call, "permissions", page_of(whole), dict, totals=LIST_FIRST)


def add_permissions(call: Call) -> object:
    """Gives a person permissions of their own."""
    more = permissions.defined(call)
    call.tx.users.update(
        _named(call).user_id, lambda each: each.with_permissions(permissions_added(each.permissions, more))
    )
    return {}


def remove_permissions(call: Call) -> None:
    """Takes permissions of a person's own."""
    user = _named(call)
    left = permissions.without_named(call, user.permissions)
    call.tx.users.update(user.user_id, lambda each: each.with_permissions(left))


def list_roles(call: Call) -> object:
    """The roles a person has, by name."""

    def render(role: Role) -> object:
        return {"id": role.id, "name": role.name, "description": role.document.get("description")}

    return paged(call, "roles", page_of(_roles_of(call, _named(call))), render, totals=LIST_FIRST)


def add_roles(call: Call) -> None:
    """Gives a person roles."""
    user, wanted = _named(call), call.body["roles"]
    require_unique(wanted, "roles")
    known = {role.id for role in call.tx.roles.find(id=tuple(wanted))}
    if unknown := [role_id for role_id in wanted if role_id not in known]:
        raise ApiError(404, f"The role does not exist: {', '.join(unknown)}", "inexistent_role")
    roles = tuple(dict.fromkeys((*user.roles, *wanted)))
    call.tx.users.update(user.user_id, lambda each: replace(each, roles=roles))


def remove_roles(call: Call) -> None:
    """Takes roles from a person."""
    user = _named(call)
    roles = tuple(role_id for role_id in user.roles if role_id not in call.body["roles"])
    call.tx.users.update(user.user_id, lambda each: replace(each, roles=roles))


def named_user(call: Call, user_id: str) -> User:
    """The person with this id.

    Raises:
        ApiError: 404 when there is none.
    """
    try:
        return call.tx.users.get(user_id)
    except NotFound as error:
        raise ApiError(404, "The user does not exist.", "inexistent_user") from error


def rendered(user: User) -> dict[str, object]:
    """The person as it goes over the wire."""
    return dict(user.document)


def _named(call: Call) -> User:
    return named_user(call, call.path["id"])


def _roles_of(call: Call, user: User) -> list[Role]:
    return sorted(call.tx.roles.find(id=user.roles), key=lambda role: role.name)


def _with_names(sent: Mapping[str, Any]) -> dict[str, Any]:
    """The names Auth0 derives from the address; its picture, made from a hash of it, is left out."""
    derived: dict[str, Any] = {}
    if "email" in sent:
        derived = {"email_verified": False, "name": sent["email"], "nickname": sent["email"].split("@")[0]}
    return derived | dict(sent)


def _require_free(call: Call, email: str | None, connection: str) -> None:
    if email is None:
        return
    if not _EMAIL.fullmatch(email):
        raise invalid_body(f"Object didn't pass validation for format email: {email}", "email")
    if any(user.connection == connection for user in call.tx.users.find(email=email)):
        raise _taken()


def _taken() -> ApiError:
    return ApiError(409, "The user already exists.", "auth0_idp_error")


_SHOWN = Record("User", UserPatch, answers.UserMade, unseen=(*sorted(_NOT_KEPT), "connection", "client_id"))

_ADDRESS = Parameter("email", "The address", {"type": "string", "minLength": 1}, is_required=True)
_SEARCH = (text("q", "A search in Lucene's words"), text("sort", "That of creation", choices=(_ORDER,)))

ROUTES = (
    endpoint(
        "GET",
        "/users",
        list_all,
        scope="read:users",
        query=(*PAGING, *FIELDS, *_SEARCH),
        answers=Items(_SHOWN.in_part(), "users"),
    ),
    endpoint(
        "POST",
        "/users",
        create,
        scope="create:users",
        status=201,
        body=NewUser,
        changes="Create a user",
        answers=_SHOWN,
        refuses=(409,),
    ),
    endpoint("GET", "/users/{id}", read, scope="read:users", query=FIELDS, answers=_SHOWN.in_part()),
    endpoint(
        "PATCH",
        "/users/{id}",
        update,
        scope="update:users",
        body=UserPatch,
        changes="Update a user",
        answers=_SHOWN,
        refuses=(409,),
    ),
    endpoint(
        "DELETE",
        "/users/{id}",
        delete,
        scope="delete:users",
        changes="Delete a user",
        answers=Nothing(),
    ),
    endpoint(
        "GET",
        "/users/{id}/permissions",
        list_permissions,
        scope="read:users",
        query=PAGING,
        answers=Items(Record("UserPermission", made=answers.UserPermissionMade), "permissions"),
    ),
    endpoint(
        "GET",
        "/users-by-email",
        list_by_email,
        scope="read:users",
        query=(_ADDRESS, *FIELDS),
    ),
    endpoint(
        "POST",
        "/users/{id}/permissions",
        add_permissions,
        scope="update:users",
        status=201,
        body=permissions.Permissions,
        changes="Assign permissions to a user",
        answers=EMPTY_OBJECT,
        refuses=(),
        operation_id="users_permissions_create",
    ),
    endpoint(
        "DELETE",
        "/users/{id}/permissions",
        remove_permissions,
        scope="update:users",
        body=permissions.Permissions,
        changes="Remove permissions from a user",
        answers=Nothing(),
        refuses=(),
    ),
    endpoint(
        "GET",
        "/users/{id}/roles",
        list_roles,
        scope=ROLE_MEMBERS,
        rule=all_of("read:users", "read:roles") | any_of("read:role_members"),
        query=PAGING,
        answers=Items(Record("UserRole", made=answers.UserRoleMade), "roles"),
    ),
    endpoint(
        "POST",
        "/users/{id}/roles",
        add_roles,
        scope=("update:users", "create:role_members"),
        body=Roles,
        changes="Assign roles to a user",
        answers=Nothing(),
        refuses=(),
        operation_id="users_roles_assign",
    ),
    endpoint(
        "DELETE",
        "/users/{id}/roles",
        remove_roles,
        scope=("update:users", "delete:role_members"),
        body=Roles,
        changes="Remove roles from a user",
        answers=Nothing(),
        refuses=(),
    ),
)
