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

from gatewright.guard import AccessToken, Denied, Guard, Request, Rule
from gatewright.guard.patterns import Pattern, PublicPaths
from gatewright.guard.routes import attach_patterns
from gatewright.guard.rules import combine

_ACCEPTED: Final = "gatewright"
_GUARD: Final = "gatewright.guard"


def protect(
    app: WSGIApplication,
    guard: Guard,
    *,
    rules: Mapping[str, Rule | str] | None = None,
    public: Iterable[str] = (),
) -> WSGIApplication:
    """`app` behind `guard`.

    The token is `environ["gatewright"]`. Nothing is read of a refused body.

    Raises:
        TypeError, ValueError: `app` cannot be called; a pattern or a rule cannot be one.
    """
    if not callable(app):
        raise TypeError(f"a WSGI application can be called, {app!r} cannot")
    required = [(Pattern.parse(pattern), combine(rule)) for pattern, rule in (rules or {}).items()]
    is_public = PublicPaths(public)

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked = method_and_path(environ)
        if not is_public(*asked):
            fitting = (rule for pattern, rule in required if rule is not None and pattern.may_fit(*asked))
            try:
                admit(environ, guard, combine(*fitting))
            except Denied as refusal:
                return answer(refusal, environ, start_response)
        return app(environ, start_response)

    stated = [(pattern, combine(rule)) for pattern, rule in (rules or {}).items()]
    attach_patterns(guarded, guard, stated, is_public)
    return guarded


def admit(environ: WSGIEnvironment, guard: Guard, rule: Rule | None) -> AccessToken:
    """The token of a request that meets `rule`, decided about once unless the rule was not known then.

    Raises:
        Denied: the request may not enter.
    """
    token = accepted(environ, guard)
    if token is not None:
        return guard.require(request_of(environ), token, rule)
    token = guard.check(request_of(environ), rule)
    note(environ, guard, token)
    return token


async def aadmit(environ: WSGIEnvironment, guard: Guard, rule: Rule | None) -> AccessToken:
    """As `admit`, without blocking the event loop.

    Raises:
        Denied: the request may not enter.
    """
    token = accepted(environ, guard)
    if token is not None:
        return guard.require(request_of(environ), token, rule)
    token = await guard.acheck(request_of(environ), rule)
    note(environ, guard, token)
    return token


def note(environ: WSGIEnvironment, guard: Guard, token: AccessToken) -> None:
    """Hand the token on to whatever serves the request, and remember whose decision it is."""
    environ[_ACCEPTED] = token
    environ[_GUARD] = guard


def accepted(environ: WSGIEnvironment, guard: Guard) -> AccessToken | None:
    """The token of this request, if this very guard has accepted it."""
    return token_of(environ) if environ.get(_GUARD) is guard else None


def token_of(environ: WSGIEnvironment) -> AccessToken | None:
    """The token of this request, if any guard has accepted one."""
    token: AccessToken | None = environ.get(_ACCEPTED)
    return token


def method_and_path(environ: WSGIEnvironment) -> tuple[str, str]:
    """What patterns look at of a request: its path is that below the application's mount."""
    return environ.get("REQUEST_METHOD", "GET"), _text(environ.get("PATH_INFO", ""))


def request_of(environ: WSGIEnvironment) -> Request:
    """What the guard looks at of a request."""
    method, path = method_and_path(environ)
    return Request(method, _text(environ.get("SCRIPT_NAME", "")) + path, list(_headers(environ)))


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
