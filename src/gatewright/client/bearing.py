"""How a request of httpx or httpx2 carries a token, and is sent once more when the API answers 401.

Both libraries speak alike here; the class for each calls these functions.
"""

from collections.abc import AsyncGenerator, Generator, MutableMapping
from typing import Any, Protocol, TypeVar

from gatewright.client.source import TokenSource

UNAUTHORIZED = 401


class Request(Protocol):
    """What is needed of a request."""

    @property
    def headers(self) -> MutableMapping[str, str]:
        """Those that are sent."""
        ...


R = TypeVar("R", bound=Request)


def flow(source: TokenSource, request: R) -> Generator[R, Any, None]:
    """The request with a token; again with another, when the first is refused and another may help."""
    token = source.token()
    _carry(request, token)
    response = yield request
    if _is_worth_repeating(request, response, token) and source.invalidate(token):
        _carry(request, source.token())
        yield request


async def aflow(source: TokenSource, request: R) -> AsyncGenerator[R, Any]:
    """As `flow`, without blocking the event loop."""
    token = await source.atoken()
    _carry(request, token)
    response = yield request
    if _is_worth_repeating(request, response, token) and source.invalidate(token):
        _carry(request, await source.atoken())
        yield request


def _carry(request: Request, token: str) -> None:
    request.headers["Authorization"] = f"Bearer {token}"


def _is_worth_repeating(request: object, response: Any, token: str) -> bool:  # noqa: ANN401 - of either library
    # A redirect to another host has lost its header: what is said there is not said of the token.
    was_carried = response.request.headers.get("Authorization") == f"Bearer {token}"
    return response.status_code == UNAUTHORIZED and was_carried and _can_be_repeated(request)


def _can_be_repeated(request: object) -> bool:
    """Whether the body is at hand: what was streamed has been read, and is gone."""
    try:
        return isinstance(getattr(request, "content", None), bytes)
    except RuntimeError:  # RequestNotRead
        return False
