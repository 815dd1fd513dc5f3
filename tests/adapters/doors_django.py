"""The guarded API behind Django's two handlers, in each shape that its views have."""

# ruff: noqa: ANN401 - neither Django nor REST framework has types
from __future__ import annotations

import asyncio
import io
import json
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import django
from django.conf import settings

if not settings.configured:
    settings.configure(
        MIDDLEWARE=["gatewright.django.Middleware"],
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],  # what REST framework imports
        LOGGING_CONFIG=None,
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="not secret",
        USE_TZ=True,
    )
    django.setup()

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import JsonResponse
from django.test import override_settings
from django.urls import path as django_path
from django.views import View
from django.views.decorators.http import require_http_methods
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from gatewright import Guard
from gatewright.django import protect, require
from gatewright.guard.rules import Rule
from gatewright.rest_framework import Authentication, Permission
from tests.adapters.doors import PUBLIC, RULES, Answer, Door, exchange, http_scope

Views = Callable[[str, dict[str, Rule | None], list[str]], Callable[..., Any]]


def by_path() -> dict[str, dict[str, Rule | None]]:
    """The rules of each path, by method."""
    paths: dict[str, dict[str, Rule | None]] = {"/health": {"GET": None}}
    for name, rule in RULES.items():
        method, path = name.split()
        paths.setdefault(path, {})[method] = rule
    return paths


def required(rules: dict[str, Rule | None]) -> dict[str, Rule]:
    return {method: rule for method, rule in rules.items() if rule is not None}


def serve(request: Any, path: str, entered: list[str]) -> Any:
    entered.append(f"{request.method} {path}")
    if request.method == "POST":
        json.loads(request.body)
    return JsonResponse({"entered": True}, json_dumps_params={"separators": (",", ":")})


def functions(path: str, rules: dict[str, Rule | None], entered: list[str]) -> Callable[..., Any]:
    def view(request: Any) -> Any:
        return serve(request, path, entered)

    return require_http_methods([*rules])(require(**required(rules))(view))  # type: ignore[no-any-return]


def async_functions(path: str, rules: dict[str, Rule | None], entered: list[str]) -> Callable[..., Any]:
    async def view(request: Any) -> Any:
        await asyncio.sleep(0)
        return serve(request, path, entered)

    return require(**required(rules))(require_http_methods([*rules])(view))  # type: ignore[no-any-return]


def classes(path: str, rules: dict[str, Rule | None], entered: list[str]) -> Callable[..., Any]:
    def member(rule: Rule | None) -> Callable[..., Any]:
        def method(self: Any, request: Any) -> Any:
            del self
            return serve(request, path, entered)

        return require(*[rule] if rule else [])(method) if path != "/health" else method

    members: dict[str, Any] = {method.lower(): member(rule) for method, rule in rules.items()}
    view = type("Blogs", (View,), members | {"http_method_names": ["get", "head", "post"]})
    return view.as_view()  # type: ignore[no-any-return, attr-defined]


def async_classes(path: str, rules: dict[str, Rule | None], entered: list[str]) -> Callable[..., Any]:
    """Rules on the class as a whole, where it has one method; else on its methods."""

    async def method(self: Any, request: Any) -> Any:
        del self
        await asyncio.sleep(0)
        return serve(request, path, entered)

    members: dict[str, Any] = {name.lower(): method for name in rules}
    view: Any = type("Blogs", (View,), members | {"http_method_names": ["get", "head", "post"]})
    if path != "/health":
        view = require(**required(rules))(view)
    return view.as_view()  # type: ignore[no-any-return]


def rest_views(path: str, rules: dict[str, Rule | None], entered: list[str]) -> Callable[..., Any]:
    def method(self: Any, request: Any) -> Any:
        del self
        assert request.data is not None
        entered.append(f"{request.method} {path}")
        return Response({"entered": True})

    members: dict[str, Any] = {name.lower(): method for name in rules} | {
        "http_method_names": ["get", "head", "post"],
        "authentication_classes": [Authentication],
        "permission_classes": [Permission(**required(rules))] if path != "/health" else [],
    }
    return type("Blogs", (APIView,), members).as_view()  # type: ignore[no-any-return, attr-defined]


def rest_viewsets(path: str, rules: dict[str, Rule | None], entered: list[str]) -> Callable[..., Any]:
    def action(rule: Rule | None) -> Callable[..., Any]:
        def method(self: Any, request: Any) -> Any:
            del self
            assert request.data is not None
            entered.append(f"{request.method} {path}")
            return Response({"entered": True})

        return require(rule)(method) if rule else method

    names = {"GET": "list", "POST": "create"}
    members: dict[str, Any] = {names[method]: action(rule) for method, rule in rules.items()} | {
        "http_method_names": ["get", "head", "post"],
        "authentication_classes": [Authentication],
        "permission_classes": [],
    }
    viewset: Any = type("Blogs", (ViewSet,), members)
    return viewset.as_view({method.lower(): names[method] for method in rules})  # type: ignore[no-any-return]


class Input(io.RawIOBase):
    """The body of a WSGI request, counting the looks at it."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self.reads = 0

    def read(self, size: int = -1, /) -> bytes:
        del size
        self.reads += 1
        return b"".join(self._chunks)


def environ(method: str, path: str, headers: Iterable[tuple[str, str]], body: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": "",
        "SERVER_NAME": "api.example",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": "1000000" if method == "POST" else "",
        "wsgi.url_scheme": "http",
        "wsgi.input": body,
        "wsgi.errors": io.StringIO(),
    }
    for name, value in headers:
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        # As servers do with what was sent twice (RFC 9110, section 5.3).
        given[key] = f"{given[key]},{value}" if key in given and key.startswith("HTTP_") else value
    return given


def urls(views: dict[str, Callable[..., Any]]) -> types.ModuleType:
    """A URLconf in memory."""
    module: Any = types.ModuleType("urls_in_memory")
    module.urlpatterns = [django_path(path.removeprefix("/"), view) for path, view in views.items()]
    return module  # type: ignore[no-any-return]


def over_wsgi(views: Views) -> Callable[[Guard], Door]:
    def door(guard: Guard) -> Door:
        entered: list[str] = []
        conf = urls({path: views(path, rules, entered) for path, rules in by_path().items()})
        used = {"guard": guard, "public": PUBLIC}

        def call(method: str, path: str, headers: list[tuple[str, str]], body: Iterator[bytes]) -> Answer:
            entered.clear()
            stream = Input(body)
            started: list[Any] = []
            with override_settings(GATEWRIGHT=used, ROOT_URLCONF=conf):
                sent = WSGIHandler()(
                    environ(method, path, headers, stream), lambda *start: started.append(start)
                )
                content = b"".join(sent)
                sent.close()
            [(status, fields)] = started
            lowered = {name.lower(): value for name, value in fields}
            assert len(lowered) == len(fields), "a header was sent twice"
            return Answer(int(status.split()[0]), lowered, content, list(entered), stream.reads)

        return Door(call)

    return door


def until_the_end(app: Any) -> Any:
    """`app` with a client that keeps silent after its body, where Django waits for a disconnect."""

    async def connected(scope: Any, receive: Any, send: Any) -> None:
        ended = False

        async def once() -> Any:
            nonlocal ended
            if ended:
                await asyncio.Event().wait()
            message = await receive()
            ended = not message["more_body"]
            return message

        await app(scope, once, send)

    return connected


def over_asgi(views: Views) -> Callable[[Guard], Door]:
    def door(guard: Guard) -> Door:
        entered: list[str] = []
        conf = urls({path: views(path, rules, entered) for path, rules in by_path().items()})
        used = {"guard": guard, "public": PUBLIC}

        def call(method: str, path: str, headers: list[tuple[str, str]], body: Iterator[bytes]) -> Answer:
            entered.clear()
            with override_settings(GATEWRIGHT=used, ROOT_URLCONF=conf):
                app = until_the_end(protect(ASGIHandler()))
                return asyncio.run(exchange(app, entered, http_scope(method, path, headers), body))

        return Door(call)

    return door


DOORS: dict[str, Callable[[Guard], Door]] = {
    "django wsgi": over_wsgi(functions),
    "django wsgi async": over_wsgi(async_functions),
    "django wsgi classes": over_wsgi(classes),
    "django asgi": over_asgi(async_functions),
    "django asgi sync": over_asgi(functions),
    "django asgi classes": over_asgi(async_classes),
    "django rest": over_wsgi(rest_views),
    "django rest viewsets": over_wsgi(rest_viewsets),
    "django rest asgi": over_asgi(rest_views),
}
"""Django's ways in; over ASGI with `protect`, without which Django itself would read refused bodies."""
