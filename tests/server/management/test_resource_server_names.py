"""An API is found by its id and by its identifier, whatever characters that has and however often escaped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.running import bearer
from tests.server.inventing import invented_for_each

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.running import Caller
    from tests.server.calling import Answer, Wire

IDENTIFIERS = [
    "urn:plain",
    "https://blog.example/api",
    "https://blog.example/api/",
    "https://blog.example/a?b=c&d=e#f",
    "https://blog.example/a%2Fb",
    "with space + plus",
    "ünïcødé/日本/🔑",
    "a/../b/./c",
    "..",
    "/",
    "//",
    "?",
    "#",
    "%",
    "%25",
    "%2525",
    "a;b=c,d",
    'back\\slash and "quotes"',
    "tab\tand\rreturn",
    "line\nbreak\n",
    "null\x00byte",
    " ",
    "i" * 600,
]


any_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


def escaped(identifier: str, times: int = 1) -> str:
    for _ in range(times):
        identifier = quote(identifier, safe="")
    return identifier


@pytest.fixture(scope="module")
def call(caller: Caller, wire: Wire) -> Callable[[str, str], Answer]:
    """Calls for an API at a path sent as it is: HTTP clients normalize some."""
    authorization = bearer(caller.token(caller.operator, caller.issuer + "api/v2/"))["Authorization"]

    def send(method: str, segment: str) -> Answer:
        path = f"/api/v2/resource-servers/{segment}"
        return wire.send(f"{method} {path} HTTP/1.1\nAuthorization: {authorization}")

    return send


@pytest.fixture(scope="module")
def get(call: Callable[[str, str], Answer]) -> Callable[[str], dict[str, Any]]:
    """Reads an API that is there."""

    def read(segment: str) -> dict[str, Any]:
        answer = call("GET", segment)
        assert answer.status == 200, (segment, answer)
        members: dict[str, Any] = json.loads(answer.body)
        return members

    return read


@pytest.fixture(scope="module")
def made(caller: Caller) -> dict[str, dict[str, Any]]:
    """An API for each of the identifiers."""
    return {
        identifier: caller.create("resource-servers", identifier=identifier) for identifier in IDENTIFIERS
    }


@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_identifier_is_kept_and_found_escaped_once(
    get: Callable[[str], dict[str, Any]], made: dict[str, dict[str, Any]], identifier: str
) -> None:
    assert made[identifier]["identifier"] == identifier
    assert get(escaped(identifier)) == made[identifier]
    assert get(made[identifier]["id"]) == made[identifier]


@pytest.mark.parametrize("identifier", [name for name in IDENTIFIERS if "%" not in name])
def test_identifier_is_found_escaped_twice(
    get: Callable[[str], dict[str, Any]], made: dict[str, dict[str, Any]], identifier: str
) -> None:
    assert get(escaped(identifier, 2)) == made[identifier]


def test_identifier_to_the_letter_wins_over_one_to_be_unescaped(
    get: Callable[[str], dict[str, Any]], made: dict[str, dict[str, Any]], caller: Caller
) -> None:
    unescaped = caller.create("resource-servers", identifier="https://blog.example/a/b")

    assert get(escaped("https://blog.example/a%2Fb")) == made["https://blog.example/a%2Fb"]
    assert get(escaped("https://blog.example/a/b")) == unescaped


def test_lower_case_escapes_are_the_same(
    get: Callable[[str], dict[str, Any]], made: dict[str, dict[str, Any]]
) -> None:
    identifier = "https://blog.example/api"

    assert get(escaped(identifier).lower()) == made[identifier]
    assert get(quote(identifier, safe=":")) == made[identifier]


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    "path", ["https://blog.example/api", "urn:plain/", "urn%3Aplain%2F", "URN%3APLAIN", "%20urn:plain", ""]
)
def test_other_spellings_are_not_found(caller: Caller, path: str) -> None:
    assert caller.manage("GET", f"resource-servers/{path}").status_code == 404


@pytest.mark.parametrize("segment", ["%ff", "%", "%zz", "%00", "%C3%28", "%ED%A0%80"])
def test_odd_escapes_are_not_found(caller: Caller, refused: Callable[..., None], segment: str) -> None:
    answer = caller.manage("GET", f"resource-servers/x{segment}")

    refused(answer, 404, "The resource server does not exist", "inexistent_resource_server")


@pytest.mark.parametrize("times", [1, 2])
def test_change_and_delete_find_it_by_identifier_too(caller: Caller, times: int) -> None:
    identifier = f"https://blog.example/changed/{times}"
    caller.create("resource-servers", identifier=identifier)
    path = f"resource-servers/{escaped(identifier, times)}"

    assert caller.update(path, name="Changed")["name"] == "Changed"
    assert caller.manage("DELETE", path).status_code == 204
    assert caller.manage("GET", path).status_code == 404


def test_system_api_is_found_by_its_identifier(caller: Caller) -> None:
    identifier = caller.issuer + "api/v2/"

    for times in (1, 2):
        answer = caller.manage("GET", f"resource-servers/{escaped(identifier, times)}")
        assert answer.json()["is_system"] is True


@invented_for_each
@given(identifier=any_text)
def test_any_identifier_is_made_found_and_deleted(
    caller: Caller, call: Callable[[str, str], Answer], identifier: str
) -> None:
    made = caller.manage("POST", "resource-servers", json={"identifier": identifier})
    if made.status_code == 409:
        return  # one of those that the other tests look for
    path = escaped(identifier)

    assert made.status_code == 201
    assert json.loads(call("GET", path).body) == made.json()
    assert call("DELETE", path).status == 204
    assert call("GET", path).status == 404
