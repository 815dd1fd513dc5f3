"""A second `protect` of an application is an error in every adapter, and leaves the first one as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from django.core.handlers.asgi import ASGIHandler
from django.test import override_settings
from fastapi import FastAPI
from flask import Flask
from litestar import Litestar
from mcp.server.mcpserver import MCPServer
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount

import gatewright.aiohttp
import gatewright.asgi
import gatewright.django
import gatewright.fastapi
import gatewright.flask
import gatewright.litestar
import gatewright.mcp
import gatewright.starlette
import gatewright.wsgi
from gatewright import Guard
from gatewright.guard.routes import AlreadyProtectedError, NotProtectedError, discover, routes
from gatewright.testing import TokenIssuer
from gatewright.testing.calling import call
from tests.adapters import doors_django
from tests.guard.issuing import AUDIENCE, guard

if TYPE_CHECKING:
    from collections.abc import Iterator

Protect = Callable[[Any, Guard], Any]


async def plain_asgi(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - raw ASGI
    raise AssertionError(f"nobody enters, with {scope!r}, {receive!r}, {send!r}")


def plain_wsgi(environ: object, start_response: object) -> list[bytes]:
    raise AssertionError(f"nobody enters, with {environ!r}, {start_response!r}")


def in_place(protect: Callable[..., object]) -> Protect:
    """An adapter that changes the application itself."""

    def protected(app: Any, used: Guard) -> Any:  # noqa: ANN401 - an application of any make
        protect(app, used, public=["/health"])
        return app

    return protected


def around(protect: Callable[..., object]) -> Protect:
    """An adapter that gives another application."""
    return lambda app, used: protect(app, used, public=["/health"])


def django_around(app: Any, _: Guard) -> Any:  # noqa: ANN401 - as above
    return gatewright.django.protect(app)


def mcp_server(server: Any, used: Guard) -> Any:  # noqa: ANN401 - as above
    require = gatewright.mcp.protect(server, used, url=AUDIENCE, public=["/health"])
    return require.in_front_of(server.streamable_http_app())


MADE: dict[str, tuple[Callable[[], Any], Protect]] = {
    "asgi": (lambda: plain_asgi, around(gatewright.asgi.protect)),
    "starlette": (Starlette, in_place(gatewright.starlette.protect)),
    "fastapi": (FastAPI, in_place(gatewright.fastapi.protect)),
    "litestar": (lambda: Litestar([], openapi_config=None), in_place(gatewright.litestar.protect)),
    "wsgi": (lambda: plain_wsgi, around(gatewright.wsgi.protect)),
    "flask": (lambda: Flask(__name__), in_place(gatewright.flask.protect)),
    "aiohttp": (web.Application, in_place(gatewright.aiohttp.protect)),
    "django": (ASGIHandler, django_around),
    "mcp": (lambda: MCPServer("files"), mcp_server),
}
# They give another application, to which the second one comes.
WRAPPING = ("asgi", "wsgi", "django")


@pytest.fixture(autouse=True)
def configured() -> Iterator[None]:
    used = {"guard": guard(), "public": ["/health"]}
    with override_settings(GATEWRIGHT=used, ROOT_URLCONF=doors_django.urls({})):
        yield


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("same", ["the same guard", "another guard"])
def test_a_second_protect_is_told_with_the_way_out(name: str, same: str) -> None:
    make, protect = MADE[name]
    first = guard()
    app = make()
    protected = protect(app, first)
    listed = routes(protected)
    again = protected if name in WRAPPING else app
    with pytest.raises(AlreadyProtectedError, match=r"protected already.*trusted_by"):
        protect(again, first if same == "the same guard" else guard(audience="https://other"))
    assert routes(protected) == listed
    assert name == "django" or discover(protected).guard is first


@pytest.mark.parametrize("name", [name for name in MADE if name not in ("django", "mcp")])
def test_a_protect_that_failed_may_be_made_again(name: str) -> None:
    make, protect = MADE[name]
    app = make()
    wrong: Any = "no guard"
    adapter = getattr(gatewright, name)
    with pytest.raises(ValueError, match="pattern"):
        adapter.protect(app, wrong, public=["health"])
    with pytest.raises(NotProtectedError):
        routes(app)
    assert discover(protect(app, used := guard())).guard is used


def test_middleware_between_two_protects_hides_nothing() -> None:
    inner = gatewright.asgi.protect(plain_asgi, guard())
    with pytest.raises(AlreadyProtectedError):
        gatewright.asgi.protect(CORSMiddleware(inner, allow_origins=["*"]), guard())
    starlette = in_place(gatewright.starlette.protect)(Starlette(), guard())
    with pytest.raises(AlreadyProtectedError):
        gatewright.asgi.protect(starlette, guard())
    litestar = in_place(gatewright.litestar.protect)(Litestar([]), guard())
    with pytest.raises(AlreadyProtectedError):
        gatewright.asgi.protect(litestar, guard())


def test_an_mcp_transport_has_one_guard_in_front_and_a_server_may_have_two_transports() -> None:
    server = MCPServer[Any]("files")
    require = gatewright.mcp.protect(server, guard(), url=AUDIENCE)
    protected = require.in_front_of(server.streamable_http_app())
    with pytest.raises(AlreadyProtectedError):
        require.in_front_of(protected)
    assert discover(require.in_front_of(server.sse_app())).guard is discover(protected).guard


def test_a_part_with_a_guard_of_its_own_may_stand_inside_and_both_decide() -> None:
    inner, outer = guard(audience="https://inner"), guard()
    app = Starlette(routes=[Mount("/inner", app=gatewright.asgi.protect(plain_asgi, inner))])
    gatewright.starlette.protect(app, outer)
    issuer = TokenIssuer()
    with issuer.trusted_by(outer):
        assert call(app, "GET", "/inner/x", {}).status == 401
        (challenge,) = call(app, "GET", "/inner/x", issuer.bearer()).values("www-authenticate")
    assert challenge.startswith('Bearer realm="https://inner", error="invalid_token"')


def test_the_way_out_in_tests_is_an_issuer_that_the_guard_trusts_meanwhile() -> None:
    app, used = FastAPI(), guard()
    gatewright.fastapi.protect(app, used)
    app.get("/blogs")(lambda: "entered")
    issuer = TokenIssuer()
    with issuer.trusted_by(used):
        assert call(app, "GET", "/blogs", issuer.bearer()).status == 200
    assert call(app, "GET", "/blogs", issuer.bearer()).status == 401
