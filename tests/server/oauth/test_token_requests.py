"""What `POST /oauth/token` reads, and what it refuses to read (RFC 6749 sections 3.2 and 4.4.2)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import httpx2

    from tests.running import Caller
    from tests.server.calling import Asking, Wire

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
LIMIT = 64 * 1024


def refusal(answer: httpx2.Response, status: int, description: str) -> None:
    """The answer is `invalid_request` with exactly this description, and nothing else."""
    assert answer.status_code == status, answer.text
    assert answer.json() == {"error": "invalid_request", "error_description": description}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"


def test_form_and_json_get_the_same_answer(ask: Asking) -> None:
    form, document = ask.form(), ask.json()

    assert form.status_code == document.status_code == 200
    assert form.json().keys() == document.json().keys()


def test_answer_has_exactly_the_recorded_members_in_their_order(ask: Asking) -> None:
    answer = ask.form()

    body = answer.json()
    assert list(body) == ["access_token", "scope", "expires_in", "token_type"]
    assert (body["scope"], body["expires_in"], body["token_type"]) == (
        "read:blog create:blog",
        86400,
        "Bearer",
    )
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"
    assert "www-authenticate" not in answer.headers


def test_null_counts_as_absent(ask: Asking) -> None:
    answer = ask.json(organization=None, scope=None, client_assertion=None)

    assert answer.status_code == 200
    assert answer.json()["scope"] == "read:blog create:blog"


@pytest.mark.parametrize("value", [7, True, ["x"], {"a": {"b": []}}, "text", None])
def test_unknown_parameter_is_ignored_whatever_it_is(ask: Asking, value: object) -> None:
    assert ask.json(extra=value).status_code == 200


def test_unknown_parameter_of_a_form_is_ignored(ask: Asking) -> None:
    assert ask.form(extra="1", resource="https://elsewhere.example/").status_code == 200


@pytest.mark.parametrize("value", [7, 1.5, True, False, ["read:blog"], {"a": 1}, []])
@pytest.mark.parametrize(
    "name",
    [
        "grant_type",
        "client_id",
        "client_secret",
        "audience",
        "scope",
        "organization",
        "client_assertion",
        "client_assertion_type",
    ],
)
def test_known_parameter_must_be_a_string(ask: Asking, name: str, value: object) -> None:
    refusal(ask.json(**{name: value}), 400, f"The parameter {name} must be a string")


@pytest.mark.parametrize("name", ["grant_type", "client_id"])
@pytest.mark.parametrize("value", ["", None])
def test_parameter_without_a_value_counts_as_missing(ask: Asking, name: str, value: str | None) -> None:
    refusal(ask.json(**{name: value}), 400, f"Missing required parameter: {name}")


@pytest.mark.parametrize("name", ["grant_type", "client_id"])
def test_empty_parameter_of_a_form_counts_as_missing(ask: Asking, name: str) -> None:
    refusal(ask.form(**{name: ""}), 400, f"Missing required parameter: {name}")


@pytest.mark.parametrize("body", [b"", b"&&&", b"=", b"grant_type"])
def test_form_without_anything_lacks_the_grant_type(caller: Caller, body: bytes) -> None:
    answer = caller.http.post("oauth/token", content=body, headers=FORM)

    refusal(answer, 400, "Missing required parameter: grant_type")


@pytest.mark.parametrize(
    ("name", "shown"),
    [("scope", "scope"), ("client_secret", "client_secret"), ("audience", "audience"), ("x\n", "(unknown)")],
)
def test_parameter_twice_in_a_form_is_refused(ask: Asking, name: str, shown: str) -> None:
    body = urlencode([*ask.members.items(), (name, "read:blog"), (name, "read:blog")])
    answer = ask.caller.http.post("oauth/token", content=body, headers=FORM)

    refusal(answer, 400, f"A parameter was sent more than once: {shown}")


def test_parameter_twice_is_refused_however_it_is_escaped(ask: Asking) -> None:
    body = urlencode(ask.members) + "&client%5fsecret=other"
    answer = ask.caller.http.post("oauth/token", content=body, headers=FORM)

    refusal(answer, 400, "A parameter was sent more than once: client_secret")


def test_member_twice_in_json_is_refused(ask: Asking) -> None:
    body = json.dumps(ask.members)[:-1] + ',"client_s\\u0065cret":"other"}'
    answer = ask.caller.http.post("oauth/token", content=body, headers=JSON)

    refusal(answer, 400, "The request body is not sound JSON: duplicate member 'client_secret'")


def test_query_string_is_no_part_of_the_request(ask: Asking) -> None:
    members = {**ask.members, "client_secret": ""}
    secret = ask.members["client_secret"]
    answer = ask.caller.http.post("oauth/token", params={"client_secret": secret}, data=members)

    assert answer.status_code == 401


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "multipart/form-data; boundary=x", "application/xml", "application/jsonp", "json"],
)
def test_other_content_type_is_refused(ask: Asking, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    answer = ask.caller.http.post("oauth/token", content=json.dumps(ask.members), headers=headers)

    accepted = "application/x-www-form-urlencoded or application/json"
    refusal(answer, 415, f"The Content-Type must be {accepted}")


@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-16", "utf-7", ""])
@pytest.mark.parametrize("kind", [*FORM.values(), *JSON.values()])
def test_other_charset_is_refused(ask: Asking, kind: str, charset: str) -> None:
    headers = {"Content-Type": f"{kind}; charset={charset}"}
    answer = ask.caller.http.post("oauth/token", content=json.dumps(ask.members), headers=headers)

    refusal(answer, 415, "The request body must be in UTF-8")


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", 'APPLICATION/JSON;charset="UTF-8"', "application/json;x=y"],
)
def test_utf8_may_be_said_aloud(ask: Asking, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    answer = ask.caller.http.post("oauth/token", content=json.dumps(ask.members), headers=headers)

    assert answer.status_code == 200


@pytest.mark.parametrize("body", [b"grant_type=\xff", b"grant_type=%ff", b"\x80=1"])
def test_form_that_is_no_utf8_is_refused(caller: Caller, body: bytes) -> None:
    answer = caller.http.post("oauth/token", content=body, headers=FORM)

    refusal(answer, 400, "The request body is not a sound form in UTF-8")


def test_a_hundred_parameters_are_read_and_one_more_is_refused(ask: Asking) -> None:
    filler = {f"x{number}": "1" for number in range(100 - len(ask.members))}

    assert ask.form(**filler).status_code == 200
    refusal(ask.form(**filler, one_more="1"), 400, "The request body is not a sound form in UTF-8")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not valid JSON at character 0"),
        (b"{", "not valid JSON at character 1"),
        (b'{"a":1}x', "not valid JSON at character 7"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'\xef\xbb\xbf{"a":1}', "not valid JSON at character 0"),
        (b'{"a":"\xff"}', "not valid UTF-8"),
        (b'{"grant_type":"\\ud800"}', "half of a surrogate pair"),
        (b'{"a":' + b"[" * 16 + b"]" * 16 + b"}", "nested deeper than 16 levels"),
        (b"[" * 30_000, "nested deeper than 16 levels"),
    ],
)
def test_json_that_is_none_is_refused(caller: Caller, body: bytes, why: str) -> None:
    answer = caller.http.post("oauth/token", content=body, headers=JSON)

    refusal(answer, 400, f"The request body is not sound JSON: {why}")


@pytest.mark.parametrize("body", [b"[]", b'[{"grant_type":"client_credentials"}]', b'"x"', b"null", b"7"])
def test_json_that_is_no_object_is_refused(caller: Caller, body: bytes) -> None:
    answer = caller.http.post("oauth/token", content=body, headers=JSON)

    refusal(answer, 400, "The request body must be a JSON object")


def test_body_up_to_the_limit_is_read(ask: Asking) -> None:
    body = json.dumps({**ask.members, "x": ""})
    padded = body[:-2] + "x" * (LIMIT - len(body)) + body[-2:]
    assert len(padded) == LIMIT

    assert ask.caller.http.post("oauth/token", content=padded, headers=JSON).status_code == 200


@pytest.mark.parametrize("headers", [FORM, JSON], ids=["form", "json"])
def test_larger_body_is_refused_by_its_declared_length(caller: Caller, headers: Mapping[str, str]) -> None:
    answer = caller.http.post("oauth/token", content=b"x" * (LIMIT + 1), headers=headers)

    refusal(answer, 413, "The request body is larger than 65536 bytes")


@pytest.mark.parametrize("headers", [FORM, JSON], ids=["form", "json"])
def test_larger_body_in_chunks_is_refused(caller: Caller, headers: Mapping[str, str]) -> None:
    def chunks() -> Iterator[bytes]:
        yield from [b"x" * 4096] * 17

    answer = caller.http.post("oauth/token", content=chunks(), headers=headers)

    refusal(answer, 413, "The request body is larger than 65536 bytes")


def test_declared_length_is_refused_before_the_body_comes(wire: Wire) -> None:
    answer = wire.send("POST /oauth/token HTTP/1.1\nContent-Type: application/json\nContent-Length: 65537")

    assert answer.status == 413


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused_in_the_oauth_format(caller: Caller, method: str) -> None:
    answer = caller.http.request(method, "oauth/token")

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    if method != "HEAD":
        expected = {"error": "method_not_allowed", "error_description": "Method Not Allowed"}
        assert answer.json() == expected


def test_unknown_page_is_refused_in_the_oauth_format(caller: Caller) -> None:
    answer = caller.http.get("oauth/authorize")

    assert answer.status_code == 404
    assert answer.json() == {"error": "not_found", "error_description": "Not Found"}
    assert answer.headers["X-Request-Id"]


def test_no_answer_sends_to_the_host_that_the_request_names(wire: Wire) -> None:
    for path in ("/oauth/token/", "/api/v2", "/health/live/", "/.well-known/jwks.json/"):
        answer = wire.send(f"GET {path} HTTP/1.1\nHost: evil.example")

        assert answer.status == 404
        assert "evil.example" not in str(answer)


def test_every_answer_has_a_request_id_of_its_own(ask: Asking, lines: Sequence[Mapping[str, object]]) -> None:
    answers = [ask.form(), ask.form(client_secret="wrong"), ask.form(grant_type="")]

    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert len(set(ids)) == 3
    assert [line["request_id"] for line in lines if line["event"] == "request"] == ids
