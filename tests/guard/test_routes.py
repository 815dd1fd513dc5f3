"""The list of routes, its file, what has drifted, and the OpenAPI document made of it."""

from __future__ import annotations

import re
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from gatewright import all_of, any_of, claim
from gatewright.asgi import protect
from gatewright.guard import openapi
from gatewright.guard.lock_file import Entry, drift, parse, write
from gatewright.guard.patterns import PublicPaths
from gatewright.guard.routes import (
    Found,
    NotProtectedError,
    Policy,
    Route,
    assert_guarded,
    attach,
    discover,
    listed,
    routes,
    scopes_of,
    unguarded,
)
from gatewright.guard.rules import Rule
from tests.guard.issuing import guard

READ, CREATE = all_of("read:blog"), all_of("create:blog")
BLOGS = Route("GET", "/blogs", READ, "guarded")
HEALTH = Route("GET", "/health", None, "public")


async def plain(*_: Any) -> None:  # noqa: ANN401 - raw ASGI
    raise AssertionError("nobody calls it")


def found(path: str, **rules: Rule | None) -> Found:
    return Found(path, rules, lambda method: rules[method])


def lines(*given: Found, public: tuple[str, ...] = (), pages: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{route.method} {route.path} {route.allowed}" for route in listed(given, PublicPaths(public, pages))
    ]


def test_head_is_told_apart_from_get_only_where_its_rule_is_another() -> None:
    assert lines(found("/a", GET=READ, HEAD=READ), found("/b", GET=READ, HEAD=None)) == [
        'GET /a all_of("read:blog")',
        'GET /b all_of("read:blog")',
        "HEAD /b any valid token",
    ]


def test_a_pattern_that_names_no_whole_route_is_listed_by_itself() -> None:
    assert lines(found("/{name}", GET=READ), public=("/health", "!/health/inner")) == [
        "* /health public",
        'GET /{name} all_of("read:blog")',
    ]


def test_a_closed_pattern_leaves_the_route_guarded() -> None:
    assert lines(found("/docs", GET=None), public=("!/docs",), pages=("GET /docs",)) == [
        "GET /docs any valid token"
    ]


def test_pages_are_documentation_until_public_names_them() -> None:
    page = found("/docs", GET=None)
    assert lines(page, pages=("GET /docs",)) == ["GET /docs documentation"]
    assert lines(page, public=("/docs",), pages=("GET /docs",)) == ["GET /docs public"]


def test_a_handshake_is_public_where_a_get_is() -> None:
    assert lines(found("/feed", WEBSOCKET=None), public=("GET /feed",)) == ["WEBSOCKET /feed public"]


def test_what_is_public_for_one_method_is_a_handshake_for_get_alone() -> None:
    app = protect(plain, guard(), public=["GET /feed", "POST /send"])
    feed, send = found("/feed", WEBSOCKET=READ), found("/send", GET=READ)
    assert lines(feed, send, public=("GET /feed", "POST /send")) == [
        "WEBSOCKET /feed public",
        'GET /send all_of("read:blog")',
        "POST /send public",
    ]
    with pytest.raises(AssertionError, match="GET /feed is public"):
        assert_guarded(app, public=["POST /feed", "POST /send"])


def test_a_method_is_public_by_its_own_pattern_alone() -> None:
    blogs = found("/blogs", GET=READ, POST=CREATE)
    assert lines(blogs, public=("GET /blogs",)) == ["GET /blogs public", 'POST /blogs all_of("create:blog")']
    assert lines(blogs, public=("POST /blogs",)) == ['GET /blogs all_of("read:blog")', "POST /blogs public"]
    app = Marked(Route("POST", "/blogs", None, "public"))
    assert [route.method for route in unguarded(app, ["GET /*"])] == ["POST"]
    assert unguarded(app, ["POST /*"]) == []


def test_a_public_route_has_no_rule_and_an_unprotected_one_is_open() -> None:
    given = [found("/blogs", GET=READ)]
    assert [route.rule for route in listed(given, PublicPaths(["/blogs"]))] == [None]
    assert listed(given, PublicPaths(["/other"]), is_protected=False) == [
        Route("GET", "/blogs", None, "open")
    ]


class Marked:
    """An application that an adapter has told the routes of."""

    def __init__(self, *told: Route) -> None:
        vars(self)["__gatewright_routes__"] = lambda: Policy(guard(), told)


class Endpoint:
    def __call__(self) -> None: ...

    def serve(self) -> None: ...


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        (None, ""),
        ("", ""),
        ("blogs.index", "blogs.index"),
        (plain, f"{__name__}.plain"),
        (Endpoint, f"{__name__}.Endpoint"),
        (Endpoint(), f"{__name__}.Endpoint"),
        (Endpoint().serve, f"{__name__}.Endpoint.serve"),
    ],
)
def test_a_route_names_what_serves_it(endpoint: object, name: str) -> None:
    route = Found("/blogs", ["GET"], lambda _: READ, endpoint)
    assert [each.endpoint for each in listed([route], PublicPaths([]))] == [name]


def test_of_one_route_that_is_found_twice_the_first_is_kept() -> None:
    twice = [Found("/blogs", ["GET"], lambda _: READ, name) for name in ("first", "second")]
    assert [route.endpoint for route in listed(twice, PublicPaths([]))] == ["first"]


def test_an_application_that_is_configured_is_told_by_its_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = ModuleType("gatewright.madeup")
    used = Policy(guard(), (BLOGS,))
    vars(adapter)["__gatewright_routes__"] = lambda: used
    monkeypatch.setitem(sys.modules, "gatewright.madeup", adapter)
    handler = type("Handler", (), {"__module__": "madeup.core.handlers"})
    assert discover(type("Mine", (handler,), {"__module__": "mine"})()) is used
    with pytest.raises(NotProtectedError):
        discover(type("Other", (), {"__module__": "other.madeup"})())


def test_an_application_behind_a_decorator_is_found() -> None:
    class Decorated:
        def __init__(self, wrapped: object) -> None:
            self.__wrapped__ = wrapped

    used = guard()
    assert discover(Decorated(protect(plain, used))).guard is used


def test_every_rule_whose_pattern_fits_is_told() -> None:
    app = protect(plain, guard(), rules={"/admin/*": "admin", "GET /admin/{id}": "read:admin"})
    rules = {f"{route.method} {route.path}": route.allowed for route in routes(app)}
    assert rules == {
        "* /*": "any valid token",
        "* /admin/*": 'all_of("admin")',
        "GET /admin/{id}": 'all_of("admin") & all_of("read:admin")',
    }


def test_an_application_inside_of_other_middleware_is_found() -> None:
    class Outer:
        def __init__(self, app: object) -> None:
            self.app = app

    used = guard()
    assert discover(Outer(Outer(protect(plain, used)))).guard is used


def test_an_application_that_nothing_protects_is_said_to_be_so() -> None:
    with pytest.raises(NotProtectedError, match="nothing protects"):
        routes(plain)
    with pytest.raises(AssertionError, match="nothing protects"):
        assert_guarded(plain)


def test_attaching_takes_what_an_adapter_finds() -> None:
    class App:
        pass

    app, used = App(), guard()
    attach(app, used, lambda: [found("/blogs", GET=READ, POST=CREATE)], PublicPaths(["/health"]))
    assert [str(Entry.of(route)).split() for route in routes(app)] == [
        ["GET", "/blogs", 'all_of("read:blog")'],
        ["POST", "/blogs", 'all_of("create:blog")'],
        ["*", "/health", "public"],
    ]


def test_discovering_loads_no_framework() -> None:
    program = (
        "import sys, gatewright.guard.routes, gatewright.guard.openapi;"
        "print(*{'flask', 'django', 'starlette', 'aiohttp', 'fastapi'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_file_is_read_as_it_was_written() -> None:
    spaced = Route("POST", "/a b", (READ | claim("tier").equals("a # b")) & any_of("x", "y"), "guarded")
    text = write([HEALTH, spaced, BLOGS])
    assert text == write([BLOGS, HEALTH, spaced])
    assert 'GET     /blogs                          all_of("read:blog")\n' in text
    assert not drift(parse(text), [BLOGS, HEALTH, spaced])


@pytest.mark.parametrize("line", ["GET /blogs", "GET blogs public", "nonsense"])
def test_line_that_is_no_route_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        parse(f"# a comment\n{line}\n")


def test_drift_tells_what_came_went_and_changed() -> None:
    created = Route("POST", "/blogs", CREATE, "guarded")
    locked = parse(write([BLOGS, HEALTH]))
    now = [Route("GET", "/blogs", None, "public"), created]
    different = drift(locked, now)
    assert different
    assert different.added == (Entry.of(created),)
    assert different.removed == (Entry.of(HEALTH),)
    assert different.changed == ((Entry.of(BLOGS), Entry.of(now[0])),)
    assert different.opened == (Entry.of(now[0]),)


def test_any_one_difference_is_drift() -> None:
    locked = parse(write([BLOGS]))
    assert drift(locked, [BLOGS, HEALTH])
    assert drift(locked, [])
    assert drift(locked, [Route("GET", "/blogs", CREATE, "guarded")])


def test_a_line_of_the_file_has_three_columns() -> None:
    assert str(Entry.of(Route("GET", "/a b", None, "guarded"))).split(maxsplit=2) == [
        "GET",
        "/a%20b",
        "any valid token",
    ]
    assert parse("GET  /a   any valid token  \n") == [Entry("GET", "/a", "any valid token")]


def test_an_open_route_must_be_named_as_a_public_one() -> None:
    free = Route("GET", "/a", None, "open")
    assert unguarded(Marked(free)) == [free]
    assert unguarded(Marked(free), ["GET /a"]) == []
    assert unguarded(Marked(free), ["!/a"]) == [free]


def test_new_public_route_is_opened_and_one_that_was_is_not() -> None:
    assert drift(parse(write([BLOGS])), [BLOGS, HEALTH]).opened == (Entry.of(HEALTH),)
    assert drift(parse(write([HEALTH])), [Route("GET", "/health", None, "documentation")]).opened == ()


def test_public_route_that_nobody_named_fails_and_so_does_a_pattern_for_nothing() -> None:
    app = protect(plain, guard(), public=["/health", "/static/*"])
    assert_guarded(app, public=["/health", "/static/*"])
    assert [route.path for route in unguarded(app, ["/health"])] == ["/static/*"]
    with pytest.raises(AssertionError) as failed:
        assert_guarded(app, public=["/health", "/nowhere"])
    assert str(failed.value).splitlines()[1:] == [
        "  * /static/* is public",
        "  '/nowhere' names nothing that is public",
    ]


def test_what_only_reports_is_no_guarded_route_and_strangers_are_said_to_enter() -> None:
    reporting = protect(plain, guard(enforce=False), rules={"GET /blogs": READ}, public=["/health"])
    listed_now = {route.path: (route.access, route.allowed) for route in routes(reporting)}
    assert listed_now == {
        "/blogs": ("report-only", 'report-only all_of("read:blog")'),
        "/*": ("report-only", "report-only any valid token"),
        "/health": ("public", "public"),
    }
    assert [route.path for route in unguarded(reporting, ["/health"])] == ["/*", "/blogs"]
    with pytest.raises(AssertionError, match="GET /blogs is report-only"):
        assert_guarded(reporting, public=["/health"])
    enforcing = protect(plain, guard(), rules={"GET /blogs": READ}, public=["/health"])
    opened = drift(parse(write(routes(enforcing))), routes(reporting)).opened
    assert [entry.path for entry in opened] == ["/*", "/blogs"]
    assert not drift(parse(write(routes(reporting))), routes(reporting))


def test_document_of_a_guard_that_only_reports_asks_for_tokens_all_the_same() -> None:
    policy = discover(protect(plain, guard(enforce=False), rules={"GET /blogs": READ}))
    operation = openapi.written(policy.guard, policy.routes)["paths"]["/blogs"]["get"]
    assert operation["security"] == [{"oauth2": ["read:blog"]}]


def test_one_string_in_place_of_several_patterns_is_refused() -> None:
    with pytest.raises(TypeError, match="not one string"):
        assert_guarded(protect(plain, guard()), public="/health")


def test_scopes_are_collected_once_in_order() -> None:
    other = Route("GET", "/b", any_of("admin", "read:blog"), "guarded")
    assert scopes_of([BLOGS, other, HEALTH]) == ["read:blog", "admin"]


def check_structure(document: dict[str, Any]) -> None:
    """What OpenAPI 3.1 asks of the parts that are written here."""
    assert document["openapi"].startswith("3.1")
    assert {"title", "version"} <= set(document["info"])
    schemes = document["components"]["securitySchemes"]
    for scheme in schemes.values():
        assert scheme["type"] == "oauth2"
        assert {"tokenUrl", "scopes"} <= set(scheme["flows"]["clientCredentials"])
    identifiers = []
    for path, item in document["paths"].items():
        assert path.startswith("/")
        for operation in item.values():
            identifiers += [operation["operationId"]] if "operationId" in operation else []
            declared = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
            assert declared == set(re.findall(r"\{(\w+)\}", path))
            assert operation["responses"]
            assert all({"description"} <= set(response) for response in operation["responses"].values())
            for entry in operation["security"]:
                assert set(entry) <= set(schemes)
                for name, scopes in entry.items():
                    assert set(scopes) <= set(schemes[name]["flows"]["clientCredentials"]["scopes"])
    assert len(identifiers) == len(set(identifiers))
    references = re.findall(r"'\$ref': '#/components/schemas/(\w+)'", str(document))
    assert set(references) <= set(document["components"]["schemas"])


WRITTEN = [
    BLOGS,
    HEALTH,
    Route("GET", "/blogs/{id}", None, "guarded"),
    Route("DELETE", "/blogs/{id}", any_of("admin", "delete:blog"), "guarded"),
    Route("*", "/all", READ, "guarded"),
    Route("*", "/static/*", None, "public"),
    Route("WEBSOCKET", "/feed", READ, "guarded"),
    Route("GET", "/docs", None, "documentation"),
]


def test_document_is_sound_and_says_who_may_enter() -> None:
    document = openapi.written(guard(), WRITTEN)
    check_structure(document)
    paths = document["paths"]
    assert set(paths) == {"/blogs", "/health", "/blogs/{id}", "/all"}
    assert paths["/blogs"]["get"]["security"] == [{"oauth2": ["read:blog"]}]
    assert {"401", "403", "503"} <= set(paths["/blogs"]["get"]["responses"])
    assert paths["/health"]["get"]["security"] == []
    assert "401" not in paths["/health"]["get"]["responses"]
    assert paths["/blogs/{id}"]["get"]["security"] == [{"oauth2": []}]
    assert "403" not in paths["/blogs/{id}"]["get"]["responses"]
    assert paths["/blogs/{id}"]["delete"]["security"] == [{"oauth2": ["admin"]}, {"oauth2": ["delete:blog"]}]
    flow = document["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]
    assert flow["tokenUrl"] == "https://issuer.example/oauth/token"
    assert set(flow["scopes"]) == {"read:blog", "admin", "delete:blog"}


def test_own_operations_stay_in_a_merged_document_but_for_their_security() -> None:
    mine: dict[str, Any] = {
        "openapi": "3.1.1",
        "info": {"title": "Mine", "version": "7"},
        "paths": {
            "/blogs/{blogId}": {
                "get": {
                    "summary": "One blog",
                    "parameters": [{"name": "blogId", "in": "path", "required": True}],
                    "security": [{"key": []}],
                    "responses": {"200": {"description": "It"}, "401": {"description": "My own"}},
                }
            },
            "/all": {
                "put": {"responses": {"200": {"description": "It"}}},
                "post": {"responses": {"200": {"description": "It"}}},
            },
        },
        "components": {"schemas": {"Blog": {"type": "object"}}},
    }
    before = repr(mine)
    document = openapi.written(guard(), [route for route in WRITTEN if route.method != "DELETE"], mine)
    check_structure(document)
    assert repr(mine) == before
    assert document["info"] == mine["info"]
    blog = document["paths"]["/blogs/{blogId}"]["get"]
    assert (blog["summary"], blog["responses"]["401"]["description"]) == ("One blog", "My own")
    assert blog["security"] == [{"oauth2": []}]
    assert "/blogs/{id}" not in document["paths"]
    assert set(document["paths"]["/all"]) == {"put", "post"}
    assert document["paths"]["/all"]["put"]["security"] == [{"oauth2": ["read:blog"]}]
    assert set(document["components"]["schemas"]) == {"Blog", "Refusal"}


@pytest.mark.parametrize("pattern", ["HEAD /health", "WEBSOCKET /chat", "!HEAD /health"])
def test_public_patterns_for_what_get_stands_for_are_refused_as_they_would_open_nothing(pattern: str) -> None:
    with pytest.raises(ValueError, match="GET stands for it too"):
        PublicPaths([pattern])


KINDS = [
    BLOGS,
    HEALTH,
    Route("*", "/a b", None, "guarded"),
    Route("GET", "/docs", None, "documentation"),
    Route("GET", "/news", None, "optional"),
    Route("GET", "/forgotten", None, "open"),
    Route("GET", "/soon", None, "report-only"),
    Route("PUT", "/blogs", READ & (CREATE | claim("tier").equals("gold, any")), "report-only"),
]


def test_lines_of_the_file_are_read_back_as_the_routes_they_are_of() -> None:
    assert {entry.route() for entry in parse(write(KINDS))} == set(KINDS)


@pytest.mark.parametrize(
    "allowed", ["public all_of", "report-only", "Public", "any valid", "all_of()", "guarded"]
)
def test_a_line_that_says_nothing_known_is_no_route(allowed: str) -> None:
    with pytest.raises(ValueError, match=r"no rule|no kind of access"):
        Entry("GET", "/blogs", allowed).route()
