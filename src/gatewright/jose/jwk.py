"""JSON Web Keys (RFC 7517), bound to the algorithms they may be used with.

A `JWK` exists only when it may be used: whatever `JWK.parse` lets through has been checked. Nothing here
fetches keys.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gatewright.jose import material
from gatewright.jose.algorithms import ALGORITHMS, CURVES, Algorithm
from gatewright.jose.encoding import encode
from gatewright.jose.errors import InvalidKey
from gatewright.jose.material import Native, PublicKey

MAX_KID: Final = 255

_SIGNING = frozenset({"sign", "verify"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JWK:
    """A key that may sign or verify. Made by `parse`, `from_pem`, `generate` or `symmetric`, never by hand.

    `algorithms` are the names of the algorithms it may be used with: its `alg` alone when it has one,
    else all that fit its type, curve and length. `native` is the `cryptography` key, or the bytes of an
    HMAC secret; a secret counts as private.
    """

    kty: str
    alg: str | None
    kid: str | None
    use: str | None
    key_ops: tuple[str, ...] | None
    crv: str | None
    is_private: bool
    algorithms: frozenset[str]
    native: Native = field(repr=False)
    # What verifies: the public half, or the secret.
    verifier: PublicKey | bytes = field(repr=False)

    @staticmethod
    def parse(members: Mapping[str, object]) -> "JWK":
        """The key that the members of a JWK describe (RFC 7517, section 4); unknown members are ignored.

        Raises:
            InvalidKey: weak, malformed or inconsistent, not for signatures, or its `alg` is unknown or
                does not fit its type and curve.
        """
        if not isinstance(members, Mapping):
            raise InvalidKey("a JWK is a JSON object")
        kty = members.get("kty")
        if not isinstance(kty, str):
            raise InvalidKey("kty is missing or no string")
        alg, kid, use = (_optional_text(members, name) for name in ("alg", "kid", "use"))
        key_ops = _key_ops(members)
        _require_signature_use(use, key_ops)
        return _bound(material.parse(kty, members), alg=alg, kid=_checked_kid(kid), use=use, key_ops=key_ops)

    @staticmethod
    def from_pem(pem: bytes | str, *, alg: str | None = None, kid: str | None = None) -> "JWK":
        """The key in a PEM text: a public key, a private key without a password, or a certificate's.

        With a certificate nobody looks at its dates or its issuer: who configures it says that it is right.
        Without a `kid` it is the key of tokens with any `kid`.

        Raises:
            InvalidKey: larger than 64 KiB, no such key or several, or one that `parse` would refuse.
            ValueError: `alg` is not in `ALGORITHMS`, or `kid` is longer than 255 characters.
            TypeError: `pem` is neither bytes nor a string.
        """
        if not isinstance(pem, bytes | str):
            raise TypeError("a PEM text is bytes or a string")
        if alg is not None:
            _known(alg)
        native = material.parse_pem(pem if isinstance(pem, bytes) else pem.encode("utf-8", "replace"))
        return _bound(native, alg=alg, kid=_own_kid(kid), use="sig", key_ops=None)

    @staticmethod
    def generate(alg: str, *, kid: str | None = None) -> "JWK":
        """A new private key (RSA: 2048 bits) or secret (as long as the hash) for `alg`.

        `kid` is the RFC 7638 thumbprint unless given.

        Raises:
            ValueError: `alg` is not in `ALGORITHMS`, or `kid` is longer than 255 characters.
        """
        native = _generated(_known(alg))
        key = _bound(native, alg=alg, kid=None, use="sig", key_ops=None)
        return _bound(native, alg=alg, kid=_own_kid(kid) or key.thumbprint(), use="sig", key_ops=None)

    @staticmethod
    def symmetric(secret: bytes, *, alg: str, kid: str | None = None) -> "JWK":
        """The HMAC key of a secret that both sides know.

        Raises:
            InvalidKey: shorter than the hash of `alg` (RFC 7518, section 3.2), or the text of a public
                key or certificate.
            ValueError: `alg` is not HS256, HS384 or HS512.
            TypeError: `secret` is not bytes.
        """
        if not isinstance(secret, bytes):
            raise TypeError("an HMAC secret is bytes")
        if _known(alg).kty != "oct":
            raise ValueError("a symmetric key is for HS256, HS384 or HS512")
        least = ALGORITHMS[alg].digest_size
        return _bound(
            material.check_secret(secret, least=least), alg=alg, kid=_own_kid(kid), use="sig", key_ops=None
        )

    @property
    def can_sign(self) -> bool:
        """Whether it is private and its `key_ops` allow signing."""
        return self.is_private and (self.key_ops is None or "sign" in self.key_ops)

    @property
    def can_verify(self) -> bool:
        """Whether its `key_ops` allow verifying."""
        return self.key_ops is None or "verify" in self.key_ops

    def public(self) -> "JWK":
        """The public half, with the same `alg`, `kid` and `use`.

        Raises:
            ValueError: a symmetric key has no public half.
        """
        key_ops = None if self.key_ops is None else ("verify",)
        return _bound(self._public_key(), alg=self.alg, kid=self.kid, use=self.use, key_ops=key_ops)

    def thumbprint(self) -> str:
        """The SHA-256 thumbprint of RFC 7638: 43 characters, the same for both halves of a pair."""
        required = self._material_members(private=self.kty == "oct")
        canonical = json.dumps(required, sort_keys=True, separators=(",", ":")).encode("ascii")
        return encode(hashlib.sha256(canonical).digest())

    def to_dict(self, *, private: bool = False) -> dict[str, object]:
        """The members of the JWK, the private ones only on demand.

        Raises:
            ValueError: the public members of a symmetric key, or the private ones of a public key.
        """
        key_ops = self.key_ops
        if key_ops is not None and self.is_private and not private:
            key_ops = ("verify",)
        about = {
            "use": self.use,
            "key_ops": None if key_ops is None else list(key_ops),
            "alg": self.alg,
            "kid": self.kid,
        }
        found = self._material_members(private=private)
        return {
            "kty": self.kty,
            **{name: value for name, value in about.items() if value is not None},
            **found,
        }

    def _public_key(self) -> PublicKey:
        if isinstance(self.verifier, bytes):
            raise ValueError("a symmetric key has no public half")  # noqa: TRY004 - a key's kind, not a type error
        return self.verifier

    def _material_members(self, *, private: bool) -> dict[str, str]:
        if private and not self.is_private:
            raise ValueError("a public key has no private members")
        if private and isinstance(self.native, bytes):
            return {"kty": "oct", "k": encode(self.native)}
        public = material.public_members(self._public_key())
        if private and isinstance(self.native, material.PrivateKey):
            return public | material.private_members(self.native)
        return public


def _bound(
    native: Native, *, alg: str | None, kid: str | None, use: str | None, key_ops: tuple[str, ...] | None
) -> JWK:
    """A JWK around checked key material, bound to the algorithms it fits."""
    kty, crv = _family(native)
    algorithms = frozenset(
        name
        for name, row in ALGORITHMS.items()
        if (row.kty, row.crv) == (kty, crv)
        and not (isinstance(native, bytes) and len(native) < row.digest_size)
        and alg in (None, name)
    )
    if not algorithms:
        raise InvalidKey("alg is unknown or does not fit the key's type, curve or length")
    return JWK(
        kty=kty,
        alg=alg,
        kid=kid,
        use=use,
        key_ops=key_ops,
        crv=crv,
        is_private=isinstance(native, material.PrivateKey | bytes),
        algorithms=algorithms,
        native=native,
        verifier=native if isinstance(native, bytes) else material.public_half(native),
    )


def _family(native: Native) -> tuple[str, str | None]:
    match native:
        case bytes():
            return "oct", None
        case rsa.RSAPublicKey() | rsa.RSAPrivateKey():
            return "RSA", None
        case ec.EllipticCurvePublicKey() | ec.EllipticCurvePrivateKey():
            return "EC", material.curve_of(native).crv
        case _:
            return "OKP", "Ed25519"


def _generated(row: Algorithm) -> Native:
    match row.kty:
        case "RSA":
            return rsa.generate_private_key(public_exponent=65537, key_size=material.MIN_RSA_BITS)
        case "EC":
            return ec.generate_private_key(CURVES[row.crv or ""].curve)
        case "OKP":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return secrets.token_bytes(row.digest_size)


def _known(alg: str) -> Algorithm:
    row = ALGORITHMS.get(alg)
    if row is None:
        raise ValueError(f"alg must be one of {', '.join(ALGORITHMS)}")
    return row


def _optional_text(members: Mapping[str, object], name: str) -> str | None:
    value = members.get(name)
    if value is None and name not in members:
        return None
    if not isinstance(value, str):
        raise InvalidKey(f"{name} is no string")
    return value


def _checked_kid(kid: str | None) -> str | None:
    if kid is not None and len(kid) > MAX_KID:
        raise InvalidKey(f"kid is longer than {MAX_KID} characters")
    if kid is not None and any("\ud800" <= letter <= "\udfff" for letter in kid):
        raise InvalidKey("kid has half of a surrogate pair")
    return kid


def _own_kid(kid: str | None) -> str | None:
    # The caller's own choice, not input: a mistake here is one in the program.
    if kid is not None and len(kid) > MAX_KID:
        raise ValueError(f"kid is longer than {MAX_KID} characters")
    return kid


def _key_ops(members: Mapping[str, object]) -> tuple[str, ...] | None:
    operations = members.get("key_ops")
    if operations is None and "key_ops" not in members:
        return None
    if not isinstance(operations, list) or not all(isinstance(name, str) for name in operations):
        raise InvalidKey("key_ops is no list of strings")
    if len(set(operations)) != len(operations):
        raise InvalidKey("key_ops names an operation twice")
    return tuple(operations)


def _require_signature_use(use: str | None, key_ops: tuple[str, ...] | None) -> None:
    # A key has one purpose: one that also encrypts is refused as one that only does.
    if use not in (None, "sig"):
        raise InvalidKey("use is not sig")
    if key_ops is not None and not (key_ops and _SIGNING.issuperset(key_ops)):
        raise InvalidKey("key_ops are not sign and verify")
