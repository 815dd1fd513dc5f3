"""aiohttp: over real sockets, the handler's own rule is known before it runs, and holds where it is not."""

# ruff: noqa: ANN401 - misuse of any shape is part of the point
from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gatewright import AccessToken, Denied, any_of
from gatewright.aiohttp import Require, protect
from tests.guard.issuing import bearer, guard, token

Client = TestClient[web.Request, web.Application]


def auth(scope: str = "") -> dict[str, str]:
    return dict(bearer(token(scope=scope)))


async def hello(request: web.Request) -> web.Response:
    access_token: AccessToken = request["access_token"]
    return web.json_response({"client": access_token.client_id})


def serve(app: web.Application, use: Callable[[Client], Awaitable[None]]) -> None:
    async def session() -> None:
        async with TestClient(TestServer(app)) as client:
            await use(client)

    asyncio.run(session())


def statuses(app: web.Application, *asked: tuple[str, str, str | None]) -> list[int]:
    """The statuses of requests, each a method, a path and the scope of its token, None for no token."""
    answers: list[int] = []

    async def use(client: Client) -> None:
        for method, path, scope in asked:
            headers = {} if scope is None else auth(scope)
            answer = await client.request(method, path, headers=headers, allow_redirects=False)
            answers.append(answer.status)

    serve(app, use)
    return answers


def test_the_token_is_in_the_request_and_the_answer_is_the_guards_over_the_wire() -> None:
    app = web.Application()
    require = protect(app, guard())
    app.router.add_get("/", require("read")(hello))

    async def use(client: Client) -> None:
        assert await (await client.get("/", headers=auth("read"))).json() == {"client": "app"}
        refused = await client.get("/")
        assert refused.status == 401
        assert refused.headers["WWW-Authenticate"] == 'Bearer realm="https://blog-api"'
        assert refused.headers["Content-Type"] == "application/json"
        assert (await refused.json())["error"] == "unauthorized"

    serve(app, use)


def test_a_streamed_body_of_a_stranger_is_refused_before_it_ends() -> None:
    app = web.Application()
    protect(app, guard())

    async def use(client: Client) -> None:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(b"POST /blogs HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n\r\n{")
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 401 ")
        writer.close()

    serve(app, use)


def test_handlers_may_be_methods_and_partials_and_decorators_add_up() -> None:
    seen: list[AccessToken | Denied] = []
    app = web.Application()
    require = protect(app, guard(observe=lambda _, decision: seen.append(decision)))

    class Blogs:
        @require("a")
        @require("b")
        async def read(self, request: web.Request) -> web.Response:
            return await hello(request)

    assert require("x")(hello).__name__ == "hello"
    app.router.add_get("/method", Blogs().read)
    app.router.add_get("/partial", functools.partial(require("x")(hello)))
    app.router.add_get("/inner", require("x")(functools.partial(hello)))
    asked = [("/method", "a"), ("/method", "b"), ("/method", "a b"), ("/partial", ""), ("/partial", "x")]
    asked += [("/inner", ""), ("/inner", "x")]
    given = statuses(app, *[("GET", path, scope) for path, scope in asked])
    assert given == [403, 403, 200, 403, 200, 403, 200]
    assert len(seen) == len(asked), "one decision for one request: the rule was known to it"


def test_a_view_can_be_decorated_whole_and_by_method() -> None:
    app = web.Application()
    require = protect(app, guard())

    @require("blogs")
    class Blogs(web.View):
        async def get(self) -> web.Response:
            return await hello(self.request)

        @require("create")
        async def post(self) -> web.Response:
            return await hello(self.request)

    class Heirs(Blogs):
        pass

    app.router.add_view("/blogs", Blogs)
    app.router.add_view("/heirs", Heirs)
    assert Blogs.__name__ == "Blogs"
    asked = [("GET", ""), ("HEAD", ""), ("GET", "blogs"), ("POST", "blogs"), ("POST", "create")]
    asked += [("POST", "blogs create"), ("PUT", "blogs")]
    paths = ("/blogs", "/heirs")
    given = statuses(app, *[(method, path, scope) for path in paths for method, scope in asked])
    assert given == [403, 403, 200, 403, 403, 200, 405] * 2


def test_a_head_request_needs_what_get_needs() -> None:
    app = web.Application()
    require = protect(app, guard(), public=["GET /health"])

    class Blogs(web.View):
        @require("read")
        async def get(self) -> web.Response:
            return await hello(self.request)

    async def up(_: web.Request) -> web.Response:
        return web.Response()

    app.router.add_get("/function", require("read")(hello))
    app.router.add_view("/view", Blogs)
    app.router.add_get("/health", up)
    asked = [("HEAD", "/function", ""), ("HEAD", "/function", "read"), ("HEAD", "/view", "")]
    assert statuses(app, *asked, ("HEAD", "/health", None)) == [403, 200, 403, 200]


def test_routes_of_a_sub_application_are_guarded_and_public_by_their_whole_path() -> None:
    app, inner = web.Application(), web.Application()
    require = protect(app, guard(), public=["/inner/health"])

    async def up(_: web.Request) -> web.Response:
        return web.Response()

    inner.router.add_get("/blogs", require("read")(hello))
    inner.router.add_get("/health", up)
    app.add_subapp("/inner", inner)
    asked = [("GET", "/inner/blogs", scope) for scope in (None, "", "read")]
    asked += [("GET", "/inner/none", None), ("GET", "/inner/none", ""), ("GET", "/inner/health", None)]
    assert statuses(app, *asked) == [401, 403, 200, 401, 404, 200]


def test_a_handler_that_the_guard_did_not_see_is_refused_by_itself() -> None:
    require, bare = Require(guard()), web.Application()

    @require("x")
    class Whole(web.View):
        async def get(self) -> web.Response:
            return await hello(self.request)

    class Part(web.View):
        @require("x")
        async def get(self) -> web.Response:
            return await hello(self.request)

    bare.router.add_get("/function", require("x")(hello))
    bare.router.add_view("/whole", Whole)
    bare.router.add_view("/part", Part)
    paths = ("/function", "/whole", "/part")
    given = statuses(bare, *[("GET", path, scope) for path in paths for scope in (None, "", "x")])
    assert given == [401, 403, 200] * 3


def test_a_rule_that_only_another_guard_checked_does_not_count() -> None:
    app = web.Application()
    protect(app, guard())
    app.router.add_get("/", Require(guard(audience="https://other"))("read")(hello))
    assert statuses(app, ("GET", "/", "read")) == [401]


def test_middleware_of_the_application_neither_sees_nor_swallows_a_refusal() -> None:
    seen: list[str] = []

    @web.middleware
    async def swallow(request: web.Request, handler: Any) -> web.StreamResponse:
        seen.append(request.path)
        try:
            answer: web.StreamResponse = await handler(request)
        except web.HTTPException:
            answer = web.Response(status=200, text="never mind")
        return answer

    app = web.Application(middlewares=[swallow])
    require = protect(app, guard())
    app.middlewares.append(swallow)
    app.router.add_get("/", require("read")(hello))
    assert statuses(app, ("GET", "/", None), ("GET", "/", ""), ("GET", "/none", None)) == [401, 403, 401]
    assert seen == []


@pytest.mark.parametrize(
    "path",
    [
        "/health/", "//health", "/health%2f", "/health/.", "/HEALTH", "/static/..%2fsecret",
        "/static/%2e%2e%2fsecret", "/static/private/x", "/static/%70rivate/x", "/pub%2flic",
    ],
)  # fmt: skip
def test_tricks_with_paths_open_nothing(path: str) -> None:
    app = web.Application()
    protect(app, guard(), public=["/health", "/pub/lic", "/static/*", "!/static/private/*"])
    app.router.add_get("/{anything:.*}", hello)

    async def use(client: Client) -> None:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 401 ")
        writer.close()

    serve(app, use)


def test_a_websocket_is_guarded_by_its_rule() -> None:
    app = web.Application()
    require = protect(app, guard())

    @require(any_of("listen", "admin"))
    async def listen(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(request["access_token"].client_id)
        await socket.close()
        return socket

    app.router.add_get("/listen", listen)

    async def use(client: Client) -> None:
        for headers, status in (({}, 401), (auth("other"), 403)):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.ws_connect("/listen", headers=headers)
            assert refused.value.status == status
        async with client.ws_connect("/listen", headers=auth("admin")) as socket:
            assert await socket.receive_str() == "app"

    serve(app, use)


def test_an_application_that_has_started_cannot_be_protected_any_more() -> None:
    app = web.Application()
    app.freeze()
    with pytest.raises(RuntimeError):
        protect(app, guard())


@pytest.mark.parametrize("wrong", [None, 1, ["read"], b"read"])
def test_requiring_what_is_no_rule_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError):
        Require(guard())(wrong)


@pytest.mark.parametrize("wrong", [None, lambda request: request, dict, web.Application])
def test_guarding_what_is_no_handler_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match="async functions"):
        Require(guard())("read")(wrong)


def test_misuse_of_protect_is_told_at_once() -> None:
    wrong: Any = "/health"
    with pytest.raises(TypeError):
        protect(web.Application(), guard(), public=wrong)
    with pytest.raises(ValueError, match="pattern"):
        protect(web.Application(), guard(), public=["health"])
    with pytest.raises(TypeError, match="Application"):
        protect(wrong, guard())
