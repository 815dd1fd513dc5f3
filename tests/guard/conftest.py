"""What the tests of the guard have around them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.guard.issuing import StubIssuer


@pytest.fixture
def issuer() -> Iterator[StubIssuer]:
    with StubIssuer() as running:
        yield running
