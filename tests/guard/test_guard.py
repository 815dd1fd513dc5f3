"""The guard as an object: how it is built, what it gives, whom it tells, and what it costs."""

# ruff: noqa: ANN401 - misuse of any shape is part of the point
from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from gatewright.guard import AccessToken, Denied, Guard, InsufficientScope, NoToken, Request, all_of, claim
from gatewright.jose import JWK, JWKS
from tests.guard.issuing import AUDIENCE, ISSUER, NOW, REMOVED, Clock, bearer, guard, key, token

SOUND: dict[str, Any] = {"audience": AUDIENCE}


def refusal(by: Guard, *headers: tuple[Any, Any], rule: Any = None) -> Denied:
    with pytest.raises(Denied) as refused:
        by.check(Request("GET", "/", headers), rule)
    return refused.value


# What a check gives


def test_a_verified_token_has_its_claims_by_name() -> None:
    sent = token(scope="read:blog create:blog", jti="t1", extra={"a": [1]})
    found = guard().check(Request("GET", "/", bearer(sent)))
    assert found == AccessToken(
        claims=found.claims,
        issuer=ISSUER,
        subject="app@clients",
        client_id="app",
        audience=(AUDIENCE,),
        scopes=("read:blog", "create:blog"),
        expires_at=NOW + 3600,
        issued_at=NOW,
        token_id="t1",
    )
    assert found.claims["extra"] == {"a": [1]}
    assert found.has("read:blog")
    assert not found.has("read")
    with pytest.raises(TypeError):
        found.claims["scope"] = "admin"  # type: ignore[index]
    with pytest.raises(AttributeError):
        found.scopes = ("admin",)  # type: ignore[misc]
    assert "extra" not in repr(found)


def test_several_audiences_are_kept_as_they_were_sent() -> None:
    found = guard().check(Request("GET", "/", bearer(token(aud=["https://a", AUDIENCE]))))
    assert found.audience == ("https://a", AUDIENCE)


def test_absent_claims_are_none_and_no_scopes() -> None:
    sent = token(sub=REMOVED, azp=REMOVED, iat=REMOVED)
    found = guard().check(Request("GET", "/", bearer(sent)))
    assert (found.subject, found.client_id, found.issued_at, found.token_id) == (None, None, None, None)
    assert found.scopes == ()


@pytest.mark.parametrize(
    ("changed", "client_id"),
    [
        ({"azp": REMOVED, "client_id": "c"}, "c"),
        ({"azp": "a", "client_id": "c"}, "a"),
        ({"azp": "a"}, "a"),
    ],
)
def test_the_client_is_known_by_either_name(changed: dict[str, object], client_id: str) -> None:
    assert guard().check(Request("GET", "/", bearer(token(**changed)))).client_id == client_id


@pytest.mark.parametrize(
    ("changed", "scopes"),
    [
        ({"scope": ""}, ()),
        ({"scope": " b  a b "}, ("b", "a", "b")),
        ({"scope": "a\tb"}, ("a\tb",)),
        ({"scope": "a\u00a0b"}, ("a\u00a0b",)),
        ({"scp": "b a"}, ("b", "a")),
        ({"scp": ["b", "a"]}, ("b", "a")),
        ({"scp": ["b a"]}, ("b a",)),
        ({"scope": "a", "scp": "b"}, ("a",)),
        ({"scope": "", "scp": "b"}, ()),
        ({"permissions": ["a"]}, ()),
    ],
)
def test_scopes_are_read_in_the_order_sent(changed: dict[str, object], scopes: tuple[str, ...]) -> None:
    assert guard().check(Request("GET", "/", bearer(token(**changed)))).scopes == scopes


# What a check takes


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", "Bearer {}")],
        [("AUTHORIZATION", "Bearer {}")],
        [(b"authorization", b"Bearer {}")],
        [(b"Authorization", "Bearer {}")],
        (("accept", "*/*"), ("authorization", "bearer  {}  ")),
        {"Authorization": "Bearer {}"},
        {b"authorization": b"Bearer {}"},
    ],
)
def test_headers_are_pairs_of_text_or_bytes_in_any_case(headers: Any) -> None:
    def filled(text: str | bytes) -> str | bytes:
        return text.replace("{}", token()) if isinstance(text, str) else text.replace(b"{}", token().encode())

    if isinstance(headers, dict):
        made: Any = {name: filled(value) for name, value in headers.items()}
    else:
        made = iter([(name, filled(value)) for name, value in headers])
    assert guard().check(Request("GET", "/", made)).client_id == "app"


@pytest.mark.parametrize("headers", [[("authorization", 1)], [(None, "x")], [1], [("authorization",)], None])
def test_headers_that_are_no_pairs_are_the_programmers_mistake(headers: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        guard().check(Request("GET", "/", headers))


def test_a_rule_may_be_one_scope_and_nothing_else_stands_for_a_rule() -> None:
    assert refusal(guard(), *bearer(token()), rule="read:blog").reason == "insufficient_scope"
    for wrong in (1, ["read:blog"], claim("x"), object()):
        with pytest.raises(TypeError):
            guard().check(Request("GET", "/", bearer(token())), wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="scope"):
        guard().check(Request("GET", "/", bearer(token())), "")


def test_an_accepted_token_can_be_asked_for_more() -> None:
    by, request = guard(), Request("GET", "/", bearer(token(scope="a")))
    accepted = by.check(request)
    assert by.require(request, accepted, "a") is accepted
    assert by.require(request, accepted, None) is accepted
    with pytest.raises(InsufficientScope):
        by.require(request, accepted, all_of("b"))


# How it is built


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "issuer.example",
        "//issuer.example/",
        "ftp://issuer.example/",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https://issuer.example/?a",
        "https://issuer.example/#a",
        "https://user@issuer.example/",
        "https://issuer example/",
        "https://issuer.example/\n",
        "https://[::1",
        "http://issuer.example/",
        "http://localhost.evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://0.0.0.0/",
    ],
)
def test_an_issuer_that_cannot_be_one_is_refused_when_the_guard_is_built(issuer: str) -> None:
    with pytest.raises(ValueError, match="issuer"):
        Guard(issuer, **SOUND)


@pytest.mark.parametrize(
    "issuer",
    [
        "https://issuer.example/",
        "https://issuer.example",
        "https://issuer.example:8443/realms/a",
        "http://localhost:8844/",
        "http://127.0.0.1:8844/",
        "http://127.1.2.3/",
        "http://[::1]:8844/",
    ],
)
def test_an_issuer_is_kept_as_it_is_written(issuer: str) -> None:
    assert Guard(issuer, **SOUND).issuer == issuer


def test_plain_http_to_another_machine_must_be_asked_for_by_name() -> None:
    assert Guard("http://auth:8844/", **SOUND, allow_insecure_issuer=True).issuer == "http://auth:8844/"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"audience": None}, TypeError),
        ({"audience": 1}, TypeError),
        ({"audience": [1]}, TypeError),
        ({"audience": b"x"}, TypeError),
        ({"audience": ""}, ValueError),
        ({"audience": []}, ValueError),
        ({"algorithms": "RS256"}, TypeError),
        ({"algorithms": None}, TypeError),
        ({"algorithms": [None]}, TypeError),
        ({"algorithms": []}, ValueError),
        ({"algorithms": ["RS257"]}, ValueError),
        ({"algorithms": ["rs256"]}, ValueError),
        ({"algorithms": ["RS256", "HS256"]}, ValueError),
        ({"leeway": "1"}, TypeError),
        ({"leeway": True}, TypeError),
        ({"leeway": None}, TypeError),
        ({"leeway": -1}, ValueError),
        ({"leeway": float("nan")}, ValueError),
        ({"leeway": float("inf")}, ValueError),
        ({"keys": "https://x/jwks.json"}, TypeError),
        ({"keys": [1]}, TypeError),
        ({"keys": JWKS([]), "fetch": print}, ValueError),
    ],
)
def test_misuse_is_told_when_the_guard_is_built(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Guard(ISSUER, **SOUND | options)
    with pytest.raises(TypeError):
        Guard(1, **SOUND)  # type: ignore[arg-type]


def test_a_shared_secret_works_when_it_is_given() -> None:
    secret = JWK.symmetric(b"s" * 32, alg="HS256")
    by = guard(keys=JWKS([secret]), algorithms=("HS256",))
    assert by.check(Request("GET", "/", bearer(token(secret)))).client_id == "app"


def test_handed_over_keys_are_asked_for_at_each_check() -> None:
    ring = [JWKS([key("k1")])]
    by = guard(keys=lambda: ring[0])
    assert by.check(Request("GET", "/", bearer(token(key("k1"))))).client_id == "app"
    ring[0] = JWKS([key("k2")])
    assert refusal(by, *bearer(token(key("k1")))).reason == "unknown_key"
    assert by.check(Request("GET", "/", bearer(token(key("k2"))))).client_id == "app"


def test_a_failure_of_the_programs_own_keys_is_no_refusal() -> None:
    def keys() -> JWKS:
        raise RuntimeError("the ring is broken")

    with pytest.raises(RuntimeError, match="ring"):
        guard(keys=keys).check(Request("GET", "/", bearer(token())))


# From the environment


def test_a_guard_is_set_up_from_the_environment() -> None:
    by = Guard.from_env(
        {
            "GATEWRIGHT_ISSUER": " https://issuer.example/ ",
            "GATEWRIGHT_AUDIENCE": "https://a https://b",
            "GATEWRIGHT_ALGORITHMS": "RS256, ES256 EdDSA",
        }
    )
    assert (by.issuer, by.audience) == (ISSUER, ("https://a", "https://b"))
    assert by.algorithms == ("RS256", "ES256", "EdDSA")
    plain = Guard.from_env({"GATEWRIGHT_ISSUER": ISSUER, "GATEWRIGHT_AUDIENCE": AUDIENCE})
    assert plain.algorithms == ("RS256", "PS256", "ES256", "EdDSA")


def test_the_environment_is_that_of_the_process_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="GATEWRIGHT_ISSUER"):
        Guard.from_env()
    monkeypatch.setenv("GATEWRIGHT_ISSUER", ISSUER)
    monkeypatch.setenv("GATEWRIGHT_AUDIENCE", AUDIENCE)
    assert Guard.from_env().issuer == ISSUER


def test_everything_wrong_with_the_environment_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="environment") as refused:
        Guard.from_env({"GATEWRIGHT_ISSUER": "http://x.example/", "GATEWRIGHT_ALGORITHMS": "RS256,HS256"})
    told = str(refused.value)
    for wanted in (
        "GATEWRIGHT_ISSUER",
        "https",
        "set GATEWRIGHT_AUDIENCE",
        "GATEWRIGHT_ALGORITHMS",
        "secret",
    ):
        assert wanted in told
    with pytest.raises(ValueError, match="set GATEWRIGHT_ISSUER"):
        Guard.from_env({"GATEWRIGHT_ISSUER": "  ", "GATEWRIGHT_AUDIENCE": "x"})


# Answers


def test_the_realm_is_the_first_audience_without_what_a_quoted_string_cannot_hold() -> None:
    odd = 'a"b\\c\r\nX-Evil: 1\x00é\x7f~'
    shown = refusal(guard(audience=[odd, "https://b"]))
    assert dict(shown.headers)["WWW-Authenticate"] == 'Bearer realm="abcX-Evil: 1~"'


def test_a_refusal_knows_its_whole_answer() -> None:
    shown = refusal(guard(), *bearer(token()), rule=all_of("a", "b"))
    assert isinstance(shown, InsufficientScope)
    assert (shown.status, shown.reason, shown.scopes) == (403, "insufficient_scope", ("a", "b"))
    assert str(shown) == "insufficient_scope"
    assert shown.body == {
        "error": "insufficient_scope",
        "error_description": "The access token lacks a required scope",
    }
    assert [name for name, _ in shown.headers] == [
        "Content-Type",
        "Cache-Control",
        "WWW-Authenticate",
        "X-Request-Id",
    ]


# Who is told


def test_the_observer_is_told_each_decision_once() -> None:
    seen: list[tuple[Request, AccessToken | Denied]] = []
    by = guard(observe=lambda request, decision: seen.append((request, decision)))
    good, bad = Request("GET", "/a", bearer(token())), Request("POST", "/b")
    by.check(good)
    asyncio.run(by.acheck(good))
    for call in (by.check, lambda request: asyncio.run(by.acheck(request))):
        with pytest.raises(NoToken):
            call(bad)
    assert [request for request, _ in seen] == [good, good, bad, bad]
    assert [type(decision) for _, decision in seen] == [AccessToken, AccessToken, NoToken, NoToken]


def test_an_observer_that_fails_changes_no_decision(caplog: pytest.LogCaptureFixture) -> None:
    def observe(request: Request, decision: AccessToken | Denied) -> None:
        raise RuntimeError(f"no room for {request} and {decision}")

    by = guard(observe=observe)
    assert by.check(Request("GET", "/", bearer(token()))).client_id == "app"
    assert refusal(by).reason == "no_token"
    assert caplog.text.count("observe raised") == 2


@pytest.mark.parametrize(
    ("sent", "level", "said"),
    [
        ({"aud": "https://typo-api"}, "INFO", ["wrong_audience", "https://typo-api", AUDIENCE, "audience="]),
        ({"iss": "https://other/"}, "INFO", ["untrusted_issuer", "https://other/", ISSUER]),
        ({"exp": NOW - 100}, "INFO", ["expired", "100 s"]),
        ({"nbf": NOW + 100}, "INFO", ["not_yet_valid", "100 s"]),
        ({"scope": "b"}, "INFO", ["insufficient_scope", 'all_of("a")', "'app'", "'b'"]),
        ({"cnf": {}}, "INFO", ["bound_token"]),
        ({"sub": 1}, "INFO", ["bad_claim", "sub is no string"]),
    ],
)
def test_a_refusal_is_logged_with_what_a_developer_needs(
    caplog: pytest.LogCaptureFixture, sent: dict[str, object], level: str, said: list[str]
) -> None:
    caplog.set_level(logging.INFO, "gatewright.guard")
    refusal(guard(), *bearer(token(**sent)), rule="a")
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("gatewright.guard", level)
    assert all(word in record.getMessage() for word in said), record.getMessage()


def test_a_bad_signature_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    sent = token()
    refusal(guard(), *bearer(sent[:-8] + "AAAAAAAA"))
    assert [(record.levelname, "bad_signature" in record.getMessage()) for record in caplog.records] == [
        ("WARNING", True)
    ]


def test_neither_the_token_nor_a_line_of_a_strangers_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sent = token(iss="x\nERROR forged line" + "y" * 5000)
    with pytest.raises(Denied):
        guard().check(Request("GET\nERROR", f"/a\nERROR?access_token={sent}", bearer(sent)))
    (record,) = caplog.records
    logged = record.getMessage()
    assert "\n" not in logged
    assert "access_token" not in logged
    assert not any(part in logged for part in sent.split("."))
    assert len(logged) < 1000


# What it costs, and where it runs


def test_with_a_key_at_hand_the_async_check_awaits_nothing() -> None:
    pending = guard().acheck(Request("GET", "/", bearer(token())))
    with pytest.raises(StopIteration) as finished:
        pending.send(None)  # without any event loop
    assert finished.value.value.client_id == "app"


def test_one_guard_serves_many_threads() -> None:
    by = guard(keys=JWKS([key("k1"), key("k2")]))
    start = threading.Barrier(8)

    def work(number: int) -> list[str]:
        start.wait()
        name = f"k{number % 2 + 1}"
        sent = Request("GET", "/", bearer(token(key(name), sub=str(number))))
        return [str(by.check(sent).subject) for _ in range(50)]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [[str(number)] * 50 for number in range(8)]


def test_a_subclass_of_a_request_or_anything_like_it_will_do() -> None:
    alike = SimpleNamespace(method="GET", url="/", headers=bearer(token()))
    assert guard().check(alike).client_id == "app"  # type: ignore[arg-type]


def test_the_time_may_be_anything_that_counts_seconds() -> None:
    clock = Clock(NOW)
    assert guard(now=clock).check(Request("GET", "/", bearer(token()))).expires_at == NOW + 3600
