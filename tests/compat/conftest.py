"""A server over TLS with the tutorial's API, and what programs of others need to find it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.compat.node_packages import node_with_packages
from tests.running import Application, Caller, ServerProcess, caller_of, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

SDKS = Path(__file__).parent / "node/sdks"
PYTHON = Path(__file__).parent / "python"
AUDIENCE = "https://blog-api"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A running server with the API https://blog-api, whose two permissions one application has one of."""

    server: ServerProcess
    caller: Caller
    reader: Application

    @property
    def domain(self) -> str:
        """What Auth0's tools want to know of a tenant."""
        return f"localhost:{self.server.port}"

    @property
    def trust(self) -> dict[str, str]:
        """The variables that `gatewright env` prints for certificates."""
        assert self.server.ca_file is not None
        bundle = str(self.server.ca_file.with_name("bundle.pem"))
        names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        return dict.fromkeys(names, bundle) | {"NODE_EXTRA_CA_CERTS": str(self.server.ca_file)}

    def node(self, script: str, *, stdin: str = "", **variables: str) -> Any:  # noqa: ANN401 - JSON of whatever shape
        """What a script in node/sdks says."""
        return self._said([*node_with_packages(SDKS), script], SDKS, stdin, variables)

    def python(self, script: str, *, stdin: str = "", **variables: str) -> Any:  # noqa: ANN401 - as above
        """What a script in the folder python says, in a process of its own: their leaks are theirs."""
        return self._said([sys.executable, "-W", "ignore", script], PYTHON, stdin, variables)

    def _said(self, command: list[str], folder: Path, stdin: str, variables: dict[str, str]) -> Any:  # noqa: ANN401
        ran = subprocess.run(
            command,
            cwd=folder,
            env=environment(**self.trust, **variables),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)


@pytest.fixture(scope="session")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    """One for all files here: each makes what it changes under names of its own."""
    with ServerProcess(tmp_path_factory.mktemp("tenant") / "data", options=("--tls", "local")) as server:
        credentials = server.credentials()
        with caller_of(server.issuer, credentials) as caller:
            scopes = [{"value": "read:blog"}, {"value": "create:blog"}]
            caller.create("resource-servers", identifier=AUDIENCE, name="Blog API", scopes=scopes)
            reader = caller.application("Reader")
            caller.authorize(reader, AUDIENCE, "read:blog")
            yield Tenant(server, caller, reader)
