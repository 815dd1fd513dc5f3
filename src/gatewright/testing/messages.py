"""The JSON-RPC messages that ask an MCP server for what its route list names: tools, resources, prompts."""

import json
import re
from collections.abc import Mapping
from typing import Final

HEADERS: Final = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}

_METHODS: Final = {"TOOL": "tools/call", "RESOURCE": "resources/read", "PROMPT": "prompts/get"}
_EXPRESSION: Final = re.compile(r"\{([+#./;?&]?)([^}]+)\}")


def message(kind: str, name: str, values: Mapping[str, str]) -> bytes:
    """The message for a thing of that kind; `values` fill the template of a resource's URI, others are `1`.

    Raises:
        KeyError: nothing of that kind can be asked for.
    """
    named = {"uri": _expanded(name, values)} if kind == "RESOURCE" else {"name": name, "arguments": {}}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": _METHODS[kind], "params": named}).encode()


def _expanded(template: str, values: Mapping[str, str]) -> str:
    """A URI of the template (RFC 6570, section 3.2)."""

    def value(found: re.Match[str]) -> str:
        operator, names = found[1], [name.strip("*") for name in found[2].split(",")]
        given = [values.get(name, "1") for name in names]
        if operator in (";", "?", "&"):
            given = [f"{name}={one}" for name, one in zip(names, given, strict=True)]
        between = {"": ",", "+": ",", "#": ",", "?": "&"}.get(operator, operator)
        return operator.strip("+") + between.join(given)

    return _EXPRESSION.sub(value, template)
