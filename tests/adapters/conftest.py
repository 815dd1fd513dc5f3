"""Each contract test runs once for every way in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gatewright import Guard
from tests.adapters.doors import DOORS, Door


@pytest.fixture(params=DOORS)
def make_door(request: pytest.FixtureRequest) -> Callable[[Guard], Door]:
    """Builds the same API behind one of the adapters."""
    return DOORS[request.param]
