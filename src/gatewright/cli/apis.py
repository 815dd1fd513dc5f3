"""`gatewright apis`: the APIs, their permissions, and the test application that comes with a new one."""

import shlex
from typing import Annotated, Literal, TypeAlias

from cyclopts import Parameter

from gatewright.cli import scopes
from gatewright.cli.failures import misuse
from gatewright.cli.lookup import READS_APIS, READS_GRANTS, find_api, scopes_of, test_app_name
from gatewright.cli.management import Management, Record, connect
from gatewright.cli.options import (
    SHARED_DEFAULTS,
    Force,
    Number,
    Shared,
    confirm,
    examples,
    noun,
)
from gatewright.cli.output import details, say, table, write_json

UPDATES = "update:resource_servers"
MOST_SHOWN = 30
# What the dashboard of Auth0 makes when an API is created there.
MACHINE_TO_MACHINE = {
    "app_type": "non_interactive",
    "grant_types": ["client_credentials"],
    "token_endpoint_auth_method": "client_secret_post",
    "oidc_conformant": True,
    "jwt_configuration": {"alg": "RS256"},
}

SigningAlg: TypeAlias = Literal["RS256", "HS256", "RS512", "PS256", "ES256", "EdDSA"]
Dialect: TypeAlias = Literal["access_token", "access_token_authz", "rfc9068_profile", "rfc9068_profile_authz"]
Lifetime: TypeAlias = Annotated[
    int | None,
    Parameter(name=["--token-lifetime", "-l"], help="Seconds an access token lives; 86400 when new."),
]
Permissions: TypeAlias = Annotated[
    list[str] | None,
    Parameter(
        name=["--scopes", "-s"],
        negative="",
        help='Permissions: read:blog,create:blog or "read:blog=Read the blog"; in the order wanted.',
    ),
]
Algorithm: TypeAlias = Annotated[
    SigningAlg | None, Parameter(help="How access tokens are signed; RS256 when new.")
]
Offline: TypeAlias = Annotated[bool | None, Parameter(name=["--offline-access", "-o"])]
ApiArgument: TypeAlias = Annotated[str, Parameter(help="Id, identifier, or a name only one API has.")]

app = noun("apis", purpose="APIs, and the permissions they define.")
scopes_app = noun("scopes", purpose="The permissions of an API.", within="apis")
app.command(scopes_app)


@app.command(
    help_epilogue=examples(
        'gatewright apis create "Blog API" --identifier https://blog-api',
        "gatewright apis create Blog -i https://blog-api -s read:blog,create:blog --json",
    )
)
def create(
    name: Annotated[str, Parameter(name=["--name", "-n"], help="What people call it.")],
    *,
    identifier: Annotated[
        str, Parameter(name=["--identifier", "-i"], help="The audience of its tokens; it cannot be changed.")
    ],
    permissions: Permissions = None,
    token_lifetime: Lifetime = None,
    signing_alg: Algorithm = None,
    offline_access: Offline = None,
    enforce_policies: bool | None = None,
    token_dialect: Dialect | None = None,
    test_app: Annotated[
        bool, Parameter(help='Make "NAME (Test Application)" too, authorized with no permission yet.')
    ] = True,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Make an API, and an application to try it with."""
    server = connect(
        shared.data, "create:resource_servers", *(["create:clients", "create:client_grants"] * test_app)
    )
    members = _members(
        name=name,
        identifier=identifier,
        scopes=scopes.parse(permissions) if permissions else None,
        token_lifetime=token_lifetime,
        signing_alg=signing_alg,
        allow_offline_access=offline_access,
        enforce_policies=enforce_policies,
        token_dialect=token_dialect,
    )
    api = server.post("resource-servers", members)
    _show(api, as_json=shared.json)
    if test_app:
        _make_test_app(server, api)


@app.command(
    name="list", alias="ls", help_epilogue=examples("gatewright apis list", "gatewright apis ls --json")
)
def list_all(*, number: Number = None, shared: Shared = SHARED_DEFAULTS) -> None:
    """List the APIs."""
    apis = connect(shared.data, READS_APIS).all("resource-servers", limit=number)
    if shared.json:
        write_json(apis)
        return
    table(
        ["ID", "NAME", "IDENTIFIER", "SCOPES"],
        [[api["id"], api.get("name"), api["identifier"], len(api.get("scopes") or [])] for api in apis],
    )


@app.command(
    help_epilogue=examples("gatewright apis show https://blog-api", 'gatewright apis show "Blog API"')
)
def show(api: ApiArgument, /, *, shared: Shared = SHARED_DEFAULTS) -> None:
    """Show one API."""
    _show(find_api(connect(shared.data, READS_APIS), api), as_json=shared.json)


@app.command(
    help_epilogue=examples(
        'gatewright apis update "Blog API" --token-lifetime 3600',
        'gatewright apis update https://blog-api --name "The blog"',
    )
)
def update(
    api: ApiArgument,
    /,
    *,
    name: Annotated[str | None, Parameter(name=["--name", "-n"])] = None,
    permissions: Permissions = None,
    token_lifetime: Lifetime = None,
    signing_alg: Algorithm = None,
    offline_access: Offline = None,
    enforce_policies: bool | None = None,
    token_dialect: Dialect | None = None,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Change an API; what is not named stays.

    --scopes replaces all permissions; those that go are taken from the client grants too.
    """
    members = _members(
        name=name,
        scopes=None if permissions is None else scopes.parse(permissions),
        token_lifetime=token_lifetime,
        signing_alg=signing_alg,
        allow_offline_access=offline_access,
        enforce_policies=enforce_policies,
        token_dialect=token_dialect,
    )
    if not members:
        raise misuse("Nothing to change was named.", "See: gatewright apis update --help")
    server = connect(shared.data, READS_APIS, UPDATES)
    found = find_api(server, api)
    _show(server.patch(f"resource-servers/{found['id']}", members), as_json=shared.json)


@app.command(alias="rm", help_epilogue=examples("gatewright apis delete https://blog-api --force"))
def delete(
    *apis: Annotated[str, Parameter(name="API", help="Ids, identifiers or names.")],
    force: Force = False,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Delete APIs, and with each of them its client grants."""
    if not apis:
        raise misuse("Say which API to delete.", "List them: gatewright apis list")
    server = connect(shared.data, READS_APIS, READS_GRANTS, "delete:resource_servers")
    found = [find_api(server, api) for api in apis]
    for api in found:
        grants = len(server.all("client-grants", audience=api["identifier"]))
        confirm(f'Delete the API "{_title(api)}" and its {_counted(grants, "client grant")}?', force=force)
        server.delete(f"resource-servers/{api['id']}")
        say(f'Deleted the API "{_title(api)}".')
    if shared.json:
        write_json([{"id": api["id"], "identifier": api["identifier"]} for api in found])


@scopes_app.command(
    name="list", alias="ls", help_epilogue=examples("gatewright apis scopes list https://blog-api")
)
def list_scopes(api: ApiArgument, /, *, shared: Shared = SHARED_DEFAULTS) -> None:
    """List the permissions that an API defines."""
    _show_scopes(find_api(connect(shared.data, READS_APIS), api), as_json=shared.json)


@scopes_app.command(
    help_epilogue=examples(
        "gatewright apis scopes add https://blog-api read:blog create:blog",
        'gatewright apis scopes add https://blog-api "read:blog=Read the blog"',
    )
)
def add(
    api: ApiArgument,
    /,
    *permissions: Annotated[str, Parameter(name="SCOPE", help="`read:blog`, or `read:blog=Description`.")],
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Add permissions to an API, after those it has; or give one another description."""
    server = connect(shared.data, READS_APIS, UPDATES)
    found = find_api(server, api)
    new = _named_scopes(scopes.parse(permissions))
    changed = scopes.added(found.get("scopes") or [], new)
    _show_scopes(_with_scopes(server, found, changed), as_json=shared.json)
    # A permission nobody has is the usual surprise.
    values = shlex.quote(" ".join(scope["value"] for scope in new))
    say(f"Give them to an application: gatewright grants add APP {shlex.quote(api)} --scope {values}")


@scopes_app.command(
    alias="rm", help_epilogue=examples("gatewright apis scopes remove https://blog-api create:blog --force")
)
def remove(
    api: ApiArgument,
    /,
    *permissions: Annotated[str, Parameter(name="SCOPE", help="The permissions to remove.")],
    force: Force = False,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Remove permissions from an API, and from every client grant that has them."""
    server = connect(shared.data, READS_APIS, UPDATES)
    found = find_api(server, api)
    values = [scope["value"] for scope in _named_scopes(scopes.parse(permissions))]
    kept = scopes.removed(found.get("scopes") or [], values, api=_title(found))
    confirm(f'Remove {", ".join(values)} from "{_title(found)}" and its client grants?', force=force)
    _show_scopes(_with_scopes(server, found, kept), as_json=shared.json)


def _make_test_app(server: Management, api: Record) -> None:
    """What makes an API usable at once: an application, authorized with no permissions."""
    name = test_app_name(api)
    application = server.post("clients", {"name": name, **MACHINE_TO_MACHINE})
    grant = {"client_id": application["client_id"], "audience": api["identifier"], "scope": []}
    server.post("client-grants", grant)
    say(f'Made the application "{name}" ({application["client_id"]}) too, with no permission yet.')
    say(f"Take a token: gatewright token --api {shlex.quote(api['identifier'])}")


def _members(**given: object) -> Record:
    return {name: value for name, value in given.items() if value is not None}


def _named_scopes(new: list[dict[str, str]]) -> list[dict[str, str]]:
    if not new:
        raise misuse("Name at least one permission, for example read:blog.")
    return new


def _with_scopes(server: Management, api: Record, values: list[Record]) -> Record:
    return server.patch(f"resource-servers/{api['id']}", {"scopes": values})


def _show(api: Record, *, as_json: bool) -> None:
    if as_json:
        write_json(api)
        return
    defined = scopes_of(api)
    details(
        {
            "id": api["id"],
            "name": api.get("name"),
            "identifier": api["identifier"],
            "scopes": " ".join(defined) if len(defined) <= MOST_SHOWN else f"{len(defined)} permissions",
            "signing algorithm": api.get("signing_alg"),
            "token lifetime": f"{api.get('token_lifetime')} s",
            "token dialect": api.get("token_dialect", "access_token"),
            "allow offline access": "yes" if api.get("allow_offline_access") else "no",
            "enforce policies": "yes" if api.get("enforce_policies") else "no",
        }
    )


def _show_scopes(api: Record, *, as_json: bool) -> None:
    defined = api.get("scopes") or []
    if as_json:
        write_json(defined)
        return
    if not defined:
        say(f'"{_title(api)}" defines no permission yet.')
        return
    table(["SCOPE", "DESCRIPTION"], [[scope["value"], scope.get("description")] for scope in defined])


def _title(api: Record) -> str:
    return str(api.get("name") or api["identifier"])


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
