"""The guard in front of any ASGI application: carries requests to it and its answers back, decides nothing.

::

    rules = {"GET /blogs": "read:blog", "POST /blogs": "create:blog"}
    app = protect(app, guard, rules=rules, public=["/health"])

A pattern is a path, with a method before it or for all of them: `/health`, `GET /blogs`, `/blogs/{id}`
(one segment), `/static/*` (everything below). GET stands for HEAD too. `!/static/private` takes a path
back out of `public`. What no pattern names needs a valid token; a request must meet every rule whose
pattern fits it.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from gatewright.guard import AccessToken, Denied, Guard, Request, Rule
from gatewright.guard.rules import combine

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_ACCEPTED: Final = "gatewright"
_GUARD: Final = "gatewright.guard"
_POLICY_VIOLATION: Final = 1008  # RFC 6455, section 7.4.1
_PARAMETER: Final = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")


def protect(
    app: App, guard: Guard, *, rules: Mapping[str, Rule | str] | None = None, public: Iterable[str] = ()
) -> App:
    """`app` behind `guard`, HTTP and WebSocket alike.

    The token is in `scope["gatewright"]`. A refused handshake is answered as the request would be, or
    closed with 1008 where the server cannot. Nothing is read of a refused body.

    Raises:
        TypeError, ValueError: a pattern or a rule cannot be one.
    """
    required = [(Pattern.parse(pattern), combine(rule)) for pattern, rule in (rules or {}).items()]

    def rule_for(scope: Scope) -> Rule | None:
        return combine(*(rule for pattern, rule in required if rule is not None and pattern.may_fit(scope)))

    return Guarded(app, guard=guard, is_public=PublicPaths(public), rule_for=rule_for)


class Guarded:
    """An ASGI application behind a guard; which rule holds and what is public it is told by functions."""

    def __init__(
        self,
        app: App,
        *,
        guard: Guard,
        is_public: Callable[[Scope], bool],
        rule_for: Callable[[Scope], Rule | None],
    ) -> None:
        self.app = app
        self._guard = guard
        self._is_public = is_public
        self._rule_for = rule_for

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] not in ("http", "websocket"):
            if scope["type"] != "lifespan":
                raise ValueError(f"a connection of type {scope['type']!r} cannot be guarded")
        elif not self._is_public(scope):
            try:
                token = await self._guard.acheck(request_of(scope), self._rule_for(scope))
            except Denied as refusal:
                await answer(refusal, scope, receive, send)
                return
            note(scope, self._guard, token)
        await self.app(scope, receive, send)


def request_of(scope: Scope) -> Request:
    """What the guard looks at of a connection."""
    return Request(scope.get("method", "GET"), scope["path"], scope["headers"])


def note(scope: Scope, guard: Guard, token: AccessToken) -> None:
    """Hand the token on to whatever serves the request, and remember whose decision it is."""
    scope[_ACCEPTED] = token
    scope[_GUARD] = guard
    scope.setdefault("state", {})["access_token"] = token


def accepted(scope: Scope, guard: Guard) -> AccessToken | None:
    """The token of this request, if this very guard has accepted it."""
    if scope.get(_GUARD) is not guard:
        return None
    token: AccessToken | None = scope.get(_ACCEPTED)
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


@dataclass(frozen=True, slots=True)
class Pattern:
    """A method, or None for all, and paths: one `exact`, or all that `strict` matches."""

    method: str | None
    exact: str | None
    strict: re.Pattern[str]
    lenient: re.Pattern[str]

    @staticmethod
    def parse(text: str) -> "Pattern":
        """A pattern such as `/health`, `GET /blogs/{id}` or `/static/*`.

        Raises:
            TypeError: no string.
            ValueError: no path that starts with a slash, or a `{` or `*` out of place.
        """
        if not isinstance(text, str):
            raise TypeError(f"a pattern is a string such as 'GET /blogs', not {text!r}")
        *methods, path = text.split() or [""]
        stem = path.removesuffix("/*")
        literal = _PARAMETER.sub("", stem)
        if not path.startswith("/") or set("{}*?#") & set(literal) or not _is_method(methods):
            raise ValueError(f"{text!r} is no pattern such as '/health', 'GET /blogs/{{id}}' or '/static/*'")
        regex = "[^/]+".join(re.escape(part) for part in _PARAMETER.split(stem.rstrip("/")))
        below = "/.+" if stem != path else ""
        return Pattern(
            method=methods[0] if methods else None,
            exact=path if literal == path else None,
            strict=re.compile(regex + below, re.DOTALL),
            lenient=re.compile(regex + (below or "/?"), re.DOTALL | re.IGNORECASE),
        )

    def fits(self, scope: Scope) -> bool:
        """Whether this request is certainly meant: what opens a door errs on the side of no."""
        path = route_path(scope)
        if not self._has_method(scope):
            return False
        if self.exact is not None:
            return path == self.exact
        is_plain = "%" not in path and path.removesuffix("/") == _plain(path)
        return is_plain and self.strict.fullmatch(path) is not None

    def may_fit(self, scope: Scope) -> bool:
        """Whether this request could be meant: what closes a door errs on the side of yes."""
        path = route_path(scope)
        # As sent, and as an application might read it that tidies paths or decodes them again.
        readings = dict.fromkeys((path, _plain(path), _plain(unquote(path))))
        return self._has_method(scope) and any(self.lenient.fullmatch(reading) for reading in readings)

    def _has_method(self, scope: Scope) -> bool:
        method = scope.get("method", "GET")
        return self.method is None or self.method == ("GET" if method == "HEAD" else method)


class PublicPaths:
    """The requests that need no token: those that fit a pattern and none of the patterns after a `!`.

    Raises:
        TypeError, ValueError: as `Pattern.parse`; one string in place of several.
    """

    def __init__(self, patterns: Iterable[str], more: Iterable[str] = ()) -> None:
        if isinstance(patterns, str):
            raise TypeError(f"public is a collection such as [{patterns!r}], not one string")
        self._open, self._closed = list[Pattern](), list[Pattern]()
        for text in (*patterns, *more):
            is_closed = text[:1] == "!"
            (self._closed if is_closed else self._open).append(Pattern.parse(text[is_closed:]))

    def __call__(self, scope: Scope) -> bool:
        """Whether this request needs no token."""
        if not any(pattern.fits(scope) for pattern in self._open):
            return False
        return not any(pattern.may_fit(scope) for pattern in self._closed)


def route_path(scope: Scope) -> str:
    """The path below the application's own root, exactly as Starlette's router takes it."""
    path: str = scope["path"]
    root: str = scope.get("root_path") or ""
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
        return path[len(root) :]
    return path


def _is_method(words: list[str]) -> bool:
    return not words or (len(words) == 1 and words[0].isalpha() and words[0].isupper())


def _plain(path: str) -> str:
    """`path` as a lenient application may read it: without empty, `.` and `..` segments."""
    segments: list[str] = []
    for segment in path.replace("\\", "/").split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    return "/" + "/".join(segments)
