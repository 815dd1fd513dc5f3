"""Whatever is sent to the Management API, with a good token too: never a server error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatewright.server.management import tools
from gatewright.server.management.app import ROUTES
from tests.running import bearer
from tests.server.inventing import header_values, invented, invented_for_each, json_values, texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from gatewright.server.management.endpoint import Endpoint
    from tests.running import Caller
    from tests.server.calling import Wire

WRITES = [row for row in ROUTES if row.body is not None]
READS = [row for row in ROUTES if row.method == "GET" and row not in tools.ROUTES]
QUERIES = [
    "page",
    "per_page",
    "include_totals",
    "from",
    "take",
    "q",
    "sort",
    "fields",
    "audience",
    "app_type",
]
MEMBERS = sorted({name for row in WRITES if row.body for name in row.body.__struct_fields__})


def name_of(row: Endpoint) -> str:
    return f"{row.method} {row.path}"


def sound(answer: httpx2.Response) -> None:
    """A clear answer in the Management API's format."""
    assert answer.status_code < 500, answer.text
    assert answer.headers["X-Request-Id"]
    assert answer.headers["Cache-Control"] == "no-store"
    if answer.status_code >= 400:
        assert {"statusCode", "error", "message"} <= answer.json().keys()
        assert answer.json()["statusCode"] == answer.status_code
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.fixture(scope="module")
def token(caller: Caller) -> str:
    """A token that may do everything."""
    return caller.token(caller.operator, caller.issuer + "api/v2/")


def send(caller: Caller, token: str, row: Endpoint, content: bytes, name: str = "none") -> httpx2.Response:
    path = row.path.replace("{id}", name).replace("{kid}", name)
    headers = {**bearer(token), "Content-Type": "application/json"}
    return caller.http.request(row.method, f"api/v2{path}", headers=headers, content=content)


@pytest.mark.parametrize("row", WRITES, ids=name_of)
@invented_for_each
@given(members=st.dictionaries(st.sampled_from(MEMBERS) | texts, json_values, max_size=5))
@example(members={"name": "x", "mobile": {"a": float("nan")}})
@example(members={"identifier": "\ud800"})
@example(members={"name": "x", "x - at `$.y`": 1})
def test_any_object_gets_a_clear_answer(
    caller: Caller, token: str, row: Endpoint, members: dict[str, object]
) -> None:
    for noun in ("none", quote(caller.issuer + "api/v2/", safe="")):
        sound(send(caller, token, row, json.dumps(members).encode(), noun))


@invented
@given(body=st.binary(max_size=100))
def test_any_bytes_are_refused(caller: Caller, token: str, body: bytes) -> None:
    answer = send(caller, token, WRITES[0], body)

    sound(answer)
    assert answer.status_code == 400


@pytest.mark.parametrize("row", READS, ids=name_of)
@invented_for_each
@given(query=st.dictionaries(st.sampled_from(QUERIES), texts | st.integers().map(str), max_size=4))
def test_any_query_gets_a_clear_answer(caller: Caller, row: Endpoint, query: Mapping[str, str]) -> None:
    path = row.path.strip("/").replace("{id}", "none").replace("{kid}", "none")

    sound(caller.manage("GET", path, params=query))


@invented
@given(raw=st.binary(max_size=30))
@example(raw=b"%00")
@example(raw=b"\xff")
def test_any_query_string_gets_a_clear_answer(caller: Caller, raw: bytes) -> None:
    sound(caller.manage("GET", f"clients?{quote(raw, safe='%=&;+')}"))


@invented
@given(value=header_values)
def test_any_authorization_is_refused(caller: Caller, value: bytes) -> None:
    answer = caller.http.get("api/v2/clients", headers=[(b"Authorization", value)])

    sound(answer)
    assert answer.status_code in {400, 401}


@invented
@given(value=header_values)
def test_any_bearer_token_is_refused(caller: Caller, value: bytes) -> None:
    answer = caller.http.get("api/v2/clients", headers=[(b"Authorization", (b"Bearer " + value).strip())])

    sound(answer)
    assert answer.status_code in {400, 401}


@invented_for_each
@given(name=st.binary(min_size=1, max_size=20).filter(lambda raw: b"\n" not in raw))
@pytest.mark.parametrize("noun", ["resource-servers", "clients", "client-grants", "keys/signing", "logs"])
def test_any_name_in_the_path_is_answered(wire: Wire, token: str, noun: str, name: bytes) -> None:
    answer = wire.send(f"GET /api/v2/{noun}/{quote(name, safe='')} HTTP/1.1\nAuthorization: Bearer {token}")

    assert answer.status == 404
    assert json.loads(answer.body)["statusCode"] == 404
