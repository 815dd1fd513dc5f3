"""Rules on all that an MCP message can name, by every method that names it, and the list of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.resources import FunctionResource, Resource, TextResource
from mcp.types import Completion, PromptReference, ResourceTemplateReference
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount

from gatewright.guard.openapi import written
from gatewright.guard.routes import assert_guarded, discover, routes, scopes_of
from gatewright.mcp import Require, protect
from tests.adapters.test_mcp import GUARD, RPC, URL, Files, asked, connected, granted, http
from tests.guard.issuing import bearer
from tests.running import serving

SUBSCRIBE, UNSUBSCRIBE = "resources/subscribe", "resources/unsubscribe"


def rpc(method: str, **params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}


NAMING: dict[str, tuple[str, dict[str, object]]] = {
    "subscribe to a resource": (SUBSCRIBE, {"uri": "files://one"}),
    "subscribe to a static resource": (SUBSCRIBE, {"uri": "files://static"}),
    "subscribe to what a template gives": (SUBSCRIBE, {"uri": "files://x/text"}),
    "unsubscribe": (UNSUBSCRIBE, {"uri": "files://one"}),
    "read a static resource": ("resources/read", {"uri": "files://static"}),
    "read with an unsafe value": ("resources/read", {"uri": "files://..%2F../text"}),
    "listen": ("subscriptions/listen", {"notifications": {"resourceSubscriptions": ["files://x/text"]}}),
    "listen by the SDK's own spelling": (
        "subscriptions/listen",
        {"notifications": {"resource_subscriptions": ["files://free", "files://static"]}},
    ),
    "complete a prompt": ("completion/complete", {"ref": {"type": "ref/prompt", "name": "summary"}}),
    "complete a prompt without saying so": ("completion/complete", {"ref": {"name": "summary"}}),
    "complete a template": (
        "completion/complete",
        {"ref": {"type": "ref/resource", "uri": "files://{name}/text"}},
    ),
    "complete a resource": ("completion/complete", {"ref": {"uri": "files://static"}}),
}


def with_static(files: Files, guard: Any = GUARD, **options: Any) -> Require:  # noqa: ANN401 - as protect takes them
    require = files.guard(guard, **options)
    files.server.add_resource(
        require("files:read")(TextResource(uri="files://static", name="static", title="Stands", text="still"))
    )
    files.server.add_resource(TextResource(uri="files://free", name="free", text="to all"))

    async def complete(ref: object, argument: object, context: object) -> Completion:
        del argument, context
        files.ran.append(f"complete {ref!r}")
        return Completion(values=["a"])

    files.server.completion()(complete)  # type: ignore[no-untyped-call]
    return require


@pytest.mark.parametrize("case", NAMING)
def test_a_message_that_names_what_has_a_rule_is_403_whatever_it_wants(case: str) -> None:
    method, params = NAMING[case]
    files = Files()
    app = with_static(files).in_front_of(files.server.streamable_http_app())
    with serving(app) as base:
        refused = http("POST", f"{base}/mcp", granted(), json=rpc(method, **params))
        entered = http("POST", f"{base}/mcp", granted(scope="files:read"), json=rpc(method, **params))
    assert refused.status_code == 403
    assert 'scope="files:read"' in refused.headers["www-authenticate"]
    assert entered.status_code != 403
    assert files.ran == []


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("resources/read", {"uri": "files://free"}),
        ("resources/read", {"uri": "files://unknown"}),
        (SUBSCRIBE, {}),
        ("subscriptions/listen", {"notifications": {"resourceSubscriptions": "files://one"}}),
        ("subscriptions/listen", {"notifications": []}),
        ("completion/complete", {"ref": "files://one"}),
        ("completion/complete", {"ref": {"type": "ref/prompt"}}),
        ("tools/list", {}),
        ("resources/templates/list", {}),
    ],
)
def test_a_message_that_names_nothing_with_a_rule_is_the_servers_to_answer(
    method: str, params: dict[str, object]
) -> None:
    files = Files()
    app = with_static(files).in_front_of(files.server.streamable_http_app())
    with serving(app) as base:
        assert http("POST", f"{base}/mcp", granted(), json=rpc(method, **params)).status_code in (200, 400)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_client_with_the_scope_reads_and_completes_and_one_without_does_not(mode: str) -> None:
    async def talk(base: str, scope: str) -> list[str]:
        async with connected(base, granted(scope=scope), mode) as client:
            listed = {str(resource.uri): resource for resource in (await client.list_resources()).resources}
            assert listed["files://static"].title == "Stands"
            assert (await client.read_resource("files://free")).contents[0].text == "to all"  # type: ignore[union-attr]
            answers = []
            for ask in (reads, completes_prompt, completes_template):
                try:
                    answers.append(await ask(client))
                except MCPError:
                    answers.append("refused")
            return answers

    async def reads(client: Client) -> str:
        return str((await client.read_resource("files://static")).contents[0].text)  # type: ignore[union-attr]

    async def completes_prompt(client: Client) -> str:
        done = await client.complete(PromptReference(name="summary"), {"name": "n", "value": ""})
        return done.completion.values[0]

    async def completes_template(client: Client) -> str:
        ref = ResourceTemplateReference(uri="files://{name}/text")
        return (await client.complete(ref, {"name": "name", "value": ""})).completion.values[0]

    files = Files()
    with serving(with_static(files).in_front_of(files.server.streamable_http_app())) as base:
        assert asyncio.run(talk(base, "files:read")) == ["still", "a", "a"]
        assert len(files.ran) == 2
        assert asyncio.run(talk(base, "files:write")) == ["refused"] * 3
    assert len(files.ran) == 2


def test_a_client_may_listen_to_a_resource_only_with_its_scope() -> None:
    async def talk(base: str, scope: str, uri: str) -> bool:
        async with connected(base, granted(scope=scope), "auto") as client:
            try:
                async with asyncio.timeout(20), client.listen(resource_subscriptions=[uri]):
                    return True
            except MCPError:
                return False

    files = Files()
    with serving(with_static(files).in_front_of(files.server.streamable_http_app())) as base:
        assert asyncio.run(talk(base, "files:read", "files://static"))
        assert asyncio.run(talk(base, "", "files://free"))
        assert not asyncio.run(talk(base, "", "files://static"))


@pytest.mark.parametrize("case", ["read a static resource", "complete a template", "listen"])
def test_what_was_not_understood_before_is_refused_by_the_server(
    monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr("gatewright.mcp.LONGEST_MESSAGE", 10)
    files = Files()
    with serving(with_static(files).in_front_of(files.server.streamable_http_app())) as base:
        method, params = NAMING[case]

        async def talk() -> None:
            async with connected(base, granted(), "auto") as client:
                match method:
                    case "resources/read":
                        await client.read_resource("files://static")
                    case "subscriptions/listen":
                        async with client.listen(resource_subscriptions=["files://static"]):
                            pass
                    case _:
                        ref = ResourceTemplateReference(uri="files://{name}/text")
                        await client.complete(ref, {"name": "name", "value": ""})

        refused = pytest.RaisesExc(MCPError, match="lacks a required scope")
        with pytest.RaisesGroup(refused, flatten_subgroups=True, allow_unwrapped=True):
            asyncio.run(talk())
    assert params
    assert files.ran == []


@pytest.mark.parametrize("on", ["its function", "itself"])
def test_rules_on_a_resource_object_add_up(on: str) -> None:
    server = MCPServer[Any]("files")
    require = protect(server, GUARD, url=URL)

    def text() -> str:
        return ""

    function = require("a")(text) if on == "its function" else text
    one: Resource = FunctionResource(uri="files://one", name="one", fn=function)
    server.add_resource(require("b")(one if on == "its function" else require("a")(one)))
    app = require.in_front_of(server.streamable_http_app())
    statuses = [
        asked_by(app, scope, rpc("resources/read", uri="files://one")) for scope in ("", "a", "b", "c")
    ]
    assert statuses == [403] * 4
    assert scopes_of(routes(app)) == ["a", "b"]


def asked_by(app: Any, scope: str, message: object) -> int:  # noqa: ANN401 - ASGI
    return asked(app, [*bearer(granted(scope=scope)), *RPC], iter([json.dumps(message).encode()])).status


def test_a_low_level_server_is_told_what_can_be_protected() -> None:
    low: Any = Server("files")
    with pytest.raises(TypeError, match=r"MCPServer.*gatewright\.asgi\.protect"):
        protect(low, GUARD, url=URL)


def with_routes(files: Files, **options: Any) -> tuple[MCPServer[Any], Require]:  # noqa: ANN401 - as protect takes them
    require = with_static(files, **options)

    async def serve(request: Request) -> Response:
        return JSONResponse({"method": request.method})

    files.server.custom_route("/health", methods=["GET"])(serve)
    files.server.custom_route("/files/{name}", methods=["GET", "DELETE"])(serve)
    return files.server, require


def told(app: object) -> list[str]:
    return [f"{route.method} {route.path} {route.allowed}" for route in routes(app)]


NAMED = [
    'PROMPT /mcp#summary all_of("files:use") & all_of("files:read")',
    'RESOURCE /mcp#files://free all_of("files:use")',
    'RESOURCE /mcp#files://one all_of("files:use") & all_of("files:read")',
    'RESOURCE /mcp#files://static all_of("files:use") & all_of("files:read")',
    'RESOURCE /mcp#files://{name}/text all_of("files:use") & all_of("files:read")',
    'TOOL /mcp#re-name all_of("files:use") & any_of("files:write", "admin")',
    'TOOL /mcp#whoami all_of("files:use")',
    'TOOL /mcp#write all_of("files:use") & all_of("files:write")',
]
RULES = {"/mcp": "files:use", "DELETE /files/{name}": "files:delete"}
METADATA = "GET /.well-known/oauth-protected-resource/mcp documentation"


def test_paths_tools_resources_and_prompts_are_listed_with_all_their_rules() -> None:
    server, require = with_routes(Files(), rules=RULES, public=["/health"])
    assert sorted(told(require.in_front_of(server.streamable_http_app()))) == sorted(
        [
            METADATA,
            'DELETE /files/{name} all_of("files:delete")',
            "GET /files/{name} any valid token",
            "GET /health public",
            '* /mcp all_of("files:use")',
            *NAMED,
        ]
    )


def test_a_transport_inside_of_another_application_is_listed() -> None:
    server, require = with_routes(Files(), rules={"/mcp": "files:use"}, public=["/health"])
    mounted = Starlette(routes=[Mount("/inner", app=server.streamable_http_app())])
    listed = told(require.in_front_of(mounted))
    assert "GET /inner/health any valid token" in listed
    # Where a proxy takes a part of the path away, tools stand at the path that is served.
    assert "TOOL /inner/mcp#whoami any valid token" in listed
    assert '* /mcp all_of("files:use")' in listed


def test_of_an_application_of_another_kind_its_patterns_are_listed() -> None:
    async def plain(scope: object, receive: object, send: object) -> None:
        raise AssertionError(f"nobody calls it, with {scope!r}, {receive!r}, {send!r}")

    _, require = with_routes(Files(), rules=RULES, public=["/health"])
    assert sorted(told(require.in_front_of(plain))) == sorted(
        [
            METADATA,
            "* /* any valid token",
            '* /mcp all_of("files:use")',
            'DELETE /files/{name} all_of("files:delete")',
            "* /health public",
            *NAMED,
        ]
    )


def test_tools_without_rules_are_public_with_their_transport_and_those_with_rules_are_not() -> None:
    server, require = with_routes(Files(), public=["/mcp"])
    app = require.in_front_of(server.streamable_http_app())
    access = {route.path: route.access for route in routes(app)}
    assert (access["/mcp"], access["/mcp#whoami"], access["/mcp#write"]) == ("public", "public", "guarded")
    assert_guarded(app, public=["/mcp"])
    with pytest.raises(AssertionError, match="TOOL /mcp#whoami is public"):
        assert_guarded(app, public=[])
    assert asked_by(app, "", rpc("tools/call", name="write")) == 403


def test_the_document_has_the_paths_alone() -> None:
    server, require = with_routes(Files(), rules=RULES, public=["/health"])
    policy = discover(require.in_front_of(server.streamable_http_app()))
    assert set(written(policy.guard, policy.routes)["paths"]) == {"/mcp", "/health", "/files/{name}"}
