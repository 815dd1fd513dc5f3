"""The file in which people review who may enter what: written, read, and compared with an application."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, cast, get_args

from gatewright.guard import rule_text
from gatewright.guard.routes import ANY_VALID, Access, Route

_FREE: Final = frozenset(get_args(Access)) - {"guarded"}
_HEADER: Final = """\
# Who may enter what. Written by `gatewright routes --lock`; look at each change before it is accepted.
"""


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
        return self.allowed.partition(" ")[0] not in _FREE

    def route(self) -> Route:
        """The route that the line is of, its rule read back.

        Raises:
            ValueError: the last column is no rule and no kind of access.
        """
        access, _, asked = self.allowed.partition(" ")
        if access not in _FREE:
            access, asked = "guarded", self.allowed
        has_rule = access in ("guarded", "report-only")
        if asked and not has_rule:
            raise ValueError(f"{self.allowed!r} is no kind of access")
        rule = rule_text.parse(asked) if has_rule and asked != ANY_VALID else None
        return Route(self.method, self.path.replace("%20", " "), rule, cast("Access", access))

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


def _place(entry: Entry) -> tuple[str, str, str]:
    return entry.path, entry.method, entry.allowed
