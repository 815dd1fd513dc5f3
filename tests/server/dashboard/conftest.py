"""Who sits at the dashboard of the server that runs in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.server.dashboard.browsing import Browser, entered, first_administrator, nobody

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatewright.server.app import RunningServer
    from tests.running import Application, Caller


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


@pytest.fixture
def api(caller: Caller, request: pytest.FixtureRequest) -> dict[str, Any]:
    """An API of the test's own."""
    scopes = [{"value": "read:blog", "description": "Read the blog"}, {"value": "create:blog"}]
    name = request.node.name
    return caller.create("resource-servers", name=name, identifier=f"https://{name}", scopes=scopes)


@pytest.fixture
def application(caller: Caller, request: pytest.FixtureRequest) -> Application:
    """An application of the test's own."""
    return caller.application(f"App of {request.node.name}")
