"""``client_authentication_methods``: which of a client's credentials it authenticates with.

A new client may bring its keys along; later ones are made under ``/clients/{id}/credentials`` and only
referred to.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from gatewright.server.management.client_credentials import NewCredential, insert_credential
from gatewright.server.management.endpoint import Call
from gatewright.server.management.schema import invalid_body, require_unique

MOST_CREDENTIALS = 2  # of one method: the old one and the new one, while a key is being replaced
PROPERTY = "client_authentication_methods"

# What each method needs of a credential.
TYPES = {
    "private_key_jwt": "public_key",
    "tls_client_auth": "cert_subject_dn",
    "self_signed_tls_client_auth": "x509_cert",
}


class Reference(Struct, forbid_unknown_fields=True):
    """A credential that exists."""

    id: Annotated[str, Meta(min_length=1, max_length=64)]


class References(Struct, forbid_unknown_fields=True):
    """The credentials of one method."""

    credentials: Annotated[list[Reference], Meta(max_length=MOST_CREDENTIALS)]


class ReferredMethods(Struct, forbid_unknown_fields=True):
    """The methods in an update."""

    private_key_jwt: References | UnsetType = UNSET
    tls_client_auth: References | UnsetType = UNSET
    self_signed_tls_client_auth: References | UnsetType = UNSET


class NewCredentials(Struct, forbid_unknown_fields=True):
    """The credentials that a new client brings along for one method."""

    credentials: Annotated[list[NewCredential], Meta(max_length=MOST_CREDENTIALS)]


class NewMethods(Struct, forbid_unknown_fields=True):
    """The methods of a new client."""

    private_key_jwt: NewCredentials | UnsetType = UNSET
    tls_client_auth: NewCredentials | UnsetType = UNSET
    self_signed_tls_client_auth: NewCredentials | UnsetType = UNSET


def require_one_way(document: Mapping[str, Any], *, sent: Mapping[str, Any]) -> None:
    """A client authenticates by a secret or by one kind of key; whoever changes that says it whole.

    Raises:
        ApiError: 400.
    """
    methods, pair = document.get(PROPERTY), (PROPERTY, "token_endpoint_auth_method")
    if methods is None:
        return
    if document.get(pair[1]) is not None:
        changed = next((name for name in pair if sent.get(name) is not None), PROPERTY)
        text = f"{pair[0]} and {pair[1]} are mutually exclusive"
        if any(sent.get(name) is None for name in pair):
            text += f", set {pair[1 - pair.index(changed)]} to null"
        raise invalid_body(text, changed)
    if len(methods) != 1:
        raise invalid_body("Exactly one method is needed", PROPERTY)
    if (document.get("jwt_configuration") or {}).get("alg", "RS256") != "RS256":
        raise invalid_body(f"{PROPERTY} needs jwt_configuration.alg RS256", PROPERTY)


def insert_brought_along(call: Call, client_id: str, methods: Mapping[str, Any]) -> dict[str, object]:
    """Makes the credentials in the body of a new client; what the client then refers to.

    Raises:
        ApiError: 400 for a credential that is not usable, or not by this method.
    """
    referred: dict[str, object] = {}
    for method, listed in methods.items():
        for body in listed["credentials"]:
            _require_type(method, body["credential_type"])
        made = [insert_credential(call, client_id, body) for body in listed["credentials"]]
        referred[method] = {"credentials": [{"id": credential.id} for credential in made]}
    return referred


def require_existing(call: Call, client_id: str, methods: Mapping[str, Any]) -> None:
    """Refuses references to what is no credential of this client, or not one for the method.

    Raises:
        ApiError: 400.
    """
    for method, listed in methods.items():
        ids = [member["id"] for member in listed["credentials"]]
        require_unique(ids, f"{PROPERTY}.{method}.credentials")
        for id_ in ids:
            credential = call.tx.client_credentials.first(id=id_, client_id=client_id)
            if credential is None:
                raise invalid_body(f"The client has no credential {id_}", f"{PROPERTY}.{method}.credentials")
            _require_type(method, credential.type)


def _require_type(method: str, type_: str) -> None:
    if type_ != TYPES[method]:
        text = f"{method} needs credentials of the type {TYPES[method]}, not {type_}"
        raise invalid_body(text, f"{PROPERTY}.{method}.credentials")
