"""`gatewright apps secrets` against a real server: a secret is replaced without a moment without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.running import Application

if TYPE_CHECKING:
    from tests.cli.conftest import Cli
    from tests.running import Caller

API = "urn:apps-secrets"


@pytest.fixture(scope="module", autouse=True)
def api(caller: Caller) -> None:
    caller.create("resource-servers", identifier=API)


@pytest.fixture
def mover(caller: Caller) -> Application:
    application = caller.application("Mover")
    caller.authorize(application, API)
    return application


def works(caller: Caller, application: Application) -> bool:
    return caller.ask_token(application, API).status_code == 200


def test_a_secret_is_replaced_while_both_are_good(cli: Cli, caller: Caller, mover: Application) -> None:
    added = cli("apps", "secrets", "add", mover.client_id, "-r", "--json").json
    new = Application(mover.client_id, added["secret"])
    assert works(caller, mover)
    second, first = cli("apps", "secrets", "list", mover.client_id, "--json").json
    assert second["id"] == added["id"]
    assert "last_used_at" not in second
    assert "last_used_at" in first
    assert works(caller, new)

    assert cli("apps", "secrets", "remove", mover.client_id, first["id"]).code == 2  # nobody can answer
    removed = cli("apps", "secrets", "remove", mover.client_id, first["id"], "--force", "--json")
    assert removed.json["id"] == first["id"]
    assert not works(caller, mover)
    assert works(caller, new)


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_secret_is_shown_only_when_asked_for(
    cli: Cli, caller: Caller, mover: Application, more: tuple[str, ...]
) -> None:
    path = f"clients/{mover.client_id}/secrets"

    hidden = cli("apps", "secrets", "add", mover.client_id, *more)
    shut = cli("apps", "secrets", "list", mover.client_id, *more)
    shown = cli("apps", "secrets", "list", mover.client_id, "-r", *more)

    secrets = [each["secret"] for each in caller.manage("GET", path).json()]
    assert not [secret for secret in secrets if secret in hidden.out + hidden.err + shut.out + shut.err]
    assert all(secret in shown.out for secret in secrets)
    caller.manage("DELETE", f"{path}/{caller.manage('GET', path).json()[0]['id']}")
    revealed = cli("apps", "secrets", "add", mover.client_id, "-r", *more)
    assert caller.manage("GET", path).json()[0]["secret"] in revealed.out


def test_what_cannot_be_is_said(cli: Cli, mover: Application) -> None:
    (only,) = cli("apps", "secrets", "list", mover.client_id, "--json").json

    last = cli("apps", "secrets", "remove", mover.client_id, only["id"], "--force")
    assert (last.code, "only secret" in last.err) == (6, True)
    assert cli("apps", "secrets", "add", mover.client_id).code == 0
    third = cli("apps", "secrets", "add", mover.client_id)
    assert (third.code, "two secrets" in third.err) == (5, True)
    unknown = cli("apps", "secrets", "remove", mover.client_id, "sec_x", "--force")
    assert (unknown.code, "List them: gatewright apps secrets list" in unknown.err) == (3, True)
    assert cli("apps", "secrets", "list", "nobody").code == 3


@pytest.mark.parametrize(
    "words", [("add", "Gatewright CLI"), ("remove", "Gatewright CLI", "sec_x", "--force")]
)
def test_command_line_keeps_its_own_secret(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli("apps", "secrets", *words).code == 2
    assert cli("apps", "list").code == 0
