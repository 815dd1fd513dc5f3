"""The Management API as one ASGI application: the nouns' routes behind the guard."""

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from gatewright.guard import AccessToken, Guard
from gatewright.server.context import Server
from gatewright.server.errors import ApiError
from gatewright.server.management import (
    client_credentials,
    client_grants,
    client_secrets,
    clients,
    guard_reports,
    insights,
    log_streams,
    logs,
    resource_servers,
    revocations,
    roles,
    signing_keys,
    stats,
    tenant_settings,
    tools,
    users,
)
from gatewright.server.management.endpoint import answer
from gatewright.server.management.routing import Router
from gatewright.server.requests import render

ROUTES = (
    *resource_servers.ROUTES,
    *clients.ROUTES,
    *client_credentials.ROUTES,
    *client_secrets.ROUTES,
    *client_grants.ROUTES,
    *signing_keys.ROUTES,
    *revocations.ROUTES,
    *logs.ROUTES,
    *tenant_settings.ROUTES,
    *roles.ROUTES,
    *users.ROUTES,
    *log_streams.ROUTES,
    *stats.ROUTES,
    *guard_reports.ROUTES,
    *insights.ROUTES,
)
"""What this server has a subject for; `tools.ROUTES` are answered beside them."""

ALL_ROUTES = (*ROUTES, *tools.ROUTES)


class ManagementApi:
    """``/api/v2``. Its own tokens are checked like anybody's, with the keys handed over in process."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._router = Router(ALL_ROUTES)
        self._guard = Guard(
            server.settings.issuer,
            audience=server.settings.management_audience,
            algorithms=("RS256",),
            keys=server.keys.verification_keys,
            revoked=self._is_revoked,
            now=server.now,
            allow_insecure_issuer=server.settings.allow_insecure_issuer,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        http = Request(scope, receive)
        try:
            row, path = self._router.find(http)
            response = await answer(self._server, self._guard, http, row, path)
        except ApiError as refusal:
            response = render(refusal)
        await response(scope, receive, send)

    def _is_revoked(self, token: AccessToken) -> bool:
        return self._server.revocations.revokes(
            client_id=token.client_id,
            audience=token.audience,
            jti=token.token_id,
            issued_at=token.issued_at,
        )
