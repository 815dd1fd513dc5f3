"""The generated tests in a project of its own, run by a real pytest: sound, and with one fault each."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

FASTAPI = """
from fastapi import FastAPI
from gatewright import Guard
from gatewright.fastapi import protect

guard = Guard("https://issuer.example/", audience="https://blog-api", algorithms=("RS256",))
app = FastAPI()
require = protect(app, guard, public=["/health"])

@app.get("/health")
def health():
    return {}

@app.get("/blogs", dependencies=[require("read:blog")])
def blogs():
    return {}

@app.post("/blogs/{id}", dependencies=[require("create:blog")])
async def create(id: int):
    return {}

@app.get("/authtest")
def authtest():
    return {}
"""

FLASK = """
from flask import Flask
from gatewright import Guard
from gatewright.flask import protect

guard = Guard("https://issuer.example/", audience="https://blog-api", algorithms=("RS256",))
app = Flask(__name__)
require = protect(app, guard, public=["/health"])

@app.get("/health")
def health():
    return {}

@app.get("/blogs")
@require("read:blog")
def blogs():
    return {}

@app.get("/authtest")
def authtest():
    return {}
"""

LITESTAR = """
from litestar import Controller, Litestar, WebSocket, get, websocket
from gatewright import Guard
from gatewright.litestar import Require, protect

guard = Guard("https://issuer.example/", audience="https://blog-api", algorithms=("RS256",))
require = Require(guard)

@get("/health")
async def health() -> dict[str, bool]:
    return {}

class Blogs(Controller):
    path = "/blogs"

    @get("/", guards=[require("read:blog")])
    async def blogs(self) -> dict[str, bool]:
        return {}

@get("/authtest", sync_to_thread=False)
def authtest() -> dict[str, bool]:
    return {}

@websocket("/feed", guards=[require("read:blog")])
async def feed(socket: WebSocket) -> None:
    await socket.accept()

app = Litestar([health, Blogs, authtest, feed], openapi_config=None)
protect(app, guard, public=["/health"])
"""

MCP = """
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.resources import TextResource
from starlette.responses import JSONResponse
from gatewright import Guard
from gatewright.mcp import protect

URL = "https://files.example/mcp"
guard = Guard("https://issuer.example/", audience=URL, algorithms=("RS256",))
server = MCPServer("files")
require = protect(server, guard, url=URL, rules={"/mcp": "files:use"}, public=["/health"])

@server.tool()
def authtest() -> str:
    return ""

@server.tool()
@require("files:write")
async def write(path: str, text: str) -> str:
    return ""

@server.resource("files://{name}{?page}")
@require("files:read")
def read(name: str, page: int = 1) -> str:
    return ""

server.add_resource(require("files:read")(TextResource(uri="text://static", name="static", text="")))

@server.prompt()
@require("files:read")
def summary() -> str:
    return ""

@server.custom_route("/health", methods=["GET"])
async def health(request):
    return JSONResponse({})

app = require.in_front_of(server.streamable_http_app())
"""

INI = "[pytest]\ngatewright_app = app:app\ngatewright_public = GET /health\n"


def run(folder: Path, program: str, *arguments: str) -> tuple[int, str]:
    (folder / "app.py").write_text(program)
    (folder / "pytest.ini").write_text(INI)
    (folder / "conftest.py").write_text('pytest_plugins = ["gatewright.testing.plugin"]\n')
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rf", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("program", "tests"), [(FASTAPI, 51), (FLASK, 50), (LITESTAR, 51), (MCP, 107)])
def test_sound_application_passes(tmp_path: Path, program: str, tests: int) -> None:
    code, said = run(tmp_path, program)
    assert code == 0, said
    assert f"{tests} passed" in said


@pytest.mark.parametrize("program", [FASTAPI, FLASK, LITESTAR])
def test_route_made_public_on_purpose_is_found_by_name(tmp_path: Path, program: str) -> None:
    code, said = run(tmp_path, program.replace('["/health"]', '["/health", "/authtest"]'))
    assert code == 1, said
    assert "GET /authtest needs no token and is not declared" in said
    assert "GET /authtest x no token: the endpoint app.authtest ran; status 200" in said
    assert "GET /blogs x" not in said


def test_guard_that_only_reports_is_found(tmp_path: Path) -> None:
    code, said = run(tmp_path, FLASK.replace('("RS256",))', '("RS256",), enforce=False)'))
    assert code == 1, said
    assert "GET /blogs needs no token and is not declared" in said
    assert "GET /blogs x no token: the endpoint app.blogs ran" in said


def test_route_declared_public_and_guarded_is_told(tmp_path: Path) -> None:
    code, said = run(tmp_path, FASTAPI.replace('["/health"]', "[]"), "-k", "public")
    assert code == 1, said
    assert "GET /health is declared and is not public" in said


def test_application_that_nothing_protects_stops_the_run(tmp_path: Path) -> None:
    code, said = run(tmp_path, "app = object()\n")
    assert code != 0
    assert "nothing protects" in said
