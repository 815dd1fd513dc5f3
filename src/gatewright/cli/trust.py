"""`gatewright trust`: the server's local authority in the trust stores of the system and of browsers.

Everything that is done is a command of the system's own, shown before it runs; where it needs rights that
are not there, it is shown for the person to run.
"""

import hashlib
import os
import shlex
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from gatewright.cli.failures import ExitCode, Failure
from gatewright.cli.folder import read_credentials
from gatewright.cli.options import SHARED_DEFAULTS, Shared, noun
from gatewright.cli.output import say, write, write_json

Command: TypeAlias = tuple[str, ...]
DryRun: TypeAlias = Annotated[
    bool, Parameter(name="--dry-run", negative="", help="Show the commands and run none.")
]

app = noun("trust", purpose="The certificate authority of `serve --tls local`: who trusts it.")

# The program that makes a system's store anew: the folder of added authorities, and its arguments.
_SYSTEM_STORES = {
    "update-ca-certificates": ("/usr/local/share/ca-certificates", ()),
    "update-ca-trust": ("/etc/pki/ca-trust/source/anchors", ("extract",)),
}


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority's certificate; `name` is the same in every store, and another for another authority."""

    file: Path
    fingerprint: str

    @property
    def name(self) -> str:
        """How stores know it."""
        return f"gatewright-{self.fingerprint[:12]}"


@dataclass(frozen=True, slots=True)
class Place:
    """A store, and the commands that put the authority into it and take it out."""

    name: str
    install: tuple[Command, ...]
    uninstall: tuple[Command, ...]
    needs_root: bool = False


@app.command
def show(*, shared: Shared = SHARED_DEFAULTS) -> None:
    """Show the authority: its file and its fingerprint."""
    authority = _authority(shared)
    if shared.json:
        write_json({"ca_file": str(authority.file), "sha256": authority.fingerprint})
        return
    write(f"file    {authority.file}")
    write(f"sha256  {authority.fingerprint}")


@app.command
def install(*, dry_run: DryRun = False, shared: Shared = SHARED_DEFAULTS) -> None:
    """Make the system and its browsers trust the authority; it can sign for localhost alone."""
    authority = _authority(shared)
    _run([(place, place.install) for place in places(authority)], dry_run=dry_run)
    if not dry_run:
        say("Programs that run already have to be started again. Undo: gatewright trust uninstall")


@app.command
def uninstall(*, dry_run: DryRun = False, shared: Shared = SHARED_DEFAULTS) -> None:
    """Undo `install`."""
    authority = _authority(shared)
    _run([(place, place.uninstall) for place in places(authority)], dry_run=dry_run)


def places(authority: Authority) -> list[Place]:
    """The stores of this machine.

    Raises:
        Failure: there is none that this command knows.
    """
    found = [*_system_places(authority), *_nss_places(authority)]
    if not found:
        raise Failure(
            "This system's trust store is not known here.",
            f"Add the authority by the system's own means: {authority.file}",
            'or for one shell: eval "$(gatewright env)"',
        )
    return found


def _system_places(authority: Authority) -> Iterator[Place]:
    file, name = str(authority.file), authority.name
    if sys.platform == "darwin":
        keychain = str(Path.home() / "Library/Keychains/login.keychain-db")
        yield Place(
            "the login keychain",
            (("security", "add-trusted-cert", "-r", "trustRoot", "-k", keychain, file),),
            (("security", "remove-trusted-cert", file),),
        )
    elif sys.platform == "win32":
        yield Place(
            "the user's root store",
            (("certutil", "-user", "-addstore", "Root", file),),
            (("certutil", "-user", "-delstore", "Root", authority.fingerprint),),
        )
    for program, (folder, arguments) in _SYSTEM_STORES.items():
        if shutil.which(program):
            target, renew = f"{folder}/{name}.crt", (program, *arguments)
            yield Place(
                "the system's store",
                (("install", "-m", "644", file, target), renew),
                (("rm", "-f", target), renew),
                needs_root=True,
            )
            return


def _nss_places(authority: Authority) -> Iterator[Place]:
    """Chromium and Firefox on Linux keep stores of their own."""
    if sys.platform in ("darwin", "win32") or not shutil.which("certutil"):
        return
    profiles = sorted(Path.home().glob(".mozilla/firefox/*/cert9.db"))
    for folder in (Path.home() / ".pki/nssdb", *(profile.parent for profile in profiles)):
        if (folder / "cert9.db").is_file():
            store, name = f"sql:{folder}", authority.name
            add = ("certutil", "-d", store, "-A", "-t", "C,,", "-n", name, "-i", str(authority.file))
            yield Place(
                f"the browser's store {folder}", (add,), (("certutil", "-d", store, "-D", "-n", name),)
            )


def _run(steps: list[tuple[Place, tuple[Command, ...]]], *, dry_run: bool) -> None:
    left: list[str] = []
    for place, commands in steps:
        say(f"{place.name}:")
        needs_others = place.needs_root and hasattr(os, "geteuid") and os.geteuid() != 0
        for command in commands:
            say(f"  {shlex.join(command)}")
            if needs_others:
                left.append(f"sudo {shlex.join(command)}")
            elif not dry_run:
                _do(command)
    if left and not dry_run:
        raise Failure(
            "The system's store can be changed by its administrator only. Run:",
            *left,
            code=ExitCode.REFUSED,
        )


def _do(command: Command) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603 - our own words
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure(f"{command[0]} cannot be run: {error}.") from error
    if done.returncode:
        raise Failure(f"{shlex.join(command)} failed: {done.stderr.strip() or done.stdout.strip()}.")


def _authority(shared: Shared) -> Authority:
    credentials = read_credentials(shared.data)
    if credentials.ca_file is None:
        raise Failure(
            f"The server of {credentials.folder} has no authority of its own.",
            f"Start it with one: {credentials.start_command} --tls local",
            code=ExitCode.NOT_FOUND,
        )
    file = Path(credentials.ca_file)
    try:
        der = ssl.PEM_cert_to_DER_cert(file.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise Failure(f"{file} cannot be read: {error}.") from error
    return Authority(file, hashlib.sha256(der).hexdigest())
