"""``/api/v2/clients/{id}/credentials``: the keys and certificates that clients authenticate with.

A credential does nothing until ``client_authentication_methods`` of its client refers to it. What is
kept of a key is its public half; a private one is refused, because nobody should have sent it.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal, cast

from msgspec import UNSET, Meta, UnsetType

from gatewright.jose import JWK, InvalidKey
from gatewright.server import certificates
from gatewright.server.client import ClientCredential
from gatewright.server.errors import ApiError
from gatewright.server.events import iso_time
from gatewright.server.management import answers
from gatewright.server.management.description import Items, Nothing, Record
from gatewright.server.management.endpoint import Call, endpoint
from gatewright.server.management.naming import named_client
from gatewright.server.management.schema import Body, Moment, invalid_body, moment
from gatewright.server.model import new_credential_id

MOST_OF_A_CLIENT = 20
DEFAULT_ALGORITHM = "RS256"

# The order in which Auth0 emits them; a key itself is never shown again, as there.
_ORDER = (
    "credential_type",
    "kid",
    "alg",
    "name",
    "subject_dn",
    "thumbprint_sha256",
    "created_at",
    "updated_at",
    "expires_at",
)
_TIMES = frozenset({"created_at", "updated_at", "expires_at"})

# What may be sent beside the type, of each type.
_MEMBERS = {
    "public_key": frozenset({"name", "pem", "alg", "kid", "parse_expiry_from_cert", "expires_at"}),
    "x509_cert": frozenset({"name", "pem"}),
    "cert_subject_dn": frozenset({"name", "pem", "subject_dn"}),
}


class NewCredential(Body):
    """A create body."""

    credential_type: Literal["public_key", "x509_cert", "cert_subject_dn"]
    name: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET
    pem: Annotated[str, Meta(min_length=1, max_length=16384)] | UnsetType = UNSET
    subject_dn: Annotated[str, Meta(min_length=1, max_length=256)] | UnsetType = UNSET
    alg: Literal["RS256", "RS384", "PS256"] | UnsetType = UNSET
    kid: Annotated[str, Meta(pattern=r"^[0-9a-zA-Z_-]{10,64}\Z")] | UnsetType = UNSET
    parse_expiry_from_cert: bool | UnsetType = UNSET
    expires_at: Moment | UnsetType = UNSET


class CredentialPatch(Body):
    """An update body: the end is all that can be changed."""

    expires_at: Moment | UnsetType = UNSET


def create(call: Call) -> object:
    """Registers a key or certificate of an application."""
    client = named_client(call, call.path["id"])
    if len(call.tx.client_credentials.find(client_id=client.client_id)) >= MOST_OF_A_CLIENT:
        text = "You reached the limit of entities of this type for this client."
        raise ApiError(403, text, "too_many_entities")
    return rendered(insert_credential(call, client.client_id, call.body))


def list_all(call: Call) -> object:
    """All credentials of an application, newest first; Auth0 does not page them."""
    found = call.tx.client_credentials.find(client_id=named_client(call, call.path["id"]).client_id)
    return [rendered(credential) for credential in reversed(found)]


def read(call: Call) -> object:
    """One credential."""
    return rendered(_named(call))


def update(call: Call) -> object:
    """Sets when a credential ends, which may be now."""
    named = _named(call)
    if "expires_at" not in call.body:
        return rendered(named)
    changed = {"expires_at": moment(call.body["expires_at"], "expires_at"), "updated_at": call.server.now()}

    def change(before: ClientCredential) -> ClientCredential:
        return ClientCredential.of(before.id, before.client_id, {**before.document, **changed})

    return rendered(call.tx.client_credentials.update(named.id, change))


def delete(call: Call) -> object:
    """Removes a credential, also from what its client authenticates with."""
    credential = call.tx.client_credentials.first(id=call.path["credential_id"], client_id=call.path["id"])
    if credential is not None:
        call.tx.client_credentials.delete(credential.id)
        call.tx.clients.update(credential.client_id, lambda client: client.without_credential(credential.id))
    return None


def insert_credential(call: Call, client_id: str, body: Mapping[str, Any]) -> ClientCredential:
    """Makes the credential that a create body describes.

    Raises:
        ApiError: 400 for a key, certificate or end that cannot be used.
    """
    type_ = body["credential_type"]
    for member in body.keys() - {"credential_type"} - _MEMBERS[type_]:
        raise invalid_body(f"A credential of the type {type_} has no {member}", member)
    read_body = {"public_key": _public_key, "x509_cert": _certificate, "cert_subject_dn": _subject}[type_]
    now = call.server.now()
    facts = {name: value for name, value in read_body(body).items() if value is not None}
    if cast("float", facts.get("expires_at", now + 1)) <= now:
        raise invalid_body("The credential has expired already", "expires_at")
    named = {"name": body["name"]} if "name" in body else {}
    document = {"credential_type": type_, **named, **facts, "created_at": now, "updated_at": now}
    credential = ClientCredential.of(new_credential_id(), client_id, document)
    call.tx.client_credentials.insert(credential)
    return credential


def rendered(credential: ClientCredential) -> dict[str, object]:
    """The credential as it goes over the wire."""
    members: dict[str, object] = {"id": credential.id}
    for name in _ORDER:
        value = credential.document.get(name)
        if value is not None:
            members[name] = iso_time(cast("float", value)) if name in _TIMES else value
    return members


def _public_key(body: Mapping[str, Any]) -> dict[str, object]:
    pem, alg = _pem(body), body.get("alg", DEFAULT_ALGORITHM)
    key = _key(pem, alg=alg)
    if "expires_at" in body:
        expires_at = moment(body["expires_at"], "expires_at")
    elif body.get("parse_expiry_from_cert"):
        certificate = certificates.read(pem)
        if certificate is None:
            raise invalid_body("Only a certificate says when it ends", "parse_expiry_from_cert")
        expires_at = certificate.expires_at
    else:
        expires_at = None
    kid = body.get("kid") or key.thumbprint()
    jwk = {name: value for name, value in key.to_dict().items() if name not in {"alg", "kid"}}
    return {"kid": kid, "alg": alg, "jwk": jwk, "expires_at": expires_at}


def _certificate(body: Mapping[str, Any]) -> dict[str, object]:
    return asdict(_read_certificate(body))


def _subject(body: Mapping[str, Any]) -> dict[str, object]:
    if ("pem" in body) == ("subject_dn" in body):
        raise invalid_body("Exactly one of pem and subject_dn is needed", "subject_dn")
    if "subject_dn" in body:
        return {"subject_dn": body["subject_dn"]}
    subject_dn = _read_certificate(body).subject_dn
    if not subject_dn:
        raise invalid_body("The certificate names no subject", "pem")
    return {"subject_dn": subject_dn}


def _read_certificate(body: Mapping[str, Any]) -> certificates.Certificate:
    pem = _pem(body)
    _key(pem, alg=None)
    certificate = certificates.read(pem)
    if certificate is None:
        raise invalid_body("A certificate is needed", "pem")
    return certificate


def _pem(body: Mapping[str, Any]) -> str:
    if "pem" not in body:
        raise invalid_body("Missing required property: pem")
    return cast("str", body["pem"])


def _key(pem: str, *, alg: str | None) -> JWK:
    try:
        key = JWK.from_pem(pem, alg=alg)
    except InvalidKey as error:
        raise invalid_body(f"Not a usable key: {error}", "pem") from error
    if key.is_private:
        raise invalid_body("A private key: keep it to yourself and send its public half", "pem")
    return key


def _named(call: Call) -> ClientCredential:
    client_id = named_client(call, call.path["id"]).client_id
    credential = call.tx.client_credentials.first(id=call.path["credential_id"], client_id=client_id)
    if credential is None:
        raise ApiError(404, "The credential does not exist", "inexistent_credential")
    return credential


_SHOWN = Record("ClientCredential", made=answers.ClientCredentialMade)
_PATH = "/clients/{id}/credentials"

ROUTES = (
    endpoint("GET", _PATH, list_all, scope="read:client_credentials", answers=Items(_SHOWN)),
    endpoint(
        "POST",
        _PATH,
        create,
        scope="create:client_credentials",
        status=201,
        body=NewCredential,
        changes="Create a client credential",
        answers=_SHOWN,
        refuses=(),
    ),
    endpoint("GET", f"{_PATH}/{{credential_id}}", read, scope="read:client_credentials", answers=_SHOWN),
    endpoint(
        "PATCH",
        f"{_PATH}/{{credential_id}}",
        update,
        scope="update:client_credentials",
        body=CredentialPatch,
        changes="Update a client credential",
        answers=_SHOWN,
        refuses=(),
    ),
    endpoint(
        "DELETE",
        f"{_PATH}/{{credential_id}}",
        delete,
        scope="delete:client_credentials",
        changes="Delete a client credential",
        answers=Nothing(),
    ),
)
