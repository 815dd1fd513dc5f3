"""Signing keys: one ring for each algorithm, of a next, a current and previous keys.

The next key is published before it signs. A rotated key stays published until every token it signed
has expired; a revoked one is gone at once. This module holds the opened keys in memory and follows
the change feed; the records lie in the store.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from gatewright.jose import JWK, JWKS, jwt
from gatewright.server import certificates
from gatewright.server.errors import NotFound
from gatewright.server.model import HMAC_ALGORITHMS, ResourceServer, SigningKey, new_kid
from gatewright.server.store import Store, Transaction
from gatewright.server.store.transaction import Batch

FIRST_RING = "RS256"


@dataclass(frozen=True, slots=True)
class _Ring:
    """The keys of the database as opened at one moment."""

    records: tuple[SigningKey, ...]
    opened: Mapping[str, JWK]
    current: Mapping[str, JWK]


@dataclass(frozen=True, slots=True)
class KeySet:
    """What ``/.well-known/jwks.json`` answers: the bytes, and their strong entity tag."""

    body: bytes
    etag: str


class SigningKeys:
    """The tenant's signing keys.

    Args:
        store: where the records lie.
        host: the common name of new certificates.
        now: the clock, seconds since 1970.
    """

    def __init__(self, store: Store, *, host: str, now: Callable[[], float]) -> None:
        self._store = store
        self._host = host
        self._now = now
        self._lock = threading.Lock()
        self._ring = _open(store)
        self._published: tuple[tuple[str, ...], JWKS, KeySet] | None = None
        store.on_change(self._apply)

    def sign(self, claims: Mapping[str, object], *, alg: str, typ: str) -> str:
        """A JWT signed with the current key of ``alg``.

        Raises:
            NotFound: when no API ever asked for that algorithm, so that there is no ring.
        """
        key = self._ring.current.get(alg)
        if key is None:
            raise NotFound(f"there is no signing key for {alg}")
        return jwt.sign(claims, key, alg=alg, typ=typ)

    def verification_keys(self) -> JWKS:
        """The public keys whose tokens are to be accepted now."""
        return self._publication()[1]

    def key_set(self) -> KeySet:
        """The published key set."""
        return self._publication()[2]

    def certificate(self, alg: str = FIRST_RING) -> str:
        """The current key's certificate, as PEM."""
        return next(
            key.certificate for key in self._ring.records if key.alg == alg and key.state == "current"
        )

    def new_ring(self, alg: str) -> list[SigningKey]:
        """A current and a next key, made in parallel: generating releases the interpreter's lock."""
        with ThreadPoolExecutor(2) as pool:
            current, upcoming = pool.map(self._new_key, (alg, alg))
        return [replace(current, state="current", current_since=self._now()), upcoming]

    def missing_ring(self, alg: str) -> list[SigningKey]:
        """The ring of an algorithm that has none yet; made before a transaction, which it would hold up."""
        return [] if alg in HMAC_ALGORITHMS or alg in self._ring.current else self.new_ring(alg)

    def fresh_keys(self) -> dict[str, SigningKey]:
        """A key of each ring's algorithm, for a rotation; made before its transaction."""
        algs = tuple(self._ring.current)
        with ThreadPoolExecutor(2) as pool:
            return dict(zip(algs, pool.map(self._new_key, algs), strict=True))

    def prepare_for(
        self, tx: Transaction, resource_server: ResourceServer, ring: Sequence[SigningKey] = ()
    ) -> None:
        """Keeps the ring an API asks for, and notes how long the tokens live that its key will sign.

        ``ring`` is what ``missing_ring`` gave; without it the keys are made here.
        """
        alg, lifetime = resource_server.signing_alg, resource_server.token_lifetime
        if alg in HMAC_ALGORITHMS:
            return  # such an API brings a secret of its own
        current = tx.signing_keys.first(alg=alg, state="current")
        if current is None:
            current, upcoming = ring or self.new_ring(alg)
            tx.signing_keys.insert(current)
            tx.signing_keys.insert(upcoming)
        if current.longest_lifetime < lifetime:
            tx.signing_keys.update(current.kid, lambda key: replace(key, longest_lifetime=lifetime))

    def rotate(self, tx: Transaction, prepared: Mapping[str, SigningKey] | None = None) -> list[SigningKey]:
        """Turns every ring: next signs, current only verifies; answers the fresh keys that are next now.

        ``prepared`` is what ``fresh_keys`` gave; a key that is not among them is made here.
        """
        apis = tx.resource_servers.find()
        announced = []
        for current in tx.signing_keys.find(state="current"):
            upcoming = tx.signing_keys.find(alg=current.alg, state="next")[0]
            lifetimes = (api.token_lifetime for api in apis if api.signing_alg == current.alg)
            fresh = (prepared or {}).get(current.alg) or self._new_key(current.alg)
            tx.signing_keys.update(current.kid, self._retired)
            tx.signing_keys.update(upcoming.kid, partial(self._promoted, longest=max(lifetimes, default=0)))
            tx.signing_keys.insert(fresh)
            announced.append(fresh)
        return announced

    def revoke(self, tx: Transaction, kid: str) -> SigningKey:
        """Ends a previous key: it leaves the key set at once, and its tokens are refused.

        Raises:
            NotFound: when there is no such key.
            ValueError: when it signs or is about to; rotate first.
        """

        def end(key: SigningKey) -> SigningKey:
            if key.state in {"current", "next"}:
                raise ValueError(f"the {key.state} key cannot be revoked")
            return key if key.state == "revoked" else replace(key, state="revoked", revoked_at=self._now())

        return tx.signing_keys.update(kid, end)

    def _new_key(self, alg: str) -> SigningKey:
        key = JWK.generate(alg, kid=new_kid())
        now = self._now()
        return SigningKey(
            kid=str(key.kid),
            alg=alg,
            state="next",
            private_jwk=key.to_dict(private=True),
            certificate=certificates.self_signed(key.native, host=self._host, now=now),
            created_at=now,
        )

    def _retired(self, key: SigningKey) -> SigningKey:
        # Published until the last token it may have signed has expired.
        now = self._now()
        return replace(key, state="previous", current_until=now, retires_at=now + key.longest_lifetime)

    def _promoted(self, key: SigningKey, *, longest: int) -> SigningKey:
        return replace(key, state="current", current_since=self._now(), longest_lifetime=longest)

    def _apply(self, batch: Batch) -> None:
        if batch.changes is None or any(change.kind == "signing_key" for change in batch.changes):
            # One reader at a time, or an older view could replace a newer one.
            with self._lock:
                self._ring = _open(self._store)
                self._published = None

    def _publication(self) -> tuple[tuple[str, ...], JWKS, KeySet]:
        now = self._now()
        ring = self._ring
        kids = tuple(key.kid for key in ring.records if key.is_published(now))
        known = self._published
        if known is None or known[0] != kids:
            known = (kids, *_publish([key for key in ring.records if key.is_published(now)], ring.opened))
            self._published = known
        return known


def _open(store: Store) -> _Ring:
    # A revoked key is never needed again, so it is not opened either.
    records = tuple(store.read(lambda tx: tx.signing_keys.find(state=("current", "next", "previous"))))
    opened = {key.kid: JWK.parse(key.private_jwk) for key in records}
    current = {key.alg: opened[key.kid] for key in records if key.state == "current"}
    return _Ring(records=records, opened=opened, current=current)


def _publish(records: Iterable[SigningKey], opened: Mapping[str, JWK]) -> tuple[JWKS, KeySet]:
    public = [(key, opened[key.kid].public()) for key in records]
    members = [_member(key, jwk) for key, jwk in public]
    body = json.dumps({"keys": members}, separators=(",", ":")).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return JWKS(tuple(jwk for _, jwk in public)), KeySet(body, etag)


def _member(key: SigningKey, jwk: JWK) -> dict[str, object]:
    """One key as Auth0 publishes it, members in its order."""
    numbers = {
        name: value for name, value in jwk.to_dict().items() if name not in {"kty", "use", "kid", "alg"}
    }
    return {
        "kty": jwk.kty,
        "use": "sig",
        **numbers,
        "kid": key.kid,
        "x5t": certificates.x5t(key.certificate),
        "x5c": [certificates.x5c(key.certificate)],
        "alg": key.alg,
    }
