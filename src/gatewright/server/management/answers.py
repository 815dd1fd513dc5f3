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
