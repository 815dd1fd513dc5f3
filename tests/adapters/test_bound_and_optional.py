"""In each framework: rules bound to a path parameter, and paths that may be asked for without a token."""

# ruff: noqa: ANN401 - each framework's own client
# FastAPI reads annotations that name local variables, so they must not be put off.
import asyncio
import types
from collections.abc import Callable
from typing import Annotated, Any

import litestar
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient as AioClient
from aiohttp.test_utils import TestServer
from django.http import JsonResponse as DjangoJson
from django.test import Client as DjangoClient
from django.test import override_settings
from django.urls import path as django_path
from fastapi import FastAPI
from flask import Flask, g
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from werkzeug.test import Client as WerkzeugClient

import gatewright.aiohttp
import gatewright.asgi
import gatewright.django
import gatewright.fastapi
import gatewright.flask
import gatewright.litestar
import gatewright.starlette
import gatewright.wsgi
from gatewright import AccessToken, Guard, claim, path
from tests.guard.issuing import guard, token

OWN_ORG = claim("org_id").equals(path("org"))
OPTIONAL = ["/feed", "/scoped"]

Call = Callable[..., tuple[int, object]]


def auth(value: str | None) -> dict[str, str]:
    return {} if value is None else {"Authorization": f"Bearer {value}"}


def who(access_token: AccessToken | None) -> dict[str, str | None]:
    return {"who": None if access_token is None else access_token.client_id}


def told(response: Any) -> tuple[int, object]:
    body = response.json() if callable(response.json) else response.json
    return response.status_code, body.get("who", body.get("error"))


def in_starlette(guard: Guard) -> Call:
    app = Starlette()
    require = gatewright.starlette.protect(app, guard, optional=OPTIONAL)

    async def serve(request: StarletteRequest) -> JSONResponse:
        return JSONResponse(who(request.state.access_token))

    app.add_route("/feed", serve)
    app.add_route("/scoped", require("read:blog")(serve))
    app.router.routes.append(Mount("/orgs", routes=[Route("/{org}", require(OWN_ORG)(serve))]))
    return lambda url, value=None: told(TestClient(app).get(url, headers=auth(value)))


def in_fastapi(guard: Guard) -> Call:
    app = FastAPI()
    require = gatewright.fastapi.protect(app, guard, optional=OPTIONAL)

    @app.get("/feed")
    def feed(token: Annotated[AccessToken | None, require()]) -> Any:
        return who(token)

    @app.get("/scoped")
    def scoped(token: Annotated[AccessToken, require("read:blog")]) -> Any:
        return who(token)

    @app.get("/orgs/{org}")
    def org(org: str, token: Annotated[AccessToken, require(OWN_ORG)]) -> Any:
        del org
        return who(token)

    return lambda url, value=None: told(TestClient(app).get(url, headers=auth(value)))


def in_asgi(guard: Guard) -> Call:
    async def serve(scope: Any, receive: Any, send: Any) -> None:
        await JSONResponse(who(scope["gatewright"]))(scope, receive, send)

    rules = {"/orgs/{org}": OWN_ORG, "GET /scoped": "read:blog"}
    app = gatewright.asgi.protect(serve, guard, rules=rules, optional=OPTIONAL)
    return lambda url, value=None: told(TestClient(app).get(url, headers=auth(value)))


def in_wsgi(guard: Guard) -> Call:
    inner = Flask(__name__)

    @inner.get("/<path:_>")
    def serve(_: str) -> Any:
        from flask import request  # noqa: PLC0415 - beside the Starlette one

        return who(request.environ["gatewright"])

    rules = {"/orgs/{org}": OWN_ORG, "GET /scoped": "read:blog"}
    app = gatewright.wsgi.protect(inner, guard, rules=rules, optional=OPTIONAL)
    return lambda url, value=None: told(WerkzeugClient(app).get(url, headers=auth(value)))


def in_flask(guard: Guard) -> Call:
    app = Flask(__name__)
    require = gatewright.flask.protect(app, guard, optional=OPTIONAL)

    @app.get("/feed")
    def feed() -> Any:
        return who(g.access_token)

    @app.get("/scoped")
    @require("read:blog")
    def scoped() -> Any:
        return who(g.access_token)

    @app.get("/orgs/<org>")
    @require(OWN_ORG)
    async def org(org: str) -> Any:
        del org
        return who(g.access_token)

    return lambda url, value=None: told(app.test_client().get(url, headers=auth(value)))


def in_django(guard: Guard) -> Call:
    def serve(request: Any, **_: str) -> Any:
        return DjangoJson(who(request.access_token))

    urls = types.ModuleType("urls_of_this_test")
    urls.urlpatterns = [  # type: ignore[attr-defined]
        django_path("feed", serve),
        django_path("scoped", gatewright.django.require("read:blog")(serve)),
        django_path("orgs/<slug:org>", gatewright.django.require(OWN_ORG)(serve)),
    ]
    settings = {
        "ROOT_URLCONF": urls,
        "MIDDLEWARE": ["gatewright.django.Middleware"],
        "GATEWRIGHT": {"guard": guard, "optional": OPTIONAL},
    }

    def call(url: str, value: str | None = None) -> tuple[int, object]:
        with override_settings(**settings):
            return told(DjangoClient().get(url, headers=auth(value)))

    return call


def in_aiohttp(guard: Guard) -> Call:
    async def serve(request: web.Request) -> web.Response:
        return web.json_response(who(request["access_token"]))

    async def ask(url: str, value: str | None) -> tuple[int, object]:
        app = web.Application()
        require = gatewright.aiohttp.protect(app, guard, optional=OPTIONAL)
        app.router.add_get("/feed", serve)
        app.router.add_get("/scoped", require("read:blog")(serve))
        app.router.add_get("/orgs/{org}", require(OWN_ORG)(serve))
        async with AioClient(TestServer(app)) as client, client.get(url, headers=auth(value)) as response:
            body = await response.json()
            return response.status, body.get("who", body.get("error"))

    return lambda url, value=None: asyncio.run(ask(url, value))


def in_litestar(guard: Guard) -> Call:
    require = gatewright.litestar.Require(guard)

    @litestar.get("/feed")
    async def feed(request: litestar.Request[Any, Any, Any]) -> dict[str, Any]:
        return who(request.auth)

    @litestar.get("/scoped", guards=[require("read:blog")])
    async def scoped(request: litestar.Request[Any, Any, Any]) -> dict[str, Any]:
        return who(request.auth)

    @litestar.get("/orgs/{org:str}", guards=[require(OWN_ORG)], sync_to_thread=False)
    def org(request: litestar.Request[Any, Any, Any]) -> dict[str, Any]:
        return who(request.auth)

    app = litestar.Litestar([feed, scoped, org])
    gatewright.litestar.protect(app, guard, optional=OPTIONAL)
    return lambda url, value=None: told(TestClient(app).get(url, headers=auth(value)))  # type: ignore[arg-type]


FRAMEWORKS: dict[str, Callable[[Guard], Call]] = {
    "starlette": in_starlette,
    "fastapi": in_fastapi,
    "asgi": in_asgi,
    "wsgi": in_wsgi,
    "flask": in_flask,
    "django": in_django,
    "aiohttp": in_aiohttp,
    "litestar": in_litestar,
}


@pytest.fixture(params=FRAMEWORKS)
def call(request: pytest.FixtureRequest) -> Call:
    return FRAMEWORKS[request.param](guard())


def test_only_the_holder_of_an_organisation_enters_its_path(call: Call) -> None:
    assert call("/orgs/acme", token(org_id="acme")) == (200, "app")
    assert call("/orgs/other", token(org_id="acme")) == (403, "insufficient_scope")
    assert call("/orgs/acme", token()) == (403, "insufficient_scope")
    assert call("/orgs/acme") == (401, "unauthorized")


def test_a_path_may_be_asked_for_without_a_token_but_not_with_a_bad_one(call: Call) -> None:
    assert call("/feed") == (200, None)
    assert call("/feed", token()) == (200, "app")
    assert call("/feed", token(exp=1)) == (401, "invalid_token")


def test_a_rule_needs_a_token_also_on_an_optional_path(call: Call) -> None:
    assert call("/scoped") == (401, "unauthorized")
    assert call("/scoped", token()) == (403, "insufficient_scope")
    assert call("/scoped", token(scope="read:blog")) == (200, "app")
