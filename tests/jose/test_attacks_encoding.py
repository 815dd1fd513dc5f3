"""The catalogue of attacks on tokens, rows 7 to 9 and 13 to 16: signatures, base64url, JSON, size.

Each name begins with the row.
"""

import itertools
import json
import string
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gatewright.jose import (
    ALGORITHMS,
    JWK,
    JWKS,
    BadSignature,
    InvalidKey,
    JoseError,
    MalformedToken,
    jws,
    jwt,
)
from gatewright.jose.algorithms import CURVES
from gatewright.jose.encoding import decode, encode

Claims = dict[str, object]
Forge = Callable[..., str]
Verify = Callable[..., dict[str, object]]
Members = Mapping[str, Mapping[str, object]]

ECDSA = ("ES256", "ES384", "ES512")


def _unsigned(header: object, claims: object, signature: str = "") -> str:
    return f"{encode(json.dumps(header).encode())}.{encode(json.dumps(claims).encode())}.{signature}"


def _public(members: Mapping[str, object], **more: object) -> dict[str, object]:
    return {
        name: value for name, value in members.items() if name in ("kty", "crv", "x", "y", "n", "e")
    } | more


# 7, 8, 9: ECDSA


def _numbers(alg: str) -> list[int]:
    curve = CURVES[ALGORITHMS[alg].crv or ""]
    return [
        0,
        1,
        curve.order - 1,
        curve.order,
        curve.order + 1,
        curve.prime,
        curve.prime + 1,
        2 ** (8 * curve.size) - 1,
    ]


@pytest.mark.parametrize("alg", ECDSA)
def test_row_07_psychic_signatures_are_refused(alg: str, verify: Verify, claims: Claims) -> None:
    size = CURVES[ALGORITHMS[alg].crv or ""].size
    for r, s in itertools.product(_numbers(alg), repeat=2):
        signature = r.to_bytes(size, "big") + s.to_bytes(size, "big")
        with pytest.raises(BadSignature):
            verify(_unsigned({"alg": alg, "kid": alg.lower()}, claims, encode(signature)))


@pytest.mark.parametrize("alg", ECDSA)
def test_row_07_r_and_s_are_not_taken_modulo_the_order(
    alg: str, verify: Verify, claims: Claims, keys: Mapping[str, JWK]
) -> None:
    curve = CURVES[ALGORITHMS[alg].crv or ""]
    signing_input, _, text = jwt.sign(claims, keys[alg]).rpartition(".")
    r, s = (int.from_bytes(half, "big") for half in (decode(text)[: curve.size], decode(text)[curve.size :]))
    for r_again, s_again in ((r + curve.order, s), (r, s + curve.order), (r + curve.order, s + curve.order)):
        if max(r_again, s_again) < 2 ** (8 * curve.size):
            signature = r_again.to_bytes(curve.size, "big") + s_again.to_bytes(curve.size, "big")
            with pytest.raises(BadSignature):
                verify(f"{signing_input}.{encode(signature)}")


@pytest.mark.parametrize("alg", ECDSA)
def test_row_08_signature_of_another_length_or_form_is_refused(
    alg: str, verify: Verify, claims: Claims, keys: Mapping[str, JWK]
) -> None:
    signing_input, _, text = jwt.sign(claims, keys[alg]).rpartition(".")
    raw = decode(text)
    half = len(raw) // 2
    assert len(raw) == {"ES256": 64, "ES384": 96, "ES512": 132}[alg]
    r, s = raw[:half], raw[half:]
    der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    for signature in (
        der,
        raw + b"\0",
        b"\0" + raw,
        raw + raw,
        raw[:-1],
        raw[1:],
        b"\0" + r + b"\0" + s,
        r,
        b"",
    ):
        with pytest.raises(BadSignature):
            verify(f"{signing_input}.{encode(signature)}")


@pytest.mark.parametrize("alg", ECDSA)
def test_row_09_negated_s_is_another_spelling_of_the_same_token(
    alg: str, verify: Verify, claims: Claims, keys: Mapping[str, JWK]
) -> None:
    # Valid by the standard, so the token's text is no identity: jti and what was signed are.
    curve = CURVES[ALGORITHMS[alg].crv or ""]
    token = jwt.sign(claims, keys[alg])
    signing_input, _, text = token.rpartition(".")
    r, s = decode(text)[: curve.size], int.from_bytes(decode(text)[curve.size :], "big")
    twin = f"{signing_input}.{encode(r + (curve.order - s).to_bytes(curve.size, 'big'))}"
    assert twin != token
    assert verify(twin)["jti"] == verify(token)["jti"]
    assert jws.parse(twin).signing_input == jws.parse(token).signing_input


# 13: duplicate members


def test_row_13_duplicate_members_are_refused_in_header_claims_and_sets(
    verify: Verify, claims: Claims, forge: Forge, keys: Mapping[str, JWK], members: Members
) -> None:
    key = keys["EdDSA"]
    good = json.dumps(claims)
    for header in (
        b'{"alg":"none","alg":"EdDSA"}',
        b'{"alg":"EdDSA","kid":"a","kid":"eddsa"}',
        b'{"alg":"EdDSA","\\u0061lg":"EdDSA"}',
        b'{"alg":"EdDSA","x":{"a":1,"a":1}}',
    ):
        with pytest.raises(MalformedToken, match="duplicate"):
            verify(forge(header, claims, key))
    for name, value in (
        ("sub", '"admin"'),
        ("exp", "4000000000"),
        ("scope", '"admin"'),
        ("aud", '"x"'),
        ("j\\u0074i", '"x"'),
    ):
        with pytest.raises(MalformedToken, match="duplicate"):
            verify(forge({"alg": "EdDSA"}, f'{{"scope":"", "{name}":{value},{good[1:]}'.encode(), key))
    entry = json.dumps(_public(members["RSA"]))
    for document in (f'{{"keys":[{entry[:-1]},"kty":"RSA"}}]}}', f'{{"keys":[{entry}],"keys":[]}}'):
        with pytest.raises(InvalidKey, match="duplicate"):
            JWKS.parse(document, public_only=True)


# 14: base64url


@pytest.mark.parametrize("alg", ["RS256", "EdDSA", "HS256"])
@pytest.mark.slow
def test_row_14_no_letter_of_a_token_can_be_changed(
    alg: str, claims: Claims, keys: Mapping[str, JWK], expectations: dict[str, Any]
) -> None:
    key = keys[alg] if alg == "HS256" else keys[alg].public()
    token = jwt.sign(claims, keys[alg])
    assert jwt.verify(token, key, algorithms=[alg], **expectations) == claims
    edits = 0
    for place, letter in itertools.product(
        range(len(token)), string.ascii_letters + string.digits + "-_=+/. \n"
    ):
        if letter != token[place]:
            edits += 1
            with pytest.raises(JoseError):
                jwt.verify(token[:place] + letter + token[place + 1 :], key, algorithms=[alg], **expectations)
    assert edits == 69 * len(token)


def test_row_14_no_letter_can_be_added_or_taken_away(
    verify: Verify, claims: Claims, keys: Mapping[str, JWK]
) -> None:
    token = jwt.sign(claims, keys["EdDSA"])
    for place in range(len(token) + 1):
        for inserted in ("A", "=", "==", ".", " ", "\n", "\r\n", "\t", "\0", "-", "_", "+", "/", "%", "é"):
            with pytest.raises(JoseError):
                verify(token[:place] + inserted + token[place:])
        with pytest.raises(JoseError):
            verify(token[:place] + token[place + 1 :] if place < len(token) else token[:-2])


def test_row_14_unused_bits_must_be_zero(verify: Verify, claims: Claims, keys: Mapping[str, JWK]) -> None:
    # 32 and 64 bytes leave unused bits in the last letter; 16 or 4 spellings would mean the same bytes.
    token = jwt.sign(claims, keys["EdDSA"])
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    last = letters.index(token[-1])
    assert last % 16 == 0
    for spare in range(1, 16):
        with pytest.raises(MalformedToken):
            verify(token[:-1] + letters[last + spare])


# 15, 16: size and shape


@pytest.mark.parametrize("start", ["", "eyJhbGciOiJSUzI1NiJ9.", "eyJhbGciOiJSUzI1NiJ9.AA."])
@pytest.mark.parametrize("letter", ["x", ".", "=", "é"])
@pytest.mark.parametrize("as_bytes", [False, True], ids=["text", "bytes"])
def test_row_15_an_enormous_token_costs_nothing(
    start: str, letter: str, *, as_bytes: bool, verify: Verify
) -> None:
    text = start + letter * 20_000_000
    token = text.encode() if as_bytes else text
    tracemalloc.start()
    try:
        with pytest.raises(MalformedToken, match="longer than"):
            verify(token)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dots", [0, 1, 3, 4, 5, 16_000])
def test_row_15_any_number_of_dots_but_two_is_refused(dots: int, verify: Verify) -> None:
    with pytest.raises(MalformedToken, match="three parts"):
        verify("A" + "." * dots)


DEEP = ["[" * 7_000, '{"a":' * 2_000, "[" * 17 + "]" * 17, '{"alg":"EdDSA","x":' + "[" * 16 + "]" * 16 + "}"]
SHAPES = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1e400",
    "9" * 5000,
    "9007199254740993",
    "1e",
    "-",
    "01",
    "0x1",
    "1_0",
    "'x'",
    "tru",
]


@pytest.mark.parametrize("document", DEEP)
def test_row_16_deep_nesting_is_refused_in_header_and_claims(
    document: str, verify: Verify, forge: Forge, keys: Mapping[str, JWK]
) -> None:
    with pytest.raises(MalformedToken):
        verify(forge(document.encode(), {}, keys["EdDSA"]))
    with pytest.raises(MalformedToken):
        verify(forge({"alg": "EdDSA"}, document.encode(), keys["EdDSA"]))


@pytest.mark.parametrize("value", SHAPES)
@pytest.mark.parametrize("name", ["exp", "nbf", "iat", "x"])
def test_row_16_what_is_no_sane_number_is_refused(
    value: str, name: str, verify: Verify, claims: Claims, forge: Forge, keys: Mapping[str, JWK]
) -> None:
    claims.pop(name, None)
    text = f'{{"{name}":{value},{json.dumps(claims)[1:]}'
    with pytest.raises(MalformedToken):
        verify(forge({"alg": "EdDSA"}, text.encode(), keys["EdDSA"]))
    with pytest.raises(MalformedToken):
        verify(forge(f'{{"alg":"EdDSA","{name}":{value}}}'.encode(), claims, keys["EdDSA"]))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_row_16_other_encodings_than_plain_utf8_are_refused(
    encoding: str, verify: Verify, claims: Claims, forge: Forge, keys: Mapping[str, JWK]
) -> None:
    with pytest.raises(MalformedToken):
        verify(forge({"alg": "EdDSA"}, json.dumps(claims).encode(encoding), keys["EdDSA"]))
    with pytest.raises(MalformedToken):
        verify(forge('{"alg":"EdDSA"}'.encode(encoding), claims, keys["EdDSA"]))


def test_row_16_half_a_surrogate_pair_is_refused(
    verify: Verify, claims: Claims, forge: Forge, keys: Mapping[str, JWK]
) -> None:
    for name in ("sub", "x"):
        with pytest.raises(MalformedToken, match="surrogate"):
            verify(forge({"alg": "EdDSA"}, {**claims, name: "a\ud800"}, keys["EdDSA"]))
    with pytest.raises(MalformedToken, match="surrogate"):
        verify(forge({"alg": "EdDSA", "kid": "\udfff"}, claims, keys["EdDSA"]))
