"""``/api/v2/roles``: named sets of permissions, and who was given them."""

from dataclasses import replace
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from gatewright.guard import all_of, any_of
from gatewright.server.errors import AlreadyExists, ApiError, NotFound
from gatewright.server.management import answers, permissions
from gatewright.server.management.description import EMPTY_OBJECT, PAGING, Items, Nothing, Record, text
from gatewright.server.management.endpoint import LIST_FIRST, Call, endpoint, page_of, paged
from gatewright.server.management.schema import Body, invalid_query
from gatewright.server.management.users import ROLE_MEMBERS, named_user
from gatewright.server.store.conditions import Condition, role_name_contains, user_has_role
from gatewright.server.tenant import Role, User, new_role_id, permissions_added

RoleName = Annotated[str, Meta(min_length=1, max_length=255)]
Description = Annotated[str, Meta(max_length=1024)]


class RolePatch(Body):
    """An update body."""

    name: RoleName | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET


class NewRole(Body):
    """A create body."""

    name: RoleName
    description: Description | UnsetType | None = UNSET
    type: Literal["tenant", "organization"] | UnsetType = UNSET
    owner_id: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET


class Members(Body):
    """The users a role is given to."""

    users: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(min_length=1, max_length=1000)
    ]


def create(call: Call) -> object:
    """Makes a role."""
    if call.body.get("type") == "organization" or "owner_id" in call.body:
        raise ApiError(400, "Roles of organizations are not supported here.", "operation_not_supported")
    role = Role(new_role_id(), dict(call.body))
    try:
        call.tx.roles.insert(role)
    except AlreadyExists as error:
        raise _taken() from error
    return rendered(role)


def read(call: Call) -> object:
    """One role."""
    return rendered(_named(call))


def list_all(call: Call) -> object:
    """The roles, in order of creation."""
    kind = call.query.get("type", "tenant")
    if kind not in {"tenant", "organization"}:
        raise invalid_query(f"No enum match for: {kind}", "type")
    name = call.query.get("name_filter", "")
    conditions: tuple[Condition, ...] = (role_name_contains(name),) if name else ()
    none: dict[str, object] = {"id": ()} if kind == "organization" else {}
    return paged(
        call, "roles", lambda page: call.tx.roles.page(page, *conditions, **none), rendered, totals=LIST_FIRST
    )


def update(call: Call) -> object:
    """Changes a role's name or description."""
    role = _named(call)
    try:
        changed = call.tx.roles.update(
            role.id, lambda each: replace(each, document={**each.document, **call.body})
        )
    except AlreadyExists as error:
        raise _taken() from error
    return rendered(changed)


def delete(call: Call) -> object:
    """Removes a role, also from the users who had it."""
    role = _named(call)
    for user in call.tx.users.find(user_has_role(role.id)):
        _take(call, role, user)
    call.tx.roles.delete(role.id)
    return {}


def list_permissions(call: Call) -> object:
    """What a role permits."""
    entries = permissions.rendered(call, _named(call).permissions)
    return paged(call, "permissions", page_of(entries), dict, totals=LIST_FIRST)


def add_permissions(call: Call) -> object:
    """Gives a role permissions."""
    more = permissions.defined(call)
    call.tx.roles.update(
        _named(call).id, lambda each: each.with_permissions(permissions_added(each.permissions, more))
    )
    return {}


def remove_permissions(call: Call) -> None:
    """Takes permissions from a role."""
    role = _named(call)
    left = permissions.without_named(call, role.permissions)
    call.tx.roles.update(role.id, lambda each: each.with_permissions(left))


def list_users(call: Call) -> object:
    """Who has a role."""
    has_it = user_has_role(_named(call).id)
    return paged(call, "users", lambda page: call.tx.users.page(page, has_it), _member, totals=LIST_FIRST)


def add_users(call: Call) -> object:
    """Gives users a role."""
    role = _named(call)
    for user_id in call.body["users"]:
        named_user(call, user_id)
        call.tx.users.update(
            user_id, lambda each: replace(each, roles=tuple(dict.fromkeys((*each.roles, role.id))))
        )
    return {}


def rendered(role: Role) -> dict[str, object]:
    """The role as it goes over the wire; the description is always there, as Auth0 has it."""
    return {"id": role.id, "name": role.name, "description": None, **role.document}


def _named(call: Call) -> Role:
    try:
        return call.tx.roles.get(call.path["id"])
    except NotFound as error:
        raise ApiError(404, "The role does not exist.", "inexistent_role") from error


def _taken() -> ApiError:
    return ApiError(409, "A role with the same name already exists", "role_conflict")


def _member(user: User) -> dict[str, object]:
    members = {"user_id": user.user_id, **user.document}
    return {name: members[name] for name in ("user_id", "email", "picture", "name") if name in members}


def _take(call: Call, role: Role, user: User) -> None:
    roles = tuple(each for each in user.roles if each != role.id)
    call.tx.users.update(user.user_id, lambda each: replace(each, roles=roles))


_SHOWN = Record("Role", NewRole, answers.RoleMade)
_FILTERS = (
    text("name_filter", "Only roles with this in their name"),
    text("type", "Roles of the tenant, or of organizations", choices=("tenant", "organization")),
)

ROUTES = (
    endpoint(
        "GET",
        "/roles",
        list_all,
        scope="read:roles",
        query=(*PAGING, *_FILTERS),
        answers=Items(_SHOWN, "roles"),
    ),
    endpoint(
        "POST",
        "/roles",
        create,
        scope="create:roles",
        body=NewRole,
        changes="Create a role",
        answers=_SHOWN,
        refuses=(409,),
    ),
    endpoint("GET", "/roles/{id}", read, scope="read:roles", answers=_SHOWN),
    endpoint(
        "PATCH",
        "/roles/{id}",
        update,
        scope="update:roles",
        body=RolePatch,
        changes="Update a role",
        answers=_SHOWN,
        refuses=(409,),
    ),
    endpoint(
        "DELETE",
        "/roles/{id}",
        delete,
        scope="delete:roles",
        changes="Delete a role",
        answers=EMPTY_OBJECT,
    ),
    endpoint(
        "GET",
        "/roles/{id}/permissions",
        list_permissions,
        scope="read:roles",
        query=PAGING,
        answers=Items(Record("RolePermission", made=answers.PermissionMade), "permissions"),
    ),
    endpoint(
        "POST",
        "/roles/{id}/permissions",
        add_permissions,
        scope="update:roles",
        status=201,
        body=permissions.Permissions,
        changes="Associate permissions with a role",
        answers=EMPTY_OBJECT,
        refuses=(),
        operation_id="roles_permissions_add",
    ),
    endpoint(
        "DELETE",
        "/roles/{id}/permissions",
        remove_permissions,
        scope="update:roles",
        body=permissions.Permissions,
        changes="Remove permissions from a role",
        answers=Nothing(),
        refuses=(),
    ),
    endpoint(
        "GET",
        "/roles/{id}/users",
        list_users,
        scope=ROLE_MEMBERS,
        rule=all_of("read:users", "read:roles") | any_of("read:role_members"),
        query=PAGING,
        answers=Items(Record("RoleMember", made=answers.RoleMemberMade), "users"),
    ),
    endpoint(
        "POST",
        "/roles/{id}/users",
        add_users,
        scope=("update:roles", "create:role_members"),
        body=Members,
        changes="Assign users to a role",
        answers=EMPTY_OBJECT,
        refuses=(),
        operation_id="roles_users_assign",
    ),
)
