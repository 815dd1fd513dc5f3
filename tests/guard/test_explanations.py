"""What `explain` says is what the guard does, check by check, and names the fix."""

from __future__ import annotations

import logging

import pytest

from gatewright import Guard, Issuer, Request, acr, all_of, claim
from tests.adapters.test_contract import HOSTILE, TABLE
from tests.guard.issuing import AUDIENCE, ISSUER, NOW, Clock, bearer, guard, key, token


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

    def down(url: str) -> tuple[int, dict[str, str], bytes]:
        raise ConnectionRefusedError(url)

    away = guard(keys=None, fetch=down).explain(token())
    assert away.reason == "keys_unavailable"
    assert next(step for step in away.steps if step.passed is False).name == "key"


def test_an_explanation_reads_as_lines_and_holds_no_token() -> None:
    sent = token(scope="read:blog")
    text = str(guard().explain(sent, "create:blog"))
    assert "FAIL rule" in text
    assert "=> insufficient_scope" in text
    assert sent not in text
    assert not any(part in text for part in sent.split("."))


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
