"""Opaque tokens through the guard's own door: what their issuer says of them decides, and is judged too."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from gatewright import Denied, Guard, Issuer, Request
from gatewright.guard import Introspection, fresh
from tests.guard.issuing import AUDIENCE, ISSUER, NOW, Clock, bearer, key, token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OPAQUE = "2YotnFZFEjr1zCsicMWpAA"
GOOD = {"active": True, "client_id": "app", "scope": "read:blog", "aud": AUDIENCE, "exp": NOW + 60}


@dataclass(slots=True)
class Endpoint:
    """An introspection endpoint behind the guard's own `fetch`."""

    answer: Mapping[str, object] = field(default_factory=lambda: dict(GOOD))
    status: int = 200
    asked: list[str] = field(default_factory=list)

    def __call__(
        self, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        assert url == "https://issuer.example/introspect"
        assert (headers or {})["Authorization"].startswith("Basic ")
        self.asked.append(parse_qs(body.decode())["token"][0])
        content = {"Content-Type": "application/json"}
        return self.status, content, json.dumps(self.answer).encode()


def guarded(endpoint: Callable[..., object], clock: Clock | None = None, **settings: bool) -> Guard:
    asked = Introspection(
        "https://issuer.example/introspect", client_id="api", client_secret="made up", **settings
    )
    issuer = Issuer(ISSUER, keys=key(), introspection=asked)
    return Guard(issuer, audience=AUDIENCE, fetch=endpoint, now=clock or Clock())  # type: ignore[arg-type]


def reason(door: Guard, value: str, rule: str | None = None) -> str:
    verdict = door.decide(Request("GET", "/", bearer(value)), rule)
    return verdict.reason if isinstance(verdict, Denied) else "accepted"


def test_an_active_token_enters_with_what_its_issuer_says_and_is_asked_for_once() -> None:
    endpoint = Endpoint()
    door = guarded(endpoint)
    entered = door.check(Request("GET", "/", bearer(OPAQUE)), "read:blog")
    assert (entered.client_id, entered.scopes, entered.issuer) == ("app", ("read:blog",), ISSUER)
    assert reason(door, OPAQUE, "create:blog") == "insufficient_scope"
    assert endpoint.asked == [OPAQUE]


def test_it_enters_by_the_async_door_too() -> None:
    door = guarded(Endpoint())
    assert asyncio.run(door.acheck(Request("GET", "/", bearer(OPAQUE)))).client_id == "app"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"active": False}, "inactive"),
        (GOOD | {"active": "true"}, "introspection_unavailable"),
        (GOOD | {"aud": "https://other"}, "wrong_audience"),
        ({name: GOOD[name] for name in ("active", "client_id", "exp")}, "wrong_audience"),
        (GOOD | {"iss": "https://other.example/"}, "untrusted_issuer"),
        (GOOD | {"exp": NOW - 60}, "expired"),
        (GOOD | {"nbf": NOW + 60}, "not_yet_valid"),
        (GOOD | {"exp": "soon"}, "bad_claim"),
        (GOOD | {"cnf": {"jkt": "x"}}, "bound_token"),
        (GOOD | {"scope": 1}, "bad_claim"),
    ],
)
def test_what_the_issuer_says_is_judged_as_claims_are(said: Mapping[str, object], expected: str) -> None:
    assert reason(guarded(Endpoint(said)), OPAQUE) == expected


def test_an_answer_without_an_audience_is_taken_only_when_it_is_said_so() -> None:
    said = {name: value for name, value in GOOD.items() if name != "aud"}
    assert reason(guarded(Endpoint(said), require_audience=False), OPAQUE) == "accepted"
    assert reason(guarded(Endpoint(GOOD | {"aud": "x"}), require_audience=False), OPAQUE) == "wrong_audience"


@pytest.mark.parametrize("status", [500, 503, 429, 401, 403, 302])
def test_an_outage_of_the_endpoint_is_503_never_401(status: int) -> None:
    verdict = guarded(Endpoint(status=status)).decide(Request("GET", "/", bearer(OPAQUE)))
    assert isinstance(verdict, Denied)
    assert (verdict.status, verdict.reason) == (503, "introspection_unavailable")
    assert verdict.body["error_description"] == "The access token cannot be checked now"


def test_jwts_are_verified_here_and_malformed_ones_are_not_shown_to_the_issuer() -> None:
    endpoint = Endpoint()
    door = guarded(endpoint)
    assert reason(door, token()) == "accepted"
    assert reason(door, "a.b.c") == "malformed"
    for odd in ("a\x00b", "é", "a" * 16_385, "{}"):
        assert reason(door, odd) == "malformed"
    assert endpoint.asked == []


def test_without_introspection_an_opaque_token_is_malformed() -> None:
    assert reason(Guard(ISSUER, audience=AUDIENCE, keys=key(), now=Clock()), OPAQUE) == "malformed"


def test_only_one_issuer_can_be_asked_about_opaque_tokens() -> None:
    asked = Introspection("https://a.example/i", client_id="api", client_secret="made up")
    with pytest.raises(ValueError, match="one issuer"):
        Guard(
            Issuer("https://a.example/", introspection=asked),
            Issuer("https://b.example/", introspection=asked),
            audience=AUDIENCE,
        )


def test_an_explanation_of_an_opaque_token_says_what_its_issuer_said() -> None:
    good = guarded(Endpoint()).explain(OPAQUE, "create:blog")
    assert [(step.name, step.passed) for step in good.steps] == [("introspection", True), ("rule", False)]
    gone = guarded(Endpoint({"active": False})).explain(OPAQUE)
    assert (gone.reason, gone.steps[0].passed) == ("inactive", False)
    assert OPAQUE not in str(gone)


def test_an_explanation_says_what_was_found_and_judges_the_rule_with_the_leeway_of_the_issuer() -> None:
    door = guarded(Endpoint(GOOD | {"auth_time": NOW - 320}))
    good = door.explain(OPAQUE, fresh(max_age=300))
    assert [(step.name, step.passed) for step in good.steps] == [("introspection", True), ("rule", True)]
    assert ISSUER in good.steps[0].said
    refused = guarded(Endpoint(GOOD | {"auth_time": NOW - 340})).explain(OPAQUE, fresh(max_age=300))
    assert [(step.name, step.passed) for step in refused.steps] == [("introspection", True), ("rule", False)]
    gone = guarded(Endpoint({"active": False})).explain(OPAQUE)
    assert gone.steps[0].name == "introspection"
    assert gone.steps[0].said == gone.verdict.detail != ""  # type: ignore[union-attr]  # refused, as asserted


def test_an_explanation_of_a_jwt_makes_the_checks_of_a_jwt_beside_introspection() -> None:
    assert [step.name for step in guarded(Endpoint()).explain(token()).steps][:2] == ["grammar", "claims"]


def test_developers_are_told_what_the_issuer_said_or_why_it_did_not() -> None:
    def verdict(endpoint: Endpoint) -> Denied:
        found = guarded(endpoint).decide(Request("GET", "/", bearer(OPAQUE)))
        assert isinstance(found, Denied)
        assert found.realm == AUDIENCE
        assert OPAQUE not in found.detail
        return found

    assert "https://issuer.example/introspect answered 503" in verdict(Endpoint(status=503)).detail
    assert AUDIENCE in verdict(Endpoint(GOOD | {"aud": "https://other"})).detail
    assert "https://other" in verdict(Endpoint(GOOD | {"aud": "https://other"})).detail


@pytest.mark.parametrize(("leeway", "expected"), [(0, "expired"), (10, "accepted")])
def test_the_leeway_is_that_of_the_guard(leeway: float, expected: str) -> None:
    asked = Introspection("https://issuer.example/introspect", client_id="api", client_secret="made up")
    door = Guard(
        Issuer(ISSUER, keys=key(), introspection=asked),
        audience=AUDIENCE,
        leeway=leeway,
        fetch=Endpoint(GOOD | {"exp": NOW - 5}),
        now=Clock(),
    )
    assert reason(door, OPAQUE) == expected


def test_the_scopes_stand_where_the_issuer_says_so() -> None:
    asked = Introspection("https://issuer.example/introspect", client_id="api", client_secret="made up")
    door = Guard(
        Issuer(ISSUER, keys=key(), introspection=asked, scope_claim=("a", "b")),
        audience=AUDIENCE,
        fetch=Endpoint(GOOD | {"a": {"b": ["read:x"]}}),
        now=Clock(),
    )
    assert door.check(Request("GET", "/", bearer(OPAQUE))).scopes == ("read:x",)
