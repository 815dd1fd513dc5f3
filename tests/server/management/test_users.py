"""`/api/v2/users`: kept and listed (auth0-wire 3.13)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatewright.server.app import RunningServer
    from tests.records import Clock
    from tests.running import Caller
    from tests.server.calling import Limited

PASSWORD = "correct horse battery staple"


def at(user: dict[str, Any], more: str = "") -> str:
    return f"users/{quote(user['user_id'], safe='')}{more}"


def test_person_is_answered_as_recorded(caller: Caller) -> None:
    user = caller.create("users", email="ann@a.example", connection="people", username="ann")

    assert re.fullmatch(r"auth0\|[0-9a-f]{24}", user["user_id"])
    local_id = user["user_id"].removeprefix("auth0|")
    identity = {"connection": "people", "user_id": local_id, "provider": "auth0", "isSocial": False}
    assert list(user) == [
        *("created_at", "email", "email_verified", "identities", "name", "nickname", "updated_at"),
        *("user_id", "username"),
    ]
    assert user["identities"] == [identity]
    assert (user["name"], user["nickname"], user["email_verified"]) == ("ann@a.example", "ann", False)
    assert user["created_at"] == user["updated_at"]
    assert caller.manage("GET", at(user)).json() == user


def test_id_of_ones_own_is_kept_up_to_64_characters(caller: Caller, refused: Callable[..., None]) -> None:
    user = caller.create("users", email="own@a.example", connection="people", user_id="x" * 58)

    assert user["user_id"] == "auth0|" + "x" * 58
    body = {"email": "long@a.example", "connection": "people", "user_id": "x" * 59}
    text = "Payload validation error: 'String is too long, maximum 58' on property user_id."
    refused(caller.manage("POST", "users", json=body), 400, text, "invalid_body")
    body = {"email": "again@a.example", "connection": "people", "user_id": "x" * 58}
    refused(caller.manage("POST", "users", json=body), 409, "The user already exists.", "auth0_idp_error")


def test_password_is_taken_and_kept_nowhere(
    caller: Caller, refused: Callable[..., None], running: RunningServer
) -> None:
    body = {"email": "pw@a.example", "connection": "people", "password": PASSWORD, "verify_email": False}
    user = caller.create("users", **body)

    assert not {"password", "verify_email"} & user.keys()
    answer = caller.manage("PATCH", at(user), json={"password": PASSWORD, "name": "N"})
    refused(answer, 400, "Passwords are not kept here: nobody logs in.", "operation_not_supported")
    assert caller.manage("GET", at(user)).json() == user
    stored = b"".join(file.read_bytes() for file in running.settings.data.rglob("*") if file.is_file())
    assert b"pw@a.example" in stored
    assert PASSWORD.encode() not in stored


def test_address_is_unique_in_its_connection(caller: Caller, refused: Callable[..., None]) -> None:
    caller.create("users", email="twice@a.example", connection="people")
    other = caller.create("users", email="once@a.example", connection="people")

    body = {"email": "twice@a.example", "connection": "people"}
    refused(caller.manage("POST", "users", json=body), 409, "The user already exists.", "auth0_idp_error")
    answer = caller.manage("PATCH", at(other), json={"email": "twice@a.example"})
    refused(answer, 409, "The user already exists.", "auth0_idp_error")
    assert caller.create("users", email="twice@a.example", connection="others")


def test_change_merges_metadata_and_null_clears(caller: Caller, moving_clock: Clock) -> None:
    user = caller.create(
        "users",
        email="meta@a.example",
        connection="people",
        user_metadata={"a": 1, "b": 2},
        picture="https://p",
    )
    moving_clock.now += 10

    changed = caller.update(
        at(user),
        user_metadata={"b": None, "c": 3},
        app_metadata={"plan": "gold"},
        picture=None,
        blocked=False,
        connection="people",
    )

    assert changed["user_metadata"] == {"a": 1, "c": 3}
    assert list(changed)[-3:] == ["blocked", "user_metadata", "app_metadata"]
    assert "picture" not in changed
    assert changed["updated_at"] > changed["created_at"] == user["created_at"]
    assert caller.manage("GET", at(user)).json() == changed


def test_connection_cannot_be_changed(caller: Caller, refused: Callable[..., None]) -> None:
    user = caller.create("users", email="moves@a.example", connection="people")

    answer = caller.manage("PATCH", at(user), json={"connection": "others"})

    refused(answer, 400, "The connection of a user cannot be changed.", "operation_not_supported")


def test_removed_person_is_not_found(caller: Caller, refused: Callable[..., None]) -> None:
    user = caller.create("users", email="gone@a.example", connection="people")

    for _ in range(2):
        assert caller.manage("DELETE", at(user)).status_code == 204
    for path in (at(user), at(user, "/roles"), at(user, "/permissions")):
        refused(caller.manage("GET", path), 404, "The user does not exist.", "inexistent_user")


def test_list_has_the_members_that_tools_count(caller: Caller) -> None:
    for number in range(3):
        caller.create("users", email=f"list{number}@a.example", connection="people")
    every = caller.manage("GET", "users", params={"per_page": 100}).json()

    page = caller.manage("GET", "users", params={"include_totals": "true", "page": 1, "per_page": 2}).json()

    assert list(page) == ["start", "limit", "length", "users", "total"]
    assert (page["start"], page["limit"], page["length"], page["total"]) == (2, 2, 2, len(every))
    assert page["users"] == every[2:4]
    fields = caller.manage("GET", "users", params={"fields": "email", "per_page": 1}).json()
    assert [list(user) for user in fields] == [["email"]]


def test_people_are_found_by_their_address(caller: Caller, refused: Callable[..., None]) -> None:
    made = [caller.create("users", email="by@a.example", connection=name) for name in ("one", "two")]

    assert caller.manage("GET", "users-by-email", params={"email": "by@a.example"}).json() == made
    assert caller.manage("GET", "users-by-email", params={"email": "nobody@a.example"}).json() == []
    text = "Query validation error: 'Missing required property: email' on property email."
    refused(caller.manage("GET", "users-by-email"), 400, text, "invalid_query_string")


def test_order_that_is_not_there_is_refused(caller: Caller, refused: Callable[..., None]) -> None:
    assert caller.manage("GET", "users", params={"sort": "created_at:1"}).status_code == 200

    text = "Query validation error: 'No enum match for: email:1' on property sort."
    answer = caller.manage("GET", "users", params={"sort": "email:1"})
    refused(answer, 400, text, "invalid_query_string")


def test_people_are_searched(caller: Caller, refused: Callable[..., None]) -> None:
    for email in ("eve@search.example", "eva@search.example"):
        caller.create("users", email=email, connection="searched")

    def found(query: str) -> list[str]:
        answer = caller.manage("GET", "users", params={"q": query, "search_engine": "v3"})
        return [user["email"] for user in answer.json()]

    assert found('email:"eve@search.example"') == ["eve@search.example"]
    assert found("email:ev*") == ["eve@search.example", "eva@search.example"]
    both = found('identities.connection:"searched" AND NOT nickname:eva')
    assert both == ["eve@search.example"]
    answer = caller.manage("GET", "users", params={"q": "app_metadata.plan:gold"})
    fields = "email, family_name, given_name, identities.connection, name, nickname, user_id, username"
    text = f"'app_metadata.plan cannot be searched, only {fields}' on property q."
    refused(answer, 400, f"Query validation error: {text}", "invalid_query_string")


def test_permissions_tell_where_they_come_from(caller: Caller) -> None:
    caller.create("resource-servers", identifier="urn:u", name="U", scopes=[{"value": "a"}, {"value": "b"}])
    user = caller.create("users", email="perm@a.example", connection="people")
    role = caller.manage("POST", "roles", json={"name": "From role"}).json()
    both = {
        "permissions": [{"resource_server_identifier": "urn:u", "permission_name": name} for name in "ab"]
    }
    one = {"permissions": both["permissions"][:1]}
    caller.manage("POST", f"roles/{role['id']}/permissions", json=both)
    direct = {"source_id": "", "source_name": "", "source_type": "DIRECT"}
    by_role = {"source_id": role["id"], "source_name": "From role", "source_type": "ROLE"}

    added = caller.manage("POST", at(user, "/permissions"), json=one)
    assigned = caller.manage("POST", at(user, "/roles"), json={"roles": [role["id"]]})

    assert (added.status_code, added.json()) == (201, {})
    assert (assigned.status_code, assigned.content) == (204, b"")
    page = caller.manage("GET", at(user, "/permissions"), params={"include_totals": "true"}).json()
    assert list(page) == ["permissions", "start", "limit", "total"]
    first, second = page["permissions"]
    assert list(first.items()) == [
        ("permission_name", "a"),
        ("description", None),
        ("resource_server_name", "U"),
        ("resource_server_identifier", "urn:u"),
        ("sources", [direct, by_role]),
    ]
    assert second["sources"] == [by_role]
    assert caller.manage("DELETE", at(user, "/permissions"), json=one).status_code == 204
    assert caller.manage("DELETE", at(user, "/roles"), json={"roles": [role["id"]]}).status_code == 204
    assert caller.manage("GET", at(user, "/permissions")).json() == []


def test_roles_are_listed_by_name(caller: Caller, refused: Callable[..., None]) -> None:
    user = caller.create("users", email="roles@a.example", connection="people")
    owner, admin = (caller.manage("POST", "roles", json={"name": name}).json() for name in ("owner", "admin"))
    caller.manage("POST", at(user, "/roles"), json={"roles": [owner["id"], admin["id"]]})

    page = caller.manage("GET", at(user, "/roles"), params={"include_totals": "true"}).json()

    assert page == {"roles": [admin, owner], "start": 0, "limit": 50, "total": 2}
    answer = caller.manage("POST", at(user, "/roles"), json={"roles": ["rol_none"]})
    refused(answer, 404, "The role does not exist: rol_none", "inexistent_role")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"email": "a@a.example"}, "'Missing required property: connection'."),
        ({"connection": "people"}, "'Missing required property: email'."),
        (
            {"connection": "people", "email": "nobody"},
            "'Object didn't pass validation for format email: nobody' on property email.",
        ),
        ({"connection": "people", "email": "a@b.c", "x": 1}, "'Additional properties not allowed: x'."),
    ],
)
def test_person_that_cannot_be_is_refused(
    caller: Caller, refused: Callable[..., None], body: dict[str, object], message: str
) -> None:
    answer = caller.manage("POST", "users", json=body)

    refused(answer, 400, f"Payload validation error: {message}", "invalid_body")


def test_scopes_are_needed(
    caller: Caller, holding: Callable[[str], Limited], refused: Callable[..., None]
) -> None:
    user = caller.create("users", email="scoped@a.example", connection="people")
    reading = holding("read:users")

    assert reading("GET", at(user)).status_code == 200
    for method, path, scopes in [
        ("POST", "users", "create:users"),
        ("PATCH", at(user), "update:users"),
        ("DELETE", at(user), "delete:users"),
        ("POST", at(user, "/permissions"), "update:users"),
        ("DELETE", at(user, "/roles"), "update:users,delete:role_members"),
        ("GET", at(user, "/roles"), "read:users,read:roles,read:role_members"),
    ]:
        answer = reading(method, path, json={} if method != "GET" else None)
        refused(answer, 403, f"Insufficient scope, expected any of: {scopes}", "insufficient_scope")
