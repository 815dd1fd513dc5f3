"""Where things are: server metadata (RFC 8414; OpenID Connect Discovery's address) and the key set."""

import contextlib

from starlette.requests import Request
from starlette.responses import Response

from gatewright.server.client import ASSERTION_ALGORITHMS
from gatewright.server.context import Server
from gatewright.server.errors import StoreUnavailable
from gatewright.server.oauth.grants import GRANT_TYPES
from gatewright.server.oauth.revocations import FEED_PATH
from gatewright.server.requests import is_known, json_response

OPEN = {"Access-Control-Allow-Origin": "*"}
# Short, so that a rotated key is known within half a minute; long when we cannot be reached.
CACHING = {"Cache-Control": "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400"}


async def server_metadata(server: Server, _: Request) -> Response:
    """The metadata; only endpoints that exist are named."""
    issuer = server.settings.issuer
    document = {
        "issuer": issuer,
        "token_endpoint": f"{issuer}oauth/token",
        "jwks_uri": f"{issuer}.well-known/jwks.json",
        "revocations_uri": f"{issuer.removesuffix('/')}{FEED_PATH}",
        "response_types_supported": [],
        "grant_types_supported": list(GRANT_TYPES),
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ],
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
    }
    return json_response(document, headers={**OPEN, **CACHING})


async def key_set(server: Server, http: Request) -> Response:
    """The public signing keys (RFC 7517 section 5): current, next, and previous ones not yet retired."""
    # A worker that is asked for nothing else must learn of a rotation too. While the database is away,
    # the keys known last are the best answer there is.
    with contextlib.suppress(StoreUnavailable):
        await server.store.catch_up()
    published = server.keys.key_set()
    headers = {"Content-Type": "application/json", "ETag": published.etag, **OPEN, **CACHING}
    if is_known(http, published.etag):
        return Response(status_code=304, headers=headers)
    return Response(published.body, headers=headers)
