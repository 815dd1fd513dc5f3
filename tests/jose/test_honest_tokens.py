"""Honest tokens that joserfc and PyJWT mint are accepted: every algorithm, type and form of audience."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import joserfc.jwk
import joserfc.jwt
import jwt as pyjwt
import pytest
from joserfc.errors import SecurityWarning

from gatewright.jose import ALGORITHMS, JWK, JWKS, jwt

pytestmark = pytest.mark.filterwarnings(f"ignore::{SecurityWarning.__module__}.SecurityWarning")

NOW: Final = 1_700_000_000
ISSUER: Final = "https://issuer.example/"
AUDIENCE: Final = "https://blog-api"
ALL: Final = list(ALGORITHMS)

Claims = dict[str, Any]
Mint = Callable[[Claims, str | None, str | None], str]

TYPES: Final = (None, "JWT", "at+jwt")
EACH: Final = 77


def _joserfc(key: JWK) -> Mint:
    imported = joserfc.jwk.import_key(key.to_dict(private=True))  # type: ignore[arg-type]  # our members are its members

    def mint(claims: Claims, typ: str | None, kid: str | None) -> str:
        header = {"alg": key.alg, "typ": typ, "kid": kid}
        present = {name: value for name, value in header.items() if value is not None}
        return joserfc.jwt.encode(present, claims, imported, algorithms=ALL, default_type=None)

    return mint


def _pyjwt(key: JWK) -> Mint:
    def mint(claims: Claims, typ: str | None, kid: str | None) -> str:
        headers = {"typ": typ} if kid is None else {"typ": typ, "kid": kid}
        return pyjwt.encode(claims, key.native, algorithm=key.alg, headers=headers)  # type: ignore[arg-type]  # all private

    return mint


@pytest.mark.parametrize(
    ("minting", "name"),
    [pytest.param(_joserfc, name, id=f"{name}-joserfc") for name in ALL]
    # PyJWT does not know the name of RFC 9864.
    + [pytest.param(_pyjwt, name, id=f"{name}-PyJWT") for name in ALL if name != "Ed25519"],
)
def test_honest_tokens_of_other_libraries_are_accepted(
    minting: Callable[[JWK], Mint], name: str, keys: Mapping[str, JWK]
) -> None:
    key, mint = keys[name], minting(keys[name])
    ring = (
        JWKS([key])
        if key.kty == "oct"
        else JWKS([other.public() for other in keys.values() if other.kty != "oct"])
    )
    for number in range(EACH):
        claims = {
            "iss": ISSUER,
            "sub": "client@clients",
            "jti": str(number),
            "aud": (AUDIENCE, [AUDIENCE], ["a", AUDIENCE, "b"])[number % 3],
            "exp": (NOW + 600, NOW + 600.5, NOW + 1, NOW - 29.5)[number % 4],
            "nbf": (NOW, NOW + 29.9)[number % 2],
            "name": 'Zoë \N{GRINNING FACE} "\\/\n',
            "https://example.com/roles": [{"id": number, "share": number / 7}],
        }
        token = mint(claims, TYPES[number % 3], key.kid if number % 5 else None)
        found = jwt.verify(token, ring, algorithms=ALL, issuer=ISSUER, audience=AUDIENCE, now=NOW)
        assert found == claims


def test_at_least_two_thousand_honest_tokens_are_minted() -> None:
    assert EACH * (2 * len(ALL) - 1) >= 2_000
    assert {(number % 3, number % 4) for number in range(EACH)} == {
        (a, b) for a in range(3) for b in range(4)
    }
