"""Rules that look at more than scopes: the path, the login behind the token, and functions."""

# ruff: noqa: ANN401 - tables of calls and options are loosely typed
from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gatewright import Denied, Guard, Request, acr, all_of, any_of, claim, fresh, path, where
from gatewright.guard import StepUpRequired
from gatewright.guard.rules import Rule, alternatives
from tests.guard.issuing import AUDIENCE, NOW, bearer, guard, token

REALM = f'Bearer realm="{AUDIENCE}", error="insufficient_user_authentication"'
OWN_ORG = claim("org_id").equals(path("org"))


def decided(rule: Rule, *, params: dict[str, object] | None = None, **claims: object) -> str:
    request = Request("GET", "/", bearer(token(**claims)), params or {})
    verdict = guard().decide(request, rule)
    return verdict.reason if isinstance(verdict, Denied) else "accepted"


def refusal(rule: Rule, **claims: object) -> Denied:
    with pytest.raises(Denied) as caught:
        guard().check(Request("GET", "/", bearer(token(**claims))), rule)
    return caught.value


@pytest.mark.parametrize(
    ("org_id", "params", "expected"),
    [
        ("acme", {"org": "acme"}, "accepted"),
        ("acme", {"org": "other"}, "rule_not_met"),
        ("acme", {"org": "ACME"}, "rule_not_met"),
        ("acme", {}, "rule_not_met"),
        ("acme", {"org": None}, "rule_not_met"),
        ("None", {"org": None}, "rule_not_met"),
        (42, {"org": "42"}, "accepted"),
        (42, {"org": 42}, "accepted"),
        ("42", {"org": 42}, "accepted"),
        (True, {"org": "True"}, "rule_not_met"),
        (None, {"org": "None"}, "rule_not_met"),
        (["acme"], {"org": "acme"}, "rule_not_met"),
        ("", {"org": ""}, "accepted"),
    ],
)
def test_a_claim_is_bound_to_a_path_parameter(org_id: object, params: Any, expected: str) -> None:
    assert decided(OWN_ORG, params=params, org_id=org_id) == expected


def test_a_token_without_the_claim_is_not_let_into_a_path_without_the_parameter() -> None:
    assert decided(OWN_ORG, params={}) == "rule_not_met"
    assert decided(OWN_ORG, params={"org": "x"}) == "rule_not_met"


def test_a_list_may_contain_the_path_parameter() -> None:
    rule = claim("orgs").contains(path("org"))
    assert decided(rule, params={"org": "b"}, orgs=["a", "b"]) == "accepted"
    assert decided(rule, params={"org": "c"}, orgs=["a", "b"]) == "rule_not_met"
    assert decided(rule, params={"org": "a"}, orgs="abc") == "rule_not_met"


def test_a_claim_may_be_nested() -> None:
    rule = claim("realm_access", "roles").contains("editor")
    assert decided(rule, realm_access={"roles": ["editor"]}) == "accepted"
    odd: list[Any] = [{"roles": "editor"}, {"roles": []}, {}, "roles", ["roles"]]
    for held in odd:
        assert decided(rule, realm_access=held) == "rule_not_met"


@pytest.mark.parametrize(
    ("auth_time", "expected"),
    [
        (NOW, "accepted"),
        (NOW - 330, "accepted"),
        (NOW - 331, "insufficient_user_authentication"),
        (NOW + 30, "accepted"),
        (NOW + 31, "insufficient_user_authentication"),
        (True, "insufficient_user_authentication"),
        ("now", "insufficient_user_authentication"),
        (None, "insufficient_user_authentication"),
    ],
)
def test_a_login_grows_old(auth_time: object, expected: str) -> None:
    assert decided(fresh(max_age=300), auth_time=auth_time) == expected


def test_a_token_that_says_nothing_of_the_login_is_not_fresh() -> None:
    refused = refusal(fresh(max_age=300))
    assert isinstance(refused, StepUpRequired)
    assert (refused.status, refused.max_age, refused.acr_values) == (401, 300, ())
    assert dict(refused.headers)["WWW-Authenticate"] == (
        f'{REALM}, error_description="More recent authentication is required", max_age="300"'
    )


def test_a_weaker_login_is_told_which_would_do() -> None:
    refused = refusal(acr("mfa", "phr"), acr="pwd")
    assert (refused.status, refused.reason) == (401, "insufficient_user_authentication")
    assert dict(refused.headers)["WWW-Authenticate"] == (
        f'{REALM}, error_description="A different authentication level is required", acr_values="mfa phr"'
    )
    assert decided(acr("mfa", "phr"), acr="phr") == "accepted"
    assert decided(acr("mfa"), acr=["mfa"]) == "insufficient_user_authentication"
    assert decided(acr("mfa")) == "insufficient_user_authentication"


def test_all_that_one_login_must_do_is_told_at_once() -> None:
    rule = fresh(max_age=300) & acr("mfa") & fresh(max_age=60)
    challenge = dict(refusal(rule).headers)["WWW-Authenticate"]
    assert challenge.endswith('acr_values="mfa", max_age="60"')


def test_of_alternatives_the_one_that_a_login_can_meet_is_answered_first() -> None:
    assert refusal(all_of("admin") | acr("mfa")).status == 401
    assert refusal(acr("mfa") | all_of("admin")).status == 401
    assert refusal(all_of("admin") | claim("x").equals(1)).reason == "insufficient_scope"
    assert refusal(all_of("admin") & acr("mfa")).status == 403


@pytest.mark.parametrize(
    ("rule", "org", "expected"),
    [
        (all_of("a") & OWN_ORG, "acme", "accepted"),
        (all_of("a") & OWN_ORG, "other", "rule_not_met"),
        (all_of("a", "b") & OWN_ORG, "acme", "insufficient_scope"),
        (OWN_ORG & all_of("a", "b"), "acme", "insufficient_scope"),
        (OWN_ORG | all_of("b"), "acme", "accepted"),
        (all_of("b") | OWN_ORG, "acme", "accepted"),
        (OWN_ORG | all_of("b"), "other", "rule_not_met"),
        (acr("mfa") & OWN_ORG, "other", "insufficient_user_authentication"),
    ],
)
def test_parts_of_a_rule_see_the_request_too(rule: Rule, org: str, expected: str) -> None:
    assert decided(rule, params={"org": org}, org_id="acme", scope="a") == expected


def test_a_login_is_told_what_it_lacks_and_no_more() -> None:
    rule = acr("mfa") & fresh(max_age=300)
    for claims, acr_values, max_age in (
        ({"acr": "mfa"}, (), 300),
        ({"auth_time": NOW}, ("mfa",), None),
        ({}, ("mfa",), 300),
    ):
        refused = refusal(rule, **claims)
        assert isinstance(refused, StepUpRequired)
        assert (refused.acr_values, refused.max_age) == (acr_values, max_age)


def test_a_function_decides_with_the_token_and_the_request() -> None:
    rule = where(lambda token, request: token.subject == request.path_params["user"], name="own account")
    assert decided(rule, params={"user": "app@clients"}) == "accepted"
    assert decided(rule, params={"user": "other"}) == "rule_not_met"
    assert repr(rule) == 'where("own account")'


@pytest.mark.parametrize("gives", [None, 1, "yes", [], object()])
def test_a_function_that_gives_no_bool_opens_nothing(gives: object) -> None:
    with pytest.raises(TypeError, match=rf'where\("odd"\) gives {type(gives).__name__}, not True or False'):
        decided(where(lambda *_: gives, name="odd"))  # type: ignore[arg-type]


def test_an_async_function_opens_nothing() -> None:
    async def later(*_: object) -> bool:
        return await asyncio.sleep(0, result=False)

    with pytest.raises(TypeError, match="True or False"):
        decided(where(later, name="later"))  # type: ignore[arg-type]


def test_what_a_function_raises_is_no_refusal() -> None:
    def fail(*_: object) -> bool:
        raise LookupError("no such account")

    with pytest.raises(LookupError):
        decided(where(fail, name="broken"))


def check(*_: object) -> bool:
    return True


@pytest.mark.parametrize(
    "rule",
    [
        OWN_ORG,
        claim("orgs").contains(path("org")),
        claim("a", "b").equals(1),
        fresh(max_age=300),
        acr("mfa", "phr"),
        (fresh(max_age=60) & acr("mfa")) | any_of("a", "b"),
    ],
)
def test_rules_print_as_they_are_written_and_hash_as_they_print(rule: Rule) -> None:
    again = eval(repr(rule))  # noqa: S307 - of what stands above
    assert (again, hash(again)) == (rule, hash(rule))


def test_what_is_joined_lies_flat_whichever_way_it_was_joined() -> None:
    a, b, c, d = (all_of(name) for name in "abcd")
    assert (a & b) & (c & d) == ((a & b) & c) & d == a & (b & (c & d))
    assert (a | b) | (c | d) == ((a | b) | c) | d == a | (b | (c | d))
    assert repr((a | b) & (c | d)) == f"({a!r} | {b!r}) & ({c!r} | {d!r})"


def test_a_login_of_this_very_second_can_be_asked_for() -> None:
    assert decided(fresh(max_age=0), auth_time=NOW - 30) == "accepted"
    assert decided(fresh(max_age=0), auth_time=NOW - 31) == "insufficient_user_authentication"


def test_functions_are_compared_by_name_and_identity() -> None:
    assert where(check, name="a") == where(check, name="a")
    assert where(check, name="a") != where(check, name="b")
    assert len({where(check, name="a"), where(check, name="a")}) == 1


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: fresh(max_age=-1), ValueError),
        (lambda: fresh(max_age=True), TypeError),
        (lambda: fresh(max_age=1.5), TypeError),  # type: ignore[arg-type]
        (acr, ValueError),
        (lambda: acr("a b"), ValueError),
        (lambda: acr('a"'), ValueError),
        (lambda: acr(1), TypeError),  # type: ignore[arg-type]
        (lambda: where(None, name="a"), TypeError),  # type: ignore[arg-type]
        (lambda: where(check, name=""), ValueError),
        (lambda: path(""), ValueError),
        (lambda: path(1), TypeError),  # type: ignore[arg-type]
        (claim, ValueError),
        (lambda: claim("a", ""), ValueError),
        (lambda: claim("a").equals(claim("b")), TypeError),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_a_rule_is_told_when_it_is_made(make: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        make()


def test_documents_are_told_of_scopes_alone() -> None:
    assert alternatives(all_of("a") & fresh(max_age=1) & OWN_ORG) == (("a",),)
    assert alternatives(acr("mfa")) == ((),)


def test_a_guard_asks_the_rule_of_the_request_at_hand() -> None:
    door: Guard = guard()
    sent = bearer(token(org_id="a"))
    assert door.check(Request("GET", "/", sent, {"org": "a"}), OWN_ORG).claims["org_id"] == "a"
    with pytest.raises(Denied):
        door.check(Request("GET", "/", sent, {"org": "b"}), OWN_ORG)
