"""The claims of an access token: pure, an authorization and the time in, claims out."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from gatewright.server.oauth.grants import Authorization


@dataclass(frozen=True, slots=True)
class Dialect:
    """One of Auth0's access token profiles: how the token is typed and which members it has."""

    typ: str
    client_claim: str
    has_jti: bool
    has_gty: bool
    has_permissions: bool


DIALECTS: Mapping[str, Dialect] = {
    "access_token": Dialect("JWT", "azp", has_jti=False, has_gty=True, has_permissions=False),
    "access_token_authz": Dialect("JWT", "azp", has_jti=False, has_gty=True, has_permissions=True),
    "rfc9068_profile": Dialect("at+jwt", "client_id", has_jti=True, has_gty=False, has_permissions=False),
    "rfc9068_profile_authz": Dialect(
        "at+jwt", "client_id", has_jti=True, has_gty=False, has_permissions=True
    ),
}


def access_token_claims(authorization: Authorization, *, issuer: str, now: int) -> dict[str, object]:
    """The claims, in the order Auth0 emits them. ``now`` is in whole seconds since 1970."""
    resource_server = authorization.resource_server
    dialect = DIALECTS[resource_server.dialect]
    claims: dict[str, object] = {
        "iss": issuer,
        "sub": authorization.subject,
        "aud": authorization.audience,
        "iat": now,
        "exp": now + authorization.lifetime,
    }
    if dialect.has_jti:
        claims["jti"] = secrets.token_urlsafe(16)
    if authorization.scopes:
        claims["scope"] = " ".join(authorization.scopes)
    if dialect.has_gty:
        claims["gty"] = authorization.grant_type.replace("_", "-")
    claims[dialect.client_claim] = authorization.client.client_id
    if dialect.has_permissions and resource_server.enforces_policies:
        claims["permissions"] = list(authorization.scopes)
    return claims
