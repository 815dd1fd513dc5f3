import json
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError

import pytest

from gatewright.jose import (
    ALGORITHMS,
    JWK,
    AlgorithmNotAllowed,
    BadSignature,
    InvalidKey,
    MalformedToken,
    UnknownKey,
    UnsupportedHeader,
    jws,
)
from gatewright.jose.encoding import decode, encode

Forge = Callable[..., str]

every_algorithm = pytest.mark.parametrize("name", ALGORITHMS)

# RFC 7515, appendices A.1 to A.4, and RFC 8037, A.4.
JOE = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
RFC_TOKENS = {
    "HS256": ("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", JOE, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
    "RS256": (
        "eyJhbGciOiJSUzI1NiJ9",
        JOE,
        (
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdb"
            "F9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383"
            "LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWy"
            "wlVmtVrBp0igcN_IoypGlUPQGe77Rw"
        ),
    ),
    "ES256": (
        "eyJhbGciOiJFUzI1NiJ9",
        JOE,
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    ),
    "ES512": (
        "eyJhbGciOiJFUzUxMiJ9",
        "UGF5bG9hZA",
        (
            "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgo"
            "XD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
        ),
    ),
    "EdDSA": (
        "eyJhbGciOiJFZERTQSJ9",
        "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    ),
}
DETERMINISTIC = ("HS256", "RS256", "EdDSA")


def _kind(name: str) -> str:
    return ALGORITHMS[name].crv or ALGORITHMS[name].kty


def _segment(header: object) -> str:
    return encode(header if isinstance(header, bytes) else json.dumps(header).encode())


# The RFCs' own tokens


@pytest.mark.parametrize("name", RFC_TOKENS)
def test_the_examples_of_the_rfcs_verify(name: str, members: Mapping[str, Mapping[str, object]]) -> None:
    parsed = jws.parse(".".join(RFC_TOKENS[name]))
    jws.verify(parsed, JWK.parse(members[_kind(name)]), algorithms=[name])
    assert parsed.payload == decode(RFC_TOKENS[name][1])
    assert (parsed.alg, parsed.kid) == (name, None)


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_deterministic_algorithms_make_the_signatures_of_the_rfcs(
    name: str, members: Mapping[str, Mapping[str, object]]
) -> None:
    head, payload, signature = RFC_TOKENS[name]
    key = JWK.parse(members[_kind(name)])
    assert encode(ALGORITHMS[name].sign(key.native, f"{head}.{payload}".encode())) == signature


# parse


@pytest.mark.parametrize("form", [str, str.encode])
def test_the_parts_are_decoded(form: Callable[[str], str | bytes]) -> None:
    head = _segment({"typ": "at+jwt", "alg": "RS256", "kid": "k", "x": [1]})
    parsed = jws.parse(form(f"{head}.AQID.BAUG"))
    assert parsed.header == {"typ": "at+jwt", "alg": "RS256", "kid": "k", "x": [1]}
    assert (parsed.alg, parsed.kid, parsed.typ) == ("RS256", "k", "at+jwt")
    assert (parsed.payload, parsed.signature) == (b"\x01\x02\x03", b"\x04\x05\x06")
    assert parsed.signing_input == f"{head}.AQID".encode()


@pytest.mark.parametrize(
    "token", ["", ".", "..", "...", "a", "a.b", "a.b.c.d", "a.b.c.d.e", " . . ", "é.é.é", "\x00.\x00.\x00"]
)
def test_what_is_not_three_parts_is_refused(token: str) -> None:
    with pytest.raises(MalformedToken):
        jws.parse(token)
    with pytest.raises(MalformedToken):
        jws.parse(token.encode())


@pytest.mark.parametrize(
    "broken",
    [
        "{}.AQID=.BAUG",
        "{}.AQID.BAUG=",
        " {}.AQID.BAUG",
        "{}.AQ ID.BAUG",
        "{}.AQID.BAUG\n",
        "{}.AQI/.BAUG",
        "{}.AR.BAUG",
        "{}.A.BAUG",
        "{}=.AQID.BAUG",
    ],
)
def test_a_part_that_is_no_canonical_base64url_is_refused(broken: str) -> None:
    with pytest.raises(MalformedToken):
        jws.parse(broken.format(_segment({"alg": "RS256"})))


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"null",
        b"[]",
        b'"alg"',
        b"{",
        b"{}",
        b'{"typ":"JWT"}',
        b'{"alg":null}',
        b'{"alg":5}',
        b'{"alg":["RS256"]}',
        b'{"alg":{"a":1}}',
        b'{"alg":true}',
        b'{"ALG":"RS256"}',
        b'{"alg":"none","alg":"RS256"}',
        b'{"alg":"RS256","kid":1}',
        b'{"alg":"RS256","kid":null}',
        b'{"alg":"RS256","kid":{}}',
        b'{"alg":"RS256","kid":["a"]}',
        b'{"alg":"RS256","typ":null}',
        b'{"alg":"RS256","typ":1}',
        b'{"alg":"RS256","x":NaN}',
        b'{"alg":"RS256","x":1e999}',
        b'{"alg":"RS256","x":"\\ud800"}',
        b'{"alg":"RS256"}x',
        b'\xef\xbb\xbf{"alg":"RS256"}',
        '{"alg":"RS256"}'.encode("utf-16"),
        b'{"alg":"RS256","x":"\xff"}',
    ],
)
def test_a_header_that_is_no_sound_object_with_alg_is_refused(header: bytes) -> None:
    with pytest.raises(MalformedToken):
        jws.parse(f"{_segment(header)}.AQID.BAUG")


def test_kid_may_have_255_characters_and_no_more() -> None:
    assert jws.parse(f"{_segment({'alg': 'RS256', 'kid': 'x' * 255})}.AQID.BAUG").kid == "x" * 255
    with pytest.raises(MalformedToken, match="kid"):
        jws.parse(f"{_segment({'alg': 'RS256', 'kid': 'x' * 256})}.AQID.BAUG")


@pytest.mark.parametrize("member", ["crit", "b64", "zip"])
@pytest.mark.parametrize("value", [None, [], ["exp"], True, False, "DEF", {}])
def test_crit_b64_and_zip_are_refused_whatever_they_say(member: str, value: object) -> None:
    with pytest.raises(UnsupportedHeader, match=member):
        jws.parse(f"{_segment({'alg': 'RS256', member: value})}.AQID.BAUG")


def test_the_length_limit_counts_characters_and_can_be_chosen() -> None:
    token = f"{_segment({'alg': 'RS256'})}.AQID.BAUG"
    jws.parse(token, max_length=len(token))
    for form in (token, token.encode()):
        with pytest.raises(MalformedToken, match="longer than"):
            jws.parse(form, max_length=len(token) - 1)
    full = f"{_segment({'alg': 'RS256', 'x': 'y' * 4000})}."
    longest = full + "A" * ((16384 - len(full) - 5) // 4 * 4) + ".BAUG"
    jws.parse(longest)
    with pytest.raises(MalformedToken, match="longer than 16384"):
        jws.parse(longest + "A" * 8)


def test_what_a_caller_does_to_one_header_is_not_seen_by_the_next() -> None:
    for header in ({"alg": "RS256", "kid": "k"}, {"alg": "RS256", "jwk": {"kty": "RSA"}, "x5c": ["a"]}):
        token = f"{_segment(header)}.AQID.BAUG"
        first = jws.parse(token)
        first.header["alg"] = "none"
        for value in first.header.values():
            if isinstance(value, list):
                value.append("b")
            if isinstance(value, dict):
                value["kty"] = "oct"
        assert jws.parse(token).header == header


def test_a_large_header_is_read_too() -> None:
    header = {"alg": "RS256", "x": "y" * 2000}
    assert jws.parse(f"{_segment(header)}.AQID.BAUG").header == header


def test_parsing_twice_gives_the_same_refusal() -> None:
    for _ in range(2):
        with pytest.raises(UnsupportedHeader):
            jws.parse(f"{_segment({'alg': 'RS256', 'crit': ['a']})}.AQID.BAUG")


def test_a_parsed_token_is_immutable_and_shows_neither_payload_nor_signature() -> None:
    parsed = jws.parse(f"{_segment({'alg': 'RS256'})}.c2VjcmV0.BAUG")
    assert "secret" not in repr(parsed)
    assert "BAUG" not in repr(parsed)
    assert "c2Vj" not in repr(parsed)
    with pytest.raises(FrozenInstanceError):
        parsed.alg = "none"  # type: ignore[misc]  # what must not be possible


# check_algorithm and verify


@every_algorithm
def test_a_signed_token_verifies_with_the_public_half_or_the_secret(
    name: str, keys: Mapping[str, JWK]
) -> None:
    token = jws.sign(b"payload", keys[name])
    parsed = jws.parse(token)
    assert parsed.header == {"alg": name, "kid": name.lower()}
    jws.verify(parsed, keys[name], algorithms=[name])
    if keys[name].kty != "oct":
        jws.verify(parsed, keys[name].public(), algorithms=list(ALGORITHMS))


@every_algorithm
def test_an_algorithm_that_is_not_listed_is_refused(name: str, keys: Mapping[str, JWK]) -> None:
    parsed = jws.parse(jws.sign(b"payload", keys[name]))
    others = [other for other in ALGORITHMS if other != name]
    with pytest.raises(AlgorithmNotAllowed):
        jws.verify(parsed, keys[name], algorithms=others)
    with pytest.raises(AlgorithmNotAllowed):
        jws.check_algorithm(parsed, others)
    jws.check_algorithm(parsed, {name})


@every_algorithm
def test_a_key_of_another_algorithm_is_refused(name: str, keys: Mapping[str, JWK]) -> None:
    parsed = jws.parse(jws.sign(b"payload", keys[name]))
    for other in ALGORITHMS:
        if other != name:
            with pytest.raises(AlgorithmNotAllowed, match="key"):
                jws.verify(parsed, keys[other], algorithms=list(ALGORITHMS))


@pytest.mark.parametrize(
    "algorithms",
    [["none"], ["RS256", "none"], ["None"], ["rs256"], ["RS256 "], [""], [], (), ["dir"], [None]],
)
def test_a_list_with_none_or_an_unknown_name_is_a_mistake_of_the_program(
    algorithms: list[str], keys: Mapping[str, JWK]
) -> None:
    parsed = jws.parse(jws.sign(b"payload", keys["RS256"]))
    with pytest.raises(ValueError, match="algorithms must name"):
        jws.verify(parsed, keys["RS256"], algorithms=algorithms)


def test_one_string_instead_of_a_list_is_a_mistake_of_the_program(keys: Mapping[str, JWK]) -> None:
    with pytest.raises(TypeError, match="not one string"):
        jws.verify(jws.parse(jws.sign(b"", keys["RS256"])), keys["RS256"], algorithms="RS256")


def test_a_token_that_names_another_key_is_refused(
    forge: Forge, members: Mapping[str, Mapping[str, object]]
) -> None:
    named, unnamed = JWK.parse({**members["Ed25519"], "kid": "a"}), JWK.parse(members["Ed25519"])
    for header_kid, key, fits in (
        ("a", named, True),
        ("b", named, False),
        ("b", unnamed, True),
        (None, named, True),
    ):
        header = {"alg": "EdDSA"} if header_kid is None else {"alg": "EdDSA", "kid": header_kid}
        parsed = jws.parse(forge(header, b"{}", key))
        if fits:
            jws.verify(parsed, key, algorithms=["EdDSA"])
        else:
            with pytest.raises(UnknownKey):
                jws.verify(parsed, key, algorithms=["EdDSA"])


def test_a_key_that_may_only_sign_does_not_verify(members: Mapping[str, Mapping[str, object]]) -> None:
    key = JWK.parse({**members["P-256"], "key_ops": ["sign"]})
    parsed = jws.parse(jws.sign(b"payload", key))
    with pytest.raises(InvalidKey, match="key_ops"):
        jws.verify(parsed, key, algorithms=["ES256"])
    jws.verify(parsed, key.public(), algorithms=["ES256"])


@every_algorithm
def test_an_empty_or_foreign_signature_is_refused(name: str, keys: Mapping[str, JWK]) -> None:
    token = jws.sign(b"payload", keys[name])
    signing_input = token.rpartition(".")[0]
    foreign = jws.sign(b"other", keys[name]).rpartition(".")[2]
    for signature in ("", "AA", foreign):
        with pytest.raises(BadSignature):
            jws.verify(jws.parse(f"{signing_input}.{signature}"), keys[name], algorithms=[name])


# sign


def test_the_header_is_alg_then_what_is_given_then_kid(keys: Mapping[str, JWK]) -> None:
    head = jws.sign(b"", keys["EdDSA"], header={"typ": "at+jwt", "x": "é"}).partition(".")[0]
    assert decode(head) == b'{"alg":"EdDSA","typ":"at+jwt","x":"\\u00e9","kid":"eddsa"}'


def test_a_key_without_kid_lets_the_header_name_one(members: Mapping[str, Mapping[str, object]]) -> None:
    key = JWK.parse(members["P-256"])
    assert jws.parse(jws.sign(b"", key)).header == {"alg": "ES256"}
    assert jws.parse(jws.sign(b"", key, header={"kid": "mine"})).kid == "mine"


def test_a_header_that_contradicts_the_key_or_needs_understanding_is_refused(keys: Mapping[str, JWK]) -> None:
    headers: list[dict[str, object]] = [
        {"alg": "EdDSA"},
        {"kid": "other"},
        {"crit": []},
        {"b64": False},
        {"zip": "DEF"},
    ]
    for header in headers:
        with pytest.raises(ValueError, match="header"):
            jws.sign(b"", keys["EdDSA"], header=header)
    jws.sign(b"", keys["EdDSA"], header={"kid": "eddsa"})


def test_a_header_that_is_no_json_is_refused(keys: Mapping[str, JWK]) -> None:
    with pytest.raises(ValueError, match="JSON"):
        jws.sign(b"", keys["EdDSA"], header={"x": float("nan")})


@pytest.mark.parametrize("key_ops", [["verify"], None])
def test_a_key_that_must_not_sign_does_not(
    key_ops: list[str] | None, members: Mapping[str, Mapping[str, object]]
) -> None:
    key = (
        JWK.parse({**members["P-256"], "key_ops": key_ops})
        if key_ops
        else JWK.parse(members["P-256"]).public()
    )
    with pytest.raises(InvalidKey, match="sign"):
        jws.sign(b"", key)


def test_alg_is_needed_where_two_fit() -> None:
    with pytest.raises(ValueError, match="say which"):
        jws.sign(b"", JWK.parse({"kty": "oct", "k": encode(b"x" * 48)}))


def test_alg_is_needed_where_several_fit_and_must_fit(members: Mapping[str, Mapping[str, object]]) -> None:
    key = JWK.parse(members["RSA"])
    with pytest.raises(ValueError, match="say which"):
        jws.sign(b"", key)
    assert jws.parse(jws.sign(b"", key, alg="PS384")).alg == "PS384"
    with pytest.raises(AlgorithmNotAllowed):
        jws.sign(b"", key, alg="ES256")
    for unknown in ("none", "", "rs256"):
        with pytest.raises(ValueError, match="alg must be one of"):
            jws.sign(b"", key, alg=unknown)
