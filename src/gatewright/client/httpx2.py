"""Tokens in the requests of httpx2: `httpx2.Client(auth=TokenAuth(source))`, or an `AsyncClient`."""

from collections.abc import AsyncGenerator, Generator

import httpx2

from gatewright.client import bearing
from gatewright.client.source import TokenSource

__all__ = ["TokenAuth"]


class TokenAuth(httpx2.Auth):
    """Sends a token of the source with each request, and once more with a new one when the API answers 401.

    Not again when the token was new already, or the body of the request cannot be sent twice. Raises as
    `TokenSource.token`.
    """

    def __init__(self, source: TokenSource) -> None:
        self.source = source

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Called by a client for each request."""
        return bearing.flow(self.source, request)

    def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Called by an asynchronous client for each request."""
        return bearing.aflow(self.source, request)
