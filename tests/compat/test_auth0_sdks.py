"""Auth0's own SDKs, unchanged, manage a tenant here: only the domain is another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from gatewright.server.system_api import SCOPES
from tests.running import Application
from tests.server.assertions import new_key, private_pem, public_pem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.compat.conftest import Tenant

AUDIENCE = "https://blog-api"
NOUNS = {"resource_servers", "clients", "client_keys", "client_grants", "signing_keys", "logs"}


def of_operator(tenant: Tenant, name: str) -> dict[str, str]:
    """The variables of whoever may do everything."""
    own = tenant.caller.operator
    return {
        "AUTH0_DOMAIN": tenant.domain,
        "AUTH0_CLIENT_ID": own.client_id,
        "AUTH0_CLIENT_SECRET": own.client_secret,
        "NAME": name,
    }


@pytest.fixture(scope="module")
def by_key(tenant: Tenant, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a client that may do as much, and proves who it is with a key of its own."""
    made = tenant.caller.create("clients", name="Keyed", app_type="non_interactive")
    path, key = f"clients/{made['client_id']}", new_key()
    pem = public_pem(key)
    credential = tenant.caller.create(f"{path}/credentials", credential_type="public_key", pem=pem)
    methods = {"private_key_jwt": {"credentials": [{"id": credential["id"]}]}}
    tenant.caller.update(path, client_authentication_methods=methods, token_endpoint_auth_method=None)
    scopes = [scope for scope in SCOPES if scope.split(":")[1] in NOUNS]
    tenant.caller.authorize(Application(made["client_id"], ""), tenant.server.issuer + "api/v2/", *scopes)
    file = tmp_path_factory.mktemp("key") / "private.pem"
    file.write_text(private_pem(key))
    return {
        "AUTH0_DOMAIN": tenant.domain,
        "AUTH0_CLIENT_ID": made["client_id"],
        "AUTH0_CLIENT_ASSERTION_KEY": str(file),
    }


def assert_managed(told: Mapping[str, Any], name: str) -> None:
    """Every noun was made, read, listed page by page, changed and removed."""
    assert told["token"] == ["access_token", "expires_in", "scope", "token_type"]
    assert f"https://{name}" in told["apis"]
    assert (told["lifetime"], told["renamed"], told["rotated"]) == (60, f"{name} again", True)
    assert name in told["clients"]
    assert (told["grants"], told["granted"]) == (1, ["read:blog"])
    assert told["keys"] == [1, 2]
    assert told["logs"] == 3
    assert told["gone"] == [404, "inexistent_client"]


def test_auth0_python_manages_a_tenant(tenant: Tenant) -> None:
    told = tenant.python("auth0_management.py", **of_operator(tenant, "of-python"))
    assert_managed(told, "of-python")
    assert (told["api"], told["log"]) == ("https://of-python", True)


def test_node_auth0_manages_a_tenant(tenant: Tenant) -> None:
    told = tenant.node("auth0-management.mjs", **of_operator(tenant, "of-node"))
    assert_managed(told, "of-node")
    assert (told["api"]["identifier"], told["api"]["scopes"]) == ("https://of-node", [{"value": "read:blog"}])
    assert told["next"] == 3


def test_auth0_python_manages_a_tenant_with_private_key_jwt(tenant: Tenant, by_key: dict[str, str]) -> None:
    assert_managed(tenant.python("auth0_management.py", **by_key, NAME="python-by-key"), "python-by-key")


def test_node_auth0_manages_a_tenant_with_private_key_jwt(tenant: Tenant, by_key: dict[str, str]) -> None:
    assert_managed(tenant.node("auth0-management.mjs", **by_key, NAME="node-by-key"), "node-by-key")


def test_null_for_no_organization_is_none(tenant: Tenant) -> None:
    """auth0-python sends it so."""
    form = {
        "grant_type": "client_credentials",
        "client_id": tenant.reader.client_id,
        "client_secret": tenant.reader.client_secret,
        "audience": AUDIENCE,
        "organization": None,
    }
    answer = tenant.caller.http.post("oauth/token", json=form)
    assert (answer.status_code, answer.json()["scope"]) == (200, "read:blog")


@pytest.mark.parametrize("noun", ["clients", "resource-servers", "client-grants", "logs"])
def test_a_page_past_the_end_is_empty(tenant: Tenant, noun: str) -> None:
    """auth0-python's pager stops there and nowhere else."""
    query: dict[str, str | int] = {"page": 49, "per_page": 20, "include_totals": "true"}
    answer = tenant.caller.manage("GET", noun, params=query)
    assert answer.json()[noun.replace("-", "_")] == []


def test_who_was_not_told_to_trust_the_server_does_not(tenant: Tenant) -> None:
    with pytest.raises(httpx2.TransportError):
        httpx2.get(tenant.server.issuer, timeout=5)
