"""The guard in FastAPI: carries requests to it and its answers back, decides nothing.

::

    app = FastAPI()
    require = protect(app, guard, public=["/health"])

    @app.get("/blogs", dependencies=[require("read:blog")])
    def blogs(): ...

    @app.post("/blogs")
    def create(token: Annotated[AccessToken, require("create:blog")]): ...

Middleware added after `protect` stands outside of the guard, as CORSMiddleware must, whose preflights
carry no token. Patterns in `public` are those of `gatewright.asgi`; `!/docs` in it closes that page.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import fastapi.routing
from fastapi import FastAPI, Request, Response, Security, WebSocketException
from fastapi.openapi.models import HTTPBearer, OAuth2, OAuthFlowClientCredentials, OAuthFlows
from fastapi.security.base import SecurityBase
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from gatewright.asgi import aadmit
from gatewright.guard import AccessToken, Denied, Guard, Rule, openapi
from gatewright.guard.openapi import SCHEME
from gatewright.guard.routes import discover
from gatewright.guard.rules import alternatives, combine
from gatewright.starlette import RouteRules, place, response

_POLICY_VIOLATION: Final = 1008  # RFC 6455, section 7.4.1


def protect(
    app: FastAPI, guard: Guard, *, public: Iterable[str] = (), optional: Iterable[str] = ()
) -> "Require":
    """Put `app` behind `guard` and give the function that says what a route requires.

    Every route, also one that does not exist, then needs a valid token, unless its path is `public`;
    FastAPI's own documentation pages are, unless `public` has them with a `!`. On `optional` paths a
    request without a token enters too, where no rule stands. The token is also
    `request.state.access_token`; None where there is none. The decision, the route's rule included, is
    taken before anything is read of the body. The OpenAPI document says which operations need which scopes.

    Raises:
        TypeError, ValueError: a pattern in `public` cannot be one.
        RuntimeError: the application is protected or has started already.
    """
    rule_for = RouteRules(app, marks=_rules_of, routes=_Routes())
    place(app, guard, public=public, optional=optional, pages=_documentation(app), rule_for=rule_for)
    app.add_exception_handler(Refused, _render)
    _document(app)
    return Require(guard)


class Refused(HTTPException):
    """A refusal on its way through FastAPI, which renders it also where `protect` was not called."""

    def __init__(self, refusal: Denied) -> None:
        super().__init__(refusal.status, detail=cast("Any", refusal.body), headers=dict(refusal.headers))
        self.refusal = refusal


class Require:
    """`require("read:blog")`, as a dependency of a route, a router or another dependency.

    Several strings are all needed; rules may be given in their place; none means any valid token. As
    `Annotated[AccessToken, require(...)]` it gives the token.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self.model = _scheme(guard)

    def __call__(self, *rules: Rule | str) -> Any:  # noqa: ANN401 - as FastAPI's own, so that it fits defaults
        """The dependency.

        Raises:
            TypeError, ValueError: neither a scope nor a rule.
        """
        rule = combine(*rules)
        ways = alternatives(rule)
        return Security(_Requirement(self._guard, rule, self.model), scopes=ways[0] if len(ways) == 1 else ())


def _scheme(guard: Guard) -> OAuth2 | HTTPBearer:
    url = openapi.token_url(guard)
    if url is None:
        return HTTPBearer()
    flow = OAuthFlowClientCredentials(tokenUrl=url, scopes={})
    return OAuth2(flows=OAuthFlows(clientCredentials=flow))


class _Requirement(SecurityBase):
    """The dependency itself: the middleware has decided before, this makes sure that it has."""

    def __init__(self, guard: Guard, rule: Rule | None, model: OAuth2 | HTTPBearer) -> None:
        self.model = model
        self.scheme_name = SCHEME
        self.rule = rule
        self._guard = guard

    async def __call__(self, connection: HTTPConnection) -> AccessToken | None:
        try:
            return await aadmit(connection.scope, self._guard, self.rule)
        except Denied as refusal:
            if connection.scope["type"] == "websocket":
                raise WebSocketException(_POLICY_VIOLATION) from refusal
            raise Refused(refusal) from refusal


@dataclass(frozen=True, slots=True)
class _Served:
    """A route with its place in the application: included routers give it prefix and dependencies."""

    context: Any
    rules: tuple[Rule, ...]

    @property
    def original_route(self) -> BaseRoute:
        return cast("BaseRoute", getattr(self.context, "original_route", self.context))

    @property
    def app(self) -> Any:  # noqa: ANN401 - a mounted application
        return self.context.app

    @property
    def routes(self) -> Any:  # noqa: ANN401 - a mounted application's
        return self.context.routes


_Found = tuple[Callable[[Scope], tuple[Match, Scope]], _Served]


class _Routes:
    """The routes of an application in the order its router tries them, included routers unfolded."""

    def __init__(self) -> None:
        self._unfolded: dict[int, tuple[object, object, Sequence[_Found]]] = {}

    def __call__(self, app: object) -> Sequence[_Found]:
        router = getattr(app, "router", app)
        routes = getattr(router, "routes", None) or ()
        # What FastAPI counts up when an included router changes; it has had no public name so far.
        version = getattr(router, "_get_routes_version", int)()
        known = self._unfolded.get(id(router))
        if known is None or known[1] != (version, len(routes)):
            # The router is kept too, so that no other can come to have its id.
            known = (router, (version, len(routes)), [_found(context) for context in _unfold(routes)])
            self._unfolded[id(router)] = known
        return known[2]


def _unfold(routes: Sequence[BaseRoute]) -> Iterable[Any]:
    # Older FastAPI copies the routes of a router that is included: there is nothing to unfold.
    unfold = getattr(fastapi.routing, "iter_route_contexts", iter)
    return cast("Iterable[Any]", unfold(routes))


def _found(context: Any) -> _Found:  # noqa: ANN401 - a route or FastAPI's own wrapper of one
    rules = tuple(_required_by(getattr(context, "dependant", None)))
    return context.matches, _Served(context, rules)


def _required_by(dependant: Any) -> Iterator[Rule]:  # noqa: ANN401 - FastAPI's tree of dependencies
    if dependant is None:
        return
    if isinstance(dependant.call, _Requirement) and dependant.call.rule is not None:
        yield dependant.call.rule
    for inner in dependant.dependencies:
        yield from _required_by(inner)


def _rules_of(route: _Served, scope: Scope) -> tuple[Rule, ...]:
    del scope
    return route.rules


async def _render(request: Request, refused: Exception) -> Response:
    del request
    return response(cast("Refused", refused).refusal)


def _documentation(app: FastAPI) -> Iterator[str]:
    if app.openapi_url:
        redirect = app.swagger_ui_oauth2_redirect_url if app.docs_url else None
        for url in (app.openapi_url, app.docs_url, redirect, app.redoc_url):
            if url:
                yield f"GET {url}"


def _document(app: FastAPI) -> None:
    """Let the OpenAPI document say what the guard asks for, whenever it is made anew."""
    generate = app.openapi
    written: list[dict[str, Any]] = []

    def described() -> dict[str, Any]:
        schema = generate()
        if not written or written[0] is not schema:
            policy = discover(app)
            openapi.amend(schema, policy.guard, policy.routes)
            written[:] = [schema]
        return schema

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
