"""What can be asked of an MCP server by name, and the functions that answer: where rules may stand.

The SDK tells names in public, the functions behind them not; so its managers are looked into, here alone.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.resources import FunctionResource, Resource

from gatewright.guard import Guard, Rule

MARK: Final = "__gatewright__"
_OF_ONE_RESOURCE: Final = frozenset({"resources/read", "resources/subscribe", "resources/unsubscribe"})


@dataclass(frozen=True, slots=True)
class Thing:
    """A tool, a resource, a template of resources or a prompt; `function` is None where none answers."""

    kind: str
    name: str
    function: Callable[..., Any] | None


def things_of(server: MCPServer[Any]) -> Iterator[Thing]:
    """All that the server lists, each with the function that answers."""
    tools, prompts, resources = server._tool_manager, server._prompt_manager, server._resource_manager  # noqa: SLF001
    for tool in tools.list_tools():
        yield Thing("TOOL", tool.name, tool.fn)
    for resource in resources.list_resources():
        yield Thing("RESOURCE", str(resource.uri), getattr(resource, "fn", None))
    for template in resources.list_templates():
        yield Thing("RESOURCE", template.uri_template, template.fn)
    for prompt in prompts.list_prompts():
        yield Thing("PROMPT", prompt.name, prompt.fn)


def rules_on(function: object, guard: Guard) -> Iterator[Rule]:
    """The rules that `guard`'s own `require` has left on a function."""
    for marking, rule in getattr(function, MARK, ()):
        if marking is guard:
            yield rule


def rules_for(
    server: MCPServer[Any], guard: Guard, method: object, params: Mapping[str, object]
) -> Iterator[Rule]:
    """The rules on all that a message names, whatever it wants of it: to call, read, watch or complete it."""
    for function in _functions_of(server, method, params):
        yield from rules_on(function, guard)


def calls_in(body: bytes) -> Iterator[tuple[object, Mapping[str, object]]]:
    """The methods and parameters of the JSON-RPC messages in a body; none where it holds none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return
    for message in document if isinstance(document, list) else [document]:
        params = message.get("params") if isinstance(message, dict) else None
        if isinstance(params, dict):
            yield message.get("method"), params


def read_through(wrap: Callable[[Callable[..., Any]], Callable[..., Any]], resource: Resource) -> Resource:
    """The same resource, what reads it wrapped."""
    told = {name: getattr(resource, name) for name in Resource.model_fields}
    return FunctionResource(fn=wrap(getattr(resource, "fn", resource.read)), **told)


def _functions_of(
    server: MCPServer[Any], method: object, params: Mapping[str, object]
) -> Iterable[Callable[..., Any] | None]:
    tools, prompts = server._tool_manager, server._prompt_manager  # noqa: SLF001 - as above
    if method == "tools/call":
        return (tool.fn for tool in [tools.get_tool(str(params.get("name")))] if tool is not None)
    if method == "prompts/get":
        return (prompt.fn for prompt in [prompts.get_prompt(str(params.get("name")))] if prompt is not None)
    if method == "completion/complete":
        # The SDK takes a reference without its type too, by what it names.
        named = _mapping(params.get("ref"))
        return [
            *(_functions_of(server, "prompts/get", named) if "name" in named else ()),
            *(_functions_at(server, str(named["uri"])) if "uri" in named else ()),
        ]
    wanted: list[object] = [params.get("uri")] if method in _OF_ONE_RESOURCE else []
    if method == "subscriptions/listen":
        watched = _mapping(params.get("notifications"))
        for spelling in ("resourceSubscriptions", "resource_subscriptions"):
            uris = watched.get(spelling)
            wanted += uris if isinstance(uris, list) else []
    return [function for uri in wanted for function in _functions_at(server, str(uri))]


def _functions_at(server: MCPServer[Any], uri: str) -> Iterator[Callable[..., Any] | None]:
    resources = server._resource_manager  # noqa: SLF001 - as above
    found = [resource for resource in resources.list_resources() if str(resource.uri) == uri]
    for resource in found:
        yield getattr(resource, "fn", None)
    templates = resources.list_templates()
    # A template is asked only where no resource has the very URI, and only the first that fits; who
    # completes a value names the template itself.
    fitting = (template for template in templates if not found and _fits(template, uri))
    named = [template for template in templates if template.uri_template == uri]
    for template in (*named, *itertools.islice(fitting, 1)):
        yield template.fn


def _fits(template: Any, uri: str) -> bool:  # noqa: ANN401 - the SDK's own
    try:
        return template.matches(uri) is not None
    except ValueError:
        # It fits, with a value that the SDK refuses as unsafe.
        return True


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
