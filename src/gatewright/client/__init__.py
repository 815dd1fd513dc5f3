"""The caller's side: access tokens fetched, kept, renewed in time and shared, so that nobody asks too often.

What lives here: `TokenSource` and what it is made of, and one module for each HTTP library that it can be
hung into (`gatewright.client.httpx2`, `.httpx`, `.requests`), loaded by who uses it. What does not: deciding
about tokens (`gatewright.guard`) and issuing them (`gatewright.server`). Any issuer will do.
"""

from gatewright.client.errors import TokenError, TokenRefused, TokenUnavailable
from gatewright.client.source import TokenSource

__all__ = ["TokenError", "TokenRefused", "TokenSource", "TokenUnavailable"]
