"""The start page at ``/``: what this is, where its keys are, and the three requests to try."""

from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gatewright._version import __version__
from gatewright.server.context import Server

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


async def start_page(server: Server, _: Request) -> Response:
    """The page; it holds no secret, and nothing that was in the request."""
    page = _template().render(issuer=server.settings.issuer, version=__version__)
    return HTMLResponse(page, headers=PAGE_HEADERS)


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    text = files("gatewright.server.dashboard").joinpath("templates/start.html").read_text(encoding="utf-8")
    return environment.from_string(text)
