"""``/api/v2/resource-servers``: the APIs and their permissions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from msgspec import UNSET, Meta, Struct, UnsetType

from gatewright.jose import JWK, JoseError
from gatewright.server.context import Server
from gatewright.server.errors import AlreadyExists, ApiError
from gatewright.server.management import answers, permissions, token_encryption
from gatewright.server.management.client_grants import revoke_tokens
from gatewright.server.management.description import FIELDS, PAGING, Items, Nothing, Record, text, texts
from gatewright.server.management.endpoint import Answer, Call, endpoint, paged
from gatewright.server.management.naming import find_api, identifier_of
from gatewright.server.management.schema import (
    Body,
    Name,
    ScopeValue,
    chosen,
    invalid_body,
    invalid_query,
    looked_for,
    require_unique,
)
from gatewright.server.management.token_encryption import TokenEncryption
from gatewright.server.model import (
    BASE_URLS,
    HMAC_ALGORITHMS,
    SUBJECT_TYPE_AUTHORIZATION,
    ResourceServer,
    in_wire_order,
    merged,
    new_resource_server_id,
    new_secret,
    resource_server_document,
)
from gatewright.server.store import Transaction
from gatewright.server.store.conditions import resource_server_has, resource_server_is_one_of

Lifetime = Annotated[int, Meta(ge=0, le=2_592_000)]
UserPolicy = Literal["allow_all", "deny_all", "require_client_grant"]
ClientPolicy = Literal["deny_all", "require_client_grant"]

MOST_IDENTIFIERS = 10

# What may be changed of the system API; everything else of it is given.
_SYSTEM_MEMBERS = frozenset(
    {
        "token_lifetime",
        "token_lifetime_for_web",
        "skip_consent_for_verifiable_first_party_clients",
        "proof_of_possession",
        "subject_type_authorization",
        "authorization_policy",
    }
)


class Scope(Struct, forbid_unknown_fields=True):
    """One permission."""

    value: ScopeValue
    description: Annotated[str, Meta(max_length=500)] | UnsetType | None = UNSET


class UserAccess(Struct, forbid_unknown_fields=True):
    """Who may act for a user."""

    policy: UserPolicy


class ClientAccess(Struct, forbid_unknown_fields=True):
    """Which clients may act for themselves."""

    policy: ClientPolicy


class SubjectTypeAuthorization(Struct, forbid_unknown_fields=True):
    """The access policies."""

    user: UserAccess | UnsetType = UNSET
    client: ClientAccess | UnsetType = UNSET


class ProofOfPossession(Struct, forbid_unknown_fields=True):
    """Whether tokens are bound to a key."""

    mechanism: Literal["mtls", "dpop"]
    required: bool
    required_for: Literal["public_clients", "all_clients"] | UnsetType = UNSET


class AuthorizationDetail(Struct):
    """A type of rich authorization requests (RFC 9396)."""

    type: Annotated[str, Meta(min_length=1, max_length=255)]


class AuthorizationPolicy(Struct, forbid_unknown_fields=True):
    """Whose policy decides."""

    policy_id: Annotated[str, Meta(min_length=1, max_length=64)]


class ResourceServerPatch(Body):
    """The members that create and update share."""

    name: Name | UnsetType = UNSET
    scopes: Annotated[list[Scope], Meta(max_length=1000)] | UnsetType = UNSET
    # ES256 and EdDSA are extensions of ours.
    signing_alg: Literal["HS256", "RS256", "RS512", "PS256", "ES256", "EdDSA"] | UnsetType = UNSET
    # HS256 needs a key as long as its hash (RFC 7518 section 3.2), so 32 and not Auth0's 16.
    signing_secret: Annotated[str, Meta(min_length=32, max_length=1024)] | UnsetType = UNSET
    token_lifetime: Lifetime | UnsetType = UNSET
    token_lifetime_for_web: Lifetime | UnsetType = UNSET
    allow_offline_access: bool | UnsetType = UNSET
    allow_online_access: bool | UnsetType = UNSET
    allow_online_access_with_ephemeral_sessions: bool | UnsetType = UNSET
    skip_consent_for_verifiable_first_party_clients: bool | UnsetType = UNSET
    enforce_policies: bool | UnsetType = UNSET
    token_dialect: (
        Literal["access_token", "access_token_authz", "rfc9068_profile", "rfc9068_profile_authz"] | UnsetType
    ) = UNSET
    token_encryption: TokenEncryption | UnsetType | None = UNSET
    consent_policy: Literal["transactional-authorization-with-mfa"] | UnsetType | None = UNSET
    authorization_details: Annotated[list[AuthorizationDetail], Meta(max_length=100)] | UnsetType | None = (
        UNSET
    )
    proof_of_possession: ProofOfPossession | UnsetType | None = UNSET
    subject_type_authorization: SubjectTypeAuthorization | UnsetType = UNSET
    authorization_policy: AuthorizationPolicy | UnsetType | None = UNSET


class NewResourceServer(ResourceServerPatch, kw_only=True):
    """A create body."""

    identifier: Annotated[str, Meta(min_length=1, max_length=600)]


def create(call: Call) -> object:
    """Makes an API."""
    identifier = call.body["identifier"]
    if identifier == call.server.settings.management_audience:
        raise ApiError(400, "The selected identifier is reserved.", "operation_not_supported")
    sent = {name: value for name, value in call.body.items() if name != "identifier" and value is not None}
    _check(sent)
    _prepare_inner({}, sent)
    resource_server = _with_signing_secret(
        ResourceServer(
            id=new_resource_server_id(),
            identifier=identifier,
            document=resource_server_document(sent),
            signing_secret=call.body.get("signing_secret"),
        )
    )
    call.server.keys.prepare_for(call.tx, resource_server, call.prepared)
    try:
        call.tx.resource_servers.insert(resource_server)
    except AlreadyExists as error:
        raise ApiError(
            409, "A resource server with the same identifier already exists", "resource_server_conflict"
        ) from error
    return rendered(call.server, resource_server)


def read(call: Call) -> object:
    """One API, by id or identifier."""
    members = chosen(call.query, rendered(call.server, named(call)))
    return Answer(members, reveals_secret="signing_secret" in members)


def list_all(call: Call) -> object:
    """The APIs, or those of ``identifiers``, in order of creation."""
    wanted = call.query.getlist("identifiers")
    if len(wanted) > MOST_IDENTIFIERS:
        raise invalid_query(f"Array is too long, maximum {MOST_IDENTIFIERS}", "identifiers")
    has_system = call.server.settings.management_audience in wanted
    conditions = [resource_server_is_one_of(wanted, with_system=has_system)] if wanted else []
    sought = looked_for(call.query, "search")
    if sought is not None:
        own = call.server.settings.management_audience
        conditions.append(resource_server_has(sought, system_identifier=own))
    shown: list[dict[str, object]] = []

    def render(resource_server: ResourceServer) -> object:
        shown.append(chosen(call.query, rendered(call.server, resource_server)))
        return shown[-1]

    body = paged(
        call, "resource_servers", lambda page: call.tx.resource_servers.page(page, *conditions), render
    )
    return Answer(body, reveals_secret=any("signing_secret" in members for members in shown))


def update(call: Call) -> object:
    """Changes an API; permissions that go are taken from its client grants too."""
    before = named(call)
    _check({**before.document, **call.body}, sent=call.body)
    patch = dict(call.body)
    _prepare_inner(before.document, patch)
    after = call.tx.resource_servers.update(before.id, lambda item: _changed(item, patch))
    if before.is_system and (not call.body.keys() <= _SYSTEM_MEMBERS or _locks_out(after)):
        raise ApiError(400, "System resource servers cannot be changed that way.", "operation_not_supported")
    call.server.keys.prepare_for(call.tx, after, call.prepared)
    _remove_scopes(call.tx, after, removed=set(before.scopes) - set(after.scopes))
    return rendered(call.server, after)


def delete(call: Call) -> object:
    """Removes an API, its client grants and their live tokens; one that does not exist is removed already."""
    try:
        resource_server = named(call)
    except ApiError:
        return None
    if resource_server.is_system:
        raise ApiError(400, "System resource servers cannot be deleted.", "operation_not_supported")
    revoke_tokens(call, resource_server, call.tx.client_grants.find(resource_server_id=resource_server.id))
    call.tx.client_grants.delete_all(resource_server_id=resource_server.id)
    permissions.forget(call.tx, resource_server.id, None)
    call.tx.resource_servers.delete(resource_server.id)
    return None


def rendered(server: Server, resource_server: ResourceServer) -> dict[str, object]:
    """The API as it goes over the wire; only what was set is there."""
    document = {**resource_server.document, "identifier": identifier_of(server, resource_server)}
    document.pop(BASE_URLS, None)  # a noun of its own
    if resource_server.signing_alg in HMAC_ALGORITHMS:
        document["signing_secret"] = resource_server.signing_secret
    if "token_encryption" in document:
        document["token_encryption"] = token_encryption.rendered(document["token_encryption"])
    return {"id": resource_server.id, **in_wire_order(document)}


def named(call: Call) -> ResourceServer:
    """The API with this id or identifier; tools also send the identifier escaped twice."""
    text = call.path["id"]
    resource_server = (
        call.tx.resource_servers.first(id=text) or find_api(call, text) or find_api(call, unquote(text))
    )
    if resource_server is None:
        raise ApiError(404, "The resource server does not exist", "inexistent_resource_server")
    return resource_server


def _changed(before: ResourceServer, patch: Mapping[str, Any]) -> ResourceServer:
    document = merged(
        before.document, {name: value for name, value in patch.items() if name != "signing_secret"}
    )
    if "token_lifetime_for_web" not in patch:
        web, lifetime = document["token_lifetime_for_web"], document["token_lifetime"]
        document["token_lifetime_for_web"] = min(int(str(web)), int(str(lifetime)))
    secret = patch.get("signing_secret", before.signing_secret)
    return _with_signing_secret(replace(before, document=in_wire_order(document), signing_secret=secret))


def _with_signing_secret(resource_server: ResourceServer) -> ResourceServer:
    document = {name: value for name, value in resource_server.document.items() if name != "signing_secret"}
    secret = resource_server.signing_secret
    if secret is None and resource_server.signing_alg in HMAC_ALGORITHMS:
        secret = new_secret()
    return replace(resource_server, document=document, signing_secret=secret)


def _check(document: Mapping[str, Any], *, sent: Mapping[str, Any] | None = None) -> None:
    """The rules that join several members."""
    scopes = document.get("scopes") or []
    require_unique([scope["value"] for scope in scopes], "scopes")
    _check_signing_secret(document.get("signing_secret"))
    explicit = (document if sent is None else sent).get("token_lifetime_for_web")
    if explicit is not None and explicit > document.get("token_lifetime", explicit):
        raise invalid_body("Value is greater than token_lifetime", "token_lifetime_for_web")


def _prepare_inner(before: Mapping[str, Any], sent: dict[str, Any]) -> None:
    """Completes the members that hold objects of their own, in ``sent``."""
    if "subject_type_authorization" in sent:
        # One sent alone must not turn the other back to its default.
        kept = before.get("subject_type_authorization") or SUBJECT_TYPE_AUTHORIZATION
        sent["subject_type_authorization"] = {
            **sent["subject_type_authorization"],
            **{name: value for name, value in kept.items() if name not in sent["subject_type_authorization"]},
        }
    if sent.get("token_encryption") is not None:
        sent["token_encryption"] = token_encryption.checked(
            sent["token_encryption"], before.get("token_encryption")
        )


def _prepare_keys(server: Server, body: Mapping[str, Any]) -> object:
    return server.keys.missing_ring(body["signing_alg"]) if "signing_alg" in body else []


def _check_signing_secret(secret: str | None) -> None:
    """Refuses here what no token could be signed with later: the text of a public key."""
    if secret is None:
        return
    try:
        JWK.symmetric(secret.encode(), alg="HS256")
    except JoseError as error:
        raise invalid_body(f"Not a secret: {error}", "signing_secret") from error


def _locks_out(system: ResourceServer) -> bool:
    """Whether nobody could get a token for the Management API any more, to take this back."""
    return system.client_policy == "deny_all" or system.unmet_demand is not None


def _remove_scopes(tx: Transaction, resource_server: ResourceServer, *, removed: set[str]) -> None:
    """A permission that goes is taken from whoever was granted it, or it would be back in force later."""
    if not removed:
        return
    permissions.forget(tx, resource_server.id, removed)
    for grant in tx.client_grants.find(resource_server_id=resource_server.id):
        if grant.without(removed) is not grant:
            tx.client_grants.update(grant.id, lambda item: item.without(removed))


_SHOWN = Record("ResourceServer", ResourceServerPatch, answers.ResourceServerMade)
_IDENTIFIERS = texts("identifiers", "Only the APIs with these identifiers", most=MOST_IDENTIFIERS)
_SEARCH = text("search", "Only those with this in their name, identifier or id, whatever its case (ours)")

ROUTES = (
    endpoint(
        "GET",
        "/resource-servers",
        list_all,
        scope="read:resource_servers",
        query=(*PAGING, *FIELDS, _IDENTIFIERS, _SEARCH),
        answers=Items(_SHOWN.in_part(), "resource_servers"),
    ),
    endpoint(
        "POST",
        "/resource-servers",
        create,
        scope="create:resource_servers",
        status=201,
        body=NewResourceServer,
        changes="Create a resource server",
        prepare=_prepare_keys,
        answers=_SHOWN,
        refuses=(409,),
    ),
    endpoint(
        "GET",
        "/resource-servers/{id}",
        read,
        scope="read:resource_servers",
        query=FIELDS,
        answers=_SHOWN.in_part(),
    ),
    endpoint(
        "PATCH",
        "/resource-servers/{id}",
        update,
        scope="update:resource_servers",
        body=ResourceServerPatch,
        changes="Update a resource server",
        prepare=_prepare_keys,
        answers=_SHOWN,
        refuses=(),
    ),
    endpoint(
        "DELETE",
        "/resource-servers/{id}",
        delete,
        scope="delete:resource_servers",
        changes="Delete a resource server",
        answers=Nothing(),
    ),
)
