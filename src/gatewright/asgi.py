"""The guard in front of any ASGI application: carries requests to it and its answers back, decides nothing.

::

    rules = {"GET /blogs": "read:blog", "POST /blogs": "create:blog"}
    app = protect(app, guard, rules=rules, public=["/health"])

A pattern is a path, with a method before it or for all of them: `/health`, `GET /blogs`, `/blogs/{id}`
(one segment), `/static/*` (everything below). GET stands for HEAD too. `!/static/private/*` takes paths
back out of `public`. What no pattern names needs a valid token; a request must meet every rule whose
pattern fits it.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final, TypeAlias

from gatewright.guard import AccessToken, Denied, Guard, Request, Rule, admission
from gatewright.guard import patterns as patterns_of_paths
from gatewright.guard.patterns import PatternRules
from gatewright.guard.routes import attach_patterns, ensure_unprotected

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

ROUTE: Final = "gatewright.route"
"""Where in a scope the template of the route stands that will serve it."""

_POLICY_VIOLATION: Final = 1008  # RFC 6455, section 7.4.1


def protect(
    app: App,
    guard: Guard,
    *,
    rules: Mapping[str, Rule | str] | None = None,
    public: Iterable[str] = (),
    optional: Iterable[str] = (),
) -> App:
    """`app` behind `guard`, HTTP and WebSocket alike.

    The token is in `scope["gatewright"]`; None on `optional` paths, which may be asked for without one. A
    refused handshake is answered as the request would be, or closed with 1008 where the server cannot.
    Nothing is read of a refused body.

    Raises:
        TypeError, ValueError: a pattern or a rule cannot be one.
        RuntimeError: `app` is protected already.
    """
    ensure_unprotected(app)
    required = PatternRules(rules)

    def rule_for(scope: Scope) -> Rule | None:
        rule, path_params, scope[ROUTE] = required(*method_and_path(scope))
        if path_params:
            scope["path_params"] = {**path_params, **scope.get("path_params", {})}
        return rule

    is_public, is_optional = PublicPaths(public), PublicPaths(optional)
    guarded = Guarded(app, guard=guard, is_public=is_public, rule_for=rule_for, is_optional=is_optional)
    attach_patterns(guarded, guard, required, is_public.paths, is_optional.paths)
    return guarded


class Guarded:
    """An ASGI application behind a guard; which rule holds and what is public it is told by functions."""

    def __init__(
        self,
        app: App,
        *,
        guard: Guard,
        is_public: Callable[[Scope], bool],
        rule_for: Callable[[Scope], Rule | None],
        is_optional: Callable[[Scope], bool] = lambda _: False,
    ) -> None:
        self.app = app
        self._guard = guard
        self._is_public = is_public
        self._rule_for = rule_for
        self._is_optional = is_optional

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] not in ("http", "websocket"):
            if scope["type"] != "lifespan":
                raise ValueError(f"a connection of type {scope['type']!r} cannot be guarded")
        elif not self._is_public(scope):
            optional = self._is_optional(scope)
            try:
                await aadmit(scope, self._guard, self._rule_for(scope), optional=optional)
            except Denied as refusal:
                await answer(refusal, scope, receive, send)
                return
        await self.app(scope, receive, send)


def request_of(scope: Scope) -> Request:
    """What the guard looks at of a connection."""
    query: bytes = scope.get("query_string") or b""
    url = f"{scope['path']}?{query.decode('latin-1')}" if query else scope["path"]
    path_params = scope.get("path_params") or {}
    return Request(scope.get("method", "GET"), url, scope["headers"], path_params, route=scope.get(ROUTE))


def admit(scope: Scope, guard: Guard, rule: Rule | None, *, optional: bool = False) -> AccessToken | None:
    """The token of a connection that may enter, decided about once; None where it needs none.

    Raises:
        Denied: the request may not enter.
    """
    token = admission.admit(scope, guard, lambda: request_of(scope), rule, optional=optional)
    return _kept(scope, token)


async def aadmit(
    scope: Scope, guard: Guard, rule: Rule | None, *, optional: bool = False
) -> AccessToken | None:
    """As `admit`, without blocking the event loop.

    Raises:
        Denied: the request may not enter.
    """
    token = await admission.aadmit(scope, guard, lambda: request_of(scope), rule, optional=optional)
    return _kept(scope, token)


def _kept(scope: Scope, token: AccessToken | None) -> AccessToken | None:
    scope.setdefault("state", {})["access_token"] = token
    return token


async def answer(refusal: Denied, scope: Scope, receive: Receive, send: Send) -> None:
    """Send what `refusal` answers, without having read the request's body."""
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()  # websocket.connect: only after it may a handshake be refused
        kind = "websocket.http.response"
        if kind not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": ""})
            return
    headers = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in refusal.headers]
    headers.append((b"content-length", str(len(refusal.content)).encode("ascii")))
    await send({"type": f"{kind}.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": refusal.content, "more_body": False})


class PublicPaths:
    """The connections that need no token, as `gatewright.guard.patterns.PublicPaths` says.

    Raises:
        TypeError, ValueError: as `Pattern.parse`; one string in place of several.
    """

    def __init__(self, patterns: Iterable[str], more: Iterable[str] = ()) -> None:
        self.paths = patterns_of_paths.PublicPaths(patterns, more)

    def __call__(self, scope: Scope) -> bool:
        """Whether this connection needs no token."""
        return self.paths(*method_and_path(scope))


def method_and_path(scope: Scope) -> tuple[str, str]:
    """What patterns look at of a connection; a handshake is a GET."""
    return scope.get("method", "GET"), route_path(scope)


def route_path(scope: Scope) -> str:
    """The path below the application's own root, exactly as Starlette's router takes it."""
    path: str = scope["path"]
    root: str = scope.get("root_path") or ""
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
        return path[len(root) :]
    return path
