"""Every adapter tells the guard the template of the route, also before the framework has routed."""

# ruff: noqa: ANN401 - applications of every framework
# Annotations are read by FastAPI, so they must not be put off.
import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient as AiohttpClient
from aiohttp.test_utils import TestServer
from django.http import JsonResponse
from django.test import Client as DjangoClient
from django.test import override_settings
from django.urls import path as django_path
from django.urls import re_path
from fastapi import APIRouter, FastAPI
from flask import Flask
from litestar import Litestar
from litestar import get as litestar_get
from litestar.params import FromPath
from litestar.testing import TestClient as LitestarClient
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient as StarletteClient
from werkzeug.test import Client as WerkzeugClient

import gatewright.aiohttp
import gatewright.asgi
import gatewright.fastapi
import gatewright.flask
import gatewright.litestar
import gatewright.starlette
import gatewright.wsgi
from gatewright import Guard
from tests.adapters import doors_django
from tests.guard.issuing import guard

Ask = Callable[[str], object]
RULES = {"/orgs/{org}": "read", "GET /plain": "read"}

# What is asked for, and the template that names it. What nobody serves has none: it may hold anything.
EVERYWHERE = {"/orgs/acme": "/orgs/{org}", "/plain": "/plain", "/nobody/serves/this": None}


async def _ok(*_: Any, **__: Any) -> Any:
    return JSONResponse({})


async def _empty(scope: Any, receive: Any, send: Any) -> None:
    await JSONResponse({})(scope, receive, send)


def asgi(door: Guard) -> Ask:
    app: Any = gatewright.asgi.protect(_empty, door, rules=RULES)
    return StarletteClient(app).get


def wsgi(door: Guard) -> Ask:
    def empty(_: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return []

    return WerkzeugClient(gatewright.wsgi.protect(empty, door, rules=RULES)).get


def starlette(door: Guard) -> Ask:
    app = Starlette(routes=[Route("/orgs/{org}", _ok), Route("/plain", _ok)])
    gatewright.starlette.protect(app, door)
    return StarletteClient(app).get


def starlette_mounted(door: Guard) -> Ask:
    app = Starlette(routes=[Mount("/orgs", routes=[Route("/{org}", _ok)]), Route("/plain", _ok)])
    gatewright.starlette.protect(app, door)
    return StarletteClient(app).get


def fastapi(door: Guard) -> Ask:
    app, router = FastAPI(), APIRouter(prefix="/orgs")

    @router.get("/{org}")
    def org(org: str) -> dict[str, str]:
        return {"org": org}

    @app.get("/plain")
    def plain() -> dict[str, str]:
        return {}

    gatewright.fastapi.protect(app, door)
    app.include_router(router)
    return StarletteClient(app).get


def flask(door: Guard) -> Ask:
    app = Flask(__name__)
    app.add_url_rule("/orgs/<string:org>", "org", lambda org: {"org": org})
    app.add_url_rule("/plain", "plain", dict)
    gatewright.flask.protect(app, door)
    return app.test_client().get


def litestar(door: Guard) -> Ask:
    @litestar_get("/orgs/{org:str}")
    async def org(org: FromPath[str]) -> dict[str, str]:
        return {"org": org}

    @litestar_get("/plain")
    async def plain() -> dict[str, str]:
        return {}

    app = Litestar([org, plain])
    gatewright.litestar.protect(app, door)
    return LitestarClient(app).get


def aiohttp(door: Guard) -> Ask:
    async def serve(_: web.Request) -> web.Response:
        return web.Response()

    def ask(url: str) -> None:
        async def once() -> None:
            app = web.Application()
            app.router.add_get("/orgs/{org}", serve)
            app.router.add_get("/plain", serve)
            gatewright.aiohttp.protect(app, door)
            async with AiohttpClient(TestServer(app)) as client:
                await client.get(url)

        asyncio.run(once())

    return ask


def django(door: Guard) -> Ask:
    def view(request: Any, **_: Any) -> Any:
        del request
        return JsonResponse({})

    patterns = [django_path("orgs/<slug:org>", view), re_path(r"^plain$", view)]

    def ask(url: str) -> object:
        module = doors_django.urls({})
        module.urlpatterns = patterns  # type: ignore[attr-defined]
        with override_settings(ROOT_URLCONF=module, GATEWRIGHT={"guard": door}):
            return DjangoClient(raise_request_exception=False).get(url)

    return ask


DOORS = [asgi, wsgi, starlette, starlette_mounted, fastapi, flask, litestar, aiohttp, django]


@pytest.mark.parametrize("asked", EVERYWHERE)
@pytest.mark.parametrize("make", DOORS)
def test_the_guard_is_told_the_template_of_the_route(make: Callable[[Guard], Ask], asked: str) -> None:
    seen: list[str | None] = []
    ask = make(guard(observe=lambda request, _: seen.append(request.route)))
    ask(asked)
    assert seen == [EVERYWHERE[asked]]
