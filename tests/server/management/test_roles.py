"""`/api/v2/roles`, their permissions and members (auth0-wire 3.13)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from gatewright.server.app import RunningServer
    from tests.running import Caller
    from tests.server.calling import Limited

API = "urn:blogs"


@pytest.fixture(scope="module", autouse=True)
def _api(caller: Caller) -> None:
    scopes = [{"value": "read:blog", "description": "Read blogs"}, {"value": "create:blog"}]
    caller.create("resource-servers", identifier=API, name="Blogs", scopes=scopes)


def made(caller: Caller, name: str, **members: object) -> dict[str, Any]:
    answer = caller.manage("POST", "roles", json={"name": name, **members})
    assert answer.status_code == 200, answer.text
    role: dict[str, Any] = answer.json()
    return role


def person(caller: Caller, email: str) -> str:
    user_id: str = caller.create("users", email=email, connection="people")["user_id"]
    return user_id


def named(*scopes: str, api: str = API) -> dict[str, object]:
    return {
        "permissions": [{"resource_server_identifier": api, "permission_name": scope} for scope in scopes]
    }


def permissions(caller: Caller, role: dict[str, Any]) -> list[str]:
    entries = caller.manage("GET", f"roles/{role['id']}/permissions").json()
    return [entry["permission_name"] for entry in entries]


def test_role_is_answered_as_recorded_and_creating_is_200(caller: Caller) -> None:
    role = made(caller, "Editor")

    assert re.fullmatch(r"rol_[A-Za-z0-9]{16}", role["id"])
    assert list(role.items()) == [("id", role["id"]), ("name", "Editor"), ("description", None)]
    assert caller.manage("GET", f"roles/{role['id']}").json() == role
    assert made(caller, "Reader", description="Reads", type="tenant")["type"] == "tenant"


def test_change_replaces_what_was_sent(caller: Caller) -> None:
    role = made(caller, "Old", description="First")

    assert caller.update(f"roles/{role['id']}", name="New") == {**role, "name": "New"}
    changed = caller.update(f"roles/{role['id']}", description="Second")
    assert changed == {**role, "name": "New", "description": "Second"}
    assert caller.manage("GET", f"roles/{role['id']}").json() == changed


def test_name_is_unique(caller: Caller, refused: Callable[..., None]) -> None:
    made(caller, "Unique")
    other = made(caller, "Other")

    text = "A role with the same name already exists"
    refused(caller.manage("POST", "roles", json={"name": "Unique"}), 409, text, "role_conflict")
    answer = caller.manage("PATCH", f"roles/{other['id']}", json={"name": "Unique"})
    refused(answer, 409, text, "role_conflict")


def test_deleting_answers_an_empty_object_once(caller: Caller, refused: Callable[..., None]) -> None:
    role = made(caller, "Gone")

    answer = caller.manage("DELETE", f"roles/{role['id']}")

    assert (answer.status_code, answer.json()) == (200, {})
    for method, path in [("GET", ""), ("DELETE", ""), ("GET", "/permissions"), ("GET", "/users")]:
        answer = caller.manage(method, f"roles/{role['id']}{path}")
        refused(answer, 404, "The role does not exist.", "inexistent_role")


def test_list_has_its_totals_behind_and_is_filtered_by_name(
    caller: Caller, refused: Callable[..., None]
) -> None:
    for name in ("100% sure", "100x sure", "Filtered A", "FILTERED b"):
        made(caller, name)

    def listed(**params: str | int) -> Any:  # noqa: ANN401 - a list or an object
        return caller.manage("GET", "roles", params=params).json()

    page = listed(include_totals="true", per_page=1, name_filter="filtered", page=1, type="tenant")
    assert list(page) == ["roles", "start", "limit", "total"]
    assert [role["name"] for role in page["roles"]] == ["FILTERED b"]
    assert (page["start"], page["limit"], page["total"]) == (1, 1, 2)
    assert [role["name"] for role in listed(name_filter="100%")] == ["100% sure"]
    assert listed(type="organization") == []
    refused(
        caller.manage("GET", "roles", params={"type": "x"}),
        400,
        "Query validation error: 'No enum match for: x' on property type.",
        "invalid_query_string",
    )


def test_permissions_are_added_listed_and_removed(caller: Caller) -> None:
    role = made(caller, "Permitted")
    path = f"roles/{role['id']}/permissions"

    added = caller.manage("POST", path, json=named("read:blog", "create:blog"))

    assert (added.status_code, added.json()) == (201, {})
    page = caller.manage("GET", path, params={"include_totals": "true"}).json()
    assert list(page) == ["permissions", "start", "limit", "total"]
    assert list(page["permissions"][0].items()) == [
        ("permission_name", "read:blog"),
        ("description", "Read blogs"),
        ("resource_server_name", "Blogs"),
        ("resource_server_identifier", API),
    ]
    assert page["permissions"][1]["description"] is None
    assert caller.manage("POST", path, json=named("read:blog")).status_code == 201
    assert permissions(caller, role) == ["read:blog", "create:blog"]
    for _ in range(2):
        removed = caller.manage("DELETE", path, json=named("read:blog"))
        assert (removed.status_code, removed.content) == (204, b"")
    assert permissions(caller, role) == ["create:blog"]


def test_permissions_are_paged_in_every_shape(caller: Caller) -> None:
    role = made(caller, "Paged")
    path = f"roles/{role['id']}/permissions"
    caller.manage("POST", path, json=named("read:blog", "create:blog"))

    first = caller.manage("GET", path, params={"take": 1}).json()
    second = caller.manage("GET", path, params={"take": 1, "from": first["next"]}).json()

    assert [entry["permission_name"] for entry in first["permissions"]] == ["read:blog"]
    assert [entry["permission_name"] for entry in second["permissions"]] == ["create:blog"]
    assert "next" not in second
    assert len(caller.manage("GET", path, params={"per_page": 1, "page": 1}).json()) == 1


@pytest.mark.parametrize(("api", "scope"), [("urn:none", "read:blog"), (API, "fly:blog")])
def test_what_no_api_defines_cannot_be_permitted(
    caller: Caller, refused: Callable[..., None], api: str, scope: str
) -> None:
    role = made(caller, f"Undefined {api}")

    answer = caller.manage("POST", f"roles/{role['id']}/permissions", json=named(scope, api=api))

    text = f"The permission {scope} is not defined on the resource server {api}"
    refused(answer, 400, text, "invalid_body")
    assert permissions(caller, role) == []


def test_the_systems_own_api_can_be_permitted(caller: Caller) -> None:
    role = made(caller, "Operator")
    path = f"roles/{role['id']}/permissions"

    added = caller.manage("POST", path, json=named("read:logs", api=caller.issuer + "api/v2/"))

    assert added.status_code == 201
    (entry,) = caller.manage("GET", path).json()
    assert entry["resource_server_identifier"] == caller.issuer + "api/v2/"


def test_scope_or_api_that_goes_takes_its_permissions_along(caller: Caller) -> None:
    for name in ("urn:x", "urn:y"):
        caller.create("resource-servers", identifier=name, scopes=[{"value": "a"}, {"value": "b"}])
    role, user = made(caller, "Follows"), person(caller, "follows@a.example")
    holders = [f"roles/{role['id']}/permissions", f"users/{quote(user, safe='')}/permissions"]
    for path in holders:
        caller.manage("POST", path, json=named("a", "b", api="urn:x"))
        caller.manage("POST", path, json=named("a", api="urn:y"))

    def held() -> list[list[tuple[str, str]]]:
        members = ("resource_server_identifier", "permission_name")
        lists = [caller.manage("GET", path).json() for path in holders]
        return [[(entry[members[0]], entry[members[1]]) for entry in entries] for entries in lists]

    caller.update("resource-servers/urn:x", scopes=[{"value": "b"}])
    assert held() == [[("urn:x", "b"), ("urn:y", "a")]] * 2
    assert caller.manage("DELETE", "resource-servers/urn:x").status_code == 204
    assert held() == [[("urn:y", "a")]] * 2
    caller.create("resource-servers", identifier="urn:x", scopes=[{"value": "b"}])
    assert held() == [[("urn:y", "a")]] * 2


def test_members_are_assigned_and_listed(caller: Caller, refused: Callable[..., None]) -> None:
    role, other = made(caller, "Crew"), made(caller, "Empty")
    first, second = person(caller, "one@a.example"), person(caller, "two@a.example")
    path = f"roles/{role['id']}/users"

    answer = caller.manage("POST", path, json={"users": [second, first]})

    assert answer.status_code == 200
    page = caller.manage("GET", path, params={"include_totals": "true", "per_page": 1}).json()
    assert list(page) == ["users", "start", "limit", "total"]
    assert page["users"] == [{"user_id": first, "email": "one@a.example", "name": "one@a.example"}]
    assert page["total"] == 2
    following = caller.manage("GET", path, params={"take": 1}).json()
    assert following["next"]
    assert caller.manage("GET", f"roles/{other['id']}/users").json() == []
    unknown = caller.manage("POST", path, json={"users": ["auth0|nobody"]})
    refused(unknown, 404, "The user does not exist.", "inexistent_user")


def test_role_that_goes_is_taken_from_its_members(caller: Caller, running: RunningServer) -> None:
    role, user = made(caller, "Fleeting"), person(caller, "three@a.example")
    caller.manage("POST", f"roles/{role['id']}/users", json={"users": [user]})
    path = f"users/{quote(user, safe='')}/roles"
    assert [each["id"] for each in caller.manage("GET", path).json()] == [role["id"]]

    caller.manage("DELETE", f"roles/{role['id']}")

    assert caller.manage("GET", path).json() == []
    assert running.server.store.read(lambda tx: tx.users.get(user)).roles == ()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "'Missing required property: name'."),
        ({"name": ""}, "'String is too short, minimum 1' on property name."),
        ({"name": "x", "colour": 1}, "'Additional properties not allowed: colour'."),
        ({"name": "x" * 256}, "'String is too long, maximum 255' on property name."),
    ],
)
def test_role_that_cannot_be_is_refused(
    caller: Caller, refused: Callable[..., None], body: dict[str, object], message: str
) -> None:
    answer = caller.manage("POST", "roles", json=body)

    refused(answer, 400, f"Payload validation error: {message}", "invalid_body")


def test_roles_of_organizations_are_refused(caller: Caller, refused: Callable[..., None]) -> None:
    answer = caller.manage("POST", "roles", json={"name": "O", "type": "organization", "owner_id": "org_1"})

    refused(answer, 400, "Roles of organizations are not supported here.", "operation_not_supported")


def test_scopes_are_needed(
    caller: Caller, holding: Callable[[str], Limited], refused: Callable[..., None]
) -> None:
    role = made(caller, "Scoped")
    text = "Insufficient scope, expected any of: "

    members = f"roles/{role['id']}/users"
    assert holding("read:users read:roles")("GET", members).status_code == 200
    assert holding("read:role_members")("GET", members).status_code == 200
    for scope in ("read:users", "read:roles"):
        answer = holding(scope)("GET", members)
        refused(answer, 403, text + "read:users,read:roles,read:role_members", "insufficient_scope")
    refused(
        holding("read:roles")("POST", "roles", json={"name": "N"}),
        403,
        text + "create:roles",
        "insufficient_scope",
    )
    answer = holding("read:roles")("POST", f"roles/{role['id']}/permissions", json=named("read:blog"))
    refused(answer, 403, text + "update:roles", "insufficient_scope")


def test_changes_leave_events(
    caller: Caller, events_of: Callable[[httpx2.Response], list[dict[str, Any]]]
) -> None:
    role = made(caller, "Told")

    answer = caller.manage("POST", f"roles/{role['id']}/permissions", json=named("read:blog"))

    (event,) = events_of(answer)
    assert (event["type"], event["description"]) == ("sapi", "Associate permissions with a role")
