"""The guard in front of WSGI: paths and headers as servers hand them over, patterns, misuse."""

# ruff: noqa: ANN401 - raw WSGI has no types; misuse of any shape is part of the point
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from gatewright import AccessToken, Denied, all_of
from gatewright.guard import Request
from gatewright.wsgi import protect
from tests.adapters.doors import Answer
from tests.adapters.doors_flask import environ_of, exchange
from tests.guard.issuing import bearer, guard, token


class Echo:
    """An application that remembers what it was handed."""

    def __init__(self) -> None:
        self.environs: list[Any] = []

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        self.environs.append(environ)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return [b"in"]


def asked(app: Any, method: str, path: str, scope: str | None = None, **more: object) -> int:
    headers = [] if scope is None else bearer(token(scope=scope))
    return exchange(app, environ_of(method, path, headers, **more)).status


def test_the_token_is_handed_on_in_the_environ() -> None:
    echo = Echo()
    app = protect(echo, guard(), public=["/health"])
    assert asked(app, "GET", "/", "read") == 200
    assert isinstance(echo.environs[0]["gatewright"], AccessToken)
    assert asked(app, "GET", "/health", "read") == 200
    assert "gatewright" not in echo.environs[1]


@pytest.mark.parametrize(
    "path",
    [
        "/health/",
        "//health",
        "/HEALTH",
        "/./health",
        "/x/../health",
        "/health/..",
        "/health%2f",
        "/%68ealth",
        "/health;x",
        "/health\x00",
        "health",
        "",
        "\\health",
        "/static",
        "/static/",
        "/static/../secret",
        "/static/%2e%2e/secret",
        "/static//secret",
        "/static/private",
        "/static/PRIVATE",
        "/static/private/",
    ],
)
def test_no_trick_with_the_path_makes_it_public(path: str) -> None:
    app = protect(Echo(), guard(), public=["/health", "/static/*", "!/static/private"])
    assert asked(app, "GET", path) == 401
    assert asked(app, "GET", "/static/a/b.css") == 200


def test_a_public_method_opens_no_other() -> None:
    app = protect(Echo(), guard(), public=["GET /health"])
    assert [asked(app, method, "/health") for method in ("GET", "HEAD")] == [200, 200]
    assert [asked(app, method, "/health") for method in ("POST", "OPTIONS", "get", "")] == [401] * 4


@pytest.mark.parametrize("method", ["POST", "post", "Post"])
@pytest.mark.parametrize("path", ["/blogs", "/blogs/", "//blogs", "/BLOGS", "/x/../blogs", "/%62logs"])
def test_a_rule_holds_however_the_request_is_spelled(method: str, path: str) -> None:
    app = protect(Echo(), guard(), rules={"POST /blogs": "create"})
    assert asked(app, method, path, "read") == 403
    assert asked(app, method, path, "create") == 200
    assert asked(app, "PUT", path, "read") == 200


def test_all_rules_that_fit_are_needed() -> None:
    app = protect(Echo(), guard(), rules={"/admin/*": "admin", "GET /admin/{id}": all_of("read")})
    assert asked(app, "GET", "/admin/1", "admin") == 403
    assert asked(app, "HEAD", "/admin/1", "admin") == 403
    assert asked(app, "GET", "/admin/1", "admin read") == 200
    assert asked(app, "PUT", "/admin/1", "admin") == 200


def test_patterns_are_below_the_mount_and_the_observer_sees_the_whole_path() -> None:
    seen: list[Request] = []
    observing = guard(observe=lambda request, _: seen.append(request))
    app = protect(Echo(), observing, rules={"/blogs": "read"}, public=["/health"])
    assert asked(app, "GET", "/health", SCRIPT_NAME="/v1") == 200
    assert asked(app, "GET", "/blogs", "x", SCRIPT_NAME="/v1") == 403
    assert asked(app, "GET", "/v1/health", SCRIPT_NAME="") == 401
    assert asked(app, "GET", "/blogs", SCRIPT_NAME="/v1/health") == 401
    assert [request.url for request in seen] == ["/v1/blogs", "/v1/health", "/v1/health/blogs"]


def test_a_path_is_utf_8_in_latin_1() -> None:
    app = protect(Echo(), guard(), rules={"/größe": "read"}, public=["/café"])
    assert asked(app, "GET", "/café") == 200
    assert asked(app, "GET", "/größe", "x") == 403
    assert asked(app, "GET", "", PATH_INFO="/caf\xe9") == 401
    assert asked(app, "GET", "", PATH_INFO="/\u20ac") == 401


@pytest.mark.parametrize("comma", [",", ", "])
def test_two_headers_that_the_server_joined_are_400(comma: str) -> None:
    seen: list[object] = []
    app = protect(Echo(), guard(observe=lambda _, decision: seen.append(decision)))
    good = f"Bearer {token()}"
    for values in ([good, good], ["Bearer a", "Bearer b"], [good, "Basic dTpw"], ["", good], ["", "", good]):
        assert asked(app, "GET", "/", HTTP_AUTHORIZATION=comma.join(values)) == 400
    assert {isinstance(refusal, Denied) and refusal.reason for refusal in seen} == {"bad_header"}


def test_only_the_authorization_header_counts() -> None:
    good = f"Bearer {token()}"
    for name in ("HTTP_X_AUTHORIZATION", "AUTHORIZATION", "REDIRECT_HTTP_AUTHORIZATION"):
        app = protect(Echo(), guard())
        assert asked(app, "GET", "/", **{name: good}) == 401


def test_the_guard_sees_the_headers_of_the_request() -> None:
    seen: list[Request] = []
    app = protect(Echo(), guard(observe=lambda request, _: seen.append(request)))
    asked(app, "GET", "/", HTTP_USER_AGENT="x", CONTENT_TYPE="a/b", CONTENT_LENGTH="")
    headers = dict(seen[0].headers)
    assert headers == {"host": "api.example", "user-agent": "x", "content-type": "a/b"}


def test_a_refused_head_request_has_the_headers_and_no_body() -> None:
    app = protect(Echo(), guard())
    get, head = (exchange(app, environ_of(method, "/")) for method in ("GET", "HEAD"))
    assert get.headers.pop("x-request-id") != head.headers.pop("x-request-id")
    assert head == Answer(401, get.headers, b"")
    assert get.headers["content-length"] == str(len(get.body))


def test_a_client_cannot_name_itself_accepted() -> None:
    headers = [("gatewright", "x"), ("gatewright.guard", "x")]
    assert exchange(protect(Echo(), guard()), environ_of("GET", "/", headers)).status == 401


def test_guards_of_a_part_and_of_the_whole_decide_each_and_one_guard_once() -> None:
    seen: list[object] = []
    mine = guard(observe=lambda _, decision: seen.append(decision))

    def with_part(part: Any) -> Any:
        def whole(environ: Any, start_response: Any) -> Any:
            return part(environ, start_response)

        return protect(whole, mine)

    twice = with_part(protect(Echo(), mine, rules={"/": "inner"}))
    assert asked(twice, "GET", "/", "inner") == 200
    assert len(seen) == 1
    assert asked(twice, "GET", "/", "outer") == 403
    other = with_part(protect(Echo(), guard(audience="https://other")))
    assert asked(other, "GET", "/", "inner") == 401


def test_answers_are_wsgi_as_pep_3333_has_it() -> None:
    for inner in (protect(Echo(), guard()), protect(Echo(), guard(), public=["/"])):
        environ: dict[str, Any] = {"QUERY_STRING": ""}
        setup_testing_defaults(environ)
        content = validator(inner)(environ, lambda *_: lambda _: None)
        assert b"".join(content)
        content.close()  # type: ignore[attr-defined] # the validator's iterator has it


@pytest.mark.parametrize("wrong", ["health", "GET", "/a?b", "!", "/a*", "get /a"])
def test_what_is_no_pattern_is_refused_when_the_application_is_built(wrong: str) -> None:
    for faulty in ({"public": [wrong]}, {"rules": {wrong: "a"}}):
        with pytest.raises(ValueError, match="pattern"):
            protect(Echo(), guard(), **faulty)


@pytest.mark.parametrize("method", ["HEAD", "WEBSOCKET"])
def test_a_rule_that_could_hold_for_nothing_is_refused_when_the_application_is_built(method: str) -> None:
    with pytest.raises(ValueError, match="GET stands for it too"):
        protect(Echo(), guard(), rules={"GET /blogs": "a", f"{method} /blogs": "b"})


def test_misuse_is_a_type_error() -> None:
    faulty: list[dict[str, Any]] = [{"public": "/health"}, {"public": [1]}, {"rules": {"/a": None}}]
    for options in faulty:
        with pytest.raises(TypeError):
            protect(Echo(), guard(), **options)
    with pytest.raises(TypeError, match="called"):
        protect(None, guard())  # type: ignore[arg-type]
