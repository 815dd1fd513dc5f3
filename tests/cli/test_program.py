"""The program as a whole: help, exit codes, what it loads, and what it says when something is missing."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gatewright import __version__
from gatewright.cli.failures import MEANINGS, ExitCode
from tests.running import GATEWRIGHT, environment, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli
    from tests.running import ServerProcess

COMMANDS = [
    ("serve",),
    ("demo",),
    ("init",),
    ("routes",),
    ("openapi",),
    *(("apis", verb) for verb in ("create", "list", "show", "update", "delete")),
    *(("apis", "scopes", verb) for verb in ("list", "add", "remove")),
    *(("apps", verb) for verb in ("create", "list", "show", "delete", "rotate-secret")),
    *(("apps", "secrets", verb) for verb in ("list", "add", "remove")),
    *(("grants", verb) for verb in ("set", "add", "list", "remove")),
    *(("keys", verb) for verb in ("list", "rotate", "revoke")),
    *(("admins", verb) for verb in ("list", "link")),
    ("revoke",),
    *(("revocations", verb) for verb in ("list", "undo")),
    *(("logs", verb) for verb in ("list", "tail")),
    ("token",),
    ("call",),
    ("why",),
    ("env",),
    ("can",),
    ("scopes", "push"),
    ("doctor",),
]


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GATEWRIGHT, *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment(**variables),
        timeout=60,
    )


def loaded_by(program: str) -> set[str]:
    """The top-level packages that a program has loaded at its end."""
    ending = "\nimport sys; print('|', *{name.partition('.')[0] for name in sys.modules})"
    ran = subprocess.run(
        [sys.executable, "-c", program + ending],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    return set(ran.stdout.rpartition("|")[2].split())


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_examples(bare_cli: Cli, words: tuple[str, ...]) -> None:
    ran = bare_cli(*words, "--help")
    assert ran.code == 0
    assert "Examples:" in ran.out
    assert f"gatewright {' '.join(words)}" in ran.out.partition("Examples:")[2] or words == ("token",)


@pytest.mark.parametrize(
    "words", [("apis",), ("apis", "scopes"), ("apps", "secrets"), ("scopes",)], ids=" ".join
)
def test_every_noun_says_how_to_get_more_help(bare_cli: Cli, words: tuple[str, ...]) -> None:
    assert f"More: gatewright {' '.join(words)} COMMAND --help" in bare_cli(*words, "--help").out


@pytest.mark.parametrize("words", COMMANDS[5:], ids=" ".join)
def test_every_command_that_talks_to_a_server_speaks_json_and_takes_the_folder(
    bare_cli: Cli, words: tuple[str, ...]
) -> None:
    out = bare_cli(*words, "--help").out
    assert "--json" in out
    assert "--data" in out


def test_version_is_printed_without_loading_the_parser_or_the_server() -> None:
    assert run("--version").stdout == f"{__version__}\n"
    loaded = loaded_by("from gatewright.cli import main; main(['--version'])")
    assert not loaded & {"cyclopts", "rich", "starlette", "sqlalchemy", "uvicorn"}


def test_talking_to_a_server_loads_no_server(server: ServerProcess) -> None:
    loaded = loaded_by(
        f"from gatewright.cli import main; assert main(['apis', 'list', '--data', {str(server.data)!r}]) == 0"
    )
    assert "cyclopts" in loaded
    assert not loaded & {"starlette", "sqlalchemy", "uvicorn", "alembic", "msgspec", "fastapi", "jinja2"}


def test_exit_codes_are_told_and_stay_what_they_are(bare_cli: Cli) -> None:
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6, 7, 130]
    rows = bare_cli("help", "exit-codes").rows
    assert [row.split(maxsplit=1) for row in rows] == [[str(int(c)), m] for c, m in MEANINGS.items()]


def test_help_shows_a_commands_help(bare_cli: Cli) -> None:
    assert bare_cli("help", "apis", "create").out == bare_cli("apis", "create", "--help").out


@pytest.mark.parametrize(
    "words",
    [
        ("apis", "lst"),
        ("nonsense",),
        ("token", "--nonsense"),
        ("apis", "create"),
        ("logs", "list", "-n", "many"),
    ],
    ids=" ".join,
)
def test_wrong_usage_says_so_and_names_the_help(bare_cli: Cli, words: tuple[str, ...]) -> None:
    ran = bare_cli(*words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Error: ")
    assert "--help" in ran.err


def test_words_too_many_are_named(bare_cli: Cli) -> None:
    answer = bare_cli("grants", "set", "Reader", "https://blog-api", "read:blog")

    assert answer.code == ExitCode.WRONG_USAGE
    assert "These words have no place here: read:blog." in answer.err


def test_server_that_does_not_run_cannot_be_reached_and_the_error_says_how_to_start_it(
    bare_cli: Cli, tmp_path: Path
) -> None:
    port = free_port()
    credentials = {"issuer": f"http://localhost:{port}/", "client_id": "a", "client_secret": "b"}
    (tmp_path / "cli.json").write_text(json.dumps(credentials))
    ran = bare_cli("apis", "list", "--data", str(tmp_path))
    assert ran.code == 7
    assert f"gatewright serve --data {tmp_path} --listen localhost:{port}" in ran.err


def test_credentials_of_another_server_are_refused_with_an_explanation(
    bare_cli: Cli, server: ServerProcess, tmp_path: Path
) -> None:
    (tmp_path / "cli.json").write_text(json.dumps(server.credentials() | {"client_secret": "another"}))
    ran = bare_cli("apis", "list", "--data", str(tmp_path))
    assert ran.code == 4
    assert str(tmp_path / "cli.json") in ran.err


@pytest.mark.parametrize(
    ("package", "words"),
    [("cyclopts", ["token"]), ("rich", ["--help"]), ("sqlalchemy", ["serve"]), ("fastapi", ["demo"])],
)
def test_missing_extra_is_one_plain_sentence(package: str, words: list[str]) -> None:
    program = (
        f"import sys; sys.modules[{package!r}] = None; "
        f"from gatewright.cli import main; sys.exit(main({words!r}))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 1
    assert len(ran.stderr.splitlines()) == 1
    assert "gatewright[all]" in ran.stderr
    assert package in ran.stderr


def test_reader_that_has_enough_is_no_error(server: ServerProcess) -> None:
    # `true` is gone long before the first line comes.
    ran = subprocess.run(
        ["sh", "-c", f"{GATEWRIGHT} apis list --data {server.data} | true"],
        capture_output=True, text=True, check=False, env=environment(), timeout=60,
    )  # fmt: skip
    assert ran.stderr == ""


def on_a_terminal(*words: str, **variables: str) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [GATEWRIGHT, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment(**variables)
    ) as process:
        os.close(theirs)
        written = b""
        while chunk := _read(ours):
            written += chunk
        process.wait(timeout=60)
    os.close(ours)
    return written.decode()


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, 65536)
    except OSError:  # how Linux says that the other side is closed
        return b""


def test_tables_are_drawn_on_a_terminal_and_plain_elsewhere(server: ServerProcess) -> None:
    words = ("apis", "list", "--data", str(server.data))
    drawn = on_a_terminal(*words, TERM="xterm-256color", COLUMNS="120")
    assert "\x1b[1m" in drawn
    assert "─" in drawn
    plain = run(*words, TERM="xterm-256color").stdout
    assert "\x1b" not in plain
    assert "─" not in plain
    assert "Auth0 Management API" in plain


def test_no_color_is_respected(server: ServerProcess) -> None:
    words = ("apis", "show", "nowhere", "--data", str(server.data))
    assert "31m" in on_a_terminal(*words, TERM="xterm-256color")
    assert "31m" not in on_a_terminal(*words, TERM="xterm-256color", NO_COLOR="1")


def test_question_on_a_terminal_is_asked_and_no_changes_nothing(server: ServerProcess, cli: Cli) -> None:
    cli("apis", "create", "Asked", "-i", "urn:asked", "--no-test-app")
    for reply, code, remaining in ((b"n\n", 1, 0), (b"y\n", 0, 3)):
        ours, theirs = pty.openpty()
        words = [GATEWRIGHT, "apis", "delete", "urn:asked", "--data", str(server.data)]
        with subprocess.Popen(
            words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment()
        ) as process:
            os.close(theirs)
            os.write(ours, reply)
            while _read(ours):
                pass
            assert process.wait(timeout=60) == code
        os.close(ours)
        assert cli("apis", "show", "urn:asked").code == remaining
