"""Each contract test runs once for every way in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gatewright import Guard
from tests.adapters.doors import DOORS as ASYNCHRONOUS
from tests.adapters.doors import Door

# Every way in, of every framework.
DOORS: dict[str, Callable[[Guard], Door]] = {
    **ASYNCHRONOUS,
}


@pytest.fixture(params=DOORS)
def make_door(request: pytest.FixtureRequest) -> Callable[[Guard], Door]:
    """Builds the same API behind one of the adapters."""
    return DOORS[request.param]
