"""What was revoked, in memory: asked by the Management API's own guard, and signed for everybody else's.

A revocation is a record like any other, written in the transaction of its cause. This module follows the
change feed; the records lie in the store. The feed that guards poll is cut into pages by size, and a page
begins at one of few places, so that it is signed once for all who poll and not once for each.
"""

import hashlib
import json
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gatewright.server.keys import FIRST_RING, SigningKeys
from gatewright.server.model import HMAC_ALGORITHMS
from gatewright.server.store import Page, Store, Transaction
from gatewright.server.store.conditions import revocation_changed_after, revocation_ends_by
from gatewright.server.store.transaction import Batch
from gatewright.server.tenant import Revocation, RevocationKind, new_revocation_id

TYPE = "revocations+jwt"
SIGNED_FOR = 30.0  # seconds after which a page is signed anew
LIFETIME = 120  # seconds for which a page may be believed
PAGE_BYTES = 256 * 1024  # of entries; signed and encoded it stays under the 512 KiB that guards read
RECENT = 16  # the newest entries, at each of which a page may begin
# Seconds beyond the longest lifetime: guards may be lenient with clocks, and clocks wrong.
MARGIN = 3600.0
LONGEST_LIFETIME = 2_592_000  # seconds, of any API's tokens
MOST_FORGOTTEN = 10


@dataclass(frozen=True, slots=True)
class Feed:
    """One page of what was revoked, a JWT, and its strong entity tag."""

    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class _Told:
    """A revocation, and what the feed says of it, made once: there may be a hundred thousand."""

    revocation: Revocation
    entry: dict[str, object]
    size: int


@dataclass(frozen=True, slots=True)
class _Edition:
    """All that can still matter, oldest change first, and the pages of it that were asked for."""

    made_at: float
    revision: int
    revisions: list[int]
    told: list[_Told]
    starts: list[int]  # of the pages
    signed: dict[int, Feed] = field(default_factory=dict)

    def start_after(self, revision: int) -> int:
        """Where the page begins for whoever knows this revision; it may hold what they know already."""
        start = bisect_right(self.revisions, revision)
        if start >= len(self.told) - RECENT:
            return start
        return self.starts[bisect_right(self.starts, start) - 1]

    def end_of(self, start: int) -> int:
        """Where the page ends that begins there."""
        return _end(self.told, start)


class Revocations:
    """What was revoked of this tenant's tokens; safe to use from several threads."""

    def __init__(self, store: Store, keys: SigningKeys, *, issuer: str, now: Callable[[], float]) -> None:
        self._store = store
        self._keys = keys
        self._issuer = issuer
        self._now = now
        self._lock = threading.RLock()
        self._known: dict[tuple[str | None, ...], _Told] = {}
        self._revision = 0
        self._edition: _Edition | None = None
        self._learn()
        store.on_change(self._apply)

    def revoke(
        self,
        tx: Transaction,
        kind: RevocationKind,
        *,
        client_id: str | None = None,
        audience: str | None = None,
        jti: str | None = None,
        kid: str | None = None,
        expires_at: float | None = None,
    ) -> Revocation:
        """Refuses tokens from now on: all that a client, or a grant, was issued up to this very second.

        ``expires_at`` is when the last of them ends, where that is known. Whoever was revoked before is
        revoked up to now instead.
        """
        about = {"client_id": client_id, "audience": audience, "jti": jti, "kid": kid}
        ends_at = self._now() + self._longest_lifetime(tx) if expires_at is None else expires_at
        return self._insert(tx, kind, about, revision=self._next_revision(tx), ends_at=ends_at)

    def revoke_grants(self, tx: Transaction, client_ids: Iterable[str], audience: str) -> None:
        """``revoke`` for each of these clients at one audience: there may be many."""
        ends_at = self._now() + self._longest_lifetime(tx)
        for revision, client_id in enumerate(client_ids, self._next_revision(tx)):
            about = {"client_id": client_id, "audience": audience, "jti": None, "kid": None}
            self._insert(tx, "grant", about, revision=revision, ends_at=ends_at)

    def undo(self, tx: Transaction, revocation: Revocation) -> None:
        """Takes a revocation back: its tokens are good again, until they end."""
        changed = replace(revocation, undone_at=self._now(), revision=self._next_revision(tx))
        tx.revocations.update(revocation.id, lambda _: changed)

    def revokes(
        self,
        *,
        client_id: str | None,
        audience: Iterable[str],
        jti: str | None,
        issued_at: float | None,
    ) -> bool:
        """Whether a token with these claims was revoked, as far as this process knows by now.

        Keys are not looked at: who has the ring itself does not find a revoked one.
        """
        subjects: list[tuple[str | None, ...]] = [("client", client_id, None, None, None)]
        subjects += [("grant", client_id, name, None, None) for name in audience]
        subjects.append(("token", None, None, jti, None))
        found = (self._known.get(subject) for subject in subjects)
        return any(told is not None and told.revocation.covers(issued_at) for told in found)

    def feed(self, since: int) -> Feed:
        """The page for a guard that knows what was revoked up to the revision ``since``."""
        with self._lock:
            edition = self._edition
            if edition is None or not 0 <= self._now() - edition.made_at < SIGNED_FOR:
                edition = self._edition = self._new_edition()
            start = edition.start_after(since)
            feed = edition.signed.get(start)
            if feed is None:
                feed = edition.signed[start] = self._sign(edition, start)
            return feed

    def _sign(self, edition: _Edition, start: int) -> Feed:
        end, now = edition.end_of(start), int(self._now())
        is_last = end == len(edition.told)
        claims = {
            "iss": self._issuer,
            "iat": now,
            "exp": now + LIFETIME,
            "since": edition.revisions[start - 1] if start else 0,
            "rev": edition.revision if is_last else edition.revisions[end - 1],
            "more": not is_last,
            "revocations": [each.entry for each in edition.told[start:end]],
        }
        body = self._keys.sign(claims, alg=FIRST_RING, typ=TYPE).encode()
        return Feed(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')

    def _new_edition(self) -> _Edition:
        now = self._now()
        self._known = {
            subject: each for subject, each in self._known.items() if each.revocation.expires_at > now
        }
        told = list(self._known.values())
        return _Edition(now, self._revision, [each.revocation.revision for each in told], told, _starts(told))

    def _apply(self, batch: Batch) -> None:
        if batch.changes is None or any(change.kind == "revocation" for change in batch.changes):
            self._learn()

    def _learn(self) -> None:
        """Reads what changed; a revocation that changes moves to the end, so that all are in order."""
        with self._lock:
            after = revocation_changed_after(self._revision)
            changed = self._store.read(lambda tx: tx.revocations.find(after))
            known = dict(self._known)
            for each in sorted(changed, key=lambda each: each.revision):
                known.pop(each.subject, None)
                known[each.subject] = _told(each)
                self._revision = each.revision
            # Swapped whole: whoever asks meanwhile must not find one missing.
            self._known, self._edition = known, None

    def _insert(
        self,
        tx: Transaction,
        kind: RevocationKind,
        about: Mapping[str, Any],
        *,
        revision: int,
        ends_at: float,
    ) -> Revocation:
        self._forget(tx)
        tx.revocations.delete_all(kind=kind, **about)
        now = self._now()
        made = Revocation(
            id=new_revocation_id(),
            revision=revision,
            kind=kind,
            created_at=now,
            expires_at=ends_at + MARGIN,
            # Tokens tell in whole seconds when they were issued.
            revoked_before=float(int(now)) if kind in {"client", "grant"} else None,
            **about,
        )
        tx.revocations.insert(made)
        return made

    def _next_revision(self, tx: Transaction) -> int:
        # After those of other processes too. The time in it keeps it growing when a backup was restored.
        known = self._revision
        newest = max(
            [known, *(each.revision for each in tx.revocations.find(revocation_changed_after(known)))]
        )
        return max(newest + 1, int(self._now() * 1000))

    def _longest_lifetime(self, tx: Transaction) -> float:
        """Seconds that any token issued by now may still live."""
        keys = tx.signing_keys.find(state=("current", "previous"))
        apis = tx.resource_servers.find()
        # What an API signs with its own secret no key of ours has noted.
        secret = (LONGEST_LIFETIME for api in apis if api.signing_alg in HMAC_ALGORITHMS)
        return max(
            [0, *(key.longest_lifetime for key in keys), *(api.token_lifetime for api in apis), *secret]
        )

    def _forget(self, tx: Transaction) -> None:
        """Each new one takes a few along that have ended; it comes after them all, so revisions go on."""
        ended = tx.revocations.page(Page(limit=MOST_FORGOTTEN), revocation_ends_by(self._now()))
        for each in ended.items:
            tx.revocations.delete(each.id)


def _told(revocation: Revocation) -> _Told:
    """A revocation as the feed tells it; what does not apply is absent."""
    members = {
        "jti": revocation.jti,
        "kid": revocation.kid,
        "client_id": revocation.client_id,
        "aud": revocation.audience,
        "before": None if revocation.revoked_before is None else int(revocation.revoked_before),
        "exp": int(revocation.expires_at),
        "undone": None if revocation.undone_at is None else True,
    }
    entry: dict[str, object] = {name: value for name, value in members.items() if value is not None}
    return _Told(revocation, entry, len(json.dumps(entry, ensure_ascii=False).encode()))


def _starts(told: Sequence[_Told]) -> list[int]:
    starts = [0]
    while (end := _end(told, starts[-1])) < len(told):
        starts.append(end)
    return starts


def _end(told: Sequence[_Told], start: int) -> int:
    size, end = 0, start
    while end < len(told):
        size += told[end].size
        if size > PAGE_BYTES and end > start:
            break
        end += 1
    return end
