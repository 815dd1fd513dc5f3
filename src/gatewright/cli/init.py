"""`gatewright init`: a project folder with an API that runs, is guarded, and has tests that pass."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Annotated, Final, Literal, TypeAlias

from cyclopts import Parameter

from gatewright._version import __version__
from gatewright.cli.failures import ExitCode, Failure, misuse
from gatewright.cli.output import say, write, write_json
from gatewright.guard import options

DEFAULT_ISSUER: Final = "http://localhost:8844/"
DEFAULT_AUDIENCE: Final = "https://blog-api"
TEMPLATES: Final = files("gatewright.cli") / "templates"
SUFFIX: Final = ".txt"
"""Ends the name of each template, so that nothing takes it for a source of this package."""

Framework: TypeAlias = Literal[
    "fastapi", "starlette", "litestar", "aiohttp", "flask", "django", "django-rest", "asgi", "wsgi"
]


@dataclass(frozen=True, slots=True)
class Kind:
    """What differs between the projects beside their templates."""

    title: str
    packages: tuple[str, ...]
    serve: str


_UVICORN: Final = "uvicorn app:app --port 3000"
_MANAGE: Final = "python manage.py runserver 3000"

KINDS: Final[Mapping[Framework, Kind]] = {
    "fastapi": Kind("FastAPI", ("fastapi", "uvicorn", "httpx2"), _UVICORN),
    "starlette": Kind("Starlette", ("starlette", "uvicorn", "httpx2"), _UVICORN),
    "litestar": Kind("Litestar", ("litestar", "uvicorn"), _UVICORN),
    "aiohttp": Kind("aiohttp", ("aiohttp",), "python app.py"),
    "flask": Kind("Flask", ("flask",), "flask run --port 3000"),
    "django": Kind("Django", ("django",), _MANAGE),
    "django-rest": Kind("Django REST framework", ("django", "djangorestframework"), _MANAGE),
    "asgi": Kind("ASGI", ("uvicorn", "httpx2"), _UVICORN),
    "wsgi": Kind("WSGI", ("httpx2",), "python app.py"),
}


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
    values = _values(_checked_name(name), framework, _checked_issuer(issuer), _checked_audience(audience))
    folder = Path(name)
    made = _written(
        folder, {file: _filled(template, values) for file, template in _templates(framework).items()}
    )
    commands = [
        f"cd {name} && pip install -r requirements.txt",
        "python -m pytest",
        KINDS[framework].serve,
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


def _values(name: str, framework: Framework, issuer: str, audience: str) -> dict[str, str]:
    """What may stand in a template, spelt as the place needs it: in Python, in a shell, in words."""
    kind = KINDS[framework]
    return {
        "name": name,
        "title": kind.title,
        "serve": kind.serve,
        "packages": "\n".join(kind.packages),
        "version": __version__,
        # A string of JSON is one of Python too.
        "issuer_literal": json.dumps(issuer),
        "audience_literal": json.dumps(audience),
        "issuer_word": shlex.quote(issuer),
        "audience_word": shlex.quote(audience),
    }


def _templates(framework: Framework) -> dict[str, Traversable]:
    """File of the project -> its template; a framework's own stand in place of those for every one."""
    found = {
        template.name.removesuffix(SUFFIX): template
        for folder in ("every", framework)
        for template in (TEMPLATES / folder).iterdir()
        if template.name.endswith(SUFFIX)
    }
    return dict(sorted(found.items()))


def _filled(template: Traversable, values: Mapping[str, str]) -> str:
    return Template(template.read_text(encoding="utf-8")).substitute(values)


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
