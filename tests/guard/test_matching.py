"""Which route of a list takes a request."""

from __future__ import annotations

import pytest

from gatewright import all_of
from gatewright.guard.matching import methods_at, routes_for
from gatewright.guard.routes import Route

LIST = [
    Route(name.partition(" ")[0], name.partition(" ")[2], None, "guarded")
    for name in (
        "GET /",
        "GET /blogs",
        "POST /blogs",
        "GET /blogs/{id}",
        "* /blogs/{id}",
        "GET /blogs/new",
        "GET /blogs/{id}/comments/{comment}",
        "GET /blogs/new/comments/{comment}",
        "GET /reports/{name}.pdf",
        "GET /reports/{name}",
        "GET /files/{path}",
        "* /static/*",
        "GET /static/a b",
        "GET /tidy/",
        "TOOL /mcp#write it",
        "RESOURCE /mcp#files://{name}",
        "POST /mcp",
        "WEBSOCKET /live",
        "GET /apart",
        "HEAD /apart",
    )
]


@pytest.mark.parametrize(
    ("request_", "taken"),
    [
        ("GET /", "GET /"),
        ("GET /blogs", "GET /blogs"),
        ("get /blogs", "GET /blogs"),
        ("HEAD /blogs", "GET /blogs"),
        ("GET /blogs/", "GET /blogs"),
        ("GET /blogs?page=2", "GET /blogs"),
        ("GET /blogs/7", "GET /blogs/{id}"),
        ("GET /blogs/{id}", "GET /blogs/{id}"),
        ("GET /blogs/{name}", "GET /blogs/{id}"),
        ("DELETE /blogs/7", "* /blogs/{id}"),
        ("GET /blogs/new", "GET /blogs/new"),
        ("POST /blogs/new", "* /blogs/{id}"),
        ("GET /blogs/new/comments/1", "GET /blogs/new/comments/{comment}"),
        ("GET /blogs/7/comments/1", "GET /blogs/{id}/comments/{comment}"),
        ("GET /reports/may.pdf", "GET /reports/{name}.pdf"),
        ("GET /reports/may.txt", "GET /reports/{name}"),
        ("GET /files/a/b/c", "GET /files/{path}"),
        ("GET /files/a", "GET /files/{path}"),
        ("PUT /static/a/b", "* /static/*"),
        ("GET /static/a%20b", "GET /static/a b"),
        ("GET /tidy", "GET /tidy/"),
        ("TOOL /mcp#write it", "TOOL /mcp#write it"),
        ("TOOL /mcp#write%20it", "TOOL /mcp#write it"),
        ("RESOURCE /mcp#files://notes", "RESOURCE /mcp#files://{name}"),
        ("POST /mcp", "POST /mcp"),
        ("WEBSOCKET /live", "WEBSOCKET /live"),
        ("HEAD /apart", "HEAD /apart"),
        ("HEAD /static/a", "* /static/*"),
    ],
)
def test_the_most_specific_takes_it(request_: str, taken: str) -> None:
    (found,) = routes_for(LIST, *request_.split(" ", 1))
    assert f"{found.method} {found.path}" == taken


@pytest.mark.parametrize(
    "request_", ["GET /none", "POST /", "GET /live", "GET /BLOGS", "GET /files", "GET /reports/", "GET /mcp"]
)
def test_no_route_takes_it(request_: str) -> None:
    assert routes_for(LIST, *request_.split(" ", 1)) == ()


def test_methods_are_told_to_whoever_asked_with_another() -> None:
    assert methods_at(LIST, "/blogs") == ("GET", "POST")
    assert methods_at(LIST, "/none") == ()


def test_both_are_told_where_the_list_cannot_tell_them_apart() -> None:
    number = Route("GET", "/a/{number}", all_of("a"), "guarded")
    word = Route("GET", "/a/{word}", all_of("b"), "guarded")
    assert routes_for([number, word], "GET", "/a/7") == (number, word)
    assert routes_for([number, word], "GET", "/a/{word}") == (word,)


def test_of_patterns_every_rule_that_fits_counts() -> None:
    every = Route("*", "/*", None, "guarded")
    blogs = Route("*", "/blogs/*", all_of("read"), "guarded")
    new = Route("POST", "/blogs/new", all_of("create"), "guarded")
    health = Route("*", "/blogs/health", None, "public")
    listed = [every, blogs, new, health]
    (found,) = routes_for(listed, "POST", "/blogs/new")
    assert found.rule == all_of("create") & all_of("read")
    assert routes_for(listed, "GET", "/blogs/health") == (health,)
    assert routes_for(listed, "GET", "/else") == (every,)
