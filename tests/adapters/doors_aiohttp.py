"""aiohttp: the contract's API as functions, views and a sub-application, called without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

import gatewright.aiohttp
from gatewright import Guard
from gatewright.guard.rules import Rule
from tests.adapters.doors import PUBLIC, RULES, Answer, Door

ADDED_BY_SERVERS = ("Date", "Server")


class Payload:
    """A request's body that counts how often it is asked for."""

    def __init__(self, body: Iterator[bytes]) -> None:
        self.reads = 0
        self._body = body

    def set_read_chunk_size(self, size: int) -> None:
        """There are no chunks here."""

    async def readany(self) -> bytes:
        self.reads += 1
        return next(self._body, b"")


def over_aiohttp(build: Callable[[Guard, list[str]], web.Application]) -> Callable[[Guard], Door]:
    def door(guard: Guard) -> Door:
        entered: list[str] = []
        app = build(guard, entered)
        app.freeze()

        def call(method: str, path: str, headers: list[tuple[str, str]], body: Iterator[bytes]) -> Answer:
            entered.clear()
            return asyncio.run(exchange(app, entered, (method, path, headers), Payload(body)))

        return Door(call)

    return door


async def exchange(
    app: web.Application, entered: list[str], sent: tuple[str, str, Any], payload: Payload
) -> Answer:
    method, path, headers = sent
    body: Any = payload
    # No server: the contract's headers hold what a parser would refuse before any application.
    request = make_mocked_request(method, path, [("Host", "api.example"), *headers], app=app, payload=body)
    response: Any
    try:
        response = await app._handle(request)  # noqa: SLF001 - what aiohttp's own server calls
    except web.HTTPException as raised:
        response = raised
    await response.prepare(request)
    kept = [(name.lower(), value) for name, value in response.headers.items() if name not in ADDED_BY_SERVERS]
    assert len(dict(kept)) == len(kept), "a header was sent twice"
    return Answer(response.status, dict(kept), response.body or b"", list(entered), payload.reads)


def handler(name: str, entered: list[str]) -> Callable[..., Any]:
    async def serve(request: web.Request) -> web.Response:
        entered.append(name)
        if request.method == "POST":
            await request.json()
        return web.json_response({"entered": True})

    return serve


def add_functions(app: web.Application, require: gatewright.aiohttp.Require, entered: list[str]) -> None:
    for name, rule in RULES.items():
        method, path = name.split()
        served = handler(name, entered)
        app.router.add_route(method, path, require(rule)(served) if rule else served)
    app.router.add_get("/health", handler("GET /health", entered))


def functions(guard: Guard, entered: list[str]) -> web.Application:
    app = web.Application()
    add_functions(app, gatewright.aiohttp.protect(app, guard, public=PUBLIC), entered)
    return app


def views(guard: Guard, entered: list[str]) -> web.Application:
    app = web.Application()
    require = gatewright.aiohttp.protect(app, guard, public=PUBLIC)

    def method_of(name: str, rule: Rule | None) -> Callable[..., Any]:
        serve = handler(name, entered)

        async def method(self: web.View) -> Any:  # noqa: ANN401 - whatever the handler gives
            return await serve(self.request)

        return require(rule)(method) if rule else method

    for path in {name.split()[1] for name in RULES} | {"/health"}:
        rules = {name: rule for name, rule in RULES.items() if name.endswith(f" {path}")}
        members = {name.partition(" ")[0].lower(): method_of(name, rule) for name, rule in rules.items()}
        app.router.add_view(path, type("View", (web.View,), members or {"get": method_of(path, None)}))
    return app


def view_classes(guard: Guard, entered: list[str]) -> web.Application:
    """Rules around whole views, one for each method."""
    app = web.Application()
    require = gatewright.aiohttp.protect(app, guard, public=PUBLIC)

    def view_of(name: str) -> Any:  # noqa: ANN401 - a class made here
        serve = handler(name, entered)

        async def method(self: web.View) -> Any:  # noqa: ANN401 - whatever the handler gives
            return await serve(self.request)

        return type("View", (web.View,), {name.partition(" ")[0].lower(): method})

    for name, rule in RULES.items():
        method, path = name.split()
        app.router.add_route(method, path, require(*[rule] if rule else [])(view_of(name)))
    app.router.add_view("/health", view_of("GET /health"))
    return app


def sub_application(guard: Guard, entered: list[str]) -> web.Application:
    """Routes of a sub-application, chosen by host so that their paths stay the contract's."""
    app, inner = web.Application(), web.Application()
    add_functions(inner, gatewright.aiohttp.protect(app, guard, public=PUBLIC), entered)
    app.add_domain("*.example", inner)
    return app


DOORS: dict[str, Callable[[Guard], Door]] = {
    "aiohttp": over_aiohttp(functions),
    "aiohttp views": over_aiohttp(views),
    "aiohttp view classes": over_aiohttp(view_classes),
    "aiohttp sub-application": over_aiohttp(sub_application),
}
