"""`gatewright why`: one refusal by its request id, or each check of one token in order, with the fix."""

import sys
from typing import Annotated

from cyclopts import Parameter

from gatewright.cli.failures import ExitCode, Failure, misuse
from gatewright.cli.lookup import READS_APIS, find_api, only_api
from gatewright.cli.management import connect
from gatewright.cli.options import SHARED_DEFAULTS, Shared, split_scopes
from gatewright.cli.output import printable, write, write_json
from gatewright.cli.refusals import REQUEST_ID, explain
from gatewright.guard import Denied, Guard, HttpFetch, Rule, Unavailable, all_of
from gatewright.guard.walkthrough import Explanation

_LONGEST_INPUT = 64 * 1024  # characters


def why(
    token: Annotated[
        str,
        Parameter(
            help="The request id of a refusal (X-Request-Id), or an access token; - reads it from stdin.",
            allow_leading_hyphen=True,
        ),
    ],
    /,
    *,
    api: Annotated[
        str | None,
        Parameter(name=["--api", "-a"], help="The API it is for: id, identifier or name on the server."),
    ] = None,
    issuer: Annotated[
        str | None, Parameter(help="Another issuer than the server of the data folder; needs --audience.")
    ] = None,
    audience: Annotated[str | None, Parameter(help="The audience the API expects, with --issuer.")] = None,
    require: Annotated[
        list[str] | None,
        Parameter(name="--require", negative="", help="Scopes that the endpoint requires."),
    ] = None,
    shared: Shared = SHARED_DEFAULTS,
) -> int:
    """Say why a request was refused, or whether a token would be: every check, and what would mend it."""
    if REQUEST_ID.fullmatch(token):
        if any(given is not None for given in (api, issuer, audience, require)):
            raise misuse("A request id needs no other option than --data and --json.")
        return explain(shared, token)
    guard = _guard(shared, api=api, issuer=issuer, audience=audience)
    scopes = split_scopes(require)
    rule: Rule | None = all_of(*scopes) if scopes else None
    explained = guard.explain(_words(token), rule)
    if shared.json:
        write_json(_as_json(explained))
    else:
        write(printable(explained, keep="\n"))
    if isinstance(explained.verdict, Unavailable):
        return ExitCode.CANNOT_REACH
    return ExitCode.REFUSED if isinstance(explained.verdict, Denied) else ExitCode.FINE


def _guard(shared: Shared, *, api: str | None, issuer: str | None, audience: str | None) -> Guard:
    if (issuer is None) != (audience is None):
        raise misuse("--issuer and --audience belong together.")
    if issuer is not None and audience is not None:
        if api is not None:
            raise misuse("--api is an API of the server; with --issuer the API is its --audience.")
        try:
            return Guard(issuer, audience=audience)
        except ValueError as error:
            raise misuse(f"{error}.") from error
    server = connect(shared.data, READS_APIS)
    found = find_api(server, api) if api is not None else only_api(server)
    algorithm = str(found.get("signing_alg", "RS256"))
    if algorithm.startswith("HS"):
        raise Failure("This API's tokens are signed with a secret, which this command does not have.")
    ca_file = server.credentials.ca_file
    fetch = HttpFetch(ca_file=ca_file) if ca_file is not None else None
    return Guard(server.issuer, audience=str(found["identifier"]), algorithms=(algorithm,), fetch=fetch)


def _words(given: str) -> str:
    text = sys.stdin.read(_LONGEST_INPUT) if given == "-" else given
    words = text.strip()
    return words[len("Bearer ") :].strip() if words[: len("Bearer ")].lower() == "bearer " else words


def _as_json(explained: Explanation) -> dict[str, object]:
    return {
        "reason": explained.reason,
        "fix": explained.fix,
        "steps": [{"check": step.name, "passed": step.passed, "said": step.said} for step in explained.steps],
    }
