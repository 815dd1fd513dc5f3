"""Tokens in the requests of requests: `session.auth = TokenAuth(source)`, or `auth=` of one request."""

from typing import Any

import requests
from requests.auth import AuthBase

from gatewright.client.source import TokenSource

__all__ = ["TokenAuth"]

_UNAUTHORIZED = 401


class TokenAuth(AuthBase):
    """Sends a token of the source with each request, and once more with a new one when the API answers 401.

    Not again when the token was new already, or the body of the request cannot be sent twice. Raises as
    `TokenSource.token`.
    """

    def __init__(self, source: TokenSource) -> None:
        self.source = source

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Called by requests for each request, before it is sent."""
        token = self.source.token()
        request.headers["Authorization"] = f"Bearer {token}"

        def again(response: requests.Response, **options: Any) -> requests.Response:  # noqa: ANN401 - passed on
            return self._again(response, token, options)

        request.register_hook("response", again)
        return request

    def _again(self, response: requests.Response, token: str, options: dict[str, Any]) -> requests.Response:
        sent = response.request
        # A redirect to another host has lost its header: there the token has no business.
        was_carried = sent.headers.get("Authorization") == f"Bearer {token}"
        is_repeatable = sent.body is None or isinstance(sent.body, str | bytes)
        if response.status_code != _UNAUTHORIZED or not was_carried or not is_repeatable:
            return response
        if not self.source.invalidate(token):
            return response
        _ = response.content  # read, so that the connection is free for the second request
        response.close()
        repeated = sent.copy()
        repeated.headers["Authorization"] = f"Bearer {self.source.token()}"
        answer: requests.Response = response.connection.send(repeated, **options)
        answer.history.append(response)
        answer.request = repeated
        return answer
