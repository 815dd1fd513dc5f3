"""The guarded API behind WSGI and Flask, called without a server in between."""

# ruff: noqa: ANN401 - views give what Flask may answer
import json
from collections.abc import Callable, Iterator
from typing import Any

from flask import Blueprint, Flask, request
from flask.typing import RouteCallable
from flask.views import MethodView

import gatewright.flask
import gatewright.wsgi
from gatewright import Guard
from gatewright.guard.rules import Rule
from tests.adapters.doors import PUBLIC, RULES, Answer, Door, Pairs

App = Callable[..., Any]


class Body:
    """A request's body, which counts how often somebody looks at it."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.reads = 0
        self._chunks = chunks

    def read(self, _: int = -1) -> bytes:
        self.reads += 1
        return next(self._chunks, b"")

    readline = read

    def __iter__(self) -> Iterator[bytes]:
        self.reads += 1
        return self._chunks


def environ_of(method: str, path: str, headers: Pairs = (), **more: object) -> dict[str, Any]:
    """A request as a server hands it over; repeated headers are joined as gunicorn does."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode("utf-8").decode("latin-1"),
        "QUERY_STRING": "",
        "SERVER_NAME": "api.example",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "api.example",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": Body(iter(())),
        "wsgi.input_terminated": True,
        "wsgi.errors": None,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers:
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ | more


def exchange(app: App, environ: dict[str, Any], entered: list[str] | None = None) -> Answer:
    """One request and its answer."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> None:
        started.append((status, headers))

    content = app(environ, start_response)
    body = b"".join(content)
    getattr(content, "close", lambda: None)()
    ((status, headers),) = started
    names = {name.lower(): value for name, value in headers}
    assert len(names) == len(headers), "a header was sent twice"
    return Answer(int(status[:3]), names, body, list(entered or ()), environ["wsgi.input"].reads)


def over_wsgi(build: Callable[[Guard, list[str]], App]) -> Callable[[Guard], Door]:
    """A door through a WSGI application."""

    def door(guard: Guard) -> Door:
        entered: list[str] = []
        app = build(guard, entered)

        def call(method: str, path: str, headers: list[tuple[str, str]], body: Iterator[bytes]) -> Answer:
            entered.clear()
            environ = environ_of(method, path, headers, **{"wsgi.input": Body(body)})
            return exchange(app, environ, entered)

        return Door(call)

    return door


def plain_wsgi(guard: Guard, entered: list[str]) -> App:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        name = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        known = name in RULES or environ["PATH_INFO"] in PUBLIC
        if known:
            entered.append(name)
        if environ["REQUEST_METHOD"] == "POST":
            json.loads(environ["wsgi.input"].read())
        start_response("200 OK" if known else "404 Not Found", [])
        return [b'{"entered":true}']

    rules = {pattern: rule for pattern, rule in RULES.items() if rule is not None}
    return gatewright.wsgi.protect(app, guard, rules=rules, public=PUBLIC)


def application(guard: Guard) -> tuple[Flask, gatewright.flask.Require]:
    app = Flask(__name__, static_folder=None)
    # The contract has nothing answer OPTIONS that nobody declared; Flask by itself would.
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    return app, gatewright.flask.protect(app, guard, public=PUBLIC)


def view(name: str, entered: list[str]) -> RouteCallable:
    def serve() -> Any:
        entered.append(name)
        if request.method == "POST":
            request.get_json()
        return {"entered": True}

    return serve


def view_async(name: str, entered: list[str]) -> RouteCallable:
    async def serve() -> Any:
        entered.append(name)
        if request.method == "POST":
            request.get_json()
        return {"entered": True}

    return serve


def add_views(
    to: Flask | Blueprint,
    require: gatewright.flask.Require,
    entered: list[str],
    make: Callable[[str, list[str]], RouteCallable],
) -> None:
    for name, rule in [*RULES.items(), ("GET /health", None)]:
        method, path = name.split()
        served = require(rule)(make(name, entered)) if rule else make(name, entered)
        to.add_url_rule(path, name.replace(" ", "_"), served, methods=[method])


def flask_sync(guard: Guard, entered: list[str]) -> App:
    app, require = application(guard)
    add_views(app, require, entered, view)
    return app


def flask_async(guard: Guard, entered: list[str]) -> App:
    app, require = application(guard)
    add_views(app, require, entered, view_async)
    return app


def flask_blueprints(guard: Guard, entered: list[str]) -> App:
    """Views on a blueprint inside of another one."""
    app, require = application(guard)
    outer, inner = Blueprint("outer", __name__), Blueprint("inner", __name__)
    add_views(inner, require, entered, view)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    return app


def flask_blueprint_rules(guard: Guard, entered: list[str]) -> App:
    """A blueprint for each rule, which is on the blueprint."""
    app, require = application(guard)
    for name, rule in [*RULES.items(), ("GET /health", None)]:
        method, path = name.split()
        blueprint = Blueprint(name.replace(" ", "_"), __name__)
        blueprint = require(rule)(blueprint) if rule else blueprint
        blueprint.add_url_rule(path, "serve", view(name, entered), methods=[method])
        app.register_blueprint(blueprint)
    return app


def flask_classes(guard: Guard, entered: list[str]) -> App:
    app, require = application(guard)

    def method_of(name: str, rule: Rule | None) -> Callable[..., Any]:
        def serve(self: MethodView) -> Any:
            del self
            return view(name, entered)()

        return require(rule)(serve) if rule is not None else serve

    for path in {name.split()[1] for name in RULES} | {"/health"}:
        rules = {name.split()[0]: rule for name, rule in RULES.items() if name.split()[1] == path}
        members = {
            method.lower(): method_of(f"{method} {path}", rule)
            for method, rule in (rules or {"GET": None}).items()
        }
        views: Any = type("Views", (MethodView,), members)
        app.add_url_rule(path, view_func=views.as_view(path))
    return app


def flask_late(guard: Guard, entered: list[str]) -> App:
    """`@require` above the route instead of below it."""
    app, require = application(guard)
    for name, rule in [*RULES.items(), ("GET /health", None)]:
        method, path = name.split()
        served = app.route(path, methods=[method], endpoint=name)(view(name, entered))
        if rule is not None:
            require(rule)(served)
    return app


DOORS: dict[str, Callable[[Guard], Door]] = {
    "wsgi": over_wsgi(plain_wsgi),
    "flask": over_wsgi(flask_sync),
    "flask async": over_wsgi(flask_async),
    "flask blueprints": over_wsgi(flask_blueprints),
    "flask blueprint rules": over_wsgi(flask_blueprint_rules),
    "flask classes": over_wsgi(flask_classes),
    "flask late": over_wsgi(flask_late),
}
"""Every way in."""
