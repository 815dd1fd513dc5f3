"""Why a guard refused: its reason, joined with what the server knows of client, API and grant.

Pure: whoever asks hands over the records.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from gatewright.guard.walkthrough import FIXES
from gatewright.server.client import Client
from gatewright.server.model import ClientGrant, ResourceServer
from gatewright.server.reported import ReportedRefusal


@dataclass(frozen=True, slots=True)
class Known:
    """The records that a refusal is about, as far as there are any."""

    client: Client | None
    resource_server: ResourceServer | None
    client_grant: ClientGrant | None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What happened, and the commands after which such a request is let in, where there are any."""

    explanation: str
    commands: tuple[str, ...] = ()


def diagnose(refusal: ReportedRefusal, known: Known) -> Diagnosis:
    """Why, and what to do."""
    if refusal.reason == "insufficient_scope":
        return _lacking(refusal, known)
    return Diagnosis(FIXES.get(refusal.reason, "The guard's log says more, by the request id."))


def _lacking(refusal: ReportedRefusal, known: Known) -> Diagnosis:
    client, resource_server = known.client, known.resource_server
    lacks = f"The token lacks {_quoted(refusal.missing)}"
    if client is None:
        return Diagnosis(f"{lacks}; it is of no client that this server knows.")
    if resource_server is None:
        return Diagnosis(f"{lacks}; this server has no API {refusal.audience} any more.")
    undefined = [scope for scope in refusal.missing if scope not in resource_server.scopes]
    if not undefined:
        return _granting(refusal, client, resource_server, known.client_grant)
    lacks += f"; the API does not define {_quoted(undefined)}"
    define = _command("apis", "scopes", "add", refusal.audience, *undefined)
    granting = _granting(refusal, client, resource_server, known.client_grant)
    return Diagnosis(f"{lacks}.", (define, *granting.commands))


def _granting(
    refusal: ReportedRefusal, client: Client, resource_server: ResourceServer, grant: ClientGrant | None
) -> Diagnosis:
    name = client.name or client.client_id
    lacks = f"The token lacks {_quoted(refusal.missing)}"
    scopes = [word for scope in refusal.missing for word in ("--scope", scope)]
    if grant is None:
        command = _command("grants", "set", client.client_id, refusal.audience, *scopes)
        return Diagnosis(f"{lacks}; {name!r} has no client grant for this API.", (command,))
    granted = grant.scopes_at(resource_server)
    if grant.grants_all or set(refusal.missing) <= set(granted):
        said = f"{lacks}; {name!r} is granted it, but the token is older, or asked for less. Take a new one."
        return Diagnosis(said)
    has = f"has only {_quoted(granted)}" if granted else "has no scope at all"
    command = _command("grants", "add", client.client_id, refusal.audience, *scopes)
    return Diagnosis(f"{lacks}; the grant of {name!r} for this API {has}.", (command,))


def _command(*words: str) -> str:
    return shlex.join(["gatewright", *words])


def _quoted(scopes: Sequence[str]) -> str:
    return ", ".join(f"`{scope}`" for scope in scopes) or "a scope"
