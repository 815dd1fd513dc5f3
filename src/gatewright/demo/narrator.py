"""How the walk looks: steps, requests and answers on a terminal; the same words without colour elsewhere."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from gatewright.demo.exchange import Request, answer_lines

if TYPE_CHECKING:
    from gatewright.cli.http import Answer

MARGIN = "  "
RULE = 78
_REFUSED_FROM = 400
_FAILED_FROM = 500


class Narrator:
    """Writes to a console, line by line; nothing is wrapped, so that what is copied works."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def line(self, text: str = "", style: str = "", *, indent: str = MARGIN) -> None:
        """One line of prose."""
        self._console.print(Text(f"{indent}{text}".rstrip(), style=style), soft_wrap=True)

    def prose(self, *lines: str) -> None:
        """A paragraph."""
        for line in lines:
            self.line(line)
        self.line()

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """Names and values in two columns."""
        for name, value in rows:
            self._console.print(Text.assemble(f"{MARGIN}{name:<13}", (value, "bold")), soft_wrap=True)
        self.line()

    def step(self, number: int, title: str) -> None:
        """The head of a step."""
        head = f"── {number}  {title} "
        self.line()
        self.line(head + "─" * (RULE - len(head)), "bold cyan", indent="")
        self.line()

    def attempt(self, letter: str, title: str) -> None:
        """The head of one attempt to break in."""
        self.line(f"{letter}) {title}", "bold")
        self.line()

    def command(self, text: str) -> None:
        """The same by command line."""
        self._console.print(Text.assemble(f"{MARGIN}by command:  ", (text, "cyan")), soft_wrap=True)
        self.line()

    def code(self, *lines: str) -> None:
        """Lines of a program, or lines to copy."""
        for line in lines:
            self.line(line, "cyan", indent=MARGIN * 2)
        self.line()

    def exchange(self, request: Request, answer: "Answer", only: Collection[str] = ()) -> None:
        """A request and its answer."""
        first, *rest = request.as_curl()
        self.line(f"$ {first}", "bold", indent=MARGIN * 2)
        for line in rest:
            self.line(line, "bold", indent=MARGIN * 2)
        status, *others = answer_lines(answer, only)
        self.line(status, colour(answer.status), indent=MARGIN * 2)
        for line in others:
            self.line(
                line, "dim" if ": " in line and not line.startswith((" ", "{")) else "", indent=MARGIN * 2
            )
        self.line()

    def as_told(self, text: str) -> None:
        """What has just been seen is what was said."""
        self.line(f"✓ {text}", "green")
        self.line()

    def otherwise(self, text: str) -> None:
        """What has just been seen is not what was said."""
        self.line(f"✗ {text}", "bold red")


def colour(status: int) -> str:
    """Green for what was let in, yellow for what was refused, red for what broke."""
    if status >= _FAILED_FROM or status == 0:
        return "red"
    return "yellow" if status >= _REFUSED_FROM else "green"
