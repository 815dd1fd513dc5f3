"""`gatewright grants`: which permissions an application has at an API."""

import shlex
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from gatewright.cli.failures import ExitCode, Failure, misuse
from gatewright.cli.lookup import (
    READS_APIS,
    READS_APPS,
    READS_GRANTS,
    find_api,
    find_app,
    grant_of,
    scopes_of,
)
from gatewright.cli.management import Management, Record, connect
from gatewright.cli.options import (
    SHARED_DEFAULTS,
    Force,
    ScopeWords,
    Shared,
    confirm,
    examples,
    noun,
    split_scopes,
)
from gatewright.cli.output import say, table, write_json

READS = (READS_APIS, READS_APPS, READS_GRANTS)
MOST_SHOWN = 30
WRITES = ("create:client_grants", "update:client_grants")

AppArgument: TypeAlias = Annotated[
    str, Parameter(name=["--app", "--client-id", "-c"], help="Client id or name.")
]
ApiArgument: TypeAlias = Annotated[
    str, Parameter(name=["--api", "--audience", "-a"], help="Id, identifier or name.")
]

app = noun("grants", purpose="Client grants: which permissions an application has at an API.")
app.command(
    "gatewright.cli.unused:unused",
    name="unused",
    help="List permissions that were granted and not used, and how to take them away.",
    help_epilogue=examples(
        "gatewright grants unused --days 30", "gatewright grants unused --api https://blog-api --json"
    ),
)


@app.command(
    name="set",
    alias=["create", "update"],
    help_epilogue=examples(
        "gatewright grants set Reader https://blog-api --scope read:blog",
        'gatewright grants set Reader https://blog-api -s "read:blog create:blog"',
        "gatewright grants set Reader https://blog-api --none",
    ),
)
def set_scopes(
    application: AppArgument,
    api: ApiArgument,
    *,
    scope: ScopeWords = None,
    everything: Annotated[
        bool, Parameter(name=["--all", "--allow-all-scopes"], negative="", help="All, also later ones.")
    ] = False,
    nothing: Annotated[
        bool, Parameter(name="--none", negative="", help="Authorized, with no permission.")
    ] = False,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Let an application into an API with exactly these permissions, whatever it had before."""
    wanted = split_scopes(scope)
    if [bool(wanted), everything, nothing].count(True) != 1:
        raise misuse("Say which permissions: --scope read:blog, or --all, or --none.")
    server = connect(shared.data, *READS, *WRITES)
    found_app, found_api = find_app(server, application), find_api(server, api)
    before = grant_of(server, found_app, found_api)
    members: Record = {"allow_all_scopes": True} if everything else {"scope": wanted}
    _store(server, found_app, found_api, before, members, as_json=shared.json)


@app.command(
    help_epilogue=examples("gatewright grants add Reader https://blog-api --scope create:blog"),
)
def add(
    application: AppArgument,
    api: ApiArgument,
    *,
    scope: ScopeWords = None,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Give an application more permissions at an API; those it has stay."""
    server = connect(shared.data, *READS, *WRITES)
    found_app, found_api = find_app(server, application), find_api(server, api)
    before = grant_of(server, found_app, found_api)
    if before is not None and before.get("allow_all_scopes"):
        raise misuse(f'"{found_app["name"]}" has all permissions of that API already.')
    present = (before or {}).get("scope") or []
    union = list(dict.fromkeys([*present, *split_scopes(scope)]))
    _store(server, found_app, found_api, before, {"scope": union}, as_json=shared.json)


@app.command(
    name="list",
    alias="ls",
    help_epilogue=examples("gatewright grants list", "gatewright grants ls --api https://blog-api --json"),
)
def list_all(
    *,
    application: Annotated[str | None, Parameter(name=["--app", "--client-id", "-c"])] = None,
    api: Annotated[str | None, Parameter(name=["--api", "--audience", "-a"])] = None,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """List who may have what, where."""
    server = connect(shared.data, *READS)
    query: dict[str, str] = {}
    if application is not None:
        query["client_id"] = find_app(server, application)["client_id"]
    if api is not None:
        query["audience"] = find_api(server, api)["identifier"]
    grants = server.all("client-grants", limit=None, **query)
    if shared.json:
        write_json(grants)
        return
    if not grants:
        say("No client grant yet. Make one: gatewright grants set APP API --scope …")
        return
    names = {each["client_id"]: each["name"] for each in server.all("clients")}
    table(["APPLICATION", "API", "SCOPES"], [_row(grant, names) for grant in grants])


@app.command(
    alias=["rm", "delete"], help_epilogue=examples("gatewright grants remove Reader https://blog-api --force")
)
def remove(
    application: AppArgument, api: ApiArgument, *, force: Force = False, shared: Shared = SHARED_DEFAULTS
) -> None:
    """Take an application's access to an API away, and revoke the tokens that it has for it."""
    server = connect(shared.data, *READS, "delete:client_grants")
    found_app, found_api = find_app(server, application), find_api(server, api)
    grant = grant_of(server, found_app, found_api)
    if grant is None:
        raise Failure(
            f'"{found_app["name"]}" has no client grant at {found_api["identifier"]}.',
            "List them: gatewright grants list",
            code=ExitCode.NOT_FOUND,
        )
    confirm(f'Take {found_api["identifier"]} away from "{found_app["name"]}"?', force=force)
    server.delete(f"client-grants/{grant['id']}")
    say(f'"{found_app["name"]}" gets no more tokens for {found_api["identifier"]}; those it has are revoked.')
    if shared.json:
        write_json(grant)


def _store(
    server: Management,
    application: Record,
    api: Record,
    before: Record | None,
    members: Record,
    *,
    as_json: bool,
) -> None:
    if api.get("is_system"):
        # The server lets nobody grant more of the Management API than their own token holds.
        wanted = members.get("scope", scopes_of(api))
        server = server.also_holding(scope for scope in wanted if scope in scopes_of(api))
    try:
        grant = _sent(server, application, api, before, members)
    except Failure as failure:
        unknown = [scope for scope in members.get("scope") or [] if scope not in scopes_of(api)]
        if unknown:
            define = shlex.join(["gatewright", "apis", "scopes", "add", api["identifier"], *unknown])
            raise Failure(failure.message, f"Define it first: {define}", code=failure.code) from failure
        raise
    if as_json:
        write_json(grant)
    else:
        table(
            ["APPLICATION", "API", "SCOPES"], [_row(grant, {application["client_id"]: application["name"]})]
        )
    say("Tokens issued from now on say so; take a new one: " + _token_command(application, api))
    if "scope" in members and not set((before or {}).get("scope") or []) <= set(members["scope"]):
        words = ["gatewright", "revoke", "--app", application["name"], "--api", api["identifier"]]
        say("Those it has still say what it had. To end them: " + shlex.join(words))


def _sent(
    server: Management, application: Record, api: Record, before: Record | None, members: Record
) -> Record:
    if before is None:
        owner = {"client_id": application["client_id"], "audience": api["identifier"]}
        return server.post("client-grants", owner | members)
    if before.get("allow_all_scopes") and "scope" in members:
        members = {"allow_all_scopes": False, **members}
    return server.patch(f"client-grants/{before['id']}", members)


def _token_command(application: Record, api: Record) -> str:
    return shlex.join(["gatewright", "token", "--api", api["identifier"], "--app", application["name"]])


def _row(grant: Record, names: dict[str, str]) -> list[object]:
    owner = grant.get("client_id")
    scopes = "(all)" if grant.get("allow_all_scopes") else " ".join(grant.get("scope") or [])
    if len(grant.get("scope") or []) > MOST_SHOWN:  # the command line's own grant
        scopes = f"({len(grant['scope'])} permissions)"
    return [names.get(str(owner), owner or "(third parties)"), grant["audience"], scopes or "(none)"]
