"""`gatewright apps` against a real server: above all, what it does not show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.running import Application

if TYPE_CHECKING:
    from tests.cli.conftest import Cli
    from tests.running import Caller


@pytest.fixture
def reader(caller: Caller) -> Application:
    return caller.application("Reader")


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_secret_is_shown_only_when_asked_for(
    cli: Cli, caller: Caller, reader: Application, more: tuple[str, ...]
) -> None:
    commands = [
        ("apps", "list"),
        ("apps", "show", reader.client_id),
        ("apps", "rotate-secret", reader.client_id, "--force"),
        ("apps", "show", reader.client_id),
    ]
    secret = reader.client_secret
    for words in commands:
        ran = cli(*words, *more)
        secret = caller.manage("GET", f"clients/{reader.client_id}").json()["client_secret"]
        assert ran.code == 0
        assert secret not in ran.out + ran.err
    for words in (("apps", "list", "-r"), ("apps", "show", reader.client_id, "--reveal-secrets")):
        assert secret in cli(*words, *more).out


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_new_application_shows_its_secret_only_when_asked_for(
    cli: Cli, caller: Caller, more: tuple[str, ...]
) -> None:
    def newest_secret() -> str:
        return str(caller.manage("GET", "clients", params={"per_page": 100}).json()[-1]["client_secret"])

    hidden = cli("apps", "create", "Hidden", *more)
    assert newest_secret() not in hidden.out + hidden.err
    revealed = cli("apps", "create", "Revealed", "-r", *more)
    assert newest_secret() in revealed.out


def test_looking_without_revealing_is_no_logged_secret_read(
    cli: Cli, caller: Caller, reader: Application
) -> None:
    def reads() -> int:
        return len(caller.manage("GET", "logs", params={"q": "type:mgmt_api_read", "per_page": 100}).json())

    before = reads()
    cli("apps", "list")
    cli("apps", "show", reader.client_id)
    assert reads() == before
    cli("apps", "show", reader.client_id, "--reveal-secrets")
    assert reads() == before + 1


def test_new_application_is_machine_to_machine(cli: Cli, caller: Caller) -> None:
    made = cli("apps", "create", "Night job", "-d", "Reads", "--json").json
    stored = caller.manage("GET", f"clients/{made['client_id']}").json()
    assert stored["app_type"] == "non_interactive"
    assert stored["grant_types"] == ["client_credentials"]
    assert stored["description"] == "Reads"


def test_rotated_secret_ends_the_old_one(cli: Cli, caller: Caller, reader: Application) -> None:
    caller.create("resource-servers", identifier="urn:rotation")
    caller.authorize(reader, "urn:rotation")
    assert cli("apps", "rotate-secret", reader.client_id).code == 2  # nobody can answer
    assert caller.ask_token(reader, "urn:rotation").status_code == 200

    rotated = cli("apps", "rotate-secret", reader.client_id, "--force", "-r", "--json").json
    assert caller.ask_token(reader, "urn:rotation").status_code == 401
    renewed = Application(reader.client_id, rotated["client_secret"])
    assert caller.ask_token(renewed, "urn:rotation").status_code == 200


def test_deleted_application_is_gone(cli: Cli, reader: Application) -> None:
    assert cli("apps", "delete", reader.client_id).code == 2
    assert cli("apps", "rm", reader.client_id, "--force").code == 0
    assert cli("apps", "show", reader.client_id).code == 3


@pytest.mark.parametrize("verb", ["delete", "rotate-secret"])
def test_command_line_does_not_saw_off_its_own_branch(cli: Cli, verb: str) -> None:
    ran = cli("apps", verb, "Gatewright CLI", "--force")
    assert ran.code == 2
    assert cli("apps", "list").code == 0


def test_auth_method_is_shown_as_far_as_it_may_be_known(
    cli: Cli, caller: Caller, reader: Application
) -> None:
    def shown(*more: str) -> str:
        rows = cli("apps", "show", reader.client_id, *more).out.splitlines()
        return next(row for row in rows if row.startswith("AUTH METHOD")).removeprefix("AUTH METHOD").strip()

    path = f"clients/{reader.client_id}"
    keys: dict[str, object] = {"private_key_jwt": {"credentials": []}}
    assert (shown(), shown("-r")) == ("-", "client_secret_post")
    caller.update(path, token_endpoint_auth_method="client_secret_basic")
    assert shown() == "client_secret_basic"
    caller.update(path, token_endpoint_auth_method=None, client_authentication_methods=keys)
    assert (shown(), shown("-r")) == ("-", "private_key_jwt")
