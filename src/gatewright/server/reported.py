"""What guards report of their decisions, as the server keeps it: records as in ``model``."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReportedRefusal:
    """Refusals of one kind in one minute. ``minute`` is its start, in seconds since 1970.

    ``client_id`` and ``route`` are "" where the guard knew none; ``enforced`` is false where it only reports
    what it would refuse. ``request_id`` is that of the last one.
    """

    minute: int
    audience: str
    method: str
    route: str
    reason: str
    client_id: str
    missing: tuple[str, ...]
    enforced: bool
    count: int
    request_id: str


@dataclass(frozen=True, slots=True)
class ReportedUse:
    """A scope that a client needed at an API and had; "" where any valid token was enough."""

    audience: str
    client_id: str
    scope: str
    last_used_at: float
    first_used_at: float = 0.0


@dataclass(frozen=True, slots=True)
class ReportingApi:
    """An API whose guards report: since when, when last, and how many rows they had to drop."""

    audience: str
    since: float
    last_at: float
    dropped: int
