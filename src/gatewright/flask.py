"""The guard in Flask: carries requests to it and its answers back, decides nothing.

::

    app = Flask(__name__)
    require = protect(app, guard, public=["/health"])

    @app.post("/blogs")
    @require("create:blog")
    def create(): return {"by": current_token.client_id}

The guard comes before all `before_request` functions and URL preprocessors. A preflight of CORS carries no
token: put what answers it outside, as WSGI middleware around `app.wsgi_app`. Patterns in `public` are
those of `gatewright.asgi`; Flask's own `/static/*` is public only if it stands there.
"""

import contextlib
import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar, cast
from wsgiref.types import WSGIEnvironment

from flask import Blueprint, Flask, Response, g, has_request_context, request
from flask.typing import ResponseReturnValue
from flask.views import View
from werkzeug.local import LocalProxy

from gatewright.guard import AccessToken, Denied, Guard, Rule
from gatewright.guard.patterns import PublicPaths
from gatewright.guard.routes import WEBSOCKET, Found, attach, ensure_unprotected
from gatewright.guard.rules import combine
from gatewright.wsgi import ROUTE, aadmit, admit, method_and_path, token_of

Guarded = TypeVar("Guarded", bound="Callable[..., Any] | Blueprint")

_MARK: Final = "__gatewright__"
_CONVERTER: Final = re.compile(r"<(?:[^<>]*:)?([A-Za-z_]\w*)>")


def _current() -> AccessToken:
    token = token_of(request.environ)
    if token is None:
        raise RuntimeError("this request has no access token: its path is public or optional")
    return token


current_token: AccessToken = LocalProxy(_current)  # type: ignore[assignment] # as Flask does
"""The access token of the request that is served; false in a public one, where none was looked at."""


def protect(
    app: Flask, guard: Guard, *, public: Iterable[str] = (), optional: Iterable[str] = ()
) -> "Require":
    """Put `app` behind `guard` and give the decorator that says what a view requires.

    Every route, also one that does not exist, then needs a valid token, unless its path is `public`; on
    `optional` paths a request without one enters too, where no rule stands. The token is `current_token`,
    also `flask.g.access_token`, None where there is none. The decision, the view's rule included, is
    taken before anything is read of the body.

    Raises:
        TypeError, ValueError: `app` is no Flask application or a pattern in `public` cannot be one.
        RuntimeError: it is protected already.
    """
    if not isinstance(app, Flask):
        raise TypeError(f"a Flask application can be protected, not {app!r}")
    ensure_unprotected(app)
    is_public, is_optional = PublicPaths(public), PublicPaths(optional)
    decided = f"gatewright.flask.{id(guard)}"
    preprocess, fail = app.preprocess_request, app.handle_exception

    def decide() -> Response | None:
        environ = request.environ
        environ[decided] = True
        # An application context that a test holds open is shared by its requests.
        g.pop("access_token", None)
        asked = method_and_path(environ)
        if is_public(*asked):
            return None
        try:
            g.access_token = _admit(guard, combine(*_rules_of(app, guard)), optional=is_optional(*asked))
        except Denied as refusal:
            return _response(refusal)
        return None

    def decide_first() -> ResponseReturnValue | None:
        refused = decide()
        return preprocess() if refused is None else refused

    def decide_yet(e: Exception) -> Response:
        # What fails before the request is dispatched, as a URL converter may, is not for strangers either.
        refused = decide() if has_request_context() and decided not in request.environ else None
        return fail(e) if refused is None else refused

    # Rather than `before_request`, whose functions come after all URL preprocessors.
    app.preprocess_request = decide_first  # type: ignore[method-assign] # a method to be overridden
    app.handle_exception = decide_yet  # type: ignore[method-assign] # the same
    attach(app, guard, lambda: _found(app, guard), is_public, is_optional)
    return Require(guard)


class Require:
    """`@require("create:blog")` on views, async or not, on methods and classes of views, and on blueprints.

    Several strings are all needed; rules may be given in their place; none means any valid token. The
    rule belongs to the view, at each of its routes. What is decorated makes sure of its rule itself, also
    in an application that is not protected.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def __call__(self, *rules: Rule | str) -> Callable[[Guarded], Guarded]:
        """A decorator.

        Raises:
            TypeError, ValueError: neither a scope nor a rule; later, what is decorated is no view.
        """
        rule = combine(*rules)

        def decorate(view: Guarded) -> Guarded:
            if isinstance(view, Blueprint):
                _guard_blueprint(view, self._guard, rule)
                return cast("Guarded", view)
            if inspect.isclass(view):
                _guard_class(view, self._guard, rule)
                return cast("Guarded", view)
            if not callable(view):
                raise TypeError(f"require guards views, View classes and blueprints, not {view!r}")
            guarded = _guarded(view, self._guard, rule)
            _mark_below(view, self._guard, rule)
            return cast("Guarded", guarded)

        return decorate


def _admit(guard: Guard, rule: Rule | None, *, optional: bool = False) -> AccessToken | None:
    return admit(_environ(), guard, rule, path_params=request.view_args, optional=optional)


def _environ() -> WSGIEnvironment:
    """The request's, with the route in it that Flask has found."""
    environ: WSGIEnvironment = request.environ
    environ[ROUTE] = None if request.url_rule is None else _template(request.url_rule.rule)
    return environ


def _template(rule: str) -> str:
    """`/blogs/{id}` of a rule with converters."""
    return _CONVERTER.sub(r"{\1}", rule)


def _rules_of(app: Flask, guard: Guard) -> Iterator[Rule]:
    """The rules that `guard`'s own `require` has left on what will serve the request."""
    if _is_answered_by_flask():
        return
    yield from _rules_at(app, guard, request.endpoint or "", request.method)


def _rules_at(app: Flask, guard: Guard, endpoint: str, asked: str) -> Iterator[Rule]:
    view = app.view_functions.get(endpoint)
    *within, _ = endpoint.split(".")
    blueprints = (".".join(within[:depth]) for depth in range(1, len(within) + 1))
    places: list[object] = [app.blueprints.get(name) for name in blueprints]
    places.append(view)
    view_class = getattr(view, "view_class", None)
    if view_class is not None:
        method = asked.lower()
        shared = "get" if method == "head" else method
        served = getattr(view_class, method, None) or getattr(view_class, shared, None)
        places += [getattr(view_class, "dispatch_request", None), served]
    for place in places:
        for marking, rule in getattr(place, _MARK, ()):
            if marking is guard and rule is not None:
                yield rule


def _is_answered_by_flask() -> bool:
    is_automatic = getattr(request.url_rule, "provide_automatic_options", False)
    return request.url_rule is None or (is_automatic and request.method == "OPTIONS")


def _mark(place: object, guard: Guard, rule: Rule | None) -> None:
    setattr(place, _MARK, (*getattr(place, _MARK, ()), (guard, rule)))


def _mark_below(view: object, guard: Guard, rule: Rule | None) -> None:
    """Mark what has been wrapped: `@require` above `@app.get` comes too late to wrap what is served."""
    layer = view
    while layer is not None:
        with contextlib.suppress(AttributeError):  # a bound method takes no marks
            _mark(layer, guard, rule)
        layer = getattr(layer, "__wrapped__", None)


def _guard_blueprint(blueprint: Blueprint, guard: Guard, rule: Rule | None) -> None:
    def enter() -> Response | None:
        try:
            g.access_token = _admit(guard, None if _is_answered_by_flask() else rule)
        except Denied as refusal:
            return _response(refusal)
        return None

    blueprint.before_request(enter)
    _mark(blueprint, guard, rule)


def _guard_class(view: type, guard: Guard, rule: Rule | None) -> None:
    if not issubclass(view, View):
        raise TypeError(f"require guards subclasses of flask.views.View, not {view!r}")
    guarded = _guarded(view.dispatch_request, guard, rule)
    view.dispatch_request = guarded  # type: ignore[method-assign] # a class decorator may


def _guarded(view: Callable[..., Any], guard: Guard, rule: Rule | None) -> Callable[..., Any]:
    """`view` behind `rule`, all marks of `view` on it."""
    if inspect.iscoroutinefunction(view):

        @functools.wraps(view)
        async def enter_async(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the view's own
            try:
                g.access_token = await aadmit(_environ(), guard, rule, path_params=request.view_args)
            except Denied as refusal:
                return _response(refusal)
            return await view(*args, **kwargs)

        enter: Callable[..., Any] = enter_async
    else:

        @functools.wraps(view)
        def enter_sync(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the view's own
            try:
                g.access_token = _admit(guard, rule)
            except Denied as refusal:
                return _response(refusal)
            return view(*args, **kwargs)

        enter = enter_sync
    _mark(enter, guard, rule)
    return enter


def _response(refusal: Denied) -> Response:
    return Response(refusal.content, refusal.status, list(refusal.headers))


def _found(app: Flask, guard: Guard) -> Iterator[Found]:
    """The routes as Flask's map has them, but for the OPTIONS that Flask answers itself."""
    for rule in app.url_map.iter_rules():
        own = {"OPTIONS"} if getattr(rule, "provide_automatic_options", False) else set()
        methods = [WEBSOCKET] if rule.websocket else (rule.methods or set()) - own
        endpoint = rule.endpoint
        yield Found(
            _template(rule.rule),
            methods,
            functools.partial(_rule_at, app, guard, endpoint),
            app.view_functions.get(endpoint),
        )


def _rule_at(app: Flask, guard: Guard, endpoint: str, method: str) -> Rule | None:
    return combine(*_rules_at(app, guard, endpoint, "GET" if method == WEBSOCKET else method))
