"""`gatewright env`: what other programs read of a server from their environment."""

import shlex
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from gatewright.cli.failures import Failure
from gatewright.cli.folder import Credentials
from gatewright.cli.lookup import READS_APIS, find_api, only_api
from gatewright.cli.management import Management, Record, connect
from gatewright.cli.options import SHARED_DEFAULTS, Shared
from gatewright.cli.output import say, write, write_json
from gatewright.cli.reporters import REPORTER_SCOPES, reporter_variables
from gatewright.cli.tokens import ApiOption


def env(
    *,
    api: ApiOption = None,
    tools: Annotated[
        bool,
        Parameter(
            negative="",
            help="Also what Auth0's tools read: AUTH0_DOMAIN, and the command line's own client and secret, "
            "which may do everything.",
        ),
    ] = False,
    reports: Annotated[
        bool,
        Parameter(
            negative="",
            help="Also what lets guards of the API report what they refuse; makes the application for it.",
        ),
    ] = False,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Print shell lines with what a guard needs, and what makes programs trust a local certificate."""
    server = connect(shared.data, READS_APIS)
    variables = {"GATEWRIGHT_ISSUER": server.issuer, **_api_variables(server, api)}
    variables |= _trust_variables(server.credentials)
    if reports:
        reporting = server.also_holding(REPORTER_SCOPES)
        variables |= reporter_variables(reporting, variables.get("GATEWRIGHT_AUDIENCE"))
    if tools:
        variables |= _tool_variables(server.credentials)
    if shared.json:
        write_json(variables)
        return
    for name, value in variables.items():
        write(f"export {name}={shlex.quote(value)}")


def _api_variables(server: Management, api: str | None) -> dict[str, str]:
    found = find_api(server, api) if api is not None else _only_api_or_none(server)
    if found is None:
        return {}
    variables = {"GATEWRIGHT_AUDIENCE": str(found["identifier"])}
    if str(found.get("signing_alg", "")).startswith("HS"):
        say("Its tokens are signed with a secret: Guard needs it as keys=, which no variable gives.")
    else:
        variables["GATEWRIGHT_ALGORITHMS"] = str(found["signing_alg"])
    return variables


def _only_api_or_none(server: Management) -> Record | None:
    try:
        return only_api(server)
    except Failure as failure:
        say("No GATEWRIGHT_AUDIENCE: " + failure.message)
        for step in failure.steps:
            say(f"  {step}")
        return None


def _trust_variables(credentials: Credentials) -> dict[str, str]:
    """What makes OpenSSL, Python, curl and Node.js trust the server's own authority, beside others."""
    if credentials.ca_file is None:
        return {}
    authority = Path(credentials.ca_file)
    bundle = str(authority.with_name("bundle.pem"))
    return {
        "SSL_CERT_FILE": bundle,
        "REQUESTS_CA_BUNDLE": bundle,
        "CURL_CA_BUNDLE": bundle,
        "NODE_EXTRA_CA_CERTS": str(authority),
    }


def _tool_variables(credentials: Credentials) -> dict[str, str]:
    if credentials.ca_file is None and credentials.issuer.startswith("http:"):
        say("Auth0's tools speak https only: start the server with --tls local.")
    return {
        "AUTH0_DOMAIN": urlsplit(credentials.issuer).netloc,
        "AUTH0_CLIENT_ID": credentials.client_id,
        "AUTH0_CLIENT_SECRET": credentials.client_secret,
    }
