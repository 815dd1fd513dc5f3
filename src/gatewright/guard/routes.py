"""Which routes an application has and who may enter each: the list, its file for review, what has drifted.

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

Access: TypeAlias = Literal["guarded", "report-only", "public", "documentation", "open"]

ANY: Final = "*"
"""The method of a route that takes all of them."""

WEBSOCKET: Final = "WEBSOCKET"
"""The method of a route for handshakes, which patterns take for a GET."""

MESSAGES: Final = frozenset({"TOOL", "RESOURCE", "PROMPT"})
"""The methods of what an MCP server's messages name, `/mcp#name`; patterns take them for a POST to `/mcp`."""

_ATTRIBUTE: Final = "__gatewright_routes__"
_DEEPEST_WRAPPING: Final = 32
# Where middleware keeps the application inside of it; Litestar, the middleware around itself.
_INNER: Final = ("app", "asgi_handler", "__wrapped__")
_HEADER: Final = """\
# Who may enter what. Written by `gatewright routes --lock`; look at each change before it is accepted.
"""


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path, `/blogs/{id}`; the rule is None where any valid token will do.

    `access` is `guarded`, `report-only` (its guard tells what it would refuse, and lets it in), `public` (a
    pattern says so), `documentation` (a page of the framework's own, public too) or `open` (nothing protects
    it). `endpoint` names what serves it, "" where none is known.
    """

    method: str
    path: str
    rule: Rule | None
    access: Access
    endpoint: str = ""

    @property
    def allowed(self) -> str:
        """Who may enter, as it stands in the file: the rule, `any valid token`, or the kind of access."""
        words = [] if self.access == "guarded" else [self.access]
        return " ".join([*words, self.asked] if self.asks_for_token else words)

    @property
    def asked(self) -> str:
        """What a token must meet, in words."""
        return "any valid token" if self.rule is None else repr(self.rule)

    @property
    def asks_for_token(self) -> bool:
        """Whether a guard looks at the token, be it only to report what it would refuse."""
        return self.access in ("guarded", "report-only")

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


def attach(app: object, guard: Guard, found: Callable[[], Iterable[Found]], public: PublicPaths) -> None:
    """Let `app` tell its routes, which `found` finds whenever it is asked.

    Patterns in `public` that name no whole route are listed by themselves: nothing public is left out.
    """

    def tell() -> Policy:
        return Policy(guard, tuple(listed(found(), public, is_enforced=guard.enforce)))

    # Not setattr: aiohttp warns of attributes that are not its own.
    vars(app)[_ATTRIBUTE] = tell


def attach_patterns(app: object, guard: Guard, required: PatternRules, public: PublicPaths) -> None:
    """Let an application tell the patterns that it was protected with: no more is known of its routes."""

    def rule_at(path: str) -> Callable[[str], Rule | None]:
        return lambda method: required(method, path)[0]

    def found() -> Iterator[Found]:
        for method, path in (method_and_path(text) for text, _ in required.stated):
            yield Found(path, [method], rule_at(path))
        if (ANY, "/*") not in {method_and_path(text) for text, _ in required.stated}:
            yield Found("/*", [ANY], lambda _: None)

    attach(app, guard, found, public)


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
    found: Iterable[Found], public: PublicPaths, *, is_protected: bool = True, is_enforced: bool = True
) -> list[Route]:
    """The routes by path and method, what patterns make public said of each."""
    given: dict[Route, None] = {}
    for one in found:
        for method in one.methods:
            access = (one.access or _access(method, one.path, public)) if is_protected else "open"
            rule = one.rule_for(method) if access == "guarded" else None
            if access == "guarded" and not is_enforced:
                access = "report-only"
            given[Route(method, one.path, rule, access, _name_of(one.endpoint))] = None
    if is_protected:
        given |= dict.fromkeys(_public_by_themselves([*given], public))
    unique = {(route.method, route.path, route.allowed): route for route in reversed([*given])}
    # HEAD is GET without a body: told apart only where something else is asked for it.
    kept = [key for key in unique if key[0] != "HEAD" or ("GET", *key[1:]) not in unique]
    return [unique[key] for key in sorted(kept, key=lambda key: (key[1], key[0], key[2]))]


def scopes_of(routes: Iterable[Route]) -> list[str]:
    """Every scope that some rule names, in the order of the routes."""
    ways = (way for route in routes for way in alternatives(route.rule))
    return list(dict.fromkeys(scope for way in ways for scope in way))


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the file: a route and who may enter it, in words."""

    method: str
    path: str
    allowed: str

    @staticmethod
    def of(route: Route) -> "Entry":
        """The line of a route."""
        # A space parts the columns; a route by a regular expression may hold one.
        return Entry(route.method, route.path.replace(" ", "%20"), route.allowed)

    @property
    def is_guarded(self) -> bool:
        """Whether a token is needed."""
        return self.allowed.partition(" ")[0] not in ("report-only", "public", "documentation", "open")

    def __str__(self) -> str:
        # Fixed widths: a new long path must not move all other lines of the diff.
        return f"{self.method:<7} {self.path:<31} {self.allowed}"


@dataclass(frozen=True, slots=True)
class Drift:
    """What is different now: lines that came, that went, and (before, after) of one route."""

    added: tuple[Entry, ...]
    removed: tuple[Entry, ...]
    changed: tuple[tuple[Entry, Entry], ...]

    @property
    def opened(self) -> tuple[Entry, ...]:
        """The routes that strangers may enter now and might not before."""
        changed = (after for before, after in self.changed if before.is_guarded)
        return tuple(entry for entry in (*self.added, *changed) if not entry.is_guarded)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def write(routes: Iterable[Route]) -> str:
    """The file for review: a line for each route, sorted, the same text for the same routes."""
    entries = sorted({Entry.of(route) for route in routes}, key=_place)
    return _HEADER + "".join(f"{entry}\n" for entry in entries)


def parse(text: str) -> list[Entry]:
    """The lines of such a file; empty ones and those that begin with `#` say nothing.

    Raises:
        ValueError: a line is no method, path and rule; it is named.
    """
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split(maxsplit=2)
        if len(words) != len(Entry.__dataclass_fields__) or not words[1].startswith("/"):
            raise ValueError(f"line {number} is no method, path and rule: {line!r}")
        entries.append(Entry(words[0], words[1], words[2].rstrip()))
    return entries


def drift(locked: Iterable[Entry], routes: Iterable[Route]) -> Drift:
    """What `routes` have that the file has not, and the other way round."""
    before, now = set(locked), {Entry.of(route) for route in routes}
    removed, added = sorted(before - now, key=_place), sorted(now - before, key=_place)
    changed = []
    for old in tuple(removed):
        new = next((entry for entry in added if _place(entry)[:2] == _place(old)[:2]), None)
        if new is not None:
            changed.append((old, new))
            removed.remove(old)
            added.remove(new)
    return Drift(tuple(added), tuple(removed), tuple(changed))


def unguarded(app: object, public: Iterable[str] = ()) -> list[Route]:
    """The routes that strangers may enter and no pattern in `public` names, those of a report-only guard too.

    The framework's own documentation pages are not among them.

    Raises:
        NotProtectedError: nothing protects the application.
        TypeError, ValueError: as `Pattern.parse`; one string in place of several.
    """
    patterns = PublicPaths(public).patterns
    return [
        route
        for route in routes(app)
        if route.access in ("public", "open", "report-only")
        and not any(_names(text, route) for text in patterns)
    ]


def assert_guarded(app: object, public: Iterable[str] = ()) -> None:
    """Fail unless exactly what `public` names can be entered without a token.

    Raises:
        AssertionError: nothing protects the application; a route is public, open or guarded by report only
            and no pattern names it; or a pattern names nothing that is public. All of it is told at once.
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
    opened = (text for text in public.patterns if not text.startswith("!"))
    is_said = any(Pattern.parse(text).fits(*asked) for text in opened)
    return "public" if is_said else "documentation"


def _public_by_themselves(routes: Sequence[Route], public: PublicPaths) -> Iterator[Route]:
    for text in public.patterns:
        method, path = method_and_path(text)
        is_a_route = any(route.access == "public" and _names(text, route) for route in routes)
        if not text.startswith("!") and not is_a_route:
            yield Route(method, path, None, "public")


def _names(text: str, route: Route) -> bool:
    if text.startswith("!"):
        return False
    if method_and_path(text) == (route.method, route.path):
        return True
    return Pattern.parse(text).fits(*requested(route.method, route.path))


def _place(entry: Entry) -> tuple[str, str, str]:
    return entry.path, entry.method, entry.allowed


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
