"""The Management API for pages: its own operations, in process, as whoever is logged in.

Nothing is decided here but which scopes a person has. An administrator has all; those that show or change
secrets and keys only for a while after the password was given. A viewer reads, and no secrets.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Final, cast
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request

from gatewright.guard import AccessToken
from gatewright.guard import Request as GuardedRequest
from gatewright.guard.rules import Situation
from gatewright.server.context import Server
from gatewright.server.dashboard import sessions
from gatewright.server.errors import ApiError
from gatewright.server.management.app import ALL_ROUTES
from gatewright.server.management.endpoint import Endpoint, perform
from gatewright.server.management.routing import Router
from gatewright.server.management.schema import check_body
from gatewright.server.people import Session
from gatewright.server.system_api import SCOPES

CONFIRMED: Final = frozenset(
    {
        *("read:client_keys", "create:client_keys", "update:client_keys", "delete:client_keys"),
        # Who registers or chooses a client's keys can be that client.
        *("create:client_credentials", "update:client_credentials", "delete:client_credentials"),
        *("create:signing_keys", "update:signing_keys"),
    }
)
PAGE: Final = 100

Record = dict[str, Any]


class NotConfirmed(Exception):
    """The operation needs the password once more."""


class Operations:
    """What one person may do in one request; every method raises ``ApiError`` and ``NotConfirmed``."""

    def __init__(self, server: Server, http: Request, session: Session) -> None:
        self._server = server
        self._http = http
        self._session = session

    async def get(self, path: str, **query: str | int) -> Any:  # noqa: ANN401 - JSON of whatever shape
        """What ``GET /api/v2/{path}`` answers."""
        return await self._call("GET", path, query=urlencode(query))

    async def all(self, noun: str, **query: str | int) -> list[Record]:
        """The records of a noun, page by page."""
        found: list[Record] = []
        while True:
            page = await self.get(noun, page=len(found) // PAGE, per_page=PAGE, **query)
            found += page
            if len(page) < PAGE:
                return found

    async def find(self, path: str, **query: str | int) -> Record | None:
        """A record; None where there is none."""
        try:
            return cast("Record", await self.get(path, **query))
        except ApiError as refusal:
            if refusal.status != 404:  # noqa: PLR2004 - RFC 9110, section 15.5.5
                raise
            return None

    async def post(self, path: str, members: Mapping[str, object] | None = None) -> Record:
        """The record made."""
        return cast("Record", await self._call("POST", path, body=members or {}))

    async def patch(self, path: str, members: Mapping[str, object]) -> Record:
        """The record changed."""
        return cast("Record", await self._call("PATCH", path, body=members))

    async def put(self, path: str, members: Mapping[str, object] | None = None) -> Record:
        """What the operation answers."""
        return cast("Record", await self._call("PUT", path, body=members))

    async def delete(self, path: str) -> None:
        """Removes a record."""
        await self._call("DELETE", path)

    async def _call(
        self, method: str, path: str, *, query: str = "", body: Mapping[str, object] | None = None
    ) -> Any:  # noqa: ANN401 - as above
        row, found = _router().locate(method, path)
        token = self._token()
        self._require(row, token)
        members = dict(body or {})
        if row.body is not None:
            check_body(members, row.body)
        params = QueryParams(query)
        try:
            answer = await perform(
                self._server, self._http, row, path=found, query=params, body=members, token=token
            )
        except ApiError as refusal:
            # Some members need a further scope; an administrator lacks none but those to be confirmed.
            if refusal.code == "insufficient_scope" and self._may_confirm:
                raise NotConfirmed from refusal
            raise
        return answer.body

    def unconfirmed(self) -> "Operations":
        """The same, as before the password was given: what is read this way holds no values of secrets."""
        return Operations(self._server, self._http, replace(self._session, confirmed_at=None))

    def require_confirmed(self) -> None:
        """What follows reads a secret to act on it: without the password, it would come back without.

        Raises:
            NotConfirmed: the password was not given lately.
        """
        if not sessions.is_confirmed(self._server, self._session):
            raise NotConfirmed

    @property
    def _may_confirm(self) -> bool:
        may_change = self._session.administrator.may_change
        return may_change and not sessions.is_confirmed(self._server, self._session)

    def _require(self, row: Endpoint, token: AccessToken) -> None:
        situation = Situation(GuardedRequest(row.method, row.path), self._server.now(), 0)
        if row.rule.unmet(token, situation) is None:
            return
        if self._session.administrator.may_change and CONFIRMED & set(row.scopes):
            raise NotConfirmed
        raise ApiError(403, "Only an administrator may do that.", "insufficient_scope")

    def _token(self) -> AccessToken:
        person, now = self._session.administrator, self._server.now()
        audience = self._server.settings.management_audience
        return AccessToken.from_claims(
            {
                "iss": self._server.settings.issuer,
                "sub": f"gatewright|{person.id}",
                "aud": audience,
                "exp": now + 60,
                "iat": now,
                "name": person.name,
                "scope": " ".join(self._scopes()),
            }
        )

    def _scopes(self) -> list[str]:
        if not self._session.administrator.may_change:
            return [scope for scope in SCOPES if scope.startswith("read:") and scope not in CONFIRMED]
        if sessions.is_confirmed(self._server, self._session):
            return list(SCOPES)
        return [scope for scope in SCOPES if scope not in CONFIRMED]


@cache
def _router() -> Router:
    return Router(ALL_ROUTES)
