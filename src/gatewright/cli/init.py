"""`gatewright init`: a project folder with an API that runs, is guarded, and has tests that pass."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from cyclopts import Parameter

from gatewright.cli.failures import ExitCode, Failure, misuse
from gatewright.cli.output import say, write, write_json
from gatewright.guard import options
from gatewright.scaffold import kinds
from gatewright.scaffold.projects import new_project

DEFAULT_ISSUER: Final = "http://localhost:8844/"
DEFAULT_AUDIENCE: Final = "https://blog-api"

Framework: TypeAlias = kinds.Framework


def init(
    name: Annotated[str, Parameter(help="The folder to make here: letters, digits, - and _.")],
    /,
    *,
    framework: Annotated[
        Framework,
        Parameter(name=["--framework", "-f"], help="What the API is written in; fastapi without it."),
    ] = "fastapi",
    issuer: Annotated[
        str, Parameter(help=f"Whose tokens open it, as they spell it; {DEFAULT_ISSUER} without it.")
    ] = DEFAULT_ISSUER,
    audience: Annotated[
        str,
        Parameter(
            name=["--audience", "--identifier", "-a"],
            help=f"The API's identifier; {DEFAULT_AUDIENCE} without it.",
        ),
    ] = DEFAULT_AUDIENCE,
    as_json: Annotated[
        bool, Parameter(name="--json", negative="", help="JSON on stdout, for programs.")
    ] = False,
) -> None:
    """Make a project: an API that runs and is guarded, with tests that pass and a README.

    It is the API of the tutorial; put your own in its place.
    """
    contents = new_project(
        _checked_name(name), framework, issuer=_checked_issuer(issuer), audience=_checked_audience(audience)
    )
    folder = Path(name)
    made = _written(folder, contents)
    commands = [
        f"cd {name} && pip install -r requirements.txt",
        "python -m pytest",
        kinds.KINDS[framework].serve,
    ]
    if as_json:
        write_json(
            {
                "folder": str(folder),
                "framework": framework,
                "issuer": issuer,
                "audience": audience,
                "files": made,
                "next": commands,
            }
        )
        return
    for file in made:
        write(str(folder / file))
    say()
    for label, command in zip(("Next", "", ""), commands, strict=True):
        say(f"  {label:<5} {command}")
    say(f"  Then  {folder / 'README.md'} tells how to get a token and call it")


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", name):
        raise misuse(
            f'"{name}" is no name for a project: letters, digits, - and _, and no - in front.',
            "For example: gatewright init blogs",
        )
    return name


def _checked_issuer(issuer: str) -> str:
    try:
        return options.checked_issuer(issuer, allow_insecure=False)
    except ValueError as error:
        raise Failure(f"{error}.", code=ExitCode.INVALID_INPUT) from error


def _checked_audience(audience: str) -> str:
    # A space would part two audiences in GATEWRIGHT_AUDIENCE.
    if not audience or not audience.isprintable() or re.search(r"\s", audience):
        raise Failure(
            f"{audience!r} is no audience: the identifier of the API, without spaces.",
            f"For example: --audience {DEFAULT_AUDIENCE}",
            code=ExitCode.INVALID_INPUT,
        )
    return audience


def _written(folder: Path, contents: Mapping[str, str]) -> list[str]:
    """Make the folder and its files, over nothing that is there; their names."""
    try:
        folder.mkdir(exist_ok=True)
        if any(folder.iterdir()):
            raise Failure(
                f"{folder} is there already and not empty.", "Choose another name.", code=ExitCode.CONFLICT
            )
        for name, content in contents.items():
            with (folder / name).open("x", encoding="utf-8", newline="\n") as file:
                file.write(content)
    except FileExistsError as error:
        raise Failure(
            f"{error.filename} is there already.", "Choose another name.", code=ExitCode.CONFLICT
        ) from error
    except OSError as error:
        raise Failure(f"{error.filename or folder} cannot be written: {error.strerror}.") from error
    return list(contents)
