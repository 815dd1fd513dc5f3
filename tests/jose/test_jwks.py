import json
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.jose import JWK, JWKS, InvalidKey, JoseError, UnknownKey

Members = Mapping[str, Mapping[str, object]]

# Another RSA key than the one of the fixtures.
OTHER_RSA = JWK.generate("RS256").to_dict()


def _public(members: Mapping[str, object], **more: object) -> dict[str, object]:
    public = {name: value for name, value in members.items() if name in ("kty", "crv", "x", "y", "n", "e")}
    return public | more


def _set(*entries: Mapping[str, object], **more: object) -> bytes:
    return json.dumps({"keys": entries, **more}).encode()


def test_a_set_is_read_from_bytes_text_or_members(members: Members) -> None:
    document = _set(_public(members["RSA"], kid="a"), _public(members["P-256"], kid="b"), other=1)
    for form in (document, document.decode(), json.loads(document)):
        assert [key.kid for key in JWKS.parse(form).keys] == ["a", "b"]
    assert JWKS.parse(_set()).keys == ()


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"null",
        b"[]",
        b'"keys"',
        b"{}",
        b'{"keys":null}',
        b'{"keys":{}}',
        b'{"keys":"x"}',
        b"<html></html>",
        b'{"keys":[],"keys":[]}',
        b'{"keys":[{"kty":"RSA","kty":"oct"}]}',
        b'\xef\xbb\xbf{"keys":[]}',
        b'{"keys":[NaN]}',
        b'{"keys":' + b"[" * 100_000,
        b"\xff",
        "\ud800",
        {},
        {"keys": ()},
    ],
)
def test_what_is_no_set_is_refused(document: bytes | str | Mapping[str, object]) -> None:
    with pytest.raises(InvalidKey):
        JWKS.parse(document)
    with pytest.raises(InvalidKey):
        JWKS.parse(document, public_only=True)


def test_a_set_over_the_limits_is_refused(members: Members) -> None:
    entry = _public(members["Ed25519"])
    JWKS.parse(_set(*[entry] * 100))
    with pytest.raises(InvalidKey, match="101 keys"):
        JWKS.parse(_set(*[entry] * 101))
    with pytest.raises(InvalidKey, match="2 keys, at most 1"):
        JWKS.parse(_set(entry, entry), max_keys=1)
    padded = _set(entry, pad="x" * 524_288)
    with pytest.raises(InvalidKey, match="larger than 524288"):
        JWKS.parse(padded)
    with pytest.raises(InvalidKey, match="larger than"):
        JWKS.parse(padded.decode())
    assert len(JWKS.parse(padded, max_bytes=len(padded)).keys) == 1
    with pytest.raises(InvalidKey, match="larger than"):
        JWKS.parse(padded, max_bytes=len(padded) - 1)


def test_a_set_with_one_bad_key_is_refused_as_a_whole(members: Members) -> None:
    with pytest.raises(InvalidKey):
        JWKS.parse(_set(_public(members["RSA"]), {"kty": "RSA"}))
    with pytest.raises(InvalidKey):
        JWKS.parse(_set(_public(members["RSA"], use="enc")))


def test_symmetric_and_asymmetric_keys_do_not_mix(members: Members, keys: Mapping[str, JWK]) -> None:
    with pytest.raises(InvalidKey, match="symmetric and asymmetric"):
        JWKS.parse(_set(members["oct"], _public(members["P-256"])))
    with pytest.raises(InvalidKey, match="symmetric and asymmetric"):
        JWKS([keys["HS256"], keys["RS256"]])
    assert len(JWKS.parse(_set(members["oct"])).keys) == 1


def test_a_public_set_keeps_the_usable_keys_and_says_why_it_skips_others(members: Members) -> None:
    good = _public(members["P-256"], kid="good")
    entries: list[object] = [
        members["oct"],
        members["P-384"],
        {**_public(members["P-384"]), "k": "AAAA"},
        _public(members["RSA"], use="enc", kid="encrypts"),
        _public(members["RSA"], alg="RSA-OAEP"),
        {"kty": "AKP", "alg": "ML-DSA-44"},
        "no key",
        None,
        good,
        {**_public(members["Ed25519"]), "kid": "new\nline" + "x" * 100, "use": 1},
    ]
    parsed = JWKS.parse(json.dumps({"keys": entries}), public_only=True)
    assert [key.kid for key in parsed.keys] == ["good"]
    assert parsed.select(kid="good", alg="ES256").kid == "good"
    assert [reason.split(":")[0].split(" (")[0] for reason in parsed.skipped] == [
        f"key {n}" for n in (0, 1, 2, 3, 4, 5, 6, 7, 9)
    ]
    assert "symmetric" in parsed.skipped[0]
    assert "private" in parsed.skipped[1]
    assert "'encrypts'" in parsed.skipped[3]
    assert "use" in parsed.skipped[3]
    assert all("\n" not in reason and len(reason) < 200 for reason in parsed.skipped)


def test_private_members_are_never_parsed_from_a_public_set(members: Members) -> None:
    for name in ("d", "p", "q", "dp", "dq", "qi", "oth", "k"):
        assert JWKS.parse(_set(_public(members["RSA"], **{name: "AAAA"})), public_only=True).keys == ()


def test_a_published_set_has_public_members_only(keys: Mapping[str, JWK]) -> None:
    published = JWKS([keys["RS256"], keys["ES256"]]).to_dict()
    assert published == {"keys": [keys["RS256"].public().to_dict(), keys["ES256"].public().to_dict()]}
    with pytest.raises(ValueError, match="no public half"):
        JWKS([keys["HS256"]]).to_dict()


# select


def test_a_key_is_chosen_by_kid_and_alg(public_set: JWKS) -> None:
    assert public_set.select(kid="rs256", alg="RS256").kid == "rs256"
    for kid, alg in (
        ("rs256", "PS256"),
        ("RS256", "RS256"),
        ("rs25", "RS256"),
        ("rs256 ", "RS256"),
        ("", "RS256"),
        ("rs256", "none"),
    ):
        with pytest.raises(UnknownKey):
            public_set.select(kid=kid, alg=alg)


def test_without_kid_the_only_key_that_fits_is_chosen(public_set: JWKS, members: Members) -> None:
    assert public_set.select(kid=None, alg="ES384").kid == "es384"
    two = JWKS.parse(_set(_public(OTHER_RSA, kid="a"), _public(members["RSA"], kid="b")))
    with pytest.raises(UnknownKey):
        two.select(kid=None, alg="RS256")
    assert two.select(kid="b", alg="RS256").kid == "b"


def test_a_token_with_kid_never_gets_a_key_without(members: Members) -> None:
    unnamed = JWKS.parse(_set(_public(members["P-256"])))
    with pytest.raises(UnknownKey):
        unnamed.select(kid="any", alg="ES256")
    assert unnamed.select(kid=None, alg="ES256").kid is None


def test_of_two_keys_with_one_kid_and_alg_neither_is_used(members: Members) -> None:
    parsed = JWKS.parse(
        _set(_public(OTHER_RSA, kid="a", alg="RS256"), _public(members["RSA"], kid="a", alg="RS256"))
    )
    with pytest.raises(UnknownKey):
        parsed.select(kid="a", alg="RS256")
    assert parsed.skipped == ("kid 'a': several keys for RS256",)


@pytest.mark.parametrize("turned", [False, True])
def test_keys_with_one_kid_are_told_apart_by_alg(turned: bool, members: Members) -> None:  # noqa: FBT001 - parametrised
    entries = [
        _public(members["RSA"], kid="a", alg="RS256"),
        _public(OTHER_RSA, kid="a", alg="PS256"),
        _public(members["P-256"], kid="a"),
    ]
    parsed = JWKS.parse(_set(*(reversed(entries) if turned else entries)))
    assert [parsed.select(kid="a", alg=alg).kty for alg in ("RS256", "PS256", "ES256")] == [
        "RSA",
        "RSA",
        "EC",
    ]
    assert parsed.select(kid="a", alg="PS256").to_dict()["n"] == OTHER_RSA["n"]
    assert parsed.skipped == ()


def test_an_ambiguous_alg_does_not_spoil_another(members: Members) -> None:
    # The second key, without alg, could serve all six; only for RS256 is there another.
    parsed = JWKS.parse(_set(_public(OTHER_RSA, kid="a", alg="RS256"), _public(members["RSA"], kid="a")))
    with pytest.raises(UnknownKey):
        parsed.select(kid="a", alg="RS256")
    assert parsed.select(kid="a", alg="PS256").to_dict()["n"] == members["RSA"]["n"]


def test_one_key_listed_twice_is_not_ambiguous(members: Members) -> None:
    entry = _public(members["P-256"], kid="a")
    assert JWKS.parse(_set(entry, entry, {**entry, "kid": "b"})).select(kid="a", alg="ES256").kid == "a"
    assert JWKS.parse(_set(entry, {**entry, "kid": "b"})).select(kid=None, alg="ES256").kty == "EC"


def test_three_keys_with_one_kid_stay_ambiguous(members: Members) -> None:
    first, second = _public(OTHER_RSA, kid="a"), _public(members["RSA"], kid="a")
    with pytest.raises(UnknownKey):
        JWKS.parse(_set(first, second, first)).select(kid="a", alg="RS256")


def test_a_key_that_may_only_sign_is_not_chosen(members: Members) -> None:
    parsed = JWKS.parse(_set({**members["P-256"], "key_ops": ["sign"], "kid": "a"}))
    with pytest.raises(UnknownKey):
        parsed.select(kid="a", alg="ES256")
    with pytest.raises(UnknownKey):
        parsed.select(kid=None, alg="ES256")


# any input at all

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["RSA", "EC", "oct", "AQAB", "sig"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
NAMES = (
    "kty",
    "crv",
    "alg",
    "use",
    "key_ops",
    "kid",
    "n",
    "e",
    "d",
    "p",
    "q",
    "dp",
    "dq",
    "qi",
    "x",
    "y",
    "k",
    "oth",
)


@given(
    st.sampled_from(["RSA", "P-256", "P-521", "Ed25519", "oct"]),
    st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4),
)
def test_any_members_give_a_key_or_our_error(kind: str, changes: Mapping[str, object]) -> None:
    _only_our_error(lambda: JWK.parse({**_example(kind), **changes}))
    _only_our_error(lambda: JWK.parse(changes))
    _only_our_error(lambda: JWKS.parse({"keys": [_example(kind), changes, None]}))
    JWKS.parse({"keys": [{**_example(kind), **changes}, changes]}, public_only=True)


@given(st.binary(max_size=100) | st.text(max_size=100) | JSON.map(json.dumps))
def test_any_document_gives_a_set_or_our_error(document: bytes | str) -> None:
    _only_our_error(lambda: JWKS.parse(document))
    _only_our_error(lambda: JWKS.parse(document, public_only=True))


EXAMPLES = {
    name: JWK.generate(alg).to_dict(private=True)
    for name, alg in (
        ("RSA", "RS256"),
        ("P-256", "ES256"),
        ("P-521", "ES512"),
        ("Ed25519", "EdDSA"),
        ("oct", "HS256"),
    )
}


def _example(kind: str) -> dict[str, object]:
    return EXAMPLES[kind]


def _only_our_error(call: Callable[[], object]) -> None:
    try:
        call()
    except JoseError as error:
        assert error.code  # noqa: PT017 - which of our errors does not matter here
