import hashlib
import json
from collections.abc import Mapping

import pytest

from gatewright.jose import ALGORITHMS, JWK, JWKS, InvalidKey, jws
from gatewright.jose.encoding import encode

Members = Mapping[str, Mapping[str, object]]

every_algorithm = pytest.mark.parametrize("name", ALGORITHMS)
asymmetric = pytest.mark.parametrize("name", [name for name, row in ALGORITHMS.items() if row.kty != "oct"])

RSA_ALGORITHMS = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}

# RFC 7638, section 3.1, and RFC 8037, appendix A.3
RFC7638_KEY: dict[str, object] = {
    "kty": "RSA",
    "n": (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
        "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA"
        "ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
        "kEgU8awapJzKnqDKgw"
    ),
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
RFC7638_THUMBPRINT = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
RFC8037_THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def _public(members: Mapping[str, object], **more: object) -> dict[str, object]:
    public = {name: value for name, value in members.items() if name in ("kty", "crv", "x", "y", "n", "e")}
    return public | more


def test_thumbprints_are_those_of_the_rfcs(members: Members) -> None:
    assert JWK.parse(RFC7638_KEY).thumbprint() == RFC7638_THUMBPRINT
    assert JWK.parse(members["Ed25519"]).thumbprint() == RFC8037_THUMBPRINT


@pytest.mark.parametrize("kind", ["RSA", "P-256", "P-384", "P-521", "Ed25519", "oct"])
def test_a_thumbprint_is_the_hash_of_the_required_members_in_order(kind: str, members: Members) -> None:
    required = members[kind] if kind == "oct" else _public(members[kind])
    canonical = "{" + ",".join(f'"{name}":"{required[name]}"' for name in sorted(required)) + "}"
    key = JWK.parse(members[kind])
    assert key.thumbprint() == encode(hashlib.sha256(canonical.encode()).digest())
    assert key.to_dict(private=True) == members[kind]


def test_thumbprint_looks_at_the_key_alone(members: Members) -> None:
    plain = JWK.parse(_public(members["P-256"]))
    dressed = JWK.parse(_public(members["P-256"], alg="ES256", use="sig", kid="x", other=[1]))
    assert plain.thumbprint() == dressed.thumbprint()


def test_thumbprint_of_a_secret_is_that_of_kty_and_k(members: Members) -> None:
    assert (
        JWK.parse(members["oct"]).thumbprint() == JWK.parse({**members["oct"], "alg": "HS512"}).thumbprint()
    )
    assert len(JWK.parse(members["oct"]).thumbprint()) == 43


# parse


@every_algorithm
def test_a_generated_key_survives_json(name: str) -> None:
    key = JWK.generate(name)
    again = JWK.parse(json.loads(json.dumps(key.to_dict(private=True))))
    assert again.to_dict(private=True) == key.to_dict(private=True)
    assert (again.kty, again.alg, again.kid, again.use, again.crv) == (
        key.kty,
        name,
        key.kid,
        "sig",
        ALGORITHMS[name].crv,
    )
    signature = ALGORITHMS[name].sign(again.native, b"data")
    assert ALGORITHMS[name].verify(key.verifier, b"data", signature)


def test_a_key_without_alg_may_be_used_with_all_that_fit_it(members: Members) -> None:
    fitting = {
        "RSA": RSA_ALGORITHMS,
        "P-256": {"ES256"},
        "P-384": {"ES384"},
        "P-521": {"ES512"},
        "Ed25519": {"EdDSA", "Ed25519"},
    }
    for kind, algorithms in fitting.items():
        assert JWK.parse(members[kind]).algorithms == algorithms
    assert JWK.parse(members["oct"]).algorithms == {"HS256", "HS384", "HS512"}


@pytest.mark.parametrize("kind", ["RSA", "P-256", "P-384", "P-521", "Ed25519", "oct"])
def test_a_key_with_alg_may_be_used_with_that_one_only_and_it_must_fit(kind: str, members: Members) -> None:
    fitting = JWK.parse(members[kind]).algorithms
    for name in ALGORITHMS:
        if name in fitting:
            assert JWK.parse({**members[kind], "alg": name}).algorithms == {name}
        else:
            with pytest.raises(InvalidKey, match="alg"):
                JWK.parse({**members[kind], "alg": name})


@pytest.mark.parametrize(
    "alg",
    ["none", "", "rs256", "RSA-OAEP", "RSA1_5", "ES256K", "A256GCM", "dir", "Ed448", 256, None, ["RS256"]],
)
def test_unknown_alg_is_refused(alg: object, members: Members) -> None:
    for kind in ("RSA", "Ed25519", "oct"):
        with pytest.raises(InvalidKey):
            JWK.parse({**members[kind], "alg": alg})


@pytest.mark.parametrize("kty", ["rsa", "ec", "OCT", "", "AKP", None, 1, ["RSA"], {"kty": "RSA"}])
def test_unknown_kty_is_refused(kty: object, members: Members) -> None:
    with pytest.raises(InvalidKey, match="kty"):
        JWK.parse({**members["RSA"], "kty": kty})


@pytest.mark.parametrize("kty", ["RSA", "EC", "OKP", "oct"])
def test_the_members_of_another_type_are_no_key(kty: str, members: Members) -> None:
    for other in members.values():
        if other["kty"] != kty:
            with pytest.raises(InvalidKey):
                JWK.parse({**other, "kty": kty})
    with pytest.raises(InvalidKey):
        JWK.parse({"kty": kty})


@pytest.mark.parametrize("use", ["enc", "Sig", "SIG", "", "tls", None, 1, ["sig"]])
def test_a_key_for_another_use_is_refused(use: object, members: Members) -> None:
    with pytest.raises(InvalidKey, match="use"):
        JWK.parse({**members["RSA"], "use": use})


@pytest.mark.parametrize(
    "key_ops",
    [
        [],
        ["encrypt"],
        ["wrapKey", "unwrapKey"],
        ["verify", "encrypt"],
        ["sign", "deriveBits"],
        ["verify", "verify"],
        ["Verify"],
        "verify",
        None,
        [None],
        ["verify", ["sign"]],
        {"verify": True},
    ],
)
def test_key_ops_that_are_not_sign_and_verify_are_refused(key_ops: object, members: Members) -> None:
    with pytest.raises(InvalidKey, match="key_ops"):
        JWK.parse({**members["P-256"], "key_ops": key_ops})


@pytest.mark.parametrize("key_ops", [["verify"], ["sign"], ["sign", "verify"], ["verify", "sign"]])
@pytest.mark.parametrize("use", [{}, {"use": "sig"}])
def test_key_ops_decide_whether_a_key_signs_or_verifies(
    key_ops: list[str], use: dict[str, object], members: Members
) -> None:
    private = JWK.parse({**members["P-256"], "key_ops": key_ops, **use})
    assert (private.can_sign, private.can_verify) == ("sign" in key_ops, "verify" in key_ops)
    public = JWK.parse({**_public(members["P-256"]), "key_ops": key_ops, **use})
    assert (public.can_sign, public.can_verify) == (False, "verify" in key_ops)
    assert public.key_ops == tuple(key_ops)


@pytest.mark.parametrize("kid", ["x" * 256, 1, None, ["a"], {}, True, "\ud800", "a\udfff"])
def test_kid_that_is_no_sound_text_of_255_characters_is_refused(kid: object, members: Members) -> None:
    with pytest.raises(InvalidKey, match="kid"):
        JWK.parse({**members["P-256"], "kid": kid})


@pytest.mark.parametrize(
    "kid", ["", "x" * 255, "../../etc/passwd", "' OR 1=1 --", "a\nb\0c", "é\N{GRINNING FACE}"]
)
def test_kid_is_kept_letter_by_letter(kid: str, members: Members) -> None:
    key = JWK.parse({**members["P-256"], "kid": kid})
    assert key.kid == kid
    assert key.to_dict()["kid"] == kid


def test_unknown_members_are_ignored(members: Members) -> None:
    extra = {"x5c": ["AAAA"], "x5t": 1, "x5u": "file:///etc/passwd", "": None, "ext": True}
    assert JWK.parse({**extra, **members["P-256"]}).to_dict() == JWK.parse(members["P-256"]).to_dict()


@pytest.mark.parametrize("document", [None, 1, "kty", b"{}", [], [("kty", "RSA")], True])
def test_what_is_no_object_is_no_key(document: object) -> None:
    with pytest.raises(InvalidKey, match="JSON object"):
        JWK.parse(document)  # type: ignore[arg-type]  # a member of a hostile set


# generate, symmetric


@every_algorithm
def test_generated_keys_are_private_and_named_by_their_thumbprint(name: str) -> None:
    key = JWK.generate(name)
    assert key.is_private
    assert key.algorithms == {name}
    assert key.kid == key.thumbprint()
    assert (key.alg, key.use, key.key_ops) == (name, "sig", None)
    assert JWK.generate(name, kid="mine").kid == "mine"
    assert JWK.generate(name).thumbprint() != key.thumbprint()


def test_generated_keys_have_the_sizes_they_should() -> None:
    n = JWK.generate("PS512").to_dict()["n"]
    assert isinstance(n, str)
    assert len(n) == 342
    for name, length in (("HS256", 32), ("HS384", 48), ("HS512", 64)):
        native = JWK.generate(name).native
        assert isinstance(native, bytes)
        assert len(native) == length


@pytest.mark.parametrize("alg", ["none", "", "ES256K", "rs256"])
def test_generating_for_an_unknown_algorithm_is_a_mistake_of_the_program(alg: str) -> None:
    with pytest.raises(ValueError, match="alg must be one of"):
        JWK.generate(alg)
    with pytest.raises(ValueError, match="alg must be one of"):
        JWK.symmetric(b"x" * 64, alg=alg)


@asymmetric
def test_a_secret_for_an_asymmetric_algorithm_is_a_mistake_of_the_program(name: str) -> None:
    with pytest.raises(ValueError, match="HS256, HS384 or HS512"):
        JWK.symmetric(b"x" * 64, alg=name)


def test_a_secret_given_as_text_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="bytes"):
        JWK.symmetric("x" * 64, alg="HS256")  # type: ignore[arg-type]  # the mistake


def test_a_kid_beyond_255_characters_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="kid"):
        JWK.generate("HS256", kid="x" * 256)
    with pytest.raises(ValueError, match="kid"):
        JWK.symmetric(b"x" * 32, alg="HS256", kid="x" * 256)


def test_a_kid_of_255_characters_is_kept() -> None:
    assert JWK.generate("HS256", kid="x" * 255).kid == "x" * 255
    assert JWK.symmetric(b"x" * 32, alg="HS256", kid="x" * 255).kid == "x" * 255


def test_a_secret_has_no_kid_unless_given() -> None:
    assert JWK.symmetric(b"x" * 32, alg="HS256").kid is None
    assert JWK.symmetric(b"x" * 32, alg="HS256", kid="k").kid == "k"


def test_a_secret_is_for_signatures_of_its_algorithm_alone() -> None:
    key = JWK.symmetric(b"x" * 64, alg="HS256")
    assert (key.kty, key.alg, key.use, key.key_ops) == ("oct", "HS256", "sig", None)
    assert key.algorithms == {"HS256"}


def test_the_members_of_a_key_say_what_it_is_for(members: Members) -> None:
    for use in ("sig", None):
        about = {"use": use} if use else {}
        key = JWK.parse({**members["Ed25519"], **about, "alg": "EdDSA", "kid": "k"})
        public = {name: value for name, value in members["Ed25519"].items() if name != "d"}
        assert key.public().use == use
        assert key.public().to_dict() == key.to_dict() == {**public, **about, "alg": "EdDSA", "kid": "k"}


# public, to_dict, repr


@asymmetric
def test_the_public_half_has_no_private_members(name: str, keys: Mapping[str, JWK]) -> None:
    public = keys[name].public()
    assert not public.is_private
    assert not public.can_sign
    assert public.can_verify
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(public.to_dict())
    assert public.to_dict() == keys[name].to_dict()
    assert (public.alg, public.kid, public.crv) == (name, name.lower(), ALGORITHMS[name].crv)
    assert public.public().to_dict() == public.to_dict()


@asymmetric
def test_a_public_key_has_no_private_members_to_give(name: str, keys: Mapping[str, JWK]) -> None:
    with pytest.raises(ValueError, match="no private members"):
        keys[name].public().to_dict(private=True)


def test_a_secret_has_no_public_half(keys: Mapping[str, JWK]) -> None:
    with pytest.raises(ValueError, match="no public half"):
        keys["HS256"].public()
    with pytest.raises(ValueError, match="no public half"):
        keys["HS256"].to_dict()


@every_algorithm
def test_nothing_secret_is_in_the_repr(name: str, keys: Mapping[str, JWK], members: Members) -> None:
    shown = repr(keys[name]) + repr(JWKS([keys[name]]))
    kind = ALGORITHMS[name].crv or ALGORITHMS[name].kty
    assert not any(
        str(value) in shown for member, value in members[kind].items() if member not in ("kty", "crv", "e")
    )
    assert "native" not in shown


def test_key_ops_of_a_pair_become_those_of_its_public_half(members: Members) -> None:
    key = JWK.parse({**members["P-256"], "key_ops": ["sign"]})
    assert key.can_sign
    assert not key.can_verify
    assert key.public().key_ops == ("verify",)
    assert key.public().can_verify
    assert key.to_dict()["key_ops"] == ["verify"]
    assert key.to_dict(private=True)["key_ops"] == ["sign"]


def test_a_key_is_immutable(keys: Mapping[str, JWK]) -> None:
    with pytest.raises(AttributeError):
        keys["HS256"].alg = "RS256"  # type: ignore[misc]  # what must not be possible


def test_what_is_signed_with_a_parsed_key_is_verified_with_its_public_half(members: Members) -> None:
    for kind in ("RSA", "P-256", "P-384", "P-521", "Ed25519"):
        key = JWK.parse(members[kind])
        alg = min(key.algorithms)
        token = jws.sign(b"payload", key, alg=alg)
        jws.verify(jws.parse(token), JWK.parse(_public(members[kind])), algorithms=[alg])


def test_a_thumbprint_kid_can_be_computed_from_the_published_key() -> None:
    key = JWK.generate("ES256")
    assert JWK.parse(key.to_dict()).thumbprint() == key.kid
