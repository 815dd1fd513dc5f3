"""Each contract test runs once for every way in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gatewright import Guard
from tests.adapters.doors import DOORS as ASYNCHRONOUS
from tests.adapters.doors import Door
from tests.adapters.doors_aiohttp import DOORS as AIOHTTP
from tests.adapters.doors_django import DOORS as DJANGO
from tests.adapters.doors_flask import DOORS as FLASK
from tests.adapters.doors_litestar import DOORS as LITESTAR
from tests.adapters.doors_mcp import DOORS as MCP

# Every way in, of every framework.
DOORS: dict[str, Callable[[Guard], Door]] = {
    **ASYNCHRONOUS,
    **AIOHTTP,
    **FLASK,
    **DJANGO,
    **MCP,
    **LITESTAR,
}


@pytest.fixture(params=DOORS)
def make_door(request: pytest.FixtureRequest) -> Callable[[Guard], Door]:
    """Builds the same API behind one of the adapters."""
    return DOORS[request.param]
