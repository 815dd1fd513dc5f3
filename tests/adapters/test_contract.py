"""The contract of every adapter: the guard's answers, byte for byte, and nothing read or run before them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator

import pytest

from gatewright import Guard
from gatewright.jose import JWKS
from tests.adapters.doors import Door
from tests.guard.issuing import AUDIENCE, NOW, REMOVED, Clock, bearer, guard, key, raw_token, token

MakeDoor = Callable[[Guard], Door]

NO_TOKEN = (
    401,
    'Bearer realm="https://blog-api"',
    b'{"error":"unauthorized","error_description":"No access token was sent"}',
)
BAD_HEADER = (
    400,
    (
        'Bearer realm="https://blog-api", error="invalid_request",'
        ' error_description="The Authorization header is malformed"'
    ),
    b'{"error":"invalid_request","error_description":"The Authorization header is malformed"}',
)
MALFORMED = (
    401,
    (
        'Bearer realm="https://blog-api", error="invalid_token",'
        ' error_description="The access token is malformed"'
    ),
    b'{"error":"invalid_token","error_description":"The access token is malformed"}',
)
EXPIRED = (
    401,
    'Bearer realm="https://blog-api", error="invalid_token", error_description="The access token expired"',
    b'{"error":"invalid_token","error_description":"The access token expired"}',
)
NOT_YET_VALID = (
    401,
    (
        'Bearer realm="https://blog-api", error="invalid_token",'
        ' error_description="The access token is not valid yet"'
    ),
    b'{"error":"invalid_token","error_description":"The access token is not valid yet"}',
)
INVALID = (
    401,
    'Bearer realm="https://blog-api", error="invalid_token", error_description="The access token is invalid"',
    b'{"error":"invalid_token","error_description":"The access token is invalid"}',
)


def lacks_scope(scopes: str) -> tuple[int, str, bytes]:
    return (
        403,
        (
            'Bearer realm="https://blog-api", error="insufficient_scope",'
            f' error_description="The access token lacks a required scope", scope="{scopes}"'
        ),
        b'{"error":"insufficient_scope","error_description":"The access token lacks a required scope"}',
    )


RULE_NOT_MET = (
    403,
    (
        'Bearer realm="https://blog-api", error="insufficient_scope",'
        ' error_description="The access token does not meet the requirements of this resource"'
    ),
    (
        b'{"error":"insufficient_scope","error_description":"The access token does not meet the requirements'
        b' of this resource"}'
    ),
)


def method_and_path(name: str) -> tuple[str, str]:
    method, path = name.split()
    return method, path


def assert_refused(
    door: Door,
    expected: tuple[int, str, bytes],
    headers: list[tuple[str, str]],
    *,
    name: str = "GET /any",
    body: Iterable[bytes] = (),
) -> None:
    """The whole answer, and that neither the endpoint nor the body was touched."""
    status, challenge, content = expected
    answer = door(*method_and_path(name), headers, body)
    assert re.fullmatch("[0-9a-f]{16}", answer.headers.pop("x-request-id"))
    assert (answer.status, answer.body, answer.headers) == (
        status,
        content,
        {
            "content-type": "application/json",
            "cache-control": "no-store",
            "www-authenticate": challenge,
            "content-length": str(len(content)),
        },
    )
    assert answer.entered == []
    assert answer.reads == 0


# What stands in the table of answers, row by row.
TABLE: dict[str, tuple[tuple[int, str, bytes], list[tuple[str, str]]]] = {
    "no header": (NO_TOKEN, []),
    "another scheme": (NO_TOKEN, [("Authorization", "Basic dXNlcjpwYXNz")]),
    "no word": (BAD_HEADER, [("Authorization", "Bearer")]),
    "several words": (BAD_HEADER, [("Authorization", "Bearer a b")]),
    "two headers": (BAD_HEADER, bearer(token()) + bearer(token())),
    "too long": (MALFORMED, bearer("a" * 20_000)),
    "no alphabet": (MALFORMED, bearer("a.b.ü")),
    "two parts": (MALFORMED, bearer("a.b")),
    "no JSON": (MALFORMED, bearer("e30.e30")),
    "duplicate members": (MALFORMED, bearer(raw_token(b'{"iss":"a","iss":"b"}'))),
    "expired": (EXPIRED, bearer(token(exp=NOW - 31))),
    "not yet valid": (NOT_YET_VALID, bearer(token(nbf=NOW + 31))),
    "signature": (INVALID, bearer(token(key("other")))),
    "signature of the right name": (INVALID, bearer(token(dataclasses.replace(key("other"), kid="k1")))),
    "issuer": (INVALID, bearer(token(iss="https://issuer.example"))),
    "audience": (INVALID, bearer(token(aud="https://other"))),
    "algorithm": (INVALID, bearer(token(key("k5", "ES512")))),
    "type": (INVALID, bearer(token(typ="dpop+jwt"))),
    "a claim of the wrong type": (INVALID, bearer(token(exp="tomorrow"))),
    "no expiry": (INVALID, bearer(token(exp=REMOVED))),
    "bound": (INVALID, bearer(token(cnf={"jkt": "x"}))),
}


@pytest.mark.parametrize("case", TABLE)
def test_a_refusal_is_the_same_everywhere_byte_for_byte(make_door: MakeDoor, case: str) -> None:
    expected, headers = TABLE[case]
    assert_refused(make_door(guard()), expected, headers)


@pytest.mark.parametrize(
    ("name", "granted", "expected"),
    [
        ("GET /blogs", {}, lacks_scope("read:blog")),
        ("GET /blogs", {"scope": "create:blog read"}, lacks_scope("read:blog")),
        ("POST /blogs", {"scope": "read:blog"}, lacks_scope("create:blog")),
        ("GET /both", {"scope": "read:blog"}, lacks_scope("read:blog create:blog")),
        ("GET /either", {"scope": "create:blog"}, lacks_scope("read:blog admin")),
        ("GET /gold", {"scope": "read:blog"}, RULE_NOT_MET),
        ("GET /gold", {"tier": "silver"}, RULE_NOT_MET),
        ("GET /mixed", {"tier": "gold"}, lacks_scope("read:blog")),
        ("GET /mixed", {"scope": "read:blog"}, RULE_NOT_MET),
        ("GET /alternative", {}, lacks_scope("admin")),
    ],
)
def test_a_valid_token_that_does_not_meet_the_rule_is_403(
    make_door: MakeDoor, name: str, granted: dict[str, object], expected: tuple[int, str, bytes]
) -> None:
    assert_refused(make_door(guard()), expected, bearer(token(**granted)), name=name)


@pytest.mark.parametrize(
    ("name", "granted"),
    [
        ("GET /any", {}),
        ("GET /any", {"scope": ""}),
        ("GET /blogs", {"scope": "read:blog"}),
        ("GET /blogs", {"scp": ["a", "read:blog"]}),
        ("GET /blogs", {"scp": "read:blog"}),
        ("GET /both", {"scope": "create:blog x read:blog"}),
        ("GET /either", {"scope": "admin"}),
        ("GET /mixed", {"scope": "read:blog", "tier": "gold"}),
        ("GET /alternative", {"tier": "gold"}),
        ("GET /any", {"aud": [AUDIENCE, "https://issuer.example/userinfo"]}),
        ("GET /any", {"exp": NOW - 29.5}),
        ("GET /any", {"nbf": NOW + 29}),
        ("GET /any", {"iat": NOW + 3000}),
        ("GET /any", {"typ": None}),
        ("GET /any", {"typ": "at+JWT"}),
        ("GET /any", {"typ": "application/at+jwt"}),
    ],
)
def test_a_good_token_enters(make_door: MakeDoor, name: str, granted: dict[str, object]) -> None:
    answer = make_door(guard())(*method_and_path(name), bearer(token(**granted)))
    assert (answer.status, answer.entered) == (200, [name])


def test_a_good_token_enters_with_a_body(make_door: MakeDoor) -> None:
    answer = make_door(guard())("POST", "/blogs", [*bearer(token(scope="create:blog")), JSON], [b'{"a": 1}'])
    assert (answer.status, answer.entered) == (200, ["POST /blogs"])


JSON = ("Content-Type", "application/json")


def hundred_megabytes() -> Iterator[bytes]:
    chunk = bytes(64 * 1024)
    return (chunk for _ in range(1600))


@pytest.mark.parametrize("name", ["POST /blogs", "GET /any", "POST /nobody-declared-this"])
def test_a_huge_body_of_a_stranger_is_401_and_never_read(make_door: MakeDoor, name: str) -> None:
    headers = [JSON, ("Content-Length", str(100 * 1024 * 1024))]
    assert_refused(make_door(guard()), NO_TOKEN, headers, name=name, body=hundred_megabytes())


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b""])
def test_a_malformed_body_of_a_stranger_is_401_not_422(make_door: MakeDoor, body: bytes) -> None:
    assert_refused(make_door(guard()), NO_TOKEN, [JSON], name="POST /blogs", body=iter([body]))


def test_a_malformed_body_with_a_token_that_lacks_the_scope_is_403_not_422(make_door: MakeDoor) -> None:
    headers = [*bearer(token(scope="read:blog")), JSON]
    assert_refused(
        make_door(guard()), lacks_scope("create:blog"), headers, name="POST /blogs", body=iter([b"{"])
    )


@pytest.mark.parametrize("name", ["GET /nobody-declared-this", "DELETE /blogs", "PUT /any", "OPTIONS /blogs"])
def test_what_nobody_declared_needs_a_valid_token(make_door: MakeDoor, name: str) -> None:
    door = make_door(guard())
    assert_refused(door, NO_TOKEN, [], name=name)
    assert_refused(door, EXPIRED, bearer(token(exp=1)), name=name)
    answer = door(*method_and_path(name), bearer(token()))
    assert answer.status in (404, 405)
    assert answer.entered == []


def test_keys_that_cannot_be_fetched_are_503_without_a_challenge(make_door: MakeDoor) -> None:
    def down(url: str) -> tuple[int, dict[str, str], bytes]:
        raise ConnectionRefusedError(url)

    answer = make_door(guard(keys=None, fetch=down))("GET", "/any", bearer(token()))
    content = (
        b'{"error":"temporarily_unavailable",'
        b'"error_description":"The keys to check the access token cannot be fetched now"}'
    )
    assert (answer.status, answer.body) == (503, content)
    assert re.fullmatch("[0-9a-f]{16}", answer.headers.pop("x-request-id"))
    assert answer.headers == {
        "content-type": "application/json",
        "cache-control": "no-store",
        "retry-after": "5",
        "content-length": str(len(content)),
    }
    assert answer.entered == []


def test_one_decision_is_observed_for_one_request(make_door: MakeDoor) -> None:
    seen: list[object] = []
    door = make_door(guard(observe=lambda _, decision: seen.append(getattr(decision, "reason", "entered"))))
    door("GET", "/blogs")
    door("GET", "/blogs", bearer(token()))
    door("GET", "/blogs", bearer(token(scope="read:blog")))
    door("GET", "/any", bearer(token()))
    assert seen == ["no_token", "insufficient_scope", "entered", "entered"]


def test_report_only_lets_everything_in_and_reports_what_would_be_refused(make_door: MakeDoor) -> None:
    seen: list[object] = []
    door = make_door(
        guard(enforce=False, observe=lambda _, decision: seen.append(getattr(decision, "reason", "entered")))
    )
    sent: dict[str, list[tuple[str, str]]] = {
        "no_token": [],
        "bad_header": [("Authorization", "Bearer a b")],
        "expired": bearer(token(exp=1)),
        "insufficient_scope": bearer(token()),
        "entered": bearer(token(scope="read:blog")),
    }
    for reason, headers in sent.items():
        answer = door("GET", "/blogs", headers)
        assert (answer.status, answer.entered) == (200, ["GET /blogs"])
        assert set(seen) == {reason}
        seen.clear()


# Nothing here is a good request; the second member is the answer's reason.
HOSTILE: dict[str, tuple[list[str], str]] = {
    "empty": ([""], "no_token"),
    "blank": (["   "], "no_token"),
    "only the token": ([token()], "no_token"),
    "a null": (["\x00"], "no_token"),
    "no space": (["Bearer" + token()], "no_token"),
    "a colon": (["Bearer: " + token()], "no_token"),
    "an equals sign": (["Bearer=" + token()], "no_token"),
    "a tab": (["Bearer\t" + token()], "no_token"),
    "a non-breaking space": (["Bearer\xa0" + token()], "no_token"),
    "a comma": (["Bearer," + token()], "no_token"),
    "Bearers": (["Bearers " + token()], "no_token"),
    "a bearer in another alphabet": (["Be\u03b1rer".encode().decode("latin-1") + " " + token()], "no_token"),
    "digest": (['Digest username="a", realm="b"'], "no_token"),
    "DPoP": (["DPoP " + token()], "no_token"),
    "negotiate": (["Negotiate YII="], "no_token"),
    "joined by a proxy, basic first": (["Basic dTpw, Bearer " + token()], "no_token"),
    "joined by a proxy, bearer first": ([f"Bearer {token()}, Basic dTpw"], "bad_header"),
    "the word alone": (["bearer"], "bad_header"),
    "the word and spaces": (["Bearer     "], "bad_header"),
    "twice in one": ([f"Bearer {token()} {token()}"], "bad_header"),
    "the scheme twice": (["Bearer Bearer " + token()], "bad_header"),
    "two headers, one good": (["Bearer " + token(), "Basic dTpw"], "bad_header"),
    "two headers, the same": (["Bearer " + token()] * 2, "bad_header"),
    "three headers": (["", "", "Bearer " + token()], "bad_header"),
    "a trailing comma": ([f"Bearer {token()},"], "malformed"),
    "quotes": ([f'Bearer "{token()}"'], "malformed"),
    "a tab within": (["Bearer " + token().replace(".", "\t", 1)], "malformed"),
    "a tab after": ([f"Bearer {token()}\t"], "malformed"),
    "a line break": ([f"Bearer {token()}\r\nX: y"], "bad_header"),
    "a line break alone": ([f"Bearer {token()}\n"], "malformed"),
    "padding": ([f"Bearer {token()}=="], "malformed"),
    "percent": ([f"Bearer {token().replace('.', '%2e')}"], "malformed"),
    "four parts": ([f"Bearer {token()}.x"], "malformed"),
    "five parts": (["Bearer a.b.c.d.e"], "malformed"),
    "dots": (["Bearer " + "." * 16_000], "malformed"),
    "sixteen KiB and one": (["Bearer " + "a" * 16_385], "malformed"),
    "a megabyte": (["Bearer " + "a" * 1_000_000], "malformed"),
    "a megabyte of words": (["Bearer " + "a " * 500_000], "bad_header"),
    "high bytes": (["Bearer \xff\xfe"], "malformed"),
    "no signature": ([f"Bearer {token().rpartition('.')[0]}."], "bad_signature"),
    "a JSON serialisation": (['Bearer {"payload":"a","signature":"b"}'], "malformed"),
    "braces": (["Bearer {}"], "malformed"),
    "null": (["Bearer null"], "malformed"),
    "undefined": (["Bearer undefined"], "malformed"),
}
BY_REASON = {
    "no_token": NO_TOKEN,
    "bad_header": BAD_HEADER,
    "malformed": MALFORMED,
    "bad_signature": INVALID,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_authorization_header_is_a_clean_refusal(make_door: MakeDoor, case: str) -> None:
    values, reason = HOSTILE[case]
    assert len(HOSTILE) >= 30
    seen: list[object] = []
    door = make_door(guard(observe=lambda _, decision: seen.append(getattr(decision, "reason", "entered"))))
    assert_refused(door, BY_REASON[reason], [("authorization", value) for value in values])
    assert seen == [reason]


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "BeArEr    "])
def test_the_scheme_is_known_in_any_case_and_with_any_number_of_spaces(
    make_door: MakeDoor, scheme: str
) -> None:
    assert make_door(guard())("GET", "/any", [("AUTHORIZATION", scheme + token())]).status == 200


def test_a_token_outside_of_the_header_is_not_looked_at(make_door: MakeDoor) -> None:
    headers = [("X-Authorization", f"Bearer {token()}"), ("Cookie", f"access_token={token()}")]
    assert_refused(make_door(guard()), NO_TOKEN, headers)


def test_no_refusal_shows_the_token_or_what_was_expected(make_door: MakeDoor) -> None:
    door = make_door(guard(keys=JWKS([key()]), now=Clock()))
    for case in ("audience", "issuer", "algorithm", "expired"):
        _, headers = TABLE[case]
        answer = door("GET", "/any", headers)
        shown = answer.body + " ".join(answer.headers.values()).encode()
        assert b"issuer.example" not in shown
        assert b"RS256" not in shown
        assert not any(part.encode() in shown for part in headers[0][1].split(".")[1:])
