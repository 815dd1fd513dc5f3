"""`gatewright revoke` and `gatewright revocations` against a real server."""

from __future__ import annotations

import io
import itertools
from typing import TYPE_CHECKING

import pytest

from gatewright.jose import JWK, jwt

if TYPE_CHECKING:
    from tests.cli.conftest import Cli
    from tests.running import Application, Caller

_numbers = itertools.count()


@pytest.fixture
def audience(caller: Caller) -> str:
    """An API whose tokens have a jti."""
    made = caller.create(
        "resource-servers", identifier=f"urn:revoked:{next(_numbers)}", token_dialect="rfc9068_profile"
    )
    return str(made["identifier"])


@pytest.fixture
def application(caller: Caller, audience: str) -> Application:
    made = caller.application(f"Revoked {next(_numbers)}")
    caller.authorize(made, audience)
    return made


def test_an_application_is_revoked_and_the_end_of_its_access_is_named(
    cli: Cli, application: Application
) -> None:
    ran = cli("revoke", "--app", application.client_id, "--force")

    assert ran.code == 0, ran.err
    (row,) = ran.rows
    assert row.split()[1:3] == ["client", application.client_id]
    assert f"gatewright apps delete {application.client_id}" in ran.err
    assert row.split() in [each.split() for each in cli("revocations", "list").rows]


def test_one_api_of_an_application(cli: Cli, application: Application, audience: str) -> None:
    ran = cli("revoke", "--app", application.client_id, "--api", audience, "--force", "--json")

    assert (ran.json["kind"], ran.json["client_id"]) == ("grant", application.client_id)
    assert ran.json["audience"] == audience
    assert f"gatewright grants remove {application.client_id} {audience}" in ran.err
    assert ran.json in cli("revocations", "ls", "--json").json


@pytest.mark.parametrize("way", ["argument", "stdin", "with its scheme"])
def test_one_token_until_it_ends(
    cli: Cli,
    caller: Caller,
    application: Application,
    audience: str,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    token = caller.token(application, audience)
    monkeypatch.setattr("sys.stdin", io.StringIO(token + "\n"))
    words = {"argument": token, "stdin": "-", "with its scheme": f"Bearer {token}"}

    ran = cli("revoke", "--token", words[way], "--force", "--json")

    assert ran.code == 0, ran.err
    assert ran.json["kind"] == "token"
    assert token not in ran.out + ran.err
    explained = cli("why", token, "--api", audience)
    assert explained.code == 4
    assert "=> revoked" in explained.out


def test_one_jti(cli: Cli) -> None:
    assert cli("revoke", "--jti", "t1", "--force", "--json").json["jti"] == "t1"


def test_a_token_without_jti_is_told_what_to_do(cli: Cli, caller: Caller) -> None:
    caller.create("resource-servers", identifier="urn:without-jti")
    application = caller.application("Nameless")
    caller.authorize(application, "urn:without-jti")

    ran = cli("revoke", "--token", caller.token(application, "urn:without-jti"), "--force")

    assert ran.code == 6
    assert "has no jti" in ran.err
    assert f"gatewright revoke --app {application.client_id} --api urn:without-jti" in ran.err
    assert "gatewright apis update urn:without-jti --token-dialect rfc9068_profile" in ran.err


def test_a_token_of_somebody_else_and_what_is_no_token_are_refused(cli: Cli) -> None:
    key = JWK.generate("ES256", kid="k")
    foreign = jwt.sign({"iss": "https://other.example/", "jti": "t", "exp": 1}, key)

    assert cli("revoke", "--token", foreign, "--force").code == 6
    assert cli("revoke", "--token", "opaque", "--force").code == 6


@pytest.mark.parametrize(
    "words",
    [(), ("--app", "A", "--jti", "t"), ("--jti", "t", "--token", "x"), ("--jti", "t", "--api", "urn:x")],
    ids=" ".join,
)
def test_one_thing_is_to_be_named(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli("revoke", *words, "--force").code == 2


def test_nobody_is_revoked_without_a_yes(cli: Cli, application: Application) -> None:
    before = cli("revocations", "list", "--json").json

    assert cli("revoke", "--app", application.client_id).code == 2
    assert cli("revocations", "list", "--json").json == before


def test_unknown_names_are_not_found(cli: Cli, application: Application) -> None:
    assert cli("revoke", "--app", "nobody", "--force").code == 3
    assert cli("revoke", "--app", application.client_id, "--api", "urn:none", "--force").code == 3
    assert cli("revocations", "undo", "rev_nothing", "--force").code == 3


def test_what_was_revoked_is_taken_back(
    cli: Cli, caller: Caller, application: Application, audience: str
) -> None:
    token = caller.token(application, audience)
    made = cli("revoke", "--app", application.client_id, "--force", "--json").json
    assert cli("why", token, "--api", audience).code == 4
    assert cli("revocations", "undo", made["id"]).code == 2  # nobody can answer

    assert cli("revocations", "undo", made["id"], "--force").code == 0

    assert cli("why", token, "--api", audience).code == 0
    assert made not in cli("revocations", "list", "--json").json


def test_a_narrower_grant_names_the_command_that_ends_what_there_is(cli: Cli, caller: Caller) -> None:
    caller.create("resource-servers", identifier="urn:narrower", scopes=[{"value": "a"}, {"value": "b"}])
    caller.application("Made narrower")
    hint = "gatewright revoke --app 'Made narrower' --api urn:narrower"

    assert hint not in cli("grants", "set", "Made narrower", "urn:narrower", "-s", "a").err
    assert hint not in cli("grants", "set", "Made narrower", "urn:narrower", "-s", "a b").err
    assert hint in cli("grants", "set", "Made narrower", "urn:narrower", "-s", "b").err
