"""The catalogue of attacks on tokens, rows 17 to 24, 26 and 27: claims, kinds of token, extensions, errors.

Each name begins with the row. Row 20 is judged here by `typ` alone, the members that betray an ID token are
the guard's business; row 25 (replay of proofs and assertions) needs a store and is the server's.
"""

import hmac
import json
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.jose import (
    ALGORITHMS,
    JWK,
    JWKS,
    AlgorithmNotAllowed,
    BadClaim,
    BadSignature,
    Expired,
    InvalidKey,
    JoseError,
    MalformedToken,
    NotYetValid,
    UnsupportedHeader,
    UntrustedIssuer,
    WrongAudience,
    WrongType,
    jws,
    jwt,
)
from gatewright.jose.encoding import encode

Claims = dict[str, object]
Forge = Callable[..., str]
Verify = Callable[..., dict[str, object]]
Members = Mapping[str, Mapping[str, object]]

NOW = 1_700_000_000.0
EVERY = tuple(ALGORITHMS)
HMAC = ("HS256", "HS384", "HS512")


def _unsigned(header: object, claims: object, signature: str = "") -> str:
    return f"{encode(json.dumps(header).encode())}.{encode(json.dumps(claims).encode())}.{signature}"


def _public(members: Mapping[str, object], **more: object) -> dict[str, object]:
    return {
        name: value for name, value in members.items() if name in ("kty", "crv", "x", "y", "n", "e")
    } | more


# 17, 18, 19: claims


@pytest.mark.parametrize("leeway", [0.0, 5.0, 30.0, 60.0])
@pytest.mark.parametrize("offset", [-1, -0.5, 0, 0.5, 1])
def test_row_17_exp_and_nbf_end_exactly_at_the_leeway(
    leeway: float, offset: float, verify: Verify, claims: Claims, keys: Mapping[str, JWK]
) -> None:
    expiring = jwt.sign({**claims, "exp": NOW - leeway + offset}, keys["EdDSA"])
    starting = jwt.sign({**claims, "nbf": NOW + leeway + offset}, keys["EdDSA"])
    if offset > 0:
        assert verify(expiring, leeway=leeway)["jti"] == "token-1"
        with pytest.raises(NotYetValid):
            verify(starting, leeway=leeway)
    else:
        with pytest.raises(Expired):
            verify(expiring, leeway=leeway)
        assert verify(starting, leeway=leeway)["jti"] == "token-1"


@pytest.mark.parametrize("shift", [-3600.0, 86_400.0])
def test_row_17_a_clock_set_back_or_forward_is_believed_and_nothing_is_remembered(
    shift: float, verify: Verify, claims: Claims, keys: Mapping[str, JWK]
) -> None:
    token = jwt.sign({**claims, "nbf": NOW, "exp": NOW + 600}, keys["EdDSA"])
    assert verify(token) == verify(token)
    with pytest.raises((Expired, NotYetValid)):
        verify(token, now=NOW + shift)
    assert verify(token)["nbf"] == NOW


@pytest.mark.parametrize("exp", [10**300, 2**53 + 1, 1e300, -(2**53) - 1])
def test_row_17_absurd_lifetimes_are_refused(
    exp: float, verify: Verify, claims: Claims, keys: Mapping[str, JWK]
) -> None:
    with pytest.raises((MalformedToken, BadClaim)):
        verify(jwt.sign({**claims, "exp": exp}, keys["EdDSA"]))


@pytest.mark.parametrize(
    ("aud", "error"),
    [
        ("https://blog-api/", WrongAudience),
        ("https://blog-ap", WrongAudience),
        ("https://BLOG-API", WrongAudience),
        ("https://blog-api https://other", WrongAudience),
        (" https://blog-api", WrongAudience),
        ("", WrongAudience),
        ([], WrongAudience),
        ([""], WrongAudience),
        (["https://blog-api/"], WrongAudience),
        ({"https://blog-api": 1}, BadClaim),
        ([["https://blog-api"]], BadClaim),
        (["https://blog-api", None], BadClaim),
        (["https://blog-api", 1], BadClaim),
        (None, BadClaim),
        (True, BadClaim),
    ],
)
def test_row_18_an_audience_is_equal_or_wrong(
    aud: object, error: type[JoseError], verify: Verify, claims: Claims, keys: Mapping[str, JWK]
) -> None:
    with pytest.raises(error):
        verify(jwt.sign({**claims, "aud": aud}, keys["EdDSA"]))
    assert (
        verify(jwt.sign({**claims, "aud": ["x", "https://blog-api"]}, keys["EdDSA"]))["sub"] == claims["sub"]
    )


@pytest.mark.parametrize("audience", ["", [], [""], (), None, [None]])
def test_row_18_nothing_cannot_be_expected(
    audience: object, verify: Verify, claims: Claims, keys: Mapping[str, JWK]
) -> None:
    for aud in ("", [], [""]):
        with pytest.raises((ValueError, TypeError)):
            verify(jwt.sign({**claims, "aud": aud}, keys["EdDSA"]), audience=audience)


@pytest.mark.parametrize(
    ("name", "error"), [("exp", BadClaim), ("iss", UntrustedIssuer), ("aud", WrongAudience)]
)
def test_row_19_exp_iss_and_aud_are_required(
    name: str, error: type[JoseError], verify: Verify, claims: Claims, keys: Mapping[str, JWK]
) -> None:
    del claims[name]
    with pytest.raises(error):
        verify(jwt.sign(claims, keys["EdDSA"]))


# 20: other kinds of token


@pytest.mark.parametrize(
    "typ",
    [
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "oauth-authz-req+jwt",
        "client-authentication+jwt",
        "token-introspection+jwt",
        "authorization-response+jwt",
        "entity-statement+jwt",
        "vc+sd-jwt",
        "kb+jwt",
        "id_token+jwt",
        "JOSE",
    ],
)
def test_row_20_a_token_that_says_it_is_of_another_kind_is_refused(
    typ: str, verify: Verify, claims: Claims, keys: Mapping[str, JWK]
) -> None:
    for spelling in (typ, typ.upper(), f"application/{typ}"):
        with pytest.raises(WrongType):
            verify(jwt.sign(claims, keys["EdDSA"], typ=spelling))


# 21, 22, 23, 24: extensions nobody needs


@pytest.mark.parametrize(
    "crit", [[], ["foo"], ["exp"], ["alg"], ["b64"], ["foo", "foo"], "foo", None, {}, 1, True, [1], [None]]
)
def test_row_21_crit_is_refused_whatever_it_names(
    crit: object, verify: Verify, claims: Claims, forge: Forge, keys: Mapping[str, JWK]
) -> None:
    with pytest.raises(UnsupportedHeader):
        verify(forge({"alg": "EdDSA", "crit": crit, "foo": 1, "exp": 1}, claims, keys["EdDSA"]))


@pytest.mark.parametrize(
    "extra", [{"b64": False}, {"b64": True}, {"b64": False, "crit": ["b64"]}, {"b64": None}, {"zip": "DEF"}]
)
def test_row_22_b64_and_zip_are_refused(
    extra: dict[str, object], verify: Verify, claims: Claims, forge: Forge, keys: Mapping[str, JWK]
) -> None:
    with pytest.raises(UnsupportedHeader):
        verify(forge({"alg": "EdDSA", **extra}, claims, keys["EdDSA"]))


def test_row_22_detached_and_unencoded_payloads_are_refused(
    verify: Verify, claims: Claims, keys: Mapping[str, JWK]
) -> None:
    head, _payload, signature = jwt.sign(claims, keys["EdDSA"]).split(".")
    with pytest.raises(BadSignature):
        verify(f"{head}..{signature}")
    unencoded = f'{head}.{{"iss":1}}'
    signed = ALGORITHMS["EdDSA"].sign(keys["EdDSA"].native, unencoded.encode())
    with pytest.raises(MalformedToken):
        verify(f"{unencoded}.{encode(signed)}")
    with pytest.raises(MalformedToken):
        verify(jws.sign(b"", keys["EdDSA"]))


def test_row_23_a_token_in_a_token_is_refused(
    verify: Verify, claims: Claims, forge: Forge, keys: Mapping[str, JWK]
) -> None:
    for inner in (jwt.sign(claims, keys["EdDSA"]), _unsigned({"alg": "none"}, claims)):
        for payload in (inner.encode(), json.dumps(inner).encode()):
            with pytest.raises(MalformedToken):
                verify(forge({"alg": "EdDSA", "cty": "JWT"}, payload, keys["EdDSA"]))


def test_row_23_a_key_has_one_purpose(members: Members) -> None:
    for entry in (
        _public(members["RSA"], use="enc"),
        _public(members["RSA"], alg="RSA-OAEP-256"),
        _public(members["RSA"], key_ops=["verify", "encrypt"]),
        _public(members["RSA"], use="sig", key_ops=["wrapKey"]),
    ):
        with pytest.raises(InvalidKey):
            JWK.parse(entry)


@pytest.mark.parametrize("alg", ["dir", "RSA1_5", "RSA-OAEP", "PBES2-HS256+A128KW", "ECDH-ES"])
def test_row_24_encrypted_tokens_are_refused_unread(alg: str, verify: Verify, claims: Claims) -> None:
    header = {"alg": alg, "enc": "A128GCM", "zip": "DEF", "p2c": 2**31 - 1, "p2s": "AAAA"}
    inner = encode(_unsigned({"alg": "none"}, claims).encode())
    with pytest.raises(MalformedToken, match="three parts"):
        verify(f"{encode(json.dumps(header).encode())}.AAAA.AAAA.{inner}.AAAA")
    with pytest.raises((UnsupportedHeader, AlgorithmNotAllowed)):
        verify(_unsigned(header, claims, "AAAA"))
    with pytest.raises(AlgorithmNotAllowed):
        verify(_unsigned({"alg": alg}, claims, "AAAA"))


# 26: timing


@pytest.mark.parametrize("alg", HMAC)
def test_row_26_macs_are_compared_in_constant_time(
    alg: str, keys: Mapping[str, JWK], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    genuine = hmac.compare_digest

    def recording(first: bytes, second: bytes) -> bool:
        compared.append((first, second))
        return genuine(first, second)

    monkeypatch.setattr(hmac, "compare_digest", recording)
    signature = ALGORITHMS[alg].sign(keys[alg].native, b"data")
    assert ALGORITHMS[alg].verify(keys[alg].verifier, b"data", signature)
    assert not ALGORITHMS[alg].verify(keys[alg].verifier, b"data", b"wrong")
    assert compared == [(signature, signature), (signature, b"wrong")]


# 27: one family of errors, and nothing of the token in their texts

REFUSED_KEY = JWK.generate("EdDSA", kid="the-kid-itself")
SPLIT = st.text(max_size=30) | st.binary(max_size=60).map(encode)


@given(
    st.text(max_size=200) | st.binary(max_size=200) | st.lists(SPLIT, min_size=3, max_size=5).map(".".join)
)
def test_row_27_any_token_gives_claims_or_our_error(token: str | bytes) -> None:
    with pytest.raises(JoseError):
        jwt.verify(token, REFUSED_KEY.public(), algorithms=EVERY, issuer="i", audience="a", now=NOW)


DOCUMENTS = st.binary(max_size=80) | st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "exp", "iss", "aud", "crit"]),
    st.none() | st.integers() | st.text(max_size=5),
    max_size=4,
).map(lambda members: json.dumps(members).encode())


@given(DOCUMENTS, DOCUMENTS)
def test_row_27_any_signed_header_and_payload_give_claims_or_our_error(header: bytes, payload: bytes) -> None:
    signing_input = f"{encode(header)}.{encode(payload)}"
    signature = ALGORITHMS["EdDSA"].sign(REFUSED_KEY.native, signing_input.encode())
    with pytest.raises(JoseError):
        jwt.verify(
            f"{signing_input}.{encode(signature)}",
            REFUSED_KEY.public(),
            algorithms=EVERY,
            issuer="i",
            audience="a",
            now=NOW,
        )


def test_row_27_no_text_of_an_error_holds_values_of_the_token_or_key(forge: Forge, members: Members) -> None:
    canary = "canary-7f3a"
    key = JWK.parse({**members["Ed25519"], "kid": "good"})
    good: Claims = {"exp": 4e9, "iss": "i", "aud": "a"}
    tokens = [
        canary,
        f"{canary}.{canary}.{canary}",
        forge({"alg": canary}, good, key),
        forge({"alg": "EdDSA", "kid": canary}, good, key),
        forge({"alg": "EdDSA", "typ": canary}, good, key),
        forge({"alg": "EdDSA", "crit": [canary]}, good, key),
        forge({"alg": "EdDSA", "kid": [canary]}, good, key),
        forge({"alg": "EdDSA"}, canary.encode(), key),
        forge({"alg": "EdDSA"}, f'{{"a":"{canary}'.encode(), key),
        *(
            forge({"alg": "EdDSA"}, {**good, name: canary}, key)
            for name in ("exp", "nbf", "iat", "iss", "aud")
        ),
        *(
            forge({"alg": "EdDSA"}, {**good, name: [canary, 1]}, key)
            for name in ("exp", "iss", "aud", "sub", "jti")
        ),
    ]
    for token in tokens:
        with pytest.raises(JoseError) as refusal:
            jwt.verify(token, JWKS([key]), algorithms=EVERY, issuer="i", audience="a", now=NOW)
        assert canary not in str(refusal.value) + repr(refusal.value)
        assert refusal.value.__cause__ is None
    for name in ("kty", "crv", "alg", "use", "x", "d", "key_ops"):
        with pytest.raises(InvalidKey) as refused:
            JWK.parse({**members["Ed25519"], name: canary})
        assert canary not in str(refused.value)
