"""Auth0's guards for Python, auth0-api-python and auth0-fastapi-api: what they make of the tokens on stdin.

Environment: AUTH0_DOMAIN, AUDIENCE. Stdin: a JSON list of tokens; stdout: of each the verdicts of both.
"""

import asyncio
import json
import os
import sys
from typing import Any

from auth0_api_python import ApiClient, ApiClientOptions
from fastapi import Depends, FastAPI
from fastapi_plugin import Auth0FastAPI
from starlette.testclient import TestClient

DOMAIN, AUDIENCE = os.environ["AUTH0_DOMAIN"], os.environ["AUDIENCE"]


def verified(token: str) -> str | None:
    """The client that auth0-api-python reads in the token."""
    client: Any = ApiClient(ApiClientOptions(domain=DOMAIN, audience=AUDIENCE))
    try:
        claims: dict[str, str] = asyncio.run(client.verify_access_token(access_token=token))
    except Exception:  # noqa: BLE001 - whatever its refusals are called
        return None
    return claims["azp"]


def main() -> None:
    """Both guards, each token."""
    app = FastAPI()
    auth0: Any = Auth0FastAPI(domain=DOMAIN, audience=AUDIENCE)

    @app.get("/blogs", dependencies=[Depends(auth0.require_auth(scopes="read:blog"))])
    def blogs() -> dict[str, bool]:
        return {"readBlogAccess": True}

    told = []
    with TestClient(app) as http:
        for token in json.load(sys.stdin):
            answer = http.get("/blogs", headers={"Authorization": f"Bearer {token}"})
            told.append([verified(token), answer.status_code])
    json.dump(told, sys.stdout)


main()
