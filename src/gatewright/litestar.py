"""The guard in Litestar: carries requests to it and its answers back, decides nothing.

::

    require = Require(guard)

    @get("/blogs", guards=[require("read:blog")])
    async def blogs() -> list[str]: ...

    app = Litestar([blogs])
    protect(app, guard, public=["/health"])

A Litestar application is built with its routes, so `Require` comes before it and `protect` after. The guard
stands outside of all middleware but Litestar's own CORS, whose preflights carry no token: `cors_config`
answers them, and adds its headers to refusals. Patterns in `public` are those of `gatewright.asgi`;
`!/schema` in it closes that documentation page.
"""

import dataclasses
import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, cast

from litestar import Litestar, Request, Response
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.exceptions import WebSocketException
from litestar.handlers import WebsocketRouteHandler
from litestar.handlers.base import BaseRouteHandler
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Receive, Scope, Send
from litestar.utils import normalize_path
from litestar.utils.scope.state import ScopeState

from gatewright import asgi
from gatewright.guard import Denied, Guard, Rule, openapi
from gatewright.guard import Request as Asked
from gatewright.guard.admission import aadmit
from gatewright.guard.patterns import PublicPaths
from gatewright.guard.routes import ANY, WEBSOCKET, Found, attach, discover, ensure_unprotected
from gatewright.guard.rules import combine

Judge = Callable[[str, str], bool]

_POLICY_VIOLATION: Final = 1008  # RFC 6455, section 7.4.1

logger = logging.getLogger("gatewright.guard")


def protect(
    app: Litestar, guard: Guard, *, public: Iterable[str] = (), optional: Iterable[str] = ()
) -> "Require":
    """Put `app` behind `guard` and give what says what a route requires, as `Require(guard)` does.

    Every route, also one that does not exist, then needs a valid token, unless its path is `public`;
    Litestar's own documentation pages are, unless `public` has them with a `!`. On `optional` paths a
    request without a token enters too, where no rule stands. The token is `request.auth`, also
    `scope["gatewright"]`; None where there is none. The decision, the rules of all layers included, is taken
    before anything is read of the body. The OpenAPI document says which operations need which scopes.

    Raises:
        TypeError, ValueError: `app` is no Litestar application or a pattern in `public` cannot be one.
        RuntimeError: it is protected already.
    """
    if not isinstance(app, Litestar):
        raise TypeError(f"a Litestar application can be protected, not {app!r}")
    ensure_unprotected(app)
    is_public, is_optional = PublicPaths(public, _documentation(app)), PublicPaths(optional)
    placed = _place(app, guard, is_public=is_public, is_optional=is_optional)
    # The application itself has slots only; it is looked into from its `asgi_handler` on.
    attach(placed, guard, lambda: _found(app, guard), is_public, is_optional)
    if app.openapi_config is not None:
        _document(app)
        # Litestar makes the document anew where routes have come after `protect`.
        app.on_startup.append(functools.partial(_document, app))
    return Require(guard)


class Require:
    """`require("read:blog")` in the `guards` of a handler, a controller, a router or the application.

    Several strings are all needed; rules may be given in their place; none means any valid token. The
    rules of all layers add up. It makes sure of its rule itself, also in an application that is not
    protected.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def __call__(self, *rules: Rule | str) -> "Requirement":
        """One of Litestar's guards.

        Raises:
            TypeError, ValueError: neither a scope nor a rule.
        """
        return Requirement(self._guard, combine(*rules))


class Requirement:
    """The guard of a layer: the decision has been taken before, this makes sure that it has."""

    def __init__(self, guard: Guard, rule: Rule | None) -> None:
        self.guard = guard
        self.rule = rule

    def __deepcopy__(self, _: object) -> "Requirement":
        # Litestar copies routers and the handlers of controllers whole; there is one guard all the same.
        return self

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        """As Litestar calls its guards.

        Raises:
            WebSocketException: a handshake may not enter.
            Refused: any other request.
        """
        scope = connection.scope
        try:
            await _admit(scope, self.guard, self.rule, scope["path_params"])
        except Denied as refusal:
            if scope["type"] == ScopeType.WEBSOCKET:
                raise WebSocketException(code=_POLICY_VIOLATION, detail="") from refusal
            # Where `protect` was not called there is nobody else to render it.
            state = ScopeState.from_scope(scope)
            state.exception_handlers = {**cast("Any", state.exception_handlers), Refused: _render}
            raise Refused(refusal) from refusal


class Refused(Exception):
    """A refusal on its way through Litestar; no HTTPException, so that no handler of those alters it."""

    def __init__(self, refusal: Denied) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class _Guarded:
    """What an application does with its connections, behind a guard."""

    def __init__(
        self, inner: ASGIApp, *, app: Litestar, guard: Guard, is_public: Judge, is_optional: Judge
    ) -> None:
        self.app = inner
        self._litestar = app
        self._guard = guard
        self._is_public = is_public
        self._is_optional = is_optional

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _path(scope)
        method = cast("str | None", scope.get("method"))
        if not self._is_public(method or "GET", path):
            rule, parameters, cast("Any", scope)[asgi.ROUTE] = self._find(path, method)
            optional = self._is_optional(method or "GET", path)
            try:
                await _admit(scope, self._guard, rule, parameters, optional=optional)
            except Denied as refusal:
                await asgi.answer(refusal, cast("Any", scope), cast("Any", receive), cast("Any", send))
                return
        await self.app(scope, receive, send)

    def _find(self, path: str, method: str | None) -> tuple[Rule | None, Mapping[str, object], str | None]:
        """The rules of the route, its parameters and its path, found as the router itself will find them."""
        try:
            _, handler, _, parameters, route = self._litestar.asgi_router.handle_routing(
                path=normalize_path(path), method=cast("Any", method)
            )
            return combine(*_rules_of(handler, self._guard)), parameters, route
        except Exception:
            # The router will fall over the same request, but only for somebody with a valid token.
            logger.debug("no route could be found for a request", exc_info=True)
            return None, {}, None


def _place(app: Litestar, guard: Guard, *, is_public: Judge, is_optional: Judge) -> _Guarded:
    """Just outside of what renders exceptions around the router: inside of CORS and of tracing."""
    holder: Any = app
    name = "asgi_handler"
    while getattr(getattr(holder, name), "app", None) not in (app.asgi_router, None):
        holder, name = getattr(holder, name), "app"
    inner: ASGIApp = getattr(holder, name)
    placed = _Guarded(inner, app=app, guard=guard, is_public=is_public, is_optional=is_optional)
    setattr(holder, name, placed)
    return placed


async def _admit(
    scope: Scope,
    guard: Guard,
    rule: Rule | None,
    parameters: Mapping[str, object],
    *,
    optional: bool = False,
) -> None:
    notes = cast("dict[str, Any]", scope)

    def asked() -> Asked:
        return dataclasses.replace(asgi.request_of(notes), path_params=parameters)

    notes["auth"] = await aadmit(notes, guard, asked, rule, optional=optional)


def _rules_of(handler: BaseRouteHandler, guard: Guard) -> Iterator[Rule]:
    for layer in handler.ownership_layers:
        for required in layer.guards or ():
            if isinstance(required, Requirement) and required.guard is guard and required.rule is not None:
                yield required.rule


def _found(app: Litestar, guard: Guard) -> Iterator[Found]:
    """The routes as Litestar has them, but for the OPTIONS that it answers itself."""
    for route in app.routes:
        path = route.path_format or "/"
        for handler in _handlers_of(route):
            rule_for = functools.partial(_rule_at, handler, guard)
            yield Found(path, _methods_of(handler), rule_for, str(handler))
            if getattr(handler, "is_mount", False):
                yield Found(f"{path.rstrip('/')}/*", [ANY], rule_for, str(handler))


def _handlers_of(route: Any) -> Iterable[BaseRouteHandler]:  # noqa: ANN401 - a route of any kind
    if not isinstance(route, HTTPRoute):
        return [route.route_handler]
    return [handler for handler in route.route_handlers if handler.fn.__module__ != HTTPRoute.__module__]


def _methods_of(handler: Any) -> Iterable[str]:  # noqa: ANN401 - a handler of any kind
    if isinstance(handler, WebsocketRouteHandler):
        return [WEBSOCKET]
    return getattr(handler, "http_methods", None) or [ANY]


def _rule_at(handler: BaseRouteHandler, guard: Guard, _: str) -> Rule | None:
    return combine(*_rules_of(handler, guard))


def _path(scope: Scope) -> str:
    """The path below the application's root, exactly as Litestar's router takes it."""
    path, root = scope["path"], scope.get("root_path", "")
    return path.split(root, maxsplit=1)[-1] if root else path


def _documentation(app: Litestar) -> Iterator[str]:
    config = app.openapi_config
    if config is not None:
        router = config.openapi_router
        root = (router.path if router is not None else config.path) or "/schema"
        stem = normalize_path(f"{app.path}/{root}").rstrip("/")
        yield f"GET {stem or '/'}"
        yield f"GET {stem}/openapi.json"
        for plugin in config.render_plugins:
            for path in plugin.paths:
                yield f"GET {normalize_path(f'{stem}/{path}')}"
            if isinstance(plugin, SwaggerRenderPlugin):
                yield f"GET {stem}/oauth2-redirect.html"


def _document(app: Litestar) -> None:
    """Let Litestar's OpenAPI document say what the guard asks for."""
    try:
        document = app.openapi_schema
    except Exception:
        # Whoever asks for the document will be told.
        logger.debug("the OpenAPI document could not be made", exc_info=True)
        return
    if "to_schema" in vars(document):
        return
    generate = document.to_schema

    def described() -> dict[str, Any]:
        schema = generate()
        policy = discover(app)
        openapi.amend(schema, policy.guard, policy.routes)
        return schema

    document.to_schema = described  # type: ignore[method-assign]  # the document has no other place for it


def _render(_: Request[Any, Any, Any], refused: Exception) -> Response[bytes]:
    refusal = cast("Refused", refused).refusal
    headers = {name: value for name, value in refusal.headers if name.lower() != "content-type"}
    return Response(
        refusal.content, status_code=refusal.status, headers=headers, media_type="application/json"
    )
