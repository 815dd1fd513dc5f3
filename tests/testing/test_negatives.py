"""The requests that a route must refuse, by hand: what they find, and that they run no endpoint."""

# ruff: noqa: ANN401 - ASGI's own arguments
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from fastapi import FastAPI
from mcp.server.mcpserver import MCPServer

from gatewright import Guard, acr, all_of, any_of, claim, fresh
from gatewright.aiohttp import protect as protect_aiohttp
from gatewright.asgi import protect as protect_asgi
from gatewright.fastapi import protect
from gatewright.mcp import protect as protect_mcp
from gatewright.testing import check, negatives
from gatewright.testing.calling import call, entered

if TYPE_CHECKING:
    from gatewright.guard import Rule


@dataclass(frozen=True, slots=True)
class Told:
    """A route as a test tells it."""

    method: str
    path: str
    rule: Rule | None = None
    endpoint: str = ""


def guard() -> Guard:
    return Guard("https://issuer.example/", audience="https://blog-api", algorithms=("RS256",))


def faults(app: object, judge: Guard, *routes: Told) -> list[str]:
    found = []
    for negative in negatives(routes):
        try:
            check(app, judge, negative)
        except AssertionError as error:
            found.append(str(error))
    return found


def test_each_scope_is_missing_in_turn() -> None:
    made = [str(one) for one in negatives([Told("GET", "/", all_of("a", "b"))])]
    assert "GET / x without a" in made
    assert "GET / x without b" in made
    assert "GET / x without a" in [str(one) for one in negatives([Told("GET", "/", any_of("a", "b"))])]


def test_a_token_without_the_scope_meets_all_else_that_the_rule_asks() -> None:
    app, judge = FastAPI(), guard()
    require = protect(app, judge)
    rule = acr("mfa") & fresh(max_age=60) & claim("tier").equals("gold") & all_of("read:blog")
    app.get("/blogs", dependencies=[require(rule)])(lambda: "read")
    assert faults(app, judge, Told("GET", "/blogs", rule)) == []


def test_rule_that_was_dropped_is_found() -> None:
    app, judge = FastAPI(), guard()
    protect(app, judge)
    app.get("/blogs")(lambda: "read")
    assert faults(app, judge, Told("GET", "/blogs")) == []
    (fault,) = faults(app, judge, Told("GET", "/blogs", all_of("read:blog")))
    assert fault.startswith("GET /blogs x without read:blog: status 200 where 403 is due")


def test_endpoint_that_runs_behind_a_right_looking_refusal_is_found() -> None:
    judge = guard()

    async def effects(scope: Any, receive: Any, send: Any) -> None:
        pass

    inner = protect_asgi(effects, judge)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await effects(scope, receive, send)
        await inner(scope, receive, send)

    told = Told("GET", "/", None, f"{__name__}.{effects.__qualname__}")
    found = faults(app, judge, told)
    assert len(found) == len(negatives([told]))
    assert all(fault.endswith(f"the endpoint {told.endpoint} ran") for fault in found)
    assert faults(inner, judge, told) == []


def test_aiohttp_application_is_called_over_the_loopback() -> None:
    judge = guard()
    app = web.Application()
    protect_aiohttp(app, judge)
    assert faults(app, judge, Told("GET", "/blogs")) == []


def test_tool_whose_rule_was_dropped_and_tool_that_runs_before_its_refusal_are_found() -> None:
    judge = Guard("https://issuer.example/", audience=(url := "https://files.example/mcp"))
    rule = all_of("files:write")

    def write() -> str:
        return ""

    async def runs_at_once(scope: Any, receive: Any, send: Any) -> None:
        write()
        await inner(scope, receive, send)

    server = MCPServer[Any]("files")
    require = protect_mcp(server, judge, url=url)
    server.tool()(require(rule)(write))
    inner = require.in_front_of(server.streamable_http_app())
    told = Told("TOOL", "/mcp#write", rule, f"{__name__}.{write.__qualname__}")
    assert faults(inner, judge, told) == []
    assert all(fault.endswith("ran") for fault in faults(runs_at_once, judge, told))
    assert len(faults(runs_at_once, judge, told)) == len(negatives([told]))

    app = protect_asgi(server.streamable_http_app(), judge)
    with pytest.raises(
        RuntimeError, match="Task group"
    ):  # it came as far as the server, which is not started
        faults(app, judge, told)


def test_entry_in_a_worker_thread_is_seen() -> None:
    app = FastAPI()

    def blogs() -> dict[str, str]:
        return {}

    app.get("/blogs")(blogs)
    with entered(f"{__name__}.{blogs.__qualname__}") as seen:
        assert call(app, "GET", "/blogs", {}).status == 200
    assert len(seen) == 1


def test_what_is_no_application_is_told() -> None:
    with pytest.raises(TypeError, match="no application"):
        call(object(), "GET", "/", {})
