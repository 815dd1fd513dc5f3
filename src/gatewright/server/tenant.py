"""What a tenant holds beside its APIs and clients: settings, roles, users, log streams, revocations.

Records and their rules as in ``model``: no input or output, nothing of HTTP or SQL.
"""

import secrets
from collections.abc import Container
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from gatewright.server.model import ID_ALPHABET, Document

SETTINGS_OPTION = "settings"

# What a new tenant answers, in the order Auth0 emits it. Auth0's legacy flags are off, and nothing is
# claimed that this server does not have.
_NEW_TENANT: dict[str, object] = {
    "change_password": {"enabled": False},
    "enabled_locales": ["en"],
    "flags": {
        "allow_changing_enable_sso": False,
        "allow_legacy_delegation_grant_types": False,
        "allow_legacy_ro_grant_types": False,
        "allow_other_legacy_grant_types": False,
        "disable_impersonation": True,
        "enable_dynamic_client_registration": False,
        "enable_sso": True,
        "universal_login": True,
        "revoke_refresh_token_grant": False,
        "disable_clickjack_protection_headers": False,
    },
    "guardian_mfa_page": {"enabled": False},
    "idle_session_lifetime": 72,
    "ephemeral_session_lifetime": 72,
    "idle_ephemeral_session_lifetime": 24,
    "sandbox_version": "22",
    "session_lifetime": 168,
    "oidc_logout": {"rp_logout_end_session_endpoint_discovery": True},
    "resource_parameter_profile": "audience",
    "phone_consolidated_experience": False,
    "client_id_metadata_document_supported": False,
    "dynamic_client_registration_security_mode": "permissive",
}
_USER_ORDER = (
    "created_at",
    "email",
    "email_verified",
    "family_name",
    "given_name",
    "identities",
    "name",
    "nickname",
    "phone_number",
    "phone_verified",
    "picture",
    "updated_at",
    "user_id",
    "username",
    "blocked",
    "user_metadata",
    "app_metadata",
)
_SETTINGS_ORDER = (
    "allowed_logout_urls",
    "change_password",
    "default_audience",
    "default_directory",
    "default_redirection_uri",
    "enabled_locales",
    "error_page",
    "flags",
    "friendly_name",
    "guardian_mfa_page",
    "idle_session_lifetime",
    "ephemeral_session_lifetime",
    "idle_ephemeral_session_lifetime",
    "picture_url",
    "sandbox_version",
    "session_lifetime",
    "support_email",
    "support_url",
    "oidc_logout",
    "universal_login",
    "session_cookie",
)


def tenant_settings(stored: Document | None) -> dict[str, object]:
    """The settings as a whole: what was set, over what a new tenant has; ``None`` stands for cleared."""
    stored = stored or {}
    flags = {**cast("Document", _NEW_TENANT["flags"]), **cast("Document", stored.get("flags") or {})}
    whole = {**_NEW_TENANT, **stored, "flags": flags}
    ordered = {name: whole[name] for name in _SETTINGS_ORDER if name in whole}
    return {name: value for name, value in (ordered | whole).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Permission:
    """One scope of one API, held by a role or a user."""

    resource_server_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of permissions."""

    id: str
    document: Document
    permissions: tuple[Permission, ...] = ()

    @property
    def name(self) -> str:
        """What people call it; unique."""
        return cast("str", self.document["name"])

    def with_permissions(self, permissions: tuple[Permission, ...]) -> "Role":
        """This role with other permissions."""
        return replace(self, permissions=permissions)


@dataclass(frozen=True, slots=True)
class User:
    """A person, kept and listed; nobody logs in here. ``roles`` are their ids."""

    user_id: str
    document: Document
    roles: tuple[str, ...] = ()
    permissions: tuple[Permission, ...] = ()

    @property
    def email(self) -> str | None:
        """The address, if there is one."""
        return cast("str | None", self.document.get("email"))

    @property
    def connection(self) -> str:
        """Where the person would log in."""
        return cast("list[dict[str, str]]", self.document["identities"])[0]["connection"]

    def with_permissions(self, permissions: tuple[Permission, ...]) -> "User":
        """This user with other direct permissions."""
        return replace(self, permissions=permissions)


@dataclass(frozen=True, slots=True)
class LogStream:
    """Where log events go. The sink holds whom they go to, and the secrets for it."""

    id: str
    document: Document
    sink: Document = field(repr=False)

    @property
    def type(self) -> str:
        """Which kind of sink it is."""
        return cast("str", self.document["type"])


def permissions_added(held: tuple[Permission, ...], more: tuple[Permission, ...]) -> tuple[Permission, ...]:
    """Both, each one once, in the order they came."""
    return tuple(dict.fromkeys((*held, *more)))


def permissions_without(
    held: tuple[Permission, ...], resource_server_id: str, names: Container[str] | None
) -> tuple[Permission, ...]:
    """What is left when these scopes of an API are gone; ``None``: all of them."""
    return tuple(
        permission
        for permission in held
        if permission.resource_server_id != resource_server_id
        or (names is not None and permission.name not in names)
    )


def user_in_wire_order(document: Document) -> dict[str, object]:
    """A user's members in the order Auth0 emits them."""
    return {name: document[name] for name in _USER_ORDER if name in document}


def new_role_id() -> str:
    """``rol_`` and 16 letters and digits."""
    return "rol_" + "".join(secrets.choice(ID_ALPHABET) for _ in range(16))


def new_log_stream_id() -> str:
    """``lst_`` and 16 digits."""
    return f"lst_{secrets.randbelow(10**16):016d}"


def new_identity_id() -> str:
    """A user's id inside a connection: 24 hexadecimal digits."""
    return secrets.token_hex(12)


RevocationKind = Literal["client", "grant", "token", "key"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Tokens that are refused before they end: a client's, those for one of its APIs, one, or a key's.

    Times are seconds since 1970. Of clients and grants, tokens issued at ``revoked_before`` or earlier are
    meant. At ``expires_at`` none of them can be alive. ``revision`` is that of its last change, greater than
    any before it; one taken back stays, with ``undone_at``, so that it is told to whom it was told.
    """

    id: str
    revision: int
    kind: RevocationKind
    created_at: float
    expires_at: float
    client_id: str | None = None
    audience: str | None = None
    jti: str | None = None
    kid: str | None = None
    revoked_before: float | None = None
    undone_at: float | None = None

    @property
    def subject(self) -> tuple[str | None, ...]:
        """What it is about: of each subject there is one revocation."""
        return (self.kind, self.client_id, self.audience, self.jti, self.kid)

    def covers(self, issued_at: float | None) -> bool:
        """Whether a token of the subject is meant; one that does not say when it was issued is."""
        if self.undone_at is not None:
            return False
        return self.revoked_before is None or issued_at is None or issued_at <= self.revoked_before


def new_revocation_id() -> str:
    """``rev_`` and 16 letters and digits."""
    return "rev_" + "".join(secrets.choice(ID_ALPHABET) for _ in range(16))
