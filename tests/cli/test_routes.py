"""`gatewright routes` and `gatewright openapi` on applications in the current folder."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.running import GATEWRIGHT, environment

if TYPE_CHECKING:
    from pathlib import Path

APP = """
from flask import Flask
from gatewright import Guard
from gatewright.flask import protect

def make(public=("/health",)):
    app = Flask(__name__, static_folder=None)
    require = protect(app, Guard("https://issuer.example/", audience="https://blog-api"), public=public)

    @app.get("/blogs/<int:id>")
    @require("read:blog")
    def blog(id): return {}

    @app.get("/health")
    def health(): return {}
    return app

app = make()
unprotected = Flask(__name__)
"""
LITESTAR = """
from litestar import Litestar, get
from litestar.params import FromPath
from gatewright import Guard
from gatewright.litestar import Require, protect

guard = Guard("https://issuer.example/", audience="https://blog-api")

@get("/blogs/{id:int}", guards=[Require(guard)("read:blog")])
async def blog(id: FromPath[int]) -> None: ...

@get("/health")
async def health() -> None: ...

app = Litestar([blog, health], openapi_config=None)
protect(app, guard, public=["/health"])
"""
MCP = """
from mcp.server.mcpserver import MCPServer
from gatewright import Guard
from gatewright.mcp import protect

URL = "https://files.example/mcp"
server = MCPServer("files")
require = protect(server, Guard("https://issuer.example/", audience=URL), url=URL)

@server.tool(name="write it")
@require("files:write")
def write() -> str: return ""

app = require.in_front_of(server.streamable_http_app())
"""
SETTINGS = """
SECRET_KEY = "not secret"
ROOT_URLCONF = "urls"
MIDDLEWARE = [{middleware}]
GATEWRIGHT = {{"issuer": "https://issuer.example/", "audience": "https://blog-api"}}
"""
URLS = """
from django.urls import include, path, re_path
from django.http import HttpResponse
from gatewright.django import require

@require("read:blog", POST="create:blog")
def blogs(request): return HttpResponse()

old = re_path(r"^old/(?P<year>[0-9]{4})/$", blogs)
urlpatterns = [path("api/", include([path("blogs/<int:id>/", blogs), old]))]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "litestar_app.py").write_text(LITESTAR)
    (tmp_path / "files.py").write_text(MCP)
    (tmp_path / "broken.py").write_text("raise RuntimeError('as it may')")
    (tmp_path / "guarded.py").write_text(SETTINGS.format(middleware='"gatewright.django.Middleware"'))
    (tmp_path / "forgotten.py").write_text(SETTINGS.format(middleware=""))
    (tmp_path / "urls.py").write_text(URLS)
    return tmp_path


def run(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: what it imports and configures would stay in this one."""
    ran = subprocess.run(
        [GATEWRIGHT, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=project,
        env=environment(),
        timeout=60,
    )
    assert "Traceback" not in ran.stderr
    return ran


@pytest.mark.parametrize("app", ["app:app", "litestar_app:app"])
def test_routes_are_listed_with_rule_and_access(project: Path, app: str) -> None:
    ran = run(project, "routes", app)
    assert ran.returncode == 0
    assert [line.split() for line in ran.stdout.splitlines()] == [
        ["METHOD", "PATH", "RULE", "ACCESS"],
        ["GET", "/blogs/{id}", 'all_of("read:blog")', "guarded"],
        ["GET", "/health", "-", "public"],
    ]


def test_routes_are_json_for_programs(project: Path) -> None:
    first, second = json.loads(run(project, "routes", "app:make", "--factory", "--json").stdout)
    assert first == {
        "method": "GET",
        "path": "/blogs/{id}",
        "rule": 'all_of("read:blog")',
        "access": "guarded",
        "endpoint": "app.make.<locals>.blog",
    }
    assert (second["rule"], second["access"]) == (None, "public")


def test_locked_routes_pass_until_one_differs(project: Path) -> None:
    assert run(project, "routes", "app:app", "--lock", "routes.lock").returncode == 0
    assert run(project, "routes", "app:app", "--check", "routes.lock").returncode == 0

    (project / "app.py").write_text(APP.replace("read:blog", "admin"))
    ran = run(project, "routes", "app:app", "--check", "routes.lock")
    assert ran.returncode == 1
    assert [line.split() for line in ran.stdout.splitlines()] == [
        ["-", "GET", "/blogs/{id}", 'all_of("read:blog")'],
        ["+", "GET", "/blogs/{id}", 'all_of("admin")'],
    ]
    assert "--lock" in ran.stderr


def test_tools_of_an_mcp_server_are_locked_by_name(project: Path) -> None:
    assert run(project, "routes", "files:app", "--lock", "routes.lock").returncode == 0
    assert (
        'TOOL    /mcp#write%20it                 all_of("files:write")'
        in (project / "routes.lock").read_text()
    )
    assert run(project, "routes", "files:app", "--check", "routes.lock").returncode == 0
    (project / "files.py").write_text(MCP.replace("files:write", "files:all"))
    ran = run(project, "routes", "files:app", "--check", "routes.lock")
    assert (ran.returncode, ran.stdout.count("TOOL")) == (1, 2)


@pytest.mark.parametrize("app", ["app:app", "litestar_app:app"])
def test_guard_that_only_reports_is_told_and_fails(project: Path, app: str) -> None:
    run(project, "routes", app, "--lock", "routes.lock")
    file = project / f"{app.partition(':')[0]}.py"
    file.write_text(
        file.read_text().replace('audience="https://blog-api"', 'audience="https://blog-api", enforce=False')
    )
    ran = run(project, "routes", app)
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[1].split() == [
        "GET", "/blogs/{id}", 'all_of("read:blog")', "report-only"
    ]  # fmt: skip
    assert "only reports: strangers may enter 1 " in ran.stderr
    assert json.loads(run(project, "routes", app, "--json").stdout)[0] | {"endpoint": ""} == {
        "method": "GET",
        "path": "/blogs/{id}",
        "rule": 'all_of("read:blog")',
        "access": "report-only",
        "endpoint": "",
    }
    checked = run(project, "routes", app, "--check", "routes.lock")
    assert (checked.returncode, "1 of them need no token" in checked.stderr) == (1, True)
    assert run(project, "routes", app, "--lock", "routes.lock").returncode == 1
    assert run(project, "routes", app, "--check", "routes.lock").returncode == 0


def test_new_public_route_fails_the_check_and_is_counted(project: Path) -> None:
    run(project, "routes", "app:app", "--lock", "routes.lock")
    (project / "app.py").write_text(APP.replace('"/health",', '"/health", "/blogs/{id}"'))
    ran = run(project, "routes", "app:app", "--check", "routes.lock", "--json")
    assert ran.returncode == 1
    assert [entry.split() for entry in json.loads(ran.stdout)["opened"]] == [["GET", "/blogs/{id}", "public"]]
    assert "1 of them need no token" in ran.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "MODULE:APP"),
        (("app",), 2, "MODULE:APP"),
        (("app:app", "--lock", "a", "--check", "b"), 2, "one at a time"),
        (("app:nothing",), 1, "has no nothing"),
        (("nowhere:app",), 1, "nowhere"),
        (("broken:app",), 1, "as it may"),
        (("app:unprotected",), 1, "not protected"),
        (("app:app", "--check", "missing.lock"), 1, "--lock"),
        (("app:app", "--check", "app.py"), 6, "line 2"),
    ],
)
def test_what_cannot_be_done_is_said(project: Path, words: tuple[str, ...], code: int, said: str) -> None:
    ran = run(project, "routes", *words)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr


def test_django_project_tells_its_urls(project: Path) -> None:
    ran = run(project, "routes", "--django", "guarded")
    assert ran.returncode == 0, ran.stderr
    assert [line.split(maxsplit=2)[:2] for line in ran.stdout.splitlines()[1:]] == [
        ["*", "/api/blogs/{id}/"],
        ["POST", "/api/blogs/{id}/"],
        ["*", "/api/old/{year}/"],
        ["POST", "/api/old/{year}/"],
    ]
    assert 'all_of("read:blog") & all_of("create:blog")' in ran.stdout


def test_django_project_without_the_middleware_is_open_and_fails(project: Path) -> None:
    ran = run(project, "routes", "--django", "forgotten")
    assert ran.returncode == 1
    assert "open" in ran.stdout
    assert "gatewright.django.Middleware" in ran.stderr


@pytest.mark.parametrize("app", ["app:app", "litestar_app:app"])
def test_document_is_written_and_merged(project: Path, app: str) -> None:
    assert run(project, "openapi", app, "--output", "openapi.json").returncode == 0
    written = json.loads((project / "openapi.json").read_text())
    assert written["paths"]["/blogs/{id}"]["get"]["security"] == [{"oauth2": ["read:blog"]}]

    written["paths"]["/blogs/{id}"]["get"] |= {"summary": "Mine", "security": []}
    (project / "openapi.json").write_text(json.dumps(written))
    merged = json.loads(run(project, "openapi", app, "--merge", "openapi.json").stdout)
    assert merged["paths"]["/blogs/{id}"]["get"]["summary"] == "Mine"
    assert merged["paths"]["/blogs/{id}"]["get"]["security"] == [{"oauth2": ["read:blog"]}]


@pytest.mark.parametrize(("content", "code"), [("[]", 6), ("{", 6), (None, 1)])
def test_document_to_merge_that_is_none_is_refused(project: Path, content: str | None, code: int) -> None:
    if content is not None:
        (project / "mine.json").write_text(content)
    assert run(project, "openapi", "app:app", "--merge", "mine.json").returncode == code


@pytest.mark.parametrize("name", ["routes", "openapi"])
def test_commands_have_help_with_examples(project: Path, name: str) -> None:
    assert f"gatewright {name} app:app" in run(project, name, "--help").stdout.partition("Examples:")[2]
