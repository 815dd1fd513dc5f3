"""``/ui`` as one ASGI application: finds the page, who is there, and what to do when something is refused."""

import logging
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.routing import Route as PathRoute
from starlette.types import Receive, Scope, Send

from gatewright.server.context import Server
from gatewright.server.dashboard import (
    administrators,
    api_applications,
    api_permissions,
    api_quickstart,
    api_settings,
    apis,
    applications,
    applications_apis,
    applications_credentials,
    applications_quickstart,
    applications_settings,
    console,
    console_exports,
    entry,
    grant_changes,
    home,
    insights,
    keys,
    live,
    logs,
    recovery,
    refused,
    search,
    sessions,
    settings,
)
from gatewright.server.dashboard.notices import Notice
from gatewright.server.dashboard.operations import NotConfirmed, Operations
from gatewright.server.dashboard.page import (
    Form,
    FormRefused,
    OpenRoute,
    Page,
    Route,
    TokenEndpoint,
    Visit,
    part,
    read_form,
    redirect,
    require_token,
)
from gatewright.server.dashboard.relay import Relay
from gatewright.server.dashboard.rendering import PREFIX, html, static_file
from gatewright.server.errors import ApiError, StoreUnavailable
from gatewright.server.people import Session
from gatewright.server.requests import note

ROUTES: Final[tuple[Route | OpenRoute, ...]] = (
    *entry.ROUTES,
    *grant_changes.ROUTES,
    *home.ROUTES,
    *administrators.ROUTES,
    *api_applications.ROUTES,
    *api_permissions.ROUTES,
    *api_quickstart.ROUTES,
    *api_settings.ROUTES,
    *apis.ROUTES,
    *applications.ROUTES,
    *applications_apis.ROUTES,
    *applications_credentials.ROUTES,
    *applications_quickstart.ROUTES,
    *applications_settings.ROUTES,
    *console.ROUTES,
    *console_exports.ROUTES,
    *insights.ROUTES,
    *keys.ROUTES,
    *live.ROUTES,
    *logs.ROUTES,
    *recovery.ROUTES,
    *refused.ROUTES,
    *search.ROUTES,
    *settings.ROUTES,
)

logger = logging.getLogger("gatewright.server")


class Dashboard:
    """The pages. Every POST of somebody logged in has passed the checks of its form before a view sees it."""

    def __init__(self, server: Server, token_endpoint: TokenEndpoint) -> None:
        """``token_endpoint`` is that of the server: the console asks there as the applications do."""
        self._server = server
        self._token_endpoint = token_endpoint
        self._relay = Relay(server.settings.relay_networks)
        # What is named by itself comes before what a parameter could take it for.
        rows = sorted(ROUTES, key=lambda row: row.path.count("{"))
        self._rows = [(_matching(row), row) for row in rows]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        http = Request(scope, receive)
        response = await self._answer(http)
        await response(scope, receive, send)

    async def _answer(self, http: Request) -> Response:
        row, path = self._find(http)
        if row is None:
            return self._refusal(404, "There is no such page.")
        try:
            form = await read_form(http)
            session = await sessions.load(self._server, http)
            if isinstance(row, OpenRoute):
                return await row.view(Visit(self._server, http, form, session))
            if session is None:
                return _to_login(http)
            return await self._visited(http, row, session, form, path)
        except FormRefused as refusal:
            return self._refusal(403, str(refusal))
        except StoreUnavailable:
            return self._refusal(503, "The database does not answer now. Try again in a few seconds.")

    async def _visited(
        self, http: Request, row: Route, session: Session, form: Form, path: Mapping[str, str]
    ) -> Response:
        note(http, user=session.administrator.name)
        if http.method == "POST":
            require_token(form, session)
        if row.access == "administrator" and not session.administrator.may_change:
            return self._refusal(403, "Only an administrator may do that.")
        operations = Operations(self._server, http, session)
        has_notice = row.is_page and http.method == "GET"
        notice = await sessions.take_notice(self._server, session) if has_notice else Notice()
        doors = (self._token_endpoint, self._relay)
        page = Page(self._server, http, session, form, operations, path, notice, *doors)
        try:
            return await row.view(page)
        except NotConfirmed:
            back = _address(http) if http.method == "GET" else form.text("back") or f"{PREFIX}/"
            return redirect(f"/confirm?next={part(back)}")
        except ApiError as refusal:
            return page.render("refused.html", status=refusal.status, fault=refusal.message)

    def _find(self, http: Request) -> tuple[Route | OpenRoute | None, Mapping[str, str]]:
        path = http.scope["path"].removeprefix(PREFIX) or "/"
        scope = {**http.scope, "path": path, "root_path": ""}
        for matching, row in self._rows:
            match, found = matching.matches(scope)
            if match is Match.FULL:
                return row, found["path_params"]
        return None, {}

    def _refusal(self, status: int, text: str) -> Response:
        return html(
            "alone.html",
            {"issuer": self._server.settings.issuer, "text": text, "prefix": PREFIX},
            status=status,
        )


def _address(http: Request) -> str:
    return f"{http.url.path}?{http.url.query}" if http.url.query else http.url.path


def _matching(row: Route | OpenRoute) -> PathRoute:
    return PathRoute(row.path, static_file, methods=[row.method])


def _to_login(http: Request) -> Response:
    wanted = http.url.path if http.method == "GET" else f"{PREFIX}/"
    return redirect(f"/login?next={part(wanted)}")
