"""The guard in front of any WSGI application: carries requests to it and its answers back, decides nothing.

::

    rules = {"GET /blogs": "read:blog", "POST /blogs": "create:blog"}
    app = protect(app, guard, rules=rules, public=["/health"])

Patterns are those of `gatewright.asgi`, over the path below the application's mount (`PATH_INFO`). What no
pattern names needs a valid token; a request must meet every rule whose pattern fits it.
"""

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from gatewright.guard import AccessToken, Denied, Guard, Request, Rule, admission
from gatewright.guard.patterns import PatternRules, PublicPaths
from gatewright.guard.routes import attach_patterns, ensure_unprotected

ROUTE: Final = "gatewright.route"
"""Where in an environ the template of the route stands that will serve it."""


def protect(
    app: WSGIApplication,
    guard: Guard,
    *,
    rules: Mapping[str, Rule | str] | None = None,
    public: Iterable[str] = (),
    optional: Iterable[str] = (),
) -> WSGIApplication:
    """`app` behind `guard`.

    The token is `environ["gatewright"]`; None on `optional` paths, which may be asked for without one.
    Nothing is read of a refused body.

    Raises:
        TypeError, ValueError: `app` cannot be called; a pattern or a rule cannot be one.
        RuntimeError: `app` is protected already.
    """
    if not callable(app):
        raise TypeError(f"a WSGI application can be called, {app!r} cannot")
    ensure_unprotected(app)
    rule_for = PatternRules(rules)
    is_public, is_optional = PublicPaths(public), PublicPaths(optional)

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked = method_and_path(environ)
        if not is_public(*asked):
            rule, path_params, environ[ROUTE] = rule_for(*asked)
            try:
                admit(environ, guard, rule, path_params=path_params, optional=is_optional(*asked))
            except Denied as refusal:
                return answer(refusal, environ, start_response)
        return app(environ, start_response)

    attach_patterns(guarded, guard, rule_for, is_public, is_optional)
    return guarded


def admit(
    environ: WSGIEnvironment,
    guard: Guard,
    rule: Rule | None,
    *,
    path_params: Mapping[str, object] | None = None,
    optional: bool = False,
) -> AccessToken | None:
    """The token of a request that may enter, decided about once; None where it needs none.

    Raises:
        Denied: the request may not enter.
    """
    return admission.admit(environ, guard, lambda: request_of(environ, path_params), rule, optional=optional)


async def aadmit(
    environ: WSGIEnvironment,
    guard: Guard,
    rule: Rule | None,
    *,
    path_params: Mapping[str, object] | None = None,
) -> AccessToken | None:
    """As `admit`, without blocking the event loop.

    Raises:
        Denied: the request may not enter.
    """
    return await admission.aadmit(environ, guard, lambda: request_of(environ, path_params), rule)


def token_of(environ: WSGIEnvironment) -> AccessToken | None:
    """The token of this request, if any guard has accepted one."""
    token: AccessToken | None = environ.get(admission.TOKEN)
    return token


def method_and_path(environ: WSGIEnvironment) -> tuple[str, str]:
    """What patterns look at of a request: its path is that below the application's mount."""
    return environ.get("REQUEST_METHOD", "GET"), _text(environ.get("PATH_INFO", ""))


def request_of(environ: WSGIEnvironment, path_params: Mapping[str, object] | None = None) -> Request:
    """What the guard looks at of a request."""
    method, path = method_and_path(environ)
    query = environ.get("QUERY_STRING", "")
    url = _text(environ.get("SCRIPT_NAME", "")) + path + (f"?{query}" if query else "")
    return Request(method, url, list(_headers(environ)), path_params or {}, route=environ.get(ROUTE))


def answer(refusal: Denied, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Give what `refusal` answers, without having read the request's body."""
    headers = [*refusal.headers, ("Content-Length", str(len(refusal.content)))]
    start_response(f"{refusal.status} {HTTPStatus(refusal.status).phrase}", headers)
    # Not every server keeps back what may not follow the headers then.
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [refusal.content]


def _headers(environ: WSGIEnvironment) -> Iterator[tuple[str, str]]:
    for name, value in environ.items():
        if name == "HTTP_AUTHORIZATION":
            yield from (("authorization", part) for part in _unjoined(value))
        elif name.startswith("HTTP_"):
            yield name[5:].replace("_", "-").lower(), value
        elif name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            yield name.replace("_", "-").lower(), value


def _unjoined(value: str) -> list[str]:
    """The Authorization headers that a server has joined by commas into one, where that can be told.

    No sound header begins with a comma: the first one was empty. `Bearer a,Bearer b` needs no parting,
    it has too many words either way; and other schemes may have commas of their own.
    """
    return value.split(",") if value.lstrip(" ").startswith(",") else [value]


def _text(text: str) -> str:
    """What was sent as UTF-8 and handed over as if it were latin-1 (PEP 3333)."""
    return text.encode("latin-1", "replace").decode("utf-8", "replace")
