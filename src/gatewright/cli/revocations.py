"""`gatewright revoke` and `gatewright revocations`: tokens that are refused before they end."""

import shlex
import sys
from datetime import UTC, datetime
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from gatewright.cli.failures import ExitCode, Failure, misuse
from gatewright.cli.lookup import READS_APIS, READS_APPS, find_api, find_app
from gatewright.cli.management import Management, Record, connect, segment
from gatewright.cli.options import SHARED_DEFAULTS, Force, Shared, confirm, examples, noun
from gatewright.cli.output import say, table, write_json
from gatewright.jose import JoseError, jws, jwt

CREATES = "create:revocations"
READS = "read:revocations"
UNDOES = "delete:revocations"
LONGEST_INPUT = 64 * 1024  # characters

app = noun("revocations", purpose="What was revoked of tokens that have not ended.")

AppOption: TypeAlias = Annotated[
    str | None,
    Parameter(name=["--app", "--client-id", "-c"], help="All that this application has: client id or name."),
]
ApiOption: TypeAlias = Annotated[
    str | None,
    Parameter(
        name=["--api", "--audience", "-a"], help="Of these only those for this API: id, identifier, name."
    ),
]


def revoke(
    *,
    application: AppOption = None,
    api: ApiOption = None,
    token: Annotated[
        str | None,
        Parameter(name="--token", help="This token; - reads it from stdin.", allow_leading_hyphen=True),
    ] = None,
    jti: Annotated[str | None, Parameter(name="--jti", help="The token with this id.")] = None,
    force: Force = False,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Refuse access tokens before they end: guards that poll this server know within ten seconds.

    An application may ask for new tokens all the same; what ends that is to delete it or its grant.
    """
    if [application, token, jti].count(None) != 2:  # noqa: PLR2004 - one of three
        raise misuse("Say what to revoke: --app APP, or --token TOKEN, or --jti JTI.")
    if api is not None and application is None:
        raise misuse("--api says which tokens of an application: it belongs to --app.")
    server = connect(shared.data, *((READS_APPS, READS_APIS) if application is not None else ()), CREATES)
    if application is not None:
        members, told = _of_application(server, application, api)
    elif token is not None:
        is_piped = token == "-"  # noqa: S105 - a sign, no secret
        members = _of_token(server, sys.stdin.read(LONGEST_INPUT) if is_piped else token)
        told = f"the token {members['jti']}"
    else:
        members, told = {"jti": jti}, f"the token {jti}"
    confirm(f"Revoke {told}, so that guards refuse it?", force=force)
    made = server.post("revocations", members)
    if shared.json:
        write_json(made)
    else:
        table(_HEADINGS, [_row(made)])
    say(f"Revoked {told}. Guards that poll this server refuse from now on, within ten seconds.")
    if application is not None:
        _say_what_stays(members)


@app.command(
    name="list",
    alias="ls",
    help_epilogue=examples("gatewright revocations list", "gatewright revocations ls --json"),
)
def list_all(*, shared: Shared = SHARED_DEFAULTS) -> None:
    """List what is revoked, oldest first; what speaks of no living token any more is gone by itself."""
    revocations = connect(shared.data, READS).all("revocations")
    if shared.json:
        write_json(revocations)
    elif not revocations:
        say("Nothing is revoked. To revoke: gatewright revoke --help")
    else:
        table(_HEADINGS, [_row(each) for each in revocations])


@app.command(help_epilogue=examples("gatewright revocations undo rev_7kL2mQ9xTz4bWc1d --force"))
def undo(
    revocation: Annotated[str, Parameter(help="Its id, as `gatewright revocations list` shows it.")],
    /,
    *,
    force: Force = False,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Take a revocation back: tokens that have not ended are good again. A key stays revoked."""
    server = connect(shared.data, READS, UNDOES)
    if not any(each["id"] == revocation for each in server.all("revocations")):
        raise Failure(
            f'There is no revocation "{revocation}".',
            "List them: gatewright revocations list",
            code=ExitCode.NOT_FOUND,
        )
    confirm(f"Take {revocation} back, so that its tokens are good again?", force=force)
    server.delete(f"revocations/{segment(revocation)}")
    say(f"Taken back: {revocation}. Guards know within ten seconds.")


def _of_application(server: Management, application: str, api: str | None) -> tuple[Record, str]:
    found = find_app(server, application)
    members: Record = {"client_id": found["client_id"]}
    told = f'all tokens of "{found.get("name") or found["client_id"]}" issued up to now'
    if api is None:
        return members, told
    audience = find_api(server, api)["identifier"]
    return members | {"audience": audience}, f"{told} for {audience}"


def _of_token(server: Management, text: str) -> Record:
    """What names the token; its signature is not looked at, for nothing is believed of it but its name."""
    try:
        claims = jwt.claims(jws.parse(text.strip().removeprefix("Bearer ").strip()))
        jwt.check_types(claims)
    except JoseError as error:
        raise Failure(f"This is no access token: {error}.", code=ExitCode.INVALID_INPUT) from error
    if claims.get("iss") != server.issuer:
        raise Failure(
            f"The token is of another issuer ({claims.get('iss')}), and this is {server.issuer}.",
            code=ExitCode.INVALID_INPUT,
        )
    if "jti" not in claims:
        raise _without_name(claims)
    # Already checked: a number.
    ends_at = datetime.fromtimestamp(float(str(claims["exp"])), UTC)
    return {"jti": claims["jti"], "expires_at": ends_at.isoformat()}


def _without_name(claims: dict[str, object]) -> Failure:
    client_id, audience = claims.get("azp") or claims.get("client_id"), claims.get("aud")
    together = ["gatewright", "revoke", "--app", str(client_id)]
    steps = []
    if isinstance(audience, str):
        together += ["--api", audience]
        named = ["gatewright", "apis", "update", audience, "--token-dialect", "rfc9068_profile"]
        steps.append(f"Let those to come have one: {shlex.join(named)}")
    return Failure(
        "This token has no jti, so nothing tells it from others of its application.",
        f"Revoke them together: {shlex.join(together)}",
        *steps,
        code=ExitCode.INVALID_INPUT,
    )


def _say_what_stays(members: Record) -> None:
    client_id = shlex.quote(str(members["client_id"]))
    if "audience" in members:
        end = f"gatewright grants remove {client_id} {shlex.quote(str(members['audience']))}"
    else:
        end = f"gatewright apps delete {client_id}"
    say(f"It may ask for new ones. To end that: {end}")


_HEADINGS = ["ID", "KIND", "ABOUT", "ISSUED UP TO", "FORGOTTEN AT"]


def _row(revocation: Record) -> list[object]:
    about = (revocation.get(name) for name in ("client_id", "audience", "jti", "kid"))
    return [
        revocation["id"],
        revocation["kind"],
        " ".join(str(each) for each in about if each is not None),
        revocation.get("revoked_before"),
        revocation["expires_at"],
    ]
