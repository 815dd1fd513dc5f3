from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gatewright.jose import JWKS, JoseError, UnknownKey, jws, jwt
from gatewright.server.errors import NotFound
from gatewright.server.keys import SigningKeys
from gatewright.server.model import SigningKey
from tests.databases import Database, catch_up, insert
from tests.records import AUDIENCE, NOW, Clock, api, application

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gatewright.server.store import Store

ISSUER = "https://auth.example/"
FAST = "ES256"
"""The algorithm whose keys are made in no time; nothing here depends on which it is."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.sqlite(tmp_path) as database:
        yield database


@pytest.fixture
def store(database: Database) -> Store:
    return database.open()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(store: Store, clock: Clock) -> SigningKeys:
    """The keys of a tenant whose one API, with tokens of an hour, made a ring."""
    keys = opened(store, clock)
    add_api(store, keys, FAST, lifetime=3600)
    return keys


def opened(store: Store, clock: Clock) -> SigningKeys:
    return SigningKeys(store, host="auth.example", now=clock)


def add_api(store: Store, keys: SigningKeys, alg: str, *, lifetime: int = 86400) -> None:
    resource_server = api(f"https://{alg}-{lifetime}.example/", alg=alg, lifetime=lifetime)
    insert(store, resource_server)
    store.write(lambda tx: keys.prepare_for(tx, resource_server))


def token(keys: SigningKeys, alg: str = FAST, *, lifetime: int = 10**6) -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": int(NOW) + lifetime}
    return keys.sign(claims, alg=alg, typ="JWT")


def kid_of(token: str) -> str:
    return str(jws.parse(token).kid)


def accepted(keys: SigningKeys, token: str, alg: str = FAST) -> bool:
    """Whether a guard with these keys lets the token in."""
    try:
        jwt.verify(
            token, keys.verification_keys(), algorithms=(alg,), issuer=ISSUER, audience=AUDIENCE, now=NOW
        )
    except JoseError:
        return False
    return True


def published(keys: SigningKeys) -> list[dict[str, Any]]:
    members: list[dict[str, Any]] = json.loads(keys.key_set().body)["keys"]
    return members


def kids(keys: SigningKeys) -> list[str]:
    return [member["kid"] for member in published(keys)]


def ring(store: Store, alg: str = FAST) -> dict[str, list[SigningKey]]:
    """The records by state, oldest first."""
    found: dict[str, list[SigningKey]] = {"next": [], "current": [], "previous": [], "revoked": []}
    for key in store.read(lambda tx: tx.signing_keys.find(alg=alg)):
        found[key.state].append(key)
    return found


def rotate(store: Store, keys: SigningKeys) -> list[SigningKey]:
    return store.write(keys.rotate)


def test_a_tenant_without_keys_publishes_an_empty_set_and_signs_nothing(store: Store, clock: Clock) -> None:
    keys = opened(store, clock)
    assert json.loads(keys.key_set().body) == {"keys": []}
    with pytest.raises(NotFound):
        token(keys)


def test_the_first_ring_has_a_current_and_a_next_key_and_publishes_both(store: Store, clock: Clock) -> None:
    keys = opened(store, clock)
    add_api(store, keys, "RS256")
    records = ring(store, "RS256")
    [current], [upcoming] = records["current"], records["next"]
    assert kids(keys) == [current.kid, upcoming.kid]
    assert (current.current_since, upcoming.current_since) == (NOW, None)
    assert kid_of(token(keys, "RS256")) == current.kid
    assert accepted(keys, token(keys, "RS256"), "RS256")
    assert published(keys)[0]["e"] == "AQAB"
    assert len(base64.urlsafe_b64decode(published(keys)[0]["n"] + "==")) == 2048 // 8


MEMBERS = {
    "RS256": ["kty", "use", "n", "e", "kid", "x5t", "x5c", "alg"],
    "RS512": ["kty", "use", "n", "e", "kid", "x5t", "x5c", "alg"],
    "PS256": ["kty", "use", "n", "e", "kid", "x5t", "x5c", "alg"],
    "ES256": ["kty", "use", "crv", "x", "y", "kid", "x5t", "x5c", "alg"],
    "EdDSA": ["kty", "use", "crv", "x", "kid", "x5t", "x5c", "alg"],
}


@pytest.mark.parametrize("alg", MEMBERS)
def test_each_algorithm_has_a_ring_whose_members_agree_with_their_certificates(
    store: Store, clock: Clock, alg: str
) -> None:
    keys = opened(store, clock)
    add_api(store, keys, alg)
    assert len(published(keys)) == 2
    for member in published(keys):
        assert list(member) == MEMBERS[alg]
        assert (member["alg"], member["use"]) == (alg, "sig")
        [encoded] = member["x5c"]
        certificate = x509.load_der_x509_certificate(base64.b64decode(encoded, validate=True))
        thumbprint = base64.urlsafe_b64decode(member["x5t"] + "=")
        assert thumbprint == certificate.fingerprint(hashes.SHA1())  # noqa: S303 - x5t is SHA-1
        certificate.verify_directly_issued_by(certificate)
        assert certificate.subject.rfc4514_string() == "CN=auth.example"
        key = keys.verification_keys().select(kid=member["kid"], alg=alg)
        assert certificate.public_key() == key.native
    assert accepted(keys, token(keys, alg), alg)


def test_the_key_set_is_what_any_guard_reads(keys: SigningKeys) -> None:
    parsed = JWKS.parse(keys.key_set().body, public_only=True)
    assert (parsed.skipped, [key.kid for key in parsed.keys]) == ((), kids(keys))
    assert not any({"d", "p", "q", "dp", "dq", "qi", "k"} & set(member) for member in published(keys))


def test_rings_are_apart(store: Store, keys: SigningKeys) -> None:
    add_api(store, keys, "EdDSA")
    assert [member["alg"] for member in published(keys)] == [FAST, FAST, "EdDSA", "EdDSA"]
    assert kid_of(token(keys, "EdDSA")) == ring(store, "EdDSA")["current"][0].kid
    assert kid_of(token(keys)) == ring(store)["current"][0].kid


def test_an_api_with_a_secret_of_its_own_needs_no_ring(store: Store, keys: SigningKeys) -> None:
    add_api(store, keys, "HS256")
    assert ring(store, "HS256")["current"] == []


def test_a_second_api_of_an_algorithm_makes_no_second_ring(store: Store, keys: SigningKeys) -> None:
    before = kids(keys)
    add_api(store, keys, FAST, lifetime=60)
    assert kids(keys) == before


def test_a_ring_of_an_operation_that_failed_is_not_in_memory(store: Store, keys: SigningKeys) -> None:
    def fail(tx: Any) -> None:  # noqa: ANN401 - a transaction
        keys.prepare_for(tx, api(alg="EdDSA"))
        keys.rotate(tx)
        raise RuntimeError("the operation changed its mind")

    before = keys.key_set()
    with pytest.raises(RuntimeError):
        store.write(fail)
    assert keys.key_set() == before
    with pytest.raises(NotFound):
        token(keys, "EdDSA")


def test_rotating_moves_each_key_one_state_on(store: Store, keys: SigningKeys, clock: Clock) -> None:
    [was_current], [was_next] = ring(store)["current"], ring(store)["next"]
    clock.now += 1000
    [announced] = rotate(store, keys)
    records = ring(store)
    assert [key.kid for key in records["previous"]] == [was_current.kid]
    assert [key.kid for key in records["current"]] == [was_next.kid]
    assert records["next"] == [announced]
    assert announced.kid not in {was_current.kid, was_next.kid}
    assert records["previous"][0].current_until == records["current"][0].current_since == NOW + 1000
    assert kid_of(token(keys)) == was_next.kid
    assert kids(keys) == [was_current.kid, was_next.kid, announced.kid]


def test_every_ring_turns(store: Store, keys: SigningKeys) -> None:
    add_api(store, keys, "EdDSA")
    before = kid_of(token(keys)), kid_of(token(keys, "EdDSA"))
    assert [key.alg for key in rotate(store, keys)] == [FAST, "EdDSA"]
    assert kid_of(token(keys)) != before[0]
    assert kid_of(token(keys, "EdDSA")) != before[1]


def test_the_next_key_was_published_before_it_signs(store: Store, keys: SigningKeys) -> None:
    known_to_guards = set(kids(keys))
    rotate(store, keys)
    assert kid_of(token(keys)) in known_to_guards


def test_a_rotated_key_is_published_until_its_last_token_has_expired(
    store: Store, keys: SigningKeys, clock: Clock
) -> None:
    old = token(keys)
    clock.now = NOW + 500
    rotate(store, keys)
    clock.now = NOW + 500 + 3600 - 1
    assert accepted(keys, old)
    assert kid_of(old) in kids(keys)
    clock.now = NOW + 500 + 3600
    assert not accepted(keys, old)
    assert kid_of(old) not in kids(keys)
    assert len(kids(keys)) == 2


def test_the_longest_lifetime_of_the_algorithms_apis_counts(
    store: Store, keys: SigningKeys, clock: Clock
) -> None:
    add_api(store, keys, FAST, lifetime=7200)
    add_api(store, keys, FAST, lifetime=60)
    add_api(store, keys, "EdDSA", lifetime=90000)
    rotate(store, keys)
    assert ring(store)["previous"][0].retires_at == NOW + 7200
    assert ring(store, "EdDSA")["previous"][0].retires_at == NOW + 90000
    clock.now = NOW + 7200
    assert sorted(member["alg"] for member in published(keys)) == [FAST] * 2 + ["EdDSA"] * 3


def test_a_lifetime_that_was_lowered_or_deleted_still_counts_for_the_key_that_signed(
    store: Store, keys: SigningKeys
) -> None:
    [resource_server] = store.read(lambda tx: tx.resource_servers.find())
    shorter = replace(resource_server, document={**resource_server.document, "token_lifetime": 60})
    store.write(lambda tx: tx.resource_servers.update(shorter.id, lambda _: shorter))
    store.write(lambda tx: keys.prepare_for(tx, shorter))
    rotate(store, keys)
    store.write(lambda tx: tx.resource_servers.delete(shorter.id))
    rotate(store, keys)
    assert [key.retires_at for key in ring(store)["previous"]] == [NOW + 3600, NOW + 60]


def test_a_lifetime_that_was_raised_counts_at_once(store: Store, keys: SigningKeys) -> None:
    [resource_server] = store.read(lambda tx: tx.resource_servers.find())
    longer = replace(resource_server, document={**resource_server.document, "token_lifetime": 9000})
    store.write(lambda tx: keys.prepare_for(tx, longer))
    rotate(store, keys)
    assert ring(store)["previous"][0].retires_at == NOW + 9000


def test_several_rotations_keep_several_previous_keys(store: Store, keys: SigningKeys, clock: Clock) -> None:
    tokens = [token(keys)]
    for _ in range(3):
        clock.now += 100
        rotate(store, keys)
        tokens.append(token(keys))
    assert all(accepted(keys, each) for each in tokens)
    assert len({kid_of(each) for each in tokens}) == 4
    clock.now = NOW + 200 + 3600  # the second one retires now, the third one in 100 seconds
    assert [accepted(keys, each) for each in tokens] == [False, False, True, True]


def test_a_revoked_key_leaves_at_once_and_its_tokens_are_refused(
    store: Store, keys: SigningKeys, clock: Clock
) -> None:
    old = token(keys)
    rotate(store, keys)
    clock.now += 5
    revoked = store.write(lambda tx: keys.revoke(tx, kid_of(old)))
    assert (revoked.state, revoked.revoked_at) == ("revoked", NOW + 5)
    assert kid_of(old) not in kids(keys)
    assert not accepted(keys, old)
    with pytest.raises(UnknownKey):
        keys.verification_keys().select(kid=kid_of(old), alg=FAST)
    assert accepted(keys, token(keys))


def test_revoking_again_keeps_the_first_moment(store: Store, keys: SigningKeys, clock: Clock) -> None:
    old = kid_of(token(keys))
    rotate(store, keys)
    store.write(lambda tx: keys.revoke(tx, old))
    clock.now += 100
    assert store.write(lambda tx: keys.revoke(tx, old)).revoked_at == NOW


@pytest.mark.parametrize("state", ["current", "next"])
def test_a_key_that_signs_or_will_cannot_be_revoked(store: Store, keys: SigningKeys, state: str) -> None:
    [key] = ring(store)[state]
    with pytest.raises(ValueError, match=f"the {state} key cannot be revoked"):
        store.write(lambda tx: keys.revoke(tx, key.kid))
    assert ring(store)[state] == [key]


def test_an_unknown_key_cannot_be_revoked(store: Store, keys: SigningKeys) -> None:
    with pytest.raises(NotFound):
        store.write(lambda tx: keys.revoke(tx, "nobody"))


def test_the_entity_tag_changes_exactly_when_the_body_does(
    store: Store, keys: SigningKeys, clock: Clock
) -> None:
    seen = [keys.key_set()]
    insert(store, application())
    assert keys.key_set() == seen[0]
    clock.now += 10**6
    assert keys.key_set() == seen[0]
    old = kid_of(token(keys))
    rotate(store, keys)
    seen.append(keys.key_set())
    add_api(store, keys, "EdDSA")
    seen.append(keys.key_set())
    store.write(lambda tx: keys.revoke(tx, old))
    seen.append(keys.key_set())
    rotate(store, keys)
    seen.append(keys.key_set())
    clock.now += 10**6
    seen.append(keys.key_set())
    assert len({each.body for each in seen}) == len({each.etag for each in seen}) == len(seen)
    assert all(each.etag.startswith('"') and each.etag.endswith('"') for each in seen)


def test_every_process_answers_the_same_bytes(database: Database, keys: SigningKeys, clock: Clock) -> None:
    assert opened(database.open(), clock).key_set() == keys.key_set()


def test_processes_follow_each_others_rotations_and_revocations(
    database: Database, store: Store, keys: SigningKeys, clock: Clock
) -> None:
    other_store = database.open()
    others = opened(other_store, clock)
    old = token(others)
    rotate(store, keys)
    catch_up(other_store)
    assert kid_of(token(others)) == kid_of(token(keys))
    assert others.key_set() == keys.key_set()
    other_store.write(lambda tx: others.revoke(tx, kid_of(old)))
    catch_up(store)
    assert not accepted(keys, old)
    add_api(other_store, others, "EdDSA")
    catch_up(store)
    assert accepted(others, token(keys, "EdDSA"), "EdDSA")


def test_processes_that_rotate_at_once_leave_one_key_in_each_state(
    database: Database, store: Store, keys: SigningKeys, clock: Clock
) -> None:
    other_store = database.open()
    others = opened(other_store, clock)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda turn: rotate(*turn), [(store, keys), (other_store, others)] * 5))
    catch_up(store)
    catch_up(other_store)
    assert {state: len(found) for state, found in ring(store).items()} == {
        "current": 1,
        "next": 1,
        "previous": 10,
        "revoked": 0,
    }
    assert keys.key_set() == others.key_set()
    assert kid_of(token(keys)) == kid_of(token(others)) == ring(store)["current"][0].kid


def test_a_private_key_never_prints(store: Store, keys: SigningKeys) -> None:
    [current] = ring(store)["current"]
    private = str(current.private_jwk["d"])
    assert private not in f"{current} {keys!r} {keys.verification_keys()} {keys.key_set()}"


def test_the_certificate_of_an_algorithm_is_its_current_keys(store: Store, keys: SigningKeys) -> None:
    assert keys.certificate(FAST) == ring(store)["current"][0].certificate
