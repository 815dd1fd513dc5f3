"""``POST /oauth/token``: one function, read top to bottom; every step is one call."""

from collections.abc import Awaitable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import TypeVar, cast

from starlette.requests import Request
from starlette.responses import Response

from gatewright.jose import JWK, jwt
from gatewright.server.context import Server
from gatewright.server.errors import NO_STORE, OAuthError, StoreUnavailable
from gatewright.server.events import log_event
from gatewright.server.model import HMAC_ALGORITHMS, EventType, GrantPolicy
from gatewright.server.oauth.claims import DIALECTS, access_token_claims
from gatewright.server.oauth.clients import authenticate
from gatewright.server.oauth.grants import Authorization, authorize
from gatewright.server.oauth.quotas import require_pace, require_quota
from gatewright.server.oauth.request import TokenRequest
from gatewright.server.requests import caller, json_response, note

R = TypeVar("R")

# A request may be as long as its sender likes; its log event and log line may not.
LONGEST_LOGGED = 1000
LONGEST_SHOWN = 200


async def issue_token(server: Server, http: Request) -> Response:
    """Answers a token request (RFC 6749 section 4.4.3).

    Raises:
        OAuthError: every refusal, with its own answer.
    """
    request = await _with_audience(server, await TokenRequest.parse(http))
    policy = await _answered(server.store.grant_policy(request.client_id, request.audience or ""))
    try:
        client = await _answered(authenticate(server, request, policy))
        pace = await require_pace(server, client)
        authorization = authorize(request, client, policy)
        quota = await require_quota(server, http, authorization)
    except OAuthError as refusal:
        if refusal.status != HTTPStatus.SERVICE_UNAVAILABLE:  # which says nothing about the client
            _record_refusal(server, http, request, policy, refusal)
        raise
    claims = access_token_claims(authorization, issuer=server.settings.issuer, now=int(server.now()))
    token = _sign(server, authorization, claims)
    _record_token(server, http, authorization)
    return _token_response(token, authorization, {**pace, **quota})


async def _with_audience(server: Server, request: TokenRequest) -> TokenRequest:
    """Who names no API means the tenant's default one, if there is one."""
    if request.audience is not None:
        return request
    await _answered(server.store.catch_up())  # the setting may have been changed by another process
    settings = await server.limits.settings()
    return replace(request, audience=cast("str | None", settings.get("default_audience")) or None)


async def _answered(asked: Awaitable[R]) -> R:
    try:
        return await asked
    except StoreUnavailable as error:
        raise OAuthError(
            503, "temporarily_unavailable", "Try again in a few seconds", headers={"Retry-After": "5"}
        ) from error


def _sign(server: Server, authorization: Authorization, claims: dict[str, object]) -> str:
    resource_server = authorization.resource_server
    typ = DIALECTS[resource_server.dialect].typ
    if resource_server.signing_alg not in HMAC_ALGORITHMS:
        return server.keys.sign(claims, alg=resource_server.signing_alg, typ=typ)
    secret = JWK.symmetric(str(resource_server.signing_secret).encode(), alg=resource_server.signing_alg)
    return jwt.sign(claims, secret, typ=typ)


def _token_response(token: str, authorization: Authorization, limits: Mapping[str, str]) -> Response:
    body: dict[str, object] = {"access_token": token}
    if authorization.scopes:
        body["scope"] = " ".join(authorization.scopes)
    body |= {"expires_in": authorization.lifetime, "token_type": "Bearer"}
    return json_response(body, headers={**NO_STORE, **limits})


def _record_token(server: Server, http: Request, authorization: Authorization) -> None:
    scope = " ".join(authorization.scopes)
    note(http, client_id=authorization.client.client_id, scope=scope[:LONGEST_SHOWN])
    now = server.now()
    server.events.note_token(
        authorization.client.client_id,
        authorization.audience,
        authorization.scopes,
        at=now,
        lifetime=authorization.lifetime,
    )
    event = log_event(
        EventType.CLIENT_CREDENTIALS_EXCHANGED,
        date=now,
        source=server.source,
        caller=caller(http),
        description="Client credentials exchange succeeded",
        client_id=authorization.client.client_id,
        client_name=authorization.client.name,
        audience=authorization.audience,
        scope=authorization.scopes,
    )
    server.events.record(event)


def _record_refusal(
    server: Server, http: Request, request: TokenRequest, policy: GrantPolicy, refusal: OAuthError
) -> None:
    client, now = policy.client, server.now()
    server.events.note_refusal(
        refusal.reason,
        client.client_id if client else "",
        str(request.audience) if policy.resource_server else "",
        at=now,
    )
    cause = f": {refusal.__cause__}" if refusal.__cause__ is not None else ""
    description = f"{refusal.description}{cause}"[:LONGEST_LOGGED]
    note(http, client_id=request.client_id[:64], refused=description)
    event = log_event(
        EventType.CLIENT_CREDENTIALS_REFUSED,
        date=now,
        source=server.source,
        caller=caller(http),
        description=description,
        client_id=client.client_id if client else None,
        client_name=client.name if client else None,
        audience=(request.audience or "")[:LONGEST_LOGGED],
        scope=(" ".join(request.scope or ())[:LONGEST_LOGGED],),
        details={"error": refusal.error, "reason": refusal.reason},
    )
    server.events.record(event)
