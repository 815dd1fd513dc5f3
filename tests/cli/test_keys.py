"""`gatewright keys` against a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.running import ServerProcess, caller_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Cli
    from tests.running import Caller


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of this file alone: revoking a key ends the tokens of everybody."""
    with ServerProcess(tmp_path_factory.mktemp("keys") / "data") as running:
        yield running


@pytest.fixture
def caller(server: ServerProcess) -> Iterator[Caller]:
    with caller_of(server.issuer, server.credentials()) as caller:
        yield caller


def states(cli: Cli) -> dict[str, str]:
    """Key id to state, as the table says."""
    return {row.split()[0]: row.split()[2] for row in cli("keys", "list").rows}


def published(caller: Caller) -> set[str]:
    return {key["kid"] for key in caller.http.get(".well-known/jwks.json").json()["keys"]}


def test_rotation_moves_every_key_on_and_revocation_ends_the_previous(cli: Cli, caller: Caller) -> None:
    before = {state: kid for kid, state in states(cli).items()}
    rotated = cli("keys", "rotate", "--json").json
    after = states(cli)
    assert after[before["next"]] == "current"
    assert after[before["current"]] == "previous"
    assert after[rotated["kid"]] == "next"

    assert cli("keys", "revoke", before["next"], "--force").code == 6  # it signs
    assert cli("keys", "revoke", before["current"]).code == 2  # nobody can answer
    assert before["current"] in published(caller)
    assert cli("keys", "revoke", before["current"], "--force").code == 0
    assert before["current"] not in published(caller)
    assert states(cli)[before["current"]] == "revoked"


def test_unknown_key_is_not_found(cli: Cli) -> None:
    assert cli("keys", "revoke", "no/such key", "--force").code == 3


def test_json_is_the_servers_own_list(cli: Cli, caller: Caller) -> None:
    assert cli("keys", "ls", "--json").json == caller.manage("GET", "keys/signing").json()
