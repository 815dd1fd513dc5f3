"""`gatewright apps secrets`: a second secret beside the first, while an application is moved over to it."""

from typing import Annotated, TypeAlias

from cyclopts import Parameter

from gatewright.cli.failures import ExitCode, Failure, misuse
from gatewright.cli.lookup import READS_APPS, find_app
from gatewright.cli.management import Record, connect, segment
from gatewright.cli.options import SHARED_DEFAULTS, Force, Reveal, Shared, confirm, examples, noun
from gatewright.cli.output import details, say, table, write_json

READS_SECRETS = "read:client_keys"

AppArgument: TypeAlias = Annotated[str, Parameter(help="Client id, or a name only one application has.")]

app = noun(
    "secrets", purpose="The secrets of an application: two, while one is being replaced.", within="apps"
)


@app.command(
    name="list",
    alias="ls",
    help_epilogue=examples(
        "gatewright apps secrets list Reader", "gatewright apps secrets ls Reader --reveal-secrets --json"
    ),
)
def list_all(
    application: AppArgument, /, *, reveal: Reveal = False, shared: Shared = SHARED_DEFAULTS
) -> None:
    """List the secrets of an application, newest first, and when each was last used."""
    server = connect(shared.data, READS_APPS, *([READS_SECRETS] * reveal))
    found = find_app(server, application)
    secrets = server.get(f"clients/{found['client_id']}/secrets")
    if shared.json:
        write_json(secrets)
        return
    headings = ["SECRET ID", "CREATED", "LAST USED", *(["SECRET"] * reveal)]
    table(headings, [_row(each, reveal=reveal) for each in secrets])


@app.command(help_epilogue=examples("gatewright apps secrets add Reader --reveal-secrets"))
def add(application: AppArgument, /, *, reveal: Reveal = False, shared: Shared = SHARED_DEFAULTS) -> None:
    """Give an application a second secret; the one it has stays good until it is removed."""
    server = connect(shared.data, READS_APPS, "create:client_keys")
    found = find_app(server, application)
    _keep_our_own(found, server.credentials.client_id)
    made = server.post(f"clients/{found['client_id']}/secrets")
    if not reveal:
        made.pop("secret", None)
    if shared.json:
        write_json(made)
        return
    shown = {"secret": made["secret"]} if reveal else {}
    details({"secret id": made["id"], "created": made["created_at"], **shown})
    if not reveal:
        say(f"The secret: gatewright apps secrets list {found['client_id']} --reveal-secrets")
    say("When the old one is used no more, end it: gatewright apps secrets remove APP SECRET-ID")


@app.command(
    alias=["rm", "delete"],
    help_epilogue=examples("gatewright apps secrets remove Reader sec_eCjEPTpeM5GOGWmqnNJOaW --force"),
)
def remove(
    application: AppArgument,
    secret_id: Annotated[str, Parameter(help="Which secret; `list` shows their ids.")],
    /,
    *,
    force: Force = False,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """End one secret of an application at once; it must have another."""
    server = connect(shared.data, READS_APPS, "delete:client_keys")
    found = find_app(server, application)
    _keep_our_own(found, server.credentials.client_id)
    path = f"clients/{found['client_id']}/secrets"
    ending = next((each for each in server.get(path) if each["id"] == secret_id), None)
    if ending is None:
        raise Failure(
            f'"{found["name"]}" has no secret {secret_id}.',
            f"List them: gatewright apps secrets list {found['client_id']}",
            code=ExitCode.NOT_FOUND,
        )
    used = ending.get("last_used_at", "never")
    confirm(f'End the secret {secret_id} of "{found["name"]}", last used {used}?', force=force)
    server.delete(f"{path}/{segment(secret_id)}")
    say(f'The secret {secret_id} of "{found["name"]}" has ended.')
    if shared.json:
        write_json(ending)


def _keep_our_own(application: Record, client_id: str) -> None:
    if application["client_id"] == client_id:
        raise misuse(
            f'"{application["name"]}" is this command line itself: its secret is in its data folder, '
            "and with another one no command would work.",
        )


def _row(secret: Record, *, reveal: bool) -> list[object]:
    value = [secret.get("secret")] * reveal
    return [secret["id"], secret.get("created_at", "-"), secret.get("last_used_at", "never"), *value]
