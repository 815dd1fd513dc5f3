"""auth0-deploy-cli, as the npm registry has it, exports and imports a tenant of our server.

Only the domain differs: the tool speaks HTTPS to it by itself, and trusts the local authority by Node.js's
own variable, as `gatewright env --tools` says.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.compat.node_packages import node_with_packages
from tests.running import Application, Caller, ServerProcess, caller_of, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent / "node/deploy-cli"
PROGRAM = "node_modules/auth0-deploy-cli/lib/index.js"
OURS = ("tenant", "resourceServers", "clients", "clientGrants", "roles", "logStreams")
"""The types that this server has; the tool asks for others slowly, eight requests a second."""

API = "https://blog-api"
TENANT = """
tenant:
  friendly_name: Blogs
  session_lifetime: 10
  flags:
    revoke_refresh_token_grant: true
resourceServers:
  - name: Blog API
    identifier: https://blog-api
    token_lifetime: 3600
    enforce_policies: true
    token_dialect: access_token_authz
    scopes:
      - value: read:blog
        description: Read blogs
      - value: create:blog
        description: Create blogs
clients:
  - name: Reader
    app_type: non_interactive
    grant_types: [client_credentials]
    token_endpoint_auth_method: client_secret_post
  - name: Writer
    app_type: non_interactive
    grant_types: [client_credentials]
    client_metadata:
      team: blue
clientGrants:
  - client_id: Reader
    audience: https://blog-api
    scope: ["read:blog"]
  - client_id: Writer
    audience: https://blog-api
    scope: ["read:blog", "create:blog"]
roles:
  - name: Editor
    description: Writes blogs
    permissions:
      - permission_name: create:blog
        resource_server_identifier: https://blog-api
logStreams:
  - name: Hook
    type: http
    sink:
      httpEndpoint: https://logs.example/in
      httpContentFormat: JSONLINES
      httpContentType: application/json
"""
NOUNS = ("resource-servers", "clients", "client-grants", "roles", "log-streams", "tenants/settings")

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class DeployCli:
    """The tool, and the server that it takes for Auth0."""

    node: list[str]
    server: ServerProcess

    def __call__(self, *words: str, only: tuple[str, ...] = ()) -> str:
        """What the tool says; it must end well."""
        credentials = self.server.credentials()
        settings = environment(
            AUTH0_DOMAIN=f"localhost:{self.server.port}",
            AUTH0_CLIENT_ID=credentials["client_id"],
            AUTH0_CLIENT_SECRET=credentials["client_secret"],
            NODE_EXTRA_CA_CERTS=credentials["ca_file"],
            **({"AUTH0_INCLUDED_ONLY": json.dumps(only)} if only else {}),
        )
        command = [*self.node, PROGRAM, *words]
        ran = subprocess.run(
            command, cwd=FOLDER, env=settings, capture_output=True, text=True, check=False, timeout=120
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr

    def exported(self, folder: Path, only: tuple[str, ...] = OURS) -> str:
        """The tenant as one file."""
        self("export", "--format", "yaml", "--output_folder", str(folder), only=only)
        return (folder / "tenant.yaml").read_text(encoding="utf-8")

    def requests(self) -> list[tuple[str, str, int]]:
        """What the server was asked so far, and its answers' status."""
        lines = self.server.log.read_text(encoding="utf-8").splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        return [
            (entry["method"], entry["path"], entry["status"])
            for entry in entries
            if entry["event"] == "request"
        ]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with `--tls local`."""
    folder = tmp_path_factory.mktemp("deploy") / "data"
    with ServerProcess(folder, options=("--tls", "local")) as running:
        yield running


@pytest.fixture(scope="module")
def caller(server: ServerProcess) -> Iterator[Caller]:
    with caller_of(server.issuer, server.credentials()) as caller:
        yield caller


@pytest.fixture(scope="module")
def deploy(server: ServerProcess) -> DeployCli:
    return DeployCli(node_with_packages(FOLDER), server)


@pytest.fixture(scope="module")
def file(deploy: DeployCli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tenant's file, imported once."""
    file = tmp_path_factory.mktemp("import") / "tenant.yaml"
    file.write_text(TENANT, encoding="utf-8")
    assert "Import Successful" in deploy("import", "--input_file", str(file), only=OURS)
    return file


def everything(caller: Caller) -> dict[str, Any]:
    """All that the tool can have changed."""
    whole = {noun: caller.manage("GET", noun).json() for noun in NOUNS}
    for role in whole["roles"]:
        role["permissions"] = caller.manage("GET", f"roles/{role['id']}/permissions").json()
    for page in ("change_password", "guardian_mfa_page"):
        # The tool sends an empty text along where it exported none.
        whole["tenants/settings"][page].setdefault("html", "")
    return whole


def test_import_makes_what_the_file_says(caller: Caller, file: Path) -> None:
    assert file.exists()
    whole = everything(caller)

    api = whole["resource-servers"][-1]
    assert (api["identifier"], api["token_dialect"]) == (API, "access_token_authz")
    clients = {client["name"]: client for client in whole["clients"]}
    assert clients["Writer"]["client_metadata"] == {"team": "blue"}
    granted = {
        next(name for name in clients if clients[name]["client_id"] == grant["client_id"]): grant["scope"]
        for grant in whole["client-grants"]
        if grant["audience"] == API
    }
    assert granted == {"Reader": ["read:blog"], "Writer": ["read:blog", "create:blog"]}
    (role,) = whole["roles"]
    assert [permission["permission_name"] for permission in role["permissions"]] == ["create:blog"]
    assert whole["tenants/settings"]["session_lifetime"] == 10
    assert whole["tenants/settings"]["flags"]["revoke_refresh_token_grant"] is True
    reader = Application(clients["Reader"]["client_id"], clients["Reader"]["client_secret"])
    assert caller.ask_token(reader, API).json()["scope"] == "read:blog"


def test_whole_tenant_is_exported_and_importing_it_again_changes_nothing(
    deploy: DeployCli, caller: Caller, file: Path, tmp_path: Path
) -> None:
    assert file.exists()
    before, asked = everything(caller), len(deploy.requests())

    tenant = deploy.exported(tmp_path / "whole", only=())

    answers = deploy.requests()[asked:]
    assert len(answers) > 80
    optional = r"emails/provider|email-templates/\w+|branding/themes/default"
    for method, path, status in answers:
        assert status in {200, 403} or re.search(f"/({optional})", path), (method, path, status)
    for name in ("Blog API", "Reader", "Editor", "friendly_name: Blogs"):
        assert name in tenant
    ours = deploy.exported(tmp_path / "before")
    words = ("import", "--input_file", str(tmp_path / "whole" / "tenant.yaml"))
    assert "Import Successful" in deploy(*words)
    assert everything(caller) == before
    assert deploy.exported(tmp_path / "after") == ours


def test_second_import_changes_nothing_but_what_the_file_drops(
    deploy: DeployCli, caller: Caller, file: Path, tmp_path: Path
) -> None:
    before = everything(caller)
    less = tmp_path / "tenant.yaml"
    less.write_text(file.read_text().partition("roles:")[0] + "roles: []\n", encoding="utf-8")
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"AUTH0_ALLOW_DELETE": True}), encoding="utf-8")

    deploy("import", "--input_file", str(less), "--config_file", str(config), "--env", only=OURS)

    assert everything(caller) == {**before, "roles": []}
