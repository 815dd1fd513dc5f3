"""`gatewright apps`: the applications that ask for tokens, and their secrets."""

from typing import Annotated, Literal, TypeAlias

from cyclopts import Parameter

from gatewright.cli import secrets
from gatewright.cli.failures import misuse
from gatewright.cli.lookup import READS_APPS, READS_GRANTS, find_app
from gatewright.cli.management import Record, connect
from gatewright.cli.options import (
    SHARED_DEFAULTS,
    Force,
    Number,
    Reveal,
    Shared,
    confirm,
    examples,
    noun,
)
from gatewright.cli.output import details, say, table, write_json

READS_SECRETS = "read:client_keys"
# Never shown unless asked for; the rest of an application is no secret.
SECRET_MEMBERS = frozenset({"client_secret", "encryption_key"})
TYPES = {
    "m2m": "non_interactive",
    "regular": "regular_web",
    "native": "native",
    "spa": "spa",
}
WORD_FOR_TYPE = {app_type: word for word, app_type in TYPES.items()}
METHODS = {"Post": "client_secret_post", "Basic": "client_secret_basic", "None": "none"}

AppType: TypeAlias = Literal["m2m", "regular", "native", "spa"]
AppArgument: TypeAlias = Annotated[str, Parameter(help="Client id, or a name only one application has.")]

app = noun("apps", purpose="Applications: who may ask for tokens.")
app.command(secrets.app)


@app.command(
    help_epilogue=examples(
        "gatewright apps create Reader", 'gatewright apps create "Night job" -d "Reads the blog" -r --json'
    )
)
def create(
    name: Annotated[str, Parameter(name=["--name", "-n"], help="What people call it.")],
    *,
    description: Annotated[str | None, Parameter(name=["--description", "-d"])] = None,
    app_type: Annotated[
        AppType,
        Parameter(name=["--type", "-t"], help="m2m: machine to machine, with the client's own token."),
    ] = "m2m",
    auth_method: Annotated[
        Literal["Post", "Basic", "None"] | None,
        Parameter(name=["--auth-method", "-a"], help="How it sends its secret; Post unless told."),
    ] = None,
    reveal: Reveal = False,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Make an application. Its secret is shown with --reveal-secrets, now or later."""
    members: Record = {"name": name, "app_type": TYPES[app_type], "oidc_conformant": True}
    if app_type == "m2m":
        members["grant_types"] = ["client_credentials"]
    method = METHODS[auth_method or ("None" if app_type in {"native", "spa"} else "Post")]
    members |= {"token_endpoint_auth_method": method, "jwt_configuration": {"alg": "RS256"}}
    if description is not None:
        members["description"] = description
    _show(connect(shared.data, "create:clients").post("clients", members), reveal=reveal, as_json=shared.json)
    if app_type == "m2m":
        say(f'Let it into an API: gatewright grants add "{name}" API --scope …')


@app.command(
    name="list",
    alias="ls",
    help_epilogue=examples("gatewright apps list", "gatewright apps ls --reveal-secrets"),
)
def list_all(*, number: Number = None, reveal: Reveal = False, shared: Shared = SHARED_DEFAULTS) -> None:
    """List the applications."""
    server = connect(shared.data, READS_APPS, *([READS_SECRETS] * reveal))
    apps = server.all("clients", limit=number)
    if shared.json:
        write_json([_visible(each, reveal=reveal) for each in apps])
        return
    headings = ["CLIENT ID", "NAME", "TYPE", *(["CLIENT SECRET"] * reveal)]
    table(headings, [_row(each, reveal=reveal) for each in apps])


@app.command(help_epilogue=examples('gatewright apps show "Blog API (Test Application)" --reveal-secrets'))
def show(application: AppArgument, /, *, reveal: Reveal = False, shared: Shared = SHARED_DEFAULTS) -> None:
    """Show one application."""
    server = connect(shared.data, READS_APPS, *([READS_SECRETS] * reveal))
    _show(find_app(server, application), reveal=reveal, as_json=shared.json)


@app.command(alias="rm", help_epilogue=examples("gatewright apps delete Reader --force"))
def delete(
    *applications: Annotated[str, Parameter(name="APP", help="Client ids or names.")],
    force: Force = False,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Delete applications, and with each of them its client grants."""
    if not applications:
        raise misuse("Say which application to delete.", "List them: gatewright apps list")
    server = connect(shared.data, READS_APPS, READS_GRANTS, "delete:clients")
    found = [find_app(server, each) for each in applications]
    for each in found:
        _keep_our_own(each, server.credentials.client_id)
        confirm(f'Delete the application "{each["name"]}"?', force=force)
        server.delete(f"clients/{each['client_id']}")
        say(f'Deleted the application "{each["name"]}"; the tokens it has are revoked.')
    if shared.json:
        write_json([{"client_id": each["client_id"]} for each in found])


@app.command(help_epilogue=examples("gatewright apps rotate-secret Reader --force --reveal-secrets"))
def rotate_secret(
    application: AppArgument,
    /,
    *,
    force: Force = False,
    reveal: Reveal = False,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Give an application a new secret; the old one ends at once."""
    server = connect(shared.data, READS_APPS, "update:client_keys")
    found = find_app(server, application)
    _keep_our_own(found, server.credentials.client_id)
    confirm(f'End the secret of "{found["name"]}" at once and make a new one?', force=force)
    changed = server.post(f"clients/{found['client_id']}/rotate-secret")
    _show(changed, reveal=reveal, as_json=shared.json)


def _keep_our_own(application: Record, client_id: str) -> None:
    if application["client_id"] == client_id:
        raise misuse(
            f'"{application["name"]}" is this command line itself: without it, or with another secret, '
            "no command would work.",
        )


def _visible(application: Record, *, reveal: bool) -> Record:
    if reveal:
        return application
    return {name: value for name, value in application.items() if name not in SECRET_MEMBERS}


def _row(application: Record, *, reveal: bool) -> list[object]:
    secret = [application.get("client_secret")] * reveal
    return [application["client_id"], application["name"], _type(application), *secret]


def _type(application: Record) -> str:
    app_type = str(application.get("app_type") or "generic")
    return WORD_FOR_TYPE.get(app_type, app_type)


def _method(application: Record) -> str | None:
    """How it authenticates, as far as the answer tells: keys are shown to who may read secrets."""
    methods = application.get("client_authentication_methods") or {}
    by_default = "client_secret_post" if "client_secret" in application else None
    return application.get("token_endpoint_auth_method") or ", ".join(methods) or by_default


def _show(application: Record, *, reveal: bool, as_json: bool) -> None:
    if as_json:
        write_json(_visible(application, reveal=reveal))
        return
    members = {
        "client id": application["client_id"],
        "name": application["name"],
        "description": application.get("description"),
        "type": _type(application),
        "grants": " ".join(application.get("grant_types") or []),
        "auth method": _method(application),
    }
    if reveal:
        members["client secret"] = application.get("client_secret")
    details(members)
    if not reveal:
        say(f"The secret: gatewright apps show {application['client_id']} --reveal-secrets")
