"""Client authentication (RFC 6749 section 2.3): is the caller the client it names?"""

import hashlib
import hmac

from gatewright.server.client import Client
from gatewright.server.errors import OAuthError
from gatewright.server.oauth.request import BASIC_CHALLENGE, TokenRequest

# What an unknown client is compared with, so that it costs the same as a wrong secret.
_NOBODY = Client(client_id="", document={}, secrets=("there is no such client",))


def authenticate(request: TokenRequest, client: Client | None) -> Client:
    """The client, when a secret of its was presented.

    Raises:
        OAuthError: 401; the same for an unknown client, a missing and a wrong secret.
    """
    candidate = client if client is not None and client.secrets else _NOBODY
    matches = _matches(request.secrets or ("",), candidate.secrets)
    if client is None or candidate is _NOBODY or not client.uses_secret or not matches:
        headers = BASIC_CHALLENGE if request.uses_basic else None
        raise OAuthError(401, "access_denied", "Unauthorized", headers=headers)
    return client


def _matches(presented: tuple[str, ...], valid: tuple[str, ...]) -> bool:
    """Whether any presented reading equals any valid secret, in time that depends on neither's content."""
    found = False
    for secret in valid:
        expected = hashlib.sha256(secret.encode()).digest()
        for reading in presented:
            found |= hmac.compare_digest(hashlib.sha256(reading.encode()).digest(), expected)
    return found
