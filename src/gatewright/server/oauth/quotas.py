"""How often a client may ask for tokens, and how many it may have: rate limit and token quota."""

from collections.abc import Sequence

from starlette.requests import Request

from gatewright.server.client import Client
from gatewright.server.context import Server
from gatewright.server.errors import OAuthError
from gatewright.server.events import log_event
from gatewright.server.limits import (
    Consumption,
    quota_header,
    rate_limit,
    rate_limit_headers,
    token_quota,
)
from gatewright.server.model import EventType
from gatewright.server.oauth.grants import Authorization
from gatewright.server.requests import caller


async def require_pace(server: Server, client: Client) -> dict[str, str]:
    """The rate limit's headers; nothing where there is no limit.

    Raises:
        OAuthError: 429, the client has asked too often in this minute.
    """
    budgets = rate_limit("token_endpoint", client.client_id, await server.limits.settings())
    spending = await server.limits.spend(budgets)
    headers = rate_limit_headers(spending)
    if spending.refused_by is not None:
        raise OAuthError(429, "too_many_requests", "Global limit has been reached", headers=headers)
    return headers


async def require_quota(server: Server, http: Request, authorization: Authorization) -> dict[str, str]:
    """The quota's header; nothing where there is no quota.

    Tokens for the Management API are not counted: nobody is to lock himself out of raising his quota.

    Raises:
        OAuthError: 429, the client has had all its tokens of this hour or day.
    """
    if authorization.audience == server.settings.management_audience:
        return {}
    client = authorization.client
    spending = await server.limits.spend(token_quota(client, await server.limits.settings()))
    _record(server, http, client, spending.consumed)
    headers = quota_header(spending)
    if spending.refused_by is not None:
        headers |= rate_limit_headers(spending)
        raise OAuthError(
            429, "too_many_requests", "Client quota exceeded", reason="quota_exceeded", headers=headers
        )
    return headers


def _record(server: Server, http: Request, client: Client, consumed: Sequence[Consumption]) -> None:
    """A warning for each threshold that was passed: by whichever process leased past it."""
    for each in consumed:
        details = {
            "bucket": each.budget.name,
            "entity_type": "client",
            "entity_id": client.client_id,
            "quota": each.budget.limit,
            "quota_consumption_percentage": each.percentage,
            "quota_consumption": each.consumption,
        }
        event = log_event(
            EventType.TOKEN_QUOTA_WARNING,
            date=server.now(),
            source=server.source,
            caller=caller(http),
            description=f"{each.percentage} % of the token quota are consumed",
            client_id=client.client_id,
            client_name=client.name,
            details=details,
        )
        server.events.record(event)
