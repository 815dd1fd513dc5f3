"""A whole server inside this process, with a clock that stands still until a test moves it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from gatewright.server.app import RunningServer, start
from gatewright.server.settings import Settings
from tests.records import Clock
from tests.running import calling, free_port
from tests.server.calling import Limited, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.running import Caller


@pytest.fixture(scope="module")
def clock() -> Clock:
    """What the server of this file takes for the time."""
    return Clock()


@pytest.fixture
def moving_clock(clock: Clock) -> Iterator[Clock]:
    """The same clock, for a test that moves it: it is set back afterwards."""
    before = clock.now
    yield clock
    clock.now = before


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[RunningServer]:
    """A server of this file's own, on an empty folder and a free port."""
    folder = tmp_path_factory.mktemp("server") / "data"
    settings = Settings.load({}, data=folder, listen=f"localhost:{free_port()}")
    with start(settings, now=clock) as server:
        yield server


@pytest.fixture(scope="module")
def caller(running: RunningServer) -> Iterator[Caller]:
    """Calls `running` with the credentials of its command line."""
    with calling(running) as caller:
        yield caller


@pytest.fixture(scope="module")
def holding(running: RunningServer, caller: Caller, clock: Clock) -> Callable[[str], Limited]:
    """`holding("read:clients read:logs")` is a caller with just these scopes.

    Its token is signed with the server's own key, because some scopes that endpoints accept are not among
    those that the system API can grant.
    """

    def limited(scopes: str) -> Limited:
        claims = {
            "iss": running.issuer,
            "aud": running.settings.management_audience,
            "exp": clock.now + 86400,
            "scope": scopes,
            "azp": caller.operator.client_id,
        }
        return Limited(caller, running.server.keys.sign(claims, alg="RS256", typ="JWT"))

    return limited


@pytest.fixture(scope="module")
def wire(running: RunningServer) -> Wire:
    """Sends raw bytes to `running`."""
    host, port = running.settings.address
    return Wire((host, port))


@pytest.fixture
def lines() -> Iterator[Sequence[Mapping[str, Any]]]:
    """The log lines that the server writes during a test."""
    captured: list[Mapping[str, Any]] = []

    class Capture(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            about = {"event": record.getMessage(), "log_level": record.levelname.lower()}
            captured.append(vars(record) | about)

    logger, handler = logging.getLogger("gatewright.server"), Capture()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield captured
    logger.removeHandler(handler)
    logger.setLevel(level)
    logger.propagate = propagate
