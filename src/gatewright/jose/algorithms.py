"""The one table of signature algorithms (RFC 7518, section 3; RFC 8037; RFC 9864).

An algorithm is a row; `none` has no row and so can never be allowed. Whether a key may be used with an
algorithm is decided in `jwk`, whether a token may in `jws`; here is only the arithmetic.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One row: what it is called, which keys it takes, and how it signs and verifies.

    `kty` and `crv` are those of the keys it takes (`crv` is None where there is no curve), `digest_size`
    is the hash's length in bytes. `sign(key, data)` takes a private key or secret, `verify(key, data,
    signature)` a public key or secret, both as `cryptography` or bytes.
    """

    name: str
    kty: str
    crv: str | None
    digest_size: int
    sign: Callable[[Any, bytes], bytes]
    verify: Callable[[Any, bytes, bytes], bool]


@dataclass(frozen=True, slots=True)
class Curve:
    """A NIST curve (FIPS 186-5, SP 800-186): `prime` of its field, `order` of its base point."""

    crv: str
    curve: ec.EllipticCurve
    size: int  # bytes of a coordinate, and of r and s
    prime: int
    order: int


_P256 = Curve(
    crv="P-256",
    curve=ec.SECP256R1(),
    size=32,
    prime=2**256 - 2**224 + 2**192 + 2**96 - 1,
    order=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
)
_P384 = Curve(
    crv="P-384",
    curve=ec.SECP384R1(),
    size=48,
    prime=2**384 - 2**128 - 2**96 + 2**32 - 1,
    order=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
)
_P521 = Curve(
    crv="P-521",
    curve=ec.SECP521R1(),
    size=66,
    prime=2**521 - 1,
    order=2**521 - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7,
)
CURVES: Final[Mapping[str, Curve]] = MappingProxyType({curve.crv: curve for curve in (_P256, _P384, _P521)})


def _rsa(name: str, digest: hashes.HashAlgorithm, scheme: padding.AsymmetricPadding) -> Algorithm:
    def sign(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
        return key.sign(data, scheme, digest)

    def verify(key: rsa.RSAPublicKey, data: bytes, signature: bytes) -> bool:
        # RFC 8017, sections 8.1.2 and 8.2.2, step 1: OpenSSL takes one without its leading zeros as well.
        if len(signature) != (key.key_size + 7) // 8:
            return False
        try:
            key.verify(signature, data, scheme, digest)
        except InvalidSignature:
            return False
        return True

    return Algorithm(name, "RSA", None, digest.digest_size, sign, verify)


def _pkcs1(name: str, digest: hashes.HashAlgorithm) -> Algorithm:
    return _rsa(name, digest, padding.PKCS1v15())


def _pss(name: str, digest: hashes.HashAlgorithm) -> Algorithm:
    # The salt is as long as the hash (RFC 7518, section 3.5), when verifying too.
    return _rsa(name, digest, padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size))


def _ecdsa(name: str, digest: hashes.HashAlgorithm, curve: Curve) -> Algorithm:
    scheme = ec.ECDSA(digest)
    size = curve.size

    def sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, scheme))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    def verify(key: ec.EllipticCurvePublicKey, data: bytes, signature: bytes) -> bool:
        if len(signature) != 2 * size:
            return False
        r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
        if not (0 < r < curve.order and 0 < s < curve.order):
            return False
        try:
            key.verify(encode_dss_signature(r, s), data, scheme)
        except InvalidSignature:
            return False
        return True

    return Algorithm(name, "EC", curve.crv, digest.digest_size, sign, verify)


def _ed25519(name: str) -> Algorithm:
    def sign(key: ed25519.Ed25519PrivateKey, data: bytes) -> bytes:
        return key.sign(data)

    def verify(key: ed25519.Ed25519PublicKey, data: bytes, signature: bytes) -> bool:
        try:
            key.verify(signature, data)
        except InvalidSignature:
            return False
        return True

    return Algorithm(name, "OKP", "Ed25519", 64, sign, verify)


def _hmac(name: str, digest: hashes.HashAlgorithm) -> Algorithm:
    hash_name = digest.name

    def sign(secret: bytes, data: bytes) -> bytes:
        return hmac.digest(secret, data, hash_name)

    def verify(secret: bytes, data: bytes, signature: bytes) -> bool:
        return hmac.compare_digest(hmac.digest(secret, data, hash_name), signature)

    return Algorithm(name, "oct", None, digest.digest_size, sign, verify)


ALGORITHMS: Final[Mapping[str, Algorithm]] = MappingProxyType(
    {
        algorithm.name: algorithm
        for algorithm in (
            _pkcs1("RS256", hashes.SHA256()),
            _pkcs1("RS384", hashes.SHA384()),
            _pkcs1("RS512", hashes.SHA512()),
            _pss("PS256", hashes.SHA256()),
            _pss("PS384", hashes.SHA384()),
            _pss("PS512", hashes.SHA512()),
            _ecdsa("ES256", hashes.SHA256(), _P256),
            _ecdsa("ES384", hashes.SHA384(), _P384),
            _ecdsa("ES512", hashes.SHA512(), _P521),
            _ed25519("EdDSA"),
            # What RFC 9864, section 2.2, calls the same: EdDSA does not tell the curve.
            _ed25519("Ed25519"),
            _hmac("HS256", hashes.SHA256()),
            _hmac("HS384", hashes.SHA384()),
            _hmac("HS512", hashes.SHA512()),
        )
    }
)
