"""The first start, and what each start makes sure of; nothing that exists is changed.

Folder, master key, database, signing keys, system API, and the command line's own client.
"""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gatewright.server import local_tls
from gatewright.server.client import Client
from gatewright.server.errors import StartupError
from gatewright.server.files import write_privately
from gatewright.server.keys import FIRST_RING, SigningKeys
from gatewright.server.model import (
    CLI_CLIENT_OPTION,
    ClientGrant,
    client_document,
    new_client_grant_id,
    new_client_id,
    new_client_secret,
    new_resource_server_id,
)
from gatewright.server.sealing import Sealer, generate_master_key
from gatewright.server.settings import LOCAL, Settings
from gatewright.server.store import Store, Transaction, database_exists
from gatewright.server.system_api import missing_scopes, system_resource_server, with_scopes

CREDENTIALS_FILE = "cli.json"
MASTER_KEY_FILE = "master.key"
CLI_CLIENT_NAME = "Gatewright CLI"


def open_store(settings: Settings) -> Store:
    """Opens the tenant's database with its master key; the folder is made first.

    Raises:
        StartupError: with a plain sentence, when folder, key or database are not usable.
    """
    with _usable(settings.data):
        _make_folder(settings.data)
        master_keys = _master_keys(settings)
    sealer = Sealer(master_keys)
    return Store.open(settings.database, sealer, system_identifier=settings.management_audience)


def prepare_tls(settings: Settings, *, now: float) -> tuple[Path, Path] | None:
    """The files of the certificate chain and the key to serve with; None for plain http.

    Raises:
        StartupError: with a plain sentence, when they cannot be used.
    """
    if settings.tls == LOCAL:
        with _usable(settings.data):
            made = local_tls.ensure(settings.data, now=now)
        return made.certificate, made.key
    given = settings.certificate_files
    if given is not None:
        try:
            # Without a password to give, OpenSSL would ask the terminal.
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*given, password="")
        except OSError as error:
            reason = getattr(error, "reason", None) or error.strerror or error
            files = f"{given[0]} and {given[1]}"
            said = f"{files} are no certificate and its key (PEM, without a password): {reason}."
            raise StartupError(said) from error
    return given


def make_first_records(store: Store, settings: Settings, keys: SigningKeys, *, now: float) -> None:
    """Makes what a new tenant starts with, then writes the command line's credentials."""
    # Made before the transaction, because generating takes longer than others should wait.
    has_ring = store.read(lambda tx: tx.signing_keys.first(alg=FIRST_RING)) is not None
    ring = [] if has_ring else keys.new_ring(FIRST_RING)

    def ensure(tx: Transaction) -> Client:
        if tx.signing_keys.first(alg=FIRST_RING) is None:
            for key in ring:
                tx.signing_keys.insert(key)
        if tx.resource_servers.first(is_system=True) is None:
            system = system_resource_server(new_resource_server_id())
            tx.resource_servers.insert(system)
            keys.prepare_for(tx, system)
        client = _cli_client(tx) or _make_cli_client(tx, now)
        _bring_up_to_date(tx, client)
        return client

    client = store.read(_complete_cli_client) if has_ring else None
    _write_credentials(settings, client or store.write(ensure))


def _complete_cli_client(tx: Transaction) -> Client | None:
    """The command line's client, unless an older version made it and it lacks what this one needs."""
    client, system = _cli_client(tx), tx.resource_servers.first(is_system=True)
    return None if client is None or system is None or missing_scopes(system) else client


def _bring_up_to_date(tx: Transaction, client: Client) -> None:
    """Scopes that a newer version brings: the system API defines them, the command line holds them."""
    system = tx.resource_servers.find(is_system=True)[0]
    missing = missing_scopes(system)
    if not missing:
        return
    tx.resource_servers.update(system.id, lambda found: with_scopes(found, missing))
    grant = tx.client_grants.first(client_id=client.client_id, resource_server_id=system.id)
    if grant is not None:
        tx.client_grants.update(grant.id, lambda found: found.granting(missing))


def _cli_client(tx: Transaction) -> Client | None:
    known = tx.option(CLI_CLIENT_OPTION)
    return None if known is None else tx.clients.first(client_id=known["client_id"])


def _make_cli_client(tx: Transaction, now: float) -> Client:
    sent = {
        "name": CLI_CLIENT_NAME,
        "app_type": "non_interactive",
        "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "client_secret_post",
        "oidc_conformant": True,
    }
    secret = new_client_secret(now)
    client = Client(client_id=new_client_id(), document=client_document(sent), secrets=(secret,))
    system = tx.resource_servers.find(is_system=True)[0]
    document = {"scope": list(system.scopes), "subject_type": "client"}
    tx.clients.insert(client)
    tx.client_grants.insert(ClientGrant(new_client_grant_id(), client.client_id, system.id, document))
    tx.set_option(CLI_CLIENT_OPTION, {"client_id": client.client_id})
    return client


def _write_credentials(settings: Settings, client: Client) -> None:
    members = {
        "issuer": settings.issuer,
        "client_id": client.client_id,
        "client_secret": client.secrets[0].value,
    }
    if settings.tls == LOCAL:
        members["ca_file"] = str(local_tls.local_tls(settings.data).authority)
    text = json.dumps(members, indent=2) + "\n"
    file = settings.data / CREDENTIALS_FILE
    with _usable(settings.data):
        if not file.exists() or file.read_bytes() != text.encode():
            write_privately(file, text)


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    """Says in a plain sentence what the system refuses about the data folder."""
    try:
        yield
    except OSError as error:
        raise StartupError(f"The data folder {folder} cannot be used: {error.strerror or error}") from error


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")


def _master_keys(settings: Settings) -> list[str]:
    if settings.master_key is not None:
        return settings.master_key.reveal().split(",")
    file = settings.data / MASTER_KEY_FILE
    # Asked first: who makes a database has made its key before, also one who starts at this moment.
    has_database = database_exists(settings.database)
    if not file.exists():
        if has_database:
            raise StartupError(
                f"The master key is missing: {file} is not there, and the database was sealed with it. "
                "Put the file back, or give the key as GATEWRIGHT_SERVER_MASTER_KEY."
            )
        write_privately(file, generate_master_key() + "\n", overwrite=False)
    return file.read_text(encoding="utf-8", errors="replace").split()
