"""Which routes an application has and who may enter each, told by whatever protects it.

Whatever protects an application leaves a callable on it, at `__gatewright_routes__`, that gives its
`Policy`. A framework that is configured rather than called has it on its adapter's module. So no framework
is imported here to find out.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast

from gatewright.guard.decision import Guard
from gatewright.guard.patterns import Pattern, PatternRules, PublicPaths
from gatewright.guard.rules import Rule, alternatives

Access: TypeAlias = Literal["guarded", "optional", "report-only", "public", "documentation", "open"]

ANY: Final = "*"
"""The method of a route that takes all of them."""

WEBSOCKET: Final = "WEBSOCKET"
"""The method of a route for handshakes, which patterns take for a GET."""

MESSAGES: Final = frozenset({"TOOL", "RESOURCE", "PROMPT"})
"""The methods of what an MCP server's messages name, `/mcp#name`; patterns take them for a POST to `/mcp`."""

ANY_VALID: Final = "any valid token"
"""What a route asks for that has no rule, in words."""

NOTHING: Final = PublicPaths(())
"""No path at all."""

_ATTRIBUTE: Final = "__gatewright_routes__"
_DEEPEST_WRAPPING: Final = 32
# Where middleware keeps the application inside of it; Litestar, the middleware around itself.
_INNER: Final = ("app", "asgi_handler", "__wrapped__")


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path, `/blogs/{id}`; the rule is None where any valid token will do.

    `access` is `guarded`, `optional` (whoever sends no token enters too), `report-only` (its guard tells what
    it would refuse, and lets it in), `public` (a pattern says so), `documentation` (a page of the framework's
    own, public too) or `open` (nothing protects it). `endpoint` names what serves it, "" where none is known.
    """

    method: str
    path: str
    rule: Rule | None
    access: Access
    endpoint: str = ""

    @property
    def allowed(self) -> str:
        """Who may enter, as it stands in the file: the rule, `any valid token`, or the kind of access."""
        if self.access == "report-only":
            return f"report-only {self.asked}"
        return self.asked if self.access == "guarded" else self.access

    @property
    def asked(self) -> str:
        """What a token must meet, in words."""
        return ANY_VALID if self.rule is None else repr(self.rule)

    @property
    def asks_for_token(self) -> bool:
        """Whether a guard looks at a token that is sent, be it only to report what it would refuse."""
        return self.access in ("guarded", "optional", "report-only")

    @property
    def needs_no_token(self) -> bool:
        """Whether strangers may enter."""
        return self.access != "guarded"


@dataclass(frozen=True, slots=True)
class Policy:
    """A guard and the routes behind it."""

    guard: Guard
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A route as an adapter finds it: the methods, and the rule for each of them.

    `methods` may hold HEAD and `*`; `rule_for` is called once for each method that is listed. `access` is
    for what patterns do not decide about.
    """

    path: str
    methods: Iterable[str]
    rule_for: Callable[[str], Rule | None]
    endpoint: object = None
    access: Access | None = None


class NotProtectedError(LookupError):
    """The application says nothing of its routes: no `protect` was called on it."""


class AlreadyProtectedError(RuntimeError):
    """A second `protect` of an application: it would have to pass both guards, and one of them be listed."""

    def __init__(self, app: object) -> None:
        super().__init__(
            f"{app!r} is protected already, and one guard decides. Give that guard every issuer and audience;"
            " routes get their rules from what the first protect gave. In tests let it trust a TokenIssuer of"
            " gatewright.testing, by issuer.trusted_by(guard), or have a function make the application anew"
        )


def ensure_unprotected(app: object) -> None:
    """Make sure that no `protect` was called on `app`, nor on what it wraps as middleware.

    Raises:
        AlreadyProtectedError: one was.
    """
    if any(hasattr(layer, _ATTRIBUTE) for layer in _layers(app)):
        raise AlreadyProtectedError(app)


def attach(
    app: object,
    guard: Guard,
    found: Callable[[], Iterable[Found]],
    public: PublicPaths,
    optional: PublicPaths = NOTHING,
) -> None:
    """Let `app` tell its routes, which `found` finds whenever it is asked.

    Patterns in `public` and `optional` that name no whole route are listed by themselves: nothing that
    strangers may enter is left out.
    """

    def tell() -> Policy:
        return Policy(guard, tuple(listed(found(), public, optional, is_enforced=guard.enforce)))

    # Not setattr: aiohttp warns of attributes that are not its own.
    vars(app)[_ATTRIBUTE] = tell


def attach_patterns(
    app: object, guard: Guard, required: PatternRules, public: PublicPaths, optional: PublicPaths
) -> None:
    """Let an application tell the patterns that it was protected with: no more is known of its routes."""

    def rule_at(path: str) -> Callable[[str], Rule | None]:
        return lambda method: required(method, path)[0]

    def found() -> Iterator[Found]:
        texts = [*(text for text, _ in required.stated), *optional.opened]
        stated = {method_and_path(text): None for text in texts}
        for method, path in stated:
            yield Found(path, [method], rule_at(path))
        if (ANY, "/*") not in stated:
            yield Found("/*", [ANY], lambda _: None)

    attach(app, guard, found, public, optional)


def discover(app: object) -> Policy:
    """The guard and the routes of a protected application, also of one inside of other middleware.

    Raises:
        NotProtectedError: nothing protects it.
    """
    for layer in _layers(app):
        tell = getattr(layer, _ATTRIBUTE, None) or _of_its_adapter(layer)
        if tell is not None:
            return cast("Policy", tell())
    raise NotProtectedError(f"nothing protects {app!r}: protect(app, guard) was not called on it")


def routes(app: object) -> list[Route]:
    """The routes of a protected application, by path and method.

    Raises:
        NotProtectedError: nothing protects it.
    """
    return list(discover(app).routes)


def listed(
    found: Iterable[Found],
    public: PublicPaths,
    optional: PublicPaths = NOTHING,
    *,
    is_protected: bool = True,
    is_enforced: bool = True,
) -> list[Route]:
    """The routes by path and method, what patterns make public or optional said of each."""
    given: dict[Route, None] = {}
    for one in found:
        for method in one.methods:
            access = (one.access or _access(method, one.path, public)) if is_protected else "open"
            rule = one.rule_for(method) if access == "guarded" else None
            if access == "guarded":
                access = _access_of_guarded(method, one.path, rule, optional, is_enforced=is_enforced)
            given[Route(method, one.path, rule, access, _name_of(one.endpoint))] = None
    if is_protected:
        given |= dict.fromkeys(_public_by_themselves([*given], public))
        given |= dict.fromkeys(_optional_by_themselves([*given], optional))
    unique = {(route.method, route.path, route.allowed): route for route in reversed([*given])}
    # HEAD is GET without a body: told apart only where something else is asked for it.
    kept = [key for key in unique if key[0] != "HEAD" or ("GET", *key[1:]) not in unique]
    return [unique[key] for key in sorted(kept, key=lambda key: (key[1], key[0], key[2]))]


def scopes_of(routes: Iterable[Route]) -> list[str]:
    """Every scope that some rule names, in the order of the routes."""
    ways = (way for route in routes for way in alternatives(route.rule))
    return list(dict.fromkeys(scope for way in ways for scope in way))


def unguarded(app: object, public: Iterable[str] = ()) -> list[Route]:
    """The routes that strangers may enter, for whatever reason, and no pattern in `public` names.

    The framework's own documentation pages are not among them.

    Raises:
        NotProtectedError: nothing protects the application.
        TypeError, ValueError: as `Pattern.parse`; one string in place of several.
    """
    patterns = PublicPaths(public).patterns
    return [
        route
        for route in routes(app)
        if route.needs_no_token
        and route.access != "documentation"
        and not any(_names(text, route) for text in patterns)
    ]


def assert_guarded(app: object, public: Iterable[str] = ()) -> None:
    """Fail unless exactly what `public` names can be entered without a token.

    Raises:
        AssertionError: nothing protects the application; a route may be entered and no pattern names it; or
            a pattern names nothing that is public. All of it is told at once.
        TypeError, ValueError: as `unguarded`.
    """
    patterns = PublicPaths(public).patterns
    try:
        free = [route for route in routes(app) if route.needs_no_token]
    except NotProtectedError as error:
        raise AssertionError(str(error)) from error
    faults = [f"{route.method} {route.path} is {route.access}" for route in unguarded(app, patterns)]
    faults += [
        f"{text!r} names nothing that is public"
        for text in patterns
        if not any(_names(text, route) for route in free)
    ]
    if faults:
        raise AssertionError("not guarded as it is said to be:\n" + "\n".join(f"  {line}" for line in faults))


def method_and_path(pattern: str) -> tuple[str, str]:
    """What stands in a pattern; the method is `*` where there is none."""
    *methods, path = pattern.split()
    return methods[0] if methods else ANY, path


def requested(method: str, path: str) -> tuple[str, str]:
    """The method and path of the request that a route takes, as patterns look at them."""
    if method in MESSAGES:
        return "POST", path.partition("#")[0]
    return "GET" if method == WEBSOCKET else method, path


def _access(method: str, path: str, public: PublicPaths) -> Access:
    asked = requested(method, path)
    if not public(*asked):
        return "guarded"
    is_said = any(Pattern.parse(text).fits(*asked) for text in public.opened)
    return "public" if is_said else "documentation"


def _access_of_guarded(
    method: str, path: str, rule: Rule | None, optional: PublicPaths, *, is_enforced: bool
) -> Access:
    # A rule is never lifted for want of a token.
    if rule is None and optional(*requested(method, path)):
        return "optional"
    return "guarded" if is_enforced else "report-only"


def _public_by_themselves(routes: Sequence[Route], public: PublicPaths) -> Iterator[Route]:
    for text in public.opened:
        if not any(route.access == "public" and _names(text, route) for route in routes):
            yield Route(*method_and_path(text), None, "public")


def _optional_by_themselves(routes: Sequence[Route], optional: PublicPaths) -> Iterator[Route]:
    for text in optional.opened:
        if not any(_names(text, route) for route in routes):
            yield Route(*method_and_path(text), None, "optional")


def _names(text: str, route: Route) -> bool:
    if text.startswith("!"):
        return False
    if method_and_path(text) == (route.method, route.path):
        return True
    return Pattern.parse(text).fits(*requested(route.method, route.path))


def _layers(app: object) -> Iterator[object]:
    """The application and what it wraps, from outside in."""
    layer: object = app
    for _ in range(_DEEPEST_WRAPPING):
        yield layer
        layer = next((inner for name in _INNER if (inner := getattr(layer, name, None)) is not None), None)
        if layer is None:
            return


def _name_of(endpoint: object) -> str:
    if endpoint is None or isinstance(endpoint, str):
        return endpoint or ""
    named = endpoint if hasattr(endpoint, "__qualname__") else type(endpoint)
    return f"{getattr(named, '__module__', '')}.{getattr(named, '__qualname__', '')}".strip(".")


def _of_its_adapter(app: object) -> Callable[[], Policy] | None:
    """How an application tells its routes that is configured, not called upon: its adapter's module knows."""
    for kind in type(app).__mro__:
        adapter = sys.modules.get(f"gatewright.{kind.__module__.partition('.')[0]}")
        tell = getattr(adapter, _ATTRIBUTE, None)
        if tell is not None:
            return cast("Callable[[], Policy]", tell)
    return None
