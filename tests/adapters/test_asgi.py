"""Plain ASGI: what a pattern opens and closes, path tricks, WebSockets, and what is handed on."""

# ruff: noqa: ANN401 - raw ASGI has no types
import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from gatewright import AccessToken, all_of, claim
from gatewright.asgi import protect
from gatewright.guard.patterns import Pattern
from gatewright.guard.rules import Rule
from tests.adapters.doors import Answer, exchange, http_scope
from tests.guard.issuing import bearer, guard, token


class Echo:
    """An application that lets everybody in and remembers how it was called."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"entered"})


def call(
    name: str,
    *,
    rules: Mapping[str, Rule | str] | None = None,
    public: Iterable[str] = (),
    sent: str = "",
    **scope: object,
) -> Answer:
    """One request to a guarded `Echo`; `sent` is the token's scope, "-" for no token."""
    method, path = name.split(" ", 1)
    headers = [] if sent == "-" else bearer(token(scope=sent))
    app = protect(Echo(), guard(), rules=rules, public=public)
    return asyncio.run(exchange(app, [], http_scope(method, path, headers, **scope), iter(())))


@pytest.mark.parametrize(
    ("public", "name"),
    [
        ("/health", "GET /health"),
        ("/health", "POST /health"),
        ("/health", "OPTIONS /health"),
        ("GET /health", "GET /health"),
        ("GET /health", "HEAD /health"),
        ("/", "GET /"),
        ("/health/", "GET /health/"),
        ("/articles/{id}", "GET /articles/5"),
        ("/articles/{id}/text", "GET /articles/a.b/text"),
        ("/static/*", "GET /static/a/b.css"),
        ("/static/*", "GET /static/a/"),
        ("/*", "GET /anything/below"),
    ],
)
def test_a_public_pattern_opens_what_it_names(public: str, name: str) -> None:
    assert call(name, public=[public], sent="-").status == 200


@pytest.mark.parametrize(
    ("public", "name"),
    [
        ("/health", "GET /health/"),
        ("/health", "GET //health"),
        ("/health", "GET /health//"),
        ("/health", "GET /Health"),
        ("/health", "GET /healthy"),
        ("/health", "GET /health/x"),
        ("/health", "GET /x/health"),
        ("/health", "GET /x/../health"),
        ("/health", "GET /./health"),
        ("/health", "GET /health\n"),
        ("/health", "GET /health\x00"),
        ("/health", "GET /health "),
        ("/health", "GET /health;a"),
        ("/health", "GET /%68ealth"),
        ("/health", "GET \\health"),
        ("/", "GET "),
        ("/", "GET //"),
        ("GET /health", "POST /health"),
        ("GET /health", "get /health"),
        ("POST /health", "HEAD /health"),
        ("/a.b", "GET /aXb"),
        ("/articles/{id}", "GET /articles/"),
        ("/articles/{id}", "GET /articles/5/"),
        ("/articles/{id}", "GET /articles/5/edit"),
        ("/articles/{id}", "GET /articles/.."),
        ("/articles/{id}", "GET /articles/..\\..\\blogs"),
        ("/articles/{id}", "GET /articles/%2e%2e%2fblogs"),
        ("/static/*", "GET /static"),
        ("/static/*", "GET /static/"),
        ("/static/*", "GET /staticx/a"),
        ("/static/*", "GET /static/../blogs"),
        ("/static/*", "GET /static/a/../../blogs"),
        ("/static/*", "GET /static/./../blogs"),
        ("/static/*", "GET /static//../blogs"),
        ("/static/*", "GET /static/..\\blogs"),
        ("/static/*", "GET /static/%2e%2e/blogs"),
        ("/static/*", "GET /static/..%2fblogs"),
        ("/static/*", "GET /STATIC/a"),
    ],
)
def test_a_public_pattern_opens_nothing_that_only_looks_like_it(public: str, name: str) -> None:
    assert call(name, public=[public], sent="-").status == 401


@pytest.mark.parametrize("name", ["GET /static/private/a", "GET /static/PRIVATE/a"])
def test_what_stands_after_an_exclamation_mark_is_not_public(name: str) -> None:
    public = ["!/static/private/*", "/static/*"]
    assert call(name, public=public, sent="-").status == 401
    assert call("GET /static/open", public=public, sent="-").status == 200


@pytest.mark.parametrize(
    ("root_path", "path", "status"),
    [
        ("/api", "/api/health", 200),
        ("/api", "/health", 200),  # the server has taken the root off already
        ("/api", "/apihealth", 401),
        ("/api", "/api/api/health", 401),
        ("", "/api/health", 401),
        ("/health", "/health", 401),
        ("/health", "/health/blogs", 401),
    ],
)
def test_a_public_path_is_below_the_root_path(root_path: str, path: str, status: int) -> None:
    answer = call(f"GET {path}", public=["/health"], sent="-", root_path=root_path)
    assert answer.status == status


RULES = {
    "GET /blogs": "read:blog",
    "POST /blogs": "create:blog",
    "/admin/*": all_of("admin"),
    "/blogs/{id}": "read:blog",
    "DELETE /blogs/{id}": claim("tier").equals("gold"),
}


@pytest.mark.parametrize(
    ("name", "sent", "status"),
    [
        ("GET /blogs", "read:blog", 200),
        ("GET /blogs", "create:blog", 403),
        ("HEAD /blogs", "create:blog", 403),
        ("POST /blogs", "read:blog", 403),
        ("POST /blogs", "create:blog", 200),
        ("PUT /blogs", "", 200),  # nobody declared it: any valid token
        ("GET /blogs/5", "read:blog", 200),
        ("GET /blogs/5", "", 403),
        ("DELETE /blogs/5", "", 403),
        ("DELETE /blogs/5", "read:blog", 403),  # both patterns fit, both rules hold
        ("GET /admin/users", "read:blog", 403),
        ("GET /admin/users", "admin", 200),
        ("GET /else", "", 200),
        ("GET /else", "-", 401),
    ],
)
def test_a_request_must_meet_every_rule_whose_pattern_fits(name: str, sent: str, status: int) -> None:
    assert call(name, rules=RULES, sent=sent).status == status


@pytest.mark.parametrize(
    "path",
    [
        "/blogs/",
        "//blogs",
        "/./blogs",
        "/x/../blogs",
        "/BLOGS",
        "\\blogs",
        "/%62logs",
        "/x/%2e%2e/blogs",
        "/admin//users",
        "/x/../admin/users",
        "/Admin/users",
    ],
)
def test_a_path_that_a_lenient_application_would_tidy_still_needs_the_scope(path: str) -> None:
    assert call(f"GET {path}", rules=RULES).status == 403
    assert call(f"GET {path}", rules=RULES, sent="read:blog admin").status == 200


@pytest.mark.parametrize(
    "text",
    [
        "",
        "health",
        "GET",
        "GET health",
        "get /health",
        "GET /a /b",
        "/a/*/b",
        "/a*",
        "/{a",
        "/a}",
        "/{1}",
        "/a?b",
    ],
)
def test_what_is_no_pattern_is_refused_when_the_application_is_built(text: str) -> None:
    for faulty in ({"public": [text]}, {"public": ["!" + text]}, {"rules": {text: "a"}}):
        with pytest.raises(ValueError, match="pattern"):
            protect(Echo(), guard(), **faulty)


@pytest.mark.parametrize("method", ["HEAD", "WEBSOCKET"])
def test_a_rule_that_could_hold_for_nothing_is_refused_when_the_application_is_built(method: str) -> None:
    with pytest.raises(ValueError, match="GET stands for it too"):
        protect(Echo(), guard(), rules={"GET /blogs": "a", f"{method} /blogs": "b"})


def test_misuse_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="collection"):
        protect(Echo(), guard(), public="/health")
    with pytest.raises(TypeError):
        protect(Echo(), guard(), public=[1])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        protect(Echo(), guard(), rules={"/a": None})  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        Pattern.parse(b"/a")  # type: ignore[arg-type]


def test_the_token_is_handed_on_in_the_scope_and_the_state() -> None:
    echo = Echo()
    app = protect(echo, guard())
    asyncio.run(exchange(app, [], http_scope("GET", "/", bearer(token())), iter(())))
    (scope,) = echo.scopes
    assert isinstance(scope["gatewright"], AccessToken)
    assert scope["state"]["access_token"] is scope["gatewright"]
    assert scope["gatewright"].client_id == "app"


def test_a_public_path_is_handed_no_token_even_if_one_was_sent() -> None:
    echo = Echo()
    app = protect(echo, guard(), public=["/"])
    asyncio.run(exchange(app, [], http_scope("GET", "/", bearer(token())), iter(())))
    assert "gatewright" not in echo.scopes[0]


def test_lifespan_passes_and_what_is_unknown_does_not() -> None:
    echo = Echo()
    app = protect(echo, guard(), public=["/*"])

    async def run(scope: dict[str, object]) -> None:
        await app(scope, _nothing, _drop)

    asyncio.run(run({"type": "lifespan"}))
    with pytest.raises(ValueError, match="cannot be guarded"):
        asyncio.run(run({"type": "webtransport", "path": "/"}))
    assert [scope["type"] for scope in echo.scopes] == ["lifespan"]


async def _nothing() -> dict[str, object]:
    return {"type": "websocket.connect"}


async def _drop(message: object) -> None:
    del message


def handshake(
    path: str = "/ws", *, headers: list[tuple[str, str]], extension: bool = True, **options: Any
) -> tuple[list[Any], Echo]:
    """What was sent on a WebSocket connection, and the application behind."""
    echo, sent = Echo(), list[Any]()
    scope = http_scope("GET", path, headers)
    del scope["method"]
    scope |= {"type": "websocket", "scheme": "ws"}
    scope |= {"extensions": {"websocket.http.response": {}} if extension else None}

    async def send(message: Any) -> None:
        sent.append(message)

    app = protect(echo, guard(), **options)

    async def connect() -> None:
        await app(scope, _nothing, send)

    asyncio.run(connect())
    return sent, echo


def test_a_refused_handshake_is_answered_as_the_request_would_be() -> None:
    sent, echo = handshake(headers=[])
    assert echo.scopes == []
    assert [message["type"] for message in sent] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert sent[0]["status"] == 401
    assert (b"www-authenticate", b'Bearer realm="https://blog-api"') in sent[0]["headers"]
    assert sent[1]["body"] == b'{"error":"unauthorized","error_description":"No access token was sent"}'


def test_a_refused_handshake_is_closed_where_the_server_cannot_answer_it() -> None:
    sent, echo = handshake(headers=bearer(token(exp=1)), extension=False)
    assert echo.scopes == []
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]


def test_a_websocket_enters_with_a_token_that_meets_its_rule() -> None:
    rules = {"GET /ws": "listen"}
    refused, _ = handshake(headers=bearer(token()), rules=rules)
    assert refused[0]["status"] == 403
    accepted, echo = handshake(headers=bearer(token(scope="listen")), rules=rules)
    assert accepted == [{"type": "websocket.accept"}]
    assert echo.scopes[0]["gatewright"].has("listen")


def test_a_part_with_a_guard_of_its_own_decides_for_itself() -> None:
    part = protect(Echo(), guard(audience="https://inner"))

    async def whole(scope: Any, receive: Any, send: Any) -> None:
        await part(scope, receive, send)

    app = protect(whole, guard())
    outer_only = asyncio.run(exchange(app, [], http_scope("GET", "/", bearer(token())), iter(())))
    assert outer_only.status == 401
    both = token(aud=["https://inner", "https://blog-api"])
    assert asyncio.run(exchange(app, [], http_scope("GET", "/", bearer(both)), iter(()))).status == 200
