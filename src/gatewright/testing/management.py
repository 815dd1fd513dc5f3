"""The Management API of a server in a test, and what is raised when that server refuses."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from gatewright.cli.http import Answer
    from gatewright.cli.management import Management


class Refused(Exception):
    """The server refused what the test asked for; `status` and `body` are its answer."""

    def __init__(self, what: str, status: int, body: object) -> None:
        self.status = status
        self.body = body
        members = body if isinstance(body, Mapping) else {}
        code = members.get("errorCode") or members.get("error") or ""
        text = members.get("message") or members.get("error_description") or body
        super().__init__(f"{what}: {' '.join(filter(None, [str(status), str(code)]))}: {text}")


class ManagementApi:
    """Requests to `/api/v2/…` with a token that holds every scope.

    `path` is what follows `/api/v2/`; identifiers in it are escaped by the caller (`urllib.parse.quote`).
    Every method but `delete` answers the parsed JSON, None where there is no body; each raises `Refused` for
    a status from 400 on. Faults do not touch these requests: they are the test's own hand on the server.
    """

    def __init__(self, management: "Management") -> None:
        self._management = management

    def get(self, path: str, **query: str | int) -> Any:  # noqa: ANN401 - JSON of whatever shape
        """What is there; lists have 50 records a page, unless `per_page` and `page` say else."""
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, members: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 - as above
        """Make something."""
        return self._call("POST", path, members)

    def patch(self, path: str, members: Mapping[str, object]) -> Any:  # noqa: ANN401 - as above
        """Change something."""
        return self._call("PATCH", path, members)

    def put(self, path: str, members: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 - as above
        """Change something, where PUT is the word for it."""
        return self._call("PUT", path, members)

    def delete(self, path: str) -> None:
        """Remove something; what is not there is removed already."""
        self._call("DELETE", path)

    def _call(self, method: str, path: str, members: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401
        answer = self._management.answer(method, path, members)
        if answer.is_refusal:
            raise Refused(f"{method} /api/v2/{path}", answer.status, parsed(answer))
        return parsed(answer)


def parsed(answer: "Answer") -> Any:  # noqa: ANN401 - JSON of whatever shape
    """The body as JSON, as text where it is none; None where there is nothing."""
    try:
        return json.loads(answer.body) if answer.body else None
    except ValueError:
        return answer.text
