"""Patterns of requests by themselves: what can be one, what it opens, what it closes, what it names."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright import all_of
from gatewright.guard.patterns import Pattern, PatternRules, PublicPaths


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "health",
        "GET",
        "GET health",
        "get /health",
        "G3T /health",
        "GET POST /health",
        "GET  /a /b",
        "/a{",
        "/a}",
        "/{}",
        "/{1}",
        "/{a-b}",
        "/a*",
        "/*/a",
        "/**",
        "/a?b",
        "/a#b",
        "/{id}/{id}",
    ],
)
def test_what_is_no_pattern_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|twice") as refused:
        Pattern.parse(text)
    assert repr(text) in str(refused.value)


def test_what_is_no_text_is_named() -> None:
    wrong: Any = ["/health"]
    with pytest.raises(TypeError, match="health"):
        Pattern.parse(wrong)


# pattern, request, whether it certainly fits, whether it may
FITTING = [
    ("/health", "GET /health", True, True),
    ("/health", "GET /health/", False, True),
    ("/health", "GET /HEALTH", False, True),
    ("/health", "GET //health", False, True),
    ("/health", "GET /./health", False, True),
    ("/health", "GET /x/../health", False, True),
    ("/health", "GET /x/y/../../health", False, True),
    ("/health", "GET /x/y/../health", False, False),
    ("/health", "GET /../health", False, True),
    ("/health", "GET \\health", False, True),
    ("/health", "GET /%68ealth", False, True),
    ("/health", "GET /x%2f..%2fhealth", False, True),
    ("/health", "GET /healthy", False, False),
    ("/health", "GET /health\n", False, False),
    ("/health", "GET /x/health", False, False),
    ("/a/b", "GET /a\\b", False, True),
    ("/a/b", "GET /ab", False, False),
    ("/a.b", "GET /aXb", False, False),
    ("/", "GET /", True, True),
    ("/", "GET //", False, True),
    ("/health/", "GET /health/", True, True),
    ("/health/", "GET /health", False, True),
    ("GET /a", "GET /a", True, True),
    ("GET /a", "HEAD /a", True, True),
    ("GET /a", "POST /a", False, False),
    ("GET /a", "get /a", False, True),
    ("HEAD /a", "HEAD /a", False, False),
    ("POST /a", "HEAD /a", False, False),
    ("/a/{id}", "GET /a/5", True, True),
    ("/a/{id}", "GET /a/5/", False, True),
    ("/a/{id}", "GET /a/", False, False),
    ("/a/{id}", "GET /a/5/6", False, False),
    ("/a/{id}", "GET /A/5", False, True),
    ("/a/{id}", "GET /a/b\nc", True, True),
    ("/a/{id}", "GET /a/..", False, True),
    ("/a/{id}", "GET /a/%2e%2e", False, True),
    ("/a/{id}/b/{name}", "GET /a/1/b/2", True, True),
    ("/a/{id}/*", "GET /a/1/b", True, True),
    ("/a/{id}/*", "GET /a/1", False, False),
    ("/static/*", "GET /static/a", True, True),
    ("/static/*", "GET /static/a/", True, True),
    ("/static/*", "GET /static/a\nb", True, True),
    ("/static/*", "GET /static/", False, False),
    ("/static/*", "GET /static", False, False),
    ("/static/*", "GET /Static/a", False, True),
    ("/static/*", "GET /static/../a", False, True),
    ("/static/*", "GET /static//a", False, True),
    ("/*", "GET /a", True, True),
    ("/*", "GET /", False, False),
]


@pytest.mark.parametrize(("text", "request_line", "fits", "may"), FITTING)
def test_a_pattern_opens_what_is_meant_for_sure_and_closes_what_might_be(
    text: str, request_line: str, *, fits: bool, may: bool
) -> None:
    method, path = request_line.split(" ", 1)
    pattern = Pattern.parse(text)
    assert (pattern.fits(method, path), pattern.may_fit(method, path)) == (fits, may)


@pytest.mark.parametrize(
    ("text", "path", "named"),
    [
        ("/a/{id}", "/a/5", {"id": "5"}),
        ("/a/{id}", "/a/5/", {"id": "5"}),
        ("/a/{id}", "/A/5", {}),
        ("/a/{id}", "/a/5/6", {}),
        ("/a/{id}/b/{_n2}", "/a/x y/b/.", {"id": "x y", "_n2": "."}),
        ("/a/{id}/*", "/a/5/6/7", {"id": "5"}),
        ("/a", "/a", {}),
    ],
)
def test_parameters_are_named_where_they_can_be_told(text: str, path: str, named: dict[str, str]) -> None:
    assert Pattern.parse(text).parameters(path) == named


def test_every_rule_that_may_be_meant_is_required_and_the_first_pattern_names_the_parameters() -> None:
    rules = PatternRules(
        {"/a/{id}": all_of("one"), "GET /a/{other}": "two", "GET /a/{id}": "three", "/b": "b"}
    )
    assert rules("GET", "/a/5") == (
        all_of("one") & all_of("two") & all_of("three"),
        {"id": "5", "other": "5"},
        "/a/{id}",
    )
    assert rules("POST", "/A/5") == (all_of("one"), {}, None)
    assert rules("GET", "/c") == (None, {}, None)
    assert PatternRules(None)("GET", "/c") == (None, {}, None)
    first = PatternRules({"/{a}/*": "one", "/x/{a}": "two"})
    assert first("GET", "/x/y")[1] == {"a": "x"}


def test_public_is_what_is_opened_and_not_closed() -> None:
    public = PublicPaths(["/static/*", "!/static/private/*"], ["GET /docs"])
    assert public("GET", "/static/a")
    assert public("GET", "/docs")
    assert not public("POST", "/docs")
    assert not public("GET", "/static/private/a")
    assert not public("GET", "/static/PRIVATE/a")
    assert not public("GET", "/blogs")
    assert (public.patterns, public.pages) == (("/static/*", "!/static/private/*"), ("GET /docs",))
    with pytest.raises(TypeError, match="/health"):
        PublicPaths("/health")
    with pytest.raises(ValueError, match="health"):
        PublicPaths(["!health"])
