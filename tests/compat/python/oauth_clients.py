"""OAuth clients that know nothing of Auth0, Authlib and requests-oauthlib, ask for tokens.

Environment: ISSUER, CLIENT_ID, CLIENT_SECRET, AUDIENCE, SCOPE; JSON tells what came of it.
"""

import json
import os
import sys
from typing import Any

from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

ISSUER, CLIENT_ID, CLIENT_SECRET, AUDIENCE, SCOPE = (
    os.environ[name] for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "AUDIENCE", "SCOPE")
)
ENDPOINT = ISSUER + "oauth/token"


def main() -> None:
    """One token by each way."""
    told: dict[str, Any] = {}
    for method in ("client_secret_basic", "client_secret_post"):
        authlib: Any = AuthlibSession(
            CLIENT_ID, CLIENT_SECRET, token_endpoint_auth_method=method, scope=SCOPE
        )
        told[method] = authlib.fetch_token(ENDPOINT, grant_type="client_credentials", audience=AUDIENCE)
    session: Any = OAuth2Session(client=BackendApplicationClient(client_id=CLIENT_ID))
    told["requests"] = session.fetch_token(ENDPOINT, client_secret=CLIENT_SECRET, audience=AUDIENCE)
    json.dump({name: [token["token_type"], token["scope"]] for name, token in told.items()}, sys.stdout)


main()
