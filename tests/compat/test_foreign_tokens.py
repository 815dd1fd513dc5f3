"""Tokens that other libraries mint, with keys that they made and exported, enter; altered ones do not."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from gatewright.guard import Denied, Guard, Request
from gatewright.jose import ALGORITHMS, JWKS
from gatewright.jose.encoding import decode, encode
from tests.compat.node_packages import node_with_packages
from tests.running import bearer

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parent / "node/jose"
ISSUER = "https://issuer.example/"
AUDIENCE = "https://blog-api"
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}

Minted = tuple[str, dict[str, Any]]


def claims() -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "app@clients",
        "client_id": "app",
        "scope": "read:blog",
        "iat": now,
        "exp": now + 3600,
    }


def by_pyjwt(alg: str) -> Minted:
    """PyJWT makes no keys: `cryptography`, which it signs with, does."""
    key: Any
    if alg.startswith("HS"):
        key = secrets.token_bytes(64)
    elif alg.startswith("ES"):
        curve: dict[str, ec.EllipticCurve] = {
            "ES256": ec.SECP256R1(),
            "ES384": ec.SECP384R1(),
            "ES512": ec.SECP521R1(),
        }
        key = ec.generate_private_key(curve[alg])
    elif alg == "EdDSA":
        key = ed25519.Ed25519PrivateKey.generate()
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kid = str(uuid.uuid4())
    token = pyjwt.encode(claims(), key, algorithm=alg, headers={"kid": kid, "typ": "at+jwt"})
    exported: Any = pyjwt.get_algorithm_by_name(alg)
    public = exported.to_jwk(key if alg.startswith("HS") else key.public_key(), as_dict=True)
    return token, {"keys": [public | {"kid": kid, "alg": alg, "use": "sig"}]}


def by_joserfc(alg: str) -> Minted:
    key: Any
    about: Any = {"alg": alg, "use": "sig"}
    if alg.startswith("HS"):
        key = OctKey.generate_key(512, about, auto_kid=True)
    elif alg.startswith("ES"):
        key = ECKey.generate_key(CURVES[alg], about, auto_kid=True)
    elif alg in ("EdDSA", "Ed25519"):
        key = OKPKey.generate_key("Ed25519", about, auto_kid=True)
    else:
        key = RSAKey.generate_key(2048, about, auto_kid=True)
    token = joserfc_jwt.encode({"alg": alg, "kid": key.kid, "typ": "at+jwt"}, claims(), key, algorithms=[alg])
    return token, {"keys": [key.as_dict(private=alg.startswith("HS"))]}


@pytest.fixture(scope="module")
def by_node() -> Callable[[str], Minted]:
    """What one Node.js process made with the npm package jose, for every algorithm."""
    node = node_with_packages(FOLDER)
    made = subprocess.run(
        [*node, "mint.mjs", *ALGORITHMS],
        cwd=FOLDER,
        input=json.dumps(claims()),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert made.returncode == 0, made.stderr
    minted = json.loads(made.stdout)
    return lambda alg: (minted[alg]["token"], minted[alg]["jwks"])


def request(token: str) -> Request:
    return Request("GET", "/blogs", list(bearer(token).items()))


def flipped(token: str) -> str:
    """The token with one bit of a scope's letter changed: still JSON, still all claims in place."""
    header, payload, signature = token.split(".")
    changed = bytearray(decode(payload))
    changed[changed.index(b"read:blog")] ^= 1
    return f"{header}.{encode(bytes(changed))}.{signature}"


def assert_enters_and_refuses_when_altered(minted: Minted, alg: str) -> None:
    token, jwks = minted
    guard = Guard(ISSUER, audience=AUDIENCE, algorithms=(alg,), keys=JWKS.parse(json.dumps(jwks)))
    assert guard.check(request(token), "read:blog").client_id == "app"
    with pytest.raises(Denied) as refusal:
        guard.check(request(flipped(token)))
    assert (refusal.value.status, refusal.value.reason) == (401, "bad_signature")


# PyJWT does not know the name that RFC 9864 gives to EdDSA on this curve.
@pytest.mark.parametrize("alg", [alg for alg in ALGORITHMS if alg != "Ed25519"])
def test_token_minted_by_pyjwt_enters_and_is_refused_after_one_flipped_bit(alg: str) -> None:
    assert_enters_and_refuses_when_altered(by_pyjwt(alg), alg)


@pytest.mark.parametrize("alg", ALGORITHMS)
# joserfc warns that EdDSA has got the newer name Ed25519 (RFC 9864); tokens of today say EdDSA.
@pytest.mark.filterwarnings("ignore:EdDSA:UserWarning")
def test_token_minted_by_joserfc_enters_and_is_refused_after_one_flipped_bit(alg: str) -> None:
    assert_enters_and_refuses_when_altered(by_joserfc(alg), alg)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_token_minted_by_jose_of_npm_enters_and_is_refused_after_one_flipped_bit(
    alg: str, by_node: Callable[[str], Minted]
) -> None:
    assert_enters_and_refuses_when_altered(by_node(alg), alg)
