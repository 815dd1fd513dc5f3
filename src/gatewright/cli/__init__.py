"""The command line: `gatewright …`.

What lives here: commands by noun, each a short function that calls the Management API and shows the
answer; the data folder and the credentials in it; HTTP, tables and JSON, exit codes. What does not: rules.
Whatever may be refused is refused by the server; `can` alone foretells it. Each module is imported when its
command is used, so that a short command starts fast, and the server is loaded by `serve` and `demo` alone.
"""

import sys
from collections.abc import Sequence

from gatewright._version import __version__

_EXTRA_OF = {
    "cyclopts": "cli",
    "rich": "cli",
    "fastapi": "all",
    "alembic": "server",
    "jinja2": "server",
    "msgspec": "server",
    "prometheus_client": "server",
    "sqlalchemy": "server",
    "starlette": "server",
    "structlog": "server",
    "uvicorn": "server",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; arguments are those of the process unless given."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a narrow encoding is no reason to fail
    if words == ["--version"]:
        print(__version__)  # noqa: T201 - needs nothing else, and so works without the extras
        return 0
    try:
        from gatewright.cli.program import run  # noqa: PLC0415 - the parser is not always there

        return run(words)
    except ModuleNotFoundError as error:
        return _say_what_to_install(error)


def _say_what_to_install(error: ModuleNotFoundError) -> int:
    missing = (error.name or "").partition(".")[0]
    if missing not in _EXTRA_OF:
        raise error
    print(  # noqa: T201 - Rich may be what is missing
        f"Error: this needs the package {missing}, which the base install leaves out: "
        f"install gatewright[all] in place of gatewright (or [{_EXTRA_OF[missing]}] for this part alone).",
        file=sys.stderr,
    )
    return 1
