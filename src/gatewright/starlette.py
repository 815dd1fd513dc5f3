"""The guard in Starlette: carries requests to it and its answers back, decides nothing.

::

    app = Starlette()
    require = protect(app, guard, public=["/health"])

    @require("read:blog")
    async def blogs(request): ...

    app.add_route("/blogs", blogs)

Middleware added after `protect` stands outside of the guard, as CORSMiddleware must, whose preflights
carry no token. Patterns in `public` are those of `gatewright.asgi`.
"""

import functools
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Protocol, TypeVar, cast

from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import Host, Match, Mount, WebSocketRoute
from starlette.websockets import WebSocket

from gatewright.asgi import (
    ROUTE,
    App,
    Guarded,
    PublicPaths,
    Receive,
    Scope,
    Send,
    aadmit,
    admit,
    answer,
)
from gatewright.guard import Denied, Guard, Rule
from gatewright.guard.routes import ANY, WEBSOCKET, Found, attach, ensure_unprotected
from gatewright.guard.rules import combine

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_MARK: Final = "__gatewright__"
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")  # HTTPEndpoint's own

logger = logging.getLogger("gatewright.guard")


def protect(
    app: Starlette, guard: Guard, *, public: Iterable[str] = (), optional: Iterable[str] = ()
) -> "Require":
    """Put `app` behind `guard` and give the decorator that says what a route requires.

    Every route, also one that does not exist, then needs a valid token, unless its path is `public`; on
    `optional` paths a request without one enters too, where no rule stands. The token is
    `request.state.access_token`, also `scope["gatewright"]`; None where there is none. The decision, the
    route's rule included, is taken before anything is read of the body.

    Raises:
        TypeError, ValueError: a pattern in `public` cannot be one.
        RuntimeError: the application is protected or has started already.
    """
    place(app, guard, public=public, optional=optional, rule_for=RouteRules(app, marks=Marks(guard)))
    return Require(guard)


def place(
    app: Starlette,
    guard: Guard,
    *,
    public: Iterable[str],
    optional: Iterable[str],
    rule_for: "RouteRules",
    pages: Iterable[str] = (),
) -> None:
    """Put `guard` outside of all middleware that `app` has by now.

    `pages` are the framework's own, public too unless `public` closes them.
    """
    ensure_unprotected(app)
    is_public = PublicPaths(public, pages)
    is_optional = PublicPaths(optional)
    app.add_middleware(Guarded, guard=guard, is_public=is_public, rule_for=rule_for, is_optional=is_optional)
    attach(app, guard, rule_for.found, is_public.paths, is_optional.paths)


class Require:
    """`@require("create:blog")` on endpoints: functions, async or not, methods and classes of endpoints.

    Several strings are all needed; rules may be given in their place; none means any valid token. An
    ASGI application can be wrapped as well, as in `Mount("/admin", app=require("admin")(application))`.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def __call__(self, *rules: Rule | str) -> Callable[[Endpoint], Endpoint]:
        """A decorator.

        Raises:
            TypeError, ValueError: neither a scope nor a rule.
        """
        rule = combine(*rules)

        def decorate(endpoint: Endpoint) -> Endpoint:
            if not _is_function(endpoint):
                return cast("Endpoint", _GuardedApp(endpoint, self._guard, rule))
            guarded = _guarded(endpoint, self._guard, rule)
            setattr(guarded, _MARK, (*getattr(endpoint, _MARK, ()), (self._guard, rule)))
            return cast("Endpoint", guarded)

        return decorate


class RouteLike(Protocol):
    """What a router asks of its routes."""

    def matches(self, scope: Any, /) -> tuple[Match, Any]:  # noqa: ANN401 - a Scope, in each framework's own spelling
        """Whether the route serves the connection, and what it adds to the scope."""
        ...


RoutesOf = Callable[[object], Iterable[tuple[Callable[[Scope], tuple[Match, Scope]], Any]]]


def routes_of(app: object) -> Iterator[tuple[Callable[[Scope], tuple[Match, Scope]], Any]]:
    """The routes of an application or router, each with its way to match."""
    routes: Sequence[RouteLike] = getattr(app, "routes", None) or ()
    return ((route.matches, route) for route in routes)


class Marks:
    """The rules that `guard`'s own `require` has left on an endpoint, for a method of it."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def __call__(self, route: object, scope: Scope) -> Iterator[Rule]:
        """The rules of the endpoint that the scope names, or of the mounted application."""
        del route
        endpoint = scope.get("endpoint")
        places = [endpoint]
        while isinstance(endpoint, _GuardedApp):
            endpoint = endpoint.app
            places.append(endpoint)
        if inspect.isclass(endpoint):
            method = str(scope.get("method", "")).lower()
            shared = "get" if method == "head" else method
            places.append(getattr(endpoint, method, None) or getattr(endpoint, shared, None))
        for place in places:
            for guard, rule in getattr(place, _MARK, ()):
                if guard is self._guard and rule is not None:
                    yield rule


class RouteRules:
    """What the route that will serve a request requires: found as the router itself will find it.

    An endpoint checks its own rule again. So a route that is not seen here, for whatever reason, is
    refused all the same, only later.
    """

    def __init__(
        self,
        app: object,
        *,
        marks: Callable[[Any, Scope], Iterable[Rule]],
        routes: RoutesOf = routes_of,
    ) -> None:
        self._app = app
        self._marks = marks
        self._routes_of = routes

    def __call__(self, scope: Scope) -> Rule | None:
        """The rule for one connection; None where any valid token will do."""
        try:
            required: list[Rule] = []
            route: str | None = None
            for inner, path, rules in self._find(self._app, scope):
                required += rules
                route = (route or "") + path
                # Rules may ask for them before the router has set them.
                scope["path_params"] = inner.get("path_params", {})
            scope[ROUTE] = route
            return combine(*required)
        except Exception:
            # The router will fall over the same request, but only for somebody with a valid token.
            logger.debug("no route could be found for a request", exc_info=True)
            return None

    def found(self) -> Iterator[Found]:
        """Each route with its rules, those of mounted applications included, in the router's order."""
        return self._walk(self._app, "", lambda _: ())

    def _walk(self, app: object, prefix: str, outer: Callable[[str], Iterable[Rule]]) -> Iterator[Found]:
        for _, route in self._routes_of(app):
            mounted = getattr(route, "original_route", route)
            placed: Any = getattr(route, "context", route)
            endpoint = getattr(placed, "endpoint", None) or getattr(placed, "app", None)
            rules = functools.partial(self._rules_at, route, endpoint, outer)
            path = prefix + _path_of(route)
            if not isinstance(mounted, Mount | Host):
                yield Found(path, _methods_of(placed, mounted), _combined(rules), endpoint)
                continue
            inner = list(self._walk(route.app if hasattr(route.app, "routes") else route, path, rules))
            # What is mounted may be no router: files, or an application of another kind.
            yield from inner or [Found(path + "/*", [ANY], _combined(rules), endpoint)]

    def _rules_at(
        self, route: object, endpoint: object, outer: Callable[[str], Iterable[Rule]], method: str
    ) -> tuple[Rule, ...]:
        asked = "GET" if method == WEBSOCKET else method
        return (*outer(method), *self._marks(route, {"endpoint": endpoint, "method": asked}))

    def _find(self, app: object, scope: Scope) -> Iterator[tuple[Scope, str, Iterable[Rule]]]:
        for matches, route in self._routes_of(app):
            match, child_scope = matches(scope)
            if match is Match.FULL:
                inner = {**scope, **child_scope}
                yield inner, _path_of(route), self._marks(route, inner)
                mounted = getattr(route, "original_route", route)
                if isinstance(mounted, Mount | Host):
                    # Middleware of a mount hides its application, not its routes.
                    yield from self._find(route.app if hasattr(route.app, "routes") else route, inner)
                return


class _GuardedApp:
    """An ASGI application that requires something of its own, wherever it is mounted."""

    def __init__(self, app: App, guard: Guard, rule: Rule | None) -> None:
        self.app = app
        self._guard = guard
        self._rule = rule
        setattr(self, _MARK, ((guard, rule),))

    @property
    def routes(self) -> Any:  # noqa: ANN401 - whatever the application has
        """The routes of the application inside, for whoever looks for them."""
        return getattr(self.app, "routes", [])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] != "lifespan":
            try:
                await aadmit(scope, self._guard, self._rule)
            except Denied as refusal:
                await answer(refusal, scope, receive, send)
                return
        await self.app(scope, receive, send)


def response(refusal: Denied) -> Response:
    """The answer as a Starlette response."""
    return Response(refusal.content, refusal.status, dict(refusal.headers))


def _guarded(endpoint: Callable[..., Any], guard: Guard, rule: Rule | None) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(endpoint):

        @functools.wraps(endpoint)
        async def enter_async(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the endpoint's own
            connection = _connection(args, kwargs)
            try:
                await aadmit(connection.scope, guard, rule)
            except Denied as refusal:
                if isinstance(connection, WebSocket):
                    await answer(refusal, connection.scope, connection.receive, connection.send)
                    return None
                return response(refusal)
            return await endpoint(*args, **kwargs)

        return enter_async

    @functools.wraps(endpoint)
    def enter(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the endpoint's own
        try:
            admit(_connection(args, kwargs).scope, guard, rule)
        except Denied as refusal:
            return response(refusal)
        return endpoint(*args, **kwargs)

    return enter


def _connection(args: tuple[Any, ...], kwargs: dict[str, Any]) -> HTTPConnection:
    for argument in (*args, *kwargs.values()):
        if isinstance(argument, HTTPConnection):
            return argument
    raise TypeError("require guards endpoints that take a request or a websocket")


def _is_function(endpoint: object) -> bool:
    if not inspect.isroutine(endpoint) and not isinstance(endpoint, functools.partial):
        return False
    # An ASGI application may be a plain function too.
    return list(inspect.signature(cast("Any", endpoint)).parameters) != ["scope", "receive", "send"]


def _path_of(route: object) -> str:
    """What a route adds to the path: `/blogs/{id}`, or the prefix of a mounted application."""
    mounted = getattr(route, "original_route", route)
    if isinstance(mounted, Host):
        return ""
    path: str = getattr(getattr(route, "context", route), "path_format", None) or "/*"
    return path.removesuffix("/{path}") if isinstance(mounted, Mount) else path


def _combined(rules: Callable[[str], Iterable[Rule]]) -> Callable[[str], Rule | None]:
    return lambda method: combine(*rules(method))


def _methods_of(route: Any, original: object) -> Iterable[str]:  # noqa: ANN401 - a route or FastAPI's own wrapper of one
    if isinstance(original, WebSocketRoute):
        return [WEBSOCKET]
    methods: Iterable[str] | None = getattr(route, "methods", None)
    endpoint = getattr(route, "endpoint", None)
    while isinstance(endpoint, _GuardedApp):
        endpoint = endpoint.app
    if not methods and inspect.isclass(endpoint):
        if issubclass(endpoint, WebSocketEndpoint):
            return [WEBSOCKET]
        methods = [method for method in _METHODS if hasattr(endpoint, method.lower())]
    return methods or [ANY]
