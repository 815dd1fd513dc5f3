"""OAuth clients that know nothing of Auth0, and guards that know Auth0 alone: to both it is theirs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.compat.conftest import Tenant

AUDIENCE = "https://blog-api"


def of_reader(tenant: Tenant) -> dict[str, str]:
    """The variables of an application that may read."""
    return {
        "ISSUER": tenant.server.issuer,
        "CLIENT_ID": tenant.reader.client_id,
        "CLIENT_SECRET": tenant.reader.client_secret,
        "AUDIENCE": AUDIENCE,
        "SCOPE": "read:blog",
    }


def test_authlib_and_requests_oauthlib_get_tokens(tenant: Tenant) -> None:
    assert tenant.python("oauth_clients.py", **of_reader(tenant)) == {
        "client_secret_basic": ["Bearer", "read:blog"],
        "client_secret_post": ["Bearer", "read:blog"],
        "requests": ["Bearer", ["read:blog"]],
    }


def test_openid_client_and_oauth4webapi_discover_and_get_tokens(tenant: Tenant) -> None:
    assert tenant.node("oauth.mjs", **of_reader(tenant)) == {
        "tokens": [["bearer", "read:blog"]] * 4,
        "members": ["access_token", "expires_in", "scope", "token_type"],
        "post": [401, "access_denied"],
        "basic": [401, "basic"],
    }


# Guards of Auth0's


def tokens(tenant: Tenant) -> list[str]:
    """One that may read, one of an application that may nothing, and one that is forged."""
    reads = tenant.caller.token(tenant.reader, AUDIENCE)
    nobody = tenant.caller.application("Nobody")
    tenant.caller.authorize(nobody, AUDIENCE)
    return [reads, tenant.caller.token(nobody, AUDIENCE), reads[:-4] + "AAAA"]


def test_express_oauth2_jwt_bearer_accepts_our_tokens(tenant: Tenant) -> None:
    asked = json.dumps(tokens(tenant))
    told = tenant.node("express.mjs", stdin=asked, ISSUER=tenant.server.issuer, AUDIENCE=AUDIENCE)
    assert told == [[200, 200], [200, 403], [401, 401]]


def test_auth0_api_python_and_auth0_fastapi_api_accept_our_tokens(tenant: Tenant) -> None:
    asked = json.dumps(tokens(tenant))
    told = tenant.python("auth0_guards.py", stdin=asked, AUTH0_DOMAIN=tenant.domain, AUDIENCE=AUDIENCE)
    assert told[0] == [tenant.reader.client_id, 200]
    assert (told[1][0] is not None, told[1][1]) == (True, 403)
    assert told[2] == [None, 401]
