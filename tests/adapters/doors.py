"""The same guarded API behind every adapter, and a way to call each of them with raw requests.

A door is called with what came over the wire and tells what went back, whether the endpoint ran and how
often the body was asked for. A new adapter joins the contract by a row in `DOORS`.
"""

# ruff: noqa: ANN401 - raw ASGI has no types; endpoints give what FastAPI may write
# Annotations are read by FastAPI and name local variables here, so they must not be put off.
import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, FastAPI
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, Router

import gatewright.asgi
import gatewright.fastapi
import gatewright.starlette
from gatewright import AccessToken, Denied, Guard, Request, all_of, any_of, claim
from gatewright.guard.admission import aadmit, admit
from gatewright.guard.rules import Rule

Pairs = Iterable[tuple[str, str]]
App = Callable[..., Any]

GOLD = claim("tier").equals("gold")
RULES: dict[str, Rule | None] = {
    "GET /any": None,
    "GET /blogs": all_of("read:blog"),
    "POST /blogs": all_of("create:blog"),
    "GET /both": all_of("read:blog", "create:blog"),
    "GET /either": any_of("read:blog", "admin"),
    "GET /gold": GOLD,
    "GET /mixed": all_of("read:blog") & GOLD,
    "GET /alternative": all_of("admin") | GOLD,
}
PUBLIC = ["/health"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What went back: `entered` names the endpoints that ran, `reads` counts the looks at the body."""

    status: int
    headers: dict[str, str]
    body: bytes
    entered: list[str] = field(default_factory=list)
    reads: int = 0


@dataclass(frozen=True, slots=True)
class Door:
    """An adapter with the API behind it, around a guard."""

    call: Callable[..., Answer]

    def __call__(self, method: str, path: str, headers: Pairs = (), body: Iterable[bytes] = ()) -> Answer:
        return self.call(method, path, list(headers), iter(body))


def direct(guard: Guard) -> Door:
    def call(method: str, path: str, headers: list[tuple[str, str]], _: Iterator[bytes]) -> Answer:
        return decided(partial(admit, {}, guard), method, path, headers)

    return Door(call)


def direct_async(guard: Guard) -> Door:
    def call(method: str, path: str, headers: list[tuple[str, str]], _: Iterator[bytes]) -> Answer:
        return decided(
            lambda request, rule: asyncio.run(aadmit({}, guard, request, rule)), method, path, headers
        )

    return Door(call)


def decided(
    admit: Callable[[Callable[[], Request], Rule | None], AccessToken | None],
    method: str,
    path: str,
    headers: list[tuple[str, str]],
) -> Answer:
    """The decision alone, as an adapter would carry it back."""
    name = f"{method} {path}"
    raw = [(key.encode("latin-1"), value.encode("latin-1")) for key, value in headers]
    try:
        admit(lambda: Request(method, path, raw), RULES.get(name))
    except Denied as refusal:
        sent = {key.lower(): value for key, value in refusal.headers}
        sent["content-length"] = str(len(refusal.content))
        return Answer(refusal.status, sent, refusal.content)
    if name in RULES:
        return Answer(200, {}, b'{"entered":true}', [name])
    return Answer(404, {}, b"")


def over_asgi(build: Callable[[Guard, list[str]], App]) -> Callable[[Guard], Door]:
    """A door through an ASGI application, without a server in between."""

    def door(guard: Guard) -> Door:
        entered: list[str] = []
        app = build(guard, entered)

        def call(method: str, path: str, headers: list[tuple[str, str]], body: Iterator[bytes]) -> Answer:
            entered.clear()
            return asyncio.run(exchange(app, entered, http_scope(method, path, headers), body))

        return Door(call)

    return door


def http_scope(method: str, path: str, headers: Pairs = (), **more: object) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8"),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"api.example"),
            *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
        **more,
    }


async def exchange(app: App, entered: list[str], scope: dict[str, Any], body: Iterator[bytes]) -> Answer:
    """One request and its answer."""
    reads = 0
    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        nonlocal reads
        reads += 1
        chunk = next(body, None)
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = sent[0]
    content = b"".join(message.get("body", b"") for message in sent[1:])
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
    assert len(dict(headers)) == len(headers), "a header was sent twice"
    return Answer(start["status"], dict(headers), content, list(entered), reads)


async def read_json(receive: Callable[[], Any]) -> object:
    content, more = b"", True
    while more:
        message = await receive()
        content, more = content + message["body"], message["more_body"]
    return json.loads(content)


def plain_asgi(guard: Guard, entered: list[str]) -> App:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        name = f"{scope['method']} {scope['path']}"
        known = name in RULES or scope["path"] in PUBLIC
        if known:
            entered.append(name)
        if scope["method"] == "POST":
            await read_json(receive)
        content = b'{"entered":true}' if known else b""
        length = (b"content-length", str(len(content)).encode())
        await send({"type": "http.response.start", "status": 200 if known else 404, "headers": [length]})
        await send({"type": "http.response.body", "body": content})

    rules = {pattern: rule for pattern, rule in RULES.items() if rule is not None}
    return gatewright.asgi.protect(app, guard, rules=rules, public=PUBLIC)


def starlette_async(guard: Guard, entered: list[str]) -> App:
    app = Starlette()
    require = gatewright.starlette.protect(app, guard, public=PUBLIC)

    def endpoint(name: str) -> Callable[..., Any]:
        async def serve(request: StarletteRequest) -> JSONResponse:
            entered.append(name)
            if request.method == "POST":
                await request.json()
            return JSONResponse({"entered": True})

        return serve

    for name, rule in RULES.items():
        method, path = name.split()
        served = require(rule)(endpoint(name)) if rule else endpoint(name)
        app.add_route(path, served, methods=[method])
    app.add_route("/health", endpoint("GET /health"))
    return app


def starlette_sync(guard: Guard, entered: list[str]) -> App:
    app = Starlette()
    require = gatewright.starlette.protect(app, guard, public=PUBLIC)

    def endpoint(name: str) -> Callable[..., Any]:
        def serve(request: StarletteRequest) -> JSONResponse:
            del request
            entered.append(name)
            return JSONResponse({"entered": True})

        return serve

    for name, rule in RULES.items():
        method, path = name.split()
        app.add_route(path, require(*[rule] if rule else [])(endpoint(name)), methods=[method])
    app.add_route("/health", endpoint("GET /health"))
    return app


def starlette_classes(guard: Guard, entered: list[str]) -> App:
    app = Starlette()
    require = gatewright.starlette.protect(app, guard, public=PUBLIC)

    def endpoint(path: str, rules: dict[str, Rule | None]) -> type[HTTPEndpoint]:
        def method_of(method: str, rule: Rule | None) -> Callable[..., Any]:
            async def serve(self: HTTPEndpoint, request: StarletteRequest) -> JSONResponse:
                del self
                entered.append(f"{method} {path}")
                if request.method == "POST":
                    await request.json()
                return JSONResponse({"entered": True})

            return require(rule)(serve) if rule is not None else serve

        members = {method.lower(): method_of(method, rule) for method, rule in rules.items()}
        return type("Endpoint", (HTTPEndpoint,), members)

    for path in {name.split()[1] for name in RULES} | {"/health"}:
        rules = {name.split()[0]: rule for name, rule in RULES.items() if name.split()[1] == path}
        app.router.routes.append(Route(path, endpoint(path, rules or {"GET": None})))
    return app


def starlette_mounted(guard: Guard, entered: list[str]) -> App:
    """Routes under a mount; one of them an ASGI application with a rule around it."""
    app = Starlette()
    require = gatewright.starlette.protect(app, guard, public=PUBLIC)

    def endpoint(name: str) -> Callable[..., Any]:
        async def serve(request: StarletteRequest) -> JSONResponse:
            entered.append(name)
            if request.method == "POST":
                await request.json()
            return JSONResponse({"entered": True})

        return serve

    routes = [
        Route(
            name.split()[1],
            require(rule)(endpoint(name)) if rule else endpoint(name),
            methods=[name.split()[0]],
        )
        for name, rule in RULES.items()
        if name != "GET /gold"
    ]
    gold = require(GOLD)(Router([Route("/gold", endpoint("GET /gold"))]))
    routes += [Route("/gold", gold), Route("/health", endpoint("GET /health"))]
    app.router.routes.append(Mount("", routes=routes))
    return app


def fastapi_plain(guard: Guard, entered: list[str]) -> App:
    app = FastAPI()
    require = gatewright.fastapi.protect(app, guard, public=PUBLIC)
    add_blogs(app, require, entered)
    add_health(app, entered)
    return app


def fastapi_included(guard: Guard, entered: list[str]) -> App:
    app = FastAPI()
    require = gatewright.fastapi.protect(app, guard, public=PUBLIC)
    outer, inner = APIRouter(), APIRouter()
    add_blogs(inner, require, entered)
    add_health(inner, entered)
    outer.include_router(inner)
    app.include_router(outer)
    return app


def fastapi_sub_application(guard: Guard, entered: list[str]) -> App:
    app = FastAPI()
    require = gatewright.fastapi.protect(app, guard, public=PUBLIC)
    inner = FastAPI()
    add_blogs(inner, require, entered)
    add_health(inner, entered)
    app.mount("", inner)
    return app


def fastapi_annotated(guard: Guard, entered: list[str]) -> App:
    """Rules on parameters and inside of other dependencies."""
    app = FastAPI()
    require = gatewright.fastapi.protect(app, guard, public=PUBLIC)

    def add(name: str, rule: Rule | None) -> None:
        method, path = name.split()
        needed = require(rule) if rule is not None else require()

        if method == "POST":

            def create(
                body: Annotated[dict[str, int], Body()], token: Annotated[AccessToken | None, needed]
            ) -> Any:
                assert token is None or token.issuer
                assert body is not None
                entered.append(name)
                return {"entered": True}

            app.post(path)(create)
            return

        def read(token: Annotated[AccessToken | None, needed]) -> Any:
            assert token is None or token.issuer
            entered.append(name)
            return {"entered": True}

        app.get(path)(read)

    for name, rule in RULES.items():
        add(name, rule)
    add_health(app, entered)
    return app


def add_blogs(app: FastAPI | APIRouter, require: gatewright.fastapi.Require, entered: list[str]) -> None:
    def add(name: str, rule: Rule | None) -> None:
        method, path = name.split()
        needed = [require(rule)] if rule is not None else []

        def read() -> Any:
            entered.append(name)
            return {"entered": True}

        def create(body: Annotated[dict[str, int], Body()]) -> Any:
            del body
            entered.append(name)
            return {"entered": True}

        app.api_route(path, methods=[method], dependencies=needed)(create if method == "POST" else read)

    for name, rule in RULES.items():
        add(name, rule)


def add_health(app: FastAPI | APIRouter, entered: list[str]) -> None:
    @app.get("/health")
    def health() -> Any:
        entered.append("GET /health")
        return {"entered": True}


DOORS: dict[str, Callable[[Guard], Door]] = {
    "guard": direct,
    "guard async": direct_async,
    "asgi": over_asgi(plain_asgi),
    "starlette": over_asgi(starlette_async),
    "starlette sync": over_asgi(starlette_sync),
    "starlette classes": over_asgi(starlette_classes),
    "starlette mounted": over_asgi(starlette_mounted),
    "fastapi": over_asgi(fastapi_plain),
    "fastapi included": over_asgi(fastapi_included),
    "fastapi sub-application": over_asgi(fastapi_sub_application),
    "fastapi annotated": over_asgi(fastapi_annotated),
}
"""Every way in."""
