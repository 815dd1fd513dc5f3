"""The records and their rules: no input or output, nothing of HTTP or SQL.

A record has its keys, the properties this server acts on, and a ``document`` with everything else
exactly as it was sent: what tools send comes back. A member nobody set is absent.
"""

import secrets
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, cast

from gatewright.server.client import Client, ClientCredential, ClientSecret

Document = Mapping[str, object]

ID_ALPHABET = string.ascii_letters + string.digits
SECRET_ALPHABET = ID_ALPHABET + "-_"
SECRET_LENGTH = 64
TOKEN_LIFETIME = 86400
TOKEN_LIFETIME_FOR_WEB = 7200
HMAC_ALGORITHMS = frozenset({"HS256"})
DEFAULT_DIALECT = "access_token"
# The option that names the client of the command line, made at the first start.
CLI_CLIENT_OPTION = "cli_client"
ALL_GRANT_TYPES = ("authorization_code", "implicit", "refresh_token", "client_credentials")

SUBJECT_TYPE_AUTHORIZATION: Document = {
    "client": {"policy": "require_client_grant"},
    "user": {"policy": "allow_all"},
}

# Where an API listens; ours, and on the wire apart from what Auth0 knows of an API.
BASE_URLS = "base_urls"

_RESOURCE_SERVER_ORDER = (
    "name",
    "identifier",
    "allow_offline_access",
    "skip_consent_for_verifiable_first_party_clients",
    "allow_online_access",
    "allow_online_access_with_ephemeral_sessions",
    "subject_type_authorization",
    "token_lifetime",
    "token_lifetime_for_web",
    "signing_alg",
    "signing_secret",
    "scopes",
    "is_system",
    "enforce_policies",
    "token_dialect",
    "token_encryption",
    "consent_policy",
    "authorization_details",
    "proof_of_possession",
    "authorization_policy",
    "client_id",
    BASE_URLS,
)


@dataclass(frozen=True, slots=True)
class ResourceServer:
    """An API: its ``identifier`` is the audience of its tokens (``None`` for the system API in the store)."""

    id: str
    identifier: str | None
    document: Document
    signing_secret: str | None = field(default=None, repr=False)

    @property
    def name(self) -> str | None:
        """What people call it; absent until set."""
        return cast("str | None", self.document.get("name"))

    @property
    def is_system(self) -> bool:
        """Whether this is the server's own Management API."""
        return self.document.get("is_system") is True

    @property
    def scopes(self) -> tuple[str, ...]:
        """The permissions it defines, in the order sent."""
        members = cast("list[dict[str, str]]", self.document.get("scopes") or [])
        return tuple(member["value"] for member in members)

    def describe(self, scope: str) -> str | None:
        """What is said of one of its permissions."""
        members = cast("list[dict[str, str]]", self.document.get("scopes") or [])
        return next((member.get("description") for member in members if member["value"] == scope), None)

    @property
    def signing_alg(self) -> str:
        """The algorithm its tokens are signed with."""
        return cast("str", self.document["signing_alg"])

    @property
    def token_lifetime(self) -> int:
        """Seconds a token for it lives."""
        return cast("int", self.document["token_lifetime"])

    @property
    def dialect(self) -> str:
        """Which of the four claim dialects its tokens speak; ``permissions`` need RBAC as well."""
        return cast("str", self.document.get("token_dialect") or DEFAULT_DIALECT)

    @property
    def base_urls(self) -> tuple[str, ...]:
        """Where it listens, as far as an administrator has said so; without a slash at the end."""
        return tuple(cast("list[str]", self.document.get(BASE_URLS) or []))

    @property
    def enforces_policies(self) -> bool:
        """Whether RBAC is on."""
        return self.document.get("enforce_policies") is True

    @property
    def client_policy(self) -> str:
        """``require_client_grant`` or ``deny_all``: what machine-to-machine clients may do here."""
        policies = cast("dict[str, dict[str, str]]", self.document.get("subject_type_authorization") or {})
        return policies.get("client", {}).get("policy", "require_client_grant")

    @property
    def unmet_demand(self) -> str | None:
        """A protection its tokens should have and this server cannot give yet; then none is issued."""
        proof = cast("dict[str, object]", self.document.get("proof_of_possession") or {})
        if proof.get("required") is True and proof.get("required_for") != "public_clients":
            return "proof of possession"
        return "token encryption" if self.document.get("token_encryption") else None


@dataclass(frozen=True, slots=True)
class ClientGrant:
    """What one client may have at one API."""

    id: str
    client_id: str | None
    resource_server_id: str
    document: Document

    @property
    def subject_type(self) -> str:
        """``client`` (machine to machine) or ``user``."""
        return cast("str", self.document.get("subject_type", "client"))

    @property
    def scope(self) -> tuple[str, ...]:
        """The scopes granted, in the order sent."""
        return tuple(cast("list[str]", self.document.get("scope") or []))

    @property
    def grants_all(self) -> bool:
        """Whether it grants every scope of the API, also those defined later."""
        return self.document.get("allow_all_scopes") is True

    def scopes_at(self, resource_server: ResourceServer) -> tuple[str, ...]:
        """The scopes granted, ``allow_all_scopes`` resolved."""
        return resource_server.scopes if self.grants_all else self.scope

    def granting(self, more: Iterable[str]) -> "ClientGrant":
        """This grant with further scopes; one that grants all has them already."""
        if self.grants_all:
            return self
        return replace(self, document={**self.document, "scope": [*dict.fromkeys((*self.scope, *more))]})

    def without(self, removed: Iterable[str]) -> "ClientGrant":
        """This grant after permissions were removed from the API."""
        gone = frozenset(removed)
        if gone.isdisjoint(self.scope):
            return self
        kept = [scope for scope in self.scope if scope not in gone]
        return replace(self, document={**self.document, "scope": kept})


KeyState = Literal["next", "current", "previous", "revoked"]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key of a ring.

    Times are seconds since 1970. ``longest_lifetime`` is that of any token it may have signed, in seconds;
    ``retires_at`` ends a previous key's publication.
    """

    kid: str
    alg: str
    state: KeyState
    private_jwk: Mapping[str, object] = field(repr=False)
    certificate: str
    created_at: float
    longest_lifetime: int = 0
    current_since: float | None = None
    current_until: float | None = None
    retires_at: float | None = None
    revoked_at: float | None = None

    def is_published(self, now: float) -> bool:
        """Whether tokens signed with it are still to be accepted."""
        if self.state == "previous":
            return self.retires_at is None or now < self.retires_at
        return self.state != "revoked"


class EventType(StrEnum):
    """The catalogue of log events: Auth0's codes (log-event-type-codes)."""

    CLIENT_CREDENTIALS_EXCHANGED = "seccft"
    CLIENT_CREDENTIALS_REFUSED = "feccft"
    MANAGEMENT_WRITE = "sapi"
    TOKEN_QUOTA_WARNING = "token_quota_consumption_warning"  # noqa: S105 - likewise
    ADMINISTRATOR_IN = "s"
    ADMINISTRATOR_REFUSED = "fp"
    MANAGEMENT_SECRET_READ = "mgmt_api_read"  # noqa: S105 - a type code, no secret


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One audit record; ``document`` is what ``GET /logs`` answers, ``log_id`` orders by time."""

    log_id: str
    date: float
    type: EventType
    document: Document
    client_id: str | None = None


def log_id_at(date: float) -> str:
    """How the ids of events of this moment begin: 23 decimal digits that sort by time."""
    return f"900{datetime.fromtimestamp(date, UTC):%Y%m%d%H%M%S%f}"


@dataclass(frozen=True, slots=True)
class GrantPolicy:
    """The answer to the token endpoint's one question: what may this client get at this audience?

    ``credentials`` are the keys that may sign the client's assertions.
    """

    client: Client | None
    resource_server: ResourceServer | None = None
    client_grant: ClientGrant | None = None
    credentials: tuple[ClientCredential, ...] = ()


def new_client_secret(now: float, value: str | None = None) -> ClientSecret:
    """A secret of a client, made at ``now``: random, unless somebody chose its value."""
    return ClientSecret("sec_" + _random(ID_ALPHABET, 22), new_secret() if value is None else value, now)


def new_secret() -> str:
    """64 URL-safe characters, 384 bits."""
    return _random(SECRET_ALPHABET, SECRET_LENGTH)


def new_client_id() -> str:
    """32 letters and digits."""
    return _random(ID_ALPHABET, 32)


def new_resource_server_id() -> str:
    """24 hexadecimal digits."""
    return secrets.token_hex(12)


def new_client_grant_id() -> str:
    """``cgr_`` and 16 letters and digits."""
    return "cgr_" + _random(ID_ALPHABET, 16)


def new_credential_id() -> str:
    """``cred_`` and 22 letters and digits."""
    return "cred_" + _random(ID_ALPHABET, 22)


def new_kid() -> str:
    """21 letters and digits, as long as Auth0's; one that began with a dash would look like an option."""
    return _random(ID_ALPHABET, 21)


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def resource_server_document(sent: Document) -> dict[str, object]:
    """A new API's document: what was sent, and the few members that always have a value."""
    lifetime = cast("int", sent.get("token_lifetime", TOKEN_LIFETIME))
    defaults: dict[str, object] = {
        "allow_offline_access": False,
        "skip_consent_for_verifiable_first_party_clients": False,
        "subject_type_authorization": SUBJECT_TYPE_AUTHORIZATION,
        "token_lifetime": lifetime,
        "token_lifetime_for_web": min(TOKEN_LIFETIME_FOR_WEB, lifetime),
        "signing_alg": "RS256",
    }
    return in_wire_order(defaults | dict(sent))


def in_wire_order(document: Document) -> dict[str, object]:
    """An API's members in the order Auth0 emits them."""
    return {name: document[name] for name in _RESOURCE_SERVER_ORDER if name in document}


def merged(document: Document, patch: Document) -> dict[str, object]:
    """A PATCH applied: top-level members replace, ``null`` removes."""
    result = dict(document) | dict(patch)
    return {name: value for name, value in result.items() if value is not None}


def client_document(sent: Document) -> dict[str, object]:
    """A new client's document, with the defaults recorded of Auth0."""
    method = sent.get("token_endpoint_auth_method")
    has_secret_method = method in {"client_secret_post", "client_secret_basic"}
    document: dict[str, object] = {
        "is_token_endpoint_ip_header_trusted": False,
        "name": sent.get("name"),
        "is_first_party": True,
        "oidc_conformant": False,
        "sso_disabled": False,
        "cross_origin_auth": False,
        "cross_origin_authentication": False,
        "refresh_token": {
            "expiration_type": "non-expiring",
            "leeway": 0,
            "infinite_token_lifetime": True,
            "infinite_idle_token_lifetime": True,
            "token_lifetime": 31557600 if has_secret_method else 2592000,
            "idle_token_lifetime": 2592000 if has_secret_method else 1296000,
            "rotation_type": "non-rotating",
        },
        "jwt_configuration": {"lifetime_in_seconds": 36000, "secret_encoded": False},
        "grant_types": _default_grant_types(sent),
        "custom_login_page_on": True,
    }
    if sent.get("app_type") == "resource_server":
        document |= {"oidc_conformant": True, "jwt_configuration": {"alg": "RS256"}}
    if sent.get("app_type") == "express_configuration" and method is None:
        document["client_authentication_methods"] = {"private_key_jwt": {"credentials": []}}
    return merge_client(document, sent)


def merge_client(document: Document, patch: Document) -> dict[str, object]:
    """A client's PATCH: as ``merged``, but ``jwt_configuration`` and ``refresh_token`` merge inside."""
    inner = {
        name: {**cast("Document", document.get(name) or {}), **cast("Document", patch[name])}
        for name in ("jwt_configuration", "refresh_token")
        if patch.get(name) is not None
    }
    return merged(document, {**patch, **inner})


def _default_grant_types(sent: Document) -> list[str]:
    if sent.get("app_type") == "resource_server":
        return []
    if sent.get("app_type") == "express_configuration":
        return ["authorization_code", "client_credentials"]
    if sent.get("token_endpoint_auth_method") == "none":
        return [grant for grant in ALL_GRANT_TYPES if grant != "client_credentials"]
    return list(ALL_GRANT_TYPES)
