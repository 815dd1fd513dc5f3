"""``/api/v2/tenants/settings``: what an administrator decides for the tenant as a whole."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from msgspec import UNSET, Meta, Struct, UnsetType

from gatewright.server.management import answers
from gatewright.server.management.description import FIELDS, Record
from gatewright.server.management.endpoint import Call, endpoint
from gatewright.server.management.schema import Body, chosen, invalid_body, require_unique
from gatewright.server.tenant import SETTINGS_OPTION, tenant_settings

MINUTES = "_in_minutes"

Text = Annotated[str, Meta(max_length=2048)]
Html = Annotated[str, Meta(max_length=500_000)]
Hours = Annotated[float, Meta(gt=0, le=8760)]
Minutes = Annotated[int, Meta(ge=1, le=525_600)]
Flag = bool | UnsetType | None


class Page(Struct, forbid_unknown_fields=True):
    """A page of one's own."""

    enabled: bool | UnsetType = UNSET
    html: Html | UnsetType = UNSET


class ErrorPage(Struct, forbid_unknown_fields=True):
    """What people see when something fails."""

    html: Html | UnsetType = UNSET
    show_log_link: bool | UnsetType = UNSET
    url: Text | UnsetType = UNSET


class DeviceFlow(Struct, forbid_unknown_fields=True):
    """How user codes look."""

    charset: Literal["base20", "digits"] | UnsetType = UNSET
    mask: Annotated[str, Meta(max_length=20)] | UnsetType = UNSET


class ClientCredentialsQuota(Struct, forbid_unknown_fields=True):
    """How many tokens."""

    enforce: bool | UnsetType = UNSET
    per_day: Annotated[int, Meta(ge=1, le=2**31 - 1)] | UnsetType = UNSET
    per_hour: Annotated[int, Meta(ge=1, le=2**31 - 1)] | UnsetType = UNSET


class TokenQuota(Struct, forbid_unknown_fields=True):
    """The quota of one entity."""

    client_credentials: ClientCredentialsQuota


class DefaultTokenQuota(Struct, forbid_unknown_fields=True):
    """The quotas of who has none of its own."""

    clients: TokenQuota | UnsetType = UNSET
    organizations: TokenQuota | UnsetType = UNSET


class RateLimit(Struct, forbid_unknown_fields=True):
    """How often each client may ask."""

    per_minute: Annotated[int, Meta(ge=10, le=10**6)]


class RateLimits(Struct, forbid_unknown_fields=True):
    """An extension of ours: the limits of the doors, off until set."""

    token_endpoint: RateLimit | UnsetType | None = UNSET
    management_api: RateLimit | UnsetType | None = UNSET


class SessionCookie(Struct, forbid_unknown_fields=True):
    """Whether a session outlives the browser."""

    mode: Literal["persistent", "non-persistent"]


class Sessions(Struct, forbid_unknown_fields=True):
    """How logouts ask."""

    oidc_logout_prompt_enabled: bool


class OidcLogout(Struct, forbid_unknown_fields=True):
    """What discovery names."""

    rp_logout_end_session_endpoint_discovery: bool


class Mtls(Struct, forbid_unknown_fields=True):
    """What discovery names."""

    enable_endpoint_aliases: bool


class CountryCodes(Struct, forbid_unknown_fields=True):
    """Which countries' telephone numbers are taken."""

    list: Annotated[list[Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z")]], Meta(min_length=1, max_length=300)]
    mode: Literal["allow", "deny"]


class TenantSettings(Body):
    """A PATCH. ``null`` clears; the flags are Auth0's to name, so any name is one."""

    change_password: Page | UnsetType | None = UNSET
    guardian_mfa_page: Page | UnsetType | None = UNSET
    error_page: ErrorPage | UnsetType | None = UNSET
    device_flow: DeviceFlow | UnsetType | None = UNSET
    default_audience: Annotated[str, Meta(max_length=600)] | UnsetType = UNSET
    default_directory: Text | UnsetType = UNSET
    default_redirection_uri: Text | UnsetType = UNSET
    default_token_quota: DefaultTokenQuota | UnsetType | None = UNSET
    rate_limits: RateLimits | UnsetType | None = UNSET
    flags: Annotated[dict[str, bool], Meta(max_length=200)] | UnsetType = UNSET
    friendly_name: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    picture_url: Text | UnsetType = UNSET
    support_email: Text | UnsetType = UNSET
    support_url: Text | UnsetType = UNSET
    allowed_logout_urls: Annotated[list[Text], Meta(max_length=1000)] | UnsetType = UNSET
    session_lifetime: Hours | UnsetType = UNSET
    session_lifetime_in_minutes: Minutes | UnsetType = UNSET
    idle_session_lifetime: Hours | UnsetType = UNSET
    idle_session_lifetime_in_minutes: Minutes | UnsetType = UNSET
    ephemeral_session_lifetime: Hours | UnsetType = UNSET
    ephemeral_session_lifetime_in_minutes: Minutes | UnsetType = UNSET
    idle_ephemeral_session_lifetime: Hours | UnsetType = UNSET
    idle_ephemeral_session_lifetime_in_minutes: Minutes | UnsetType = UNSET
    sandbox_version: Annotated[str, Meta(max_length=8)] | UnsetType = UNSET
    legacy_sandbox_version: Annotated[str, Meta(max_length=8)] | UnsetType = UNSET
    enabled_locales: (
        Annotated[list[Annotated[str, Meta(min_length=1, max_length=16)]], Meta(min_length=1, max_length=200)]
        | UnsetType
    ) = UNSET
    security_headers: dict[str, Any] | UnsetType | None = UNSET
    session_cookie: SessionCookie | UnsetType | None = UNSET
    sessions: Sessions | UnsetType | None = UNSET
    oidc_logout: OidcLogout | UnsetType = UNSET
    universal_login: dict[str, Any] | UnsetType | None = UNSET
    customize_mfa_in_postlogin_action: Flag = UNSET
    allow_organization_name_in_authentication_api: Flag = UNSET
    acr_values_supported: Annotated[list[Text], Meta(max_length=100)] | UnsetType | None = UNSET
    mtls: Mtls | UnsetType | None = UNSET
    pushed_authorization_requests_supported: Flag = UNSET
    authorization_response_iss_parameter_supported: Flag = UNSET
    skip_non_verifiable_callback_uri_confirmation_prompt: Flag = UNSET
    resource_parameter_profile: Literal["audience", "compatibility"] | UnsetType = UNSET
    client_id_metadata_document_supported: bool | UnsetType = UNSET
    enable_ai_guide: bool | UnsetType = UNSET
    phone_consolidated_experience: bool | UnsetType = UNSET
    include_session_metadata_in_tenant_logs: bool | UnsetType = UNSET
    dynamic_client_registration_security_mode: Literal["strict", "permissive"] | UnsetType = UNSET
    country_codes: CountryCodes | UnsetType | None = UNSET


def read(call: Call) -> object:
    """The settings, and what a new tenant has of those that nobody set."""
    settings = tenant_settings(call.tx.option(SETTINGS_OPTION))
    settings["sandbox_versions_available"] = [settings["sandbox_version"]]
    return chosen(call.query, settings)


def update(call: Call) -> object:
    """Changes settings: members sent replace, flags merge one by one, ``null`` clears."""
    for name in ("allowed_logout_urls", "enabled_locales", "acr_values_supported"):
        require_unique(call.body.get(name) or [], name)
    stored = call.tx.option(SETTINGS_OPTION) or {}
    changed = {**stored, **_in_hours(call.body)}
    if "flags" in call.body:
        changed["flags"] = {**cast("Mapping[str, bool]", stored.get("flags") or {}), **call.body["flags"]}
    # A null is kept: what was cleared stays so, also where a new tenant has a value.
    call.tx.set_option(SETTINGS_OPTION, changed)
    return tenant_settings(changed)


def _in_hours(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with lifetimes in hours, as they are answered; tools may send minutes."""
    result = dict(body)
    for name in [name for name in body if name.endswith(MINUTES)]:
        hours = name.removesuffix(MINUTES)
        if hours in body:
            raise invalid_body(f"{hours} and {name} are mutually exclusive", name)
        minutes = result.pop(name)
        result[hours] = minutes // 60 if minutes % 60 == 0 else minutes / 60
    return result


_SHOWN = Record(
    "Tenant",
    TenantSettings,
    answers.TenantMade,
    unseen=tuple(name for name in TenantSettings.__struct_fields__ if name.endswith(MINUTES)),
)

ROUTES = (
    endpoint(
        "GET",
        "/tenants/settings",
        read,
        scope="read:tenant_settings",
        query=FIELDS,
        answers=_SHOWN.in_part(),
        operation_id="tenants_settings_get",
    ),
    endpoint(
        "PATCH",
        "/tenants/settings",
        update,
        scope="update:tenant_settings",
        body=TenantSettings,
        changes="Update tenant settings",
        answers=_SHOWN,
        refuses=(),
    ),
)
