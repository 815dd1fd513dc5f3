"""Patterns of requests, by method and path: which are public, and which a rule is for.

A pattern is a path, with a method before it or for all of them: `/health`, `GET /blogs`, `/blogs/{id}`
(one segment), `/static/*` (everything below). GET stands for HEAD too. Paths are those below the
application's own root, percent-decoded once.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import unquote

from gatewright.guard.rules import Rule, combine

_GETS: Final = frozenset({"HEAD", "WEBSOCKET"})  # the second: what lists call a handshake
_PARAMETER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A method, or None for all, and paths: one `exact`, or all that `strict` matches."""

    path: str
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
        # Literal text and names of parameters take turns.
        pieces = _PARAMETER.split(stem.rstrip("/"))
        if len(set(pieces[1::2])) < len(pieces[1::2]):
            raise ValueError(f"{text!r} names a parameter twice")
        regex = "".join(
            f"(?P<{piece}>[^/]+)" if position % 2 else re.escape(piece)
            for position, piece in enumerate(pieces)
        )
        below = "/.+" if stem != path else ""
        return Pattern(
            path=path,
            method=methods[0] if methods else None,
            exact=path if literal == path else None,
            strict=re.compile(regex + below, re.DOTALL),
            lenient=re.compile(regex + (below or "/?"), re.DOTALL | re.IGNORECASE),
        )

    def fits(self, method: str, path: str) -> bool:
        """Whether this request is certainly meant: what opens a door errs on the side of no."""
        if not self._has_method(method):
            return False
        if self.exact is not None:
            return path == self.exact
        is_plain = "%" not in path and path.removesuffix("/") == _plain(path)
        return is_plain and self.strict.fullmatch(path) is not None

    def may_fit(self, method: str, path: str) -> bool:
        """Whether this request could be meant: what closes a door errs on the side of yes."""
        # As sent, and as an application might read it that tidies paths or decodes them again.
        readings = dict.fromkeys((path, _plain(path), _plain(unquote(path))))
        # Some frameworks take `post` for POST.
        return self._has_method(method.upper()) and any(
            self.lenient.fullmatch(reading) for reading in readings
        )

    def parameters(self, path: str) -> dict[str, str]:
        """What stands at the parameters in a path that fits; empty where that cannot be told for sure."""
        found = self.strict.fullmatch(path.removesuffix("/"))
        return found.groupdict() if found is not None else {}

    def _has_method(self, method: str) -> bool:
        return self.method is None or self.method == ("GET" if method == "HEAD" else method)


class Ruled(NamedTuple):
    """What patterns say of a request: the rule, the path's parameters, and which path it was taken for."""

    rule: Rule | None
    path_params: Mapping[str, object]
    route: str | None


class PatternRules:
    """Rules by pattern: a request must meet every rule whose pattern may fit it.

    `stated` are the patterns as they were written, each with its rule.

    Raises:
        TypeError, ValueError: a pattern or a rule cannot be one, or the pattern names a method for which GET
            stands: it would fit nothing.
    """

    def __init__(self, rules: Mapping[str, Rule | str] | None) -> None:
        self.stated = [(text, combine(rule)) for text, rule in (rules or {}).items()]
        self._parsed = [(_told_by_get(Pattern.parse(text)), rule) for text, rule in self.stated]

    def __call__(self, method: str, path: str) -> "Ruled":
        """The rule for a request, None where any valid token will do, and what the path is taken for."""
        fitting = [(pattern, rule) for pattern, rule in self._parsed if pattern.may_fit(method, path)]
        found = [pair for pattern, _ in reversed(fitting) for pair in pattern.parameters(path).items()]
        route = next((pattern.path for pattern, _ in fitting if pattern.fits(method, path)), None)
        return Ruled(combine(*(rule for _, rule in fitting if rule is not None)), dict(found), route)


class PublicPaths:
    """The requests that need no token: those that fit a pattern and none of the patterns after a `!`.

    `patterns` are as they were given, `opened` those without a `!`, `pages` those that came as `more`.

    Raises:
        TypeError, ValueError: as `Pattern.parse`; one string in place of several; the pattern names a
            method for which GET stands: it would open nothing.
    """

    def __init__(self, patterns: Iterable[str], more: Iterable[str] = ()) -> None:
        if isinstance(patterns, str):
            raise TypeError(f"public is a collection such as [{patterns!r}], not one string")
        self.patterns, self.pages = tuple(patterns), tuple(more)
        self.opened = tuple(text for text in self.patterns if text[:1] != "!")
        self._open, self._closed = list[Pattern](), list[Pattern]()
        for text in (*self.patterns, *self.pages):
            is_closed = text[:1] == "!"
            pattern = _told_by_get(Pattern.parse(text[is_closed:]))
            (self._closed if is_closed else self._open).append(pattern)

    def __call__(self, method: str, path: str) -> bool:
        """Whether this request needs no token."""
        if not any(pattern.fits(method, path) for pattern in self._open):
            return False
        return not any(pattern.may_fit(method, path) for pattern in self._closed)


def _told_by_get(pattern: Pattern) -> Pattern:
    if pattern.method in _GETS:
        raise ValueError(f"no pattern can be for {pattern.method} alone: GET stands for it too")
    return pattern


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
