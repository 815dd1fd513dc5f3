"""The guard in Django: carries requests to it and its answers back, decides nothing.

::

    MIDDLEWARE = ["gatewright.django.Middleware", ...]
    GATEWRIGHT = {"issuer": "https://issuer.example/", "audience": "https://blog-api", "public": ["/health"]}

    @require("read:blog")
    def blogs(request): ...

Every path, also one that does not exist, then needs a valid token, unless it is `public`: patterns as in
`gatewright.asgi`, below the script prefix. The token is `request.access_token`, None on public paths.
Middleware listed before stands outside of the guard, as that for CORS must.

REST framework's own classes are in `gatewright.rest_framework`.

Django reads a request's whole body before any middleware when it is served over ASGI. So that the guard
decides first there too, put it around the application: `application = protect(get_asgi_application())`.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.handlers.asgi import get_script_prefix
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

from gatewright.asgi import ROUTE, App, Guarded, Scope
from gatewright.django_views import MARK, Requirement, found, requirement_of, route_of, rule_at, rule_in
from gatewright.guard import AccessToken, Denied, Guard, Request, Rule, admission
from gatewright.guard.patterns import PublicPaths, Ruled
from gatewright.guard.routes import Policy, attach, ensure_unprotected, listed

View = TypeVar("View", bound=Callable[..., Any])

_NOTES: Final = "_gatewright"
_OPTIONS: Final = frozenset(
    {
        "issuer",
        "audience",
        "algorithms",
        "leeway",
        "enforce",
        "token_from",
        "revoked",
        "allow_insecure_issuer",
    }
)
_ENVIRONMENT: Final[Mapping[str, object]] = {}


class Middleware:
    """The guard in front of all views; sync or async, as the handler is.

    Raises:
        TypeError, ValueError, ImportError: the setting GATEWRIGHT cannot be right.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        configured()

    def __call__(self, request: Any) -> Any:  # noqa: ANN401 - Django has no types
        """One request; an awaitable of its response where the handler is async."""
        if self._is_async:
            return self._call_async(request)
        try:
            if not _enters_freely(request):
                ruled = rule_at(*_where(request))
                admit(request, ruled.rule, ruled=ruled, optional=_is_optional(request))
        except Denied as refusal:
            return response(refusal)
        return _exact(self._get_response(request))

    async def _call_async(self, request: Any) -> Any:  # noqa: ANN401 - as above
        try:
            if not _enters_freely(request):
                ruled = rule_at(*_where(request))
                await aadmit(request, ruled.rule, ruled=ruled, optional=_is_optional(request))
        except Denied as refusal:
            return response(refusal)
        return _exact(await self._get_response(request))


def protect(application: App) -> App:
    """An ASGI application, Django's or one with Django's in it, behind the guard: no refused body is read.

    The middleware stays in MIDDLEWARE: it hands the token on to the views.

    Raises:
        TypeError, ValueError, ImportError: the setting GATEWRIGHT cannot be right.
        RuntimeError: the application is protected already.
    """
    ensure_unprotected(application)
    known = configured()

    def rule_for(scope: Scope) -> Rule | None:
        if scope["type"] != "http":
            return None
        rule, scope["path_params"], scope[ROUTE] = rule_at(*_asked(scope))
        return rule

    guarded = Guarded(
        application,
        guard=known.guard,
        is_public=lambda scope: known.is_public(*_asked(scope)),
        rule_for=rule_for,
        is_optional=lambda scope: known.is_optional(*_asked(scope)),
    )
    attach(guarded, known.guard, found, known.is_public, known.is_optional)
    return guarded


def require(*rules: Rule | str, **by_method: Rule | str) -> Callable[[View], View]:
    """`@require("read:blog")` on views: functions, async or not, classes of views and their methods.

    Several strings are all needed; rules may be given in their place; none means any valid token. A rule
    for one method only is named after it, `@require("blog", POST="create:blog")`; GET stands for HEAD too.

    Raises:
        TypeError, ValueError: neither a scope nor a rule; no method of HTTP; no view.
    """
    requirement = requirement_of(rules, by_method)

    def decorate(view: View) -> View:
        if not inspect.isclass(view):
            is_async = iscoroutinefunction(view)
            guarded = _guarded(view, requirement, lambda _: is_async)
            return cast("View", markcoroutinefunction(guarded) if is_async else guarded)
        dispatch = getattr(view, "dispatch", None)
        if not callable(dispatch):
            raise TypeError(f"require guards views, which {view!r} is not")
        # In place, as Django's own method_decorator does: super() in the class goes on to mean what it did.
        # Whether it is async, only the class in the end knows: it may be one that inherits.
        cast("Any", view).dispatch = _guarded(
            dispatch, requirement, lambda instance: getattr(type(instance), "view_is_async", False)
        )
        return cast("View", view)

    return decorate


def admit(
    request: Any,  # noqa: ANN401 - Django has no types
    rule: Rule | None,
    *,
    ruled: Ruled | None = None,
    optional: bool = False,
) -> AccessToken | None:
    """The token of a request that may enter, decided about once; None where it needs none.

    Raises:
        Denied: the request may not enter.
    """
    guard = configured().guard
    token = admission.admit(_notes(request), guard, lambda: _seen(request, ruled), rule, optional=optional)
    return _kept(request, token)


async def aadmit(
    request: Any,  # noqa: ANN401 - Django has no types
    rule: Rule | None,
    *,
    ruled: Ruled | None = None,
    optional: bool = False,
) -> AccessToken | None:
    """As `admit`, without blocking the event loop; it raises the same."""
    guard = configured().guard
    token = await admission.aadmit(
        _notes(request), guard, lambda: _seen(request, ruled), rule, optional=optional
    )
    return _kept(request, token)


def response(refusal: Denied) -> Any:  # noqa: ANN401 - as above
    """The answer as a response of Django."""
    headers = {**dict(refusal.headers), "Content-Length": str(len(refusal.content))}
    return HttpResponse(refusal.content, status=refusal.status, headers=headers)


@dataclass(frozen=True, slots=True)
class Configured:
    """What the setting GATEWRIGHT says."""

    guard: Guard
    is_public: PublicPaths
    is_optional: PublicPaths


def _read(given: Any) -> Configured:  # noqa: ANN401 - a setting may be anything
    if not isinstance(given, Mapping):
        raise TypeError(f"GATEWRIGHT is a dict with 'issuer' and 'audience' or 'guard', not {given!r}")
    options = {name: value for name, value in given.items() if name not in ("guard", "public", "optional")}
    unknown = sorted(repr(name) for name in options if "guard" in given or name not in _OPTIONS)
    if unknown:
        raise ValueError(f"GATEWRIGHT has no place for {', '.join(unknown)} here")
    guard = given.get("guard")
    if "guard" not in given:
        guard = _made(options) if options else Guard.from_env()
    elif isinstance(guard, str):
        guard = import_string(guard)
    if not isinstance(guard, Guard):
        raise TypeError(f"GATEWRIGHT['guard'] is a Guard or the dotted path of one, not {guard!r}")
    return Configured(guard, PublicPaths(given.get("public", ())), PublicPaths(given.get("optional", ())))


def _made(options: dict[str, Any]) -> Guard:
    issuer = options.pop("issuer", ())
    return Guard(*(issuer if isinstance(issuer, list | tuple) else (issuer,)), **options)


_known: tuple[object, Configured] | None = None


def configured() -> Configured:
    """The guard and the public paths of the setting as it stands: one guard, whose caches are shared."""
    global _known  # noqa: PLW0603 - Django's settings are global too; tests exchange them
    given = getattr(settings, "GATEWRIGHT", _ENVIRONMENT)
    known = _known  # made by the middleware at the start, before there are threads
    if known is None or known[0] is not given:
        known = _known = (given, _read(given))
    return known[1]


def _where(request: Any) -> tuple[str, str, object]:  # noqa: ANN401 - as above
    return request.method, request.path_info, getattr(request, "urlconf", None)


def _guarded(
    view: Callable[..., Any], requirement: Requirement, is_async: Callable[[object], bool]
) -> Callable[..., Any]:
    async def wait(request: Any, rule: Rule | None, args: Any, kwargs: Any) -> Any:  # noqa: ANN401 - the view's own
        try:
            await aadmit(request, rule)
        except Denied as refusal:
            return response(refusal)
        return await view(*args, **kwargs)

    @functools.wraps(view)
    def enter(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the view's own
        request = request_in((*args, *kwargs.values()))
        rule = rule_in((requirement,), request.method)
        if is_async(args[0] if args else None):
            return wait(request, rule, args, kwargs)
        try:
            admit(request, rule)
        except Denied as refusal:
            return response(refusal)
        return view(*args, **kwargs)

    setattr(enter, MARK, (*getattr(view, MARK, ()), requirement))
    return enter


def request_in(arguments: Iterable[object]) -> Any:  # noqa: ANN401 - Django has no types
    """Django's request among the arguments of a view.

    Raises:
        TypeError: there is none.
    """
    for argument in arguments:
        inner = getattr(argument, "_request", argument)  # REST framework wraps Django's request
        if isinstance(inner, HttpRequest):
            return inner
    raise TypeError("require guards views, which take a request")


def _seen(request: Any, ruled: Ruled | None) -> Request:  # noqa: ANN401 - as above
    match = getattr(request, "resolver_match", None)
    if ruled is None and match is not None:
        ruled = Ruled(None, match.kwargs, route_of(match))
    _, path_params, route = ruled or Ruled(None, {}, None)
    scope = getattr(request, "scope", None)
    url = request.get_full_path()
    if scope is not None:
        # It still parts headers that were sent twice, which request.headers has joined.
        return Request(request.method, url, scope["headers"], path_params, route=route)
    headers = list(request.headers.items())
    if request.META.get("HTTP_AUTHORIZATION", "").startswith(","):
        # Only a WSGI server that joined several headers, the first of them empty, makes this of them.
        headers.append(("Authorization", ""))
    return Request(request.method, url, headers, path_params, route=route)


def _notes(request: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """What was decided of this request: in its scope, where `protect` may have decided before."""
    scope = getattr(request, "scope", None)
    notes: dict[str, Any] = request.__dict__.setdefault(_NOTES, {}) if scope is None else scope
    return notes


def _kept(request: Any, token: AccessToken | None) -> AccessToken | None:  # noqa: ANN401 - as above
    request.access_token = token
    if token is not None and "HTTP_AUTHORIZATION" in request.META:
        # No other site can make a browser send the header: there is no forgery to look for.
        request.csrf_processing_done = True
    return token


def _is_optional(request: Any) -> bool:  # noqa: ANN401 - as above
    return configured().is_optional(request.method, request.path_info)


def _enters_freely(request: Any) -> bool:  # noqa: ANN401 - as above
    request.access_token = None
    return configured().is_public(request.method, request.path_info)


def _asked(scope: Scope) -> tuple[str, str]:
    """The method, and the path that Django will resolve, cut exactly as its own handler cuts it."""
    path: str = scope["path"]
    return str(scope.get("method", "GET")).upper(), path.removeprefix(get_script_prefix(scope))


def _exact(answer: Any) -> Any:  # noqa: ANN401 - as above
    """`answer`, or the guard's own bytes where REST framework has rendered a refusal."""
    refusal = getattr(getattr(answer, "data", None), "refusal", None)
    return response(refusal) if isinstance(refusal, Denied) else answer


def _policy() -> Policy:
    """The views of ROOT_URLCONF, open unless Middleware is there."""
    known = configured()
    middleware = (import_string(name) for name in settings.MIDDLEWARE)
    is_protected = any(inspect.isclass(each) and issubclass(each, Middleware) for each in middleware)
    routes = listed(
        found(),
        known.is_public,
        known.is_optional,
        is_protected=is_protected,
        is_enforced=known.guard.enforce,
    )
    return Policy(known.guard, tuple(routes))


__gatewright_routes__ = _policy  # where gatewright.guard.routes looks
