"""What a tenant holds beside its APIs and clients: settings, roles, users and log streams.

Records and their rules as in ``model``: no input or output, nothing of HTTP or SQL.
"""

from typing import cast

from gatewright.server.model import Document

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
