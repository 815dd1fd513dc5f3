"""The tokens of the sixth step are what they claim to be: only then their refusal says something."""

from __future__ import annotations

import base64
import hashlib
import hmac

from gatewright.demo import forgeries
from gatewright.jose import JWK, jwt

CLAIMS = {"iss": "https://issuer.example/", "aud": "a", "exp": 2_000_000_000, "scope": "read:blog"}


def test_changed_claims_keep_header_and_signature() -> None:
    token = jwt.sign(CLAIMS, JWK.generate("ES256", kid="k"))
    header, _, signature = forgeries.parts(token)
    assert forgeries.parts(forgeries.with_claims(token, scope="all")) == (
        header,
        CLAIMS | {"scope": "all"},
        signature,
    )


def test_unsigned_token_says_none_and_has_no_signature() -> None:
    token = jwt.sign(CLAIMS, JWK.generate("ES256", kid="k"))
    assert forgeries.parts(forgeries.unsigned(token)) == (
        {"alg": "none", "typ": "JWT", "kid": "k"},
        CLAIMS,
        "",
    )


def test_public_key_forgery_is_soundly_signed_with_the_published_certificate() -> None:
    token = jwt.sign(CLAIMS, JWK.generate("ES256", kid="k"))
    certificate = base64.b64encode(b"x" * 100).decode()
    forged = forgeries.signed_with_public_key(
        token, {"keys": [{"kid": "other", "x5c": ["no"]}, {"kid": "k", "x5c": [certificate]}]}, scope="all"
    )
    header, claims, signature = forgeries.parts(forged)
    assert header["alg"] == "HS256"
    assert claims["scope"] == "all"
    pem = f"-----BEGIN CERTIFICATE-----\n{certificate[:64]}\n{certificate[64:128]}\n{certificate[128:]}\n"
    secret = (pem + "-----END CERTIFICATE-----\n").encode()
    expected = hmac.new(secret, forged.rpartition(".")[0].encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64encode(expected).rstrip(b"=").decode() == signature
