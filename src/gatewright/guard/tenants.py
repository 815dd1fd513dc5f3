"""Issuers that are looked up when a token first names them, for APIs whose tenants come and go.

The lookup sees `iss` and nothing else of the request, and only when it could be an issuer at all. What it
says is remembered for a while, yes and no apart, so that invented issuers cannot push known ones out.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from gatewright.guard import options
from gatewright.guard.issuers import Issuer, Trusted

Lookup: TypeAlias = Callable[[str], "Issuer | Awaitable[Issuer | None] | None"]

KNOWN_FOR: Final = 300.0  # seconds
UNKNOWN_FOR: Final = 10.0
_LONGEST: Final = 2048  # characters
_MOST_KNOWN: Final = 100
_MOST_UNKNOWN: Final = 1024


@dataclass(frozen=True, slots=True)
class _Entry:
    trusted: Trusted | None
    at: float


class Tenants:
    """What `lookup` has said. A tenant that is told of again keeps its keys if nothing has changed."""

    def __init__(self, lookup: Lookup, *, trust: Callable[[Issuer], Trusted]) -> None:
        self.lookup = lookup
        self._trust = trust
        self._known: OrderedDict[str, _Entry] = OrderedDict()
        self._unknown: OrderedDict[str, _Entry] = OrderedDict()

    def remembered(self, url: str, now: float) -> _Entry | None:
        """What was said of `url` not long ago; None when it must be asked."""
        for entries, lifetime in ((self._known, KNOWN_FOR), (self._unknown, UNKNOWN_FOR)):
            found = entries.get(url)
            if found is not None and 0 <= now - found.at < lifetime:
                return found
        return None

    def known(self) -> list[Trusted]:
        """Those that the lookup has told of, as they were then."""
        return [entry.trusted for entry in tuple(self._known.values()) if entry.trusted is not None]

    def remember(self, url: str, said: object, now: float) -> Trusted | None:
        """Take the answer of the lookup.

        Raises:
            TypeError, ValueError: it is no `Issuer` of this very URL and not None, or one with
                introspection: an opaque token does not say whose it is.
        """
        if said is None:
            self._known.pop(url, None)
            _put(self._unknown, url, _Entry(None, now), most=_MOST_UNKNOWN)
            return None
        if not isinstance(said, Issuer):
            raise TypeError(f"tenants gives an Issuer or None, not {type(said).__name__}")
        if said.url != url:
            raise ValueError(f"tenants was asked for {url!r} and gave {said.url!r}")
        if said.introspection is not None:
            raise ValueError(f"{url!r} has introspection: only an issuer that is named can have it")
        before = self._known.get(url)
        same = before is not None and before.trusted is not None and before.trusted.issuer == said
        trusted = before.trusted if before is not None and same else self._trust(said)
        _put(self._known, url, _Entry(trusted, now), most=_MOST_KNOWN)
        return trusted


def may_be_issuer(url: object) -> bool:
    """Whether `iss` has the shape of an issuer: only then is anybody asked about it."""
    if not isinstance(url, str) or len(url) > _LONGEST:
        return False
    try:
        options.checked_issuer(url, allow_insecure=True)
    except ValueError:
        return False
    return True


def _put(entries: OrderedDict[str, _Entry], url: str, entry: _Entry, *, most: int) -> None:
    entries[url] = entry
    entries.move_to_end(url)
    while len(entries) > most:
        entries.popitem(last=False)
