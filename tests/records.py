"""Records as tests want them: sound, small, and different wherever a test needs them to be."""

from __future__ import annotations

import hashlib
import time

from gatewright.server.client import Client, ClientCredential, ClientSecret
from gatewright.server.events import Caller, Source, log_event
from gatewright.server.model import (
    ClientGrant,
    EventType,
    KeyState,
    LogEvent,
    ResourceServer,
    SigningKey,
    new_client_grant_id,
    new_client_id,
    new_credential_id,
    new_kid,
    new_resource_server_id,
    new_secret,
    resource_server_document,
)

AUDIENCE = "https://blog.example/"
NOW = 1_800_000_000.0
"""The moment at which tests with a clock of their own begin."""


def refusal(audience: str, client_id: str, **changed: object) -> dict[str, object]:
    """A refusal as a guard reports it, of one request now that lacked a permission."""
    return {
        "minute": int(time.time()) // 60 * 60,
        "audience": audience,
        "method": "POST",
        "route": "/blogs",
        "reason": "insufficient_scope",
        "client_id": client_id,
        "missing": ["create:blog"],
        "enforced": True,
        "count": 1,
        "request_id": "0123456789abcdef",
    } | changed


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def api(
    identifier: str = AUDIENCE,
    *,
    scopes: tuple[str, ...] = ("read:blog", "create:blog"),
    lifetime: int = 86400,
    alg: str = "RS256",
    secret: str | None = None,
) -> ResourceServer:
    """An API that was never stored."""
    sent = {
        "name": f"API {identifier}",
        "identifier": identifier,
        "scopes": [{"value": scope} for scope in scopes],
        "token_lifetime": lifetime,
        "signing_alg": alg,
    }
    document = resource_server_document(sent)
    return ResourceServer(new_resource_server_id(), identifier, document, signing_secret=secret)


def application(name: str = "Blog", *, secret: str | None = None) -> Client:
    """An application that was never stored, with a secret of its own."""
    document = {"name": name, "grant_types": ["client_credentials"], "is_first_party": True}
    return Client(new_client_id(), document, (client_secret(secret or new_secret()),))


def client_secret(value: str) -> ClientSecret:
    """A secret of a client; equal texts make equal secrets."""
    return ClientSecret(f"sec_{hashlib.sha256(value.encode()).hexdigest()[:8]}", value, NOW)


def grant(client: Client, resource_server: ResourceServer, *scopes: str) -> ClientGrant:
    """A client grant that was never stored."""
    document = {"scope": list(scopes), "subject_type": "client"}
    return ClientGrant(new_client_grant_id(), client.client_id, resource_server.id, document)


def signing_key(state: KeyState = "previous", *, alg: str = "RS256") -> SigningKey:
    """A record of a signing key; its JWK is none, because the store does not look into it."""
    return SigningKey(new_kid(), alg, state, {"kty": "none", "d": "a private number"}, "PEM", NOW)


def event(
    date: float = NOW,
    type_: EventType = EventType.CLIENT_CREDENTIALS_EXCHANGED,
    *,
    client_id: str | None = None,
) -> LogEvent:
    """A log event."""
    caller = Caller(ip="127.0.0.1", user_agent="tests", request_id="0123456789abcdef")
    source = Source(tenant="localhost", hostname="localhost")
    return log_event(
        type_, date=date, source=source, caller=caller, description="It happened", client_id=client_id
    )


def credential(client: Client, *, name: str = "key") -> ClientCredential:
    """A credential that was never stored; its certificate is nobody's."""
    document = {"credential_type": "x509_cert", "name": name, "thumbprint_sha256": "none", "created_at": NOW}
    return ClientCredential.of(new_credential_id(), client.client_id, document)
