"""How each record lies in its table: one ``Kind`` a record, sealed columns included."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import Row, Table

from gatewright.server.client import Client, ClientCredential, ClientSecret
from gatewright.server.model import ClientGrant, ResourceServer, SigningKey
from gatewright.server.sealing import Sealer
from gatewright.server.store import tables

Values = dict[str, object]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A record's table, its key column, and the two directions. ``name`` stands in the change feed."""

    name: str
    table: Table
    key: str
    pack: Callable[[T, Sealer], Values]
    unpack: Callable[[Row[Any], Sealer], T]


def encode(document: Mapping[str, object]) -> str:
    """A document as it is stored: compact JSON, members in their order."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def decode(text: str) -> dict[str, object]:
    """A stored document."""
    return cast("dict[str, object]", json.loads(text))


def sought(*texts: str | None) -> str:
    """What a search looks in: texts of a record in one case, a line each, for nobody types a new line."""
    return "\n".join(text or "" for text in texts).casefold()


def _pack_resource_server(record: ResourceServer, sealer: Sealer) -> Values:
    place = f"resource_servers|sealed_signing_secret|{record.id}"
    secret = record.signing_secret
    return {
        "id": record.id,
        "identifier": record.identifier,
        "is_system": record.is_system,
        "document": encode(record.document),
        "sealed_signing_secret": None if secret is None else sealer.seal(secret.encode(), place),
        "sought": sought(record.name, record.identifier, record.id),
    }


def _unpack_resource_server(row: Row[Any], sealer: Sealer) -> ResourceServer:
    sealed = row.sealed_signing_secret
    place = f"resource_servers|sealed_signing_secret|{row.id}"
    return ResourceServer(
        id=row.id,
        identifier=row.identifier,
        document=decode(row.document),
        signing_secret=None if sealed is None else sealer.open(sealed, place).decode(),
    )


def _pack_client(record: Client, sealer: Sealer) -> Values:
    place = f"clients|sealed_secrets|{record.client_id}"
    return {
        "client_id": record.client_id,
        "app_type": record.document.get("app_type"),
        "is_first_party": record.document.get("is_first_party") is True,
        "document": encode(record.document),
        "sealed_secrets": sealer.seal(json.dumps(list(map(asdict, record.secrets))).encode(), place),
        "sought": sought(record.name, record.client_id),
        "grant_types": f" {' '.join(record.grant_types)} ",
    }


def _unpack_client(row: Row[Any], sealer: Sealer) -> Client:
    place = f"clients|sealed_secrets|{row.client_id}"
    secrets = json.loads(sealer.open(row.sealed_secrets, place))
    return Client(
        client_id=row.client_id, document=decode(row.document), secrets=tuple(map(_client_secret, secrets))
    )


def _client_secret(kept: str | dict[str, Any]) -> ClientSecret:
    # The first databases held bare texts, one for each client.
    return ClientSecret("sec_first", kept) if isinstance(kept, str) else ClientSecret(**kept)


def _pack_client_grant(record: ClientGrant, _: Sealer) -> Values:
    return {
        "id": record.id,
        "client_id": record.client_id,
        "resource_server_id": record.resource_server_id,
        "subject_type": record.subject_type,
        "allow_any_organization": record.document.get("allow_any_organization") is True,
        "document": encode(record.document),
    }


def _unpack_client_grant(row: Row[Any], _: Sealer) -> ClientGrant:
    return ClientGrant(
        id=row.id,
        client_id=row.client_id,
        resource_server_id=row.resource_server_id,
        document=decode(row.document),
    )


def _pack_client_credential(record: ClientCredential, _: Sealer) -> Values:
    return {"id": record.id, "client_id": record.client_id, "document": encode(record.document)}


def _unpack_client_credential(row: Row[Any], _: Sealer) -> ClientCredential:
    return ClientCredential.of(row.id, row.client_id, decode(row.document))


def _pack_signing_key(record: SigningKey, sealer: Sealer) -> Values:
    place = f"signing_keys|sealed_private_jwk|{record.kid}"
    return {
        "kid": record.kid,
        "alg": record.alg,
        "state": record.state,
        "certificate": record.certificate,
        "sealed_private_jwk": sealer.seal(encode(record.private_jwk).encode(), place),
        "created_at": record.created_at,
        "longest_lifetime": record.longest_lifetime,
        "current_since": record.current_since,
        "current_until": record.current_until,
        "retires_at": record.retires_at,
        "revoked_at": record.revoked_at,
    }


def _unpack_signing_key(row: Row[Any], sealer: Sealer) -> SigningKey:
    place = f"signing_keys|sealed_private_jwk|{row.kid}"
    return SigningKey(
        kid=row.kid,
        alg=row.alg,
        state=row.state,
        private_jwk=decode(sealer.open(row.sealed_private_jwk, place).decode()),
        certificate=row.certificate,
        created_at=row.created_at,
        longest_lifetime=row.longest_lifetime,
        current_since=row.current_since,
        current_until=row.current_until,
        retires_at=row.retires_at,
        revoked_at=row.revoked_at,
    )


RESOURCE_SERVERS = Kind(
    "resource_server", tables.resource_servers, "id", _pack_resource_server, _unpack_resource_server
)
CLIENTS = Kind("client", tables.clients, "client_id", _pack_client, _unpack_client)
CLIENT_GRANTS = Kind("client_grant", tables.client_grants, "id", _pack_client_grant, _unpack_client_grant)
CLIENT_CREDENTIALS = Kind(
    "client_credential",
    tables.client_credentials,
    "id",
    _pack_client_credential,
    _unpack_client_credential,
)
SIGNING_KEYS = Kind("signing_key", tables.signing_keys, "kid", _pack_signing_key, _unpack_signing_key)
