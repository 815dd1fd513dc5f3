"""Who administers the server: records as in ``model``, nothing of HTTP or SQL."""

import secrets
from dataclasses import dataclass, field
from typing import Literal

from gatewright.server.model import ID_ALPHABET

AdministratorRole = Literal["administrator", "viewer"]

MOST_FAILURES = 5
LOCKED_FOR = 900.0  # seconds


@dataclass(frozen=True, slots=True)
class Administrator:
    """A person who may enter the dashboard; times are seconds since 1970."""

    id: str
    name: str
    role: AdministratorRole
    password_hash: str = field(repr=False)
    created_at: float
    failures: int = 0
    locked_until: float | None = None

    @property
    def may_change(self) -> bool:
        """Whether this is more than a viewer."""
        return self.role == "administrator"

    def is_locked(self, now: float) -> bool:
        """Whether nobody may try a password for a while."""
        return self.locked_until is not None and now < self.locked_until


@dataclass(frozen=True, slots=True)
class Session:
    """One person, logged in: ``digest`` is the SHA-256 of the cookie, ``notice`` what the next page says."""

    digest: str
    administrator: Administrator
    csrf: str = field(repr=False)
    created_at: float
    seen_at: float
    confirmed_at: float | None = None
    notice: str = ""


def new_administrator_id() -> str:
    """``adm_`` and 16 letters and digits."""
    return "adm_" + "".join(secrets.choice(ID_ALPHABET) for _ in range(16))
