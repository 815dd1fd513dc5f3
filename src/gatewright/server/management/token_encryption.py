"""``token_encryption`` of an API: the key goes in as PEM and comes out as its thumbprint."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from gatewright.jose import JWK, JoseError
from gatewright.server.management.schema import invalid_body

_KEY = "token_encryption.encryption_key"


class EncryptionKey(Struct, forbid_unknown_fields=True):
    """Whom tokens are encrypted to. The thumbprint alone, as it was answered, keeps the key there is."""

    alg: Literal["RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512"]
    name: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET
    kid: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET
    pem: Annotated[str, Meta(max_length=8192)] | UnsetType = UNSET
    thumbprint_sha256: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET


class TokenEncryption(Struct, forbid_unknown_fields=True):
    """How tokens are encrypted."""

    format: Literal["compact-nested-jwe"]
    encryption_key: EncryptionKey


def checked(sent: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is kept of the member: the key and its thumbprint.

    Raises:
        ApiError: 400 when it holds no public RSA key.
    """
    key = dict(sent["encryption_key"])
    if "pem" not in key:
        known = before["encryption_key"] if before else {}
        if key.get("thumbprint_sha256", "") != known.get("thumbprint_sha256"):
            raise invalid_body("Missing required property: pem", _KEY)
        key["pem"] = known["pem"]
    key["thumbprint_sha256"] = _thumbprint(key["pem"])
    return {**sent, "encryption_key": key}


def rendered(kept: Any) -> dict[str, object]:  # noqa: ANN401 - a member of a document
    """The member as it goes over the wire."""
    key = {name: value for name, value in kept["encryption_key"].items() if name != "pem"}
    return {**kept, "encryption_key": key}


def _thumbprint(pem: str) -> str:
    try:
        key = JWK.from_pem(pem)
    except JoseError as error:
        raise invalid_body(f"Not a public key: {error}", f"{_KEY}.pem") from error
    if key.kty != "RSA" or key.can_sign:
        raise invalid_body("Not a public RSA key", f"{_KEY}.pem")
    return key.thumbprint()
