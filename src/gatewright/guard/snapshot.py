"""The last good key set in a file that the processes of one host share.

A worker that starts, or whose keys have grown old, looks there before it asks the issuer; so a host asks
once, however many workers it runs, and a restart in the middle of an outage refuses nobody. The file is
one JSON object of at most 512 KiB::

    {"format": 1,
     "issuer": "https://issuer.example/",                 as in `iss`
     "jwks_uri": "https://issuer.example/.well-known/jwks.json",
     "fetched_at": 1800000000.0,                          seconds since 1970, when it was asked for
     "revocations_uri": "https://issuer.example/...",     only if it has one
     "lifetime": 300.0,                                   seconds for which it is fresh from then on
     "keys": [{"kty": "RSA", ...}]}                       public keys only

Whoever may write the file decides who may enter. It is therefore made for its owner alone (mode 0600), and
not believed when it belongs to another user, when others may write it, or when it is no regular file. It is
not believed either when it is malformed, of another issuer or key set, of a time to come, or older than its
lifetime and 24 hours. Beside it, `.lock` is what the processes take turns by.
"""

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gatewright.guard.freshness import STALE_IF_ERROR
from gatewright.guard.refresh import (
    LONGEST_LIFETIME,
    SHORTEST_LIFETIME,
    Fetched,
    feed_address,
    may_be_fetched,
)
from gatewright.guard.shared_file import FileRefused, Turns, content_of, replace
from gatewright.jose import JWKS
from gatewright.jose.encoding import parse_json
from gatewright.jose.errors import InvalidKey, MalformedToken

MAX_BYTES: Final = 512 * 1024
_FORMAT: Final = 1

logger = logging.getLogger("gatewright.guard")


@dataclass(frozen=True, slots=True)
class Stored:
    """A good answer that some process of this host had, and when it had asked for it."""

    fetched: Fetched
    at: float


def file_in(folder: Path, issuer: str) -> Path:
    """Where in a folder the file of an issuer is."""
    return folder / f"{hashlib.sha256(issuer.encode()).hexdigest()[:16]}.json"


class SnapshotFile:
    """The file of one issuer; nothing here raises, for a file is never worth a refusal.

    `jwks_uri`: the only one believed, if there is one.
    """

    def __init__(
        self, path: Path, *, issuer: str, jwks_uri: str | None = None, insecure: bool = False
    ) -> None:
        self.path = path
        self._issuer = issuer
        self._jwks_uri = jwks_uri
        self._insecure = insecure
        self._complained: str | None = None
        self._turns = Turns(path, self._complain)

    def read(self, now: float) -> Stored | None:
        """What the file holds, if it is to be believed at `now`; why not is logged."""
        try:
            return self._parsed(content_of(self.path, limit=MAX_BYTES), now)
        except FileNotFoundError:
            return None
        except (OSError, FileRefused, MalformedToken, InvalidKey) as error:
            self._complain(f"is not used: {error}")
            return None

    def write(self, stored: Stored) -> None:
        """Put the answer in place of an older one, whole or not at all."""
        document: dict[str, object] = {
            "format": _FORMAT,
            "issuer": self._issuer,
            "jwks_uri": stored.fetched.jwks_uri,
            "fetched_at": stored.at,
            "lifetime": stored.fetched.lifetime,
            **stored.fetched.keys.to_dict(),
        }
        if stored.fetched.revocations_uri is not None:
            document["revocations_uri"] = stored.fetched.revocations_uri
        content = json.dumps(document, separators=(",", ":")).encode("ascii")
        try:
            replace(self.path, content)
        except OSError as error:
            self._complain(f"cannot be written: {error}")

    def take_turn(self) -> int | None:
        """The right to ask the issuer, as a number to give back; None while another process has it.

        -1 where no turns can be taken, for then there is nobody to wait for.
        """
        return self._turns.take()

    def end_turn(self, lock: int | None) -> None:
        """Give back what `take_turn` gave."""
        self._turns.end(lock)

    def start_anew(self) -> None:
        """In the child of a fork: a lock lasts until the last process that has it open closes it."""
        self._turns.start_anew()

    def _parsed(self, content: bytes, now: float) -> Stored:
        document = parse_json(content)
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            raise FileRefused("it is not of this format")
        if document.get("issuer") != self._issuer:
            raise FileRefused("it is of another issuer")
        uri = document.get("jwks_uri")
        if not isinstance(uri, str) or (self._jwks_uri is not None and uri != self._jwks_uri):
            raise FileRefused("it is of another jwks_uri")
        if uri != self._jwks_uri and not may_be_fetched(uri, issuer=self._issuer, insecure=self._insecure):
            raise FileRefused("its jwks_uri is not https")
        at, lifetime = _number(document, "fetched_at"), _number(document, "lifetime")
        if not SHORTEST_LIFETIME <= lifetime <= LONGEST_LIFETIME:
            raise FileRefused("its lifetime cannot be")
        if not 0 <= now - at < lifetime + STALE_IF_ERROR:
            raise FileRefused("it is of a time to come" if now < at else "it is too old")
        keys = JWKS.parse({"keys": document.get("keys")}, public_only=True)
        feed = feed_address(document.get("revocations_uri"), issuer=self._issuer)
        return Stored(Fetched(keys, lifetime, uri, discovered=False, revocations_uri=feed), at)

    def _complain(self, text: str) -> None:
        # Once for each reason: it is looked at again and again.
        if text != self._complained:
            self._complained = text
            logger.warning("the snapshot %s of the keys of %s %s", self.path, self._issuer, text)


def _number(document: dict[str, object], name: str) -> float:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FileRefused(f"its {name} is no number")
    return float(value)
