"""``/api/v2/clients/{id}/secrets``: two secrets at once, while one is being replaced.

Not Auth0's: there a client has one secret, and a new one ends it. Here one is added beside it, the users
move over, and whoever watches the last use of each knows when the old one can go.
"""

from collections.abc import Mapping
from dataclasses import replace

from gatewright.server.client import Client, ClientSecret
from gatewright.server.errors import ApiError
from gatewright.server.events import iso_time
from gatewright.server.management import answers
from gatewright.server.management.description import Items, Nothing, Record
from gatewright.server.management.endpoint import Answer, Call, endpoint
from gatewright.server.management.naming import named_client
from gatewright.server.model import new_client_secret

MOST_SECRETS = 2
_REVEALS = "read:client_keys"


def list_all(call: Call) -> object:
    """The secrets, newest first, and when each was last used; their values to who may read them."""
    client = named_client(call, call.path["id"])
    uses = call.tx.secret_uses.of(client.client_id)
    reveals = call.token.has(_REVEALS) and client.uses_secret
    shown = [_rendered(secret, uses, reveals=reveals) for secret in client.secrets]
    return Answer(shown, reveals_secret=reveals)


def add(call: Call) -> object:
    """Adds a secret beside the one there is; the new one is what ``client_secret`` shows from now on."""
    client = named_client(call, call.path["id"])
    if client.has_authentication_methods:
        text = "The client authenticates with its credentials, not with a secret"
        raise ApiError(400, text, "operation_not_supported")
    if len(client.secrets) >= MOST_SECRETS:
        raise ApiError(409, "The client has two secrets: end one of them first", "client_secret_conflict")
    secret = new_client_secret(call.server.now())
    call.tx.clients.update(
        client.client_id, lambda before: replace(before, secrets=(secret, *before.secrets))
    )
    return _rendered(secret, {}, reveals=True)


def delete(call: Call) -> object:
    """Ends one secret at once; one that does not exist has ended already."""
    client = call.tx.clients.first(client_id=call.path["id"])
    kept = tuple(secret for secret in client.secrets if secret.id != call.path["secret_id"]) if client else ()
    if client is None or kept == client.secrets:
        return None
    if not kept:
        text = "It is the client's only secret: add another first, or rotate it"
        raise ApiError(400, text, "operation_not_supported")
    forget_ended_secrets(call, call.tx.clients.update(client.client_id, lambda c: replace(c, secrets=kept)))
    return None


def forget_ended_secrets(call: Call, client: Client) -> None:
    """Drops what is known of the use of secrets that the client has no more."""
    call.tx.secret_uses.forget(client.client_id, kept=[secret.id for secret in client.secrets])


def _rendered(secret: ClientSecret, uses: Mapping[str, float], *, reveals: bool) -> dict[str, object]:
    times = {"created_at": secret.created_at, "last_used_at": uses.get(secret.id)}
    return {
        "id": secret.id,
        **({"secret": secret.value} if reveals else {}),
        **{name: iso_time(at) for name, at in times.items() if at is not None},
    }


_SHOWN = Record("ClientSecret", made=answers.ClientSecretMade)

ROUTES = (
    endpoint(
        "GET",
        "/clients/{id}/secrets",
        list_all,
        scope=("read:clients", _REVEALS),
        flushes_events=True,
        answers=Items(_SHOWN),
    ),
    endpoint(
        "POST",
        "/clients/{id}/secrets",
        add,
        scope="create:client_keys",
        status=201,
        changes="Add a client secret",
        answers=_SHOWN,
        refuses=(409,),
        operation_id="clients_secrets_create",
    ),
    endpoint(
        "DELETE",
        "/clients/{id}/secrets/{secret_id}",
        delete,
        scope="delete:client_keys",
        changes="Delete a client secret",
        answers=Nothing(),
    ),
)
