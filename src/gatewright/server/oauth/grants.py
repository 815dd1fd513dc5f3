"""What may a client get? One function for each grant type, and the literal table of them.

The order of the questions is the one in which Auth0's tenants are seen to answer; each refusal has
the words that its users search for.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gatewright.server.client import Client
from gatewright.server.errors import OAuthError
from gatewright.server.model import GrantPolicy, ResourceServer
from gatewright.server.oauth.request import TokenRequest

_GRANT_TYPES_HELP = "https://auth0.com/docs/clients/client-grant-types"


@dataclass(frozen=True, slots=True)
class Authorization:
    """What was granted: whom the token speaks of, where it is good, for what, and how long (seconds)."""

    client: Client
    resource_server: ResourceServer
    audience: str
    subject: str
    grant_type: str
    scopes: tuple[str, ...]
    lifetime: int


def authorize(request: TokenRequest, client: Client, policy: GrantPolicy) -> Authorization:
    """The authorization, whatever the grant type: the steps no grant type may forget are here.

    Raises:
        OAuthError: ``unsupported_grant_type``, ``unauthorized_client``, or what the grant type refuses.
    """
    grant_type = GRANT_TYPES.get(request.grant_type)
    if grant_type is None:
        shown = _shown(request.grant_type)
        raise OAuthError(403, "unsupported_grant_type", f"Unsupported grant type: {shown}")
    if request.grant_type not in client.grant_types:
        raise OAuthError(
            403,
            "unauthorized_client",
            f"Grant type '{request.grant_type}' not allowed for the client.",
            error_uri=_GRANT_TYPES_HELP,
        )
    return grant_type(request, client, policy)


def client_credentials(request: TokenRequest, client: Client, policy: GrantPolicy) -> Authorization:
    """RFC 6749 section 4.4: the client acts for itself.

    Raises:
        OAuthError: 403 ``access_denied`` when API, grant or scope is missing; 400 for what the API demands
            and this server cannot give.
    """
    resource_server = _known_audience(request, client, policy)
    scopes = _granted_scopes(request, client, resource_server, policy)
    return Authorization(
        client=client,
        resource_server=resource_server,
        audience=str(request.audience),
        subject=f"{client.client_id}@clients",
        grant_type=request.grant_type,
        scopes=scopes,
        lifetime=resource_server.token_lifetime,
    )


GRANT_TYPES: dict[str, Callable[[TokenRequest, Client, GrantPolicy], Authorization]] = {
    "client_credentials": client_credentials,
}


def _known_audience(request: TokenRequest, client: Client, policy: GrantPolicy) -> ResourceServer:
    if request.audience is None:
        raise _denied("no_audience", "Non-global clients are not allowed access to APIv1")
    if policy.resource_server is None:
        raise _denied("unknown_api", f"Service not enabled within domain: {_shown(request.audience)}")
    # Issuing a weaker token than the API or the client asks for would be worse than issuing none.
    if policy.resource_server.unmet_demand is not None:
        unmet = policy.resource_server.unmet_demand
        raise OAuthError(400, "invalid_request", f"The API demands {unmet}, which is not available")
    if client.document.get("require_proof_of_possession") is True:
        demand = "The client demands proof of possession, which is not available"
        raise OAuthError(400, "invalid_request", demand)
    return policy.resource_server


def _granted_scopes(
    request: TokenRequest, client: Client, resource_server: ResourceServer, policy: GrantPolicy
) -> tuple[str, ...]:
    grant = policy.client_grant
    if grant is None or resource_server.client_policy == "deny_all":
        audience = _shown(str(request.audience))
        raise _denied(
            "no_grant",
            f'Client "{client.client_id}" is not authorized to access resource server "{audience}". '
            'You need to create a "client-grant" associated to this API.',
        )
    if request.organization is not None or grant.document.get("organization_usage") == "require":
        raise _denied("organization", "The client-grant cannot be used with an organization on this server")
    granted = grant.scopes_at(resource_server)
    if request.scope is None:
        return granted
    known = frozenset(granted)
    missing = [scope for scope in request.scope if scope not in known]
    if missing:
        raise _denied("scope_not_granted", f"Client has not been granted scopes: {_shown(' '.join(missing))}")
    return request.scope


def _denied(reason: str, description: str) -> OAuthError:
    return OAuthError(403, "access_denied", description, reason=reason)


def _shown(text: str) -> str:
    """What was asked for, in the characters of an error_description (RFC 6749 section 5.2)."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)
