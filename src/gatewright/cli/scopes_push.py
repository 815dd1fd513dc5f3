"""`gatewright scopes push`: the permissions of an API are those that the rules in code name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from cyclopts import Parameter

from gatewright.cli.failures import ExitCode, Failure, misuse
from gatewright.cli.importing import Django, Factory, Target, policy_of
from gatewright.cli.lookup import READS_APIS, READS_APPS, READS_GRANTS
from gatewright.cli.management import Management
from gatewright.cli.options import (
    SHARED_DEFAULTS,
    Force,
    Shared,
    confirm,
    examples,
    noun,
    split_scopes,
)
from gatewright.cli.output import printable, say, write, write_json
from gatewright.cli.remote import REMOTE_DEFAULTS, Remote, connect_to
from gatewright.cli.scope_plan import Plan, carry_out, declared, read_plan
from gatewright.cli.tenant_file import APIS, written_file
from gatewright.guard.routes import Policy

READS: Final = (READS_APIS, READS_APPS, READS_GRANTS, "read:roles")
WRITES: Final = ("create:resource_servers", "update:resource_servers")


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Extent:
    """How far to go."""

    dry_run: Annotated[
        bool, Parameter(name="--dry-run", negative="", help="Show the plan and change nothing.")
    ] = False
    check: Annotated[
        bool, Parameter(negative="", help="Change nothing, and fail when the plan is not empty.")
    ] = False
    prune: Annotated[
        bool, Parameter(negative="", help="Remove unused permissions, and take them from whoever has them.")
    ] = False
    keep: Annotated[
        list[str] | None,
        Parameter(negative="", help="Permissions that are not unused: other programs ask for them."),
    ] = None
    force: Force = False

    @property
    def is_shown_only(self) -> bool:
        """Whether nothing is to be changed."""
        return self.dry_run or self.check

    def leaves(self, plan: Plan) -> bool:
        """Whether the API stays as it is."""
        return plan.api is not None and not plan.added and not (self.prune and plan.unused)


EXTENT_DEFAULTS: Final = Extent()

app = noun("scopes", purpose="Permissions as the rules in code declare them.")


@app.command(
    help_epilogue=examples(
        "gatewright scopes push app:app --dry-run",
        "gatewright scopes push app:app",
        "gatewright scopes push app:app --check --to https://acme.eu.auth0.com",
        "gatewright scopes push --django project.settings --prune",
        "gatewright scopes push app:app --yaml > tenant.yaml",
    )
)
def push(
    target: Target = "",
    /,
    *,
    django: Django = None,
    factory: Factory = False,
    api: Annotated[
        str,
        Parameter(name=["--api", "--audience", "-a"], help="Identifier; the guard's audience without it."),
    ] = "",
    name: Annotated[
        str, Parameter(name=["--name", "-n"], help="What a new API is called; its identifier without it.")
    ] = "",
    yaml: Annotated[
        bool, Parameter(negative="", help="Print the file for auth0-deploy-cli instead; no server is asked.")
    ] = False,
    extent: Extent = EXTENT_DEFAULTS,
    remote: Remote = REMOTE_DEFAULTS,
    shared: Shared = SHARED_DEFAULTS,
) -> int:
    """Define on the API the scopes that the application's rules name; what nobody names is shown as unused.

    Exit code 1 when --check finds a difference, 5 when the API was changed meanwhile.
    """
    policy = policy_of(target, django=django, factory=factory, command="gatewright scopes push")
    identifier = api or _audience(policy)
    title = name or identifier
    kept = split_scopes(extent.keep)
    if yaml:
        write(_as_yaml(policy, identifier, title, kept))
        return ExitCode.FINE
    server = connect_to(remote, shared.data, *READS, *(() if extent.is_shown_only else WRITES))
    plan = read_plan(server, policy, identifier, kept=kept)
    _show(server, plan, name=title, prune=extent.prune, as_json=shared.json)
    if extent.check and not plan.is_empty:
        raise Failure("The API does not define just what the rules name.", _next_step(plan))
    if extent.is_shown_only or extent.leaves(plan):
        return ExitCode.FINE
    _agree(plan, extent)
    # The list is replaced as a whole: what somebody else changed since it was shown would be undone.
    if read_plan(server, policy, identifier, kept=kept) != plan:
        raise Failure(
            "Somebody changed the API or its grants meanwhile; nothing was changed.",
            "Look at the plan again, with the same command.",
            code=ExitCode.CONFLICT,
        )
    algorithm = _signing_alg(policy.guard.algorithms)
    carry_out(server, plan, name=title, signing_alg=algorithm, prune=extent.prune)
    say(f"Done: {_counted(plan, prune=extent.prune)}.")
    return ExitCode.FINE


def _audience(policy: Policy) -> str:
    names = policy.guard.audience
    if len(names) > 1:
        raise misuse("The guard has several audiences; say which with --api:", *names)
    return names[0]


def _signing_alg(allowed: Sequence[str]) -> str:
    """How tokens of a new API are signed: so that its guard takes them."""
    return "RS256" if "RS256" in allowed else allowed[0]


def _agree(plan: Plan, extent: Extent) -> None:
    """Return when the person wants it, who has been told from whom access is taken."""
    if extent.prune and plan.held and not extent.force:
        held = ", ".join(f"{each.value} ({', '.join(each.holders)})" for each in plan.held)
        raise misuse(
            f"Removing takes access away: {held}. Nothing was changed.",
            "Take it from them first, with gatewright grants set; or add --force.",
            "Without --prune unused permissions stay.",
        )
    confirm(f"{_counted(plan, prune=extent.prune)}: do it at {plan.identifier}?", force=extent.force)


def _counted(plan: Plan, *, prune: bool) -> str:
    parts = ["the API made"] if plan.api is None else []
    parts.append(f"{len(plan.added)} added")
    if prune:
        parts.append(f"{len(plan.unused)} removed")
    return ", ".join(parts)


def _next_step(plan: Plan) -> str:
    if plan.api is None or plan.added:
        return "Define them: gatewright scopes push APP"
    return "Remove them: gatewright scopes push APP --prune; or say who else asks for them: --keep SCOPE"


def _show(server: Management, plan: Plan, *, name: str, prune: bool, as_json: bool) -> None:
    if as_json:
        write_json(_as_json(plan, name=name, prune=prune))
        return
    title = name if plan.api is None else str(plan.api.get("name") or plan.identifier)
    say(f'The API "{title}" ({plan.identifier}) at {server.issuer}')
    if plan.api is None:
        _line("new", plan.identifier, "the API is made")
    for each in plan.added:
        _line("add", each.value, f"{', '.join(each.routes)}")
    for gone in plan.unused:
        holders = f"held by {', '.join(gone.holders)}" if gone.holders else "held by nobody"
        _line("remove" if prune else "unused", gone.value, holders)
    say(f"{len(plan.added)} to add, {len(plan.unused)} unused, {plan.unchanged} unchanged.")


def _line(word: str, value: str, remark: str) -> None:
    write(printable(f"{word:<6}  {value:<23} {remark}"))


def _as_json(plan: Plan, *, name: str, prune: bool) -> dict[str, Any]:
    return {
        "api": {
            "identifier": plan.identifier,
            "name": name if plan.api is None else plan.api.get("name"),
            "is_new": plan.api is None,
        },
        "added": [{**each.as_member(), "routes": [*each.routes]} for each in plan.added],
        "unused": [
            {
                "value": each.value,
                "remove": prune,
                "applications": [
                    {"client_id": client_id or None, "name": title} for client_id, title in each.applications
                ],
                "roles": [*each.roles],
            }
            for each in plan.unused
        ],
        "unchanged": plan.unchanged,
    }


def _as_yaml(policy: Policy, identifier: str, name: str, kept: Sequence[str]) -> str:
    """The file; it replaces an API's permissions as a whole, so that those of others stand in it too."""
    scopes = [each.as_member() for each in declared(policy.routes)]
    named = {scope["value"] for scope in scopes}
    scopes += [{"value": value} for value in kept if value not in named]
    record = {"identifier": identifier, "name": name, "scopes": scopes}
    return written_file({APIS.name: [record]}).rstrip("\n")
