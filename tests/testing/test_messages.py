"""The messages that ask an MCP server for what its list names."""

from __future__ import annotations

import json

import pytest
from mcp.shared.uri_template import UriTemplate

from gatewright.testing.messages import message


def test_a_tool_and_a_prompt_are_asked_for_by_name() -> None:
    assert json.loads(message("TOOL", "write", {})) == {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "write", "arguments": {}},
    }
    assert json.loads(message("PROMPT", "summary", {}))["method"] == "prompts/get"


@pytest.mark.parametrize(
    "template",
    [
        "files://one",
        "files://{name}/text",
        "files://{+path}",
        "files://x{/path*}",
        "files://{name}{.ext}",
        "files://{a,b}/c",
        "files://x{;a,b}",
        "files://{name}{?page,size}",
        "files://x?a=1{&b}",
        "files://x{#part}",
    ],
)
def test_a_resource_is_asked_for_by_a_uri_of_its_template(template: str) -> None:
    asked = json.loads(message("RESOURCE", template, {}))
    assert asked["method"] == "resources/read"
    assert UriTemplate.parse(template).match(asked["params"]["uri"]) is not None


def test_values_that_are_given_stand_in_the_uri() -> None:
    asked = json.loads(message("RESOURCE", "files://{org}/{name}", {"name": "readme"}))
    assert asked["params"] == {"uri": "files://1/readme"}
