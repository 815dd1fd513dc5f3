"""``GET /api/v2/openapi.json``: one OpenAPI 3.1 document of all doors, each of which describes itself.

It is made of the tables and types that serve the requests, and says nothing that a stranger may not know.
"""

import hashlib
import json
from functools import cached_property
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gatewright._version import __version__
from gatewright.server.errors import ApiError
from gatewright.server.management import openapi as management
from gatewright.server.management.app import ALL_ROUTES
from gatewright.server.oauth import openapi as oauth
from gatewright.server.requests import MANAGEMENT_PATH, is_known, render
from gatewright.server.system_api import SCOPES, title

Document = dict[str, Any]

OPENAPI_PATH = f"{MANAGEMENT_PATH}/openapi.json"
_JSON = "application/json"
_HEADERS = {
    "Content-Type": _JSON,
    "Cache-Control": "public, max-age=300",
    "Access-Control-Allow-Origin": "*",
}


def document(issuer: str) -> Document:
    """The document of the server with this issuer."""
    parts = [oauth.components(), _components(issuer)]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gatewright",
            "version": __version__,
            "description": "An authorization server, wire-compatible with Auth0 where Auth0 has the same.",
        },
        "servers": [{"url": issuer.removesuffix("/")}],
        "paths": {**oauth.paths(), **management.paths(ALL_ROUTES), **_own_paths()},
        "components": {kind: {**parts[0][kind], **parts[1][kind]} for kind in parts[0]},
    }


class OpenApiDocument:
    """Serves the document, as an ASGI application; it is made when it is first asked for."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        http = Request(scope, receive)
        await self._answer(http)(scope, receive, send)

    def _answer(self, http: Request) -> Response:
        if http.method not in {"GET", "HEAD"}:
            return render(ApiError(405, "Method Not Allowed", headers={"Allow": "GET, HEAD"}))
        body, etag = self._written
        headers = {**_HEADERS, "ETag": etag}
        if is_known(http, etag):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers)

    @cached_property
    def _written(self) -> tuple[bytes, str]:
        body = json.dumps(document(self._issuer), ensure_ascii=False, separators=(",", ":")).encode()
        return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _components(issuer: str) -> Document:
    token_url = f"{issuer.removesuffix('/')}{oauth.TOKEN_PATH}"
    # Some scopes let in although the system API cannot grant them; the document names these too.
    scopes = dict.fromkeys([*SCOPES, *(scope for row in ALL_ROUTES for scope in row.scopes)])
    return management.components(
        ALL_ROUTES, token_url=token_url, scopes={scope: title(scope) for scope in scopes}
    )


def _own_paths() -> Document:
    ok = {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}}
    away = {
        "type": "object",
        "required": ["status", "reason"],
        "properties": {"status": {"const": "unavailable"}, "reason": {"type": "string"}},
    }
    alive = _open("health_live", "Whether the process answers.", {"200": _answer(_JSON, ok, "Cache-Control")})
    ready = _open("health_ready", "Whether the database answers too.", {"200": _answer(_JSON, ok)})
    ready["responses"]["503"] = _answer(_JSON, away, "Retry-After")
    page = _open("start_page", "What this server is, for people.", {"200": _answer("text/html", {})})
    own = _open("openapi", "This document.", {"200": _answer(_JSON, {"type": "object"}, "ETag")})
    own["responses"]["304"] = {"description": "The document that the caller has", "headers": _headers("ETag")}
    own["parameters"] = [{"name": "If-None-Match", "in": "header", "schema": {"type": "string"}}]
    return {
        OPENAPI_PATH: {"get": own},
        "/health/live": {"get": alive},
        "/health/ready": {"get": ready},
        "/": {"get": page},
    }


def _open(operation_id: str, summary: str, responses: Document) -> Document:
    about = {"operationId": operation_id, "summary": summary, "tags": ["server"]}
    return {**about, "security": [], "responses": responses}


def _answer(content_type: str, schema: Document, *headers: str) -> Document:
    content = {content_type: {"schema": schema}}
    return {"description": "The answer", "headers": _headers(*headers), "content": content}


def _headers(*names: str) -> Document:
    return management.answer_headers(*names)
