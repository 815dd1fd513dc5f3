"""Starlette: the route's own rule is found as the router finds it, and holds where it is not found."""

# ruff: noqa: ANN401 - options are passed on as they are; misuse of any shape is part of the point
import functools
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from gatewright import AccessToken, Denied, any_of
from gatewright.guard import Request as Seen
from gatewright.starlette import Require, protect
from tests.guard.issuing import bearer, guard, token

Auth = dict[str, str]


def auth(scope: str = "") -> Auth:
    return dict(bearer(token(scope=scope)))


def hello(request: Request) -> JSONResponse:
    access_token: AccessToken = request.state.access_token
    assert request.scope["gatewright"] is access_token
    return JSONResponse({"client": access_token.client_id})


def application(**options: Any) -> tuple[Starlette, Require]:
    app = Starlette()
    return app, protect(app, options.pop("guard", None) or guard(), **options)


def test_the_token_is_in_the_state_of_the_request() -> None:
    app, require = application()
    app.add_route("/", require("read")(hello))
    assert TestClient(app).get("/", headers=auth("read")).json() == {"client": "app"}


def test_a_decorated_endpoint_keeps_its_name_and_can_be_a_partial() -> None:
    app, require = application()
    assert require("read")(hello).__name__ == "hello"

    async def named(request: Request, *, name: str) -> JSONResponse:
        del request
        return JSONResponse({"name": name})

    app.add_route("/", require("read")(functools.partial(named, name="x")))
    client = TestClient(app)
    assert client.get("/", headers=auth()).status_code == 403
    assert client.get("/", headers=auth("read")).json() == {"name": "x"}


def test_decorators_add_up() -> None:
    app, require = application()
    app.add_route("/", require("a")(require("b")(hello)))
    client = TestClient(app)
    assert client.get("/", headers=auth("a")).status_code == 403
    refused = client.get("/", headers=auth("b"))
    assert refused.headers["www-authenticate"].endswith('scope="b a"')
    assert client.get("/", headers=auth("a b")).status_code == 200


@pytest.mark.parametrize("path", ["/admin/users", "/outer/admin/users"])
def test_a_mount_can_require_something_of_its_own(path: str) -> None:
    app, require = application()
    inner = Router([Route("/users", require("users")(hello))])
    admin = Mount("/admin", app=require("admin")(inner))
    app.router.routes += [admin, Mount("/outer", routes=[admin])]
    client = TestClient(app)
    assert client.get(path, headers=auth("users")).status_code == 403
    assert client.get(path, headers=auth("admin")).status_code == 403
    assert client.get(path, headers=auth("admin users")).status_code == 200
    assert client.get(path).status_code == 401
    assert 'scope="admin users"' in client.get(path, headers=auth()).headers["www-authenticate"]


def test_a_host_and_a_mount_with_middleware_are_looked_into() -> None:
    decisions: list[AccessToken | Denied] = []
    app, require = application(guard=guard(observe=lambda _, decision: decisions.append(decision)))
    route = Route("/x", require("x")(hello))
    app.router.routes += [
        Host("one.example", app=Router([route])),
        Mount("/deep", routes=[route], middleware=[Middleware(CORSMiddleware)]),
    ]
    client = TestClient(app)
    assert client.get("http://one.example/x", headers=auth()).status_code == 403
    assert client.get("http://one.example/x", headers=auth("x")).status_code == 200
    assert client.get("/deep/x", headers=auth()).status_code == 403
    assert client.get("/deep/x", headers=auth("x")).status_code == 200
    assert len(decisions) == 4, "one decision for one request: the rule was known to it"


def test_a_class_of_endpoints_can_be_decorated_whole_and_by_method() -> None:
    app, require = application()

    class Blogs(HTTPEndpoint):
        def get(self, request: Request) -> JSONResponse:
            return hello(request)

        @require("create")
        async def post(self, request: Request) -> JSONResponse:
            return hello(request)

    app.router.routes.append(Route("/", require("blogs")(Blogs)))
    client = TestClient(app)
    assert client.get("/", headers=auth()).status_code == 403
    assert client.head("/", headers=auth()).status_code == 403
    assert client.get("/", headers=auth("blogs")).status_code == 200
    assert client.post("/", headers=auth("blogs")).status_code == 403
    assert client.post("/", headers=auth("blogs create")).status_code == 200


def test_a_head_request_needs_what_get_needs() -> None:
    app, require = application()

    class Blogs(HTTPEndpoint):
        @require("read")
        async def get(self, request: Request) -> JSONResponse:
            return hello(request)

    app.add_route("/function", require("read")(hello))
    app.router.routes.append(Route("/class", Blogs))
    client = TestClient(app)
    for path in ("/function", "/class"):
        assert client.head(path, headers=auth()).status_code == 403
        assert client.head(path, headers=auth("read")).status_code == 200


def test_a_route_that_the_guard_did_not_see_is_refused_by_itself() -> None:
    app, require = application()
    served = PlainTextResponse("in")

    async def asynchronous(request: Request) -> PlainTextResponse:
        del request
        return served

    def synchronous(request: Request) -> PlainTextResponse:
        del request
        return served

    # Another application, which nobody protected: nothing stands in front of its routes but the decorator.
    bare = Starlette(
        routes=[
            Route("/async", require("x")(asynchronous)),
            Route("/sync", require("x")(synchronous)),
            Mount("/mount", app=require("x")(Router([Route("/", synchronous)]))),
        ]
    )
    client = TestClient(bare)
    for path in ("/async", "/sync", "/mount/"):
        no_token, no_scope = client.get(path), client.get(path, headers=auth())
        assert (no_token.status_code, no_scope.status_code) == (401, 403)
        assert no_token.headers["www-authenticate"] == 'Bearer realm="https://blog-api"'
        assert no_scope.json()["error"] == "insufficient_scope"
        assert client.get(path, headers=auth("x")).text == "in"
    del app


def test_a_rule_that_only_another_guard_checked_does_not_count() -> None:
    app, _ = application()
    other = Require(guard(audience="https://other"))
    app.add_route("/", other("read")(hello))
    assert TestClient(app).get("/", headers=auth("read")).status_code == 401


def test_a_path_that_breaks_the_router_is_still_401_for_a_stranger() -> None:
    app, require = application()
    app.add_route("/blogs/{id:int}", require("read")(hello))
    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/blogs/" + "9" * 5000).status_code == 401


def test_a_preflight_is_answered_by_cors_outside_and_refused_without() -> None:
    app, require = application()
    app.add_route("/blogs", require("read")(hello), methods=["GET", "OPTIONS"])
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    preflight["Access-Control-Request-Headers"] = "authorization"
    assert TestClient(app).options("/blogs", headers=preflight).status_code == 401

    app, require = application()
    app.add_route("/blogs", require("read")(hello))
    app.add_middleware(CORSMiddleware, allow_origins=["https://a.example"], allow_headers=["authorization"])
    client = TestClient(app)
    assert client.options("/blogs", headers=preflight).status_code == 200
    assert client.options("/blogs").status_code == 401
    refused = client.get("/blogs", headers={"Origin": "https://a.example"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://a.example")


def test_a_redirect_of_slashes_tells_a_stranger_nothing() -> None:
    app, require = application(public=["/health"])
    app.add_route("/blogs", require("read")(hello))
    app.add_route("/health", lambda _: PlainTextResponse("up"))
    client = TestClient(app, follow_redirects=False)
    assert client.get("/blogs/").status_code == 401
    assert client.get("/health/").status_code == 401
    assert client.get("/blogs/", headers=auth()).status_code == 307
    assert client.get("/health").text == "up"


def test_routes_that_are_added_later_are_guarded() -> None:
    app, require = application()
    client = TestClient(app)
    assert client.get("/late", headers=auth()).status_code == 404
    app.add_route("/late", require("late")(hello))
    assert client.get("/late").status_code == 401
    assert client.get("/late", headers=auth()).status_code == 403
    assert client.get("/late", headers=auth("late")).status_code == 200


def test_an_application_that_has_started_cannot_be_protected_any_more() -> None:
    app = Starlette()
    TestClient(app).get("/")
    with pytest.raises(RuntimeError):
        protect(app, guard())


def test_a_websocket_is_guarded_by_its_rule() -> None:
    app, require = application()

    async def listen(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(websocket.state.access_token.client_id)
        await websocket.close()

    class Talk(WebSocketEndpoint):
        async def on_connect(self, websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.send_text("talk")
            await websocket.close()

    app.router.routes += [
        WebSocketRoute("/listen", require(any_of("listen", "admin"))(listen)),
        WebSocketRoute("/talk", require("talk")(Talk)),
    ]
    client = TestClient(app)
    for path, scope, said in (("/listen", "listen", "app"), ("/talk", "talk", "talk")):
        for headers, status in ((Auth(), 401), (auth("other"), 403)):
            with (
                pytest.raises(WebSocketDenialResponse) as refused,
                client.websocket_connect(path, headers=headers),
            ):
                pass
            assert refused.value.status_code == status
        with client.websocket_connect(path, headers=auth(scope)) as session:
            assert session.receive_text() == said


def test_a_websocket_that_the_guard_did_not_see_is_refused_by_itself() -> None:
    require = Require(guard())

    async def listen(websocket: WebSocket) -> None:
        await websocket.accept()

    client = TestClient(Starlette(routes=[WebSocketRoute("/", require("listen")(listen))]))
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/"):
        pass
    assert refused.value.status_code == 401
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/", headers=auth("listen")):
        raise WebSocketDisconnect


def test_an_endpoint_without_a_request_cannot_be_guarded() -> None:
    with pytest.raises(TypeError, match="request"):
        Require(guard())("x")(lambda: None)()


@pytest.mark.parametrize("wrong", [None, 1, ["read"], b"read"])
def test_requiring_what_is_no_rule_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError):
        Require(guard())(wrong)


def test_the_observer_sees_what_was_asked_for() -> None:
    seen: list[Seen] = []
    app, _ = application(guard=guard(observe=lambda request, _: seen.append(request)))
    TestClient(app).put("/some/where?token=secret")
    assert [(request.method, request.url) for request in seen] == [("PUT", "/some/where?token=secret")]
