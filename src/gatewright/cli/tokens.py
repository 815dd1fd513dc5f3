"""`gatewright token` and `gatewright call`: the caller's side of an API."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from cyclopts import Parameter

from gatewright.cli import remedies
from gatewright.cli.failures import ExitCode, Failure, misuse
from gatewright.cli.http import Answer, Unreachable, send
from gatewright.cli.lookup import (
    READS_APIS,
    READS_APPS,
    READS_GRANTS,
    app_for,
    find_api,
    find_app,
    grant_of,
    only_api,
    scopes_of,
)
from gatewright.cli.management import Management, Record, connect, segment
from gatewright.cli.options import SHARED_DEFAULTS, ScopeWords, Shared, split_scopes
from gatewright.cli.output import printable, say, shortened, write, write_json

READS_SECRETS = "read:client_keys"
READS = (READS_APIS, READS_APPS, READS_GRANTS, READS_SECRETS)
EXIT_FOR = {401: ExitCode.REFUSED, 403: ExitCode.REFUSED, 404: ExitCode.NOT_FOUND}

ApiOption: TypeAlias = Annotated[
    str | None,
    Parameter(
        name=["--api", "--audience", "--identifier", "-a"],
        help="The API the token is for: id, identifier or name. Not needed when there is one only.",
    ),
]
AppOption: TypeAlias = Annotated[
    str | None,
    Parameter(name="--app", help='The application: client id or name. By default "API (Test Application)".'),
]


@dataclass(frozen=True, slots=True)
class Issued:
    """A token that was asked for, and for whom and where."""

    api: Record
    application: Record
    answer: Record

    @property
    def token(self) -> str:
        """The access token itself."""
        return str(self.answer["access_token"])

    @property
    def scopes(self) -> list[str]:
        """What it was granted."""
        return str(self.answer.get("scope", "")).split()


def token(
    *,
    api: ApiOption = None,
    app: AppOption = None,
    scope: ScopeWords = None,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Take an access token, as an application does, and print it: nothing else is on stdout."""
    server = connect(shared.data, *READS)
    issued = _issue(server, api, app, split_scopes(scope))
    if shared.json:
        write_json(issued.answer)
    else:
        write(issued.token)
    say(f"{_described(issued)}, {issued.answer.get('expires_in')} s")


def call(
    url: Annotated[str, Parameter(help="The endpoint to call.")],
    /,
    *,
    method: Annotated[str | None, Parameter(name=["--method", "--request", "-X"])] = None,
    body: Annotated[str | None, Parameter(name=["--body", "--data-raw", "-d"], help="Sent as JSON.")] = None,
    api: ApiOption = None,
    app: AppOption = None,
    scope: ScopeWords = None,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Take a token, call an endpoint with it, and show both; a refusal is explained."""
    server = connect(shared.data, *READS)
    issued = _issue(server, api, app, split_scopes(scope))
    verb = (method or ("POST" if body is not None else "GET")).upper()
    answer = _call(verb, url, issued.token, body)
    if shared.json:
        write_json(_as_json(verb, url, issued, answer))
    else:
        _show(verb, url, issued, answer)
    if answer.is_refusal:
        said = f"{verb} {url} answered {answer.status} {answer.phrase}.".replace(" .", ".")
        raise Failure(
            said,
            *_explained(answer, issued, server.issuer),
            code=EXIT_FOR.get(answer.status, ExitCode.FAILED),
        )


def _issue(server: Management, api: str | None, app: str | None, scopes: list[str]) -> Issued:
    found_api = find_api(server, api) if api is not None else only_api(server)
    found_app = find_app(server, app) if app is not None else app_for(server, found_api)
    secret = _secret(server, found_app)
    answer = server.ask_token(found_app["client_id"], secret, found_api["identifier"], tuple(scopes))
    members = _members(answer)
    if answer.is_refusal or "access_token" not in members:
        said = members.get("error_description") or members.get("error") or f"{answer.status} {answer.phrase}"
        steps = _steps_to_a_token(server, found_app, found_api, scopes)
        code = EXIT_FOR.get(answer.status, ExitCode.FAILED)
        raise Failure(f"No token: {str(said).rstrip('.')}.", *steps, code=code)
    return Issued(found_api, found_app, members)


def _secret(server: Management, application: Record) -> str:
    """The application's secret, read for this one request; the server logs that."""
    known = application.get("client_secret") or server.get(
        f"clients/{segment(application['client_id'])}"
    ).get("client_secret")
    if not known:
        raise misuse(
            f'"{application["name"]}" has no client secret, so no token can be asked for in its name.'
        )
    return str(known)


def _steps_to_a_token(server: Management, application: Record, api: Record, scopes: list[str]) -> list[str]:
    grant = grant_of(server, application, api)
    name, identifier = application["name"], api["identifier"]
    if grant is None and not scopes:
        return [f"Authorize it: {remedies.command('grants', 'set', name, identifier, '--none')}"]
    missing = [scope for scope in scopes if scope not in ((grant or {}).get("scope") or [])]
    if not missing:
        return [f"The log says more: {remedies.command('logs', 'list', '-f', 'type:feccft')}"]
    commands = remedies.grant_commands(
        api=identifier, application=name, missing=missing, defined=scopes_of(api)
    )
    return [f"Give it the permission: {' && '.join(commands)}"]


def _call(method: str, url: str, access_token: str, body: str | None) -> Answer:
    headers = {"Authorization": f"Bearer {access_token}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        return send(method, url, headers=headers, body=None if body is None else body.encode())
    except ValueError as error:
        raise misuse(f"{error}.") from error
    except Unreachable as error:
        raise Failure(
            f"{url} does not answer ({error}).", "Is the API running?", code=ExitCode.CANNOT_REACH
        ) from error


def _explained(answer: Answer, issued: Issued, issuer: str) -> Iterator[str]:
    """What the answer's challenge means, and the command that fixes it."""
    challenge = remedies.Challenge.parse(answer.headers.get("www-authenticate", ""))
    if challenge is None:
        return
    identifier, name = issued.api["identifier"], issued.application["name"]
    if challenge.error_description:
        yield f"It says: {challenge.error_description}."
    if challenge.error == "insufficient_scope":
        missing = [scope for scope in challenge.scopes if scope not in issued.scopes]
        if missing:
            yield f"It needs {' '.join(challenge.scopes)}; the token has {' '.join(issued.scopes) or 'none'}."
            yield from remedies.grant_commands(
                api=identifier, application=name, missing=missing, defined=scopes_of(issued.api)
            )
    elif challenge.realm and challenge.realm != identifier:
        yield f"It is the API {challenge.realm}; the token is for {identifier}."
        yield remedies.command("call", "--api", challenge.realm, "URL")
    elif challenge.error == "invalid_token":
        yield f"Its guard must trust the issuer {issuer} letter for letter, and the audience {identifier}."
        yield 'Its log says which check failed (logger "gatewright.guard").'


def _show(method: str, url: str, issued: Issued, answer: Answer) -> None:
    say(f"token  {shortened(issued.token)}  {_described(issued)}")
    say(f"{method} {url}")
    say(f"{answer.status} {answer.phrase}")
    for name in ("www-authenticate", "content-type", "retry-after", "location"):
        if name in answer.headers:
            say(f"{name}: {answer.headers[name]}")
    write(printable(answer.text, keep="\n\t"))


def _described(issued: Issued) -> str:
    return (
        f'for {issued.api["identifier"]} as "{issued.application["name"]}", '
        f"scope: {' '.join(issued.scopes) or 'none'}"
    )


def _as_json(method: str, url: str, issued: Issued, answer: Answer) -> Record:
    return {
        "request": {
            "method": method,
            "url": url,
            "audience": issued.api["identifier"],
            "client_id": issued.application["client_id"],
            "scope": " ".join(issued.scopes),
        },
        "response": {
            "status": answer.status,
            "headers": dict(answer.headers),
            "body": _body(answer),
        },
    }


def _body(answer: Answer) -> Any:  # noqa: ANN401 - JSON of whatever shape, else text
    try:
        return json.loads(answer.body)
    except ValueError:
        return answer.text


def _members(answer: Answer) -> Record:
    body = _body(answer)
    return body if isinstance(body, dict) else {}
