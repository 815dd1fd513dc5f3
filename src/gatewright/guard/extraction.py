"""Where a request may carry its token, beside the Authorization header: only where the API says so.

::

    Guard(..., token_from=[cookie("session_token", origins=["https://blog.example"])])

A place is a function of the request that gives the token or None. A request with tokens in two places is
malformed (RFC 6750, section 2). The body is never read, so it is no place.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final, TypeAlias
from urllib.parse import parse_qsl

from gatewright.guard.errors import BadHeader
from gatewright.guard.request import Request, bearer_token, header_values

TokenPlace: TypeAlias = Callable[[Request], str | None]

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_PARAMETERS: Final = 1000


def words_in(request: Request, places: Iterable[TokenPlace], *, realm: str) -> str | None:
    """The token that the request carries, whatever it is; None when it carries none.

    Raises:
        BadHeader: the header is malformed, or there are several tokens.
    """
    values = header_values(request.headers, "authorization")
    if len(values) > 1:
        raise BadHeader(realm=realm, detail="more than one Authorization header")
    words = bearer_token(values[0]) if values else None
    if words is not None and (not words or " " in words):
        raise BadHeader(realm=realm, detail="Bearer must be followed by one word")
    if not places:
        return words
    found = [] if words is None else [words]
    found += [token for place in places if (token := place(request)) is not None]
    if len(found) > 1 or (found and " " in found[0]):
        # RFC 6750, section 2: one method a request.
        raise BadHeader(realm=realm, detail="access tokens in several places, or several in one")
    return found[0] if found else None


def cookie(name: str, *, origins: Collection[str] = ()) -> TokenPlace:
    """A cookie, which browsers send by themselves: it counts only where no other site can have sent it.

    Safe methods always; others when the browser says that the request comes from the API's own origin
    (`Sec-Fetch-Site: same-origin`), or from one of `origins`, such as `https://blog.example`, by `Origin`.

    Raises:
        ValueError: `name` is empty, or an origin is none.
        TypeError: `name` is no string, or `origins` one string.
    """
    _require_name(name)
    if isinstance(origins, str):
        raise TypeError(f"origins is a collection such as [{origins!r}], not one string")
    allowed = frozenset(origins)
    for origin in allowed:
        if not origin.startswith(("https://", "http://")) or origin.count("/") != 2:  # noqa: PLR2004 - those of ://
            raise ValueError(f"{origin!r} is no origin such as 'https://blog.example'")

    def from_cookie(request: Request) -> str | None:
        found = list(_cookies(request, name))
        if not found or not (request.method in _SAFE or _is_from(request, allowed)):
            return None
        # Two of one name: a sibling domain may set cookies for all, and nobody can tell which is ours.
        return found[0] if len(set(found)) == 1 else " ".join(found)

    return from_cookie


def query(name: str = "access_token") -> TokenPlace:
    """A parameter of the query. It ends up in logs, histories and Referer headers: for want of any other way.

    Raises:
        ValueError: `name` is empty.
        TypeError: `name` is no string.
    """
    _require_name(name)

    def from_query(request: Request) -> str | None:
        text = request.url.partition("#")[0].partition("?")[2]
        if name not in text:
            return None
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
        except ValueError:
            return None
        found = [value for key, value in pairs if key == name]
        return " ".join(found) if found else None

    return from_query


def checked_places(places: Iterable[TokenPlace]) -> tuple[TokenPlace, ...]:
    """The places that a guard looks in beside the Authorization header.

    Raises:
        TypeError: no list of functions of a request.
    """
    if callable(places) or isinstance(places, str):
        raise TypeError("token_from is a list of places, such as [cookie('session')]")
    made = tuple(places)
    if not all(callable(place) for place in made):
        raise TypeError("token_from is a list of functions of a request, such as cookie('session')")
    return made


def _cookies(request: Request, name: str) -> Iterator[str]:
    for header in header_values(request.headers, "cookie"):
        for pair in header.split(";"):
            key, equals, value = pair.strip().partition("=")
            if equals and key == name:
                yield value.strip().strip('"')


def _is_from(request: Request, allowed: Collection[str]) -> bool:
    sites = header_values(request.headers, "sec-fetch-site")
    origins = header_values(request.headers, "origin")
    if len(origins) == 1 and origins[0] in allowed:
        return True
    return sites == ["same-origin"]


def _require_name(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"a name is a string, not {name!r}")
    if not name:
        raise ValueError("a name is not empty")
