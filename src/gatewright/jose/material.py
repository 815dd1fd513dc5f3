"""What a key is made of: JWK members to key objects and back (RFC 7518, section 6; RFC 8037), and PEM.

Every check on the numbers of a key is here. What a key may be used for (`alg`, `use`, `key_ops`) is
`jwk`'s business.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from gatewright.jose.algorithms import CURVES, Curve
from gatewright.jose.encoding import decode, encode
from gatewright.jose.errors import InvalidKey, MalformedToken
from gatewright.jose.lookalikes import looks_like_a_public_key

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Native: TypeAlias = PublicKey | PrivateKey | bytes

_Key = TypeVar("_Key")

PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192
MIN_SECRET_BYTES: Final = 32
MAX_SECRET_BYTES: Final = 4096
MAX_PEM_BYTES: Final = 64 * 1024

_MAX_RSA_BYTES = MAX_RSA_BITS // 8
_MAX_EXPONENT_BYTES = 4
_RSA_PRIVATE = ("p", "q", "d", "dp", "dq", "qi")
_ED25519_BYTES = 32
_EC = ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey
_CURVE_NAMES = frozenset(curve.curve.name for curve in CURVES.values())
_PEM_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")


def parse(kty: str, members: Mapping[str, object]) -> Native:
    """The key object (or secret) that the members of a JWK of this `kty` describe.

    Raises:
        InvalidKey: a member is missing or malformed, or the key is weak or inconsistent.
    """
    reader = _READERS.get(kty)
    if reader is None:
        raise InvalidKey("kty is not RSA, EC, OKP or oct")
    return reader(members)


def parse_pem(pem: bytes) -> PublicKey | PrivateKey:
    """The key in a PEM text (RFC 7468): a public key, a private key without a password, or a certificate's.

    Of a certificate nothing but the key is looked at. What is read goes through the checks of `parse`.

    Raises:
        InvalidKey: larger than 64 KiB, not one key, or one that `parse` would refuse.
    """
    if len(pem) > MAX_PEM_BYTES:
        raise InvalidKey(f"the PEM text is larger than {MAX_PEM_BYTES} bytes")
    labels = [label for label in _PEM_LABEL.findall(pem) if label != b"EC PARAMETERS"]
    if len(labels) != 1:
        raise InvalidKey(f"the PEM text holds {len(labels)} keys and certificates, not one")
    try:
        native = _load_pem(labels[0], pem)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidKey("the PEM text is no key that can be read, or is encrypted") from None
    curve_is_known = not isinstance(native, _EC) or native.curve.name in _CURVE_NAMES
    if not isinstance(native, PublicKey | PrivateKey) or not curve_is_known:
        raise InvalidKey("the PEM text is no RSA or Ed25519 key and none on P-256, P-384 or P-521")
    members: dict[str, str] = public_members(public_half(native))
    if isinstance(native, PrivateKey):
        members |= private_members(native)
    parse(members["kty"], members)
    return native


def _load_pem(label: bytes, pem: bytes) -> object:
    if label.endswith(b"PRIVATE KEY"):
        return load_pem_private_key(pem, password=None)
    if label == b"CERTIFICATE":
        return load_pem_x509_certificate(pem).public_key()
    return load_pem_public_key(pem)


def public_half(native: PublicKey | PrivateKey) -> PublicKey:
    """The public key of a key pair, or the public key itself."""
    if isinstance(native, PrivateKey):
        return native.public_key()
    return native


def public_members(key: PublicKey) -> dict[str, str]:
    """The members that RFC 7638 (section 3.2) and RFC 8037 (section 2) require, in canonical form."""
    if isinstance(key, rsa.RSAPublicKey):
        rsa_numbers = key.public_numbers()
        return {"kty": "RSA", "n": _encode_uint(rsa_numbers.n), "e": _encode_uint(rsa_numbers.e)}
    if isinstance(key, ec.EllipticCurvePublicKey):
        curve, numbers = curve_of(key), key.public_numbers()
        x, y = numbers.x.to_bytes(curve.size, "big"), numbers.y.to_bytes(curve.size, "big")
        return {"kty": "EC", "crv": curve.crv, "x": encode(x), "y": encode(y)}
    return {"kty": "OKP", "crv": "Ed25519", "x": encode(key.public_bytes_raw())}


def private_members(key: PrivateKey) -> dict[str, str]:
    """The members that only the holder of the private key has."""
    if isinstance(key, rsa.RSAPrivateKey):
        rsa_numbers = key.private_numbers()
        return {
            "d": _encode_uint(rsa_numbers.d),
            "p": _encode_uint(rsa_numbers.p),
            "q": _encode_uint(rsa_numbers.q),
            "dp": _encode_uint(rsa_numbers.dmp1),
            "dq": _encode_uint(rsa_numbers.dmq1),
            "qi": _encode_uint(rsa_numbers.iqmp),
        }
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = curve_of(key).size
        return {"d": encode(key.private_numbers().private_value.to_bytes(size, "big"))}
    return {"d": encode(key.private_bytes_raw())}


def curve_of(key: ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey) -> Curve:
    """The row of `CURVES` for a key."""
    return next(curve for curve in CURVES.values() if curve.curve.name == key.curve.name)


def check_secret(secret: bytes, *, least: int = MIN_SECRET_BYTES) -> bytes:
    """`secret`, when it may be an HMAC key of at least `least` bytes (RFC 7518, section 3.2).

    Raises:
        InvalidKey: too short, too long, or the text of a key that is not secret.
    """
    if len(secret) < least:
        raise InvalidKey(f"the secret has {len(secret)} bytes, at least {least} are needed")
    if len(secret) > MAX_SECRET_BYTES:
        raise InvalidKey(f"the secret has more than {MAX_SECRET_BYTES} bytes")
    if looks_like_a_public_key(secret):
        raise InvalidKey("the secret is a key or certificate in PEM, DER, SSH or JWK form")
    return secret


def _parse_rsa(members: Mapping[str, object]) -> rsa.RSAPublicKey | rsa.RSAPrivateKey:
    modulus = _uint(members, "n", max_bytes=_MAX_RSA_BYTES)
    exponent = _uint(members, "e", max_bytes=_MAX_EXPONENT_BYTES)
    _require_sound_rsa(modulus, exponent)
    public = rsa.RSAPublicNumbers(exponent, modulus)
    if "oth" in members:
        raise InvalidKey("RSA keys of more than two primes are not supported")
    if not any(name in members for name in _RSA_PRIVATE):
        return _built(public.public_key)
    p, q, d, dp, dq, qi = (_uint(members, name, max_bytes=_MAX_RSA_BYTES) for name in _RSA_PRIVATE)
    numbers = rsa.RSAPrivateNumbers(p=p, q=q, d=d, dmp1=dp, dmq1=dq, iqmp=qi, public_numbers=public)
    return _built(numbers.private_key)


def _require_sound_rsa(modulus: int, exponent: int) -> None:
    # Ends of the ranges: NIST SP 800-131A below, and above what one verification may cost.
    bits = modulus.bit_length()
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise InvalidKey(f"the RSA modulus has {bits} bits, not {MIN_RSA_BITS} to {MAX_RSA_BITS}")
    if modulus % 2 == 0:
        raise InvalidKey("the RSA modulus is even")
    if exponent < 65537 or exponent % 2 == 0:  # noqa: PLR2004 - FIPS 186-5, A.1.1: 2**16 < e
        raise InvalidKey("the RSA exponent is not an odd number from 65537 to 2**32")
    if _has_roca_fingerprint(modulus):
        raise InvalidKey("the RSA modulus has the ROCA fingerprint (CVE-2017-15361)")


def _odd_primes(limit: int) -> tuple[int, ...]:
    return tuple(
        n for n in range(3, limit, 2) if all(n % divisor for divisor in range(3, int(n**0.5) + 1, 2))
    )


def _powers_of_65537(prime: int) -> frozenset[int]:
    powers, value = set(), 1
    while value not in powers:
        powers.add(value)
        value = value * 65537 % prime
    return frozenset(powers)


# Primes of a ROCA key are k * M + 65537**a mod M, where M is the product of the first primes: for keys
# of 2048 bits and more at least the 126 primes to 701. The modulus then is a power of 65537 modulo each
# of them; a random one is so with a probability below 2**-100.
_ROCA_REMAINDERS = tuple((prime, _powers_of_65537(prime)) for prime in _odd_primes(702))


def _has_roca_fingerprint(modulus: int) -> bool:
    return all(modulus % prime in powers for prime, powers in _ROCA_REMAINDERS)


def _parse_ec(members: Mapping[str, object]) -> ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey:
    crv = members.get("crv")
    curve = CURVES.get(crv) if isinstance(crv, str) else None
    if curve is None:
        raise InvalidKey("crv is not P-256, P-384 or P-521")
    x, y = (int.from_bytes(_octets(members, name, size=curve.size), "big") for name in ("x", "y"))
    if x >= curve.prime or y >= curve.prime:
        raise InvalidKey("a coordinate is not in the field of the curve")
    public = ec.EllipticCurvePublicNumbers(x, y, curve.curve)
    public_key = _built(public.public_key)
    if "d" not in members:
        return public_key
    d = int.from_bytes(_octets(members, "d", size=curve.size), "big")
    if not 0 < d < curve.order:
        raise InvalidKey("d is not in the range of private keys")
    return _built(ec.EllipticCurvePrivateNumbers(d, public).private_key)


def _parse_okp(members: Mapping[str, object]) -> ed25519.Ed25519PublicKey | ed25519.Ed25519PrivateKey:
    if members.get("crv") != "Ed25519":
        raise InvalidKey("crv is not Ed25519")
    x = _octets(members, "x", size=_ED25519_BYTES)
    _require_sound_ed25519(x)
    if "d" not in members:
        return _built(lambda: ed25519.Ed25519PublicKey.from_public_bytes(x))
    d = _octets(members, "d", size=_ED25519_BYTES)
    private = _built(lambda: ed25519.Ed25519PrivateKey.from_private_bytes(d))
    if private.public_key().public_bytes_raw() != x:
        raise InvalidKey("d and x are not of one key pair")
    return private


# Edwards25519 (RFC 8032, section 5.1).
_ED25519_PRIME = 2**255 - 19
_ED25519_D = -121665 * pow(121666, -1, _ED25519_PRIME) % _ED25519_PRIME
# The y coordinates of the eight points whose order divides eight.
_LOW_ORDER_Y = frozenset(
    {
        0,
        1,
        _ED25519_PRIME - 1,
        int.from_bytes(
            bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
        ),
        int.from_bytes(
            bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
        ),
    }
)


def _require_sound_ed25519(x: bytes) -> None:
    y = int.from_bytes(x, "little") & (2**255 - 1)
    if y >= _ED25519_PRIME:
        raise InvalidKey("the Ed25519 key is not in canonical form")
    if y in _LOW_ORDER_Y:
        raise InvalidKey("the Ed25519 key is a point of low order")
    # On the curve when x**2 = (y**2 - 1) / (d * y**2 + 1) has a root (Euler's criterion).
    square = (y * y - 1) * pow(_ED25519_D * y * y + 1, -1, _ED25519_PRIME)
    if pow(square, (_ED25519_PRIME - 1) // 2, _ED25519_PRIME) != 1:
        raise InvalidKey("the Ed25519 key is not on the curve")


def _parse_secret(members: Mapping[str, object]) -> bytes:
    return check_secret(_octets(members, "k", max_bytes=MAX_SECRET_BYTES))


_READERS: Mapping[str, Callable[[Mapping[str, object]], Native]] = MappingProxyType(
    {"RSA": _parse_rsa, "EC": _parse_ec, "OKP": _parse_okp, "oct": _parse_secret}
)


def _built(build: Callable[[], _Key]) -> _Key:
    # cryptography's own checks: points on the curve, private halves consistent with public ones.
    try:
        return build()
    except ValueError:
        raise InvalidKey("the numbers of the key do not fit together") from None


def _octets(members: Mapping[str, object], name: str, *, size: int = 0, max_bytes: int = 0) -> bytes:
    """The bytes of a base64url member: exactly `size`, or at most `max_bytes` of them."""
    text = members.get(name)
    if not isinstance(text, str):
        raise InvalidKey(f"{name} is missing or no string")
    # Limits come before decoding; four letters carry three bytes.
    if len(text) > ((size or max_bytes) * 4 + 2) // 3:
        raise InvalidKey(f"{name} is too long")
    try:
        octets = decode(text)
    except MalformedToken:
        raise InvalidKey(f"{name} is not canonical base64url") from None
    if size and len(octets) != size:
        raise InvalidKey(f"{name} does not have {size} bytes")
    return octets


def _uint(members: Mapping[str, object], name: str, *, max_bytes: int) -> int:
    # RFC 7518, section 2 wants no leading zero byte; widespread encoders of signed numbers add one
    # (section 6.3.1.1 knows them), and it cannot be mistaken for another number.
    octets = _octets(members, name, max_bytes=max_bytes + 1)
    if not octets or (len(octets) > max_bytes and octets[0]):
        raise InvalidKey(f"{name} is empty or too long")
    if octets[:2] == b"\x00\x00":
        raise InvalidKey(f"{name} has more than one leading zero byte")
    return int.from_bytes(octets, "big")


def _encode_uint(value: int) -> str:
    return encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))
