"""Public keys and certificates in any text form are refused as HMAC secrets; real secrets never are."""

import base64
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gatewright.jose import JWK, JWKS, InvalidKey
from gatewright.jose.encoding import encode
from gatewright.jose.lookalikes import looks_like_a_public_key

KINDS = ["RSA", "P-256", "P-384", "P-521", "Ed25519"]


def _texts(key: JWK) -> dict[str, bytes]:
    private, public = key.native, key.public().native
    assert isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey)
    assert isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)
    spki = PublicFormat.SubjectPublicKeyInfo
    texts = {
        "spki.pem": public.public_bytes(Encoding.PEM, spki),
        "spki.der": public.public_bytes(Encoding.DER, spki),
        "ssh": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "jwk": json.dumps(key.to_dict()).encode(),
        "jwk, indented": b"\n" + json.dumps(key.to_dict(), indent=2).encode(),
        "jwks": json.dumps(JWKS([key.public()]).to_dict()).encode(),
        "jwks as a list": json.dumps([key.to_dict()]).encode(),
        "pkcs8.pem": private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "pkcs8.der": private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        "openssh private": private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        "encrypted": private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
    }
    if isinstance(public, rsa.RSAPublicKey):
        texts["pkcs1.pem"] = public.public_bytes(Encoding.PEM, PublicFormat.PKCS1)
        texts["pkcs1.der"] = public.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    if not isinstance(private, ed25519.Ed25519PrivateKey):
        texts["traditional.pem"] = private.private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )
        texts["traditional.der"] = private.private_bytes(
            Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )
    certificate = _certificate(private)
    texts["certificate.pem"] = certificate.public_bytes(Encoding.PEM)
    texts["certificate.der"] = certificate.public_bytes(Encoding.DER)
    texts["x5c entry"] = base64.b64encode(texts["certificate.der"])
    texts["pem body"] = base64.encodebytes(texts["spki.der"])
    texts["pem body, url-safe"] = encode(texts["spki.der"]).encode()
    texts["ssh blob"] = base64.b64decode(texts["ssh"].split()[1])
    return texts


def _certificate(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), 1, datetime(2025, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
    )
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_no_text_of_a_key_or_certificate_becomes_a_secret(
    kind: str, newline: bytes, members: Mapping[str, Mapping[str, object]]
) -> None:
    for form, text in _texts(JWK.parse(members[kind])).items():
        binary = form.endswith((".der", "blob"))
        for variant in [text] if binary else [text, text.strip(), b" \n" + text, text + b"\n\n"]:
            secret = variant if binary else variant.replace(b"\n", newline)
            assert looks_like_a_public_key(secret), (kind, form)
            if len(secret) <= 4096:
                with pytest.raises(InvalidKey, match="key or certificate"):
                    JWK.symmetric(secret, alg="HS256" if len(secret) < 64 else "HS512")
                with pytest.raises(InvalidKey):
                    JWK.parse({"kty": "oct", "k": encode(secret)})


def test_random_secrets_are_never_suspected() -> None:
    chance = random.Random(1)
    for _ in range(20_000):
        secret = chance.randbytes(chance.choice((32, 48, 64, 100)))
        assert not looks_like_a_public_key(secret)
        assert not looks_like_a_public_key(b"\x30" + secret[1:])
        assert not looks_like_a_public_key(encode(secret).encode())


@pytest.mark.parametrize(
    "secret",
    [
        b"\x30" + bytes([42]) + bytes(42),
        b"\x30\x2b" + b"\x02\x29" + bytes(42),
        b"\x30\x80" + bytes(60),
        b"\x30\xff" + b"\xff" * 62,
        b"\x30\x84\xff\xff\xff\xff" + bytes(58),
        b"\x30\x3e\x02\x84" + bytes(60),
        b"\x30\x3e" + b"\x02\x3b" + bytes(59) + b"\x02",
        b"{" + b"x" * 62 + b"}",
        b"-----" + b"x" * 59,
        b"ssh-" + b"x" * 60,
        b"0" * 64,
        "ключ".encode() * 8,
    ],
)
def test_secrets_that_merely_begin_like_a_key_are_secrets(secret: bytes) -> None:
    assert not looks_like_a_public_key(secret)
