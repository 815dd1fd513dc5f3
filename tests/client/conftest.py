"""What the tests of the caller's side share: an issuer that answers as told, and sources of its tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gatewright.client import TokenSource, needless
from tests.client.endpoint import AUDIENCE, SECRET, TokenEndpoint
from tests.guard.issuing import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    with TokenEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source_of(endpoint: TokenEndpoint, clock: Clock) -> Callable[..., TokenSource]:
    """`source_of(scope="read:blog")` is a source of the endpoint's tokens, on the test's clock."""

    def make(**options: Any) -> TokenSource:  # noqa: ANN401 - as TokenSource takes them
        arguments: dict[str, Any] = {"client_id": "reader", "client_secret": SECRET, "now": clock} | options
        return TokenSource(endpoint.issuer, arguments.pop("audience", AUDIENCE), **arguments)

    return make


@pytest.fixture(autouse=True)
def _nothing_known() -> None:
    """What the process knows of the sources of other tests is forgotten."""
    needless._latest.clear()  # noqa: SLF001 - a process has no door to it
