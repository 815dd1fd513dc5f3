"""The Management API as one ASGI application: the nouns' routes behind the guard."""

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from gatewright.guard import AccessToken, Guard
from gatewright.jose import JWK, JWKS
from gatewright.server.context import Server
from gatewright.server.errors import ApiError
from gatewright.server.management import (
    attention,
    base_urls,
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
    *base_urls.ROUTES,
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
    *attention.ROUTES,
    *insights.ROUTES,
)
"""What this server has a subject for; `tools.ROUTES` are answered beside them."""

ALL_ROUTES = (*ROUTES, *tools.ROUTES)


class ManagementApi:
    """``/api/v2``. Its own tokens are checked like anybody's, with the keys handed over in process."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._router = Router(ALL_ROUTES)
        self._guard = guard_of(server, audience=server.settings.management_audience, algorithm="RS256")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        http = Request(scope, receive)
        try:
            row, path = self._router.find(http)
            response = await answer(self._server, self._guard, http, row, path)
        except ApiError as refusal:
            response = render(refusal)
        await response(scope, receive, send)


def guard_of(server: Server, *, audience: str, algorithm: str, secret: str | None = None) -> Guard:
    """What guards an API whose tokens this server issues, with everything known in process.

    ``secret`` is the API's own, where its tokens are signed with one.
    """

    def is_revoked(token: AccessToken) -> bool:
        return server.revocations.revokes(
            client_id=token.client_id,
            audience=token.audience,
            jti=token.token_id,
            issued_at=token.issued_at,
        )

    shared = None if secret is None else JWKS([JWK.symmetric(secret.encode(), alg=algorithm)])
    return Guard(
        server.settings.issuer,
        audience=audience,
        algorithms=(algorithm,),
        keys=server.keys.verification_keys if shared is None else shared,
        revoked=is_revoked,
        now=server.now,
        allow_insecure_issuer=server.settings.allow_insecure_issuer,
    )
