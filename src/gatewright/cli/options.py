"""Options that several commands have, so that they are spelt and explained alike."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import App, Group, Parameter

from gatewright.cli.failures import Failure, misuse

SHARED = Group("Shared options", sort_key=100)


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Shared:
    """What every command that talks to a server has."""

    data: Annotated[
        Path | None,
        Parameter(
            group=SHARED,
            help="The data folder; without it GATEWRIGHT_DATA, or .gatewright here or in a parent folder.",
        ),
    ] = None
    json: Annotated[bool, Parameter(group=SHARED, negative="", help="JSON on stdout, for programs.")] = False


SHARED_DEFAULTS = Shared()

Force: TypeAlias = Annotated[
    bool, Parameter(name="--force", negative="", help="Do not ask; needed where nobody can answer.")
]
Number: TypeAlias = Annotated[
    int | None, Parameter(name=["--number", "-n"], help="How many at most; all without it.")
]
Reveal: TypeAlias = Annotated[
    bool,
    Parameter(name=["--reveal-secrets", "-r"], negative="", help="Show the client secret (this is logged)."),
]
ScopeWords: TypeAlias = Annotated[
    list[str] | None,
    Parameter(
        name=["--scope", "--scopes", "-s"],
        negative="",
        help='Scopes: the option repeated, or "read:blog create:blog", or read:blog,create:blog.',
    ),
]


def noun(name: str, *, purpose: str, within: str = "") -> App:
    """The commands of one noun, which may be part of another."""
    words = f"{within} {name}".strip()
    return App(name=name, help=purpose, help_epilogue=f"More: gatewright {words} COMMAND --help\n")


def examples(*lines: str) -> str:
    """The end of a command's help."""
    return "Examples:\n" + "".join(f"  {line}\n" for line in lines)


def split_scopes(words: list[str] | None) -> list[str]:
    """Scopes from words with commas or spaces between them; order kept, repetitions dropped."""
    found = (scope for word in words or [] for scope in re.split(r"[,\s]+", word) if scope)
    return list(dict.fromkeys(found))


def confirm(question: str, *, force: bool) -> None:
    """Returns when the person says yes, or was not to be asked.

    Raises:
        Failure: the answer is no, or nobody can answer and `force` is not given.
    """
    if force:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise misuse(f"{question} Nobody can answer here.", "Add --force to do it without asking.")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Failure("Nothing was changed.")


def environment_folder() -> Path | None:
    """GATEWRIGHT_DATA, for the commands that make the folder."""
    named = os.environ.get("GATEWRIGHT_DATA")
    return Path(named) if named else None
