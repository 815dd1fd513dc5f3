"""Litestar: the rules of all layers add up, and nothing of the application comes before the guard."""

# ruff: noqa: ANN401 - misuse of any shape is part of the point
# Annotations are read by Litestar and name local variables here, so they must not be put off.
import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Controller, Litestar, Request, Response, Router, WebSocket, asgi, get, post, websocket
from litestar.config.compression import CompressionConfig
from litestar.config.cors import CORSConfig
from litestar.exceptions import HTTPException, WebSocketDisconnect
from litestar.openapi.config import OpenAPIConfig
from litestar.params import FromPath, JSONBody
from litestar.testing import TestClient
from litestar.types import Receive, Scope, Send

from gatewright import AccessToken, claim
from gatewright.guard import Request as Asked
from gatewright.litestar import Refused, Require, protect
from tests.adapters.doors import Answer, exchange, http_scope
from tests.adapters.test_contract import NO_TOKEN, lacks_scope
from tests.guard.issuing import bearer, guard, token

GUARD = guard()
require = Require(GUARD)


def ask(app: Litestar, method: str, path: str, scope: str | None = None, **more: Any) -> Answer:
    """One request; `scope` is that of its token, None for none."""
    headers = [] if scope is None else bearer(token(scope=scope))
    nothing: Iterator[bytes] = iter([])
    return asyncio.run(exchange(app, [], http_scope(method, path, headers, **more), nothing))


def statuses(app: Litestar, *asked: tuple[str, str, str | None]) -> list[int]:
    return [ask(app, *one).status for one in asked]


def protected(*handlers: Any, public: Any = (), **options: Any) -> Litestar:
    app = Litestar(handlers, **options)
    protect(app, GUARD, public=public)
    return app


@get("/any")
async def anybody(request: Request[Any, AccessToken, Any]) -> dict[str, str | None]:
    assert request.auth is request.scope["gatewright"]  # type: ignore[typeddict-item]
    return {"client": request.auth.client_id}


@get("/read", guards=[require("read")])
async def read() -> dict[str, bool]:
    return {"entered": True}


def test_the_token_is_the_requests_auth() -> None:
    assert ask(protected(anybody), "GET", "/any", "").body == b'{"client":"app"}'


def test_rules_of_all_layers_add_up_and_are_known_to_one_decision() -> None:
    seen: list[object] = []
    observed = guard(observe=lambda _, decision: seen.append(getattr(decision, "reason", "entered")))
    needs = Require(observed)

    class Blogs(Controller):
        path = "/blogs"
        guards = [needs("controller")]  # noqa: RUF012 - as Litestar has it

        @get("/", guards=[needs("handler")])
        async def all_of_them(self) -> dict[str, bool]:
            return {"entered": True}

    app = Litestar([Router("/v1", route_handlers=[Blogs], guards=[needs("router")])], guards=[needs("app")])
    protect(app, observed)
    scopes = ["", "app", "app router", "app router controller", "app router controller handler"]
    assert statuses(app, *(("GET", "/v1/blogs", scope) for scope in scopes)) == [403, 403, 403, 403, 200]
    assert seen == ["insufficient_scope"] * 4 + ["entered"]


def test_a_rule_may_compare_the_token_with_the_path() -> None:
    seen: list[Asked] = []
    observed = guard(observe=lambda request, _: seen.append(request))

    @get("/orgs/{org:str}/items/{item:int}", guards=[Require(observed)()])
    async def items(org: FromPath[str], item: FromPath[int]) -> dict[str, Any]:
        return {"org": org, "item": item}

    app = Litestar([items])
    protect(app, observed)
    assert ask(app, "GET", "/orgs/a/items/7", "").status == 200
    assert ask(app, "GET", "/orgs/b/items/8").status == 401
    assert [dict(request.path_params) for request in seen] == [
        {"org": "a", "item": 7},
        {"org": "b", "item": 8},
    ]


def test_a_head_request_and_options_need_a_token() -> None:
    app = protected(read)
    asked = [("HEAD", "/read", None), ("OPTIONS", "/read", None), ("OPTIONS", "/read", "")]
    assert statuses(app, *asked) == [401, 401, 204]


def test_a_mounted_application_is_guarded_below_its_path() -> None:
    @asgi("/files", is_mount=True, copy_scope=True, guards=[require("files")])
    async def files(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(scope["gatewright"].client_id).to_asgi_response(None, Request(scope))(  # type: ignore[typeddict-item]
            scope, receive, send
        )

    app = protected(files)
    scopes = (None, "", "files")
    assert statuses(app, *(("GET", "/files/a/b", scope) for scope in scopes)) == [401, 403, 200]


def listen_app(app_of: Any) -> Litestar:
    @websocket("/listen", guards=[require("listen")])
    async def listen(socket: WebSocket[Any, AccessToken, Any]) -> None:
        await socket.accept()
        await socket.send_text(str(socket.auth.client_id))
        await socket.close()

    app: Litestar = app_of(listen)
    return app


@pytest.mark.parametrize(
    "app_of", [protected, lambda handler: Litestar([handler])], ids=["protected", "bare"]
)
@pytest.mark.parametrize("scope", [None, "other"])
def test_a_websocket_is_refused_before_it_is_accepted(app_of: Any, scope: str | None) -> None:
    headers = {} if scope is None else dict(bearer(token(scope=scope)))
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    raw = http_scope("GET", "/listen", headers.items())
    del raw["method"]
    asyncio.run(listen_app(app_of)({**raw, "type": "websocket", "subprotocols": []}, receive, send))  # type: ignore[arg-type]
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]


def test_a_websocket_with_a_good_token_is_served() -> None:
    with TestClient(listen_app(protected)) as client:
        with client.websocket_connect("/listen", headers=dict(bearer(token(scope="listen")))) as socket:
            assert socket.receive_text() == "app"
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/listen"):
            pass


PAGES = [
    "/schema",
    "/schema/openapi.json",
    "/schema/openapi.yaml",
    "/schema/swagger",
    "/schema/redoc",
    "/schema/oauth2-redirect.html",
]


@pytest.mark.parametrize("page", PAGES)
def test_documentation_pages_are_public_unless_closed(page: str) -> None:
    assert ask(protected(read), "GET", page).status == 200
    assert ask(protected(read, public=["!/schema", "!/schema/*"]), "GET", page).status == 401


def test_documentation_is_found_where_the_application_has_it() -> None:
    moved = protected(read, path="/api", openapi_config=OpenAPIConfig("x", "1", path="/docs"))
    asked = ["/api/docs/openapi.json", "/schema", "/docs"]
    assert statuses(moved, *(("GET", path, None) for path in asked)) == [200, 401, 401]
    assert ask(protected(read, openapi_config=None), "GET", "/schema").status == 401


def test_the_document_tells_the_scopes_of_each_route_and_keeps_what_it_says_itself() -> None:
    @get("/health", security=[{"key": []}])
    async def health() -> None: ...

    @get("/both/{number:int}", guards=[require("other")], security=[{"key": []}])
    async def both(number: FromPath[int]) -> None:
        del number

    app = protected(anybody, read, both, health, public=["/health"])
    document = json.loads(ask(app, "GET", "/schema/openapi.json").body)
    operations = {path: item["get"] for path, item in document["paths"].items()}
    assert {path: operation["security"] for path, operation in operations.items()} == {
        "/any": [{"oauth2": []}],
        "/read": [{"oauth2": ["read"]}],
        "/both/{number}": [{"key": []}, {"oauth2": ["other"]}],
        "/health": [{"key": []}],
    }
    assert {"200", "401", "403", "503"} == set(operations["/read"]["responses"])
    assert {"200", "400", "401", "403", "503"} == set(operations["/both/{number}"]["responses"])
    assert {"401", "503"} < set(operations["/any"]["responses"])
    assert {"200"} == set(operations["/health"]["responses"])
    flow = document["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]
    assert flow["tokenUrl"] == "https://issuer.example/oauth/token"
    assert set(flow["scopes"]) == {"read", "other"}
    assert "Refusal" in document["components"]["schemas"]


def test_the_document_tells_of_routes_that_came_before_the_start() -> None:
    app = protected(anybody)
    app.register(read)
    with TestClient(app) as client:
        paths = client.get("/schema/openapi.json").json()["paths"]
    assert [paths[path]["get"]["security"] for path in ("/any", "/read")] == [
        [{"oauth2": []}],
        [{"oauth2": ["read"]}],
    ]


def test_a_document_that_cannot_be_made_is_told_where_it_is_asked_for() -> None:
    def one(path: str) -> Any:
        @get(path, operation_id="same")
        async def serve() -> None: ...

        return serve

    app = protected(one("/one"), one("/two"))
    assert statuses(app, ("GET", "/one", ""), ("GET", "/schema/openapi.json", None)) == [200, 500]
    assert ask(protected(read, openapi_config=None), "GET", "/read", "read").status == 200


def test_what_the_application_does_with_exceptions_and_answers_does_not_touch_a_refusal() -> None:
    ran: list[str] = []

    def swallow(_: Request[Any, Any, Any], error: Exception) -> Response[str]:
        ran.append(repr(error))
        return Response("never mind", status_code=200)

    async def after(response: Response[Any]) -> Response[Any]:
        ran.append("after")
        return response

    async def before(_: Request[Any, Any, Any]) -> None:
        ran.append("before")

    handlers = {HTTPException: swallow, 401: swallow, 500: swallow, Exception: swallow}
    options: dict[str, Any] = {
        "exception_handlers": handlers,
        "before_request": before,
        "after_request": after,
        "compression_config": CompressionConfig("gzip", minimum_size=1),
    }
    bare = Litestar([read], **options)
    for app in (protected(read, **options), bare):
        for scope, expected in ((None, NO_TOKEN), ("", lacks_scope("read"))):
            answer = ask(app, "GET", "/read", scope)
            challenge = answer.headers["www-authenticate"]
            assert (answer.status, challenge, answer.body) == expected
            assert len(answer.headers) == 5
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["cache-control"] == "no-store"
    assert ran == []


def test_dependencies_and_validation_come_after_the_guard() -> None:
    @post("/typed/{number:int}", guards=[require("write")])
    async def typed(number: FromPath[int], data: JSONBody[dict[str, int]]) -> dict[str, int]:
        return {"number": number, **data}

    app = protected(typed)
    asked = [("POST", "/typed/x", None), ("POST", "/typed/1", None), ("POST", "/typed/1", "")]
    assert statuses(app, *asked, ("POST", "/typed/x", ""), ("POST", "/typed/1", "write")) == [
        401, 401, 403, 404, 400
    ]  # fmt: skip


def test_cors_stands_outside_and_only_adds_its_headers() -> None:
    app = protected(read, cors_config=CORSConfig(allow_origins=["https://a.example"]))
    with TestClient(app) as client:
        origin = {"Origin": "https://a.example"}
        preflight = client.options("/read", headers={**origin, "Access-Control-Request-Method": "GET"})
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (
            204,
            origin["Origin"],
        )
        refused = client.get("/read", headers=origin)
        assert (refused.status_code, refused.content) == (NO_TOKEN[0], NO_TOKEN[2])
        assert refused.headers["access-control-allow-origin"] == origin["Origin"]
        assert client.options("/read").status_code == 401


def test_a_rule_that_only_another_guard_checked_does_not_count() -> None:
    @get("/other", guards=[Require(guard(audience="https://other"))("read")])
    async def other() -> None: ...

    # With no scope too: the rule of another guard is not this one's to refuse by.
    assert statuses(protected(other), ("GET", "/other", "read"), ("GET", "/other", "")) == [401, 401]


def test_one_decision_is_taken_whatever_spelling_of_a_path_the_router_takes() -> None:
    seen: list[object] = []
    observed = guard(observe=lambda _, decision: seen.append(getattr(decision, "reason", "entered")))

    @get("/blogs", guards=[Require(observed)("read")])
    async def blogs() -> None: ...

    app = Litestar([blogs])
    protect(app, observed)
    assert statuses(app, ("GET", "/blogs/", ""), ("GET", "//blogs", "")) == [403, 403]
    assert seen == ["insufficient_scope"] * 2


def test_a_route_that_comes_later_is_guarded_too() -> None:
    app = protected(anybody)
    app.register(read)
    assert statuses(app, *(("GET", "/read", scope) for scope in (None, "", "read"))) == [401, 403, 200]


@pytest.mark.parametrize(
    "path",
    [
        "/health/",
        "//health",
        "/health/.",
        "/HEALTH",
        "/static/../read",
        "/static/private/x",
        "/static//private/x",
    ],
)
def test_tricks_with_paths_open_nothing(path: str) -> None:
    app = protected(read, public=["/health", "/static/*", "!/static/private/*"])
    assert ask(app, "GET", path).status == 401


def test_a_path_is_public_as_the_router_reads_it_below_a_root() -> None:
    @get(["/health", "/x"])
    async def up() -> None: ...

    app = protected(up, public=["/health", "/static/*"])
    # Litestar cuts the root out wherever it stands in a path.
    asked = ["/api/health", "/static/api/x", "/api/x"]
    assert [ask(app, "GET", path, root_path="/api").status for path in asked] == [200, 401, 401]


def test_misuse_is_told_at_once() -> None:
    wrong: Any = "/health"
    with pytest.raises(TypeError, match="collection"):
        protect(Litestar(), GUARD, public=wrong)
    with pytest.raises(ValueError, match="pattern"):
        protect(Litestar(), GUARD, public=["health"])
    with pytest.raises(TypeError, match="Litestar"):
        protect(wrong, GUARD)
    for rule in (None, 1, ["read"], b"read", claim("x")):
        with pytest.raises(TypeError):
            require(rule)  # type: ignore[arg-type]


def test_a_refusal_in_an_application_that_is_not_protected_says_why_inside() -> None:
    reasons: list[str] = []

    async def after(error: Exception, _: Scope) -> None:
        assert isinstance(error, Refused)
        reasons.append(error.refusal.reason)

    assert ask(Litestar([read], after_exception=[after]), "GET", "/read").status == 401
    assert reasons == ["no_token"]
