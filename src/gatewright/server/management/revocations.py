"""``/api/v2/revocations``: tokens that are refused before they end. Ours: Auth0 has nothing of the kind.

A client that is deleted, a client grant that is, and a signing key that is revoked make theirs by themselves.
"""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from gatewright.server.errors import ApiError
from gatewright.server.events import iso_time
from gatewright.server.management import answers
from gatewright.server.management.description import PAGING, Items, Nothing, Record
from gatewright.server.management.endpoint import Call, endpoint, paged
from gatewright.server.management.naming import find_api, identifier_of, named_client
from gatewright.server.management.schema import Body, Moment, invalid_body, moment
from gatewright.server.revocations import LONGEST_LIFETIME
from gatewright.server.store import Page
from gatewright.server.store.conditions import revocation_holds
from gatewright.server.tenant import Revocation

MOST_TOKENS = 100_000


class NewRevocation(Body):
    """A create body: a client, a client at one API, or one token."""

    client_id: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    audience: Annotated[str, Meta(min_length=1, max_length=600)] | UnsetType = UNSET
    jti: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    expires_at: Moment | UnsetType = UNSET


def create(call: Call) -> object:
    """Refuses the tokens that a client was issued up to now, all or those for one API, or a single token."""
    if ("client_id" in call.body) == ("jti" in call.body):
        raise invalid_body("Exactly one of client_id and jti is needed", "client_id")
    of_other = "audience" if "jti" in call.body else "expires_at"
    if of_other in call.body:
        owner = "client_id" if of_other == "audience" else "jti"
        raise invalid_body(f"It belongs to {owner} alone", of_other)
    return rendered(_token(call) if "jti" in call.body else _client(call))


def list_all(call: Call) -> object:
    """The revocations in force, in order of creation."""
    holds = revocation_holds(call.server.now())
    return paged(call, "revocations", lambda page: call.tx.revocations.page(page, holds), rendered)


def delete(call: Call) -> object:
    """Takes a revocation back: tokens that have not ended are good again. One that is not there is back."""
    found = call.tx.revocations.first(id=call.path["id"])
    if found is None or found.undone_at is not None:
        return None
    if found.kind == "key":
        text = "A signing key stays revoked. Its tokens cannot be good again."
        raise ApiError(400, text, "operation_not_supported")
    call.server.revocations.undo(call.tx, found)
    return None


def rendered(revocation: Revocation) -> dict[str, object]:
    """The revocation as it goes over the wire."""
    members = {
        "id": revocation.id,
        "kind": revocation.kind,
        "client_id": revocation.client_id,
        "audience": revocation.audience,
        "jti": revocation.jti,
        "kid": revocation.kid,
    }
    times = {
        "revoked_before": revocation.revoked_before,
        "created_at": revocation.created_at,
        "expires_at": revocation.expires_at,
    }
    told = members | {name: iso_time(at) for name, at in times.items() if at is not None}
    return {name: value for name, value in told.items() if value is not None}


def _client(call: Call) -> Revocation:
    client_id = named_client(call, call.body["client_id"]).client_id
    if "audience" not in call.body:
        return call.server.revocations.revoke(call.tx, "client", client_id=client_id)
    api = find_api(call, call.body["audience"])
    if api is None:
        raise ApiError(404, "The resource server does not exist", "inexistent_resource_server")
    audience = identifier_of(call.server, api)
    return call.server.revocations.revoke(call.tx, "grant", client_id=client_id, audience=audience)


def _token(call: Call) -> Revocation:
    expires_at = None
    if "expires_at" in call.body:
        now = call.server.now()
        expires_at = moment(call.body["expires_at"], "expires_at")
        if not now < expires_at <= now + LONGEST_LIFETIME:
            raise invalid_body("No token that is alive ends then", "expires_at")
    if call.tx.revocations.page(Page(limit=1), kind="token").total >= MOST_TOKENS:
        text = "You reached the limit of tokens revoked one by one: revoke the client's instead."
        raise ApiError(403, text, "too_many_entities")
    return call.server.revocations.revoke(call.tx, "token", jti=call.body["jti"], expires_at=expires_at)


_SHOWN = Record("Revocation", made=answers.RevocationMade)

ROUTES = (
    endpoint(
        "GET",
        "/revocations",
        list_all,
        scope="read:revocations",
        query=PAGING,
        answers=Items(_SHOWN, "revocations"),
    ),
    endpoint(
        "POST",
        "/revocations",
        create,
        scope="create:revocations",
        status=201,
        body=NewRevocation,
        changes="Revoke access tokens",
        answers=_SHOWN,
        refuses=(404,),
    ),
    endpoint(
        "DELETE",
        "/revocations/{id}",
        delete,
        scope="delete:revocations",
        changes="Take a revocation back",
        answers=Nothing(),
        refuses=(400,),
    ),
)
