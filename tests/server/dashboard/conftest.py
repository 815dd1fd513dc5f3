"""Who sits at the dashboard of the server that runs in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server.dashboard.browsing import Browser, entered, first_administrator, nobody

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatewright.server.app import RunningServer


@pytest.fixture
def browser(running: RunningServer) -> Iterator[Browser]:
    """Nobody's yet."""
    with nobody(running) as browser:
        yield browser


@pytest.fixture(scope="module")
def ada(running: RunningServer) -> Iterator[Browser]:
    """The first administrator, logged in."""
    with first_administrator(running) as browser:
        yield browser


@pytest.fixture(scope="module")
def vera(running: RunningServer, ada: Browser) -> Iterator[Browser]:
    """A viewer, logged in; after `ada`, for only the first of all people comes by the link."""
    assert ada.path
    with entered(running, "vera", "viewer") as browser:
        yield browser
