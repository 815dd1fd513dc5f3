"""Compact JSON Web Signatures (RFC 7515): parse within limits, verify, sign.

Parsing believes nothing and looks at no key; `verify` is the only place where a signature is judged.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from gatewright.jose.algorithms import ALGORITHMS
from gatewright.jose.encoding import decode, encode, parse_json
from gatewright.jose.errors import (
    AlgorithmNotAllowed,
    BadSignature,
    InvalidKey,
    MalformedToken,
    UnknownKey,
    UnsupportedHeader,
)
from gatewright.jose.jwk import JWK, MAX_KID

MAX_LENGTH: Final = 16 * 1024

_DOTS = 2
_CACHED_HEADERS = 256
_LONGEST_CACHED_HEADER = 1024
# What a verifier must understand or refuse; refused, as no token for an API needs it.
_UNSUPPORTED = ("crit", "b64", "zip")


@dataclass(frozen=True, slots=True)
class JWS:
    """The parts of a compact JWS, decoded and not yet verified.

    `header` is a fresh dict; what it says of keys (`jku`, `x5u`, `jwk`, `x5c`) is never followed.
    """

    header: dict[str, object]
    alg: str
    kid: str | None
    typ: str | None
    payload: bytes = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Header:
    members: Mapping[str, object]
    alg: str
    kid: str | None
    typ: str | None
    nested: bool


def parse(token: str | bytes, *, max_length: int = MAX_LENGTH) -> JWS:
    """The parts of `token` (RFC 7515, section 7.1), which may have `max_length` characters.

    Raises:
        MalformedToken: too long, not three parts, not canonical base64url, or a header that is no sound
            JSON object with a string `alg`.
        UnsupportedHeader: the header has `crit`, `b64` or `zip`.
    """
    if len(token) > max_length:
        raise MalformedToken(f"longer than {max_length} characters")
    if isinstance(token, str):
        if not token.isascii():
            raise MalformedToken("a character outside base64url")
        token = token.encode("ascii")
    if token.count(b".") != _DOTS:
        raise MalformedToken("not three parts")
    signing_input, _, signature = token.rpartition(b".")
    head, _, payload = signing_input.partition(b".")
    header = _header(head)
    return JWS(
        dict(header.members),
        header.alg,
        header.kid,
        header.typ,
        decode(payload),
        signing_input,
        decode(signature),
    )


def check_algorithm(jws: JWS, algorithms: Collection[str]) -> None:
    """Refuse an algorithm the caller does not allow: worth doing before any key is looked for.

    Raises:
        AlgorithmNotAllowed: `alg` is not in `algorithms`, letter by letter.
        ValueError: `algorithms` is empty or names what is not in `ALGORITHMS`, such as `none`.
        TypeError: `algorithms` is a string.
    """
    if jws.alg not in _allowed(algorithms):
        raise AlgorithmNotAllowed("the token's alg is not allowed here")


def verify(jws: JWS, key: JWK, *, algorithms: Collection[str]) -> None:
    """Return if `key` made the signature with one of `algorithms`, else raise.

    Raises:
        AlgorithmNotAllowed: `alg` is not in `algorithms`, or is not the key's.
        UnknownKey: the token's `kid` is not the key's.
        InvalidKey: the key must not verify (`key_ops`).
        BadSignature: the signature is wrong.
        ValueError, TypeError: as `check_algorithm`.
    """
    check_algorithm(jws, algorithms)
    if jws.alg not in key.algorithms:
        raise AlgorithmNotAllowed("the token's alg does not fit the key")
    if jws.kid != key.kid and jws.kid is not None and key.kid is not None:
        raise UnknownKey("the token names another key")
    if not key.can_verify:
        raise InvalidKey("key_ops do not allow the key to verify")
    if not ALGORITHMS[jws.alg].verify(key.verifier, jws.signing_input, jws.signature):
        raise BadSignature("the signature is wrong")


def sign(
    payload: bytes, key: JWK, *, alg: str | None = None, header: Mapping[str, object] | None = None
) -> str:
    """A compact JWS over `payload`.

    `alg` may be left out when the key has one or fits only one. The header is `alg`, the members of
    `header`, and the key's `kid`.

    Raises:
        InvalidKey: the key is public, or its `key_ops` do not allow signing.
        AlgorithmNotAllowed: `alg` does not fit the key.
        ValueError: no `alg` where several fit, or `header` has `alg`, another `kid`, `crit`, `b64` or `zip`.
    """
    if not key.can_sign:
        raise InvalidKey("the key is public, or key_ops do not allow it to sign")
    name = _signing_algorithm(key, alg)
    members = {"alg": name, **_own_members(header or {}, key)}
    head = json.dumps(members, separators=(",", ":"), allow_nan=False).encode("ascii")
    signing_input = f"{encode(head)}.{encode(payload)}"
    signature = ALGORITHMS[name].sign(key.native, signing_input.encode("ascii"))
    return f"{signing_input}.{encode(signature)}"


def _header(segment: bytes) -> _Header:
    if len(segment) > _LONGEST_CACHED_HEADER:
        return _decode_header(segment)
    header = _cached_header(segment)
    # Only a header without lists and objects is shared: `parse` copies one level of it.
    return _decode_header(segment) if header.nested else header


def _decode_header(segment: bytes) -> _Header:
    members = parse_json(decode(segment))
    if not isinstance(members, dict):
        raise MalformedToken("the header is no JSON object")
    alg, kid, typ = (members.get(name) for name in ("alg", "kid", "typ"))
    if not isinstance(alg, str):
        raise MalformedToken("alg is missing or no string")
    if "kid" in members and not (isinstance(kid, str) and len(kid) <= MAX_KID):
        raise MalformedToken(f"kid is no string of at most {MAX_KID} characters")
    if "typ" in members and not isinstance(typ, str):
        raise MalformedToken("typ is no string")
    for name in _UNSUPPORTED:
        if name in members:
            raise UnsupportedHeader(f"{name} is not supported")
    nested = any(isinstance(value, dict | list) for value in members.values())
    return _Header(members, alg, kid, typ, nested)


@lru_cache(maxsize=_CACHED_HEADERS)
def _cached_header(segment: bytes) -> _Header:
    return _decode_header(segment)


def _allowed(algorithms: Collection[str]) -> frozenset[str]:
    if isinstance(algorithms, str):
        raise TypeError("algorithms is a collection of names, not one string")
    return _known_names(tuple(algorithms))


@lru_cache(maxsize=64)
def _known_names(names: tuple[str, ...]) -> frozenset[str]:
    unknown = [name for name in names if name not in ALGORITHMS]
    if unknown or not names:
        raise ValueError(f"algorithms must name some of {', '.join(ALGORITHMS)}, and nothing else")
    return frozenset(names)


def _signing_algorithm(key: JWK, alg: str | None) -> str:
    if alg is None:
        if len(key.algorithms) > 1:
            raise ValueError("the key fits several algorithms: say which")
        return next(iter(key.algorithms))
    if alg not in ALGORITHMS:
        raise ValueError(f"alg must be one of {', '.join(ALGORITHMS)}")
    if alg not in key.algorithms:
        raise AlgorithmNotAllowed("alg does not fit the key")
    return alg


def _own_members(header: Mapping[str, object], key: JWK) -> dict[str, object]:
    refused = [name for name in ("alg", *_UNSUPPORTED) if name in header]
    if refused:
        raise ValueError(f"header must not have {refused[0]}")
    kid = key.kid if key.kid is not None else header.get("kid")
    if header.get("kid", kid) != kid:
        raise ValueError("header has another kid than the key")
    return {**header, "kid": kid} if kid is not None else dict(header)
