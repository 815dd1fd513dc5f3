"""The client that Auth0 keeps for settings of all applications, shown to tools that look for it.

It is no record: it has no secret, may ask for nothing, and cannot be changed.
"""

import hashlib

from gatewright.server.management.endpoint import Call, page_of, paged
from gatewright.server.management.schema import chosen

NAME = "All Applications"


def list_global(call: Call) -> object:
    """The answer to ``is_global=true``: this one client."""
    tenant = call.server.settings.tenant
    members: dict[str, object] = {
        "tenant": tenant,
        "global": True,
        "name": NAME,
        "is_first_party": True,
        "oidc_conformant": False,
        "sso_disabled": False,
        "cross_origin_authentication": True,
        "client_id": hashlib.sha256(f"{tenant}|{NAME}".encode()).hexdigest()[:32],
        "callback_url_template": False,
        "custom_login_page_on": False,
    }
    return paged(call, "clients", page_of([chosen(call.query, members)]), dict)
