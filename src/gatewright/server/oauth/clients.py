"""Client authentication (RFC 6749 section 2.3, RFC 7523): is the caller the client it names?"""

import hashlib
import hmac

from gatewright.server.client import Client, ClientSecret
from gatewright.server.context import Server
from gatewright.server.errors import AlreadyExists, OAuthError
from gatewright.server.model import GrantPolicy
from gatewright.server.oauth.assertions import Assertion, AssertionRefused
from gatewright.server.oauth.request import BASIC_CHALLENGE, TokenRequest, assertion_refused

# What an unknown client is compared with, so that it costs the same as a wrong secret.
_NOBODY = Client(client_id="", document={}, secrets=(ClientSecret("", "there is no such client"),))


async def authenticate(server: Server, request: TokenRequest, policy: GrantPolicy) -> Client:
    """The client, when it presented a secret of its own, or an assertion that its key signed: not both.

    Raises:
        OAuthError: 401; the same for an unknown client and whatever is wrong with what it presented.
        StoreUnavailable: when nobody can tell whether an assertion was used before.
    """
    if request.assertion is None:
        return _by_secret(server, request, policy.client)
    try:
        return await _by_assertion(server, request, request.assertion, policy)
    except AssertionRefused as refusal:
        raise assertion_refused(uses_basic=request.uses_basic) from refusal


def _by_secret(server: Server, request: TokenRequest, client: Client | None) -> Client:
    candidate = client if client is not None and client.secrets else _NOBODY
    used = _matching(request.secrets or ("",), candidate.secrets)
    if client is None or candidate is _NOBODY or not client.uses_secret or used is None:
        headers = BASIC_CHALLENGE if request.uses_basic else None
        reason = "unknown_client" if client is None else "wrong_credentials"
        raise OAuthError(401, "access_denied", "Unauthorized", reason=reason, headers=headers)
    server.events.note_use(client.client_id, used.id, server.now())
    return client


async def _by_assertion(
    server: Server, request: TokenRequest, assertion: Assertion, policy: GrantPolicy
) -> Client:
    if request.secrets:
        raise AssertionRefused("a secret was sent beside the assertion")
    if policy.client is None:
        raise AssertionRefused("there is no such client")
    client, now = policy.client, server.now()
    assertion.verify(policy.credentials, client_id=client.client_id, issuer=server.settings.issuer, now=now)
    try:
        await server.store.awrite(
            lambda tx: tx.spent_assertions.spend(
                client.client_id, assertion.jti, expires_at=assertion.expires_at, now=now
            )
        )
    except AlreadyExists as error:
        raise AssertionRefused("the assertion was used before") from error
    return client


def _matching(presented: tuple[str, ...], valid: tuple[ClientSecret, ...]) -> ClientSecret | None:
    """The secret that any presented reading equals, found in time that depends on neither's content."""
    found = None
    for secret in valid:
        expected = hashlib.sha256(secret.value.encode()).digest()
        for reading in presented:
            if hmac.compare_digest(hashlib.sha256(reading.encode()).digest(), expected):
                found = secret
    return found
