"""Each adapter tells the routes of the same API alike, whatever shape the framework gives them."""

# ruff: noqa: ANN401 - applications of every framework
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from fastapi import FastAPI
from flask import Flask
from flask.views import MethodView
from litestar import Litestar, WebSocket, asgi, get, websocket
from litestar.static_files import create_static_files_router
from litestar.types import Receive, Scope, Send
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.routing import Host, Mount, Router, WebSocketRoute
from starlette.routing import Route as StarletteRoute
from starlette.staticfiles import StaticFiles

import gatewright.aiohttp
import gatewright.django
import gatewright.fastapi
import gatewright.flask
import gatewright.litestar
import gatewright.starlette
from gatewright import Guard
from gatewright.guard.routes import (
    NotProtectedError,
    Route,
    assert_guarded,
    discover,
    routes,
    unguarded,
)
from tests.adapters import doors, doors_aiohttp, doors_django, doors_flask, doors_litestar
from tests.guard.issuing import guard

EXPECTED = sorted(
    [
        *(
            (*name.split(), "any valid token" if rule is None else repr(rule))
            for name, rule in doors.RULES.items()
        ),
        ("GET", "/health", "public"),
    ]
)
APPLICATIONS: dict[str, Callable[[Guard, list[str]], Any]] = {
    made.__name__: made
    for made in (
        doors.starlette_async,
        doors.starlette_sync,
        doors.starlette_classes,
        doors.fastapi_plain,
        doors.fastapi_included,
        doors.fastapi_sub_application,
        doors.fastapi_annotated,
        doors_flask.flask_sync,
        doors_flask.flask_async,
        doors_flask.flask_blueprints,
        doors_flask.flask_blueprint_rules,
        doors_flask.flask_classes,
        doors_flask.flask_late,
        doors_aiohttp.functions,
        doors_aiohttp.views,
        doors_aiohttp.view_classes,
        doors_aiohttp.sub_application,
    )
}
LITESTAR: dict[str, Callable[[Guard, list[str]], Any]] = {
    made.__name__: made
    for made in (
        doors_litestar.functions,
        doors_litestar.functions_sync,
        doors_litestar.controllers,
        doors_litestar.routers,
    )
}
VIEWS = {
    made.__name__: made
    for made in (
        doors_django.functions,
        doors_django.async_functions,
        doors_django.classes,
        doors_django.async_classes,
        doors_django.rest_views,
        doors_django.rest_viewsets,
    )
}


def told(listed: Iterator[Route] | list[Route]) -> list[tuple[str, str, str]]:
    """What is compared: the framework's own pages are another test's."""
    return sorted(
        (route.method, route.path, route.allowed) for route in listed if route.access != "documentation"
    )


@pytest.mark.parametrize("build", APPLICATIONS.values(), ids=APPLICATIONS)
def test_the_same_api_tells_the_same_routes(build: Callable[[Guard, list[str]], Any]) -> None:
    assert told(routes(build(guard(), []))) == EXPECTED


@pytest.mark.parametrize("views", VIEWS.values(), ids=VIEWS)
def test_django_tells_them_from_its_urls(views: doors_django.Views) -> None:
    made = {path: views(path, rules, []) for path, rules in doors_django.by_path().items()}
    used = {"guard": guard(), "public": doors.PUBLIC}
    with override_settings(GATEWRIGHT=used, ROOT_URLCONF=doors_django.urls(made)):
        assert told(routes(WSGIHandler())) == EXPECTED


@pytest.mark.parametrize("build", LITESTAR.values(), ids=LITESTAR)
def test_litestar_tells_them_whatever_layer_has_the_rules(build: Callable[[Guard, list[str]], Any]) -> None:
    # The contract's API declares OPTIONS there; the other is Litestar's own page of what is not found.
    own = [("OPTIONS", "/blogs", "any valid token"), ("GET", "/schema/{path}", "any valid token")]
    assert told(routes(build(guard(), []))) == sorted([*EXPECTED, *own])


def test_rules_around_a_mounted_application_are_told() -> None:
    listed = told(routes(doors.starlette_mounted(guard(), [])))
    assert ("*", "/gold", repr(doors.GOLD)) in listed
    assert {entry for entry in listed if entry[1] != "/gold"} < set(EXPECTED)


@pytest.mark.parametrize("build", [doors.plain_asgi, doors_flask.plain_wsgi])
def test_a_plain_application_tells_its_patterns_and_that_the_rest_needs_a_token(
    build: Callable[[Guard, list[str]], Any],
) -> None:
    with_rules = [entry for entry in EXPECTED if entry[1] not in ("/any", "/health")]
    assert told(routes(build(guard(), []))) == sorted(
        [*with_rules, ("*", "/*", "any valid token"), ("*", "/health", "public")]
    )


@pytest.mark.parametrize("build", [doors.fastapi_plain, doors_flask.flask_sync, doors_litestar.functions])
def test_routes_of_a_guard_that_only_reports_are_not_said_to_be_guarded(
    build: Callable[[Guard, list[str]], Any],
) -> None:
    app = build(guard(enforce=False), [])
    listed = {route.path: route for route in routes(app) if route.access != "documentation"}
    assert {listed.pop("/health").access, *(route.access for route in listed.values())} == {
        "public",
        "report-only",
    }
    assert listed["/both"].rule == doors.RULES["GET /both"]
    with pytest.raises(AssertionError, match="GET /both is report-only"):
        assert_guarded(app, public=["/health"])


def test_the_guard_is_told_with_the_routes() -> None:
    used = guard()
    assert discover(doors.fastapi_plain(used, [])).guard is used


async def nothing(request: Any) -> Any:
    raise AssertionError(f"nobody sends {request!r}")


def test_starlette_mounts_files_and_sockets_are_told(tmp_path: Path) -> None:
    app = Starlette()
    require = gatewright.starlette.protect(app, guard(), public=["/files/*"])
    inner = Router([StarletteRoute("/{id:int}", require("read")(nothing), methods=["GET", "DELETE"])])
    app.router.routes += [
        Mount("/files", StaticFiles(directory=tmp_path)),
        Mount("/{tenant}/blogs", require("tenant")(inner)),
        Mount("/private", StaticFiles(directory=tmp_path)),
        Host("api.example", Router([StarletteRoute("/hosted", nothing)])),
        WebSocketRoute("/feed", require("feed")(nothing)),
        WebSocketRoute("/echo", WebSocketEndpoint),
    ]
    assert told(routes(app)) == [
        ("*", "/files/*", "public"),
        ("*", "/private/*", "any valid token"),
        ("DELETE", "/{tenant}/blogs/{id}", 'all_of("tenant") & all_of("read")'),
        ("GET", "/hosted", "any valid token"),
        ("GET", "/{tenant}/blogs/{id}", 'all_of("tenant") & all_of("read")'),
        ("WEBSOCKET", "/echo", "any valid token"),
        ("WEBSOCKET", "/feed", 'all_of("feed")'),
    ]


def test_fastapi_pages_are_documentation_and_guarded_where_closed() -> None:
    app = FastAPI()
    gatewright.fastapi.protect(app, guard(), public=["!/redoc"])
    assert {route.path: route.access for route in routes(app)} == {
        "/docs": "documentation",
        "/docs/oauth2-redirect": "documentation",
        "/openapi.json": "documentation",
        "/redoc": "guarded",
    }


def test_flask_converters_files_and_own_options_are_told() -> None:
    app = Flask(__name__)
    require = gatewright.flask.protect(app, guard(), public=["/static/*"])

    class Blog(MethodView):
        @require("read")
        def get(self, **_: object) -> str:
            return ""

        @require("check")
        def head(self, **_: object) -> str:
            return ""

    app.add_url_rule("/<string(length=2):lang>/<id>", view_func=Blog.as_view("blog"))
    app.add_url_rule("/own", view_func=require("o")(lambda: ""), endpoint="own", methods=["OPTIONS"])
    assert told(routes(app)) == [
        ("GET", "/static/{filename}", "public"),
        ("GET", "/{lang}/{id}", 'all_of("read")'),
        ("HEAD", "/{lang}/{id}", 'all_of("check")'),
        ("OPTIONS", "/own", 'all_of("o")'),
    ]


def test_aiohttp_files_patterns_and_sub_applications_are_told(tmp_path: Path) -> None:
    app, inner = web.Application(), web.Application()
    require = gatewright.aiohttp.protect(app, guard(), public=["/files/*"])
    inner.router.add_delete(r"/{id:\d+}", require("delete")(nothing))
    app.router.add_static("/files", tmp_path)
    app.router.add_route("*", "/any", require("a")(nothing))
    app.add_subapp("/blogs", inner)
    assert told(routes(app)) == [
        ("*", "/any", 'all_of("a")'),
        ("DELETE", "/blogs/{id}", 'all_of("delete")'),
        ("GET", "/files/*", "public"),
    ]


def test_django_behind_protect_is_guarded_without_the_middleware_and_open_without_both() -> None:
    urls = doors_django.urls({"/blogs": doors_django.functions("/blogs", {"GET": None}, [])})
    with override_settings(GATEWRIGHT={"guard": guard()}, ROOT_URLCONF=urls, MIDDLEWARE=[]):
        assert told(routes(gatewright.django.protect(ASGIHandler()))) == [
            ("GET", "/blogs", "any valid token")
        ]
        assert told(routes(ASGIHandler())) == [("GET", "/blogs", "open")]


def test_django_whose_guard_only_reports_says_so() -> None:
    urls = doors_django.urls({"/blogs": doors_django.functions("/blogs", {"GET": None}, [])})
    with override_settings(GATEWRIGHT={"guard": guard(enforce=False)}, ROOT_URLCONF=urls):
        for app in (WSGIHandler(), gatewright.django.protect(ASGIHandler())):
            assert told(routes(app)) == [("GET", "/blogs", "report-only any valid token")]


def test_litestar_mounts_files_and_sockets_are_told(tmp_path: Path) -> None:
    require = gatewright.litestar.Require(used := guard())

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError(f"nobody calls it, with {scope!r}, {receive!r}, {send!r}")

    async def feed(socket: WebSocket[Any, Any, Any]) -> None:
        raise AssertionError(f"nobody opens {socket!r}")

    app = Litestar(
        [
            asgi("/one", copy_scope=True)(serve),
            asgi("/below", is_mount=True, copy_scope=True, guards=[require("below")])(serve),
            websocket("/feed", guards=[require("feed")])(feed),
            create_static_files_router(path="/files", directories=[tmp_path]),
        ],
        path="/api",
        openapi_config=None,
    )
    gatewright.litestar.protect(app, used, public=["/api/files/*"])
    assert told(routes(app)) == [
        ("*", "/api/below", 'all_of("below")'),
        ("*", "/api/below/*", 'all_of("below")'),
        ("*", "/api/one", "any valid token"),
        ("GET", "/api/files/{file_path}", "public"),
        ("WEBSOCKET", "/api/feed", 'all_of("feed")'),
    ]


def test_litestar_pages_are_documentation_and_what_comes_later_is_listed() -> None:
    async def blogs() -> None:
        raise AssertionError("nobody calls it")

    app = Litestar([])
    with pytest.raises(NotProtectedError):
        routes(app)
    gatewright.litestar.protect(app, guard(), public=["!/schema/redoc"])
    app.register(get("/")(blogs))
    access = {route.path: route.access for route in routes(app)}
    assert (access.pop("/"), access.pop("/schema/redoc"), access.pop("/schema/{path}")) == ("guarded",) * 3
    assert set(access.values()) == {"documentation"}
    assert {"/schema", "/schema/openapi.json", "/schema/oauth2-redirect.html"} <= set(access)
    (endpoint,) = (route.endpoint for route in routes(app) if route.path == "/")
    assert endpoint == f"{__name__}.{blogs.__qualname__}"


def test_litestar_is_asserted_to_be_guarded() -> None:
    app = doors_litestar.controllers(guard(), [])
    assert_guarded(app, public=["/health"])
    assert [route.path for route in unguarded(app)] == ["/health"]
    with pytest.raises(AssertionError, match="GET /health is public"):
        assert_guarded(app)
