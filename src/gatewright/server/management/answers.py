"""The members of answers that only the server sets, noun by noun: for the document, not for checking.

What is sent comes back, so the other members of a record are those of its body types.
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field


class ResourceServerMade(Struct):
    """What the server adds to an API."""

    id: str
    identifier: str
    token_lifetime: int
    signing_alg: str
    is_system: bool | UnsetType = UNSET
    client_id: str | UnsetType = UNSET


class ClientMade(Struct):
    """What the server adds to an application."""

    tenant: str
    client_id: str
    name: str
    callback_url_template: bool
    signing_keys: list[dict[str, str]] | UnsetType = UNSET
    client_secret: str | UnsetType = UNSET
    encrypted: bool | UnsetType = UNSET
    global_: bool | UnsetType = field(default=UNSET, name="global")


class ClientGrantMade(Struct):
    """What the server adds to a client grant."""

    id: str
    audience: str
    subject_type: Literal["client", "user"]
    client_id: str | UnsetType = UNSET
    is_system: bool | UnsetType = UNSET


class SigningKeyMade(Struct):
    """A signing key: only the flag of its state is there."""

    kid: str
    cert: str
    pkcs7: str
    alg: str
    fingerprint: str
    thumbprint: str
    revoked: bool
    next: bool | UnsetType = UNSET
    current: bool | UnsetType = UNSET
    previous: bool | UnsetType = UNSET
    current_since: str | UnsetType = UNSET
    current_until: str | UnsetType = UNSET
    revoked_at: str | UnsetType = UNSET


class TokensOfApiMade(Struct):
    """Tokens for one API that may be alive, and when the last of them ends."""

    audience: str
    tokens: int
    ends_at: str
    name: str | UnsetType = UNSET


class KeyImpactMade(Struct):
    """What ends with a key: at most so many tokens, the last of which ends at this moment anyhow."""

    kid: str
    alg: str
    state: Literal["next", "current", "previous", "revoked"]
    tokens: int
    apis: list[TokensOfApiMade]
    refused_within: int
    ends_at: str | UnsetType = UNSET


class KeyNamed(Struct):
    """The key that a rotation announced, or that was revoked."""

    kid: str
    cert: str


class LogEventMade(Struct):
    """A log event; members that do not apply are absent."""

    date: str
    type: str
    description: str
    log_id: str
    ip: str
    user_agent: str
    hostname: str
    tenant_name: str
    environment_name: str
    details: dict[str, Any]
    id: str = field(name="_id")
    event_schema: dict[str, str] = field(name="$event_schema")
    is_mobile: bool = field(name="isMobile")
    client_id: str | UnsetType = UNSET
    client_name: str | UnsetType = UNSET
    audience: str | UnsetType = UNSET
    scope: str | UnsetType = UNSET


class ClientCredentialMade(Struct):
    """A credential; the key itself is never shown again."""

    id: str
    credential_type: Literal["public_key", "x509_cert", "cert_subject_dn"]
    created_at: str
    updated_at: str
    name: str | UnsetType = UNSET
    kid: str | UnsetType = UNSET
    alg: str | UnsetType = UNSET
    subject_dn: str | UnsetType = UNSET
    thumbprint_sha256: str | UnsetType = UNSET
    expires_at: str | UnsetType = UNSET


class ClientSecretMade(Struct):
    """One secret of a client; its value only to who may read it, its last use once there was one."""

    id: str
    secret: str | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    last_used_at: str | UnsetType = UNSET


class DailyStatsMade(Struct):
    """What happened on one day."""

    date: str
    logins: int
    signups: int
    leaked_passwords: int
    updated_at: str
    created_at: str


class TokenRequestsMade(Struct):
    """How many tokens a client asked for at an audience on one day, and how many of them needlessly."""

    date: str
    client_id: str
    audience: str
    asked: int
    needless: int


class TokenSeriesMade(Struct):
    """Tokens of one client or for one API, or of all others, in each step of time."""

    total: int
    issued: list[int]
    audience: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET


class TokensOverTimeMade(Struct):
    """Tokens issued from a time on, in steps of so many seconds."""

    from_: str = field(name="from")
    to: str
    step: int
    series: list[TokenSeriesMade]


class RefusalsByReasonMade(Struct):
    """How often requests were refused for one reason, by guards or by the token endpoint."""

    refused_by: Literal["guard", "token_endpoint"]
    reason: str
    count: int


class RefusalMade(Struct):
    """Refusals of one kind in one minute, and what this server knows of them."""

    minute: str
    audience: str
    reason: str
    missing: list[str]
    enforced: bool
    count: int
    request_id: str
    explanation: str
    commands: list[str]
    method: str | UnsetType = UNSET
    route: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    client_name: str | UnsetType = UNSET


class ScopeUseMade(Struct):
    """A scope that a client needed and had; "" where any valid token was enough."""

    audience: str
    client_id: str
    scope: str
    first_used_at: str
    last_used_at: str


class ReportingApiMade(Struct):
    """An API whose guards report."""

    audience: str
    since: str
    last_at: str
    dropped: int


class AttentionMade(Struct):
    """Something to look at; what it is not about is absent."""

    kind: str
    client_id: str | UnsetType = UNSET
    resource_server_id: str | UnsetType = UNSET
    log_stream_id: str | UnsetType = UNSET
    secret_id: str | UnsetType = UNSET
    kid: str | UnsetType = UNSET
    alg: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    audience: str | UnsetType = UNSET
    since: str | UnsetType = UNSET


class LogStreamMade(Struct):
    """What the server adds to a log stream, and what is settled when it is made."""

    id: str
    type: str
    status: str
    sink: dict[str, Any]


class TenantMade(Struct):
    """What the server adds to the settings."""

    sandbox_versions_available: list[str] | UnsetType = UNSET


class RevocationMade(Struct):
    """A revocation; what it is not about is absent."""

    id: str
    kind: Literal["client", "grant", "token", "key"]
    created_at: str
    expires_at: str
    client_id: str | UnsetType = UNSET
    audience: str | UnsetType = UNSET
    jti: str | UnsetType = UNSET
    kid: str | UnsetType = UNSET
    revoked_before: str | UnsetType = UNSET


class RoleMade(Struct):
    """A role; its description is always there."""

    id: str
    name: str
    description: str | None


class PermissionMade(Struct):
    """A permission of a role."""

    permission_name: str
    description: str
    resource_server_name: str
    resource_server_identifier: str


class UserPermissionMade(PermissionMade):
    """A permission of a user, and by what they have it."""

    sources: list[dict[str, str]]


class RoleMemberMade(Struct):
    """A user who has a role."""

    user_id: str
    email: str | UnsetType = UNSET
    picture: str | UnsetType = UNSET
    name: str | UnsetType = UNSET


class UserRoleMade(Struct):
    """A role that a user has."""

    id: str
    name: str
    description: str | None


class UserMade(Struct):
    """What the server adds to a user."""

    user_id: str
    created_at: str
    updated_at: str
    identities: list[dict[str, Any]]
