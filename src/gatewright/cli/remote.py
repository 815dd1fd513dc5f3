"""The server that `--to` names: ours, of the data folder or elsewhere, or a tenant of Auth0.

Elsewhere it is an application of that server that is authorized for its Management API; its credentials come
from options or from the variables of Auth0's tools, and go to no other server than the one they are for.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from cyclopts import Group, Parameter

from gatewright.cli.failures import ExitCode, Failure, misuse
from gatewright.cli.folder import Credentials, read_credentials
from gatewright.cli.http import is_loopback
from gatewright.cli.management import Management

REMOTE: Final = Group("Where", sort_key=90)
DOMAIN, CLIENT_ID, CLIENT_SECRET = "AUTH0_DOMAIN", "AUTH0_CLIENT_ID", "AUTH0_CLIENT_SECRET"


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Remote:
    """Which server, and as which of its applications."""

    to: Annotated[
        str,
        Parameter(
            group=REMOTE,
            help="Issuer or domain, also of a tenant of Auth0; the data folder's server without it.",
        ),
    ] = ""
    client_id: Annotated[
        str, Parameter(group=REMOTE, help=f"An application with the Management API; {CLIENT_ID} without it.")
    ] = ""
    client_secret: Annotated[
        str,
        Parameter(
            group=REMOTE, help=f"Its secret; better in {CLIENT_SECRET}, which no list of processes shows."
        ),
    ] = field(default="", repr=False)


REMOTE_DEFAULTS: Final = Remote()


def connect_to(
    remote: Remote, folder: Path | None, *scopes: str, environ: Mapping[str, str] = os.environ
) -> Management:
    """The Management API of that server; nothing is sent yet.

    With the data folder's credentials the token has just `scopes`, with others all that they are granted.

    Raises:
        Failure: no such URL, or no credentials for it.
    """
    if not remote.to:
        if remote.client_id or remote.client_secret:
            raise misuse("--client-id and --client-secret go with --to ISSUER.")
        return Management(read_credentials(folder), *scopes)
    issuer = _issuer(remote.to)
    given = _given(remote, issuer, environ)
    if given is not None:
        return Management(given)
    own = _of_the_folder(folder)
    if own is None or own.issuer != issuer:
        raise _no_credentials(issuer, environ)
    return Management(own, *scopes)


def _issuer(text: str) -> str:
    """The issuer's URL of a domain or URL; it ends with a slash, as those of Auth0 and ours do.

    Raises:
        Failure: no such URL, or plain http to another machine: the secret could be read on the way.
    """
    url = text if "://" in text else f"https://{text}"
    parts = urlsplit(url)
    if "@" in text:
        raise misuse("An issuer has no user and no password in it.")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise misuse(f"{text!r} is no issuer such as https://acme.eu.auth0.com")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise misuse(f"{text!r} is plain http to another machine: the secret could be read on the way.")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}/"


def _given(remote: Remote, issuer: str, environ: Mapping[str, str]) -> Credentials | None:
    """The credentials of the options and of the environment, this where it is not for another server."""
    of_tools = environ if _is_for(issuer, environ) else {}
    client_id = remote.client_id or of_tools.get(CLIENT_ID, "")
    client_secret = remote.client_secret or of_tools.get(CLIENT_SECRET, "")
    if client_id and client_secret:
        return Credentials(None, issuer, client_id, client_secret)
    if remote.client_id or remote.client_secret:
        raise misuse("--client-id and --client-secret belong together.")
    return None


def _is_for(issuer: str, environ: Mapping[str, str]) -> bool:
    # A tenant's secret must not go to whatever other server the option happens to name.
    domain = environ.get(DOMAIN, "")
    return not domain or urlsplit(_issuer(domain)).netloc == urlsplit(issuer).netloc


def _of_the_folder(folder: Path | None) -> Credentials | None:
    try:
        return read_credentials(folder)
    except Failure as failure:
        if failure.code != ExitCode.NOT_FOUND:
            raise
        return None


def _no_credentials(issuer: str, environ: Mapping[str, str]) -> Failure:
    steps = [
        f"Set {DOMAIN}={urlsplit(issuer).netloc}, {CLIENT_ID} and {CLIENT_SECRET} of an application",
        f"that is authorized for {issuer}api/v2/, or name it with --client-id and --client-secret.",
    ]
    if not _is_for(issuer, environ):
        steps.insert(0, f"Those of the environment are for {environ[DOMAIN]} ({DOMAIN}).")
    return misuse(f"There are no credentials for {issuer}.", *steps)
