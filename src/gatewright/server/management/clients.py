"""``/api/v2/clients``: the applications and their secrets."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, cast

from msgspec import UNSET, Meta, UnsetType

from gatewright.server.errors import ApiError, NotFound
from gatewright.server.management.endpoint import Answer, Call, endpoint, paged
from gatewright.server.management.global_client import list_global
from gatewright.server.management.schema import Body, boolean, invalid_body
from gatewright.server.model import Client, client_document, merge_client, new_client_id, new_secret

_READ = ("read:clients", "read:client_keys", "read:client_credentials", "read:client_summary")
_UPDATE = (
    "update:clients",
    "update:client_keys",
    "update:client_credentials",
    "update:client_token_vault_privileged_access",
)
_SEES_SECRETS = ("read:client_keys", "read:client_credentials")
_SETS_SECRETS = "update:client_keys"
_SECRET_MEMBERS = frozenset(
    {"client_secret", "encryption_key", "client_authentication_methods", "signing_keys"}
)
_SUMMARY = ("client_id", "app_type", "name", "description")

# The order in which Auth0 emits what every client has; other members follow as they were sent.
_ORDER = (
    "tenant",
    "global",
    "is_token_endpoint_ip_header_trusted",
    "name",
    "description",
    "is_first_party",
    "oidc_conformant",
    "sso_disabled",
    "cross_origin_auth",
    "cross_origin_authentication",
    "refresh_token",
    "encrypted",
    "signing_keys",
    "client_id",
    "callback_url_template",
    "client_secret",
    "jwt_configuration",
    "token_endpoint_auth_method",
    "app_type",
    "grant_types",
    "custom_login_page_on",
)

MOST_METADATA = 10

Text = Annotated[str, Meta(max_length=2048)]
ClientName = Annotated[str, Meta(min_length=1, max_length=512, pattern=r"^[^<>]+$")]
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
    client_authentication_methods: dict[str, Any] | UnsetType | None = UNSET
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


class NewClient(ClientPatch):
    """A create body."""

    name: ClientName


def create(call: Call) -> object:
    """Makes an application with a secret of its own."""
    sent = {name: value for name, value in call.body.items() if value is not None}
    _check(sent)
    document = client_document(_with_metadata({}, sent))
    client = Client(client_id=new_client_id(), document=document, secrets=(new_secret(),))
    call.tx.clients.insert(client)
    return _rendered(call, client, just_made=True)


def read(call: Call) -> object:
    """One application."""
    members = _filtered(call, _visible(call, _named(call)))
    return Answer(members, reveals_secret="client_secret" in members)


def list_all(call: Call) -> object:
    """The applications, in order of creation."""
    if boolean(call.query, "is_global"):
        return list_global(call)
    equals: dict[str, object] = {}
    if "app_type" in call.query:
        equals["app_type"] = tuple(call.query["app_type"].split(","))
    first_party = boolean(call.query, "is_first_party")
    if first_party is not None:
        equals["is_first_party"] = first_party
    shown: list[dict[str, object]] = []

    def render(client: Client) -> object:
        shown.append(_filtered(call, _visible(call, client)))
        return shown[-1]

    body = paged(call, "clients", lambda page: call.tx.clients.page(page, **equals), render)
    return Answer(body, reveals_secret=any("client_secret" in members for members in shown))


def update(call: Call) -> object:
    """Changes an application: members sent replace, ``null`` clears."""
    _check(call.body)
    secret = call.body.get("client_secret")
    if secret is not None and not call.token.has(_SETS_SECRETS):
        # Who sets a client's secret can be that client.
        raise ApiError(403, f"Insufficient scope, expected any of: {_SETS_SECRETS}", "insufficient_scope")
    patch = {name: value for name, value in call.body.items() if name != "client_secret"}

    def change(before: Client) -> Client:
        secrets = before.secrets if secret is None else (secret,)
        document = merge_client(before.document, _with_metadata(before.document, patch))
        return replace(before, document=document, secrets=secrets)

    client = call.tx.clients.update(_named(call).client_id, change)
    members = _rendered(call, client)
    return members if _sees_secrets(call) else _without_secrets(members)


def delete(call: Call) -> object:
    """Removes an application and its client grants; one that does not exist is removed already."""
    client_id = call.path["id"]
    call.tx.client_grants.delete_all(client_id=client_id)
    call.tx.clients.delete(client_id)
    return None


def rotate_secret(call: Call) -> object:
    """Gives the application a new secret; the old one ends at once."""
    client = call.tx.clients.update(
        _named(call).client_id, lambda item: replace(item, secrets=(new_secret(),))
    )
    return _rendered(call, client)


def _named(call: Call) -> Client:
    try:
        return call.tx.clients.get(call.path["id"])
    except NotFound as error:
        raise ApiError(404, "The client does not exist", "inexistent_client") from error


def _check(sent: Mapping[str, Any]) -> None:
    """The rules that join several members."""
    if sent.get("client_authentication_methods") and sent.get("token_endpoint_auth_method"):
        raise invalid_body(
            "client_authentication_methods and token_endpoint_auth_method are mutually exclusive",
            "client_authentication_methods",
        )


def _with_metadata(document: Mapping[str, object], sent: Mapping[str, Any]) -> Mapping[str, Any]:
    """The members sent, ``client_metadata`` merged key by key: ``null`` removes one."""
    if not sent.get("client_metadata"):
        return sent
    merged = {**cast("dict[str, str]", document.get("client_metadata") or {}), **sent["client_metadata"]}
    metadata = {key: value for key, value in merged.items() if value is not None}
    if len(metadata) > MOST_METADATA:
        raise invalid_body("Too many properties defined, maximum 10", "client_metadata")
    return {**sent, "client_metadata": metadata}


def _rendered(call: Call, client: Client, *, just_made: bool = False) -> dict[str, object]:
    """The whole application, secret included."""
    members: dict[str, object] = {
        "tenant": call.server.settings.tenant,
        "global": False,
        "signing_keys": [{"cert": call.server.keys.certificate()}],
        "client_id": client.client_id,
        "callback_url_template": False,
        **client.document,
    }
    if just_made:
        members["encrypted"] = True
    if not client.document.get("client_authentication_methods") and client.secrets:
        members["client_secret"] = client.secrets[0]
    ordered = {name: members[name] for name in _ORDER if name in members}
    return ordered | members


def _sees_secrets(call: Call) -> bool:
    return any(call.token.has(scope) for scope in _SEES_SECRETS)


def _visible(call: Call, client: Client) -> dict[str, object]:
    """What the caller's scopes let it see."""
    full = _rendered(call, client)
    if _sees_secrets(call):
        return full
    if call.token.has("read:clients"):
        return _without_secrets(full)
    return {name: full[name] for name in _SUMMARY if name in full}


def _without_secrets(members: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if name not in _SECRET_MEMBERS}


def _filtered(call: Call, members: dict[str, object]) -> dict[str, object]:
    """``fields`` and ``include_fields`` of the query."""
    if "fields" not in call.query:
        return members
    names = set(call.query["fields"].split(","))
    wanted = boolean(call.query, "include_fields") is not False
    return {name: value for name, value in members.items() if (name in names) == wanted}


ROUTES = (
    endpoint("GET", "/clients", list_all, scope=_READ),
    endpoint(
        "POST",
        "/clients",
        create,
        scope="create:clients",
        status=201,
        body=NewClient,
        changes="Create a client",
    ),
    endpoint("GET", "/clients/{id}", read, scope=_READ),
    endpoint("PATCH", "/clients/{id}", update, scope=_UPDATE, body=ClientUpdate, changes="Update a client"),
    endpoint("DELETE", "/clients/{id}", delete, scope="delete:clients", changes="Delete a client"),
    endpoint(
        "POST",
        "/clients/{id}/rotate-secret",
        rotate_secret,
        scope="update:client_keys",
        changes="Rotate a client secret",
    ),
)
