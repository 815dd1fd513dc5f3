"""`gatewright token`, `call` and `env` against a real server and a real guarded API."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from gatewright import Guard, Request
from gatewright.demo import sample
from tests.running import bearer, free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Cli
    from tests.running import Caller

API = "https://blog-api"
APP = "Blog API (Test Application)"


@pytest.fixture(scope="module", autouse=True)
def blog_api(caller: Caller) -> None:
    scopes = [{"value": "read:blog"}, {"value": "create:blog"}]
    caller.create("resource-servers", name="Blog API", identifier=API, scopes=scopes)
    caller.authorize(caller.application(APP), API, "read:blog")


@pytest.fixture(scope="module")
def blogs(caller: Caller) -> Iterator[str]:
    """The sample API behind a guard for the API."""
    with serving(sample.build(Guard(caller.issuer, audience=API))) as url:
        yield url


def test_token_alone_is_on_stdout_and_a_guard_takes_it(cli: Cli, caller: Caller) -> None:
    ran = cli("token", "--api", API)
    assert ran.code == 0
    assert ran.out == ran.out.strip() + "\n"
    request = Request("GET", "/blogs", list(bearer(ran.out.strip()).items()))
    token = Guard(caller.issuer, audience=API).check(request, "read:blog")
    assert token.scopes == ("read:blog",)
    assert ran.out.strip() not in ran.err


def test_json_is_the_token_endpoints_answer(cli: Cli) -> None:
    answer = cli("token", "--api", "Blog API", "--app", APP, "--scope", "read:blog", "--json").json
    assert answer["token_type"] == "Bearer"
    assert (answer["scope"], answer["expires_in"]) == ("read:blog", 86400)


def test_scope_not_granted_is_refused_with_the_command_that_grants_it(cli: Cli) -> None:
    ran = cli("token", "--api", API, "--scope", "create:blog")
    assert (ran.code, ran.out) == (4, "")
    assert f"gatewright grants add '{APP}' {API} --scope create:blog" in ran.err
    assert "apis scopes add" not in ran.err  # it is defined already


def test_application_without_a_grant_is_refused_with_the_command_that_authorizes_it(
    cli: Cli, caller: Caller
) -> None:
    caller.application("Stranger")
    ran = cli("token", "--api", API, "--app", "Stranger")
    assert ran.code == 4
    assert f"gatewright grants set Stranger {API} --none" in ran.err


def test_without_a_test_application_the_choices_are_listed(cli: Cli, caller: Caller) -> None:
    caller.create("resource-servers", name="Bare", identifier="urn:bare")
    ran = cli("token", "--api", "urn:bare")
    assert ran.code == 2
    assert APP in ran.err


def test_test_application_left_of_a_deleted_api_is_not_taken(cli: Cli) -> None:
    for _ in range(2):
        cli("apis", "create", "Again", "-i", "urn:again")
        assert cli("token", "--api", "urn:again").code == 0
        cli("apis", "delete", "urn:again", "--force")


def test_with_several_apis_one_must_be_named(cli: Cli, caller: Caller) -> None:
    caller.create("resource-servers", name="Second", identifier="urn:second")
    ran = cli("token")
    assert ran.code == 2
    assert "urn:second" in ran.err
    assert API in ran.err


def test_call_shows_the_answer_on_stdout_and_the_talk_on_stderr(cli: Cli, blogs: str) -> None:
    ran = cli("call", f"{blogs}/blogs", "--api", API)
    assert ran.code == 0
    assert ran.json == {"readBlogAccess": True}
    assert f"GET {blogs}/blogs" in ran.err
    assert "200 OK" in ran.err
    token = ran.err.split()[1]
    assert "…" in token
    assert len(token) < 20


def test_call_as_json_holds_both_sides(cli: Cli, blogs: str) -> None:
    shown = cli("call", f"{blogs}/blogs", "--api", API, "--json").json
    assert shown["request"]["scope"] == "read:blog"
    assert (shown["response"]["status"], shown["response"]["body"]) == (200, {"readBlogAccess": True})


def test_refused_call_names_what_is_missing_and_the_command_that_gives_it(cli: Cli, blogs: str) -> None:
    ran = cli("call", "-X", "POST", f"{blogs}/blogs", "--api", API)
    assert ran.code == 4
    assert ran.json["error"] == "insufficient_scope"
    assert "It needs create:blog; the token has read:blog." in ran.err
    assert f"gatewright grants add '{APP}' {API} --scope create:blog" in ran.err


def test_refused_call_with_a_token_for_another_api_names_the_right_one(
    cli: Cli, caller: Caller, blogs: str
) -> None:
    caller.create("resource-servers", name="Wrong", identifier="urn:wrong")
    caller.authorize(caller.application("Wrong (Test Application)"), "urn:wrong")
    ran = cli("call", f"{blogs}/authtest", "--api", "urn:wrong")
    assert ran.code == 4
    assert f"It is the API {API}; the token is for urn:wrong." in ran.err


def test_call_of_a_missing_page_is_not_found(cli: Cli, blogs: str) -> None:
    assert cli("call", f"{blogs}/nowhere", "--api", API).code == 3


def test_call_that_nothing_answers_cannot_reach(cli: Cli) -> None:
    assert cli("call", f"http://localhost:{free_port()}/", "--api", API).code == 7


def test_call_of_what_is_no_url_is_wrong_usage(cli: Cli) -> None:
    assert cli("call", "file:///etc/passwd", "--api", API).code == 2


@pytest.mark.parametrize("identifier", ["urn:plain", 'it\'s $(touch hacked) `x` "y"; z'])
def test_env_lines_survive_the_shell(cli: Cli, caller: Caller, identifier: str) -> None:
    caller.create("resource-servers", identifier=identifier, signing_alg="RS256")
    lines = cli("env", "--api", identifier).out
    script = lines + 'printf "%s|%s|%s" "$GATEWRIGHT_ISSUER" "$GATEWRIGHT_AUDIENCE" "$GATEWRIGHT_ALGORITHMS"'
    shell = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert shell.stdout == f"{caller.issuer}|{identifier}|RS256"


def test_env_builds_a_guard(cli: Cli, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cli("env", "--api", API, "--json").json.items():
        monkeypatch.setenv(name, value)
    guard = Guard.from_env()
    assert (guard.issuer, guard.audience) == (caller.issuer, (API,))


def test_env_without_an_api_leaves_the_audience_out(cli: Cli, caller: Caller) -> None:
    caller.create("resource-servers", identifier="urn:one:more")
    ran = cli("env")
    assert ran.code == 0
    assert ran.out == f"export GATEWRIGHT_ISSUER={caller.issuer}\n"
    assert "several APIs" in ran.err
