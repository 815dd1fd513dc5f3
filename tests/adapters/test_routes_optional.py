"""Routes that may be asked for without a token are not listed as guarded, and those with a rule are."""

# ruff: noqa: ANN401 - applications of every framework
# Annotations are read by frameworks, so they must not be put off.
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from fastapi import FastAPI
from flask import Flask
from litestar import Litestar, get
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import gatewright.aiohttp
import gatewright.asgi
import gatewright.django
import gatewright.fastapi
import gatewright.flask
import gatewright.litestar
import gatewright.starlette
import gatewright.wsgi
from gatewright import Guard, all_of
from gatewright.guard.lock_file import Entry, drift, parse, write
from gatewright.guard.openapi import written
from gatewright.guard.routes import assert_guarded, discover, routes, unguarded
from gatewright.testing.calling import call
from tests.adapters import doors_django
from tests.guard.issuing import guard

BY_PATH = {"/feed": None, "/blogs": all_of("read:blog")}
OPTIONAL = ["/feed", "/blogs", "/files/*"]


def nothing() -> Any:
    return {}


def starlette_app(used: Guard) -> Any:
    app = Starlette()
    require = gatewright.starlette.protect(app, used, optional=OPTIONAL)

    async def serve(request: Request) -> Response:
        return JSONResponse({"path": request.url.path})

    app.add_route("/feed", serve)
    app.add_route("/blogs", require("read:blog")(serve))
    app.add_route("/own", serve)
    return app


def fastapi_app(used: Guard) -> Any:
    app = FastAPI(openapi_url="/openapi.json", docs_url=None, redoc_url=None)
    require = gatewright.fastapi.protect(app, used, public=["!/openapi.json"], optional=OPTIONAL)
    app.get("/feed", operation_id="feed")(nothing)
    app.get("/blogs", operation_id="blogs", dependencies=[require("read:blog")])(nothing)
    app.get("/own", operation_id="own")(nothing)
    return app


def litestar_app(used: Guard) -> Any:
    require = gatewright.litestar.Require(used)

    @get(["/feed", "/own"])
    async def free() -> dict[str, int]:
        return {}

    @get("/blogs", guards=[require("read:blog")])
    async def blogs() -> dict[str, int]:
        return {}

    app = Litestar([free, blogs], openapi_config=None)
    gatewright.litestar.protect(app, used, optional=OPTIONAL)
    return app


def flask_app(used: Guard) -> Any:
    app = Flask(__name__, static_folder=None)
    require = gatewright.flask.protect(app, used, optional=OPTIONAL)
    app.add_url_rule("/feed", "feed", nothing)
    # A view of its own: in Flask the rule belongs to the function, at each of its routes.
    app.add_url_rule("/blogs", "blogs", require("read:blog")(lambda: "blogs"))
    app.add_url_rule("/own", "own", nothing)
    return app


def aiohttp_app(used: Guard) -> Any:
    app = web.Application()
    require = gatewright.aiohttp.protect(app, used, optional=OPTIONAL)

    async def serve(request: web.Request) -> web.Response:
        return web.json_response({"path": request.path})

    app.router.add_get("/feed", serve)
    app.router.add_get("/blogs", require("read:blog")(serve))
    app.router.add_get("/own", serve)
    return app


def asgi_app(used: Guard) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return gatewright.asgi.protect(app, used, rules={"/blogs": "read:blog"}, optional=OPTIONAL)


def wsgi_app(used: Guard) -> Any:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        del environ
        start_response("200 OK", [])
        return []

    return gatewright.wsgi.protect(app, used, rules={"/blogs": "read:blog"}, optional=OPTIONAL)


MADE: list[Callable[[Guard], Any]] = [
    starlette_app,
    fastapi_app,
    litestar_app,
    flask_app,
    aiohttp_app,
    asgi_app,
    wsgi_app,
]


@pytest.mark.parametrize("make", MADE)
def test_the_list_says_which_routes_strangers_enter(make: Callable[[Guard], Any]) -> None:
    app = make(guard())
    listed = {route.path: route.allowed for route in routes(app)}
    assert (listed["/feed"], listed["/blogs"]) == ("optional", 'all_of("read:blog")')
    assert listed["/files/*"] == "optional"
    assert listed.get("/own", listed.get("/*")) == "any valid token"
    assert [call(app, "GET", path, {}).status for path in ("/feed", "/blogs", "/own")] == [200, 401, 401]


@pytest.mark.parametrize("make", MADE)
def test_optional_routes_count_as_those_that_strangers_enter(make: Callable[[Guard], Any]) -> None:
    app = make(guard())
    assert {route.path for route in unguarded(app)} == {"/feed", "/files/*"}
    assert_guarded(app, public=["/feed", "/files/*"])
    with pytest.raises(AssertionError, match="/feed is optional"):
        assert_guarded(app, public=["/files/*"])


def test_django_tells_them_too() -> None:
    views = {path: doors_django.functions(path, {"GET": rule}, []) for path, rule in BY_PATH.items()}
    used = {"guard": guard(), "optional": OPTIONAL}
    with override_settings(GATEWRIGHT=used, ROOT_URLCONF=doors_django.urls(views)):
        for app in (WSGIHandler(), gatewright.django.protect(ASGIHandler())):
            assert {route.path: route.allowed for route in routes(app)} == {
                "/feed": "optional",
                "/blogs": 'all_of("read:blog")',
                "/files/*": "optional",
            }


def test_route_that_becomes_optional_is_opened_for_the_lock_file() -> None:
    before = gatewright.asgi.protect(starlette_app(guard()).router, guard())
    now = gatewright.asgi.protect(starlette_app(guard()).router, guard(), optional=["/*"])
    (opened,) = drift(parse(write(routes(before))), routes(now)).opened
    assert opened == Entry("*", "/*", "optional")


def test_a_rule_that_fits_an_optional_pattern_keeps_it_guarded() -> None:
    app = gatewright.wsgi.protect(lambda *_: [], guard(), rules={"/a/*": "a"}, optional=["/a/b", "/c"])
    assert {route.path: route.allowed for route in routes(app)} == {
        "/*": "any valid token",
        "/a/*": 'all_of("a")',
        "/a/b": 'all_of("a")',
        "/c": "optional",
    }


def test_documents_say_that_a_token_may_be_left_out() -> None:
    app = fastapi_app(guard())
    policy = discover(app)
    for document in (app.openapi(), written(policy.guard, policy.routes)):
        operations = {path: item["get"] for path, item in document["paths"].items()}
        assert operations["/feed"]["security"] == [{}, {"oauth2": []}]
        assert "401" in operations["/feed"]["responses"]
        assert operations["/blogs"]["security"] == [{"oauth2": ["read:blog"]}]
