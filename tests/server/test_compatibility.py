"""docs/reference/auth0-compatibility.md says what is so: every endpoint and member once, with its state."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import msgspec
import pytest

from gatewright.server.management import tools
from gatewright.server.management.app import ROUTES
from gatewright.server.oauth.request import PARAMETERS
from gatewright.server.openapi import document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running import Caller

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "auth0-compatibility.md"
TEXT = PAGE.read_text(encoding="utf-8")
DOCUMENT = document("https://issuer.example/")
SCHEMAS = DOCUMENT["components"]["schemas"]
BODIES = {row.body.__name__: row.body for row in ROUTES if row.body}

# How a record is made, read and named for each body type that makes one: the path, the least body, the key.
MAKING: dict[str, tuple[str, dict[str, Any], str]] = {
    "NewResourceServer": ("resource-servers", {"identifier": "urn:{}"}, "id"),
    "NewClient": ("clients", {"name": "A"}, "client_id"),
    "NewRole": ("roles", {"name": "Role {}"}, "id"),
    "NewUser": ("users", {"connection": "Staff", "email": "{}@staff.example"}, "user_id"),
    "NewLogStream": ("log-streams", {"type": "http", "sink": {"httpEndpoint": "https://a.example"}}, "id"),
}

# Stored, and for a reason that the page tells not answered as sent.
ANSWERED_OTHERWISE = {"token_encryption", "startFrom", "type", "sink", "status"}
SAMPLES: list[object] = [
    True, 20, "x", "+4912", "xxxxxxxxxxxxxxxx", "2030-01-01T00:00:00Z", ["a"], {"a": "b"}, [{"type": "a"}],
    {"mechanism": "dpop", "required": False}, {"policy_id": "a"}, [{"type": "category", "name": "other"}],
    {"log_fields": ["email"]}, {"enabled": True}, {"html": "x"}, {"charset": "digits"}, {"a": True}, ["EN"],
    {"mode": "persistent"}, {"oidc_logout_prompt_enabled": True}, {"enable_endpoint_aliases": True},
    {"rp_logout_end_session_endpoint_discovery": False}, {"list": ["DE"], "mode": "allow"},
]  # fmt: skip


def section(title: str) -> str:
    """The part of the page below a heading, up to the next one."""
    return TEXT.partition(f"{title}\n")[2].partition("\n#")[0]


def told_endpoints() -> Iterator[tuple[str, str]]:
    """Each method and path of the page, and its state."""
    for path, methods, state in re.findall(r"^\| `(/[^`]*)` \| ([A-Z, ]+) \| (\w+) \|$", TEXT, re.MULTILINE):
        for method in methods.split(", "):
            yield f"{method} {path}", state


def members(title: str) -> list[tuple[str, str]]:
    """Each member that a section lists, and its state."""
    rows = re.findall(r"^\| (works|ours|stored|absent) \| (`.*`) \|$", section(title), re.MULTILINE)
    return [(name, state) for state, names in rows for name in re.findall(r"`([^`]+)`", names)]


TITLES = re.findall(r"^### .*$", TEXT, re.MULTILINE)
TYPES = {title: re.findall(r"`(\w+)`", title) for title in TITLES if "/oauth/token" not in title}
ENDPOINTS = dict(told_endpoints())


def names_of(type_name: str) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(BODIES[type_name])}


def in_state(type_name: str, *states: str) -> list[str]:
    """Members of a body type that the page says are in one of the states."""
    title = next(title for title, types in TYPES.items() if type_name in types)
    known = names_of(type_name)
    return [name for name, state in members(title) if state in states and name in known]


def test_every_endpoint_stands_on_the_page_once() -> None:
    served = {f"{method.upper()} {path}" for path, item in DOCUMENT["paths"].items() for method in item}

    assert set(Counter(name for name, _ in told_endpoints()).values()) == {1}
    assert {name for name, state in ENDPOINTS.items() if state != "absent"} == served


def test_endpoints_without_a_subject_are_told_as_such() -> None:
    empty = {name for name, state in ENDPOINTS.items() if state == "empty"}

    assert empty == {f"{row.method} /api/v2{row.path}" for row in tools.ROUTES}


@pytest.mark.parametrize("endpoint", [name for name, state in ENDPOINTS.items() if state == "absent"])
def test_absent_endpoint_is_not_found(caller: Caller, endpoint: str) -> None:
    method, path = re.sub(r"{\w+}", "x", endpoint).split(" ")

    if path.startswith("/api/v2/"):
        answer = caller.manage(method, path.removeprefix("/api/v2/"))
    else:
        answer = caller.http.request(method, path.lstrip("/"))

    assert answer.status_code == 404, answer.text


def test_every_body_type_has_a_section() -> None:
    told = Counter(name for types in TYPES.values() for name in types)

    assert set(told) == set(BODIES)
    assert set(told.values()) == {1}


@pytest.mark.parametrize("title", TYPES)
def test_every_member_of_a_body_stands_in_its_section_once(title: str) -> None:
    told = Counter(name for name, _ in members(title))

    assert told.keys() == {name for type_name in TYPES[title] for name in names_of(type_name)}
    assert set(told.values()) == {1}


def test_every_parameter_of_a_token_request_stands_in_its_section_once() -> None:
    (title,) = set(TITLES) - set(TYPES)
    told = Counter(name for name, _ in members(title))

    assert set(told.values()) == {1}
    assert set(told) >= PARAMETERS
    assert {state for name, state in members(title) if name not in PARAMETERS} == {"absent"}


def sample(type_name: str, name: str) -> object:
    """A value that the member may have, and that is nothing's default."""
    schema = {**SCHEMAS[type_name]["properties"][name], "components": DOCUMENT["components"]}
    enumerated = [value for each in (schema, *schema.get("anyOf", ())) for value in each.get("enum", ())]
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    return next(value for value in [*enumerated, *SAMPLES] if validator.is_valid(value))


def comes_back(sent: object, read: object) -> bool:
    """Whether it is there as it was sent; some objects are merged into what was there before."""
    return read == sent or (
        isinstance(sent, dict) and isinstance(read, dict) and sent.items() <= read.items()
    )


@pytest.mark.parametrize("type_name", MAKING)
def test_what_is_stored_comes_back_as_it_was_sent(caller: Caller, type_name: str) -> None:
    noun, least, key = MAKING[type_name]
    names = [name for name in in_state(type_name, "stored") if name not in ANSWERED_OTHERWISE]
    assert names
    for number, name in enumerate(names):
        body = {
            member: value.format(f"{type_name}{number}") if isinstance(value, str) else value
            for member, value in least.items()
        }
        value = sample(type_name, name)
        made = caller.manage("POST", noun, json={**body, name: value})
        assert made.status_code in {200, 201}, made.text
        read = caller.manage("GET", f"{noun}/{made.json()[key]}").json()
        assert comes_back(value, read[name]), name


def test_stored_settings_come_back_as_they_were_sent(caller: Caller) -> None:
    for name in in_state("TenantSettings", "stored"):
        if name.endswith("_in_minutes"):
            continue  # answered in hours
        value = sample("TenantSettings", name)
        caller.update("tenants/settings", **{name: value})
        assert comes_back(value, caller.manage("GET", "tenants/settings").json()[name]), name


def test_absent_members_of_users_are_dropped(caller: Caller) -> None:
    sent = {name: sample("NewUser", name) for name in in_state("NewUser", "absent")}

    made = caller.create("users", connection="Staff", email="dropped@staff.example", **sent)

    assert sent
    assert not sent.keys() & caller.manage("GET", f"users/{made['user_id']}").json().keys()
