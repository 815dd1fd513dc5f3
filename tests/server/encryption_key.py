"""A key to encrypt tokens to, for `token_encryption` of APIs; and two that are none."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gatewright.jose import JWK

KEY = "token_encryption.encryption_key"
_private = rsa.generate_private_key(65537, 2048)
_public, _ec = _private.public_key(), ec.generate_private_key(ec.SECP256R1()).public_key()
PEM = _public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
EC_PEM = _ec.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
PRIVATE_PEM = _private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
THUMBPRINT = JWK.from_pem(PEM).thumbprint()


def encryption(**key: str) -> dict[str, object]:
    """The member, with these members of its key."""
    return {
        "format": "compact-nested-jwe",
        "encryption_key": {"name": "k", "alg": "RSA-OAEP-256", "kid": "1", **key},
    }
