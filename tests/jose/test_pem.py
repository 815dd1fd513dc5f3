"""Keys that come as PEM: as openssl writes them, with the checks that a JWK of the same key gets."""

# ruff: noqa: ANN401 - the keys of cryptography have no common type
from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from gatewright.jose import JWK, InvalidKey, jws

Members = Mapping[str, Mapping[str, object]]

KINDS = ["RSA", "P-256", "P-384", "P-521", "Ed25519"]
every_kind = pytest.mark.parametrize("kind", KINDS)


def private_pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    pem: bytes = key.private_bytes(Encoding.PEM, form, NoEncryption())
    return pem


def public_pem(key: Any, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> bytes:
    pem: bytes = key.public_bytes(Encoding.PEM, form)
    return pem


def certificate(key: Any) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer.example")])
    then = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, then, then + dt.timedelta(1))
    hashed = None if type(key).__name__.startswith("Ed") else hashes.SHA256()
    return builder.sign(key, hashed).public_bytes(Encoding.PEM)


@every_kind
def test_public_private_and_certified_keys_are_those_of_the_jwk(kind: str, members: Members) -> None:
    pair = JWK.parse(members[kind])
    native: Any = pair.native
    private = JWK.from_pem(private_pem(native))
    public = JWK.from_pem(public_pem(native.public_key()).decode())
    certified = JWK.from_pem(certificate(native))
    assert (private.is_private, public.is_private, certified.is_private) == (True, False, False)
    assert private.to_dict(private=True) == {**pair.to_dict(private=True), "use": "sig"}
    assert public.to_dict() == certified.to_dict() == {**pair.public().to_dict(), "use": "sig"}
    alg = min(pair.algorithms)
    for key in (public, certified):
        jws.verify(jws.parse(jws.sign(b"data", private, alg=alg)), key, algorithms=[alg])


def test_the_older_forms_of_openssl_are_read(members: Members) -> None:
    rsa_key: Any = JWK.parse(members["RSA"]).native
    ec_key: Any = JWK.parse(members["P-256"]).native
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    read = [
        JWK.from_pem(private_pem(rsa_key, PrivateFormat.TraditionalOpenSSL)),
        JWK.from_pem(public_pem(rsa_key.public_key(), PublicFormat.PKCS1)),
        JWK.from_pem(parameters + private_pem(ec_key, PrivateFormat.TraditionalOpenSSL)),
    ]
    assert [(key.kty, key.is_private) for key in read] == [("RSA", True), ("RSA", False), ("EC", True)]


def test_alg_and_kid_are_as_given_and_must_fit(members: Members) -> None:
    native: Any = JWK.parse(members["RSA"]).native
    pem = public_pem(native.public_key())
    key = JWK.from_pem(pem, alg="PS256", kid="mine")
    assert (key.alg, key.kid, key.use, key.algorithms) == ("PS256", "mine", "sig", frozenset({"PS256"}))
    assert JWK.from_pem(pem).algorithms == {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
    with pytest.raises(InvalidKey, match="does not fit"):
        JWK.from_pem(pem, alg="HS256")
    for wrong in ({"alg": "none"}, {"kid": "k" * 256}):
        with pytest.raises(ValueError, match=r"alg|kid"):
            JWK.from_pem(pem, **wrong)


def test_keys_that_a_jwk_could_not_be_are_refused(members: Members) -> None:
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
    refused = [
        public_pem(weak.public_key()),
        private_pem(weak),
        public_pem(rsa.generate_private_key(3, 2048).public_key()),
        private_pem(ec.generate_private_key(ec.SECP256K1())),
        public_pem(ec.generate_private_key(ec.SECP256K1()).public_key()),
        public_pem(ed448.Ed448PrivateKey.generate().public_key()),
        private_pem(dsa.generate_private_key(2048)),
        b"-----BEGIN DSA PARAMETERS-----\nAA==\n-----END DSA PARAMETERS-----\n",
    ]
    native: Any = JWK.parse(members["RSA"]).native
    encrypted = native.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    for pem in (*refused, encrypted):
        with pytest.raises(InvalidKey):
            JWK.from_pem(pem)


def test_what_is_not_one_key_is_refused(members: Members) -> None:
    native: Any = JWK.parse(members["P-256"]).native
    one = public_pem(native.public_key())
    texts: list[bytes | str] = [
        b"",
        "no key at all",
        one + one,
        one + certificate(native),
        one.replace(b"PUBLIC", b"PRIVATE"),
        one[: len(one) // 2],
        one.replace(b"BEGIN", b"begin"),
        b"-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n",
        "\ud800" + one.decode(),
    ]
    for text in texts[:-1]:
        with pytest.raises(InvalidKey):
            JWK.from_pem(text)
    with pytest.raises(InvalidKey, match="larger"):
        JWK.from_pem(one + b"\n" * 64 * 1024)
    assert JWK.from_pem(texts[-1]).kty == "EC"  # what stands around the key says nothing (RFC 7468)
    wrong: Any = native
    with pytest.raises(TypeError, match="bytes or a string"):
        JWK.from_pem(wrong)


def test_nothing_of_a_private_key_is_in_the_refusal(members: Members) -> None:
    native: Any = JWK.parse(members["RSA"]).native
    pem = private_pem(native)
    with pytest.raises(InvalidKey) as refusal:
        JWK.from_pem(pem.replace(b"A", b"B"))
    assert not any(line.decode() in str(refusal.value) for line in pem.splitlines()[1:-1])
    assert refusal.value.__cause__ is None
