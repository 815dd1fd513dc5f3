"""What a command shows: data on stdout, talk on stderr; tables for people, JSON for programs.

Rich draws on a terminal alone. Elsewhere tables are plain columns, one line a row, never cut, so that
`grep` and `awk` work. What came over the network is escaped before it reaches a terminal.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from gatewright.cli.failures import Failure

SHORTENED_FROM = 12


def console(*, stderr: bool = False) -> "Console":
    """A Rich console that knows NO_COLOR, FORCE_COLOR and CLICOLOR_FORCE; made anew, as streams change."""
    from rich.console import Console  # noqa: PLC0415 - half of the commands' output needs none of it

    return Console(
        stderr=stderr, force_terminal=_is_forced() or None, highlight=False, soft_wrap=True, emoji=False
    )


def draws() -> bool:
    """Whether stdout is a terminal, or is to be treated as one; Rich, slow to load, is needed only then."""
    return sys.stdout.isatty() or _is_forced()


def _is_forced() -> bool:
    return any(os.environ.get(name, "0") not in {"", "0"} for name in ("CLICOLOR_FORCE", "FORCE_COLOR"))


def write(text: str) -> None:
    """One line of data."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def write_json(value: object, *, compact: bool = False) -> None:
    """Data for programs; control characters are escaped, other characters are themselves."""
    text = json.dumps(value, ensure_ascii=False, indent=None if compact else 2)
    write("".join(mark if mark == "\n" or mark.isprintable() else json.dumps(mark)[1:-1] for mark in text))


def say(text: str = "") -> None:
    """One line of talk."""
    sys.stderr.write(printable(text) + "\n")
    sys.stderr.flush()


def say_failure(failure: "Failure") -> None:
    """What went wrong, and beneath it what to do."""
    if sys.stderr.isatty():
        from rich.text import Text  # noqa: PLC0415 - on a terminal only

        line = Text.assemble(("Error: ", "bold red"), printable(failure.message, keep="\n"))
        console(stderr=True).print(line)
    else:
        sys.stderr.write("Error: " + printable(failure.message, keep="\n") + "\n")
    for step in failure.steps:
        say(f"  {step}")


def printable(text: object, *, keep: str = "") -> str:
    """A text that cannot steer a terminal: what is not printable is escaped."""
    return "".join(mark if mark.isprintable() or mark in keep else ascii(mark)[1:-1] for mark in str(text))


def shortened(secret: str) -> str:
    """Enough of a secret or token to recognise it, not enough to use it."""
    return f"{secret[:6]}…{secret[-4:]}" if len(secret) > SHORTENED_FROM else "…"


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows for people: drawn on a terminal, plain columns elsewhere."""
    cells = [[printable("" if cell is None else cell) for cell in row] for row in rows]
    if draws():
        _draw(console(), headings, cells)
        return
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    for row in [headings, *cells]:
        write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def details(members: Mapping[str, object]) -> None:
    """One record for people: a line for each member."""
    width = max(map(len, members))
    for name, value in members.items():
        write(f"{name.upper():<{width}}  {printable('-' if value in (None, '') else value)}")


def _draw(screen: "Console", headings: Sequence[str], cells: Iterable[Sequence[str]]) -> None:
    from rich import box  # noqa: PLC0415 - as the console
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for heading in headings:
        drawn.add_column(heading, overflow="fold")
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))
    screen.print(drawn, soft_wrap=False)
