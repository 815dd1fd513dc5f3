"""The guarded API as custom routes of an MCP server, beside its transport.

Challenges there say more than the contract has, by the MCP specification: where the metadata is, and at a
401 which scope to ask for. The door holds them to exactly that and takes it off before it answers.
"""

# ruff: noqa: ANN401 - ASGI applications of any make
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from mcp.server.mcpserver import MCPServer
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import gatewright.mcp
from gatewright import Guard
from gatewright.guard.rules import alternatives
from tests.adapters.doors import PUBLIC, RULES, Answer, Door, over_asgi

URL = "https://blog-api"
METADATA = f', resource_metadata="{URL}/.well-known/oauth-protected-resource"'


def custom_routes(transport: Callable[[MCPServer[Any]], Any]) -> Callable[[Guard, list[str]], Any]:
    def build(guard: Guard, entered: list[str]) -> Any:
        server = MCPServer("blogs")
        rules = {pattern: rule for pattern, rule in RULES.items() if rule is not None}
        require = gatewright.mcp.protect(server, guard, url=URL, rules=rules, public=PUBLIC)

        @server.tool()
        @require("write")
        def write() -> str:  # that there are tools with rules changes nothing for routes
            return ""

        def add(name: str) -> None:
            method, path = name.split()

            async def serve(request: Request) -> Response:
                entered.append(name)
                if method == "POST":
                    await request.json()
                return JSONResponse({"entered": True})

            server.custom_route(path, methods=[method])(serve)

        for name in [*RULES, "GET /health"]:
            add(name)
        return require.in_front_of(transport(server))

    return build


def without_what_mcp_adds(make: Callable[[Guard], Door]) -> Callable[[Guard], Door]:
    def door(guard: Guard) -> Door:
        inner = make(guard)

        def call(method: str, path: str, headers: list[tuple[str, str]], body: Iterator[bytes]) -> Answer:
            answer = inner(method, path, headers, body)
            challenge = answer.headers.get("www-authenticate")
            if challenge is None or answer.status not in (401, 403):
                return answer
            rule = RULES.get(f"{method} {path}", RULES.get(f"GET {path}") if method == "HEAD" else None)
            asked = " ".join(alternatives(rule)[0]) if answer.status == 401 else ""
            added = (f', scope="{asked}"' if asked else "") + METADATA
            assert challenge.endswith(added)
            plain = answer.headers | {"www-authenticate": challenge.removesuffix(added)}
            return dataclasses.replace(answer, headers=plain)

        return Door(call)

    return door


DOORS: dict[str, Callable[[Guard], Door]] = {
    "mcp streamable http": without_what_mcp_adds(
        over_asgi(custom_routes(lambda server: server.streamable_http_app(host="api.example")))
    ),
    "mcp sse": without_what_mcp_adds(
        over_asgi(custom_routes(lambda server: server.sse_app(host="api.example")))
    ),
}
"""Every way in."""
