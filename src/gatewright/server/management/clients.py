"""``/api/v2/clients``: the applications and their secrets."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from gatewright.server.client import Client, ClientSecret
from gatewright.server.errors import AlreadyExists, ApiError
from gatewright.server.management import answers
from gatewright.server.management.client_authentication import (
    insert_brought_along,
    require_existing,
    require_one_way,
)
from gatewright.server.management.client_schema import ClientUpdate, NewClient
from gatewright.server.management.client_secrets import forget_ended_secrets
from gatewright.server.management.description import FIELDS, PAGING, Items, Nothing, Record, flag, text
from gatewright.server.management.endpoint import (
    Answer,
    Call,
    endpoint,
    is_command_line,
    paged,
    require_scope,
)
from gatewright.server.management.global_client import list_global
from gatewright.server.management.naming import named_client
from gatewright.server.management.schema import boolean, invalid_body, looked_for
from gatewright.server.model import client_document, merge_client, new_client_id, new_client_secret
from gatewright.server.store.conditions import client_has, client_may_use

_READ = ("read:clients", "read:client_keys", "read:client_credentials")
_UPDATE = ("update:clients", "update:client_keys", "update:client_credentials")
_SEES_SECRETS = ("read:client_keys", "read:client_credentials")
_SECRET_MEMBERS = frozenset(
    {"client_secret", "encryption_key", "client_authentication_methods", "signing_keys"}
)

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


def create(call: Call) -> object:
    """Makes an application with a secret of its own, and a new id unless one is chosen."""
    sent = {name: value for name, value in call.body.items() if value is not None and name != "client_id"}
    chosen_id = call.body.get("client_id")
    if chosen_id is not None:
        require_scope(call, "update:client_keys")  # whose old tokens may still carry that id is not known
    methods = sent.get("client_authentication_methods")
    if methods is not None:
        require_scope(call, "create:client_credentials")
    document = client_document(_with_metadata({}, sent))
    require_one_way(document, sent=sent)
    secret = new_client_secret(call.server.now())
    client = Client(client_id=chosen_id or new_client_id(), document=document, secrets=(secret,))
    try:
        call.tx.clients.insert(client)
    except AlreadyExists as error:
        raise ApiError(409, "A client with the same client_id already exists", "client_conflict") from error
    if methods is not None:
        referred = insert_brought_along(call, client.client_id, methods)
        document = {**document, "client_authentication_methods": referred}
        client = call.tx.clients.update(client.client_id, lambda item: replace(item, document=document))
    return _rendered(call, client, just_made=True)


def read(call: Call) -> object:
    """One application."""
    members = _filtered(call, _visible(call, named_client(call, call.path["id"])))
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
    sought, grant_type = (looked_for(call.query, name) for name in ("search", "grant_type"))
    wanted = [client_has(sought)] if sought is not None else []
    wanted += [client_may_use(grant_type)] if grant_type is not None else []
    shown: list[dict[str, object]] = []

    def render(client: Client) -> object:
        shown.append(_filtered(call, _visible(call, client)))
        return shown[-1]

    body = paged(call, "clients", lambda page: call.tx.clients.page(page, *wanted, **equals), render)
    return Answer(body, reveals_secret=any("client_secret" in members for members in shown))


def update(call: Call) -> object:
    """Changes an application: members sent replace, ``null`` clears."""
    secret = call.body.get("client_secret")
    if secret is not None:
        require_scope(call, "update:client_keys")  # who sets a client's secret can be that client
    if "client_authentication_methods" in call.body:
        require_scope(call, "update:client_credentials")  # and so can who chooses its keys
    client_id = named_client(call, call.path["id"]).client_id
    require_existing(call, client_id, call.body.get("client_authentication_methods") or {})
    patch = {name: value for name, value in call.body.items() if name != "client_secret"}

    def change(before: Client) -> Client:
        secrets = before.secrets if secret is None else (_chosen(call, before, secret),)
        document = merge_client(before.document, _with_metadata(before.document, patch))
        require_one_way(document, sent=call.body)
        after = replace(before, document=document, secrets=secrets)
        _require_usable_command_line(call, after)
        return after

    client = call.tx.clients.update(client_id, change)
    forget_ended_secrets(call, client)
    members = _rendered(call, client)
    return members if _sees_secrets(call) else _without_secrets(members)


def delete(call: Call) -> object:
    """Removes an application, its grants, credentials and live tokens; one not there is removed already."""
    client_id = call.path["id"]
    if is_command_line(call, client_id):
        text = "The client of the command line cannot be deleted."
        raise ApiError(400, text, "operation_not_supported")
    if call.tx.clients.first(client_id=client_id) is not None:
        call.server.revocations.revoke(call.tx, "client", client_id=client_id)
    call.tx.client_grants.delete_all(client_id=client_id)
    call.tx.client_credentials.delete_all(client_id=client_id)
    call.tx.secret_uses.forget(client_id)
    call.tx.clients.delete(client_id)
    return None


def rotate_secret(call: Call) -> object:
    """Gives the application a new secret; all that it had end at once."""
    secret = new_client_secret(call.server.now())
    client_id = named_client(call, call.path["id"]).client_id
    client = call.tx.clients.update(client_id, lambda item: replace(item, secrets=(secret,)))
    forget_ended_secrets(call, client)
    return _rendered(call, client)


def _require_usable_command_line(call: Call, after: Client) -> None:
    """The client of the command line goes on getting tokens with its secret: nobody else might be left."""
    if after.uses_secret and "client_credentials" in after.grant_types:
        return
    if is_command_line(call, after.client_id):
        text = "The client of the command line needs its secret and client_credentials."
        raise ApiError(400, text, "operation_not_supported")


def _chosen(call: Call, client: Client, value: str) -> ClientSecret:
    """The one secret from now on: a tool that sends back what it read changes nothing about it."""
    known = next((secret for secret in client.secrets if secret.value == value), None)
    return known or new_client_secret(call.server.now(), value)


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
    if client.secrets and not client.has_authentication_methods:
        members["client_secret"] = client.secrets[0].value
    ordered = {name: members[name] for name in _ORDER if name in members}
    return ordered | members


def _sees_secrets(call: Call) -> bool:
    return any(call.token.has(scope) for scope in _SEES_SECRETS)


def _visible(call: Call, client: Client) -> dict[str, object]:
    """What the caller's scopes let it see."""
    full = _rendered(call, client)
    if _sees_secrets(call):
        return full
    return _without_secrets(full)


def _without_secrets(members: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if name not in _SECRET_MEMBERS}


def _filtered(call: Call, members: dict[str, object]) -> dict[str, object]:
    """``fields`` and ``include_fields`` of the query."""
    wanted = boolean(call.query, "include_fields") is not False
    if "fields" not in call.query:
        return members
    names = set(call.query["fields"].split(","))
    return {name: value for name, value in members.items() if (name in names) == wanted}


_SHOWN = Record("Client", ClientUpdate, answers.ClientMade)
_FILTERS = (
    text("app_type", "Kinds of application, parted by commas"),
    flag("is_first_party", "Only first-party applications, or only others"),
    text("search", "Only those with this in their name or client id, whatever its case (ours)"),
    text("grant_type", "Only those that may use this grant type (ours)"),
    flag("is_global", "Only the client that stands for all applications, or only others"),
)

ROUTES = (
    endpoint(
        "GET",
        "/clients",
        list_all,
        scope=_READ,
        query=(*PAGING, *FIELDS, *_FILTERS),
        answers=Items(_SHOWN.in_part(), "clients"),
    ),
    endpoint(
        "POST",
        "/clients",
        create,
        scope="create:clients",
        status=201,
        body=NewClient,
        changes="Create a client",
        answers=_SHOWN,
        refuses=(409,),
    ),
    endpoint("GET", "/clients/{id}", read, scope=_READ, query=FIELDS, answers=_SHOWN.in_part()),
    endpoint(
        "PATCH",
        "/clients/{id}",
        update,
        scope=_UPDATE,
        body=ClientUpdate,
        changes="Update a client",
        answers=_SHOWN,
        refuses=(),
    ),
    endpoint(
        "DELETE",
        "/clients/{id}",
        delete,
        scope="delete:clients",
        changes="Delete a client",
        answers=Nothing(),
    ),
    endpoint(
        "POST",
        "/clients/{id}/rotate-secret",
        rotate_secret,
        scope="update:client_keys",
        changes="Rotate a client secret",
        answers=_SHOWN,
        refuses=(),
        operation_id="clients_rotate_secret",
    ),
)
