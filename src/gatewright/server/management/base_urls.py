"""``/api/v2/resource-servers/{id}/base-urls``: where an API listens, so that the dashboard may call it.

Ours: Auth0 never calls an API. They are no members of the resource server itself, so that what tools export
of it is what Auth0 knows.
"""

import re
from dataclasses import replace
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from msgspec import Meta

from gatewright.server.errors import ApiError
from gatewright.server.management.description import Record
from gatewright.server.management.endpoint import Call, endpoint
from gatewright.server.management.resource_servers import named
from gatewright.server.management.schema import Body, invalid_body, require_unique
from gatewright.server.model import BASE_URLS, ResourceServer

MOST = 10
LONGEST = 300
# What a URL may be made of; whatever else is escaped in it (RFC 3986, section 2).
_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/\[\]!$&'()*+,=%@]+")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:.]+")


class BaseUrls(Body):
    """Where an API listens."""

    base_urls: Annotated[list[Annotated[str, Meta(min_length=1, max_length=LONGEST)]], Meta(max_length=MOST)]


def read(call: Call) -> object:
    """The base URLs that an administrator has registered for an API; the Management API has its own."""
    resource_server = named(call)
    if resource_server.is_system:
        return {"base_urls": [call.server.settings.management_audience.rstrip("/")]}
    return _rendered(resource_server)


def put(call: Call) -> object:
    """Registers exactly these; the first is the one that is called without a choice."""
    resource_server = named(call)
    if resource_server.is_system:
        raise ApiError(400, "System resource servers cannot be changed that way.", "operation_not_supported")
    base_urls = [_checked(text, index) for index, text in enumerate(call.body["base_urls"])]
    require_unique(base_urls, "base_urls")
    after = call.tx.resource_servers.update(resource_server.id, lambda item: _with(item, base_urls))
    return _rendered(after)


def _rendered(resource_server: ResourceServer) -> object:
    return {"base_urls": list(resource_server.base_urls)}


def _with(before: ResourceServer, base_urls: list[str]) -> ResourceServer:
    rest = {name: value for name, value in before.document.items() if name != BASE_URLS}
    return replace(before, document={**rest, BASE_URLS: base_urls} if base_urls else rest)


def _checked(text: str, index: int) -> str:
    """A URL that a path can be put behind, without the slash at its end."""
    prop = f"base_urls.{index}"
    if not _CHARACTERS.fullmatch(text):
        raise invalid_body("Not a URL: it holds a blank, a query, a fragment or a letter beyond ASCII", prop)
    try:
        url = urlsplit(text)
        _ = url.port  # a ValueError when it is none
    except ValueError as error:
        raise invalid_body("Not a URL", prop) from error
    if fault := _fault(url):
        raise invalid_body(fault, prop)
    return text.rstrip("/")


def _fault(url: SplitResult) -> str | None:
    if url.scheme not in {"http", "https"} or not _HOST.fullmatch(url.hostname or ""):
        return "Not a URL such as https://api.example.com or http://localhost:3000"
    if "@" in url.netloc:
        return "A base URL names no user"
    segments = url.path.lower().replace("%2e", ".").split("/")
    return "A base URL has no . or .. in its path" if {".", ".."} & set(segments) else None


_SHOWN = Record("RegisteredBaseUrls", BaseUrls)

ROUTES = (
    endpoint(
        "GET",
        "/resource-servers/{id}/base-urls",
        read,
        scope="read:resource_servers",
        answers=_SHOWN,
    ),
    endpoint(
        "PUT",
        "/resource-servers/{id}/base-urls",
        put,
        scope="update:resource_servers",
        body=BaseUrls,
        changes="Set the base URLs of a resource server",
        answers=_SHOWN,
    ),
)
