"""Several issuers in one guard, each with what is particular about it, and issuers that are looked up."""

# ruff: noqa: ANN401 - tables of calls and options are loosely typed
from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gatewright import Denied, Guard, Issuer, Request
from gatewright.guard import Introspection
from gatewright.jose import JWK, JWKS
from tests.guard.issuing import AUDIENCE, ISSUER, NOW, Clock, StubIssuer, bearer, key, reply, segment, token

OTHER = "https://kc.example/realms/a"


def asked(value: str) -> Request:
    return Request("GET", "/", bearer(value))


def both() -> Guard:
    mine = Issuer(ISSUER, keys=JWKS([key()]))
    theirs = Issuer(OTHER, keys=key("theirs", "ES256"), algorithms=["ES256"], audience="blogs", leeway=120)
    return Guard(mine, theirs, audience=AUDIENCE, now=Clock())


def of_other(**changed: object) -> str:
    return token(key("theirs", "ES256"), **{"iss": OTHER, "aud": "blogs"} | changed)


def _pem(pair: JWK) -> bytes:
    native: Any = pair.native
    pem: bytes = native.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def reason(guard: Guard, value: str) -> str:
    verdict = guard.decide(asked(value))
    return verdict.reason if isinstance(verdict, Denied) else "accepted"


def test_tokens_of_each_issuer_enter_with_their_own_audience_algorithm_and_leeway() -> None:
    guard = both()
    assert guard.issuers == (ISSUER, OTHER)
    assert reason(guard, token()) == "accepted"
    assert reason(guard, of_other()) == "accepted"
    assert reason(guard, of_other(exp=NOW - 100)) == "accepted"
    assert reason(guard, token(exp=NOW - 100)) == "expired"
    assert reason(guard, of_other(exp=NOW - 121)) == "expired"
    assert reason(guard, of_other(aud=AUDIENCE)) == "wrong_audience"
    assert reason(guard, token(aud="blogs")) == "wrong_audience"


def test_no_issuer_may_sign_for_another_or_with_anothers_algorithm() -> None:
    guard = both()
    assert reason(guard, token(key("theirs", "ES256"))) in ("unknown_key", "alg_not_allowed")
    assert reason(guard, token(iss=OTHER, aud="blogs")) == "alg_not_allowed"
    assert reason(guard, of_other(iss="https://kc.example/realms/b")) == "untrusted_issuer"


def test_the_one_key_handed_over_decides_by_its_name_if_it_has_one() -> None:
    named, other = key("k1", "ES256"), key("k2", "ES256")
    unnamed = JWK.from_pem(_pem(named))
    for given, accepts in ((named.public(), {"k1": "accepted", "k2": "unknown_key"}), (unnamed, {})):
        guard = Guard(ISSUER, audience=AUDIENCE, keys=given, now=Clock())
        assert reason(guard, token(named)) == "accepted"
        assert reason(guard, token(JWK.from_pem(_pem(named)))) == "accepted"
        assert reason(guard, token(JWK.from_pem(_pem(named), kid="k2"))) == accepts.get("k2", "accepted")
        assert reason(guard, token(other)) == accepts.get("k2", "bad_signature")
        assert reason(guard, token()) == "unknown_key"  # of another algorithm
    signing = JWK.parse({**named.to_dict(private=True), "key_ops": ["sign"]})
    guard = Guard(ISSUER, audience=AUDIENCE, keys=signing, now=Clock())
    assert reason(guard, token(named)) == "unknown_key"


def test_a_token_remembered_of_one_issuer_is_nothing_to_another_guard() -> None:
    first, second = both(), Guard(ISSUER, audience=AUDIENCE, keys=key(), now=Clock())
    assert reason(first, of_other()) == "accepted"
    assert reason(second, of_other()) == "untrusted_issuer"


@pytest.mark.parametrize(
    ("claim", "claims", "scopes"),
    [
        ("permissions", {"permissions": ["a", "b"], "scope": "c"}, ("a", "b")),
        ("permissions", {"scope": "c"}, ()),
        ("https://x.example/roles", {"https://x.example/roles": "a b"}, ("a", "b")),
        (("realm_access", "roles"), {"realm_access": {"roles": ["a"]}}, ("a",)),
        (("realm_access", "roles"), {"realm_access": {}}, ()),
        (None, {"scope": "a", "permissions": ["b"]}, ("a",)),
    ],
)
def test_each_issuer_says_which_claim_holds_the_scopes(
    claim: Any, claims: dict[str, object], scopes: tuple[str, ...]
) -> None:
    guard = Guard(Issuer(ISSUER, keys=key(), scope_claim=claim), audience=AUDIENCE, now=Clock())
    assert guard.check(asked(token(**claims))).scopes == scopes


@pytest.mark.parametrize("held", [1, True, {"a": 1}, [1], None, [["a"]]])
def test_a_claim_of_scopes_with_the_wrong_type_is_refused(held: object) -> None:
    guard = Guard(Issuer(ISSUER, keys=key(), scope_claim="permissions"), audience=AUDIENCE, now=Clock())
    assert reason(guard, token(permissions=held)) == "bad_claim"


def test_an_issuer_without_discovery_is_asked_at_its_jwks_uri_alone() -> None:
    with StubIssuer() as stub:
        there = Issuer("https://nowhere.example/", jwks_uri=stub.url + ".well-known/jwks.json")
        guard = Guard(there, audience=AUDIENCE, now=Clock())
        assert reason(guard, token(iss="https://nowhere.example/")) == "accepted"
        assert dict(stub.hits) == {stub.JWKS: 1}


def test_an_auth0_tenant_is_named_by_its_domain() -> None:
    issuer = Issuer.auth0("acme.eu.auth0.com", scope_claim="permissions", keys=key())
    assert (issuer.url, issuer.scope_claim) == ("https://acme.eu.auth0.com/", "permissions")
    assert Issuer.auth0("XX.eu.auth0.com").url == "https://XX.eu.auth0.com/"
    for wrong in ("", "https://acme.eu.auth0.com", "acme.eu.auth0.com/", "a b"):
        with pytest.raises(ValueError, match="domain"):
            Issuer.auth0(wrong)


def test_keys_that_were_handed_over_are_all_there_are_for_the_async_way_too() -> None:
    guard = Guard(Issuer(ISSUER, keys=key()), audience=AUDIENCE, now=Clock())
    for sent, expected in ((token(), "accepted"), (token(key("other")), "unknown_key")):
        verdict = asyncio.run(guard.adecide(asked(sent)))
        assert (verdict.reason if isinstance(verdict, Denied) else "accepted") == expected


@pytest.mark.parametrize(
    "build",
    [
        lambda: Guard(audience=AUDIENCE),
        lambda: Guard(ISSUER),
        lambda: Guard(ISSUER, ISSUER, audience=AUDIENCE),
        lambda: Guard(ISSUER, OTHER, audience=AUDIENCE, keys=key()),
        lambda: Guard(Issuer(ISSUER), audience=AUDIENCE, keys=key()),
        lambda: Guard(Issuer(ISSUER, audience="a"), tenants=lambda _: None),
        lambda: Guard(ISSUER, audience=AUDIENCE, cache_size=-1),
        lambda: Guard(ISSUER, audience=AUDIENCE, cache_size=True),
        lambda: Guard(ISSUER, audience=AUDIENCE, token_from="cookie"),  # type: ignore[arg-type]
        lambda: Guard(ISSUER, audience=AUDIENCE, token_from=["cookie"]),  # type: ignore[list-item]
        lambda: Issuer(ISSUER, algorithms=["HS256"]),
        lambda: Issuer(ISSUER, algorithms="RS256"),
        lambda: Issuer(ISSUER, audience=[]),
        lambda: Issuer(ISSUER, leeway=-1),
        lambda: Issuer(ISSUER, scope_claim=""),
        lambda: Issuer(ISSUER, scope_claim=1),  # type: ignore[arg-type]
        lambda: Issuer(ISSUER, keys="secret"),  # type: ignore[arg-type]
        lambda: Issuer(ISSUER, keys=key(), jwks_uri="https://a.example/jwks"),
        lambda: Issuer(ISSUER, jwks_uri="http://a.example/jwks"),
        lambda: Issuer("http://a.example/"),
    ],
)
def test_what_cannot_be_right_is_told_when_it_is_built(build: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        build()


def test_issuers_with_audiences_of_their_own_need_no_other() -> None:
    guard = Guard(Issuer(ISSUER, audience=["a", "b"], keys=key()), now=Clock())
    assert guard.audience == ("a", "b")
    assert reason(guard, token(aud="b")) == "accepted"


class Directory:
    """A lookup of tenants that counts what it is asked."""

    def __init__(self, *known: Issuer) -> None:
        self.known = {issuer.url: issuer for issuer in known}
        self.asked: list[str] = []

    def __call__(self, url: str) -> Issuer | None:
        self.asked.append(url)
        return self.known.get(url)


def tenanted(directory: Any, clock: Clock | None = None) -> Guard:
    return Guard(tenants=directory, audience=AUDIENCE, now=clock or Clock())


def test_a_tenant_is_looked_up_once_and_forgotten_after_five_minutes() -> None:
    directory, clock = Directory(Issuer(ISSUER, keys=key())), Clock()
    guard = tenanted(directory, clock)
    assert guard.issuer is None
    for _ in range(3):
        assert reason(guard, token(exp=NOW + 9000)) == "accepted"
    assert directory.asked == [ISSUER]
    clock.forward(301)
    assert reason(guard, token(exp=NOW + 9001)) == "accepted"
    assert directory.asked == [ISSUER, ISSUER]


def test_a_tenant_that_is_told_of_again_keeps_its_keys_unless_it_has_changed() -> None:
    with StubIssuer() as stub:
        stub.replies[stub.JWKS] = reply(200, {"keys": [key().to_dict()]}, Cache_Control="max-age=86400")
        directory, clock = Directory(Issuer(stub.url)), Clock()
        guard = tenanted(directory, clock)
        for lookups, fetches in ((1, 1), (2, 1), (3, 1)):
            assert reason(guard, stub.token(exp=NOW + 9000, jti=str(lookups))) == "accepted"
            assert (len(directory.asked), stub.fetches) == (lookups, fetches)
            directory.known[stub.url] = Issuer(stub.url)
            clock.forward(300)
        directory.known[stub.url] = Issuer(stub.url, leeway=7)
        assert reason(guard, stub.token(exp=NOW + 9000, jti="changed")) == "accepted"
        assert (len(directory.asked), stub.fetches) == (4, 2)


def test_a_tenant_that_comes_back_is_another_one() -> None:
    with StubIssuer() as stub:
        directory, clock = Directory(Issuer(stub.url)), Clock()
        guard = tenanted(directory, clock)
        assert reason(guard, stub.token(exp=NOW + 9000)) == "accepted"
        directory.known.clear()
        clock.forward(300)
        assert reason(guard, stub.token(exp=NOW + 9000)) == "untrusted_issuer"
        directory.known[stub.url] = Issuer(stub.url)
        clock.forward(9.9)
        assert reason(guard, stub.token(exp=NOW + 9000)) == "untrusted_issuer"
        clock.forward(0.1)
        assert reason(guard, stub.token(exp=NOW + 9000)) == "accepted"
        assert (len(directory.asked), stub.fetches) == (3, 2)


def test_the_tenant_that_was_looked_up_longest_ago_leaves_first() -> None:
    directory = Directory(*(Issuer(f"https://t{number}.example/", keys=key()) for number in range(101)))
    guard = tenanted(directory)

    def enters(number: int) -> bool:
        return (
            reason(guard, token(iss=f"https://t{number}.example/", jti=str(len(directory.asked))))
            == "accepted"
        )

    assert all(enters(number) for number in range(100))
    assert enters(0)
    assert enters(99)
    assert len(directory.asked) == 100
    assert enters(100)
    assert enters(1)
    assert len(directory.asked) == 101
    assert enters(0)
    assert len(directory.asked) == 102


@pytest.mark.parametrize(("length", "lookups"), [(2048, 1), (2049, 0)])
def test_an_issuer_of_2048_characters_is_the_longest_that_is_looked_up(length: int, lookups: int) -> None:
    directory = Directory()
    start = "http://a.example/"
    assert reason(tenanted(directory), token(iss=start.ljust(length, "x"))) == "untrusted_issuer"
    assert len(directory.asked) == lookups


def test_a_tenant_that_left_is_refused_once_it_is_looked_up_again() -> None:
    directory, clock = Directory(Issuer(ISSUER, keys=key())), Clock()
    guard = tenanted(directory, clock)
    assert reason(guard, token(exp=NOW + 9000)) == "accepted"
    directory.known.clear()
    clock.forward(301)
    assert reason(guard, token(exp=NOW + 9000)) == "untrusted_issuer"


def test_a_remembered_token_of_a_tenant_that_left_is_refused_too() -> None:
    directory, clock = Directory(Issuer(ISSUER, keys=key())), Clock()
    guard = tenanted(directory, clock)
    assert reason(guard, token(exp=NOW + 9000)) == "accepted"
    clock.forward(290)
    sent = token(exp=NOW + 9000, jti="verified shortly before the tenant is looked up again")
    assert reason(guard, sent) == "accepted"
    directory.known.clear()
    clock.forward(11)
    assert reason(guard, sent) == "untrusted_issuer"


def test_an_unknown_tenant_is_looked_up_again_after_ten_seconds() -> None:
    directory, clock = Directory(), Clock()
    guard = tenanted(directory, clock)
    assert [reason(guard, token()) for _ in range(3)] == ["untrusted_issuer"] * 3
    directory.known[ISSUER] = Issuer(ISSUER, keys=key())
    clock.forward(11)
    assert reason(guard, token()) == "accepted"
    assert directory.asked == [ISSUER, ISSUER]


@pytest.mark.parametrize(
    "iss", ["javascript:x", "https://a.example/?x", "ftp://a", "", "https://" + "a" * 3000, 7]
)
def test_what_cannot_be_an_issuer_is_not_looked_up(iss: object) -> None:
    directory = Directory()
    assert reason(tenanted(directory), token(iss=iss)) == "untrusted_issuer"
    assert directory.asked == []


def test_a_flood_of_invented_tenants_does_not_push_a_known_one_out() -> None:
    directory = Directory(Issuer(ISSUER, keys=key()))
    guard = tenanted(directory)
    assert reason(guard, token()) == "accepted"
    for number in range(1500):
        # Unsigned: nothing is verified before the issuer is known.
        forged = token(iss=f"https://t{number}.example/") if number == 0 else _forged(number)
        assert reason(guard, forged) == "untrusted_issuer"
    assert reason(guard, token(jti="new")) == "accepted"
    assert directory.asked.count(ISSUER) == 1


def _forged(number: int) -> str:
    header, _, signature = token().split(".")
    return f"{header}.{segment({'iss': f'https://t{number}.example/'})}.{signature}"


def test_a_lookup_that_fails_is_503_and_a_later_one_counts() -> None:
    broken = True

    def lookup(url: str) -> Issuer | None:
        if broken:
            raise ConnectionError("the directory is away")
        return Issuer(url, keys=key())

    guard = tenanted(lookup)
    verdict = guard.decide(asked(token()))
    assert isinstance(verdict, Denied)
    assert (verdict.status, verdict.reason) == (503, "issuers_unavailable")
    assert ("Retry-After", "5") in verdict.headers
    assert json.loads(verdict.content)["error"] == "temporarily_unavailable"
    broken = False
    assert reason(guard, token()) == "accepted"


def test_a_lookup_may_be_async_under_both_doors() -> None:
    async def lookup(url: str) -> Issuer | None:
        await asyncio.sleep(0)
        return Issuer(url, keys=key())

    assert reason(tenanted(lookup), token()) == "accepted"
    assert asyncio.run(tenanted(lookup).acheck(asked(token()))).issuer == ISSUER


ASKED = Introspection("https://issuer.example/introspect", client_id="api", client_secret="s" * 32)


@pytest.mark.parametrize(
    "said",
    ["https://issuer.example/", 1, Issuer(OTHER, keys=None), Issuer(ISSUER, keys=key(), introspection=ASKED)],
)
def test_a_lookup_that_gives_anything_else_is_a_mistake_and_opens_nothing(said: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        tenanted(lambda _: said).decide(asked(token()))
