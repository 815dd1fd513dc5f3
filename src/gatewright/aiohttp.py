"""The guard in aiohttp.web: carries requests to it and its answers back, decides nothing.

::

    app = web.Application()
    require = protect(app, guard, public=["/health"])

    @require("read:blog")
    async def blogs(request): ...

    app.router.add_get("/blogs", blogs)

The guard stands outside of all middleware of `app` but what is put before it later, as a middleware for
CORS must be with `app.middlewares.insert(0, …)`: its preflights carry no token. Patterns in `public` are
those of `gatewright.asgi`, over the whole path, those of sub-applications included.
"""

import functools
import inspect
import warnings
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from typing import Any, Final, TypeVar, cast

from aiohttp import hdrs, web

from gatewright.guard import AccessToken, Denied, Guard, Request, Rule
from gatewright.guard.admission import aadmit
from gatewright.guard.patterns import PublicPaths
from gatewright.guard.routes import ANY, Found, attach, ensure_unprotected
from gatewright.guard.rules import combine

Handler = TypeVar("Handler", bound=Callable[..., Any])
Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]

_TOKEN: Final = "access_token"  # noqa: S105 - the name of the place
_NOTES: Final = "gatewright"
_MARK: Final = "__gatewright__"
_NOTED_BEFORE: Final = set[str]()


def protect(
    app: web.Application, guard: Guard, *, public: Iterable[str] = (), optional: Iterable[str] = ()
) -> "Require":
    """Put `app` behind `guard` and give the decorator that says what a handler requires.

    Every route, also one that does not exist, then needs a valid token, unless its path is `public`; so
    do the routes of sub-applications. On `optional` paths a request without one enters too, where no rule
    stands. The token is `request["access_token"]`, None where there is none. The decision, the
    handler's rule included, is taken before anything is read of the body.

    Raises:
        TypeError, ValueError: `app` is no application or a pattern in `public` cannot be one.
        RuntimeError: the application is protected or has started already, or is a part of another one.
    """
    if not isinstance(app, web.Application):
        raise TypeError(f"an aiohttp.web.Application can be protected, not {app!r}")
    ensure_unprotected(app)
    is_public, is_optional = PublicPaths(public), PublicPaths(optional)

    @web.middleware
    async def admit_first(request: web.Request, handler: Serve) -> web.StreamResponse:
        # With %2F and %25 as they were sent: as the router takes it, which no decoded slash can mislead.
        path = request.rel_url.path_safe
        if not is_public(request.method, path):
            try:
                rule = combine(*_rules_of(request, guard))
                await _admit(request, guard, rule, optional=is_optional(request.method, path))
            except Denied as refusal:
                return _response(refusal)
        return await handler(request)

    # The first of the list is the outermost: no other sees, or swallows, what the guard refuses.
    app.middlewares.insert(0, admit_first)
    attach(app, guard, lambda: _found(app, guard), is_public, is_optional)
    return Require(guard)


class Require:
    """`@require("create:blog")` on handlers: async functions, methods, and `web.View` classes.

    Several strings are all needed; rules may be given in their place; none means any valid token. What is
    decorated makes sure of its rule itself, also in an application that is not protected.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def __call__(self, *rules: Rule | str) -> Callable[[Handler], Handler]:
        """A decorator.

        Raises:
            TypeError, ValueError: neither a scope nor a rule; later, what is decorated is no handler.
        """
        rule = combine(*rules)

        def decorate(handler: Handler) -> Handler:
            guarded = _guarded(handler, self._guard, rule)
            setattr(guarded, _MARK, (*getattr(handler, _MARK, ()), (self._guard, rule)))
            return cast("Handler", guarded)

        return decorate


async def _admit(
    request: web.BaseRequest, guard: Guard, rule: Rule | None, *, optional: bool = False
) -> AccessToken | None:
    """The token of a request that may enter, decided about once; None where it needs none.

    Raises:
        Denied: the request may not enter.
    """

    def asked() -> Request:
        if not isinstance(request, web.Request):
            return Request(request.method, request.path_qs, request.raw_headers)
        path_params, resource = dict(request.match_info), request.match_info.route.resource
        route = None if resource is None else resource.canonical
        return Request(request.method, request.path_qs, request.raw_headers, path_params, route=route)

    notes: dict[str, Any] = request.get(_NOTES) or {}
    token = await aadmit(notes, guard, asked, rule, optional=optional)
    noted = {_NOTES: notes, _TOKEN: token}
    if _NOTED_BEFORE:
        request.update(noted)
        return token
    # aiohttp warns once in a process of keys that are plain strings; what it recommends, older ones lack.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", web.NotAppKeyWarning)
        request.update(noted)
    _NOTED_BEFORE.update(noted)
    return token


def _response(refusal: Denied) -> web.Response:
    return web.Response(status=refusal.status, headers=refusal.headers, body=refusal.content)


def _rules_of(request: web.Request, guard: Guard) -> Iterator[Rule]:
    """What `guard`'s own `require` has left on the handler of this request."""
    return _rules_on(request.match_info.handler, request.method, guard)


def _rules_on(handler: Any, asked: str, guard: Guard) -> Iterator[Rule]:  # noqa: ANN401 - a function or a class
    while isinstance(handler, functools.partial) and not hasattr(handler, _MARK):
        handler = handler.func
    places = [handler]
    if inspect.isclass(handler):
        method = asked.lower()
        shared = "get" if method == "head" else method
        places.append(getattr(handler, method, None) or getattr(handler, shared, None))
    for place in places:
        for owner, rule in getattr(place, _MARK, ()):
            if owner is guard and rule is not None:
                yield rule


def _guarded(handler: Callable[..., Any], guard: Guard, rule: Rule | None) -> Callable[..., Any]:
    if inspect.isclass(handler) and issubclass(handler, web.View):
        return _guarded_view(handler, guard, rule)
    if not inspect.iscoroutinefunction(handler):
        raise TypeError(f"require guards async functions and classes of web.View, not {handler!r}")

    @functools.wraps(handler)
    async def enter(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the handler's own
        try:
            await _admit(_request(args), guard, rule)
        except Denied as refusal:
            return _response(refusal)
        return await cast("Awaitable[web.StreamResponse]", handler(*args, **kwargs))

    return enter


def _guarded_view(view: type[web.View], guard: Guard, rule: Rule | None) -> type[web.View]:
    def start(self: web.View) -> Generator[Any, None, web.StreamResponse]:
        try:
            yield from _admit(self.request, guard, rule).__await__()
        except Denied as refusal:
            return _response(refusal)
        return (yield from view.__await__(self))

    names = {name: getattr(view, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(view.__name__, (view,), {**names, "__await__": start})


def _request(args: tuple[Any, ...]) -> web.BaseRequest:
    # A handler may be a method of anything: `self` comes first, the request after it.
    for argument in args:
        if isinstance(argument, web.BaseRequest):
            return argument
        if isinstance(argument, web.View):
            return argument.request
    raise TypeError("require guards handlers that take a request")


def _found(app: web.Application, guard: Guard) -> Iterator[Found]:
    """The routes of the application and of its sub-applications, in the order they are tried."""
    for route in app.router.routes():
        handler: Any = route.handler
        methods = [route.method]
        if route.method == ANY and inspect.isclass(handler):
            methods = [name for name in sorted(hdrs.METH_ALL) if hasattr(handler, name.lower())]
        path = "" if route.resource is None else route.resource.canonical
        if isinstance(route.resource, web.StaticResource):
            path += "/*"
        yield Found(path or "/*", methods, functools.partial(_rule_at, handler, guard), handler)


def _rule_at(handler: Any, guard: Guard, method: str) -> Rule | None:  # noqa: ANN401 - as above
    return combine(*_rules_on(handler, method, guard))
