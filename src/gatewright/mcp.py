"""The guard in front of MCP servers made with the official SDK: carries, decides nothing.

::

    server = MCPServer("files")
    require = protect(server, guard, url="https://files.example/mcp")

    @server.tool()
    @require("files:write")
    def write(path: str, text: str) -> str: ...

    app = require.in_front_of(server.streamable_http_app())

The transport decides by the Authorization header before anything is read of a body. A message that calls a
tool, reads a resource or gets a prompt with a rule of its own is then looked into: without the scope the
answer is 403 with the scope to ask for (MCP authorization, 2025-11-25, "Scope Challenge Handling"). Where
the guard was left out, the server refuses every message.
"""

import functools
import inspect
import ipaddress
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit

from mcp import MCPError
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken as SDKAccessToken
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.resources import Resource
from mcp.types import INVALID_REQUEST

from gatewright.asgi import (
    ROUTE,
    App,
    Message,
    PublicPaths,
    Receive,
    Scope,
    Send,
    answer,
    method_and_path,
    request_of,
)
from gatewright.guard import AccessToken, Denied, Guard, Request, Rule
from gatewright.guard.admission import GUARD, aadmit
from gatewright.guard.patterns import PatternRules
from gatewright.guard.routes import AlreadyProtectedError, attach, ensure_unprotected
from gatewright.guard.rules import alternatives, combine
from gatewright.mcp_routes import found as routes_found
from gatewright.mcp_rules import MARK, calls_in, read_through, rules_for

Function = TypeVar("Function", bound="Callable[..., Any] | Resource")

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
LONGEST_MESSAGE: Final = 4 * 1024 * 1024  # bytes; what the SDK itself reads of one
_CHALLENGED: Final = frozenset({401, 403})

# Whose guard let the HTTP request in that brought the message, and with which token. The SDK runs each
# message in the context of its request, tools in threads included.
_entered: ContextVar[tuple[Guard, AccessToken | None] | None] = ContextVar("gatewright_mcp", default=None)


def current_token() -> AccessToken:
    """The access token of the message that is served.

    Raises:
        RuntimeError: there is none: no request is served, or its path is public.
    """
    entered = _entered.get()
    if entered is None or entered[1] is None:
        raise RuntimeError("no request with an access token is being served")
    return entered[1]


def protect(
    server: MCPServer[Any],
    guard: Guard,
    *,
    url: str,
    rules: Mapping[str, Rule | str] | None = None,
    public: Iterable[str] = (),
    name: str | None = None,
) -> "Require":
    """Let `server` serve only what came through `guard`, and give the decorator for its tools.

    Args:
        server: its tools, resources and prompts may come before or after.
        guard: who may enter.
        url: where clients reach the transport, such as `https://files.example/mcp`; one of the guard's
            audiences, for tokens are issued for it (RFC 8707).
        rules: what requests need by method and path, as in `gatewright.asgi`: `{"/mcp": "files:read"}`.
        public: paths that need no token, such as `/health`; the metadata is public by itself.
        name: the resource's name for people, in the metadata.

    Raises:
        TypeError, ValueError: a pattern or rule cannot be one; `url` is no https URL without query and
            fragment (http on the loopback), or no audience of `guard`.
        RuntimeError: `server` is protected already.
    """
    if not isinstance(server, MCPServer):
        raise TypeError(
            f"protect takes an mcp.server.mcpserver.MCPServer, not {server!r}: what it serves can have rules."
            " A low-level Server is guarded as a whole, by gatewright.asgi.protect around its"
            " streamable_http_app()"
        )
    if any(isinstance(getattr(each, "__self__", None), Require) for each in server.middleware):
        raise AlreadyProtectedError(server)
    _check_url(url, guard)
    require = Require(server, guard, url=url, rules=rules or {}, public=public, name=name)
    server.middleware.insert(0, require.refuse_unguarded)
    return require


class Require:
    """`@require("files:write")` on the functions of tools, resources and prompts, below the SDK's decorator.

    Several strings are all needed; rules may be given in their place. A resource that is an object is
    added as `server.add_resource(require("files:read")(resource))`.
    """

    def __init__(
        self,
        server: MCPServer[Any],
        guard: Guard,
        *,
        url: str,
        rules: Mapping[str, Rule | str],
        public: Iterable[str],
        name: str | None,
    ) -> None:
        self._server = server
        self._guard = guard
        self._url = url
        self._name = name
        self._required = PatternRules(rules)
        self._is_public = PublicPaths(public)
        self._of_functions: list[Rule] = []
        parts = urlsplit(url)
        self._metadata_path = WELL_KNOWN + (parts.path if parts.path != "/" else "")
        self._metadata_url = f"{parts.scheme}://{parts.netloc}{self._metadata_path}"

    def __call__(self, *rules: Rule | str) -> Callable[[Function], Function]:
        """A decorator.

        Raises:
            TypeError, ValueError: neither a scope nor a rule, or none at all.
        """
        rule = combine(*rules)
        if rule is None:
            raise ValueError("name at least one scope or rule: any valid token is needed anyway")
        self._of_functions.append(rule)
        guarded = functools.partial(self._guarded, rule)

        def decorate(function: Function) -> Function:
            if isinstance(function, Resource):
                return cast("Function", read_through(guarded, function))
            return cast("Function", guarded(function))

        return decorate

    def in_front_of(self, app: App) -> App:
        """`app` behind the guard: `server.streamable_http_app()`, `server.sse_app()`, or what mounts it.

        Raises:
            RuntimeError: `app` is protected already.
        """
        ensure_unprotected(app)

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
            elif scope["type"] == "http" and method_and_path(scope)[1] == self._metadata_path:
                await _send_metadata(self.metadata(), scope["method"], send)
            else:
                await self._enter(app, scope, receive, send)

        found = functools.partial(
            routes_found,
            app,
            self._server,
            self._guard,
            required=self._required,
            url=self._url,
            metadata_path=self._metadata_path,
        )
        attach(guarded, self._guard, found, self._is_public.paths)
        return guarded

    def metadata(self) -> dict[str, object]:
        """What is published of this resource (RFC 9728, section 2), with the scopes of all rules."""
        rules = [rule for _, rule in self._required.stated if rule is not None] + self._of_functions
        scopes = dict.fromkeys(scope for rule in rules for way in alternatives(rule) for scope in way)
        document: dict[str, object] = {
            "resource": self._url,
            "authorization_servers": list(self._guard.issuers),
            "bearer_methods_supported": ["header"],
        }
        if scopes:
            document["scopes_supported"] = list(scopes)
        if self._name is not None:
            document["resource_name"] = self._name
        return document

    async def refuse_unguarded(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Middleware of the server: refuses messages that came around the guard or that passed it unread."""
        entered = _entered.get()
        if entered is None or entered[0] is not self._guard:
            raise MCPError(INVALID_REQUEST, "This server answers only behind its guard")
        # A second look, for what was not understood before: a message may be longer, or of another type.
        for rule in self._rules_for(ctx.method, ctx.params or {}):
            self._look_again(rule)
        return await call_next(ctx)

    async def _enter(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        rule, _, scope[ROUTE] = self._required(*method_and_path(scope))
        try:
            if not self._is_public(scope):
                await aadmit(scope, self._guard, lambda: request_of(scope), rule)
            if self._of_functions and _brings_json(scope):
                body, receive = await _looked_into(receive)
                named = [found for call in calls_in(body) for found in self._rules_for(*call)]
                if named:
                    whole = combine(*([] if rule is None else [rule]), *named)
                    await aadmit(scope, self._guard, lambda: request_of(scope), whole)
        except Denied as refusal:
            self._extend(refusal, rule)
            await answer(refusal, scope, receive, send)
            return
        token: AccessToken | None = scope.get("gatewright") if scope.get(GUARD) is self._guard else None
        await self._serve(app, token, scope, receive, send)

    async def _serve(
        self, app: App, token: AccessToken | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        # The SDK binds a session to its `user`: client, issuer and subject.
        user = None if token is None else AuthenticatedUser(_as_the_sdk_has_it(token, self._url))
        if user is not None:
            scope["user"] = user
        mine, theirs = _entered.set((self._guard, token)), auth_context_var.set(user)
        try:
            await app(scope, receive, send)
        finally:
            _entered.reset(mine)
            auth_context_var.reset(theirs)

    def _extend(self, refusal: Denied, rule: Rule | None) -> None:
        if refusal.status not in _CHALLENGED:
            return
        scopes = alternatives(rule)[0] if refusal.status == 401 else ()  # noqa: PLR2004 - RFC 9110
        if scopes:
            refusal.extend_challenge(scope=" ".join(scopes))
        refusal.extend_challenge(resource_metadata=self._metadata_url)

    def _rules_for(self, method: object, params: Mapping[str, object]) -> Iterator[Rule]:
        return rules_for(self._server, self._guard, method, params)

    def _guarded(self, rule: Rule, function: Callable[..., Any]) -> Callable[..., Any]:
        # A second look at the rule: the function is safe also where the message was not understood before.
        @functools.wraps(function)
        async def enter_async(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the function's own
            self._look_again(rule)
            return await function(*args, **kwargs)

        @functools.wraps(function)
        def enter(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the function's own
            self._look_again(rule)
            return function(*args, **kwargs)

        guarded: Callable[..., Any] = enter_async if inspect.iscoroutinefunction(function) else enter
        setattr(guarded, MARK, (*getattr(function, MARK, ()), (self._guard, rule)))
        return guarded

    def _look_again(self, rule: Rule) -> None:
        guard, token = _entered.get() or (None, None)
        request = Request("POST", self._url)
        try:
            if guard is self._guard and token is not None:
                self._guard.require(request, token, rule)
            else:
                self._guard.check(request, rule)
        except Denied as refusal:
            if not self._guard.enforce:
                return
            said = {**refusal.body, "scope": " ".join(getattr(refusal, "scopes", ()))}
            raise MCPError(INVALID_REQUEST, f"{refusal.description}: {said['scope']}", said) from refusal


def _check_url(url: str, guard: Guard) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"url is where clients reach the server, without query and fragment, not {url!r}")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError(f"{url!r} would send tokens in clear; use https")
    if url not in guard.audience:
        raise ValueError(f"{url!r} is no audience of the guard, so no token could be meant for this server")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _as_the_sdk_has_it(token: AccessToken, url: str) -> SDKAccessToken:
    return SDKAccessToken(
        token="",  # not kept, so that no tool can pass it on (MCP: no token passthrough)
        client_id=token.client_id or "",
        scopes=list(token.scopes),
        expires_at=int(token.expires_at),
        resource=url,
        subject=token.subject,
        claims=dict(token.claims),
    )


def _brings_json(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "POST":
        return False
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    return any(b"json" in kind.lower() for kind in kinds)


async def _looked_into(receive: Receive) -> tuple[bytes, Receive]:
    """The body, and a `receive` that gives it once more; empty when it is longer than a message may be."""
    seen: list[Message] = []
    size, more = 0, True
    while more and size <= LONGEST_MESSAGE:
        message = await receive()
        seen.append(message)
        size += len(message.get("body", b""))
        more = bool(message.get("more_body", False))
    too_long = more or size > LONGEST_MESSAGE
    body = b"" if too_long else b"".join(message.get("body", b"") for message in seen)
    again = iter(seen)

    async def replayed() -> Message:
        message = next(again, None)
        return await receive() if message is None else message

    return body, replayed


async def _send_metadata(document: Mapping[str, object], method: str, send: Send) -> None:
    status, content = 200, json.dumps(document, separators=(",", ":")).encode("ascii")
    headers = [(b"access-control-allow-origin", b"*")]
    if method in ("GET", "HEAD"):
        headers += [(b"content-type", b"application/json"), (b"cache-control", b"public, max-age=3600")]
    elif method == "OPTIONS":
        status, content = 204, b""
        headers += [
            (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
            (b"access-control-allow-headers", b"*, MCP-Protocol-Version"),
            (b"access-control-max-age", b"3600"),
        ]
    else:
        status, content = 405, b""
        headers.append((b"allow", b"GET, HEAD, OPTIONS"))
    if status != 204:  # noqa: PLR2004 - RFC 9110, section 8.6: no length in a 204
        headers.append((b"content-length", str(len(content)).encode("ascii")))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else content})
