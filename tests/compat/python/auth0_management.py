"""Auth0's SDK for Python (auth0-python) does what a team does with its tenant; JSON tells what came of it.

Environment: AUTH0_DOMAIN, AUTH0_CLIENT_ID, NAME; AUTH0_CLIENT_SECRET or AUTH0_CLIENT_ASSERTION_KEY (a file).
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from auth0.authentication import GetToken
from auth0.management import ManagementClient
from auth0.management.core.api_error import ApiError

DOMAIN, CLIENT_ID, NAME = (os.environ[name] for name in ("AUTH0_DOMAIN", "AUTH0_CLIENT_ID", "NAME"))
KEY = os.environ.get("AUTH0_CLIENT_ASSERTION_KEY")
PROOF: dict[str, Any] = (
    {"client_assertion_signing_key": Path(KEY).read_text()}
    if KEY
    else {"client_secret": os.environ["AUTH0_CLIENT_SECRET"]}
)
IDENTIFIER = f"https://{NAME}"


def main() -> None:
    """Every noun, made, read, listed page by page, changed and removed."""
    told: dict[str, object] = {}
    answer = GetToken(DOMAIN, CLIENT_ID, **PROOF).client_credentials(f"https://{DOMAIN}/api/v2/")
    told["token"] = sorted(answer)
    # Its management client can ask for tokens with a secret only; with a key, its authentication class does.
    known: dict[str, Any] = {"token": answer["access_token"]} if KEY else {"client_id": CLIENT_ID, **PROOF}
    auth0: Any = ManagementClient(domain=DOMAIN, **known)

    api = auth0.resource_servers.create(identifier=IDENTIFIER, name=NAME, scopes=[{"value": "read:blog"}])
    told["api"] = auth0.resource_servers.get(api.id).identifier
    told["apis"] = [each.identifier for each in auth0.resource_servers.list(per_page=1)]
    told["lifetime"] = auth0.resource_servers.update(api.id, token_lifetime=60).token_lifetime

    client = auth0.clients.create(name=NAME, app_type="non_interactive")
    told["clients"] = [each.name for each in auth0.clients.list(per_page=1)]
    told["renamed"] = auth0.clients.update(client.client_id, name=f"{NAME} again").name
    told["rotated"] = auth0.clients.rotate_secret(client.client_id).client_secret != client.client_secret

    grant = auth0.client_grants.create(client_id=client.client_id, audience=IDENTIFIER, scope=[])
    told["grants"] = [each.id for each in auth0.client_grants.list(take=1)].count(grant.id)
    told["granted"] = auth0.client_grants.update(grant.id, scope=["read:blog"]).scope

    told["keys"] = sorted(bool(key.current) + 2 * bool(key.next) for key in auth0.keys.signing.list())
    logs = auth0.logs.list(per_page=3)
    told["logs"] = len(logs.items)
    told["log"] = auth0.logs.get(logs.items[0].log_id).log_id == logs.items[0].log_id

    auth0.client_grants.delete(grant.id)
    auth0.clients.delete(client.client_id)
    auth0.resource_servers.delete(api.id)
    try:
        auth0.clients.get(client.client_id)
    except ApiError as error:
        told["gone"] = [error.status_code, error.body["errorCode"]]
    json.dump(told, sys.stdout)


main()
