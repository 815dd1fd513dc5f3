"""`gatewright export` and `import`: a tenant in a file of auth0-deploy-cli's form, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from gatewright.cli.failures import ExitCode
from tests.running import ServerProcess, caller_of
from tests.server.assertions import new_key, public_pem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Cli
    from tests.running import Caller

TENANT = """
tenant:
  friendly_name: Acme
resourceServers:
  - name: Blog API
    identifier: https://blog-api
    token_lifetime: 3600
    scopes: [{value: read:blog, description: Read the blog}, {value: create:blog}]
clients:
  - {name: Reader, app_type: non_interactive, grant_types: [client_credentials]}
  - {name: Deployer, app_type: non_interactive, grant_types: [client_credentials]}
clientGrants:
  - {client_id: Reader, audience: https://blog-api, scope: [read:blog]}
  - {client_id: Deployer, audience: "https://acme.eu.auth0.com/api/v2/", scope: [read:clients]}
roles:
  - name: Editor
    permissions: [{permission_name: create:blog, resource_server_identifier: https://blog-api}]
logStreams:
  - name: Archive
    type: http
    sink:
      httpEndpoint: https://archive.example/
      httpContentType: application/json
      httpContentFormat: JSONLINES
"""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of this file's own."""
    with ServerProcess(tmp_path_factory.mktemp("exchange") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def its_caller(empty: ServerProcess) -> Iterator[Caller]:
    with caller_of(empty.issuer, empty.credentials()) as caller:
        yield caller


@pytest.fixture
def cli(bare_cli: Cli, empty: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line on that server's data folder, in a folder of the test's own."""
    monkeypatch.setenv("GATEWRIGHT_DATA", str(empty.data))
    monkeypatch.chdir(tmp_path)
    return bare_cli


def written(text: str, name: str = "tenant.yaml") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def test_a_file_is_brought_in_once_and_the_second_time_changes_nothing(
    cli: Cli, its_caller: Caller, empty: ServerProcess
) -> None:
    file = written(TENANT)
    dry = cli("import", file, "--dry-run")
    assert (dry.code, len(dry.out.splitlines())) == (0, 8)
    assert its_caller.manage("GET", "roles").json() == []
    first = cli("import", file)
    assert (first.code, first.out) == (0, dry.out)
    again = cli("import", file)
    assert (again.code, again.out, "Nothing to change" in again.err) == (0, "", True)
    grants = its_caller.manage("GET", "client-grants").json()
    assert [(each["audience"], each["scope"]) for each in grants[-2:]] == [
        ("https://blog-api", ["read:blog"]),
        (empty.issuer + "api/v2/", ["read:clients"]),
    ]
    role = its_caller.manage("GET", "roles").json()[0]
    (held,) = its_caller.manage("GET", f"roles/{role['id']}/permissions").json()
    assert held["permission_name"] == "create:blog"
    assert its_caller.manage("GET", "tenants/settings").json()["friendly_name"] == "Acme"


def test_what_was_exported_makes_the_same_tenant_and_has_no_ids_and_no_secrets(
    cli: Cli, its_caller: Caller, bare_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("import", written(TENANT))
    assert cli("export", "out.yaml").code == 0
    text = Path("out.yaml").read_text(encoding="utf-8")
    for client in its_caller.manage("GET", "clients").json():
        assert client["client_secret"] not in text
        assert client["client_id"] not in text
    assert "Gatewright CLI" not in text
    assert cli("import", "out.yaml").out == ""
    assert cli("export", "--json").json == yaml.safe_load(text)
    with ServerProcess(tmp_path / "other") as other:
        monkeypatch.setenv("GATEWRIGHT_DATA", str(other.data))
        assert bare_cli("import", "out.yaml").code == 0
        assert bare_cli("import", "out.yaml").out == ""
        # The Management API is each server's own.
        assert (
            bare_cli("export").out.replace(other.issuer, cli_issuer(its_caller)) == text.rstrip("\n") + "\n"
        )


def cli_issuer(caller: Caller) -> str:
    return caller.issuer


def test_only_what_differs_is_sent_and_only_on_demand_is_anything_deleted(
    cli: Cli, its_caller: Caller
) -> None:
    cli("import", written(TENANT))
    changed = (
        TENANT.replace("3600", "7200").replace("Editor", "Author").replace("[read:blog]", "[create:blog]")
    )
    assert cli("import", written(changed)).out.splitlines() == [
        "update  API             https://blog-api: token_lifetime",
        "update  client grant    Reader at https://blog-api: scope",
        "create  role            Author",
    ]
    assert cli("import", "tenant.yaml", "--delete", "--json").json == [
        {"verb": "delete", "what": "roles", "title": "Editor"}
    ]
    assert [role["name"] for role in its_caller.manage("GET", "roles").json()] == ["Author"]
    assert cli("import", written("roles: []\n"), "--delete").out == "delete  role            Author\n"
    assert cli("import", written("clients:\n"), "--delete").out == "", "a section that is empty says nothing"
    cli("import", written(TENANT))


def test_a_secret_may_be_brought_along_from_the_environment(
    cli: Cli, its_caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("READER_SECRET", "made-up-for-this-test-0123456789")
    monkeypatch.setenv(
        "AUTH0_KEYWORD_REPLACE_MAPPINGS", json.dumps({"KINDS": ["client_credentials"], "WHO": "Zed"})
    )
    file = written(
        'clients:\n  - {name: "##WHO##", grant_types: @@KINDS@@, client_secret: "##READER_SECRET##"}\n'
    )
    assert cli("import", file).out == "create  application     Zed\n"
    (zed,) = [each for each in its_caller.manage("GET", "clients").json() if each["name"] == "Zed"]
    assert (zed["client_secret"], zed["grant_types"]) == (
        "made-up-for-this-test-0123456789",
        ["client_credentials"],
    )


def test_an_application_brings_its_id_along_and_its_grants_may_name_it_by_that(
    cli: Cli, its_caller: Caller
) -> None:
    client = {"name": "Fixed", "client_id": "fixed-id", "client_secret": "made-up-for-this-test-0123456789"}
    grant = {"client_id": "fixed-id", "audience": "https://acme.eu.auth0.com/api/v2/", "scope": []}
    file = written(yaml.safe_dump({"clients": [client], "clientGrants": [grant]}))
    issuer = its_caller.issuer
    made = f"create  application     Fixed\ncreate  client grant    Fixed at {issuer}api/v2/\n"
    assert cli("import", file).out == made
    assert cli("import", file).out == ""
    assert its_caller.manage("GET", "clients/fixed-id").json()["name"] == "Fixed"

    written(yaml.safe_dump({"clients": [client | {"client_id": "other-id"}]}))
    ran = cli("import", file)
    assert (ran.code, ran.out) == (ExitCode.CONFLICT, "")
    assert "The application Fixed is there already" in ran.err
    assert "gatewright apps delete fixed-id" in ran.err


def test_only_a_file_with_secrets_reads_secrets(cli: Cli, its_caller: Caller) -> None:
    def reads() -> int:
        events = its_caller.manage("GET", "logs", params={"q": "type:mgmt_api_read", "per_page": 100}).json()
        return [event["details"]["request"]["path"] for event in events].count("/api/v2/clients")

    before = reads()
    cli("import", written("clients: [{name: Open}]\n"))
    assert reads() == before
    secret = "client_secret: made-up-for-this-test-9876543210"
    assert cli("import", written(f"clients: [{{name: Open, {secret}}}]\n")).out == (
        "update  application     Open: client_secret\n"
    )
    assert reads() == before + 1


def test_a_secret_that_breaks_the_file_is_not_shown(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKEN", "made-up: *for {this")
    ran = cli("import", written("clients:\n  - name: Zed\n    client_secret: ##BROKEN##\n"))
    assert (ran.code, "it is no YAML (line 3, column" in ran.err) == (ExitCode.INVALID_INPUT, True)
    assert "made-up" not in ran.err
    assert "for" not in ran.err.partition("YAML")[2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a list", "no mapping"),
        ("a: [", "no YAML"),
        ("clients: Reader", "no list of mappings"),
        ("clients: [{description: nameless}]", "has no name"),
        ("clients: [{name: a}, {name: a}]", "twice"),
        ("clients: [{name: '##NOWHERE##'}]", "no value for NOWHERE"),
        ("tenant: []\nclients: [{name: '@@A@@'}, {name: '##B##'}]", "no value for B, A"),
        ("tenant: a", "no mapping"),
        ("tenant: {friendly_name: 2026-01-01}", "tenant holds what JSON cannot"),
        ("clients: [{name: a, 1: b}]", "clients holds what JSON cannot"),
        ("clients: [&a {name: a, mobile: *a}]", "clients holds what JSON cannot"),
        ("roles: [{name: a, permissions: [{permission_name: b}]}]", "in roles, a: each permission has"),
        ("roles: [{name: a, permissions: b}]", "in roles, a: each permission has"),
        ("a: !!python/object/apply:os.system [true]", "no YAML"),
    ],
)
def test_a_file_that_is_none_is_refused_before_anything_is_done(cli: Cli, text: str, said: str) -> None:
    ran = cli("import", written(text))
    assert (ran.code, said in ran.err) == (ExitCode.INVALID_INPUT, True), ran.err


def test_the_command_lines_own_client_is_each_servers_own(cli: Cli, its_caller: Caller) -> None:
    """auth0-deploy-cli exports the client it runs as, as any other."""
    grant = {"client_id": "Gatewright CLI", "audience": "https://acme.eu.auth0.com/api/v2/", "scope": []}
    text = yaml.safe_dump({"clients": [{"name": "Gatewright CLI"}], "clientGrants": [grant]})
    before = its_caller.manage("GET", "client-grants").json()
    ran = cli("import", written(text))
    assert (ran.code, ran.out) == (0, "")
    assert its_caller.manage("GET", "client-grants").json() == before


def test_a_file_that_is_not_there_is_not_found(cli: Cli) -> None:
    assert cli("import", "nowhere.yaml").code == ExitCode.NOT_FOUND


def test_what_cannot_be_brought_in_is_said(cli: Cli) -> None:
    ran = cli("import", written("connections: [{name: db}]\nactions: []\n"))
    assert (ran.code, ran.out) == (0, "")
    assert "connections" in ran.err
    assert "actions" not in ran.err


def test_what_the_server_refuses_is_said_with_what_was_done_before(cli: Cli) -> None:
    text = (
        "clients: [{name: Good}]\nclientGrants: [{client_id: Good, audience: https://nowhere, scope: []}]\n"
    )
    ran = cli("import", written(text))
    assert (ran.code, ran.out) == (ExitCode.NOT_FOUND, "create  application     Good\n")
    assert "resource server does not exist" in ran.err


def test_a_new_application_brings_its_keys_along(cli: Cli, its_caller: Caller) -> None:
    key = {"credential_type": "public_key", "name": "k1", "pem": public_pem(new_key())}
    keyed = {"name": "Keyed", "client_authentication_methods": {"private_key_jwt": {"credentials": [key]}}}
    file = written(yaml.safe_dump({"clients": [keyed]}))
    assert cli("import", file).out == "create  application     Keyed\n"
    assert cli("import", file).out == ""
    (made,) = [each for each in its_caller.manage("GET", "clients").json() if each["name"] == "Keyed"]
    (credential,) = its_caller.manage("GET", f"clients/{made['client_id']}/credentials").json()
    assert credential["name"] == "k1"
    ids = {"private_key_jwt": {"credentials": [{"id": credential["id"]}]}}
    assert made["client_authentication_methods"] == ids
    ran = cli(
        "import", written(yaml.safe_dump({"clients": [keyed | {"client_authentication_methods": ids}]}))
    )
    assert (ran.out, "without their keys" in ran.err) == ("", True)
