"""Tokens whose signature has been verified before: what can have changed since is asked again at each hit.

An entry is found by the hash of the whole token and holds what the signature vouches for. The key must be
the very one that is in use now, and the times are judged anew; revocation and rules are the caller's next
steps, and never remembered.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from gatewright.guard.issuers import Trusted
from gatewright.guard.token import AccessToken
from gatewright.jose import JWK
from gatewright.jose.jws import MAX_LENGTH

LONGEST: Final = 60.0  # seconds for which a verification is remembered


@dataclass(frozen=True, slots=True)
class Verified:
    """A token that was found good, with all it takes to judge it again without its signature."""

    token: AccessToken
    trusted: Trusted
    key: JWK
    kid: str | None
    alg: str
    not_before: float
    at: float

    def holds(self, now: float) -> bool:
        """Whether it would be found good now: key, times and issuer as they are, and not long ago."""
        leeway = self.trusted.leeway
        return (
            0 <= now - self.at < LONGEST
            and now < self.token.expires_at + leeway
            and now >= self.not_before - leeway
            # Asking also starts the refresh of the keys that may be due.
            and self.trusted.keys.known(kid=self.kid, alg=self.alg, now=now) is self.key
        )


class VerifiedTokens:
    """At most `size` entries, the oldest leave first; no lock, so that no fork can find it held.

    Each operation on the dictionary is a single one of the interpreter's.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[bytes, Verified] = OrderedDict()

    def get(self, token: str, now: float) -> Verified | None:
        """What was found of `token`, if it still holds."""
        if not self._size or len(token) > MAX_LENGTH:
            return None
        name = _name(token)
        found = self._entries.get(name)
        if found is None or found.holds(now):
            return found
        self._entries.pop(name, None)
        return None

    def put(self, token: str, verified: Verified) -> None:
        """Remember what was found of `token`; refusals are never remembered."""
        if not self._size:
            return
        self._entries[_name(token)] = verified
        while len(self._entries) > self._size:
            try:
                self._entries.popitem(last=False)
            except KeyError:
                return  # others were quicker


def _name(token: str) -> bytes:
    # A header may hold what no encoding has; it will be refused as malformed.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
