import json
from collections.abc import Callable, Mapping
from typing import Any

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
    JoseError,
    MalformedToken,
    NotYetValid,
    UnknownKey,
    UntrustedIssuer,
    WrongAudience,
    WrongType,
    jws,
    jwt,
)

Forge = Callable[..., str]
Claims = dict[str, object]

NOW = 1_700_000_000.0
EXP = {"exp": NOW + 600}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_good_token_gives_its_claims(
    name: str, keys: Mapping[str, JWK], claims: Claims, expectations: dict[str, Any]
) -> None:
    token = jwt.sign(claims, keys[name])
    key = keys[name] if keys[name].kty == "oct" else keys[name].public()
    for form in (token, token.encode()):
        for given_keys in (key, JWKS([key])):
            assert jwt.verify(form, given_keys, algorithms=[name], **expectations) == claims


def test_the_signed_token_is_compact_and_keeps_the_order_of_claims(keys: Mapping[str, JWK]) -> None:
    parsed = jws.parse(jwt.sign({"b": 1, "a": ["é"]}, keys["EdDSA"]))
    assert parsed.payload == '{"b":1,"a":["é"]}'.encode()
    assert parsed.header == {"alg": "EdDSA", "typ": "JWT", "kid": "eddsa"}
    assert jws.parse(jwt.sign({}, keys["EdDSA"], typ="at+jwt")).typ == "at+jwt"
    assert "typ" not in jws.parse(jwt.sign({}, keys["EdDSA"], typ=None)).header


def test_a_key_that_fits_several_algorithms_signs_with_the_one_that_is_named(
    members: Mapping[str, Mapping[str, object]],
) -> None:
    assert jws.parse(jwt.sign({}, JWK.parse(members["RSA"]), alg="PS384")).alg == "PS384"


def test_the_key_is_looked_for_by_the_kid_of_the_token(
    keys: Mapping[str, JWK], claims: Claims, expectations: dict[str, Any]
) -> None:
    other = JWK.generate("EdDSA", kid="other")
    token = jwt.sign(claims, keys["EdDSA"])
    both = JWKS([other.public(), keys["EdDSA"].public()])
    assert jwt.verify(token, both, algorithms=["EdDSA"], **expectations) == claims
    with pytest.raises(UnknownKey):
        jwt.verify(token, JWKS([other.public()]), algorithms=["EdDSA"], **expectations)


def test_the_greatest_length_of_a_token_can_be_chosen(
    keys: Mapping[str, JWK], claims: Claims, expectations: dict[str, Any]
) -> None:
    token, key = jwt.sign(claims, keys["EdDSA"]), keys["EdDSA"].public()
    assert jwt.verify(token, key, algorithms=["EdDSA"], max_length=len(token), **expectations) == claims
    with pytest.raises(MalformedToken, match="longer"):
        jwt.verify(token, key, algorithms=["EdDSA"], max_length=len(token) - 1, **expectations)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", object()])
def test_claims_that_are_no_json_are_not_signed(value: object, keys: Mapping[str, JWK]) -> None:
    with pytest.raises((ValueError, TypeError)):
        jwt.sign({"a": value}, keys["EdDSA"])
    with pytest.raises(ValueError, match="surrogate"):
        jwt.sign({"a": "\ud800"}, keys["EdDSA"])


# Order: what is wrong first is said first


def test_the_signature_is_judged_before_the_claims(
    keys: Mapping[str, JWK], forge: Forge, expectations: dict[str, Any]
) -> None:
    other = JWK.generate("HS256")
    for claims in (b"no json", {}, {"exp": 1}, {"iss": "other", **EXP}):
        with pytest.raises(BadSignature):
            jwt.verify(
                forge({"alg": "HS256"}, claims, other), keys["HS256"], algorithms=["HS256"], **expectations
            )


def test_the_algorithm_is_judged_before_a_key_is_looked_for(
    keys: Mapping[str, JWK], claims: Claims, expectations: dict[str, Any]
) -> None:
    with pytest.raises(AlgorithmNotAllowed):
        jwt.verify(jwt.sign(claims, keys["HS256"]), JWKS([]), algorithms=["RS256"], **expectations)
    with pytest.raises(UnknownKey):
        jwt.verify(jwt.sign(claims, keys["HS256"]), JWKS([]), algorithms=["HS256"], **expectations)


def test_type_then_time_then_issuer_then_audience(accept: Callable[..., Claims]) -> None:
    wrong = {"exp": NOW - 600, "iss": "other", "aud": "other"}
    for claims, typ, error in (
        (wrong, "dpop+jwt", WrongType),
        (wrong, "JWT", Expired),
        ({**wrong, **EXP}, "JWT", UntrustedIssuer),
        ({**wrong, **EXP, "iss": "https://issuer.example/"}, "JWT", WrongAudience),
    ):
        with pytest.raises(error):
            accept(claims, typ=typ)


# claims


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"1",
        b"{",
        b'{"a":1,"a":2}',
        b"\xff",
        b"{}{}",
        '{"exp":1}'.encode("utf-16"),
    ],
)
def test_a_payload_that_is_no_sound_object_is_refused(payload: bytes, accept: Callable[..., Claims]) -> None:
    with pytest.raises(MalformedToken):
        accept(payload)


def test_claims_of_an_unverified_token_can_be_read(forge: Forge, keys: Mapping[str, JWK]) -> None:
    assert jwt.claims(jws.parse(forge({"alg": "HS256"}, {"iss": "x"}, keys["HS256"]))) == {"iss": "x"}


# check_type

ACCEPTED_TYPES = [
    None,
    "JWT",
    "jwt",
    "Jwt",
    "at+jwt",
    "AT+JWT",
    "application/at+jwt",
    "Application/At+Jwt",
    "application/jwt",
]
REFUSED_TYPES = [
    "",
    " ",
    "JWT ",
    "dpop+jwt",
    "logout+jwt",
    "client-authentication+jwt",
    "id_token",
    "oauth-authz-req+jwt",
    "secevent+jwt",
    "token-introspection+jwt",
    "kb+jwt",
    "JOSE",
    "JOSE+JSON",
    "application/",
    "application/application/at+jwt",
    "application/x/at+jwt",
    "text/at+jwt",
    "at jwt",
    "at+jwt;x=1",
    "a\u0442+jwt",
    "\N{KELVIN SIGN}",
]


@pytest.mark.parametrize("typ", ACCEPTED_TYPES)
def test_an_access_token_type_is_accepted_in_any_case(
    typ: str | None, claims: Claims, accept: Callable[..., Claims]
) -> None:
    assert accept(claims, typ=typ) == claims


@pytest.mark.parametrize("typ", REFUSED_TYPES)
def test_any_other_type_is_refused(typ: str, claims: Claims, accept: Callable[..., Claims]) -> None:
    with pytest.raises(WrongType):
        accept(claims, typ=typ)


def test_the_types_can_be_chosen(claims: Claims, accept: Callable[..., Claims]) -> None:
    assert accept(claims, typ="application/At+jwt", types=["AT+JWT"]) == claims
    assert accept(claims, typ=None, types=("JWT",)) == claims
    for typ in (None, "JWT"):
        with pytest.raises(WrongType):
            accept(claims, typ=typ, types=["at+jwt"])


def test_case_is_that_of_ascii(claims: Claims, accept: Callable[..., Claims]) -> None:
    assert "\N{KELVIN SIGN}b+jwt".lower() == "kb+jwt"
    with pytest.raises(WrongType):
        accept(claims, typ="\N{KELVIN SIGN}b+jwt", types=["kb+jwt"])


@pytest.mark.parametrize(
    ("types", "error"), [("JWT", TypeError), ([], ValueError), ([""], ValueError), ([None], TypeError)]
)
def test_no_types_are_a_mistake_of_the_program(
    types: object, error: type[Exception], claims: Claims, accept: Callable[..., Claims]
) -> None:
    with pytest.raises(error):
        accept(claims, types=types)


# check_types

NOT_TEXT: list[object] = [None, 1, 1.5, True, [], ["x"], {}]
NOT_NUMBERS: list[object] = [
    None,
    "1700000600",
    "",
    True,
    False,
    [],
    [1700000600],
    {},
    2.0**53 * 2,
    1e300,
    -1e300,
]


@pytest.mark.parametrize("name", ["iss", "sub", "jti"])
@pytest.mark.parametrize("value", NOT_TEXT)
def test_a_text_claim_of_another_type_is_refused(
    name: str, value: object, claims: Claims, accept: Callable[..., Claims]
) -> None:
    with pytest.raises(BadClaim, match=name):
        accept({**claims, name: value})


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", NOT_NUMBERS)
def test_a_time_claim_that_is_no_number_in_range_is_refused(
    name: str, value: object, claims: Claims, accept: Callable[..., Claims]
) -> None:
    with pytest.raises(BadClaim, match=name):
        accept({**claims, name: value})


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 2**53 + 1])
def test_time_claims_given_directly_are_judged_alike(name: str, value: float) -> None:
    with pytest.raises(BadClaim, match=name):
        jwt.check_types({**EXP, name: value})


@pytest.mark.parametrize(
    "value", [None, 1, True, {}, ["x", 1], [None], [["x"]], ["x", "https://blog-api", True]]
)
def test_an_audience_that_is_no_text_nor_list_of_texts_is_refused(
    value: object, claims: Claims, accept: Callable[..., Claims]
) -> None:
    with pytest.raises(BadClaim, match="aud"):
        accept({**claims, "aud": value})
    with pytest.raises(BadClaim, match="aud"):
        jwt.check_audience({"aud": value}, audience="https://blog-api")
    with pytest.raises(BadClaim, match="aud"):
        jwt.check_types({**EXP, "aud": value})


@pytest.mark.parametrize("exp", [NOW + 600, int(NOW) + 600, NOW + 0.5, 2**53, float(2**53)])
def test_numbers_whole_or_not_are_times(exp: float, claims: Claims, accept: Callable[..., Claims]) -> None:
    assert accept({**claims, "exp": exp, "nbf": NOW - 0.5, "iat": 0})["exp"] == exp


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_times_reach_to_two_to_the_53_either_way(name: str) -> None:
    for edge in (2**53, -(2**53)):
        jwt.check_types({**EXP, name: edge})
    with pytest.raises(BadClaim):
        jwt.check_types({**EXP, name: -(2**53) - 1})


def test_a_token_without_exp_is_refused(claims: Claims, accept: Callable[..., Claims]) -> None:
    del claims["exp"]
    with pytest.raises(BadClaim, match="exp is missing"):
        accept(claims)
    with pytest.raises(BadClaim, match="exp is missing"):
        jwt.check_time({}, now=NOW)
    with pytest.raises(BadClaim, match="exp is missing"):
        jwt.check_types({"iss": "x"})


# check_time


@pytest.mark.parametrize("leeway", [0, 0.0, 5, 30.0, 60])
def test_exp_is_over_when_now_reaches_exp_and_leeway(leeway: float) -> None:
    for claim, error in (({"exp": NOW}, Expired),):
        jwt.check_time(claim, now=NOW + leeway - 0.001, leeway=leeway)
        for late in (0, 0.001, 1, 1e6):
            with pytest.raises(error):
                jwt.check_time(claim, now=NOW + leeway + late, leeway=leeway)


@pytest.mark.parametrize("leeway", [0, 0.0, 5, 30.0, 60])
def test_nbf_is_reached_at_nbf_less_leeway(leeway: float) -> None:
    claims = {"exp": NOW + 10_000, "nbf": NOW}
    jwt.check_time(claims, now=NOW - leeway, leeway=leeway)
    for early in (0.001, 1, 1e6):
        with pytest.raises(NotYetValid):
            jwt.check_time(claims, now=NOW - leeway - early, leeway=leeway)


def test_iat_in_the_future_is_not_judged(claims: Claims, accept: Callable[..., Claims]) -> None:
    assert accept({**claims, "iat": NOW + 3600})["iat"] == NOW + 3600


def test_thirty_seconds_are_the_default_leeway(claims: Claims, accept: Callable[..., Claims]) -> None:
    accept({**claims, "exp": NOW - 29})
    with pytest.raises(Expired):
        accept({**claims, "exp": NOW - 30})
    accept({**claims, "exp": NOW - 44}, leeway=45)


@pytest.mark.parametrize(
    ("now", "leeway"),
    [(NOW, -1), (float("nan"), 0), (float("inf"), 0), (NOW, float("nan")), (NOW, float("inf"))],
)
def test_a_clock_that_tells_no_time_is_a_mistake_of_the_program(now: float, leeway: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        jwt.check_time(EXP, now=now, leeway=leeway)


# any claims at all

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "other"]), JSON))
def test_any_claims_are_accepted_or_refused_with_our_error(found: dict[str, object]) -> None:
    key = JWK.symmetric(b"x" * 32, alg="HS256")
    token = jws.sign(json.dumps(found).encode(), key, header={"typ": "JWT"})
    try:
        verified = jwt.verify(token, key, algorithms=["HS256"], issuer="i", audience="a", now=NOW)
    except JoseError as error:
        assert error.code  # noqa: PT017 - which of our errors does not matter here
    else:
        assert verified["iss"] == "i"
