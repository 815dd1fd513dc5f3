"""X.509: self-signed certificates for signing keys, and what the certificates of clients say.

Those of signing keys prove nothing; tools written for Auth0 read them in ``x5c``, ``x5t`` and the keys'
listing. Trust comes from the key set's address.
"""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID

_VALID_FOR = timedelta(days=5000)
_LONGEST_COMMON_NAME = 64


def self_signed(private_key: object, *, host: str, now: float) -> str:
    """A certificate for the key's public half with ``CN=host``, as PEM."""
    key = cast("CertificateIssuerPrivateKeyTypes", private_key)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:_LONGEST_COMMON_NAME])])
    start = datetime.fromtimestamp(now, UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _VALID_FOR)
    )
    algorithm = None if isinstance(key, Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.PEM).decode()


def x5c(pem: str) -> str:
    """The certificate as a member of ``x5c``: standard base64 of its DER (RFC 7517 section 4.7)."""
    return base64.b64encode(_load(pem).public_bytes(Encoding.DER)).decode()


def x5t(pem: str) -> str:
    """The SHA-1 thumbprint in base64url (RFC 7517 section 4.8)."""
    return base64.urlsafe_b64encode(_sha1(pem)).rstrip(b"=").decode()


def fingerprint(pem: str) -> str:
    """The SHA-1 thumbprint as people compare it: ``AB:CD:…``."""
    return _sha1(pem).hex(":").upper()


def as_pkcs7(pem: str) -> str:
    """The certificate in a PKCS #7 envelope, as PEM."""
    return pkcs7.serialize_certificates([_load(pem)], Encoding.PEM).decode()


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a client's certificate says: whose it is (RFC 4514), and until when (seconds since 1970).

    ``thumbprint_sha256`` is in base64url (RFC 8705 section 3.1, ``x5t#S256``).
    """

    subject_dn: str
    expires_at: float
    thumbprint_sha256: str


def read(pem: str) -> Certificate | None:
    """The certificate in a text; ``None`` when it is none."""
    try:
        found = _load(pem)
        return Certificate(
            subject_dn=found.subject.rfc4514_string(),
            expires_at=found.not_valid_after_utc.timestamp(),
            thumbprint_sha256=base64.urlsafe_b64encode(found.fingerprint(hashes.SHA256()))
            .rstrip(b"=")
            .decode(),
        )
    except ValueError:
        return None


def _load(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def _sha1(pem: str) -> bytes:
    return _load(pem).fingerprint(hashes.SHA1())  # noqa: S303 - x5t is SHA-1 by definition
