"""Roles, users, log streams and revocations: they come back as they were, found by what they hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from gatewright.server.errors import AlreadyExists
from gatewright.server.store import Page
from gatewright.server.store.conditions import (
    revocation_changed_after,
    revocation_ends_by,
    revocation_holds,
    role_name_contains,
    role_permits,
    user_has_role,
    user_is_permitted,
)
from gatewright.server.tenant import (
    LogStream,
    Permission,
    Revocation,
    Role,
    User,
    new_log_stream_id,
    new_revocation_id,
    new_role_id,
)
from tests.databases import insert

if TYPE_CHECKING:
    from gatewright.server.store import Store
    from tests.databases import Database

API, OTHER = "a" * 24, "b" * 24


def role(name: str, *permissions: Permission) -> Role:
    return Role(new_role_id(), {"name": name, "description": None}, permissions)


def user(name: str, *permissions: Permission, roles: tuple[str, ...] = ()) -> User:
    identities = [{"connection": "people", "user_id": name}]
    document = {"name": name, "email": f"{name}@a.example", "identities": identities}
    return User(f"auth0|{name}", document, roles, permissions)


def test_each_comes_back_as_it_was(store: Store) -> None:
    kept = role("Editor", Permission(API, "a"), Permission(OTHER, "b"))
    person = user("ann", Permission(API, "a"), roles=(kept.id, "rol_gone"))
    stream = LogStream(new_log_stream_id(), {"type": "http"}, {"httpEndpoint": "https://l.example"})

    insert(store, kept, person, stream)

    assert store.read(lambda tx: tx.roles.get(kept.id)) == kept
    assert store.read(lambda tx: tx.users.get(person.user_id)) == person
    assert store.read(lambda tx: tx.users.find(email="ann@a.example")) == [person]
    assert store.read(lambda tx: tx.log_streams.get(stream.id)) == stream


def test_names_of_roles_and_ids_of_users_are_unique(store: Store) -> None:
    first, second = role("One"), role("Two")
    insert(store, first, second, user("ann"))

    for change in (
        lambda tx: tx.roles.insert(role("One")),
        lambda tx: tx.roles.update(second.id, lambda each: replace(each, document=first.document)),
        lambda tx: tx.users.insert(user("ann")),
    ):
        with pytest.raises(AlreadyExists):
            store.write(change)


def test_roles_are_found_by_name_and_permission(store: Store) -> None:
    editor, percent = role("Editor", Permission(API, "a")), role("100% sure", Permission(OTHER, "a"))
    insert(store, editor, percent)

    assert store.read(lambda tx: tx.roles.find(role_name_contains("eDIT"))) == [editor]
    assert store.read(lambda tx: tx.roles.find(role_name_contains("%"))) == [percent]
    assert store.read(lambda tx: tx.roles.find(role_name_contains("_"))) == []
    assert store.read(lambda tx: tx.roles.find(role_permits(OTHER))) == [percent]


def test_users_are_found_by_role_and_permission_and_not_by_what_they_say_of_themselves(
    store: Store,
) -> None:
    has = user("has", roles=("rol_x", "rol_y"))
    says = user("says", Permission(API, "a"))
    says = replace(says, document={**says.document, "user_metadata": {"roles": ["rol_x"]}})
    insert(store, has, says)

    page = store.read(lambda tx: tx.users.page(Page(limit=1), user_has_role("rol_x")))
    assert (page.items, page.total, page.next) == ([has], 1, None)
    assert store.read(lambda tx: tx.users.find(user_has_role("rol_"))) == []
    assert store.read(lambda tx: tx.users.find(user_is_permitted(API))) == [says]


def test_a_sink_lies_sealed_and_opens_at_its_place_alone(database: Database, store: Store) -> None:
    stream = LogStream(new_log_stream_id(), {"type": "http"}, {"httpAuthorization": "a-secret-of-a-sink"})
    insert(store, stream)
    assert "a-secret-of-a-sink" not in repr(stream)

    file = Path(str(make_url(database.url).database))
    on_disk = b"".join(path.read_bytes() for path in sorted(file.parent.glob(file.name + "*")))

    assert stream.id.encode() in on_disk
    assert b"a-secret-of-a-sink" not in on_disk


def revocation(revision: int, *, expires_at: float = 3.5, undone_at: float | None = None) -> Revocation:
    return Revocation(
        id=new_revocation_id(),
        revision=revision,
        kind="grant",
        created_at=1.5,
        expires_at=expires_at,
        client_id="app",
        audience="https://a.example",
        revoked_before=1.0,
        undone_at=undone_at,
    )


def test_revocations_come_back_as_they_were_and_are_found_by_revision_and_time(store: Store) -> None:
    newest = 1_800_000_000_123  # more than 32 bits
    kept = [revocation(newest - 1, expires_at=2.0), revocation(newest), revocation(newest + 1, undone_at=2.0)]

    insert(store, *kept)

    assert store.read(lambda tx: tx.revocations.find()) == kept
    assert store.read(lambda tx: tx.revocations.find(revocation_changed_after(newest - 1))) == kept[1:]
    assert store.read(lambda tx: tx.revocations.find(revocation_ends_by(2.0))) == kept[:1]
    assert store.read(lambda tx: tx.revocations.find(revocation_ends_by(1.9))) == []
    assert store.read(lambda tx: tx.revocations.find(revocation_holds(2.0))) == kept[1:2]
    assert store.read(lambda tx: tx.revocations.find(jti=None, client_id="app")) == kept


def test_no_two_revocations_have_one_revision(store: Store) -> None:
    insert(store, revocation(1))

    with pytest.raises(AlreadyExists):
        insert(store, revocation(1))
