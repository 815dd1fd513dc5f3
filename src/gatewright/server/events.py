"""Log events: what happened, recorded in Auth0's shape.

A change and its event are one transaction (``Transaction.events``). Token events are too many for
that: they are gathered here and written in batches off the request path, so that a killed process
loses at most the last tenth of a second of them, and a graceful stop none. When a client secret was
last used, and how many tokens were issued and refused, goes the same way.
"""

import itertools
import logging
import secrets
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gatewright.server.model import EventType, LogEvent, log_id_at
from gatewright.server.store import Store, Transaction
from gatewright.server.token_requests import TokenRequests

if TYPE_CHECKING:
    from gatewright.server.metrics import Metrics

BATCH_EVERY = 0.05  # seconds; with the write itself under the promised 100 ms
MOST_BUFFERED = 100_000

logger = logging.getLogger("gatewright.server.events")
_counter = itertools.count()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as far as the connection and headers tell; no part of it is trusted."""

    ip: str
    user_agent: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where events arise: the members that are the same in all of them."""

    tenant: str
    hostname: str


def log_event(  # noqa: PLR0913 - an event has as many members as it has
    type_: EventType,
    *,
    date: float,
    source: Source,
    caller: Caller,
    description: str,
    client_id: str | None = None,
    client_name: str | None = None,
    audience: str | None = None,
    scope: Sequence[str] = (),
    user_id: str | None = None,
    user_name: str | None = None,
    details: Mapping[str, object] | None = None,
) -> LogEvent:
    """One event. Members that do not apply are absent; no secret and no token is ever among them."""
    log_id = new_log_id(date)
    optional: dict[str, object] = {
        "client_id": client_id,
        "client_name": client_name if client_name is not None else "" if audience is not None else None,
        "user_id": user_id,
        "user_name": user_name,
        "audience": audience,
        "scope": " ".join(scope) or None,
        "details": {"request_id": caller.request_id, **(details or {})},
    }
    document: dict[str, object] = {
        "date": iso_time(date),
        "type": type_.value,
        "description": description,
        **{name: value for name, value in optional.items() if value is not None},
        "ip": caller.ip,
        "user_agent": caller.user_agent,
        "hostname": source.hostname,
        "tenant_name": source.tenant,
        "environment_name": "gatewright",
        "$event_schema": {"version": "1.0.0"},
        "log_id": log_id,
        "_id": log_id,
        "isMobile": False,
    }
    return LogEvent(log_id=log_id, date=date, type=type_, client_id=client_id, document=document)


def iso_time(seconds: float) -> str:
    """Milliseconds and ``Z``, as Auth0 writes times."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_log_id(date: float) -> str:
    """56 decimal digits that start with 900 and sort by time."""
    # The counter keeps the order of events that share a microsecond.
    return f"{log_id_at(date)}{next(_counter) % 10**9:09d}{secrets.randbelow(10**24):024d}"


class EventLog:
    """Gathers token events and writes them in batches; bounded, and it never delays a request."""

    def __init__(self, store: Store, *, metrics: "Metrics | None" = None) -> None:
        self.dropped = 0
        self._metrics = metrics
        self.token_requests = TokenRequests()
        self._store = store
        self._buffer: deque[LogEvent] = deque()
        self._uses: dict[tuple[str, str], float] = {}
        self._noting = threading.Lock()
        self._writing = threading.Lock()
        self._filled = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write_batches, name="gatewright-events", daemon=True)
        self._thread.start()

    def record(self, event: LogEvent) -> None:
        """Takes an event; when the database has been away for long, the newest are dropped and counted."""
        if self._metrics is not None:
            self._metrics.recorded(event)
        if len(self._buffer) >= MOST_BUFFERED:
            if not self.dropped:
                logger.error("the database has been away for too long: log events are dropped from now on")
            self.dropped += 1
            if self._metrics is not None:
                self._metrics.dropped()
            return
        self._buffer.append(event)
        self._filled.set()

    def note_use(self, client_id: str, secret_id: str, at: float) -> None:
        """Notes that a secret of a client was used; of several uses the latest is written."""
        with self._noting:
            self._uses[client_id, secret_id] = at
        self._filled.set()

    def note_token(
        self, client_id: str, audience: str, scopes: Sequence[str], *, at: float, lifetime: float
    ) -> None:
        """Counts a token that was issued: see `gatewright.server.token_requests`."""
        is_needless = self.token_requests.note(client_id, audience, scopes, at=at, lifetime=lifetime)
        if is_needless and self._metrics is not None:
            self._metrics.asked_needlessly()
        self._filled.set()

    def note_refusal(self, reason: str, client_id: str, audience: str, *, at: float) -> None:
        """Counts a token that was refused; "" for a client or an API that does not exist."""
        self.token_requests.note_refusal(reason, client_id, audience, at=at)
        self._filled.set()

    def flush(self) -> None:
        """Returns when all that was recorded before is in the database.

        Raises:
            StoreUnavailable: when it cannot be written; nothing is lost, a later flush tries again.
        """
        with self._writing:
            self._filled.clear()
            batch = [self._buffer.popleft() for _ in range(len(self._buffer))]
            with self._noting:
                uses, self._uses = self._uses, {}
            counts = self.token_requests.take()
            if not batch and not uses and not counts:
                return

            def write(tx: Transaction) -> None:
                tx.events.append(batch)
                tx.secret_uses.note(uses)
                tx.token_requests.add(counts.issued)
                tx.token_hours.add(counts)

            try:
                self._store.write(write)
            except BaseException:
                self._buffer.extendleft(reversed(batch))
                with self._noting:
                    self._uses = uses | self._uses
                self.token_requests.give_back(counts)
                self._filled.set()
                raise
            finally:
                if self._metrics is not None:
                    self._metrics.waiting(len(self._buffer))

    def close(self) -> None:
        """Writes what is left and stops."""
        self._closing.set()
        self._filled.set()
        self._thread.join()

    def _write_batches(self) -> None:
        while not self._closing.is_set():
            self._filled.wait()
            self._closing.wait(BATCH_EVERY)
            try:
                self.flush()
            except Exception:
                # Whatever it is: the events to come need this thread.
                logger.exception("log events cannot be written now", extra={"waiting": len(self._buffer)})
                self._closing.wait(1.0)
        try:
            self.flush()
        except Exception:
            logger.exception("log events were lost at the stop", extra={"lost": len(self._buffer)})
