"""`gatewright init`: each project passes its own tests, runs as its README says, and is guarded."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import httpx2
import pytest

from gatewright.cli import init as module
from gatewright.cli.program import build
from tests.running import bearer, environment, free_port, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Cli
    from tests.running import ServerProcess

SOURCES = str(Path(module.__file__).parents[2])
API = "https://init-api"
FRAMEWORKS = get_args(module.Framework)
COMMAND = re.compile(r"gatewright ((?:\"[^\"]*\"|[^)])+)")
each_framework = pytest.mark.parametrize("framework", FRAMEWORKS)


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project for each framework, named after it."""
    folder = tmp_path_factory.mktemp("projects")
    for framework in FRAMEWORKS:
        ran = subprocess.run(
            [sys.executable, "-m", "gatewright.cli", "init", f"my-{framework}", "-f", framework, "-a", API],
            cwd=folder, env=environment(PYTHONPATH=SOURCES), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
    return folder


def shell_lines(project: Path) -> list[str]:
    """The commands of a project's README, without their remarks."""
    (block,) = re.findall(
        r"^```sh\n(.*?)^```$", (project / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    return [re.sub(r"\s+#.*", "", line) for line in block.splitlines()]


def serve_command(project: Path, port: int) -> list[str]:
    """How the README says the API is started, with this Python and on `port`."""
    (line,) = [line for line in shell_lines(project) if re.match(r"uvicorn|python [a-z]|flask", line)]
    words = [word.replace("3000", str(port)) for word in shlex.split(line)]
    return [sys.executable, *words[1:]] if words[0] == "python" else [sys.executable, "-m", *words]


@contextmanager
def running(project: Path, issuer: str, log: Path) -> Iterator[str]:
    """The project's API as its README starts it, for tokens of `issuer`; its base URL."""
    port = free_port()
    variables = environment(PYTHONPATH=SOURCES, GATEWRIGHT_ISSUER=issuer, PORT=str(port))
    url = f"http://127.0.0.1:{port}"
    with started(serve_command(project, port), f"{url}/health", cwd=project, log=log, variables=variables):
        yield url


@pytest.fixture(scope="module")
def tokens(projects: Path, server: ServerProcess) -> dict[str, str]:
    """Tokens by scope, taken with the commands of a README."""
    lines = [
        line
        for line in shell_lines(projects / "my-flask")
        if line.startswith(("gatewright apis", "gatewright grants"))
    ]
    assert len(lines) == 2

    def say(line: str) -> str:
        words = [sys.executable, "-m", "gatewright.cli", *shlex.split(line)[1:], "--data", str(server.data)]
        ran = subprocess.run(
            words, env=environment(PYTHONPATH=SOURCES), capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    for line in lines:
        say(line)
    read = say(f"gatewright token --api {API}")
    say(lines[1].replace("read:blog", "create:blog"))
    return {"read:blog": read, "create:blog": say(f"gatewright token --api {API}")}


@each_framework
def test_project_passes_its_own_tests(projects: Path, framework: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"],
        cwd=projects / f"my-{framework}", env=environment(PYTHONPATH=SOURCES),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "10 passed" in ran.stdout


@each_framework
def test_project_runs_as_its_readme_says_and_is_guarded(
    projects: Path, server: ServerProcess, tokens: dict[str, str], framework: str, tmp_path: Path
) -> None:
    reader, writer = bearer(tokens["read:blog"]), bearer(tokens["create:blog"])
    with running(projects / f"my-{framework}", server.issuer, tmp_path / "log") as url:
        assert httpx2.get(f"{url}/health").json() == {"up": True}
        for method, path in (
            ("GET", "/authtest"),
            ("GET", "/blogs"),
            ("POST", "/blogs"),
            ("GET", "/nowhere"),
        ):
            assert httpx2.request(method, url + path).status_code == 401
        assert httpx2.get(f"{url}/authtest", headers=reader).json() == {"loggedin": True}
        assert httpx2.get(f"{url}/blogs", headers=reader).json() == {"readBlogAccess": True}
        assert httpx2.get(f"{url}/blogs", headers=writer).status_code == 403
        assert httpx2.post(f"{url}/blogs", headers=reader).status_code == 403
        assert httpx2.post(f"{url}/blogs", headers=writer).json() == {"createBlogAccess": True}
        assert httpx2.get(f"{url}/nowhere", headers=reader).status_code == 404


def test_generated_code_is_sorted_and_without_faults(projects: Path) -> None:
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache"]
    for project in projects.iterdir():  # in it, so that its own modules are known as such
        ran = subprocess.run(
            [*ruff, "--select", "E,F,I,B,UP", "--line-length", "110"],
            cwd=project, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout


@each_framework
def test_readme_is_ten_lines_and_its_commands_are_taken(projects: Path, framework: str) -> None:
    project = projects / f"my-{framework}"
    lines = [line for line in (project / "README.md").read_text().splitlines() if line]
    assert len(lines) == 10
    program = build()
    commands = [found for line in shell_lines(project) for found in COMMAND.findall(line)]
    assert len(commands) == 4
    for command in commands:
        program.parse_args(shlex.split(command), exit_on_error=False, print_error=False)


def test_what_was_made_is_on_stdout_and_what_comes_next_on_stderr(
    bare_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = bare_cli("init", "blogs")
    assert ran.code == 0
    made = {f"blogs/{path.name}" for path in (tmp_path / "blogs").iterdir()}
    assert set(ran.out.split()) == made
    assert "FastAPI" in (tmp_path / "blogs/README.md").read_text()
    assert "cd blogs" in ran.err
    assert "uvicorn app:app --port 3000" in ran.err


def test_json_tells_the_same(bare_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = bare_cli("init", "blogs", "-f", "wsgi", "--json").json
    assert set(told["files"]) == {path.name for path in (tmp_path / "blogs").iterdir()}
    assert (told["folder"], told["framework"], told["audience"]) == ("blogs", "wsgi", "https://blog-api")
    assert len(told["next"]) == 3


def test_folder_with_something_in_it_is_left_alone(
    bare_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "blogs").mkdir()
    assert bare_cli("init", "blogs", "-f", "wsgi").code == 0
    (tmp_path / "blogs/app.py").write_text("mine")
    ran = bare_cli("init", "blogs", "-f", "wsgi")
    assert (ran.code, ran.out) == (5, "")
    assert "not empty" in ran.err
    assert (tmp_path / "blogs/app.py").read_text() == "mine"


def test_file_of_that_name_is_left_alone(
    bare_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "blogs").write_text("mine")
    assert bare_cli("init", "blogs").code == 5
    assert (tmp_path / "blogs").read_text() == "mine"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a b", "é", "a\n", "a;b"])
def test_name_that_is_none_is_wrong_usage(
    bare_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert bare_cli("init", name).code == 2
    assert list(tmp_path.iterdir()) == []


def test_unknown_framework_is_wrong_usage_and_all_are_named(bare_cli: Cli) -> None:
    ran = bare_cli("init", "blogs", "--framework", "flsk")
    assert ran.code == 2
    assert all(framework in ran.err for framework in FRAMEWORKS)


@pytest.mark.parametrize(
    "words",
    [("--issuer", "http://auth.example.com/"), ("--issuer", "nonsense"), ("-a", "two words"), ("-a", "")],
)
def test_value_no_guard_takes_is_invalid_input(
    bare_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert bare_cli("init", "blogs", *words).code == 6
    assert list(tmp_path.iterdir()) == []


@each_framework
def test_values_stay_values_in_python_and_in_the_shell(
    bare_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, framework: str
) -> None:
    monkeypatch.chdir(tmp_path)
    issuer, audience = "https://auth.example/a'$(b)\"/", 'urn:"$x"\'`y`\\n${name}'
    assert bare_cli("init", "odd", "-f", framework, "--issuer", issuer, "-a", audience).code == 0
    holder = "settings" if framework.startswith("django") else "app"
    python = f"from {holder} import guard; print(guard.issuer, *guard.audience)"
    shell = 'set -a; . ./.env.example; printf \'%s %s\\n\' "$GATEWRIGHT_ISSUER" "$GATEWRIGHT_AUDIENCE"'
    for command in ([sys.executable, "-c", python], ["sh", "-c", shell]):
        ran = subprocess.run(
            command, cwd=tmp_path / "odd", env=environment(PYTHONPATH=SOURCES),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.stdout == f"{issuer} {audience}\n", ran.stderr
