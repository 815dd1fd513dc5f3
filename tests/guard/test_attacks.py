"""The attacks of the threat list on a guard, one test or more for each; the numbers are the list's."""

from __future__ import annotations

import base64
import dataclasses
import hmac
import itertools
import json
import tracemalloc
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import serialization as ser

from gatewright.guard import Denied, Guard, Request
from gatewright.jose import JWK, JWKS, jwt
from tests.guard.issuing import (
    AUDIENCE,
    ISSUER,
    NOW,
    REMOVED,
    Clock,
    StubIssuer,
    bearer,
    claims,
    guard,
    key,
    raw_token,
    segment,
    token,
)

ALL_ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


def reason(sent: str, *, by: Guard | None = None) -> str:
    """Why the token is refused, or "entered"."""
    try:
        (by or guard()).check(Request("GET", "/", bearer(sent)))
    except Denied as refusal:
        return refusal.reason
    return "entered"


def with_header(header: object, *, sent: str | None = None) -> str:
    """A sound token whose header has been exchanged; its signature cannot fit."""
    _, payload, signature = (sent or token()).split(".")
    return f"{segment(header)}.{payload}.{signature}"


def unsigned(alg: object) -> str:
    return f"{segment({'alg': alg, 'typ': 'JWT'})}.{segment(claims())}."


# 1. alg none


@pytest.mark.parametrize(
    "alg", ["".join(word) for word in itertools.product("nN", "oO", "nN", "eE")] + ["", "none "]
)
def test_alg_none_in_any_spelling_is_refused_before_a_key_is_looked_for(alg: str) -> None:
    def keys() -> JWKS:
        raise AssertionError("a key was looked for")

    assert reason(unsigned(alg), by=guard(keys=keys)) == "alg_not_allowed"
    assert reason(with_header({"alg": alg, "kid": "k1"}), by=guard(keys=keys)) == "alg_not_allowed"


@pytest.mark.parametrize("alg", [None, 0, ["RS256"], {"a": 1}, True])
def test_an_alg_that_is_no_string_is_malformed(alg: object) -> None:
    assert reason(unsigned(alg)) == "malformed"


def test_a_missing_alg_is_malformed() -> None:
    assert reason(with_header({"typ": "JWT"})) == "malformed"


def test_none_cannot_even_be_allowed() -> None:
    for name in ("none", "None"):
        with pytest.raises(ValueError, match="algorithms"):
            guard(algorithms=(name,))


# 2. HS with the public key


def public_spellings(public: JWK) -> Iterator[bytes]:
    native = public.native
    pem = native.public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)  # type: ignore[union-attr]
    yield pem
    yield pem.rstrip()
    yield pem.replace(b"\n", b"\r\n")
    yield native.public_bytes(ser.Encoding.PEM, ser.PublicFormat.PKCS1)  # type: ignore[union-attr]
    yield native.public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)  # type: ignore[union-attr]
    yield native.public_bytes(ser.Encoding.OpenSSH, ser.PublicFormat.OpenSSH)  # type: ignore[union-attr]
    yield json.dumps(public.to_dict()).encode()
    yield str(public.to_dict()["n"]).encode()
    yield base64.urlsafe_b64decode(str(public.to_dict()["n"]) + "==")
    yield b""


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("spelling", range(10))
def test_a_mac_made_with_the_public_key_is_refused(alg: str, spelling: int) -> None:
    secret = list(public_spellings(key().public()))[spelling]
    signing_input = f"{segment({'alg': alg, 'typ': 'JWT', 'kid': 'k1'})}.{segment(claims())}"
    mac = hmac.digest(secret, signing_input.encode(), alg.replace("HS", "sha"))
    sent = f"{signing_input}.{segment(mac)}"
    assert reason(sent) == "alg_not_allowed"
    # Even where HS is allowed beside it, the key takes no part in it.
    mixed = guard(algorithms=("RS256", alg))
    assert reason(sent, by=mixed) == "unknown_key"


def test_a_symmetric_and_a_public_key_cannot_share_a_set() -> None:
    from gatewright.jose import InvalidKey  # noqa: PLC0415 - beside its only use

    with pytest.raises(InvalidKey):
        JWKS([key(), JWK.symmetric(bytes(32), alg="HS256")])


def test_hs_without_a_secret_is_refused_when_the_guard_is_built() -> None:
    with pytest.raises(ValueError, match="secret"):
        Guard(ISSUER, audience=AUDIENCE, algorithms=("HS256",))


# 3. and 4. the header's alg and the key's


@pytest.mark.parametrize("alg", [alg for alg in ALL_ASYMMETRIC if alg != "RS256"])
def test_a_header_that_names_another_algorithm_than_the_keys_is_refused(alg: str) -> None:
    sent = with_header({"alg": alg, "typ": "JWT", "kid": "k1"})
    assert reason(sent, by=guard(algorithms=("RS256", alg))) == "unknown_key"


def test_a_key_without_alg_serves_only_what_fits_it_and_is_allowed() -> None:
    bare = JWK.parse({name: value for name, value in key().to_dict().items() if name != "alg"})
    by = guard(keys=JWKS([bare]), algorithms=("RS256", "ES256"))
    assert reason(token(), by=by) == "entered"
    private = key().to_dict(private=True)
    del private["alg"]
    for alg in ("PS256", "RS512"):
        sent = jwt.sign(claims(), JWK.parse(private), alg=alg)
        assert reason(sent, by=by) == "alg_not_allowed"


# 5. kid


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "k1' OR '1'='1",
        "k1\x00",
        "k1\n",
        "K1",
        " k1",
        "кey",
        "http://169.254.169.254/",
        "a" * 255,
    ],
)
def test_a_strange_kid_is_only_an_unknown_key(kid: str) -> None:
    sent = with_header({"alg": "RS256", "typ": "JWT", "kid": kid})
    assert reason(sent) == "unknown_key"


@pytest.mark.parametrize("kid", [1, None, ["k1"], {"k1": 1}, True, "a" * 256, "a" * 9000])
def test_a_kid_that_is_no_short_string_is_malformed(kid: object) -> None:
    assert reason(with_header({"alg": "RS256", "kid": kid})) == "malformed"


def test_a_token_without_kid_is_accepted_only_while_one_key_fits() -> None:
    nameless = dataclasses.replace(key(), kid=None)
    assert reason(token(nameless)) == "entered"
    assert reason(token(nameless), by=guard(keys=JWKS([key(), key("k2")]))) == "unknown_key"
    assert reason(token(nameless), by=guard(keys=JWKS([key(), key("e1", "ES256")]))) == "entered"


# 6. keys in the header


@pytest.mark.parametrize("member", ["jku", "x5u", "jwk", "x5c", "x5t"])
def test_a_key_offered_by_the_token_is_never_used_nor_fetched(member: str) -> None:
    attacker = key("attacker")
    with StubIssuer(published=[attacker]) as theirs, StubIssuer() as ours:
        offered: dict[str, object] = {
            "jku": theirs.url + ".well-known/jwks.json",
            "x5u": theirs.url + "cert.pem",
            "jwk": attacker.to_dict(),
            "x5c": ["MIIB"],
            "x5t": "dGh1bWI",
        }
        payload = json.dumps(claims(iss=ours.url)).encode()
        sent = raw_token(payload, signed_by=attacker, header={member: offered[member]})
        assert reason(sent, by=ours.guard()) == "unknown_key"
        renamed = raw_token(
            payload, signed_by=dataclasses.replace(attacker, kid="k1"), header={member: offered[member]}
        )
        assert reason(renamed, by=ours.guard()) == "bad_signature"
        assert not theirs.hits


# 8. and 9. signatures


def test_a_signature_of_another_length_or_form_is_refused() -> None:
    by = guard(keys=JWKS([key("e1", "ES256")]))
    sent = token(key("e1", "ES256"))
    head, _, signature = sent.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    assert reason(sent, by=by) == "entered"
    for wrong in (raw[:-1], raw + b"\0", b"", bytes(64), b"\xff" * 64, raw * 2, b"\x30\x44" + raw):
        assert reason(f"{head}.{segment(wrong)}", by=by) == "bad_signature"


# 13. duplicate members


@pytest.mark.parametrize("name", ["sub", "iss", "exp", "scope", "made-up"])
def test_a_duplicate_claim_is_malformed(name: str) -> None:
    text = json.dumps(claims(**{name: "x"}))
    assert reason(raw_token(text.replace("{", f'{{"{name}":"y",', 1).encode())) == "malformed"


def test_a_duplicate_header_member_is_malformed() -> None:
    assert reason(with_header(b'{"alg":"none","alg":"RS256","kid":"k1"}')) == "malformed"


# 14. spellings of one token


def test_no_single_changed_character_is_accepted() -> None:
    # A short token: each edit is a whole verification.
    eddsa = key("ed", "EdDSA")
    by = guard(keys=JWKS([eddsa]), algorithms=("EdDSA",))
    sent = jwt.sign({"iss": ISSUER, "aud": AUDIENCE, "exp": int(NOW) + 60}, eddsa)
    assert reason(sent, by=by) == "entered"
    alphabet = "ABYZabyz019-_+/=. \t"
    for place in range(len(sent)):
        for letter in alphabet:
            edited = sent[:place] + letter + sent[place + 1 :]
            assert edited == sent or edited.strip(" ") == sent or reason(edited, by=by) != "entered", edited
            longer = sent[:place] + letter + sent[place:]
            assert longer.strip(" ") == sent or reason(longer, by=by) != "entered", longer


# 15. size


def test_a_huge_token_is_refused_without_being_decoded() -> None:
    for sent in ("a" * 5_000_000, "." * 5_000_000, ("a" * 20_000 + ".") * 3):
        tracemalloc.start()
        try:
            assert reason(sent) == "malformed"
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # A handful of copies of the header itself, no decoding of it.
        assert peak < 5 * len(sent) + 200_000


def test_the_longest_token_accepted_has_sixteen_kibibytes() -> None:
    eddsa = key("ed", "EdDSA")
    by = guard(keys=JWKS([eddsa]), algorithms=("EdDSA",))
    lengths = {}
    for padding in range(12_000, 12_100):
        sent = token(eddsa, pad="x" * padding)
        lengths[len(sent)] = reason(sent, by=by)
    assert {expected for length, expected in lengths.items() if length <= 16 * 1024} == {"entered"}
    assert {expected for length, expected in lengths.items() if length > 16 * 1024} == {"malformed"}
    assert {16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1} & set(lengths)


# 16. hostile JSON


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"a"',
        b"1",
        b"{",
        b'{"a":1}x',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'{"a":"\xff"}',
        b'{"a":NaN}',
        b'{"exp":Infinity}',
        b'{"exp":-Infinity}',
        b'{"exp":1e400}',
        b'{"exp":' + b"9" * 5000 + b"}",
        b'{"a":9007199254740993}',
        b'{"a":"\\ud800"}',
        b'{"a":' + b"[" * 8000 + b"]" * 8000 + b"}",
        b'{"a":' * 17 + b"1" + b"}" * 17,
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":01}',
    ],
)
def test_claims_that_are_no_sound_json_object_are_malformed(payload: bytes) -> None:
    assert reason(raw_token(payload)) == "malformed"


@pytest.mark.parametrize("header", [b"[" * 5000, b'{"a":' * 3000, b"null", b"[]", b"\xff"])
def test_a_header_that_needs_no_key_cannot_break_the_guard(header: bytes) -> None:
    assert reason(with_header(header)) == "malformed"


@pytest.mark.parametrize("exp", ["1900000000", None, [], {}, True, False, "", 2**53 * 2.0, 1e300])
def test_an_expiry_that_is_no_sound_number_is_refused(exp: object) -> None:
    assert reason(token(exp=exp)) == "bad_claim"


@pytest.mark.parametrize("name", ["nbf", "iat"])
@pytest.mark.parametrize("value", ["1", None, True, [1]])
def test_a_time_that_is_no_number_is_refused(name: str, value: object) -> None:
    assert reason(token(**{name: value})) == "bad_claim"


@pytest.mark.parametrize("name", ["sub", "jti", "azp", "client_id", "scope"])
@pytest.mark.parametrize("value", [1, None, True, ["a"], {"a": "b"}])
def test_a_known_claim_of_the_wrong_json_type_is_refused(name: str, value: object) -> None:
    assert reason(token(**{name: value})) == "bad_claim"


@pytest.mark.parametrize("value", [1, None, {"a": 1}, [1], ["a", 1], [["a"]]])
def test_an_scp_that_is_neither_a_string_nor_a_list_of_strings_is_refused(value: object) -> None:
    assert reason(token(scp=value)) == "bad_claim"


# 17. times


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"exp": NOW + 1}, "entered"),
        ({"exp": NOW}, "entered"),
        ({"exp": NOW - 29.9}, "entered"),
        ({"exp": NOW - 30}, "expired"),
        ({"exp": NOW - 31}, "expired"),
        ({"exp": 0}, "expired"),
        ({"exp": -1}, "expired"),
        ({"nbf": NOW + 30}, "entered"),
        ({"nbf": NOW + 30.1}, "not_yet_valid"),
        ({"iat": NOW + 86400}, "entered"),
    ],
)
def test_times_are_judged_with_thirty_seconds_of_leeway(changed: dict[str, object], expected: str) -> None:
    assert reason(token(**changed)) == expected


def test_the_clock_is_looked_at_for_each_request() -> None:
    clock = Clock()
    by = guard(now=clock, leeway=0)
    sent = token(exp=NOW + 10)
    assert reason(sent, by=by) == "entered"
    clock.forward(10)
    assert reason(sent, by=by) == "expired"
    clock.forward(-86400)
    assert reason(sent, by=by) == "entered"


# 18. audience


@pytest.mark.parametrize(
    "aud",
    [
        "https://blog-api/",
        "https://BLOG-api",
        "https://blog-ap",
        "https://blog-api https://blog-api",
        " https://blog-api",
        "",
        [],
        ["https://blog-api/"],
        REMOVED,
    ],
)
def test_an_audience_that_is_not_ours_letter_by_letter_is_refused(aud: object) -> None:
    assert reason(token(aud=aud)) == "wrong_audience"


@pytest.mark.parametrize("aud", [1, None, True, {AUDIENCE: 1}, [AUDIENCE, 1], [AUDIENCE, None], [[AUDIENCE]]])
def test_an_audience_of_the_wrong_json_type_is_refused(aud: object) -> None:
    assert reason(token(aud=aud)) == "bad_claim"


def test_one_audience_of_several_is_enough() -> None:
    assert reason(token(aud=["https://x", AUDIENCE])) == "entered"
    several = guard(audience=["https://a", "https://b"])
    assert reason(token(aud="https://b"), by=several) == "entered"
    assert reason(token(), by=several) == "wrong_audience"


@pytest.mark.parametrize("audience", ["", (), [""], ["a", ""]])
def test_a_guard_without_an_audience_cannot_be_built(audience: object) -> None:
    with pytest.raises(ValueError, match="audience"):
        guard(audience=audience)


# 19. what must be there


@pytest.mark.parametrize(
    ("name", "expected"),
    [("exp", "bad_claim"), ("iss", "untrusted_issuer"), ("aud", "wrong_audience"), ("sub", "entered")],
)
def test_issuer_audience_and_expiry_must_be_there(name: str, expected: str) -> None:
    assert reason(token(**{name: REMOVED})) == expected


# 20. other kinds of tokens, signed by the same key

ID_TOKEN: dict[str, object] = {"aud": "app", "azp": "app"}
KINDS: dict[str, tuple[str | None, dict[str, object]]] = {
    "ID token with a nonce": ("JWT", {"nonce": "n"}),
    "ID token with at_hash": ("JWT", {"at_hash": "h"}),
    "ID token with c_hash": (None, {"c_hash": "h"}),
    "ID token with s_hash": (None, {"s_hash": "h"}),
    "ID token for a client that is named as the API": ("JWT", {"azp": AUDIENCE}),
    "ID token for a client among the audiences": ("JWT", {"aud": [AUDIENCE, "app"]}),
    "ID token, client_id": ("JWT", {"azp": REMOVED, "client_id": AUDIENCE}),
    "logout token": ("logout+jwt", {"events": {}}),
    "logout token without its type": (
        "JWT",
        {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
    ),
    "security event": ("secevent+jwt", {"events": {}}),
    "DPoP proof": ("dpop+jwt", {"htm": "GET", "htu": "https://blog-api/"}),
    "client assertion": ("client-authentication+jwt", {}),
    "request object": ("oauth-authz-req+jwt", {}),
    "introspection answer": ("token-introspection+jwt", {}),
    "client attestation": ("oauth-client-attestation+jwt", {}),
    "verifiable credential": ("vc+sd-jwt", {}),
    "entity statement": ("entity-statement+jwt", {}),
    "a type of its own": ("JOSE", {}),
    "an empty type": ("", {}),
    "a type that begins well": ("at+jwt2", {}),
    "a type in another tree": ("text/at+jwt", {}),
    "two prefixes": ("application/application/at+jwt", {}),
    "a Kelvin sign": ("at+\u212awt", {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_another_kind_of_token_is_not_an_access_token(kind: str) -> None:
    assert len(KINDS) >= 12
    typ, changed = KINDS[kind]
    assert reason(token(typ=typ, **changed)) == "wrong_type"


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+JWT"])
def test_an_access_token_that_says_so_may_have_any_other_claim(typ: str) -> None:
    assert reason(token(typ=typ, nonce="n", events={}, client_id="app", aud=[AUDIENCE, "app"])) == "entered"


@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "application/jwt"])
def test_an_access_token_without_a_type_of_its_own_is_accepted(typ: str | None) -> None:
    assert reason(token(typ=typ)) == "entered"


def test_a_client_assertion_of_the_issuers_key_is_not_from_the_issuer() -> None:
    assert reason(token(iss="app", sub="app", aud=ISSUER)) == "untrusted_issuer"


# 21. to 23. what cannot be understood


@pytest.mark.parametrize("crit", [["exp"], [], ["b64"], "exp", None, ["made-up"], ["exp", "exp"], [1]])
def test_any_crit_is_refused(crit: object) -> None:
    sent = with_header({"alg": "RS256", "kid": "k1", "crit": crit, "exp": 1})
    assert reason(sent) == "unsupported_header"


@pytest.mark.parametrize("header", [{"b64": False}, {"b64": True}, {"zip": "DEF"}])
def test_an_unencoded_or_compressed_payload_is_refused(header: dict[str, object]) -> None:
    assert reason(with_header({"alg": "RS256", "kid": "k1"} | header)) == "unsupported_header"


def test_a_detached_payload_is_refused() -> None:
    head, _, signature = token().split(".")
    assert reason(f"{head}..{signature}") == "malformed"


def test_encrypted_and_nested_tokens_are_refused() -> None:
    assert reason("a.b.c.d.e") == "malformed"
    assert reason(raw_token(token().encode(), header={"cty": "JWT"})) == "malformed"


# 27. exceptions


def test_nothing_of_the_token_is_in_the_exception() -> None:
    sent = token(aud="https://other", sub="secret-subject")
    with pytest.raises(Denied) as refused:
        guard().check(Request("GET", "/", bearer(sent)))
    seen: BaseException | None = refused.value
    while seen is not None:
        assert not any(part in f"{seen} {seen!r}" for part in (*sent.split("."), "secret-subject"))
        seen = seen.__cause__


# The issuer, before anything else costs anything


@pytest.mark.parametrize(
    "iss",
    [
        "https://issuer.example",
        "https://issuer.example/ ",
        "https://ISSUER.example/",
        "http://issuer.example/",
        "https://issuer.example:443/",
        "https://issuer.example/x",
        "https://issuer.example.evil.example/",
        "",
        None,
        1,
        ["https://issuer.example/"],
        {"https://issuer.example/": 1},
        REMOVED,
    ],
)
def test_an_issuer_that_is_not_ours_letter_by_letter_costs_no_key_and_no_network(iss: object) -> None:
    def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        raise AssertionError(url)

    assert reason(token(iss=iss), by=guard(keys=None, fetch=fetch)) == "untrusted_issuer"


def test_a_key_of_one_issuer_does_not_serve_another() -> None:
    with StubIssuer(published=[key("a")]) as first, StubIssuer(published=[key("b")]) as second:
        by = first.guard()
        assert reason(first.token(key("a")), by=by) == "entered"
        assert reason(second.token(key("b")), by=by) == "untrusted_issuer"
        assert reason(first.token(key("b")), by=by) == "unknown_key"
        assert not second.hits


@pytest.mark.parametrize("cnf", [{"jkt": "x"}, {"x5t#S256": "x"}, {}, None, "x", {"kid": "k"}])
def test_row_25_a_token_bound_to_a_key_is_refused_as_bearer_so_no_proof_is_taken(cnf: object) -> None:
    assert reason(token(cnf=cnf)) == "bound_token"
    assert reason(token(typ="at+jwt", cnf=cnf)) == "bound_token"


def test_a_forged_token_learns_nothing_from_the_order_of_the_checks() -> None:
    # Whatever else is wrong with it, a token that nobody signed is told about its signature alone.
    faults: list[dict[str, object]] = [
        {"exp": 1},
        {"aud": "x"},
        {"cnf": {}},
        {"typ": "dpop+jwt"},
        {"exp": "x"},
    ]
    for changed in faults:
        forged = token(dataclasses.replace(key("other"), kid="k1"), **changed)
        assert reason(forged) == "bad_signature"
