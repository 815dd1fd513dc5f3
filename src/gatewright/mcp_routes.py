"""What an MCP server serves, as `gatewright.guard.routes` lists it: HTTP paths, and what messages name.

A tool is the route `TOOL /mcp#name`, resources and prompts alike: below the path to which its messages go.
"""

import dataclasses
import functools
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from mcp.server.mcpserver import MCPServer

from gatewright.guard import Guard, Rule
from gatewright.guard.patterns import PatternRules
from gatewright.guard.routes import ANY, Access, Found, method_and_path, requested
from gatewright.guard.rules import combine
from gatewright.mcp_rules import rules_on, things_of
from gatewright.starlette import RouteRules

_SDK: Final = "mcp.server."


def found(
    app: object,
    server: MCPServer[Any],
    guard: Guard,
    *,
    required: PatternRules,
    url: str,
    metadata_path: str,
) -> Iterator[Found]:
    """The routes of `app`, patterns with rules that are none, the metadata, and all that messages name."""
    # The SDK's transports are Starlette's; of another application no more is known than its patterns.
    served = list(RouteRules(app, marks=lambda *_: ()).found()) or [Found("/*", [ANY], _any)]
    transport = _transport_in(served, urlsplit(url).path or "/")
    places = {(method, one.path) for one in served for method in one.methods}
    stated = [method_and_path(text) for text, _ in required.stated]
    served += [Found(path, [method], _any) for method, path in stated if (method, path) not in places]
    for one in served:
        yield dataclasses.replace(one, rule_for=functools.partial(_rule_at, required, one.path))
    yield Found(metadata_path, ["GET"], _any, access="documentation")
    for thing in things_of(server):
        own = list(rules_on(thing.function, guard))
        rule_for = functools.partial(_rule_at, required, transport, own=own)
        # Its own rule it makes sure of itself, also where the transport is public.
        access: Access | None = "guarded" if own else None
        yield Found(f"{transport}#{thing.name}", [thing.kind], rule_for, thing.function, access)


def _transport_in(served: Iterable[Found], path: str) -> str:
    """Where messages are sent: the path of the server's URL, unless a proxy in front has another one."""
    if any(one.path == path for one in served):
        return path
    transports = (one.path for one in served if type(one.endpoint).__module__.startswith(_SDK))
    return next(transports, path)


def _rule_at(required: PatternRules, path: str, method: str, *, own: Iterable[Rule] = ()) -> Rule | None:
    rule = required(*requested(method, path)).rule
    return combine(*([] if rule is None else [rule]), *own)


def _any(_: str) -> None:
    """Any valid token will do."""
