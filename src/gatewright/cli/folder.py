"""The data folder, and the credentials the server left in it for the command line."""

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from gatewright.cli.failures import ExitCode, Failure

NAME = ".gatewright"
CREDENTIALS = "cli.json"
VARIABLE = "GATEWRIGHT_DATA"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Which server to talk to, and as whom; `folder` is None where they come from no data folder."""

    folder: Path | None
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    ca_file: str | None = None

    @property
    def audience(self) -> str:
        """The identifier of the server's Management API."""
        return self.issuer + "api/v2/"

    @property
    def start_command(self) -> str:
        """How to start this server."""
        words = ["gatewright", "serve"]
        if self.folder != Path.cwd() / NAME:
            words += ["--data", str(self.folder)]
        address = urlsplit(self.issuer).netloc
        if address != "localhost:8844":
            words += ["--listen", address]
        if self.ca_file is not None:
            words += ["--tls", "local"]
        return shlex.join(words)


def find(given: Path | None, *, environ: Mapping[str, str] = os.environ) -> Path:
    """The data folder: as given, as GATEWRIGHT_DATA says, or `.gatewright` here or in a parent folder.

    Raises:
        Failure: there is none, or the one found belongs to somebody else.
    """
    named = given or (Path(environ[VARIABLE]) if environ.get(VARIABLE) else None)
    if named is not None:
        return named.absolute()
    here = Path.cwd()
    for folder in (here, *here.parents):
        candidate = folder / NAME
        if candidate.is_dir():
            _require_ours(candidate)
            return candidate
    raise Failure(
        f"There is no data folder {NAME} here or in a parent folder.",
        "Start a server, which makes one: gatewright serve",
        f"or say where it is: --data DIR, or {VARIABLE}=DIR",
        code=ExitCode.NOT_FOUND,
    )


def read_credentials(given: Path | None) -> Credentials:
    """The credentials in the data folder.

    Raises:
        Failure: no folder, no file in it, or a file of another kind.
    """
    folder = find(given)
    file = folder / CREDENTIALS
    try:
        members = json.loads(file.read_text(encoding="utf-8"))
        values = [members[name] for name in ("issuer", "client_id", "client_secret")]
        ca_file = members.get("ca_file")
    except FileNotFoundError:
        raise Failure(
            f"There is no {CREDENTIALS} in {folder}.",
            f"The server writes it when it starts: gatewright serve --data {shlex.quote(str(folder))}",
            code=ExitCode.NOT_FOUND,
        ) from None
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError):
        values, ca_file = [None], None
    if not all(isinstance(value, str) and value for value in values):
        raise Failure(
            f"{file} does not hold what the server writes there.",
            "Delete the file and start the server again: it writes a new one.",
        )
    issuer, client_id, client_secret = values
    trusted = ca_file if isinstance(ca_file, str) else None
    return Credentials(folder, issuer, client_id, client_secret, trusted)


def _require_ours(folder: Path) -> None:
    # A folder that somebody else put above this one could send us to a server of theirs.
    if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
        raise Failure(
            f"{folder} belongs to another user, so it is not used without being named.",
            f"If it is the right one: --data {shlex.quote(str(folder))}",
            code=ExitCode.REFUSED,
        )
