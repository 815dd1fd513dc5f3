"""FastAPI: rules wherever a dependency may stand, documentation written from them, and no way around."""

# ruff: noqa: ANN401 - options are passed on as they are; misuse of any shape is part of the point
import socket
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import APIKeyHeader
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from gatewright import AccessToken, Denied, Guard, all_of, any_of, claim
from gatewright.demo import sample
from gatewright.fastapi import Require, protect
from gatewright.jose import JWKS
from tests.guard.issuing import AUDIENCE, ISSUER, Clock, bearer, guard, key, token
from tests.running import serving

Auth = dict[str, str]


def auth(scope: str = "") -> Auth:
    return dict(bearer(token(scope=scope)))


def application(**options: Any) -> tuple[FastAPI, Require]:
    app = FastAPI()
    return app, protect(app, options.pop("guard", None) or guard(), **options)


def test_the_lines_of_the_readme_run() -> None:
    app = FastAPI()
    one = Guard(ISSUER, audience=AUDIENCE, algorithms=("RS256",), keys=JWKS([key()]), now=Clock())
    require = protect(app, one, public=["/health"])

    @app.get("/blogs", dependencies=[require("read:blog")])
    def blogs() -> dict[str, bool]:
        return {"readBlogAccess": True}

    @app.get("/health")
    def health() -> str:
        return "up"

    client = TestClient(app)
    assert client.get("/blogs").status_code == 401
    assert client.get("/blogs", headers=auth()).status_code == 403
    assert client.get("/blogs", headers=auth("read:blog")).json() == {"readBlogAccess": True}
    assert client.get("/health").json() == "up"


def test_the_sample_tells_the_tutorial() -> None:
    client = TestClient(sample.build(guard()))
    assert client.get("/authtest").status_code == 401
    assert client.get("/authtest", headers=auth()).json() == {"loggedin": True}
    for method, scope, member in (
        ("GET", "read:blog", "readBlogAccess"),
        ("POST", "create:blog", "createBlogAccess"),
    ):
        assert client.request(method, "/blogs").status_code == 401
        assert client.request(method, "/blogs", headers=auth()).status_code == 403
        assert client.request(method, "/blogs", headers=auth(scope)).json() == {member: True}


def test_a_parameter_is_given_the_token() -> None:
    app, require = application()

    @app.get("/parameter")
    def parameter(token: Annotated[AccessToken, require("read")]) -> str | None:
        return token.client_id

    @app.get("/default")
    def default(token: AccessToken = require()) -> str | None:  # noqa: B008 - FastAPI's older spelling
        return token.client_id

    client = TestClient(app)
    assert client.get("/parameter", headers=auth("read")).json() == "app"
    assert client.get("/parameter", headers=auth()).status_code == 403
    assert client.get("/default", headers=auth()).json() == "app"


def test_rules_of_routers_inclusions_routes_and_nested_dependencies_add_up() -> None:
    decisions: list[AccessToken | Denied] = []
    app, require = application(guard=guard(observe=lambda _, decision: decisions.append(decision)))

    def reader(token: Annotated[AccessToken, require("nested")]) -> str | None:
        return token.client_id

    inner = APIRouter(prefix="/inner", dependencies=[require("inner")])
    outer = APIRouter(prefix="/outer")

    @inner.post("/blogs", dependencies=[require(any_of("route", "admin"))])
    def blogs(client_id: Annotated[str, Depends(reader)], body: Annotated[dict[str, int], Body()]) -> str:
        del body
        return client_id

    outer.include_router(inner, dependencies=[require("included")])
    app.include_router(outer, prefix="/v1", dependencies=[require("outer")])
    client = TestClient(app)
    path, needed = "/v1/outer/inner/blogs", ["outer", "included", "inner", "route", "nested"]
    for missing in needed:
        held = " ".join(scope for scope in needed if scope != missing)
        answer = client.post(path, content=b"{", headers=auth(held))
        assert answer.status_code == 403, "before the body is read, whatever it holds"
    assert client.post(path, json={}, headers=auth(" ".join(needed))).json() == "app"
    assert len(decisions) == len(needed) + 1
    challenge = client.post(path, headers=auth()).headers["www-authenticate"]
    assert challenge.endswith('scope="outer included inner route admin nested"')


def test_a_decision_comes_before_other_dependencies_and_parameters() -> None:
    app, require = application()
    ran: list[str] = []

    def database() -> None:
        ran.append("database")

    @app.get("/blogs/{number}", dependencies=[Depends(database), require("read")])
    def blog(number: int, page: int) -> None:
        ran.append(f"{number} {page}")

    client = TestClient(app)
    assert client.get("/blogs/x").status_code == 401
    assert client.get("/blogs/x", headers=auth()).status_code == 403
    assert ran == []
    assert client.get("/blogs/x", headers=auth("read")).status_code == 422


def test_a_mounted_application_is_guarded_with_its_own_rules() -> None:
    app, require = application()
    inner = FastAPI()

    @inner.get("/blogs", dependencies=[require("read")])
    def blogs() -> str:
        return "in"

    app.mount("/sub", inner)
    client = TestClient(app)
    assert client.get("/sub/blogs").status_code == 401
    assert client.get("/sub/docs").status_code == 401, "only the application's own pages are public"
    refused = client.get("/sub/blogs", headers=auth())
    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
    assert client.get("/sub/blogs", headers=auth("read")).json() == "in"


def test_a_route_that_the_guard_did_not_see_is_refused_by_itself() -> None:
    require = Require(guard())
    bare = FastAPI()

    @bare.get("/blogs", dependencies=[require("read")])
    def blogs() -> str:
        return "in"

    client = TestClient(bare)
    for headers, status in ((Auth(), 401), (auth(), 403)):
        refused = client.get("/blogs", headers=headers)
        assert refused.status_code == status
        assert refused.headers["www-authenticate"].startswith('Bearer realm="https://blog-api"')
        assert refused.headers["cache-control"] == "no-store"
    assert client.get("/blogs", headers=auth("read")).json() == "in"


def test_a_public_path_whose_route_requires_something_is_not_public() -> None:
    app, require = application(public=["/blogs"])

    @app.get("/blogs", dependencies=[require("read")])
    def blogs() -> str:
        return "in"

    client = TestClient(app)
    refused = client.get("/blogs")
    assert (refused.status_code, refused.json()["error"]) == (401, "unauthorized")
    assert client.get("/blogs", headers=auth()).status_code == 403
    assert client.get("/blogs", headers=auth("read")).json() == "in"


def test_a_rule_that_only_another_guard_checked_does_not_count() -> None:
    app, _ = application()
    other = Require(guard(audience="https://other"))

    @app.get("/", dependencies=[other("read")])
    def blogs() -> str:
        return "in"

    assert TestClient(app).get("/", headers=auth("read")).status_code == 401


def test_an_override_for_tests_does_not_open_the_door() -> None:
    app, require = application()
    needed = require("read")

    @app.get("/blogs", dependencies=[needed])
    def blogs() -> str:
        return "in"

    app.dependency_overrides[needed.dependency] = lambda: None
    client = TestClient(app)
    assert client.get("/blogs").status_code == 401
    assert client.get("/blogs", headers=auth()).status_code == 403


def test_routes_that_are_added_later_are_guarded_and_described() -> None:
    app, require = application()
    router = APIRouter()
    app.include_router(router)
    client = TestClient(app)
    assert client.get("/openapi.json").json()["paths"] == {}

    @router.post("/late", dependencies=[require("late")])
    def late(body: Annotated[dict[str, int], Body()]) -> str:
        del body
        return "in"

    assert client.post("/late").status_code == 401
    assert client.post("/late", content=b"{", headers=auth()).status_code == 403
    assert client.post("/late", json={}, headers=auth("late")).json() == "in"
    operation = client.get("/openapi.json").json()["paths"]["/late"]["post"]
    assert operation["security"] == [{"oauth2": ["late"]}]


PAGES = ["/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"]


@pytest.mark.parametrize("path", PAGES)
def test_the_frameworks_own_pages_are_public_unless_closed(path: str) -> None:
    app, _ = application()
    client = TestClient(app)
    assert client.get(path).status_code == 200
    assert client.post(path).status_code == 401
    assert client.get(path + "/").status_code == 401
    closed, _ = application(public=["!" + path])
    assert TestClient(closed).get(path).status_code == 401
    assert TestClient(closed).get(path, headers=auth()).status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_pages_that_do_not_exist_or_stand_elsewhere_leave_nothing_open(path: str) -> None:
    for app in (FastAPI(openapi_url=None), FastAPI(docs_url="/d", redoc_url="/r", openapi_url="/o")):
        protect(app, guard())
        if path != "/docs/oauth2-redirect" or app.openapi_url is None:
            assert TestClient(app).get(path).status_code == 401
    moved = FastAPI(docs_url="/d", redoc_url="/r", openapi_url="/o")
    protect(moved, guard())
    assert all(TestClient(moved).get(page).status_code == 200 for page in ("/d", "/r", "/o"))


def test_a_root_path_opens_nothing() -> None:
    app, _ = application(public=["/health"])

    @app.get("/health")
    def health() -> str:
        return "up"

    @app.get("/api/health")
    def other() -> str:
        return "other"

    client = TestClient(app, root_path="/api")
    assert client.get("/api/health").json() == "up"
    assert client.get("/api/api/health").status_code == 401
    assert client.get("/docs").status_code == 200


def test_a_preflight_is_answered_by_cors_outside() -> None:
    app, _ = application()
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_headers=["authorization"])
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    assert TestClient(app).options("/blogs", headers=preflight).status_code == 200
    assert TestClient(app).options("/blogs").status_code == 401


def test_a_websocket_is_guarded_by_its_rule() -> None:
    app, require = application()
    router = APIRouter()

    @router.websocket("/listen")
    async def listen(websocket: WebSocket, token: Annotated[AccessToken, require("listen")]) -> None:
        await websocket.accept()
        await websocket.send_text(str(token.client_id))
        await websocket.close()

    app.include_router(router, prefix="/v1")
    client = TestClient(app)
    for headers, status in ((Auth(), 401), (auth("other"), 403)):
        with (
            pytest.raises(WebSocketDenialResponse) as refused,
            client.websocket_connect("/v1/listen", headers=headers),
        ):
            pass
        assert refused.value.status_code == status
    with client.websocket_connect("/v1/listen", headers=auth("listen")) as session:
        assert session.receive_text() == "app"


def test_a_websocket_that_the_guard_did_not_see_is_refused_by_itself() -> None:
    require = Require(guard())
    bare = FastAPI()

    @bare.websocket("/")
    async def listen(websocket: WebSocket, token: Annotated[AccessToken, require("listen")]) -> None:
        raise AssertionError(websocket, token)

    with pytest.raises(WebSocketDisconnect) as refused, TestClient(bare).websocket_connect("/"):
        pass
    assert refused.value.code == 1008


def test_a_stranger_is_refused_over_the_wire_before_sending_the_body() -> None:
    with serving(sample.build(guard())) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(b"POST /blogs HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n{")
            answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b'www-authenticate: Bearer realm="https://blog-api"\r\n' in answer


def described() -> dict[str, Any]:
    app, require = application(public=["/health"])
    key_header = APIKeyHeader(name="X-Key")

    @app.get("/health")
    def health() -> None: ...

    @app.get("/any")
    def anybody() -> None: ...

    @app.get("/all", dependencies=[require("a", "b")])
    def everything() -> None: ...

    @app.get("/one", dependencies=[require(any_of("a", "c"))])
    def something() -> None: ...

    @app.get("/gold", dependencies=[require(claim("tier").equals("gold"))])
    def gold() -> None: ...

    @app.get(
        "/key", dependencies=[require("a"), Depends(key_header)], responses={401: {"description": "Mine"}}
    )
    def with_key() -> None: ...

    router = APIRouter(dependencies=[require(all_of("r"))])

    @router.get("/routed/{id}", dependencies=[require("s")])
    def routed(id: int) -> None: ...  # noqa: A002 - as users write it

    app.include_router(router, prefix="/v1")
    document: dict[str, Any] = TestClient(app).get("/openapi.json").json()
    return document


@pytest.mark.parametrize(
    ("path", "security", "refusals"),
    [
        ("/any", [{"oauth2": []}], {"401"}),
        ("/all", [{"oauth2": ["a", "b"]}], {"401", "403"}),
        ("/one", [{"oauth2": ["a"]}, {"oauth2": ["c"]}], {"401", "403"}),
        ("/gold", [{"oauth2": []}], {"401", "403"}),
        ("/key", [{"APIKeyHeader": []}, {"oauth2": ["a"]}], {"401", "403"}),
        ("/v1/routed/{id}", [{"oauth2": ["r", "s"]}], {"401", "403"}),
    ],
)
def test_each_operation_says_what_it_needs(path: str, security: object, refusals: set[str]) -> None:
    operation = described()["paths"][path]["get"]
    assert operation["security"] == security
    assert {"401", "403"} & set(operation["responses"]) == refusals
    refusal = operation["responses"].get("403")
    if refusal:
        assert refusal["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Refusal"}


def test_a_public_operation_has_no_lock_and_a_described_answer_is_kept() -> None:
    paths = described()["paths"]
    assert "security" not in paths["/health"]["get"]
    assert "401" not in paths["/health"]["get"]["responses"]
    assert paths["/key"]["get"]["responses"]["401"]["description"] == "Mine"


def test_the_scheme_names_the_token_endpoint_and_every_scope() -> None:
    components = described()["components"]
    assert components["securitySchemes"]["oauth2"] == {
        "type": "oauth2",
        "flows": {
            "clientCredentials": {
                "tokenUrl": "https://issuer.example/oauth/token",
                "scopes": dict.fromkeys(("a", "b", "c", "r", "s"), ""),
            }
        },
    }
    assert components["schemas"]["Refusal"]["required"] == ["error", "error_description"]


def test_head_is_described_as_get_is_and_by_its_own_rule_where_it_has_one() -> None:
    app = FastAPI()
    require = protect(app, guard())
    for path, method, scope in (("/one", "GET", "a"), ("/one", "HEAD", "a"), ("/own", "GET", "a")):
        app.api_route(path, methods=[method], operation_id=path + method, dependencies=[require(scope)])(
            lambda: None
        )
    app.api_route("/own", methods=["HEAD"], operation_id="own", dependencies=[require("b")])(lambda: None)
    paths = app.openapi()["paths"]
    assert paths["/one"]["head"]["security"] == [{"oauth2": ["a"]}]
    assert "401" in paths["/one"]["head"]["responses"]
    assert paths["/own"]["get"]["security"] == [{"oauth2": ["a"]}]
    assert paths["/own"]["head"]["security"] == [{"oauth2": ["b"]}]
    assert '"b"' in paths["/own"]["head"]["responses"]["403"]["description"]


def test_the_document_is_made_once() -> None:
    app, _ = application()
    assert app.openapi() is app.openapi()


@pytest.mark.parametrize("wrong", [None, 1, ["read"], b"read", claim("x")])
def test_requiring_what_is_no_rule_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError):
        Require(guard())(wrong)


def test_public_as_one_string_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="collection"):
        protect(FastAPI(), guard(), public="/health")
