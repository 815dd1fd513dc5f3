"""What a guard may be told beside issuer and audience: places of tokens, revocation, reports."""

# ruff: noqa: ANN401 - tables of calls and options are loosely typed
from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import pytest

from gatewright import AccessToken, Denied, Guard, Request
from gatewright.guard import cookie, query
from tests.guard.issuing import NOW, bearer, guard, token

GOOD = token(jti="t1", scope="read:blog")


def reason(door: Guard, request: Request, rule: Any = None, *, optional: bool = False) -> str:
    verdict = door.decide(request, rule, optional=optional)
    if isinstance(verdict, Denied):
        return verdict.reason
    return "anonymous" if verdict is None else "accepted"


def with_cookie(value: str, method: str = "GET", **headers: str) -> Request:
    more = [(name.replace("_", "-"), text) for name, text in headers.items()]
    return Request(method, "/", [("Cookie", value), *more])


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (with_cookie(f"session={GOOD}"), "accepted"),
        (with_cookie(f"a=b; session={GOOD}; c=d"), "accepted"),
        (with_cookie(f'session="{GOOD}"'), "accepted"),
        (with_cookie("a=b"), "no_token"),
        (with_cookie(f"xsession={GOOD}"), "no_token"),
        (with_cookie(f"Session={GOOD}"), "no_token"),
        (with_cookie("session="), "malformed"),
        (with_cookie("session"), "no_token"),
        (with_cookie("session=rubbish"), "malformed"),
        (with_cookie(f"session={GOOD}; session=rubbish"), "bad_header"),
        (with_cookie(f"session={GOOD}; session={GOOD}"), "accepted"),
        (Request("GET", "/", bearer(GOOD)), "accepted"),
        (Request("GET", "/", [*bearer(GOOD), ("Cookie", f"session={GOOD}")]), "bad_header"),
        (with_cookie(f"session={GOOD}", "POST"), "no_token"),
        (with_cookie(f"session={GOOD}", "POST", Sec_Fetch_Site="same-origin"), "accepted"),
        (with_cookie(f"session={GOOD}", "POST", Sec_Fetch_Site="same-site"), "no_token"),
        (with_cookie(f"session={GOOD}", "POST", Sec_Fetch_Site="cross-site"), "no_token"),
        (with_cookie(f"session={GOOD}", "POST", Sec_Fetch_Site="none"), "no_token"),
        (with_cookie(f"session={GOOD}", "DELETE", Origin="https://blog.example"), "accepted"),
        (with_cookie(f"session={GOOD}", "DELETE", Origin="https://evil.example"), "no_token"),
        (with_cookie(f"session={GOOD}", "DELETE", Origin="null"), "no_token"),
        (with_cookie(f"session={GOOD}", "get"), "no_token"),
        (with_cookie("session=a=b"), "malformed"),
        (with_cookie(f"X{GOOD}; session={GOOD}"), "accepted"),
    ],
)
def test_a_cookie_counts_where_no_other_site_can_have_sent_it(request_: Request, expected: str) -> None:
    door = guard(token_from=[cookie("session", origins=["https://blog.example"])])
    assert reason(door, request_) == expected


@pytest.mark.parametrize(
    ("value", "method", "origin", "found"),
    [
        ("s=a=b", "GET", "", "a=b"),
        ('s="XaX"', "GET", "", "XaX"),
        ("s=XaX", "GET", "", "XaX"),
        ("s=a; s=a", "GET", "", "a"),
        ("s=a; s=b", "GET", "", "a b"),
        ("s=a", "PUT", "", None),
        ("s=a", "PUT", "http://a.example", "a"),
        ("s=a", "PUT", "http://b.example", None),
    ],
)
def test_a_cookie_is_given_as_it_stands_there(
    value: str, method: str, origin: str, found: str | None
) -> None:
    assert cookie("s", origins=["http://a.example"])(with_cookie(value, method, Origin=origin)) == found


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("/?a=b?&t=c", "c"),
        ("/?t=a&t=b", "a b"),
        ("/?t=a#?t=b", "a"),
        ("/?T=a", None),
        ("/?a=t", None),
    ],
)
def test_a_parameter_is_given_as_it_stands_there(url: str, found: str | None) -> None:
    assert query("t")(Request("GET", url)) == found


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"/?access_token={GOOD}", "accepted"),
        (f"https://api.example/x?a=b&access_token={GOOD}#f", "accepted"),
        (f"/?access_token={GOOD}&access_token={GOOD}", "bad_header"),
        ("/?access_token=", "malformed"),
        ("/?a=access_token", "no_token"),
        (f"/#access_token={GOOD}", "no_token"),
        ("/", "no_token"),
        ("/?" + "access_token&" * 2000, "no_token"),
    ],
)
def test_the_query_counts_only_when_it_is_said_so(url: str, expected: str) -> None:
    assert reason(guard(token_from=[query()]), Request("GET", url)) == expected
    assert reason(guard(), Request("GET", url)) == "no_token"


def test_a_place_of_ones_own_is_a_function_of_the_request() -> None:
    def from_header(request: Request) -> str | None:
        return next((str(value) for name, value in request.headers if name == "X-Token"), None)

    door = guard(token_from=[from_header])
    assert reason(door, Request("GET", "/", [("X-Token", GOOD)])) == "accepted"
    assert reason(door, Request("GET", "/", [("X-Token", "a b")])) == "bad_header"


@pytest.mark.parametrize(
    "make",
    [
        lambda: cookie(""),
        lambda: cookie(1),  # type: ignore[arg-type]
        lambda: cookie("a", origins="https://a.example"),
        lambda: cookie("a", origins=["a.example"]),
        lambda: cookie("a", origins=["https://a.example/"]),
        lambda: query(""),
    ],
)
def test_places_that_cannot_be_are_told_when_they_are_made(make: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        make()


def test_a_request_without_a_token_enters_where_tokens_are_optional() -> None:
    door = guard()
    assert reason(door, Request("GET", "/"), optional=True) == "anonymous"
    assert reason(door, Request("GET", "/", bearer(GOOD)), optional=True) == "accepted"
    assert door.counts() == {"anonymous": 1, "accepted": 1}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (bearer(token(exp=NOW - 60)), "expired"),
        (bearer("rubbish"), "malformed"),
        ([("Authorization", "Bearer")], "bad_header"),
        (bearer(GOOD) * 2, "bad_header"),
    ],
)
def test_a_bad_token_is_refused_also_where_tokens_are_optional(sent: Any, expected: str) -> None:
    assert reason(guard(), Request("GET", "/", sent), optional=True) == expected


def test_what_has_a_rule_is_not_optional() -> None:
    assert reason(guard(), Request("GET", "/"), "read:blog", optional=True) == "no_token"


def test_a_revoked_token_is_refused_before_its_rule_is_looked_at() -> None:
    seen: list[AccessToken] = []

    def revoked(token: AccessToken) -> bool:
        seen.append(token)
        return True

    door = guard(revoked=revoked)
    verdict = door.decide(Request("GET", "/", bearer(GOOD)), "create:blog")
    assert isinstance(verdict, Denied)
    assert (verdict.status, verdict.reason, verdict.body["error"]) == (401, "revoked", "invalid_token")
    assert [token.token_id for token in seen] == ["t1"]


def test_revocation_is_not_asked_of_a_token_that_is_refused_anyway() -> None:
    def revoked(_: AccessToken) -> bool:
        raise AssertionError("nobody should ask")

    assert reason(guard(revoked=revoked), Request("GET", "/", bearer(token(exp=1)))) == "expired"


def test_an_outage_of_revocation_is_503(caplog: pytest.LogCaptureFixture) -> None:
    def revoked(_: AccessToken) -> bool:
        raise ConnectionError("the list is away")

    verdict = guard(revoked=revoked).decide(Request("GET", "/", bearer(GOOD)))
    assert isinstance(verdict, Denied)
    assert (verdict.status, verdict.reason) == (503, "revocation_unavailable")
    assert ("Retry-After", "5") in verdict.headers
    assert "the list is away" not in verdict.content.decode()
    assert GOOD not in caplog.text


def test_revocation_may_be_async_under_both_doors() -> None:
    async def revoked(token: AccessToken) -> bool:
        await asyncio.sleep(0)
        return token.token_id == "t1"

    door = guard(revoked=revoked)
    assert reason(door, Request("GET", "/", bearer(GOOD))) == "revoked"
    assert reason(door, Request("GET", "/", bearer(token()))) == "accepted"
    verdict = asyncio.run(door.adecide(Request("GET", "/", bearer(GOOD))))
    assert isinstance(verdict, Denied)


@pytest.mark.parametrize("said", [None, 0, "no"])
def test_a_revocation_that_is_no_bool_opens_nothing(said: object) -> None:
    with pytest.raises(TypeError, match="True or False"):
        guard(revoked=lambda _: said).decide(Request("GET", "/", bearer(GOOD)))


def test_refusals_are_given_back_or_raised() -> None:
    door, request = guard(), Request("GET", "/")
    verdict = door.decide(request)
    with pytest.raises(Denied) as caught:
        door.check(request)
    assert isinstance(verdict, Denied)
    assert (verdict.content, verdict.headers[:-1]) == (caught.value.content, caught.value.headers[:-1])
    ids = {refusal.headers[-1] for refusal in (verdict, caught.value)}
    assert ids == {("X-Request-Id", verdict.request_id), ("X-Request-Id", caught.value.request_id)}
    assert len(ids) == 2


def test_a_refusal_by_the_rule_knows_whose_token_it_was() -> None:
    verdict = guard().decide(Request("GET", "/", bearer(GOOD)), "create:blog")
    assert isinstance(verdict, Denied)
    assert verdict.token is not None
    assert verdict.token.client_id == "app"


def events(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    """The structured log events; the ids of requests, which are random, checked and taken out."""
    found = [dict(vars(record)["gatewright"]) for record in caplog.records if "gatewright" in vars(record)]
    for event in found:
        if event["event"] in ("refused", "would_refuse"):
            assert re.fullmatch("[0-9a-f]{16}", str(event.pop("request_id")))
    return found


def test_each_verdict_is_counted_and_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="gatewright.guard")
    door = guard()
    door.decide(Request("GET", "/a?token=1"))
    door.decide(Request("POST", "/b", bearer(GOOD)), "create:blog")
    door.decide(Request("GET", "/c", bearer(GOOD)), "read:blog")
    assert door.counts() == {"no_token": 1, "insufficient_scope": 1, "accepted": 1}
    issuer = "https://issuer.example/"
    holder = {"issuer": issuer, "client_id": "app", "scope": "read:blog"}
    assert events(caplog) == [
        {
            "event": "refused", "reason": "no_token", "status": 401, "required": "",
            "method": "GET", "path": "/a",
        },
        {
            "event": "refused", "reason": "insufficient_scope", "status": 403, "required": "create:blog",
            "method": "POST", "path": "/b", **holder,
        },
        {"event": "accepted", "method": "GET", "path": "/c", **holder},
    ]  # fmt: skip
    assert GOOD.rpartition(".")[2] not in caplog.text


def test_what_would_be_refused_is_reported_as_such(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="gatewright.guard")
    door = guard(enforce=False)
    assert not door.enforce
    assert reason(door, Request("GET", "/")) == "no_token"
    assert [event["event"] for event in events(caplog)] == ["would_refuse"]
    with pytest.raises(Denied):
        door.check(Request("GET", "/"))
