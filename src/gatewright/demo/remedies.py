"""The command that would fix a refusal, for each reason the demo can meet."""

import re

from gatewright.demo.walk import APP_NAME, AUDIENCE, CREATE, READ
from gatewright.guard import Denied, InsufficientScope

_ASK = f"gatewright token --api {AUDIENCE}"
_NOT_OURS = f"nothing to fix: the issuer did not make this token. A good one: {_ASK}"
_AFTER = {
    "no_token": f"ask for one: {_ASK}",
    "bad_header": "send one header, Authorization: Bearer TOKEN",
    "malformed": f"that is no access token; ask for one: {_ASK}",
    "expired": f"take a new one: {_ASK}",
    "not_yet_valid": "compare the clocks of both machines",
    "wrong_audience": f"take one for this API: {_ASK}",
    "untrusted_issuer": f"take one of this issuer: {_ASK}",
    "keys_unavailable": "the key set cannot be fetched; does the server run?",
}


def after_refusal(refusal: Denied) -> str:
    """What helps after the guard's refusal."""
    from gatewright.cli import remedies  # noqa: PLC0415 - the packages know each other lazily

    if isinstance(refusal, InsufficientScope):
        give = remedies.grant_commands(
            api=AUDIENCE, application=APP_NAME, missing=refusal.scopes, defined=(READ, CREATE)
        )
        return f"give it, and take a new token: {' && '.join(give)}"
    return _AFTER.get(refusal.reason, _NOT_OURS)


def after_no_token(description: str, application: str) -> str:
    """What helps after the token endpoint's refusal; its words are Auth0's."""
    from gatewright.cli.remedies import command  # noqa: PLC0415 - as above

    if description == "Unauthorized":
        return "check client id and secret: gatewright apps list --reveal-secrets"
    missing = re.match(r"Client has not been granted scopes: (.+)", description)
    if missing:
        return "give it: " + command("grants", "add", application, AUDIENCE, "--scope", missing[1])
    ungranted = re.search(r'not authorized to access resource server "(.+?)"', description)
    if ungranted:
        return "authorize it: " + command("grants", "set", application, ungranted[1], "--none")
    if description.startswith("Service not enabled"):
        return "there is no such API; these are: gatewright apis list"
    return "the log says more: gatewright logs list -f type:feccft"
