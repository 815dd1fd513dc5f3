"""``/api/v2/client-grants``: which scopes a client may have at an API."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from gatewright.server.context import Server
from gatewright.server.errors import AlreadyExists, ApiError, NotFound
from gatewright.server.management import answers
from gatewright.server.management.description import PAGING, Items, Nothing, Record, flag, text
from gatewright.server.management.endpoint import Call, endpoint, is_command_line, paged
from gatewright.server.management.naming import find_api, identifier_of, named_client
from gatewright.server.management.schema import Body, ScopeValue, boolean, invalid_body, require_unique
from gatewright.server.model import ClientGrant, ResourceServer, merged, new_client_grant_id
from gatewright.server.store import Transaction

MOST_NAMED = 10

_ORDER = (
    "scope",
    "subject_type",
    "organization_usage",
    "allow_any_organization",
    "authorization_details_types",
    "allow_all_scopes",
    "default_for",
    "is_system",
)


class ClientGrantPatch(Body):
    """The members that create and update share."""

    scope: Annotated[list[ScopeValue], Meta(max_length=1000)] | UnsetType | None = UNSET
    organization_usage: Literal["deny", "allow", "require"] | UnsetType | None = UNSET
    allow_any_organization: bool | UnsetType | None = UNSET
    authorization_details_types: list[str] | UnsetType = UNSET
    allow_all_scopes: bool | UnsetType | None = UNSET


class NewClientGrant(ClientGrantPatch, kw_only=True):
    """A create body."""

    audience: Annotated[str, Meta(min_length=1, max_length=600)]
    client_id: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    default_for: Literal["third_party_clients"] | UnsetType = UNSET
    subject_type: Literal["client", "user"] | UnsetType = UNSET


def create(call: Call) -> object:
    """Authorizes a client for an API."""
    client_id, audience = call.body.get("client_id"), call.body["audience"]
    if (client_id is None) == ("default_for" not in call.body):
        raise invalid_body("Exactly one of client_id and default_for is needed", "client_id")
    if client_id is not None:
        named_client(call, client_id)
    resource_server = find_api(call, audience)
    if resource_server is None:
        raise ApiError(404, "The resource server does not exist", "inexistent_resource_server")
    sent = {name: value for name, value in call.body.items() if name not in {"client_id", "audience"}}
    document = merged({"subject_type": "client"}, sent)
    _check(document, resource_server)
    grant = ClientGrant(new_client_grant_id(), client_id, resource_server.id, _without_scope_if_all(document))
    _require_held(call, resource_server, before=None, after=grant)
    try:
        _insert(call.tx, grant)
    except AlreadyExists as error:
        text = f"A client grant already exists between {client_id or 'third_party_clients'} and {audience}"
        raise ApiError(409, text, "client_grant_conflict") from error
    return rendered(call.server, call.tx, grant)


def _insert(tx: Transaction, grant: ClientGrant) -> None:
    # Where there is no client, the database cannot tell that two grants are for the same.
    place = {"resource_server_id": grant.resource_server_id, "subject_type": grant.subject_type}
    if grant.client_id is None and tx.client_grants.first(client_id=None, **place) is not None:
        raise AlreadyExists("client_grant exists")
    tx.client_grants.insert(grant)


def read(call: Call) -> object:
    """One client grant."""
    return rendered(call.server, call.tx, _named(call, "The grant does not exist."))


def list_all(call: Call) -> object:
    """The client grants, by API, client and kind."""
    equals: dict[str, object] = {
        name: call.query[name] for name in ("client_id", "subject_type") if name in call.query
    }
    if "audience" in call.query:
        resource_server = find_api(call, call.query["audience"])
        equals["resource_server_id"] = resource_server.id if resource_server else ""
    if "default_for" in call.query:
        equals["client_id"] = None
    any_organization = boolean(call.query, "allow_any_organization")
    if any_organization is not None:
        equals["allow_any_organization"] = any_organization
    return paged(
        call,
        "client_grants",
        lambda page: call.tx.client_grants.page(page, **equals),
        lambda grant: rendered(call.server, call.tx, grant),
    )


def update(call: Call) -> object:
    """Changes what a client may have."""
    grant = _named(call, "The client grant does not exist.")
    resource_server = call.tx.resource_servers.get(grant.resource_server_id)
    _check(call.body, resource_server)

    def change(before: ClientGrant) -> ClientGrant:
        was_all = before.document.get("allow_all_scopes") is True
        if was_all and call.body.get("allow_all_scopes", True) is not True and "scope" not in call.body:
            raise invalid_body("Missing required property: scope")
        after = replace(before, document=_without_scope_if_all(merged(before.document, call.body)))
        _require_held(call, resource_server, before=before, after=after)
        _require_kept(call, resource_server, before=before, after=after)
        return after

    return rendered(call.server, call.tx, call.tx.client_grants.update(grant.id, change))


def delete(call: Call) -> object:
    """Removes a client grant; one that does not exist is removed already."""
    grant = call.tx.client_grants.first(id=call.path["id"])
    if grant is None:
        return None
    api = call.tx.resource_servers.get(grant.resource_server_id)
    if api.is_system and is_command_line(call, grant.client_id):
        text = "The client grant of the command line cannot be deleted."
        raise ApiError(400, text, "operation_not_supported")
    call.tx.client_grants.delete(grant.id)
    revoke_tokens(call, api, [grant])
    return None


def revoke_tokens(call: Call, resource_server: ResourceServer, gone: Iterable[ClientGrant]) -> None:
    """Refuses the tokens that these grants, which end, have brought; those for users bring none here."""
    owners = [grant.client_id for grant in gone if grant.client_id and grant.subject_type == "client"]
    call.server.revocations.revoke_grants(call.tx, owners, identifier_of(call.server, resource_server))


def rendered(server: Server, tx: Transaction, grant: ClientGrant) -> dict[str, object]:
    """The grant as it goes over the wire."""
    resource_server = tx.resource_servers.get(grant.resource_server_id)
    result: dict[str, object] = {"id": grant.id}
    if grant.client_id is not None:
        result["client_id"] = grant.client_id
    result["audience"] = identifier_of(server, resource_server)
    return result | {name: grant.document[name] for name in _ORDER if name in grant.document}


def _named(call: Call, message: str) -> ClientGrant:
    try:
        return call.tx.client_grants.get(call.path["id"])
    except NotFound as error:
        raise ApiError(404, message, "inexistent_client_grant") from error


def _check(document: Mapping[str, Any], resource_server: ResourceServer) -> None:
    scope = document.get("scope") or []
    require_unique(scope, "scope")
    defined = frozenset(resource_server.scopes)
    unknown = [value for value in scope if value not in defined]
    if unknown:
        # A grant of what the API does not define would be invisible in the dashboard and in force.
        raise ApiError(
            400,
            f"The following scopes are not defined on the resource server: {' '.join(unknown)}",
            "invalid_body",
        )


def _require_held(
    call: Call, resource_server: ResourceServer, *, before: ClientGrant | None, after: ClientGrant
) -> None:
    """Nobody gives a client more of the Management API than their own token holds.

    Raises:
        ApiError: 403 ``insufficient_scope``.
    """
    if not resource_server.is_system:
        return
    given = frozenset(before.scopes_at(resource_server) if before is not None else ())
    if after.grants_all and not (before is not None and before.grants_all):
        given = frozenset()  # "all" is also what a later version adds
    lacking = [
        scope
        for scope in after.scopes_at(resource_server)
        if scope not in given and not call.token.has(scope)
    ]
    if lacking:
        more = f" and {len(lacking) - MOST_NAMED} more" if len(lacking) > MOST_NAMED else ""
        names = f"{' '.join(lacking[:MOST_NAMED])}{more}"
        text = f"Insufficient scope, a token grants only Management API scopes that it holds, not: {names}"
        raise ApiError(403, text, "insufficient_scope")


def _require_kept(
    call: Call, resource_server: ResourceServer, *, before: ClientGrant, after: ClientGrant
) -> None:
    """The command line keeps what it has: when it lost a scope, nobody might be left to give it back."""
    if not (resource_server.is_system and is_command_line(call, before.client_id)):
        return
    if not set(before.scopes_at(resource_server)) <= set(after.scopes_at(resource_server)):
        text = "The client grant of the command line cannot be narrowed."
        raise ApiError(400, text, "operation_not_supported")


def _without_scope_if_all(document: Mapping[str, object]) -> dict[str, object]:
    hidden = "scope" if document.get("allow_all_scopes") is True else None
    return {name: value for name, value in document.items() if name != hidden}


_SHOWN = Record("ClientGrant", ClientGrantPatch, answers.ClientGrantMade)
_FILTERS = (
    text("client_id", "Only grants of this client"),
    text("audience", "Only grants for this API"),
    text("subject_type", "Only grants of this kind"),
    text("default_for", "Only grants that are a default"),
    flag("allow_any_organization", "Only grants for any organization, or only others"),
)

ROUTES = (
    endpoint(
        "GET",
        "/client-grants",
        list_all,
        scope="read:client_grants",
        query=(*PAGING, *_FILTERS),
        answers=Items(_SHOWN, "client_grants"),
    ),
    endpoint(
        "POST",
        "/client-grants",
        create,
        scope="create:client_grants",
        status=201,
        body=NewClientGrant,
        changes="Create client grant",
        answers=_SHOWN,
        refuses=(404, 409),
    ),
    endpoint("GET", "/client-grants/{id}", read, scope="read:client_grants", answers=_SHOWN),
    endpoint(
        "PATCH",
        "/client-grants/{id}",
        update,
        scope="update:client_grants",
        body=ClientGrantPatch,
        changes="Update client grant",
        answers=_SHOWN,
        refuses=(),
    ),
    endpoint(
        "DELETE",
        "/client-grants/{id}",
        delete,
        scope="delete:client_grants",
        changes="Delete client grant",
        answers=Nothing(),
    ),
)
