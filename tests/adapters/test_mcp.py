"""MCP servers behind the guard, asked by the SDK's own client over HTTP on the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import MCPServer

from gatewright import Guard, any_of, claim
from gatewright.jose import JWKS
from gatewright.mcp import LONGEST_MESSAGE, Require, current_token, protect
from tests.adapters.doors import Answer, exchange, http_scope
from tests.guard.issuing import ISSUER, NOW, Clock, bearer, key, token
from tests.running import serving

URL = "https://files.example/mcp"
METADATA_PATH = "/.well-known/oauth-protected-resource/mcp"
METADATA = f'resource_metadata="https://files.example{METADATA_PATH}"'
RPC = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]
LACKS_WRITE = (
    f'Bearer realm="{URL}", error="insufficient_scope", '
    f'error_description="The access token lacks a required scope", scope="files:write", {METADATA}'
)
GUARD = Guard(ISSUER, audience=URL, keys=JWKS([key()]), now=Clock())

granted = functools.partial(token, aud=URL)


@dataclass(slots=True)
class Files:
    """An MCP server with one tool, resource and prompt for anybody and one each with a rule."""

    server: MCPServer[Any] = field(default_factory=lambda: MCPServer("files"))
    ran: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server.tool()(self.whoami)

    def whoami(self) -> str:
        """Who calls, by both accounts."""
        mine, theirs = current_token(), get_access_token()
        assert theirs is not None
        assert (theirs.token, theirs.resource, theirs.client_id) == ("", URL, mine.client_id)
        assert theirs.scopes == list(mine.scopes)
        return f"{mine.client_id}: {' '.join(mine.scopes)}"

    def guard(self, guard: Guard = GUARD, **options: Any) -> Require:  # noqa: ANN401 - as protect takes them
        require = protect(self.server, guard, **{"url": URL} | options)

        @self.server.tool()
        @require("files:write")
        def write(path: str) -> str:
            self.ran.append(f"write {path}")
            return f"written by {current_token().client_id}"

        @self.server.tool(name="re-name")
        @require(any_of("files:write", "admin"))
        async def rename(path: str) -> str:
            self.ran.append(f"rename {path}")
            return path

        @self.server.resource("files://one")
        @require("files:read")
        def one() -> str:
            self.ran.append("one")
            return "1"

        @self.server.resource("files://{name}/text")
        @require("files:read")
        def text(name: str) -> str:
            self.ran.append(f"text {name}")
            return name

        @self.server.prompt()
        @require("files:read")
        def summary() -> str:
            self.ran.append("summary")
            return "Sum up"

        return require


@contextlib.contextmanager
def served(files: Files, **options: Any) -> Iterator[str]:  # noqa: ANN401 - as protect takes them
    app = files.guard(**options).in_front_of(files.server.streamable_http_app())
    with serving(app) as base:
        yield base


@contextlib.asynccontextmanager
async def connected(
    base: str, access_token: str, mode: str, seen: list[httpx2.Response] | None = None
) -> AsyncIterator[Client]:
    async def see(response: httpx2.Response) -> None:
        if seen is not None:
            seen.append(response)

    headers = {"Authorization": f"Bearer {access_token}"}
    async with httpx2.AsyncClient(headers=headers, event_hooks={"response": [see]}, timeout=20) as http:
        transport = streamable_http_client(f"{base}/mcp", http_client=http)
        async with Client(transport, mode=mode, read_timeout_seconds=20) as client:
            yield client


def text_of(result: Any) -> str:  # noqa: ANN401 - the SDK's results
    return str(result.content[0].text)


def http(method: str, url: str, access_token: str | None = None, **more: Any) -> httpx2.Response:  # noqa: ANN401
    headers = {**dict(RPC), **(dict(bearer(access_token)) if access_token else {}), **more.pop("headers", {})}
    return httpx2.request(method, url, headers=headers, timeout=20, **more)


def call(name: str, arguments: dict[str, object] | None = None) -> dict[str, object]:
    params = {"name": name, "arguments": arguments or {}}
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@pytest.fixture(params=["legacy", "auto"])
def mode(request: pytest.FixtureRequest) -> str:
    """With sessions, as up to 2025-11-25, and without, as from 2026-07-28."""
    return str(request.param)


def test_a_client_with_the_scope_lists_and_calls_the_tools(mode: str) -> None:
    async def talk(base: str) -> None:
        async with connected(base, granted(scope="files:write files:read"), mode) as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            assert tools == {"whoami", "write", "re-name"}
            assert text_of(await client.call_tool("write", {"path": "a"})) == "written by app"
            assert text_of(await client.call_tool("re-name", {"path": "b"})) == "b"
            assert text_of(await client.call_tool("whoami")) == "app: files:write files:read"
            assert (await client.read_resource("files://one")).contents
            assert (await client.read_resource("files://x/text")).contents
            assert (await client.get_prompt("summary")).messages

    files = Files()
    with served(files) as base:
        asyncio.run(talk(base))
    assert files.ran == ["write a", "rename b", "one", "text x", "summary"]


def test_a_tool_whose_scope_the_token_lacks_is_403_with_the_scope_and_does_not_run(mode: str) -> None:
    seen: list[httpx2.Response] = []

    async def talk(base: str) -> None:
        async with connected(base, granted(), mode, seen) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} >= {"write"}
            with pytest.raises(MCPError):
                await client.call_tool("write", {"path": "a"})
            assert (seen[-1].status_code, seen[-1].headers["www-authenticate"]) == (403, LACKS_WRITE)
            assert text_of(await client.call_tool("whoami")) == "app: "

    files = Files()
    with served(files) as base:
        asyncio.run(talk(base))
    assert files.ran == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.call_tool("re-name", {"path": "a"}),
        lambda client: client.read_resource("files://one"),
        lambda client: client.read_resource("files://x/text"),
        lambda client: client.get_prompt("summary"),
    ],
    ids=["tool of another name", "resource", "template", "prompt"],
)
def test_every_kind_of_function_can_have_a_rule(mode: str, ask: Callable[[Client], Any]) -> None:
    seen: list[httpx2.Response] = []

    async def talk(base: str) -> None:
        async with connected(base, granted(scope="other"), mode, seen) as client:
            with pytest.raises(MCPError):
                await ask(client)
            assert seen[-1].status_code == 403

    files = Files()
    with served(files) as base:
        asyncio.run(talk(base))
    assert files.ran == []


@pytest.mark.parametrize(
    ("access_token", "error"),
    [
        (granted(exp=NOW - 31), "The access token expired"),
        (granted(aud="https://other.example/mcp"), "The access token is invalid"),
        (granted(key("other")), "The access token is invalid"),
    ],
    ids=["expired", "another server's", "forged"],
)
def test_a_client_with_a_bad_token_does_not_get_in(access_token: str, error: str) -> None:
    seen: list[httpx2.Response] = []

    async def talk(base: str) -> None:
        async with connected(base, access_token, "legacy", seen):
            pass

    with served(Files()) as base, pytest.RaisesGroup(MCPError, flatten_subgroups=True):
        asyncio.run(talk(base))
    assert [response.status_code for response in seen] == [401]
    assert seen[0].headers["www-authenticate"] == (
        f'Bearer realm="{URL}", error="invalid_token", error_description="{error}", {METADATA}'
    )


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "PUT", "OPTIONS"])
def test_the_transport_is_401_without_a_token_by_any_method(method: str) -> None:
    with served(Files(), rules={"/mcp": "files:read"}) as base:
        answer = http(method, f"{base}/mcp")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == f'Bearer realm="{URL}", scope="files:read", {METADATA}'


def test_the_scopes_of_the_transport_and_of_the_tool_are_asked_for_together() -> None:
    with served(Files(), rules={"/mcp": "files:read"}) as base:
        access_token = granted(scope="files:read")
        refused = http("POST", f"{base}/mcp", access_token, json=call("write", {"path": "a"}))
        assert refused.status_code == 403
        assert 'scope="files:read files:write"' in refused.headers["www-authenticate"]
        outside = http("POST", f"{base}/mcp", granted(), json=call("write", {"path": "a"}))
        assert 'scope="files:read"' in outside.headers["www-authenticate"]


def test_a_session_is_not_found_with_another_clients_token() -> None:
    files = Files()
    with served(files) as base:
        opened = http("POST", f"{base}/mcp", granted(azp="mallory-is-not-me"), json=INITIALIZE)
        session = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        ask = functools.partial(http, "POST", f"{base}/mcp", headers=session, json=call("whoami"))
        assert ask(granted(azp="mallory")).status_code == 404
        assert ask(granted(azp="mallory-is-not-me", sub="another")).status_code == 404
        assert http("DELETE", f"{base}/mcp", granted(azp="mallory"), headers=session).status_code == 404
        assert http("GET", f"{base}/mcp", granted(azp="mallory"), headers=session).status_code == 404
        own = ask(granted(azp="mallory-is-not-me"))
        assert own.status_code == 200
        assert "mallory-is-not-me: " in own.text
        assert http("DELETE", f"{base}/mcp", headers=session).status_code == 401


def test_each_message_of_a_session_is_judged_by_its_own_token() -> None:
    files = Files()
    with served(files) as base:
        opened = http("POST", f"{base}/mcp", granted(scope="files:write"), json=INITIALIZE)
        session = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        ask = functools.partial(http, "POST", f"{base}/mcp", headers=session)
        assert "app: later" in ask(granted(scope="later"), json=call("whoami")).text
        assert ask(granted(scope="later"), json=call("write", {"path": "a"})).status_code == 403
        assert ask(granted(exp=NOW - 31), json=call("whoami")).status_code == 401
        assert files.ran == []
        assert "written by app" in ask(granted(scope="files:write"), json=call("write", {"path": "a"})).text


def test_the_metadata_is_public_and_names_issuer_and_all_scopes() -> None:
    with served(Files(), rules={"/mcp": "files:use"}, name="Files") as base:
        answer = http("GET", base + METADATA_PATH)
        head = http("HEAD", base + METADATA_PATH)
    assert answer.status_code == 200
    assert answer.json() == {
        "resource": URL,
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["files:use", "files:write", "admin", "files:read"],
        "resource_name": "Files",
    }
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(answer.content))


def test_the_metadata_answers_preflights_and_refuses_other_methods() -> None:
    with served(Files()) as base:
        preflight = http("OPTIONS", base + METADATA_PATH, headers={"Origin": "https://page.example"})
        posted = http("POST", base + METADATA_PATH, json={})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "GET" in preflight.headers["access-control-allow-methods"]
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def asked(app: Any, headers: list[tuple[str, str]], body: Iterator[bytes]) -> Answer:  # noqa: ANN401 - ASGI
    return asyncio.run(exchange(app, [], http_scope("POST", "/mcp", headers), body))


@pytest.mark.parametrize("headers", [[], bearer(granted(exp=1)), bearer(granted(aud="https://other"))])
def test_nothing_is_read_of_a_strangers_hundred_megabytes(headers: list[tuple[str, str]]) -> None:
    files = Files()
    app = files.guard().in_front_of(files.server.streamable_http_app())
    answer = asked(app, [*headers, *RPC], (bytes(64 * 1024) for _ in range(1600)))
    assert (answer.status, answer.reads) == (401, 0)


def test_no_more_is_kept_of_a_known_clients_body_than_a_message_may_have() -> None:
    files, sizes, taken, kept = Files(), list[int](), list[int](), list[int]()

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - raw ASGI
        del scope
        kept.append(sum(taken))
        more = True
        while more:
            message = await receive()
            sizes.append(len(message["body"]))
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def chunks() -> Iterator[bytes]:
        for _ in range(160):
            taken.append(64 * 1024)
            yield bytes(64 * 1024)

    guarded = files.guard().in_front_of(app)
    assert asked(guarded, [*bearer(granted()), *RPC], chunks()).status == 200
    assert kept == [LONGEST_MESSAGE + 64 * 1024]
    assert sum(sizes) == 160 * 64 * 1024


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"null", b"[[]]", b'{"params":[]}'])
def test_a_body_that_is_no_message_is_the_transports_to_refuse(body: bytes) -> None:
    with served(Files()) as base:
        assert http("POST", f"{base}/mcp", granted(), content=body).status_code == 400


def test_several_calls_at_once_are_judged_by_all_their_rules() -> None:
    with served(Files()) as base:
        answer = http("POST", f"{base}/mcp", granted(), json=[call("whoami"), call("write")])
    assert answer.status_code == 403


def test_a_rule_on_other_claims_is_403_without_scope() -> None:
    files = Files()
    require = files.guard()

    @files.server.tool()
    @require(claim("tier").equals("gold"))
    def gold() -> str:
        return "gold"

    with serving(require.in_front_of(files.server.streamable_http_app())) as base:
        answer = http("POST", f"{base}/mcp", granted(), json=call("gold"))
    assert answer.status_code == 403
    assert "scope=" not in answer.headers["www-authenticate"].replace("insufficient_scope", "")


def test_a_server_whose_guard_was_left_out_refuses_every_message() -> None:
    async def talk() -> None:
        async with Client(files.server, mode="legacy") as client:
            await client.list_tools()

    files = Files()
    files.guard()
    refused = pytest.RaisesExc(MCPError, match="only behind its guard")
    with pytest.RaisesGroup(refused, flatten_subgroups=True):
        asyncio.run(talk())
    with serving(files.server.streamable_http_app()) as base:
        answer = http("POST", f"{base}/mcp", granted(scope="files:write"), json=INITIALIZE)
    assert "only behind its guard" in answer.text


def test_a_function_with_a_rule_refuses_by_itself_and_names_the_scope() -> None:
    files = Files()
    files.guard()
    with pytest.raises(MCPError, match="No access token was sent"):
        asyncio.run(files.server.call_tool("write", {"path": "a"}))
    assert files.ran == []


def test_a_call_that_was_not_understood_before_is_refused_by_the_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gatewright.mcp.LONGEST_MESSAGE", 10)
    files = Files()
    with served(files) as base:
        answer = http("POST", f"{base}/mcp", granted(), json=INITIALIZE)
        session = {"mcp-session-id": answer.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        answer = http("POST", f"{base}/mcp", granted(), headers=session, json=call("write", {"path": "a"}))
    assert "The access token lacks a required scope: files:write" in answer.text
    assert '"scope":"files:write"' in answer.text
    assert files.ran == []


def test_the_sse_transport_is_guarded_too() -> None:
    files = Files()
    with serving(files.guard().in_front_of(files.server.sse_app())) as base:
        assert http("GET", f"{base}/sse").status_code == 401
        assert http("POST", f"{base}/messages/", json=call("write")).status_code == 401
        assert http("POST", f"{base}/messages/", granted(), json=call("write")).status_code == 403


def test_a_client_talks_over_sse_too() -> None:
    async def talk(base: str) -> None:
        transport = sse_client(f"{base}/sse", headers=dict(bearer(granted(scope="files:write"))))
        async with Client(transport, mode="legacy", read_timeout_seconds=20) as client:
            assert text_of(await client.call_tool("whoami")) == "app: files:write"
            assert text_of(await client.call_tool("write", {"path": "a"})) == "written by app"

    files = Files()
    with serving(files.guard().in_front_of(files.server.sse_app())) as base:
        asyncio.run(talk(base))


@pytest.mark.parametrize(
    "url",
    [
        "https://files.example/other",
        "https://files.example/mcp/",
        "http://files.example/mcp",
        "https://files.example/mcp#x",
        "https://files.example/mcp?x",
        "files.example/mcp",
        "",
    ],
)
def test_a_url_that_is_no_audience_or_no_resource_is_told_when_built(url: str) -> None:
    audience = [URL] if url.startswith("https://files.example/") and "x" not in url[-2:] else [url or URL]
    with pytest.raises(ValueError, match=r"audience|url|https"):
        protect(MCPServer("files"), Guard(ISSUER, audience=audience), url=url)


def test_misuse_is_told_when_built() -> None:
    wrong: Any = "files"
    with pytest.raises(TypeError, match="MCPServer"):
        protect(wrong, GUARD, url=URL)
    with pytest.raises(ValueError, match="scope"):
        protect(MCPServer("files"), GUARD, url=URL)()
    with pytest.raises(RuntimeError, match="no request"):
        current_token()


def test_a_plain_http_resource_on_the_loopback_has_its_metadata() -> None:
    url = "http://127.0.0.1:3000/"
    require = protect(MCPServer("files"), Guard(ISSUER, audience=url), url=url)
    assert require.metadata()["resource"] == url
    assert "scopes_supported" not in require.metadata()
