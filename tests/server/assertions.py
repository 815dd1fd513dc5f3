"""Keys of clients and what they sign with them (RFC 7523); certificates of their keys."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from gatewright.jose import JWK, jwt
from tests.server.calling import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def new_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def public_pem(key: PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key: PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def certificate(key: PrivateKey, *, ends: float, name: str = "client.example") -> str:
    """A self-signed certificate, as PEM."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(ends - 10**9, UTC))
        .not_valid_after(datetime.fromtimestamp(ends, UTC))
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
        .decode()
    )


def claims_of(client_id: str, issuer: str, now: float, **changed: object) -> dict[str, object]:
    """What node-auth0 asserts, each claim to be replaced or left out."""
    claims: dict[str, object] = {
        "iss": client_id,
        "sub": client_id,
        "aud": issuer,
        "iat": int(now),
        "exp": int(now) + 120,
        "jti": str(uuid.uuid4()),
    }
    return {name: value for name, value in (claims | changed).items() if value is not ABSENT}


def signed(
    key: PrivateKey,
    claims: Mapping[str, Any],
    *,
    alg: str = "RS256",
    kid: str | None = None,
    typ: str | None = "JWT",
) -> str:
    """The assertion."""
    return jwt.sign(claims, JWK.from_pem(private_pem(key), alg=alg, kid=kid), typ=typ)
