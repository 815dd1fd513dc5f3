"""Counts for Prometheus, and the listener that tells them.

One process counts in memory. Several workers write their counts to files of a folder of their own, and the
process that supervises them adds these up when it is asked: one address tells of all. Labels are of our own
words only: what a stranger sends makes no time series.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from gatewright.server.errors import StartupError
from gatewright.server.model import EventType, LogEvent

FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
DOORS: Final = (
    ("/oauth/", "oauth"),
    ("/.well-known/", "metadata"),
    ("/api/v2", "management"),
    ("/health/", "health"),
)


class Metrics:
    """The counts of one process; cheap enough for each request."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "gatewright_requests_total", "Requests answered.", ("door", "status"), registry=self.registry
        )
        self._issued = Counter(
            "gatewright_tokens_issued_total", "Access tokens issued.", registry=self.registry
        )
        self._refused = Counter(
            "gatewright_tokens_refused_total",
            "Token requests refused, by the error answered.",
            ("error",),
            registry=self.registry,
        )
        self._needless = Counter(
            "gatewright_token_requests_needless_total",
            "Tokens issued to clients whose token before had half its life left.",
            registry=self.registry,
        )
        self._dropped = Counter(
            "gatewright_log_events_dropped_total",
            "Log events lost because the database was away for too long.",
            registry=self.registry,
        )
        self._waiting = Gauge(
            "gatewright_log_events_waiting",
            "Log events that are not in the database yet.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._revision = Gauge(
            "gatewright_change_feed_revision",
            "The newest change that a process has applied.",
            registry=self.registry,
            multiprocess_mode="max",
        )

    def answered(self, path: str, status: int) -> None:
        """A request was answered; 0 when its sender went away before."""
        door = next((name for prefix, name in DOORS if path.startswith(prefix)), "other")
        self._requests.labels(door, str(status)).inc()

    def recorded(self, event: LogEvent) -> None:
        """Something happened that the log tells of."""
        if event.type is EventType.CLIENT_CREDENTIALS_EXCHANGED:
            self._issued.inc()
        elif event.type is EventType.CLIENT_CREDENTIALS_REFUSED:
            details = cast("Mapping[str, object]", event.document["details"])
            self._refused.labels(str(details["error"])).inc()

    def asked_needlessly(self) -> None:
        """A client asked for a token while it held a good one."""
        self._needless.inc()

    def dropped(self) -> None:
        """A log event was lost."""
        self._dropped.inc()

    def waiting(self, events: int) -> None:
        """So many log events are not written yet."""
        self._waiting.set(events)

    def applied(self, revision: int) -> None:
        """The change feed was followed up to here."""
        self._revision.set(revision)


@contextlib.contextmanager
def exposed(address: tuple[str, int], collector: Collector) -> Iterator[None]:
    """Tells what was collected at `http://HOST:PORT/metrics`, in a thread, until the end.

    Raises:
        StartupError: when the address cannot be listened on.
    """
    host, port = address
    try:
        listener, thread = start_http_server(port, "127.0.0.1" if host == "localhost" else host, collector)
    except OSError as error:
        cause = error.strerror or error
        raise StartupError(
            f"Metrics cannot be told on {host}:{port}: {cause}. Choose another address: --metrics HOST:PORT"
        ) from error
    try:
        yield
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


@contextlib.contextmanager
def gathered(address: tuple[str, int]) -> Iterator[None]:
    """As `exposed`, for the workers that are started within: what all of them have counted."""
    with tempfile.TemporaryDirectory(prefix="gatewright-metrics-") as folder:
        # Workers are new processes: theirs is read when they load the library.
        os.environ[FOLDER_VARIABLE] = folder
        try:
            with exposed(address, cast("Collector", _AllWorkers(Path(folder)))):
                yield
        finally:
            del os.environ[FOLDER_VARIABLE]


class _AllWorkers:
    """Adds up the files of all workers; what waits in a worker that has died waits no more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._inner = MultiProcessCollector(None, path=str(folder))  # type: ignore[no-untyped-call]

    def collect(self) -> Iterable[Metric]:
        """Called for each request."""
        for file in self._folder.glob("gauge_live*_*.db"):
            pid = int(file.stem.rpartition("_")[2])
            if not _is_alive(pid):
                mark_process_dead(pid, str(self._folder))  # type: ignore[no-untyped-call]
        return cast("Iterable[Metric]", self._inner.collect())  # type: ignore[no-untyped-call]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
