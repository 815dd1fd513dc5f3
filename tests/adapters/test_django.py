"""Django: the view's own rule is found as Django finds it, and holds where it is not found."""

# ruff: noqa: ANN401 - neither Django nor REST framework has types
from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gatewright import AccessToken, Denied, Guard, any_of
from tests.adapters import doors_django
from tests.guard.issuing import ISSUER, bearer, guard, token

# isort: split
# Django's settings stand once doors_django is imported.
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import JsonResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.urls import include, path
from django.views import View
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from gatewright.django import Middleware, configured, protect, require
from gatewright.rest_framework import Authentication, Permission
from tests.adapters.doors import exchange, http_scope

GUARD = guard()
Decisions = list[AccessToken | Denied]


def auth(scope: str = "") -> dict[str, str]:
    return dict(bearer(token(scope=scope)))


def hello(request: Any, **_: object) -> Any:
    return JsonResponse({"client": request.access_token and request.access_token.client_id})


async def async_hello(request: Any) -> Any:
    return hello(request)


@pytest.fixture
def decisions() -> Decisions:
    return []


@pytest.fixture
def serve(decisions: Decisions) -> Iterator[Callable[..., Client]]:
    """A client of these views, by path or as URL patterns; `settings` are Django's."""
    used: list[Any] = []

    def start(*patterns: Any, public: object = (), **more: Any) -> Client:
        module = doors_django.urls({})
        module.urlpatterns = list(patterns)  # type: ignore[attr-defined]
        observed = guard(observe=lambda _, decision: decisions.append(decision))
        more.setdefault("GATEWRIGHT", {"guard": observed, "public": public})
        used.append(override_settings(ROOT_URLCONF=module, **more))
        used[-1].enable()
        return Client(raise_request_exception=False)

    yield start
    for exchanged in reversed(used):
        exchanged.disable()


def statuses(client: Client, url: str, *scopes: str, method: str = "get") -> list[int]:
    return [getattr(client, method)(url, headers=auth(scope)).status_code for scope in scopes]


def test_the_token_is_on_the_request_and_none_on_public_paths(serve: Any) -> None:
    client = serve(path("blogs", hello), path("health", hello), public=["/health"])
    assert client.get("/blogs", headers=auth()).json() == {"client": "app"}
    assert client.get("/health", headers=auth()).json() == {"client": None}


def test_a_decorated_view_keeps_its_name_and_decorators_add_up(serve: Any) -> None:
    view = require("a")(require(any_of("b", "c"))(hello))
    assert view.__name__ == "hello"
    assert statuses(serve(path("", view)), "/", "a", "b", "c", "a b") == [403, 403, 403, 200]


def test_a_rule_for_one_method_is_named_after_it(serve: Any, decisions: Decisions) -> None:
    client = serve(path("", require("blog", POST="create", GET="read")(hello)))
    assert statuses(client, "/", "blog", "read", "blog read") == [403, 403, 200]
    assert statuses(client, "/", "blog", "blog read", method="head") == [403, 200]
    assert statuses(client, "/", "blog read", "blog create", method="post") == [403, 200]
    assert statuses(client, "/", "blog", method="put") == [200]
    assert len(decisions) == 8, "one decision for one request"


def test_a_class_can_be_decorated_whole_and_by_method(serve: Any, decisions: Decisions) -> None:
    class Base(View):  # type: ignore[misc]  # Django has no types
        def get(self, request: Any) -> Any:
            return hello(request)

        @require("create")
        def post(self, request: Any) -> Any:
            return hello(request)

    require("blogs")(Base)

    class Inherits(Base):
        pass

    client = serve(path("base", Base.as_view()), path("inherits", Inherits.as_view()))
    for url in ("/base", "/inherits"):
        assert statuses(client, url, "", "blogs") == [403, 200]
        assert statuses(client, url, "", "blogs", method="head") == [403, 200]
        assert statuses(client, url, "blogs", "create", "blogs create", method="post") == [403, 403, 200]
    assert len(decisions) == 14


def test_included_urls_and_parameters_are_looked_into(serve: Any, decisions: Decisions) -> None:
    inner = [path("<int:number>", require("read")(hello))]
    client = serve(path("deep/", include((inner, "inner"))))
    assert statuses(client, "/deep/7", "", "read") == [403, 200]
    assert statuses(client, "/deep/x", "read") == [404]
    assert len(decisions) == 3


def test_a_view_that_the_middleware_did_not_see_is_refused_by_itself(serve: Any) -> None:
    class Sync(View):  # type: ignore[misc]  # Django has no types
        def get(self, request: Any) -> Any:
            return hello(request)

    class Async(View):  # type: ignore[misc]  # Django has no types
        async def get(self, request: Any) -> Any:
            return hello(request)

    client = serve(
        path("sync", require("x")(hello)),
        path("async", require("x")(async_hello)),
        path("class", require("x")(Sync).as_view()),
        path("aclass", require("x")(Async).as_view()),
        MIDDLEWARE=[],
    )
    for url in ("/sync", "/async", "/class", "/aclass"):
        assert client.get(url).headers["www-authenticate"] == 'Bearer realm="https://blog-api"'
        assert statuses(client, url, "", "x") == [403, 200]


def test_a_view_behind_another_is_refused_by_itself(serve: Any, decisions: Decisions) -> None:
    client = serve(path("", lambda request: require("x")(hello)(request)))  # noqa: PLW0108 - hides the rule
    assert statuses(client, "/", "", "x") == [403, 200]
    assert len(decisions) == 3


def test_a_public_path_does_not_take_the_rule_of_its_view_away(serve: Any) -> None:
    client = serve(path("open", require("x")(hello)), public=["/open"])
    assert client.get("/open").status_code == 401
    assert statuses(client, "/open", "", "x") == [403, 200]


@pytest.mark.parametrize(
    "url", ["/health/", "//health", "/Health", "/x/../health", "/health/x", "/health%2f", "/health%00"]
)
def test_tricks_with_a_public_path_open_nothing(serve: Any, url: str) -> None:
    client = serve(path("health", hello), public=["/health", "/static/*", "!/static/private"])
    assert client.get("/health").status_code == 200
    assert client.get("/static/a.css").status_code == 404
    assert client.get("/static/private").status_code == 401
    assert client.get(url).status_code == 401


def test_a_script_prefix_is_left_out_of_patterns(serve: Any) -> None:
    serve(path("health", hello), path("blogs", require("read")(hello)), public=["/health"])

    def asked(url: str, headers: list[tuple[str, str]]) -> int:
        app = doors_django.until_the_end(protect(ASGIHandler()))
        scope = http_scope("GET", url, headers, root_path="/api")
        return asyncio.run(exchange(app, [], scope, iter([]))).status

    assert asked("/api/health", []) == 200
    assert asked("/api/blogs", []) == 401
    assert asked("/api/blogs", bearer(token())) == 403
    assert asked("/api/blogs", bearer(token(scope="read"))) == 200


def test_over_asgi_the_middleware_alone_gives_the_same_answers(serve: Any) -> None:
    serve(path("", require("x")(async_hello)), path("sync", require("x")(hello)))
    client = AsyncClient()

    async def walk() -> None:
        for url in ("/", "/sync"):
            assert (await client.get(url)).status_code == 401
            assert (await client.get(url, headers=auth())).status_code == 403
            assert (await client.get(url, headers=auth("x"))).json() == {"client": "app"}

    asyncio.run(walk())


def test_protect_and_the_middleware_decide_once_and_hand_the_token_on(
    serve: Any, decisions: Decisions
) -> None:
    serve(path("", require("x")(async_hello)))
    app = doors_django.until_the_end(protect(ASGIHandler()))
    answer = asyncio.run(exchange(app, [], http_scope("GET", "/", bearer(token(scope="x"))), iter([])))
    assert (answer.status, answer.body) == (200, b'{"client": "app"}')
    assert len(decisions) == 1


def test_a_websocket_before_other_applications_is_guarded_too(serve: Any) -> None:
    serve()
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError(scope, receive, send)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def connect() -> None:
        await protect(app)({"type": "websocket", "path": "/ws", "headers": []}, receive, send)

    asyncio.run(connect())
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]


def test_a_form_check_does_not_stand_in_the_way_of_a_token(serve: Any) -> None:
    serve(
        path("", require("x")(hello)),
        path("open", hello),
        public=["/open"],
        MIDDLEWARE=["gatewright.django.Middleware", "django.middleware.csrf.CsrfViewMiddleware"],
    )
    client = Client(enforce_csrf_checks=True)
    assert client.post("/", headers=auth("x")).status_code == 200
    assert client.post("/open", headers=auth("x")).status_code == 403, "no token was looked at"


def test_error_handlers_do_not_swallow_refusals(serve: Any) -> None:
    def swallow(request: Any, *_: object, **__: object) -> Any:
        return JsonResponse({"path": request.path})

    client = serve(path("", require("x")(hello)))
    for status in (400, 403, 404, 500):
        setattr(settings.ROOT_URLCONF, f"handler{status}", swallow)
    assert client.get("/").status_code == 401
    assert client.get("/nowhere").status_code == 401
    assert statuses(client, "/", "") == [403]
    assert statuses(client, "/nowhere", "") == [200]


def test_a_urlconf_that_cannot_be_read_tells_a_stranger_nothing(serve: Any) -> None:
    serve()
    with override_settings(ROOT_URLCONF="no.such.module"):
        client = Client(raise_request_exception=False)
        assert client.get("/").status_code == 401
        with pytest.raises(ModuleNotFoundError):
            client.get("/", headers=auth())


def test_rest_framework_gets_token_and_client(serve: Any) -> None:
    class Blogs(APIView):  # type: ignore[misc]  # Django has no types
        authentication_classes = (Authentication,)
        permission_classes = (IsAuthenticated, Permission("read"))

        def get(self, request: Any) -> Any:
            assert request.auth is request.access_token
            return Response({"pk": request.user.pk, "active": request.user.is_active})

    client = serve(path("", Blogs.as_view()))
    assert statuses(client, "/", "") == [403]
    assert client.get("/", headers=auth("read")).json() == {"pk": "app@clients", "active": True}


def test_rest_framework_alone_gives_the_same_answers(serve: Any) -> None:
    class Blogs(APIView):  # type: ignore[misc]  # Django has no types
        authentication_classes = (Authentication,)
        permission_classes = (Permission("read"),)

        def get(self, request: Any) -> Any:
            del request
            return Response({})

    client = serve(path("", Blogs.as_view()), MIDDLEWARE=[])
    for headers, status in (({}, 401), (auth(), 403), ({"Authorization": "Bearer a b"}, 400)):
        answer = client.get("/", headers=headers)
        assert answer.status_code == status
        assert set(answer.json()) == {"error", "error_description"}
        assert answer.headers["www-authenticate"].startswith('Bearer realm="https://blog-api"')
    assert statuses(client, "/", "read") == [200]


def test_permissions_that_a_class_chooses_late_answer_byte_for_byte(serve: Any) -> None:
    class Chooses(APIView):  # type: ignore[misc]  # Django has no types
        authentication_classes = (Authentication,)
        permission_classes = (Permission("never asked"),)

        def get_permissions(self) -> Any:
            return [Permission("read")]

        def get(self, request: Any) -> Any:
            del request
            return Response({})

    def function(request: Any) -> Any:
        del request
        return Response({})

    early = api_view(["GET"])(permission_classes([Permission("read")])(function))
    client = serve(path("late", Chooses.as_view()), path("early", early))
    late, known = client.get("/late", headers=auth()), client.get("/early", headers=auth())
    assert late.status_code == 403
    assert late.headers.pop("X-Request-Id") != known.headers.pop("X-Request-Id")
    assert (late.content, dict(late.headers)) == (known.content, dict(known.headers))
    assert statuses(client, "/late", "read") == statuses(client, "/early", "read") == [200]


def test_keys_that_are_away_are_503_in_rest_framework_too(serve: Any) -> None:
    def down(url: str) -> tuple[int, dict[str, str], bytes]:
        raise ConnectionRefusedError(url)

    view = type("V", (APIView,), {"authentication_classes": (Authentication,)})
    client = serve(
        path("", view.as_view()),  # type: ignore[attr-defined]
        MIDDLEWARE=[],
        GATEWRIGHT={"guard": Guard(ISSUER, audience="a", fetch=down)},
    )
    answer = client.get("/", headers=auth())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "www-authenticate" not in answer.headers


def test_a_public_view_of_rest_framework_has_its_own_users(serve: Any) -> None:
    class Open(APIView):  # type: ignore[misc]  # Django has no types
        authentication_classes = (Authentication,)
        permission_classes = (IsAuthenticated,)

    answer = serve(path("", Open.as_view()), public=["/"]).get("/")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="https://blog-api"'


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (["issuer"], TypeError),
        ({"guard": 1}, TypeError),
        ({"guard": GUARD, "issuer": ISSUER}, ValueError),
        ({"guard": "no.such.guard"}, ImportError),
        ({"guard": "tests.adapters.test_django.hello"}, (TypeError, ImportError)),
        ({"isuer": ISSUER, "audience": "a"}, ValueError),
        ({"issuer": ISSUER}, TypeError),
        ({"issuer": "ftp://x", "audience": "a"}, ValueError),
        ({"guard": GUARD, "public": "/health"}, TypeError),
        ({"guard": GUARD, "public": ["health"]}, ValueError),
        ({"public": ["/health"]}, ValueError),
    ],
)
def test_a_setting_that_cannot_be_right_stops_the_start(given: Any, error: Any) -> None:
    with override_settings(GATEWRIGHT=given):
        for start in (lambda: Middleware(hello), WSGIHandler, ASGIHandler, lambda: protect(ASGIHandler())):
            with pytest.raises(error):
                start()


def test_the_guard_is_made_of_the_setting_or_the_environment_once(monkeypatch: Any) -> None:
    given = {"issuer": ISSUER, "audience": ["a", "b"], "algorithms": ["ES256"]}
    with override_settings(GATEWRIGHT=given):
        made = configured().guard
        assert (made.issuer, made.audience, made.algorithms) == (ISSUER, ("a", "b"), ("ES256",))
        assert configured().guard is made
    monkeypatch.setenv("GATEWRIGHT_ISSUER", ISSUER)
    monkeypatch.setenv("GATEWRIGHT_AUDIENCE", "c")
    with override_settings(GATEWRIGHT={"public": []}):
        assert configured().guard.audience == ("c",)
    with override_settings(GATEWRIGHT={"guard": "tests.adapters.doors_django.HELD"}):
        monkeypatch.setattr(doors_django, "HELD", GUARD, raising=False)
        assert configured().guard is GUARD


def test_a_token_that_only_another_guard_accepted_does_not_count() -> None:
    request = RequestFactory().get("/", headers=auth())
    with override_settings(GATEWRIGHT={"guard": GUARD}):
        assert require()(hello)(request).status_code == 200
    with override_settings(GATEWRIGHT={"guard": guard(audience="https://other")}):
        assert require()(hello)(request).status_code == 401


@pytest.mark.parametrize("wrong", [None, 1, ["read"], b"read"])
def test_requiring_what_is_no_rule_is_a_type_error(wrong: Any) -> None:
    for build in (require, Permission):
        with pytest.raises(TypeError):
            build(wrong)


def test_what_is_no_method_and_no_view_cannot_be_guarded() -> None:
    for method in ("get", "HEAD", "GET_"):
        with pytest.raises(ValueError, match="method"):
            require(**{method: "read"})
    with pytest.raises(TypeError, match="views"):
        require("x")(int)
    with pytest.raises(TypeError, match="request"):
        require("x")(hello)(None)


def test_rest_framework_is_not_imported_for_those_without_it() -> None:
    program = "import sys, gatewright.django; sys.exit('rest_framework' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
