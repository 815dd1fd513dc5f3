"""`gatewright why` on tokens of a real server and of another issuer."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from tests.guard.issuing import StubIssuer, token

if TYPE_CHECKING:
    from tests.cli.conftest import Cli
    from tests.running import Caller

API = "https://why-api"


@pytest.fixture(scope="module")
def issued(caller: Caller) -> str:
    caller.create("resource-servers", name="Why API", identifier=API, scopes=[{"value": "read:blog"}])
    application = caller.application("Why")
    caller.authorize(application, API, "read:blog")
    return caller.token(application, API)


def test_a_good_token_passes_all_checks(cli: Cli, issued: str) -> None:
    ran = cli("why", issued, "--api", API, "--require", "read:blog")
    assert ran.code == 0
    assert "FAIL" not in ran.out
    assert ran.out.endswith("=> accepted\n")


def test_a_token_that_lacks_the_scope_is_told_which(cli: Cli, issued: str) -> None:
    ran = cli("why", issued, "--api", API, "--require", "read:blog,create:blog")
    assert ran.code == 4
    assert "the token lacks create:blog" in ran.out
    assert issued not in ran.out + ran.err


def test_a_token_is_read_from_stdin_with_or_without_its_scheme(
    cli: Cli, issued: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"Bearer {issued}\n"))
    ran = cli("why", "-", "--api", API, "--json")
    assert ran.code == 0
    assert (ran.json["reason"], ran.json["fix"]) == ("accepted", "")
    assert {step["passed"] for step in ran.json["steps"]} == {True}


def test_what_is_no_token_is_explained_not_an_error(cli: Cli) -> None:
    for words in ("rubbish", "a b", "", "\x1b[31m"):
        ran = cli("why", words, "--api", API, "--json")
        assert (ran.code, ran.json["reason"] in ("malformed", "bad_header")) == (4, True)


def test_a_token_of_another_issuer_needs_no_server(bare_cli: Cli) -> None:
    with StubIssuer() as issuer:
        sent = issuer.token(exp=4_000_000_000)
        named = ("--issuer", issuer.url, "--audience", "https://blog-api")
        assert bare_cli("why", sent, *named).code == 0
        refused = bare_cli("why", sent, "--issuer", issuer.url, "--audience", "https://other")
        assert (refused.code, "wrong_audience" in refused.out) == (4, True)
        issuer.stop()
        away = bare_cli("why", sent, *named)
        assert (away.code, "keys_unavailable" in away.out) == (7, True)


@pytest.mark.parametrize(
    "words",
    [
        ("--issuer", "https://issuer.example/"),
        ("--audience", "a"),
        ("--issuer", "nonsense", "--audience", "a"),
        ("--issuer", "https://issuer.example/", "--audience", "a", "--api", "b"),
    ],
)
def test_options_that_do_not_fit_are_told(bare_cli: Cli, words: tuple[str, ...]) -> None:
    ran = bare_cli("why", token(), *words)
    assert ran.code == 2
    assert ran.err.startswith("Error: ")
