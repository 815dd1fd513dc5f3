"""The revocation feed: what guards poll, signed, so that they refuse before tokens end. Ours, not Auth0's."""

import asyncio
import re

from starlette.requests import Request
from starlette.responses import Response

from gatewright.server.context import Server
from gatewright.server.errors import OAuthError, StoreUnavailable
from gatewright.server.requests import is_known, routine
from gatewright.server.revocations import TYPE

FEED_PATH = "/.well-known/revocations"
FEED_MEDIA_TYPE = f"application/{TYPE}"
LARGEST_REVISION = 2**53
# Kept by nobody without asking: what is old here lets in who should stay out.
_HEADERS = {"Cache-Control": "no-cache", "Access-Control-Allow-Origin": "*"}


async def revocation_feed(server: Server, http: Request) -> Response:
    """What was revoked after the revision ``since``: a JWT, with an ETag.

    Raises:
        OAuthError: 400 for what is no revision; 503 while the database is away, for then nobody knows.
    """
    routine(http)
    since = _since(http)
    try:
        await server.store.catch_up()
    except StoreUnavailable as error:
        raise OAuthError(
            503, "temporarily_unavailable", "Try again in a few seconds", headers={"Retry-After": "5"}
        ) from error
    feed = await asyncio.to_thread(server.revocations.feed, since)
    headers = {"Content-Type": FEED_MEDIA_TYPE, "ETag": feed.etag, **_HEADERS}
    if is_known(http, feed.etag):
        return Response(status_code=304, headers=headers)
    return Response(feed.body, headers=headers)


def _since(http: Request) -> int:
    text = http.query_params.get("since", "0")
    if not re.fullmatch("[0-9]{1,16}", text) or int(text) > LARGEST_REVISION:
        raise OAuthError(400, "invalid_request", "since is not a revision")
    return int(text)
