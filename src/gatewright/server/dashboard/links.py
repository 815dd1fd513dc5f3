"""Links that are good once and for a while: what they open lies in the database, their keys do not."""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Final

from gatewright.server.dashboard.rendering import PREFIX
from gatewright.server.store import Transaction

LIVES: Final = 1800.0  # seconds
GONE: Final = "This link is of no use any more: it is good once and for 30 minutes, and a newer one ends it."


def new_link(tx: Transaction, option: str, path: str, *, issuer: str, now: float, **about: str) -> str:
    """A link to ``path`` below ``/ui``; the one made before under the same option ends.

    ``about`` is kept with it.
    """
    key = secrets.token_urlsafe(32)
    tx.set_option(option, {"digest": _digest(key), "expires_at": now + LIVES, **about})
    return f"{issuer.removesuffix('/')}{PREFIX}{path}?key={key}"


def opened(tx: Transaction, option: str, key: str, *, now: float) -> Mapping[str, object] | None:
    """What is kept with the link that has this key; None where it is good no more."""
    known = tx.option(option) or {}
    digest, expires_at = str(known.get("digest", "")), known.get("expires_at", 0)
    is_live = isinstance(expires_at, int | float) and now < expires_at
    return known if is_live and secrets.compare_digest(digest, _digest(key)) else None


def end(tx: Transaction, option: str) -> None:
    """The link was used."""
    tx.set_option(option, {})


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
