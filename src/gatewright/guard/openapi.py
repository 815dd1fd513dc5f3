"""What an OpenAPI document says of a guarded API: security of operations, the refusals, the scheme.

Plain JSON values of OpenAPI 3.1; nothing here knows a framework.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gatewright.guard.decision import Guard
from gatewright.guard.routes import ANY, MESSAGES, WEBSOCKET, Route, scopes_of
from gatewright.guard.rules import alternatives

Document = dict[str, Any]

SCHEME: Final = "oauth2"
"""The name of the security scheme in the document."""

_REFUSAL: Final = "Refusal"
_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")  # OpenAPI 3.1, 4.8.9
_PARAMETER: Final = re.compile(r"\{([^{}]+)\}")


def token_url(guard: Guard) -> str | None:
    """Where tokens for the API are taken, below the first issuer; None where issuers are looked up."""
    return None if guard.issuer is None else f"{guard.issuer.rstrip('/')}/oauth/token"


def describe(operation: Document, route: Route) -> None:
    """Say of an operation which scopes it needs and how it refuses; what it says itself stays."""
    rule = route.rule
    others = [entry for entry in operation.get("security", ()) if set(entry) not in ({SCHEME}, set())]
    # OpenAPI 3.1, 4.8.10: the empty requirement is what makes security optional.
    without: list[Document] = [{}] if route.access == "optional" else []
    operation["security"] = [*without, *others, *({SCHEME: list(way)} for way in alternatives(rule))]
    responses = operation.setdefault("responses", {})
    responses.setdefault("401", _refusal("There is no valid access token", "WWW-Authenticate"))
    if rule is not None:
        responses.setdefault("403", _refusal(f"The access token does not meet: {rule!r}", "WWW-Authenticate"))
    responses.setdefault("503", _refusal("The keys to check access tokens cannot be fetched", "Retry-After"))


def describe_components(components: Document, guard: Guard, scopes: Iterable[str]) -> None:
    """The security scheme, with these scopes, and the schema of refusals."""
    url = token_url(guard)
    scheme: Document = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    if url is not None:
        flow = {"scopes": dict.fromkeys(scopes, ""), "tokenUrl": url}
        scheme = {"type": "oauth2", "flows": {"clientCredentials": flow}}
    components.setdefault("securitySchemes", {})[SCHEME] = scheme
    components.setdefault("schemas", {})[_REFUSAL] = {
        "title": _REFUSAL,
        "type": "object",
        "required": ["error", "error_description"],
        "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
    }


def amend(document: Document, guard: Guard, routes: Sequence[Route]) -> None:
    """Say in a framework's own document, in place, which operations need a token and how they refuse."""
    paths = document.get("paths") or {}
    told = {(route.method, route.path) for route in routes}
    described = []
    for route in routes:
        # HEAD is in the list only where something else is asked for it than for GET.
        shares = route.method == "GET" and ("HEAD", route.path) not in told
        for method in (route.method, "HEAD") if shares else (route.method,):
            operation = paths.get(route.path, {}).get(method.lower())
            if operation is not None and route.asks_for_token:
                describe(operation, route)
                described.append(route)
    describe_components(document.setdefault("components", {}), guard, scopes_of(described))


def written(guard: Guard, routes: Iterable[Route], into: Mapping[str, Any] | None = None) -> Document:
    """A document of these routes; what `into` says of an operation stays, but for its security.

    A route for every method is described by the operations that `into` has at its path, or else as GET.
    What is below a path (`/static/*`), WebSocket and the pages of a framework are left out.
    """
    document: Document = {
        "openapi": "3.1.0",
        "info": {"title": guard.audience[0], "version": "0"},
        **(into or {}),
    }
    paths = document["paths"] = {path: dict(item) for path, item in (document.get("paths") or {}).items()}
    described = [route for route in routes if _has_a_place(route)]
    # What holds for all methods first: that of one method is more precise.
    for route in sorted(described, key=lambda route: route.method != ANY):
        _write_route(paths, route)
    components = document["components"] = dict(document.get("components") or {})
    for name in ("securitySchemes", "schemas"):
        components[name] = dict(components.get(name) or {})
    describe_components(components, guard, scopes_of(described))
    return document


def _has_a_place(route: Route) -> bool:
    is_one_path = not route.path.endswith("/*")
    return is_one_path and route.method not in {WEBSOCKET, *MESSAGES} and route.access != "documentation"


def _write_route(paths: Document, route: Route) -> None:
    method = route.method.lower()
    if method not in _METHODS and route.method != ANY:
        return  # a method of somebody's own has no place in a document
    path = next((known for known in paths if _shape(known) == _shape(route.path)), route.path)
    item = paths.setdefault(path, {})
    present = [name for name in _METHODS if name in item]
    for name in (present or ["get"]) if route.method == ANY else [method]:
        operation = item[name] = dict(item.get(name) or _operation(name, path))
        operation["responses"] = dict(operation.get("responses") or {})
        operation["security"] = []
        if route.asks_for_token:
            describe(operation, route)


def _operation(method: str, path: str) -> Document:
    name = re.sub(r"\W+", "_", f"{method}{path}").strip("_")
    operation: Document = {
        "operationId": name,
        "responses": {"default": {"description": "The endpoint's own answer"}},
    }
    parameters = [
        {"name": parameter, "in": "path", "required": True, "schema": {"type": "string"}}
        for parameter in _PARAMETER.findall(path)
    ]
    return operation | ({"parameters": parameters} if parameters else {})


def _shape(path: str) -> str:
    """The path without the names of its parameters, which differ between a document and the code."""
    return _PARAMETER.sub("{}", path)


def _refusal(description: str, header: str) -> Document:
    return {
        "description": description,
        "headers": {header: {"schema": {"type": "string"}}},
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{_REFUSAL}"}}},
    }
