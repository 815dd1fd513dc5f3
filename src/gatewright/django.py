"""The guard in Django and REST framework: carries requests to it and its answers back, decides nothing.

::

    MIDDLEWARE = ["gatewright.django.Middleware", ...]
    GATEWRIGHT = {"issuer": "https://issuer.example/", "audience": "https://blog-api", "public": ["/health"]}

    @require("read:blog")
    def blogs(request): ...

Every path, also one that does not exist, then needs a valid token, unless it is `public`: patterns as in
`gatewright.asgi`, below the script prefix. The token is `request.access_token`, None on public paths.
Middleware listed before stands outside of the guard, as that for CORS must.

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

from gatewright.asgi import App, Guarded, Scope, accepted
from gatewright.django_views import MARK, Requirement, found, requirement_of, rule_at, rule_in
from gatewright.guard import AccessToken, Denied, Guard, NoToken, Request, Rule
from gatewright.guard.patterns import PublicPaths
from gatewright.guard.routes import Policy, attach, listed

View = TypeVar("View", bound=Callable[..., Any])

_ACCEPTED: Final = "_gatewright"
_OPTIONS: Final = frozenset({"issuer", "audience", "algorithms", "leeway", "allow_insecure_issuer"})
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
        _configured()

    def __call__(self, request: Any) -> Any:  # noqa: ANN401 - Django has no types
        """One request; an awaitable of its response where the handler is async."""
        if self._is_async:
            return self._call_async(request)
        try:
            if not _enters_freely(request):
                admit(request, rule_at(*_where(request)))
        except Denied as refusal:
            return response(refusal)
        return _exact(self._get_response(request))

    async def _call_async(self, request: Any) -> Any:  # noqa: ANN401 - as above
        try:
            if not _enters_freely(request):
                await aadmit(request, rule_at(*_where(request)))
        except Denied as refusal:
            return response(refusal)
        return _exact(await self._get_response(request))


def protect(application: App) -> App:
    """An ASGI application, Django's or one with Django's in it, behind the guard: no refused body is read.

    The middleware stays in MIDDLEWARE: it hands the token on to the views.

    Raises:
        TypeError, ValueError, ImportError: the setting GATEWRIGHT cannot be right.
    """
    guard, public = _configured()

    def rule_for(scope: Scope) -> Rule | None:
        return rule_at(*_asked(scope)) if scope["type"] == "http" else None

    guarded = Guarded(
        application, guard=guard, is_public=lambda scope: public(*_asked(scope)), rule_for=rule_for
    )
    attach(guarded, guard, found, public)
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
        return view

    return decorate


class Permission:
    """`permission_classes = [Permission("read:blog")]` in REST framework; arguments as for `require`."""

    def __init__(self, *rules: Rule | str, **by_method: Rule | str) -> None:
        setattr(self, MARK, (requirement_of(rules, by_method),))

    def __call__(self) -> "Permission":
        """The permission itself: REST framework makes an instance of each entry for each request."""
        return self

    def has_permission(self, request: Any, _: object) -> bool:  # noqa: ANN401 - REST framework's
        """True; a refusal is raised, as an APIException that knows its answer."""
        try:
            admit(_request_in((request,)), rule_in(getattr(self, MARK), request.method))
        except Denied as refusal:
            raise _refused(refusal) from refusal
        return True

    def has_object_permission(self, *_: object) -> bool:
        """True: rules are about requests."""
        return True


class Authentication:
    """`authentication_classes = [Authentication]` in Django REST framework.

    `request.auth` is the `AccessToken`, `request.user` a `Client`. Without a token the next class is asked.
    """

    def authenticate(self, request: Any) -> "tuple[Client, AccessToken] | None":  # noqa: ANN401 - REST framework's
        """Who asks, and with which token; one that is not accepted raises an APIException."""
        try:
            token = admit(_request_in((request,)), None)
        except NoToken:
            return None
        except Denied as refusal:
            raise _refused(refusal) from refusal
        return Client(token), token

    def authenticate_header(self, _: object) -> str:
        """The challenge of REST framework's own refusals."""
        return dict(NoToken(realm=_configured()[0].audience[0]).headers)["WWW-Authenticate"]


@dataclass(frozen=True, slots=True)
class Client:
    """Whoever holds an access token, in the place of Django's user: authenticated, and no row of a table."""

    token: AccessToken
    is_authenticated: bool = True
    is_anonymous: bool = False
    is_active: bool = True

    @property
    def pk(self) -> str | None:
        """What tells callers apart, such as for throttling."""
        return self.token.subject or self.token.client_id


def admit(request: Any, rule: Rule | None) -> AccessToken:  # noqa: ANN401 - Django has no types
    """The token of a request that was let in before, if it meets `rule`; else a decision of its own.

    Raises:
        Denied: the request may not enter.
    """
    guard, _ = _configured()
    token = _accepted(request, guard)
    seen = _seen(request)
    return _note(
        request, guard, guard.check(seen, rule) if token is None else guard.require(seen, token, rule)
    )


async def aadmit(request: Any, rule: Rule | None) -> AccessToken:  # noqa: ANN401 - as above
    """As `admit`, without blocking the event loop; it raises the same."""
    guard, _ = _configured()
    token = _accepted(request, guard)
    seen = _seen(request)
    return _note(
        request, guard, await guard.acheck(seen, rule) if token is None else guard.require(seen, token, rule)
    )


def response(refusal: Denied) -> Any:  # noqa: ANN401 - as above
    """The answer as a response of Django."""
    headers = {**dict(refusal.headers), "Content-Length": str(len(refusal.content))}
    return HttpResponse(refusal.content, status=refusal.status, headers=headers)


def _read(given: Any) -> tuple[Guard, PublicPaths]:  # noqa: ANN401 - a setting may be anything
    if not isinstance(given, Mapping):
        raise TypeError(f"GATEWRIGHT is a dict with 'issuer' and 'audience' or 'guard', not {given!r}")
    options = {name: value for name, value in given.items() if name not in ("guard", "public")}
    unknown = sorted(repr(name) for name in options if "guard" in given or name not in _OPTIONS)
    if unknown:
        raise ValueError(f"GATEWRIGHT has no place for {', '.join(unknown)} here")
    guard = given.get("guard")
    if "guard" not in given:
        guard = Guard(**options) if options else Guard.from_env()
    elif isinstance(guard, str):
        guard = import_string(guard)
    if not isinstance(guard, Guard):
        raise TypeError(f"GATEWRIGHT['guard'] is a Guard or the dotted path of one, not {guard!r}")
    return guard, PublicPaths(given.get("public", ()))


_known: tuple[object, tuple[Guard, PublicPaths]] | None = None


def _configured() -> tuple[Guard, PublicPaths]:
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
        request = _request_in((*args, *kwargs.values()))
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


def _request_in(arguments: Iterable[object]) -> Any:  # noqa: ANN401 - Django has no types
    for argument in arguments:
        inner = getattr(argument, "_request", argument)  # REST framework wraps Django's request
        if isinstance(inner, HttpRequest):
            return inner
    raise TypeError("require guards views, which take a request")


def _seen(request: Any) -> Request:  # noqa: ANN401 - as above
    scope = getattr(request, "scope", None)
    if scope is not None:
        # It still parts headers that were sent twice, which request.headers has joined.
        return Request(request.method, request.path, scope["headers"])
    headers = list(request.headers.items())
    if request.META.get("HTTP_AUTHORIZATION", "").startswith(","):
        # Only a WSGI server that joined several headers, the first of them empty, makes this of them.
        headers.append(("Authorization", ""))
    return Request(request.method, request.path, headers)


def _accepted(request: Any, guard: Guard) -> AccessToken | None:  # noqa: ANN401 - as above
    by, token = getattr(request, _ACCEPTED, (None, None))
    if by is guard:
        return cast("AccessToken", token)
    scope = getattr(request, "scope", None)
    return None if scope is None else accepted(scope, guard)


def _note(request: Any, guard: Guard, token: AccessToken) -> AccessToken:  # noqa: ANN401 - as above
    setattr(request, _ACCEPTED, (guard, token))
    request.access_token = token
    # No other site can make a browser send the header: there is no forgery to look for.
    request.csrf_processing_done = True
    return token


def _enters_freely(request: Any) -> bool:  # noqa: ANN401 - as above
    request.access_token = None
    return _configured()[1](request.method, request.path_info)


def _asked(scope: Scope) -> tuple[str, str]:
    """The method, and the path that Django will resolve, cut exactly as its own handler cuts it."""
    path: str = scope["path"]
    return str(scope.get("method", "GET")).upper(), path.removeprefix(get_script_prefix(scope))


class _Body(dict[str, str]):
    """The body of a refusal, with the refusal itself: how it comes through REST framework's handler."""

    def __init__(self, refusal: Denied) -> None:
        super().__init__(refusal.body)
        self.refusal = refusal


def _refused(refusal: Denied) -> Exception:
    from rest_framework.exceptions import APIException  # noqa: PLC0415 - only some users of Django have it

    error: Any = APIException()
    error.status_code, error.detail = refusal.status, _Body(refusal)
    # The two names by which REST framework's handler takes headers from an exception.
    headers = dict(refusal.headers)
    error.auth_header, error.wait = headers.get("WWW-Authenticate"), int(headers.get("Retry-After", 0))
    return cast("Exception", error)


def _exact(answer: Any) -> Any:  # noqa: ANN401 - as above
    """`answer`, or the guard's own bytes where REST framework has rendered a refusal."""
    refusal = getattr(getattr(answer, "data", None), "refusal", None)
    return response(refusal) if isinstance(refusal, Denied) else answer


def _policy() -> Policy:
    """The views of ROOT_URLCONF, open unless Middleware is there."""
    guard, public = _configured()
    middleware = (import_string(name) for name in settings.MIDDLEWARE)
    is_protected = any(inspect.isclass(each) and issubclass(each, Middleware) for each in middleware)
    return Policy(guard, tuple(listed(found(), public, is_protected=is_protected)))


__gatewright_routes__ = _policy  # where gatewright.guard.routes looks
