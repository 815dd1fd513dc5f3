"""Templates and static files, and the headers that every page has."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gatewright._version import __version__
from gatewright.server.context import Server

PREFIX: Final = "/ui"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'"
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    # Not no-referrer: browsers would then send forms with the origin null, which is refused here.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?", re.IGNORECASE)
_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_ASSET = re.compile(r"(?P<stem>[a-z-]+)\.(?P<tag>[0-9a-f]{12})\.(?P<kind>css|js|svg)")


def html(
    template: str, context: Mapping[str, object], *, status: int = 200, connects_to: Sequence[str] = ()
) -> Response:
    """A page; ``connects_to`` are the URLs whose servers its script may ask beside this one."""
    text = _environment().get_template(template).render({"version": __version__, **context})
    origins = {f"{url.scheme}://{url.netloc}" for url in map(urlsplit, connects_to)}
    # Without an IPv6 literal, which no source expression can name (CSP 3, section 2.3.1).
    named = " ".join(sorted(origin for origin in origins if _ORIGIN.fullmatch(origin)))
    policy = _POLICY.replace("connect-src 'self'", f"connect-src 'self' {named}") if named else _POLICY
    return HTMLResponse(text, status, {**HEADERS, "Content-Security-Policy": policy})


async def static_file(_: Server, http: Request) -> Response:
    """A static file under its fingerprinted name, which never means another content."""
    match = _ASSET.fullmatch(http.path_params["name"])
    name = f"{match['stem']}.{match['kind']}" if match else ""
    known = _assets().get(name)
    if match is None or known is None or known[0] != match["tag"]:
        return Response(status_code=404, headers={"Cache-Control": "no-store"})
    headers = {
        "Content-Type": f"{_TYPES[match['kind']]}; charset=utf-8",
        "Cache-Control": "public, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(known[1], headers=headers)


@cache
def _assets() -> dict[str, tuple[str, bytes]]:
    folder = files("gatewright.server.dashboard").joinpath("static")
    contents = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}
    return {name: (hashlib.sha256(content).hexdigest()[:12], content) for name, content in contents.items()}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gatewright.server.dashboard"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = asset
    environment.filters["moment"] = moment
    environment.filters["duration"] = duration
    environment.filters["prose"] = prose
    return environment


def asset(name: str) -> str:
    """The address of a static file."""
    stem, _, kind = name.rpartition(".")
    return f"{PREFIX}/static/{stem}.{_assets()[name][0]}.{kind}"


def moment(text: str | float | None) -> str:
    """A time for people, in UTC."""
    if text is None or text == "":
        return "never"
    at = datetime.fromtimestamp(text, UTC) if isinstance(text, int | float) else datetime.fromisoformat(text)
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def prose(text: str) -> Markup:
    """A sentence in which `what stands so` is code."""
    parts = [
        Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(text.split("`"))
    ]
    return Markup().join(parts)


def duration(seconds: float) -> str:
    """``24 h (86400 s)``."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0 and not (unit == "d" and seconds == size):
            return f"{int(seconds // size)} {unit} ({int(seconds)} s)"
    return f"{int(seconds)} s"
