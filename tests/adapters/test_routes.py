"""Each adapter tells the routes of the same API alike, whatever shape the framework gives them."""

# ruff: noqa: ANN401 - applications of every framework
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

from gatewright import Guard
from gatewright.guard.routes import Route, discover, routes
from tests.adapters import doors, doors_aiohttp, doors_django, doors_flask
from tests.guard.issuing import guard

EXPECTED = sorted(
    [
        *(
            (*name.split(), "any valid token" if rule is None else repr(rule))
            for name, rule in doors.RULES.items()
        ),
        ("GET", "/health", "public"),
    ]
)
APPLICATIONS: dict[str, Callable[[Guard, list[str]], Any]] = {
    made.__name__: made
    for made in (
        doors.starlette_async,
        doors.starlette_sync,
        doors.starlette_classes,
        doors.fastapi_plain,
        doors.fastapi_included,
        doors.fastapi_sub_application,
        doors.fastapi_annotated,
        doors_flask.flask_sync,
        doors_flask.flask_async,
        doors_flask.flask_blueprints,
        doors_flask.flask_blueprint_rules,
        doors_flask.flask_classes,
        doors_flask.flask_late,
        doors_aiohttp.functions,
        doors_aiohttp.views,
        doors_aiohttp.view_classes,
        doors_aiohttp.sub_application,
    )
}
VIEWS = {
    made.__name__: made
    for made in (
        doors_django.functions,
        doors_django.async_functions,
        doors_django.classes,
        doors_django.async_classes,
        doors_django.rest_views,
        doors_django.rest_viewsets,
    )
}


def told(listed: Iterator[Route] | list[Route]) -> list[tuple[str, str, str]]:
    """What is compared: the framework's own pages are another test's."""
    return sorted(
        (route.method, route.path, route.allowed) for route in listed if route.access != "documentation"
    )


@pytest.mark.parametrize("build", APPLICATIONS.values(), ids=APPLICATIONS)
def test_the_same_api_tells_the_same_routes(build: Callable[[Guard, list[str]], Any]) -> None:
    assert told(routes(build(guard(), []))) == EXPECTED


@pytest.mark.parametrize("views", VIEWS.values(), ids=VIEWS)
def test_django_tells_them_from_its_urls(views: doors_django.Views) -> None:
    made = {path: views(path, rules, []) for path, rules in doors_django.by_path().items()}
    used = {"guard": guard(), "public": doors.PUBLIC}
    with override_settings(GATEWRIGHT=used, ROOT_URLCONF=doors_django.urls(made)):
        assert told(routes(WSGIHandler())) == EXPECTED


def test_rules_around_a_mounted_application_are_told() -> None:
    listed = told(routes(doors.starlette_mounted(guard(), [])))
    assert ("*", "/gold", repr(doors.GOLD)) in listed
    assert {entry for entry in listed if entry[1] != "/gold"} < set(EXPECTED)


@pytest.mark.parametrize("build", [doors.plain_asgi, doors_flask.plain_wsgi])
def test_a_plain_application_tells_its_patterns_and_that_the_rest_needs_a_token(
    build: Callable[[Guard, list[str]], Any],
) -> None:
    with_rules = [entry for entry in EXPECTED if entry[1] not in ("/any", "/health")]
    assert told(routes(build(guard(), []))) == sorted(
        [*with_rules, ("*", "/*", "any valid token"), ("*", "/health", "public")]
    )


def test_the_guard_is_told_with_the_routes() -> None:
    used = guard()
    assert discover(doors.fastapi_plain(used, [])).guard is used
