"""The ways to ask a guard give the same answer, and what they are given reaches the decision."""

# ruff: noqa: ANN401 - the ways are called alike
from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from gatewright import AccessToken, Denied, Guard, Request, all_of, claim, path
from gatewright.guard import RuleNotMet, Unavailable, acr, fresh
from tests.guard.asking import both_ways
from tests.guard.issuing import AUDIENCE, ISSUER, NOW, StubIssuer, bearer, guard, token


def check(by: Guard, request: Request, rule: Any = None) -> object:
    try:
        return by.check(request, rule)
    except Denied as refusal:
        return refusal


def acheck(by: Guard, request: Request, rule: Any = None) -> object:
    async def ask() -> object:
        try:
            return await by.acheck(request, rule)
        except Denied as refusal:
            return refusal

    return asyncio.run(ask())


def decide(by: Guard, request: Request, rule: Any = None) -> object:
    return by.decide(request, rule)


def adecide(by: Guard, request: Request, rule: Any = None) -> object:
    return asyncio.run(by.adecide(request, rule))


Way = Callable[..., Any]
every_way = pytest.mark.parametrize("ask", [check, acheck, decide, adecide])


@every_way
def test_every_way_asks_for_the_rule(ask: Way) -> None:
    request = Request("GET", "/", bearer(token(scope="a")))
    for rule in ("b", all_of("a", "b")):
        refusal = ask(guard(), request, rule)
        assert (refusal.reason, refusal.status, refusal.scopes[-1]) == ("insufficient_scope", 403, "b")
        assert isinstance(refusal.token, AccessToken)
    assert ask(guard(), request, claim("tier").equals("gold")).reason == "rule_not_met"
    for enough in (None, "a", all_of("a")):
        assert isinstance(ask(guard(), request, enough), AccessToken)


@every_way
def test_every_way_refuses_what_is_no_token_or_a_bad_one(ask: Way) -> None:
    for headers, reason in (
        ([], "no_token"),
        (bearer("a b"), "bad_header"),
        (bearer(token(exp=1)), "expired"),
    ):
        assert ask(guard(), Request("GET", "/", headers)).reason == reason


@every_way
def test_every_way_takes_no_rule_that_is_none(ask: Way) -> None:
    with pytest.raises(TypeError):
        ask(guard(), Request("GET", "/", bearer(token())), 1)


@every_way
def test_every_way_gives_the_request_to_the_rule(ask: Way) -> None:
    rule = claim("org_id").equals(path("org"))
    for org, entered in (("o1", True), ("o2", False)):
        request = Request("GET", f"/{org}", bearer(token(org_id="o1")), path_params={"org": org})
        assert isinstance(ask(guard(), request, rule), AccessToken) is entered


@every_way
def test_every_way_is_counted_and_observed_once(ask: Way) -> None:
    seen: list[object] = []
    by = guard(observe=lambda _, verdict: seen.append(verdict))
    answers = [ask(by, Request("GET", "/", headers)) for headers in (bearer(token()), [])]
    assert seen == answers
    assert by.counts() == {"accepted": 1, "no_token": 1}


def test_without_a_token_one_may_enter_where_it_is_optional_and_no_rule_stands() -> None:
    by, nobody = guard(), Request("GET", "/", [])

    def asked_async(**options: Any) -> Any:
        return asyncio.run(by.adecide(nobody, **options))

    def asked(**options: Any) -> Any:
        return by.decide(nobody, **options)

    for ask in (asked, asked_async):
        assert ask(optional=True) is None
        assert ask(optional=False).reason == ask().reason == "no_token"
        assert ask(rule="a", optional=True).reason == "no_token"
    bad = Request("GET", "/", bearer(token(exp=1)))
    assert getattr(by.decide(bad, optional=True), "reason", "") == "expired"
    assert getattr(asyncio.run(by.adecide(bad, optional=True)), "reason", "") == "expired"


# One more rule


def test_one_more_rule_is_judged_with_the_request_and_the_leeway_and_its_refusal_recorded() -> None:
    seen: list[object] = []
    by = guard(leeway=60, observe=lambda _, verdict: seen.append(verdict))
    request = Request(
        "GET", "/o1", bearer(token(org_id="o1", auth_time=int(NOW) - 360)), path_params={"org": "o1"}
    )
    accepted = by.check(request)
    assert by.require(request, accepted, claim("org_id").equals(path("org"))) is accepted
    assert by.require(request, accepted, fresh(max_age=300)) is accepted
    assert seen == [accepted]
    elsewhere = Request("GET", "/o2", request.headers, path_params={"org": "o2"})
    with pytest.raises(RuleNotMet) as refused:
        by.require(elsewhere, accepted, claim("org_id").equals(path("org")))
    assert seen == [accepted, refused.value]
    assert refused.value.token is accepted
    assert by.counts() == {"accepted": 1, "rule_not_met": 1}


def test_developers_are_told_which_rule_was_not_met() -> None:
    by, request = guard(), Request("GET", "/", bearer(token(scope="a b")))
    for rule, words in (
        (all_of("c"), [repr(all_of("c")), "'app'", "'a b'"]),
        (claim("tier").equals("gold"), [repr(claim("tier").equals("gold"))]),
        (acr("mfa"), [repr(acr("mfa"))]),
    ):
        refusal = by.decide(request, rule)
        assert isinstance(refusal, Denied)
        assert all(word in refusal.detail for word in words)
        assert refusal.realm == AUDIENCE


# Revocation


@every_way
def test_a_revoked_token_is_refused_and_named_to_developers(ask: Way) -> None:
    refusal = ask(
        guard(revoked=lambda found: found.token_id == "t1"), Request("GET", "/", bearer(token(jti="t1")))
    )
    assert (refusal.reason, refusal.status, refusal.realm) == ("revoked", 401, AUDIENCE)
    assert "'t1'" in refusal.detail


@every_way
def test_whoever_cannot_say_whether_a_token_is_revoked_is_an_outage(
    ask: Way, caplog: pytest.LogCaptureFixture
) -> None:
    def revoked(_: AccessToken) -> bool:
        raise ConnectionError("the store is down")

    refusal = ask(guard(revoked=revoked), Request("GET", "/", bearer(token())))
    assert isinstance(refusal, Unavailable)
    assert (refusal.reason, refusal.status, refusal.realm) == ("revocation_unavailable", 503, AUDIENCE)
    assert "ConnectionError" in refusal.detail
    assert isinstance(refusal.__cause__, ConnectionError)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert "revoked" in record.getMessage()


# From the environment


def test_a_guard_from_the_environment_takes_the_other_options_too() -> None:
    seen: list[object] = []

    def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        seen.append(url)
        raise ConnectionError(url)

    said = {"GATEWRIGHT_ISSUER": "http://auth:8844/", "GATEWRIGHT_AUDIENCE": AUDIENCE}
    with pytest.raises(ValueError, match="GATEWRIGHT_ISSUER"):
        Guard.from_env(said, fetch=fetch)
    by = Guard.from_env(
        said, fetch=fetch, observe=lambda _, verdict: seen.append(verdict), allow_insecure_issuer=True
    )
    verdict = by.decide(Request("GET", "/", bearer(token(iss="http://auth:8844/", exp=2**40))))
    assert seen == ["http://auth:8844/.well-known/openid-configuration", verdict]
    assert getattr(verdict, "reason", "") == "keys_unavailable"


def test_each_fault_of_the_environment_stands_in_a_line_of_its_own() -> None:
    with pytest.raises(ValueError, match="environment") as refused:
        Guard.from_env({"GATEWRIGHT_ISSUER": ISSUER, "GATEWRIGHT_ALGORITHMS": "none"})
    first, *faults = str(refused.value).split("\n- ")
    assert first.endswith(":")
    assert [fault for fault in faults if "GATEWRIGHT_AUDIENCE" in fault]
    assert [fault for fault in faults if "GATEWRIGHT_ALGORITHMS" in fault]
    assert len(faults) == 2


# A fetch of one's own


@both_ways
def test_what_goes_wrong_in_a_fetch_is_told_with_the_url(asked: Way) -> None:
    details = []

    async def afetch(_: str) -> tuple[int, dict[str, str], bytes]:
        raise ConnectionResetError("by the peer")

    def fetch(_: str) -> tuple[int, dict[str, str], bytes]:
        raise ConnectionResetError("by the peer")

    for used in (fetch, afetch):
        by = guard(keys=None, fetch=used, observe=lambda _, verdict: details.append(verdict.detail))
        assert asked(by, token()) == "keys_unavailable"
        assert f"{ISSUER}.well-known/openid-configuration" in details[-1]
        assert "ConnectionResetError" in details[-1]
        assert "by the peer" in details[-1]


@both_ways
@pytest.mark.parametrize("answer", [None, ("200", {}, b""), (200, {}, "text")])
def test_an_answer_of_a_fetch_that_is_none_is_told_as_its_mistake(asked: Way, answer: Any) -> None:
    details = []

    async def afetch(_: str) -> Any:
        return answer

    def fetch(_: str) -> Any:
        return answer

    for used in (afetch, fetch):
        by = guard(keys=None, fetch=used, observe=lambda _, verdict: details.append(verdict.detail))
        assert asked(by, token()) == "keys_unavailable"
        assert "TypeError" in details[-1]


@both_ways
def test_a_fetch_may_be_an_object_whose_call_is_async(asked: Way, issuer: StubIssuer) -> None:
    class Fetching:
        def __init__(self) -> None:
            self.urls: list[str] = []

        async def __call__(self, url: str) -> tuple[int, dict[str, str], bytes]:
            self.urls.append(url)
            return await asyncio.to_thread(self.get, url)

        def get(self, url: str) -> tuple[int, dict[str, str], bytes]:
            from urllib.request import urlopen  # noqa: PLC0415 - the loopback alone

            with urlopen(url) as answer:  # noqa: S310 - as above
                return answer.status, dict(answer.headers), answer.read()

    used = Fetching()
    assert asked(issuer.guard(fetch=used), issuer.token()) == "entered"
    assert len(used.urls) == 2
