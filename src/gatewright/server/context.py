"""The parts of a running server, handed to each door."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gatewright.server.events import EventLog, Source
from gatewright.server.keys import SigningKeys
from gatewright.server.limits import Limits
from gatewright.server.revocations import Revocations
from gatewright.server.settings import Settings
from gatewright.server.store import Store

if TYPE_CHECKING:
    from gatewright.server.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Server:
    """Built in ``app``; ``now`` is the clock, seconds since 1970."""

    settings: Settings
    store: Store
    keys: SigningKeys
    events: EventLog
    limits: Limits
    revocations: Revocations
    source: Source
    now: Callable[[], float]
    metrics: "Metrics | None" = None
