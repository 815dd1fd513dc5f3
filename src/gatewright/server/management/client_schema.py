"""The bodies of ``/api/v2/clients``."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from gatewright.server.management.client_authentication import NewMethods, ReferredMethods
from gatewright.server.management.schema import Body

Text = Annotated[str, Meta(max_length=2048)]
ClientName = Annotated[str, Meta(min_length=1, max_length=512, pattern=r"^[^<>]+$")]
# What stands in URLs, in HTTP Basic and in `sub` without being escaped.
ClientId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
Words = list[Annotated[str, Meta(min_length=1, max_length=2048)]]
AppType = Literal[
    "native",
    "spa",
    "regular_web",
    "non_interactive",
    "resource_server",
    "express_configuration",
    "sso_integration",
    "oag",
    # Auth0's integrations of long ago: kept for exports of old tenants.
    "rms",
    "box",
    "cloudbees",
    "concur",
    "dropbox",
    "mscrm",
    "echosign",
    "egnyte",
    "newrelic",
    "office365",
    "salesforce",
    "sentry",
    "sharepoint",
    "slack",
    "springcm",
    "zendesk",
    "zoom",
]


class ClientPatch(Body):
    """The members that create and update share. ``null`` clears; what is merely kept is typed loosely."""

    name: ClientName | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=140)] | UnsetType | None = UNSET
    app_type: AppType | UnsetType | None = UNSET
    grant_types: Words | UnsetType | None = UNSET
    token_endpoint_auth_method: (
        Literal["none", "client_secret_post", "client_secret_basic"] | UnsetType | None
    ) = UNSET
    client_metadata: dict[str, Annotated[str, Meta(max_length=255)] | None] | UnsetType | None = UNSET
    jwt_configuration: dict[str, Any] | UnsetType | None = UNSET
    refresh_token: dict[str, Any] | UnsetType | None = UNSET
    logo_uri: Text | UnsetType | None = UNSET
    callbacks: Words | UnsetType | None = UNSET
    allowed_origins: Words | UnsetType | None = UNSET
    web_origins: Words | UnsetType | None = UNSET
    allowed_clients: Words | UnsetType | None = UNSET
    allowed_logout_urls: Words | UnsetType | None = UNSET
    client_aliases: Words | UnsetType | None = UNSET
    oidc_logout: dict[str, Any] | UnsetType | None = UNSET
    oidc_backchannel_logout: dict[str, Any] | UnsetType | None = UNSET
    session_transfer: dict[str, Any] | UnsetType | None = UNSET
    encryption_key: dict[str, Any] | UnsetType | None = UNSET
    sso: bool | UnsetType | None = UNSET
    sso_disabled: bool | UnsetType | None = UNSET
    cross_origin_authentication: bool | UnsetType | None = UNSET
    cross_origin_auth: bool | UnsetType | None = UNSET
    cross_origin_loc: Text | UnsetType | None = UNSET
    custom_login_page_on: bool | UnsetType | None = UNSET
    custom_login_page: str | UnsetType | None = UNSET
    custom_login_page_preview: str | UnsetType | None = UNSET
    form_template: str | UnsetType | None = UNSET
    addons: dict[str, Any] | UnsetType | None = UNSET
    mobile: dict[str, Any] | UnsetType | None = UNSET
    initiate_login_uri: Text | UnsetType | None = UNSET
    native_social_login: dict[str, Any] | UnsetType | None = UNSET
    is_first_party: bool | UnsetType | None = UNSET
    oidc_conformant: bool | UnsetType | None = UNSET
    is_token_endpoint_ip_header_trusted: bool | UnsetType | None = UNSET
    organization_usage: Literal["deny", "allow", "require"] | UnsetType | None = UNSET
    organization_require_behavior: (
        Literal["no_prompt", "pre_login_prompt", "post_login_prompt"] | UnsetType | None
    ) = UNSET
    organization_discovery_methods: Words | UnsetType | None = UNSET
    default_organization: dict[str, Any] | UnsetType | None = UNSET
    require_pushed_authorization_requests: bool | UnsetType | None = UNSET
    require_proof_of_possession: bool | UnsetType | None = UNSET
    signed_request_object: dict[str, Any] | UnsetType | None = UNSET
    compliance_level: Text | UnsetType | None = UNSET
    token_exchange: dict[str, Any] | UnsetType | None = UNSET
    token_quota: dict[str, Any] | UnsetType | None = UNSET
    par_request_expiry: Annotated[int, Meta(ge=10, le=600)] | UnsetType | None = UNSET
    skip_non_verifiable_callback_uri_confirmation_prompt: bool | UnsetType | None = UNSET
    third_party_security_mode: Text | UnsetType | None = UNSET
    redirection_policy: Text | UnsetType | None = UNSET
    async_approval_notification_channels: Words | UnsetType | None = UNSET
    resource_server_identifier: Annotated[str, Meta(min_length=1, max_length=600)] | UnsetType = UNSET


class ClientUpdate(ClientPatch):
    """An update body: it may also set the secret."""

    client_secret: Annotated[str, Meta(min_length=16, max_length=512)] | UnsetType = UNSET
    client_authentication_methods: ReferredMethods | UnsetType | None = UNSET


class NewClient(ClientPatch):
    """A create body."""

    name: ClientName
    client_id: ClientId | UnsetType = UNSET
    client_authentication_methods: NewMethods | UnsetType | None = UNSET
