"""What `explain` says is what the guard does, check by check, and names the fix."""

from __future__ import annotations

import logging

import pytest

from gatewright import Guard, Issuer, Request, acr, all_of, claim, path
from gatewright.guard.rules import fresh
from tests.adapters.test_contract import HOSTILE, TABLE
from tests.guard.issuing import AUDIENCE, ISSUER, NOW, REMOVED, Clock, bearer, guard, key, token


def said_by(door: Guard, headers: list[tuple[str, str]]) -> tuple[str, str]:
    """The reason of the decision, and that of the explanation."""
    request = Request("GET", "/any", headers)
    verdict, explained = door.decide(request), door.explain(request)
    return getattr(verdict, "reason", "accepted"), explained.reason


@pytest.mark.parametrize("case", TABLE)
def test_an_explanation_ends_as_the_decision_does_and_shows_where(case: str) -> None:
    headers = TABLE[case][1]
    decided, explained = said_by(guard(), headers)
    assert decided == explained
    steps = guard().explain(Request("GET", "/any", headers)).steps
    assert any(step.passed is False for step in steps)


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_header_is_explained_without_an_error(case: str) -> None:
    decided, explained = said_by(guard(), [("Authorization", value) for value in HOSTILE[case][0]])
    assert decided == explained


def test_a_good_token_passes_every_check() -> None:
    explained = guard().explain(token(scope="read:blog"), "read:blog")
    assert [step.name for step in explained.steps] == [
        "grammar", "claims", "issuer", "algorithm", "key", "signature", "type", "claim types", "times",
        "audience", "binding", "rule",
    ]  # fmt: skip
    assert all(step.passed for step in explained.steps)
    assert (explained.reason, explained.fix) == ("accepted", "")


def failed(door: Guard, value: str, rule: object = None) -> list[str]:
    explained = door.explain(value, rule)  # type: ignore[arg-type]
    return [step.name for step in explained.steps if step.passed is False]


def test_all_faults_are_shown_at_once() -> None:
    sent = token(aud="https://other", exp=NOW - 100, scope="")
    assert failed(guard(), sent, all_of("read:blog")) == ["times", "audience", "rule"]


@pytest.mark.parametrize(
    ("changed", "name", "said", "fix"),
    [
        ({"aud": "https://other"}, "audience", AUDIENCE, "audience"),
        ({"iss": "https://issuer.example"}, "issuer", repr(ISSUER), "last slash"),
        ({"exp": NOW - 100}, "times", "100 s ago", "new token"),
        ({"nbf": NOW + 100}, "times", "100 s", "clocks"),
        ({"cnf": {"jkt": "x"}}, "binding", "cnf", "bound"),
        ({"nonce": "x"}, "type", "nonce", "access token"),
        ({"exp": "soon"}, "claim types", "exp", "exp"),
    ],
)
def test_the_check_that_fails_says_what_was_expected_and_what_to_do(
    changed: dict[str, object], name: str, said: str, fix: str
) -> None:
    explained = guard().explain(token(**changed))
    step = next(step for step in explained.steps if step.passed is False)
    assert step.name == name
    assert said in step.said
    assert fix in explained.fix


def test_a_missing_scope_is_named() -> None:
    explained = guard().explain(token(scope="read:blog"), all_of("read:blog", "create:blog"))
    assert explained.steps[-1].said.endswith("the token lacks create:blog")
    assert "Grant" in explained.fix
    assert guard().explain(token(), claim("tier").equals("gold")).reason == "rule_not_met"
    assert "log in again" in guard().explain(token(), acr("mfa")).fix


def test_revocation_and_outages_are_explained_too() -> None:
    revoked = guard(revoked=lambda _: True).explain(token(jti="t1"))
    assert (revoked.reason, revoked.steps[-1].name, revoked.steps[-1].passed) == ("revoked", "revoked", False)
    assert "'t1'" in revoked.steps[-1].said

    def down(url: str) -> tuple[int, dict[str, str], bytes]:
        raise ConnectionRefusedError(url)

    away = guard(keys=None, fetch=down).explain(token())
    assert away.reason == "keys_unavailable"
    failing = next(step for step in away.steps if step.passed is False)
    assert failing.name == "key"
    assert "ConnectionRefusedError" in failing.said


def test_an_explanation_reads_as_lines_and_holds_no_token() -> None:
    sent = token(scope="read:blog")
    text = str(guard().explain(sent, "create:blog"))
    assert "FAIL rule" in text
    assert "=> insufficient_scope" in text
    assert sent not in text
    assert not any(part in text for part in sent.split("."))


def test_an_explanation_reads_as_the_documents_show_it() -> None:
    sent = token(scope="read:blog update:blog")
    rule = all_of("create:blog", "delete:blog")
    explained = guard(algorithms=["RS256", "ES256"]).explain(sent, rule)
    assert str(explained).splitlines() == [
        f"ok   grammar      a signed JWT of {len(sent)} characters",
        "ok   claims       8 claims",
        "ok   issuer       https://issuer.example/",
        "ok   algorithm    RS256, allowed: RS256, ES256",
        "ok   key          kid 'k1', RSA",
        "ok   signature    made by this key",
        "ok   type         an access token, typ 'JWT'",
        "ok   claim types  client 'app', scope 'read:blog update:blog'",
        "ok   times        expires in 3600 s, leeway 30 s",
        "ok   audience     https://blog-api",
        "ok   binding      a bearer token",
        f"FAIL rule         {rule!r} is required: the token lacks create:blog delete:blog",
        "=> insufficient_scope",
        "Grant the client the missing scope, and take a new token.",
    ]


def test_an_explanation_of_a_good_token_ends_with_the_verdict() -> None:
    explained = guard(audience=[AUDIENCE, "b"]).explain(token(scope="a"), all_of("a"))
    assert str(explained).splitlines()[-4:] == [
        f"ok   audience     {AUDIENCE} or b",
        "ok   binding      a bearer token",
        'ok   rule         all_of("a")',
        "=> accepted",
    ]


def test_what_cannot_be_looked_at_after_a_fault_is_said_to_be_so() -> None:
    explained = guard().explain("a.b", "read:blog")
    assert [(step.name, step.passed) for step in explained.steps[:3]] == [
        ("grammar", False),
        ("claims", None),
        ("issuer", None),
    ]
    assert explained.steps[1].said == "not looked at"
    assert explained.steps[-1].said == 'all_of("read:blog"), not looked at'
    assert (explained.steps[-1].name, explained.steps[-1].passed) == ("rule", None)
    assert str(explained).splitlines()[1].split() == ["-", "claims", "not", "looked", "at"]


def test_a_request_without_a_token_is_explained_by_its_header() -> None:
    for headers, reason, fix in (
        ([], "no_token", "Authorization"),
        (bearer("a b"), "bad_header", "one space"),
    ):
        explained = guard().explain(Request("GET", "/", headers))
        (step,) = explained.steps
        assert (step.name, step.passed, explained.reason) == ("header", False, reason)
        assert step.said == explained.verdict.detail  # type: ignore[union-attr]
        assert fix in explained.fix


def test_a_rule_of_the_request_is_explained_with_the_request() -> None:
    rule = claim("org_id").equals(path("org"))
    explained = guard().explain(
        Request("GET", "/orgs/o1", bearer(token(org_id="o1")), path_params={"org": "o1"}), rule
    )
    assert explained.reason == "accepted"
    assert explained.steps[-1].passed
    other = guard().explain(
        Request("GET", "/orgs/o2", bearer(token(org_id="o1")), path_params={"org": "o2"}), rule
    )
    assert (other.reason, other.steps[-1].said) == ("rule_not_met", f"{rule!r} is required")


def test_the_age_of_a_login_is_explained_with_the_clock_and_leeway_of_the_decision() -> None:
    door = guard(leeway=60)
    for age, passed in ((360, True), (361, False)):
        explained = door.explain(token(auth_time=int(NOW) - age), fresh(max_age=300))
        assert explained.steps[-1].passed is passed
        assert (explained.reason == "accepted") is passed
    for late, passed in ((59, True), (60, False)):
        explained = door.explain(token(exp=NOW - late))
        assert (next(step for step in explained.steps if step.name == "times").passed, explained.reason) == (
            passed,
            "accepted" if passed else "expired",
        )


def test_a_token_without_an_audience_fails_there() -> None:
    assert failed(guard(), token(aud=REMOVED)) == ["audience"]


def test_scopes_are_explained_from_the_claim_they_stand_in() -> None:
    door = Guard(Issuer(ISSUER, keys=key(), scope_claim="permissions"), audience=AUDIENCE, now=Clock())
    explained = door.explain(token(permissions=["read:blog"]), "read:blog")
    assert explained.reason == "accepted"
    assert all(step.passed for step in explained.steps)
    assert "'read:blog'" in next(step for step in explained.steps if step.name == "claim types").said


def test_the_algorithms_of_the_issuer_are_those_explained() -> None:
    theirs = Issuer(
        "https://kc.example/", keys=key("theirs", "ES256"), algorithms=["ES256"], audience=AUDIENCE
    )
    door = Guard(Issuer(ISSUER, keys=key()), theirs, audience=AUDIENCE, now=Clock())
    sent = token(key("mine", "RS256"), iss="https://kc.example/")
    explained = door.explain(sent)
    assert explained.reason == "alg_not_allowed"
    assert next(step.name for step in explained.steps if step.passed is False) == "algorithm"


def test_explaining_counts_and_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="gatewright.guard")
    door = guard()
    door.explain(token(exp=1))
    assert door.counts() == {}
    assert caplog.records == []


def test_what_a_stranger_wrote_into_the_token_is_shown_in_one_printable_line() -> None:
    explained = guard().explain(token(azp="a\nb\x1b[31m", aud="x\r\ny" * 500))
    for step in explained.steps:
        assert step.said.isprintable()
        assert len(step.said) < 500


def test_several_issuers_are_explained_by_their_own_terms() -> None:
    theirs = Issuer("https://kc.example/", keys=key("theirs", "ES256"), algorithms=["ES256"], audience="b")
    door = Guard(Issuer(ISSUER, keys=key()), theirs, audience=AUDIENCE, now=Clock())
    explained = door.explain(token(key("theirs", "ES256"), iss="https://kc.example/"))
    assert explained.reason == "wrong_audience"
    assert "'b'" in next(step for step in explained.steps if step.passed is False).said
    assert bearer(token())
