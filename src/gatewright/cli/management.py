"""The Management API, as the commands use it: a token for just the scopes a command needs, then requests.

The token lives in memory for the one command. Asking for few scopes keeps the audit log meaningful: only
a command that shows or uses a secret reads one.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from gatewright.cli.failures import ExitCode, Failure
from gatewright.cli.folder import CREDENTIALS, Credentials, read_credentials
from gatewright.cli.http import Answer, Send, Unreachable, send

Record = dict[str, Any]
"""A record as the Management API answers it; its members are Auth0's."""

PAGE = 100
UNAUTHORIZED = 401
_TROUBLE_FROM = 500
_CODES = {
    400: ExitCode.INVALID_INPUT,
    401: ExitCode.REFUSED,
    403: ExitCode.REFUSED,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.CONFLICT,
    413: ExitCode.INVALID_INPUT,
}


class Management:
    """The Management API of one server, with a token for `scopes`.

    Every method raises `Failure` with a sentence and an exit code when it cannot do what it says.
    """

    def __init__(self, credentials: Credentials, *scopes: str, send: Send = send) -> None:
        self.credentials = credentials
        self._sends = send
        self._scopes = scopes
        self._token: str | None = None

    def also_holding(self, scopes: Iterable[str]) -> "Management":
        """The same with a token that holds these scopes too."""
        return Management(self.credentials, *dict.fromkeys([*self._scopes, *scopes]), send=self._sends)

    @property
    def issuer(self) -> str:
        """The server's issuer; ends with a slash."""
        return self.credentials.issuer

    def get(self, path: str, **query: str | int) -> Any:  # noqa: ANN401 - JSON of whatever shape
        """What `/api/v2/{path}` answers."""
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, members: Mapping[str, object] | None = None) -> Record:
        """The record made."""
        made: Record = self._call("POST", path, members)
        return made

    def patch(self, path: str, members: Mapping[str, object]) -> Record:
        """The record changed."""
        changed: Record = self._call("PATCH", path, members)
        return changed

    def put(self, path: str) -> Record:
        """What the operation answers."""
        answered: Record = self._call("PUT", path)
        return answered

    def send(self, method: str, path: str, members: Mapping[str, object]) -> None:
        """An operation whose answer says nothing."""
        self._call(method, path, members)

    def delete(self, path: str) -> None:
        """Removes a record; one that is not there is removed already."""
        self._call("DELETE", path)

    def all(self, noun: str, *, limit: int | None = None, **query: str) -> list[Record]:
        """The records of a noun, page by page; the first `limit` of them, or all."""
        records: list[Record] = []
        for page in self._pages(noun, query):
            records += page
            if limit is not None and len(records) >= limit:
                break
        return records[:limit]

    def ask_token(self, client_id: str, client_secret: str, audience: str, scopes: tuple[str, ...]) -> Answer:
        """The token endpoint's answer to a client, whatever it is."""
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
            "audience": audience,
        }
        if scopes:
            form["scope"] = " ".join(scopes)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._send("POST", self.issuer + "oauth/token", headers, urlencode(form).encode())

    def _pages(self, noun: str, query: Mapping[str, str]) -> Iterator[list[Record]]:
        number = 0
        while True:
            page = self.get(noun, page=number, per_page=PAGE, **query)
            yield page
            if len(page) < PAGE:
                return
            number += 1

    def answer(self, method: str, path: str, members: Mapping[str, object] | None = None) -> Answer:
        """What `/api/v2/{path}` answers, whatever it is."""
        answer = self._request(method, path, members)
        if answer.status == UNAUTHORIZED and self._token is not None:
            self._token = None  # it has expired, or the keys were revoked; a new one settles which
            answer = self._request(method, path, members)
        return answer

    def _call(self, method: str, path: str, members: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401
        answer = self.answer(method, path, members)
        if answer.is_refusal:
            raise _failure(answer)
        return _parsed(answer) if answer.body else None

    def _request(self, method: str, path: str, members: Mapping[str, object] | None) -> Answer:
        if self._token is None:
            self._token = self._new_token()
        headers = {"Authorization": f"Bearer {self._token}"}
        if members is not None:
            headers["Content-Type"] = "application/json"
        body = None if members is None else json.dumps(members).encode()
        return self._send(method, f"{self.issuer}api/v2/{path}", headers, body)

    def _new_token(self) -> str:
        own = self.credentials
        answer = self.ask_token(own.client_id, own.client_secret, own.audience, self._scopes)
        if answer.status == UNAUTHORIZED:
            raise _unknown(own)
        if answer.is_refusal:
            raise _failure(answer)
        token = _parsed(answer).get("access_token")
        if not isinstance(token, str):
            raise Failure(f"{own.issuer}oauth/token did not answer with an access token.")
        return token

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        try:
            return self._sends(method, url, headers=headers, body=body, ca_file=self.credentials.ca_file)
        except Unreachable as error:
            raise Failure(
                f"No server answers at {self.issuer} ({error}).",
                *([] if self.credentials.folder is None else [f"Start it: {self.credentials.start_command}"]),
                code=ExitCode.CANNOT_REACH,
            ) from error


def connect(folder: Path | None, *scopes: str) -> Management:
    """The Management API of the server whose data folder is given or found; nothing is sent yet.

    Raises:
        Failure: there is no data folder, or no credentials in it.
    """
    return Management(read_credentials(folder), *scopes)


def segment(text: str) -> str:
    """One segment of a path; identifiers contain slashes."""
    return quote(text, safe="")


def _unknown(own: Credentials) -> Failure:
    if own.folder is None:
        return Failure(
            f"{own.issuer} does not know these client credentials.",
            f"They are those of an application that is authorized for {own.audience}",
            code=ExitCode.REFUSED,
        )
    return Failure(
        f"The server at {own.issuer} does not know the credentials in {own.folder / CREDENTIALS}.",
        "Is it another server on the same port, or was the database replaced?",
        f"The file is written anew at each start: {own.start_command}",
        code=ExitCode.REFUSED,
    )


def _parsed(answer: Answer) -> Any:  # noqa: ANN401 - JSON of whatever shape
    try:
        return json.loads(answer.body)
    except ValueError:
        raise Failure(
            f"The server's answer ({answer.status}) is no JSON; is it a Gatewright server?"
        ) from None


def _failure(answer: Answer) -> Failure:
    """A refusal in the words of the server, of whichever of its two formats."""
    try:
        members = json.loads(answer.body)
        message = members.get("message") or members["error_description"]
    except (ValueError, KeyError, AttributeError):
        message = f"The server answered {answer.status} {answer.phrase}"
    steps = ["The request's id in the server's log: " + answer.headers.get("x-request-id", "unknown")]
    return Failure(
        f"{str(message).rstrip('.')}.",
        *(steps if answer.status >= _TROUBLE_FROM else []),
        code=_CODES.get(answer.status, ExitCode.FAILED),
    )
