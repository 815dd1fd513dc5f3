"""Whatever a stranger sends to the token endpoint: a clear refusal, never a server error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.server.inventing import header_values, invented, invented_for_each, json_values, texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from tests.running import Caller

NAMES = ["grant_type", "client_id", "client_secret", "audience", "scope", "organization", "extra"]
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

client_parts = st.binary(max_size=20) | st.just(b"client_credentials")


def refused(answer: httpx2.Response) -> None:
    """A client error in the OAuth format; nothing here can be right by chance."""
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["Content-Type"] == JSON
    assert answer.headers["X-Request-Id"]
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert body.keys() - {"error_uri"} == {"error", "error_description"}
    assert body["error_description"].isprintable()


def post(caller: Caller, body: bytes, headers: Mapping[str, str | bytes]) -> httpx2.Response:
    encoded = [
        (name.encode(), value.encode() if isinstance(value, str) else value)
        for name, value in headers.items()
    ]
    return caller.http.post("oauth/token", content=body, headers=encoded)


@invented
@given(body=st.binary(max_size=200), kind=st.sampled_from([FORM, JSON, "text/plain", ""]))
@example(body=b"\xff\xfe{\x00}\x00", kind=JSON)
@example(body=b"%", kind=FORM)
def test_any_bytes_are_refused(caller: Caller, body: bytes, kind: str) -> None:
    refused(post(caller, body, {"Content-Type": kind}))


@invented
@given(members=st.dictionaries(st.sampled_from(NAMES) | texts, json_values, max_size=8))
@example(members={"grant_type": "client_credentials", "client_id": "\ud800"})
@example(members={"grant_type": "client_credentials", "client_id": "x", "scope": "\u2028\u00a0\x1f"})
def test_any_json_object_is_refused(caller: Caller, members: dict[str, object]) -> None:
    refused(post(caller, json.dumps(members).encode(), {"Content-Type": JSON}))


@invented
@given(members=st.dictionaries(st.sampled_from(NAMES), client_parts))
def test_any_form_is_refused(caller: Caller, members: dict[str, bytes]) -> None:
    body = "&".join(f"{name}={quote_from_bytes(value)}" for name, value in members.items())

    refused(post(caller, body.encode(), {"Content-Type": FORM}))


@invented_for_each
@given(value=header_values)
@example(value=b"Basic \xff")
@example(value=b"Basic")
@example(value=b"Basic ========")
@pytest.mark.parametrize("name", ["Authorization", "Content-Type", "User-Agent", "Accept", "If-None-Match"])
def test_any_header_is_refused(caller: Caller, name: str, value: bytes) -> None:
    headers: dict[str, str | bytes] = {"Content-Type": JSON, name: value}

    refused(post(caller, b'{"grant_type":"client_credentials","client_id":"x"}', headers))


@invented
@given(value=header_values)
def test_any_tag_is_answered_by_the_key_set(caller: Caller, value: bytes) -> None:
    answer = caller.http.get(".well-known/jwks.json", headers=[(b"If-None-Match", value)])

    assert answer.status_code in {200, 304}
