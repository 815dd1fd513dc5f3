"""A reader who follows a page: writes its files, types its commands, compares what shows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.documentation.pages import Command, File, steps
from tests.running import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.documentation.terminal import Terminal

ISSUER_PORT: Final = "8844"
API_PORT: Final = "3000"
FINDS_ITS_FILES: Final = re.compile(r"\b(pytest|flask run)\b")
"""Commands that run files which they do not name."""


@dataclass(slots=True)
class Reader:
    """Follows a page in a terminal; in place of the ports that all pages name, free ones are used.

    `served` is called with the API's base URL whenever it was started.
    """

    terminal: Terminal
    served: Callable[[str], None] = lambda _: None
    issuer_port: int = field(default_factory=free_port)
    api_port: int = field(default_factory=free_port)
    _files: dict[str, str] = field(default_factory=dict)
    _not_run: set[str] = field(default_factory=set)
    _serving: str | None = None
    _serves_old_files: bool = False

    def follow(self, page: str) -> None:
        """Do all that the page says, and run at its end what no command has run.

        Raises:
            ValueError: as `steps`; there is nothing to do.
            AssertionError: a command failed, or showed something else.
        """
        ports = {ISSUER_PORT: self.issuer_port, API_PORT: self.api_port}
        text = re.sub(rf"\b({'|'.join(ports)})\b", lambda named: str(ports[named[0]]), page)
        todo = list(steps(text))
        if not todo:
            raise ValueError(f"a page with nothing to execute: {page[:60]!r}")
        for step in todo:
            if isinstance(step, File):
                self._write(step)
            else:
                self._type(step)
        self._serve_what_changed()
        for name in sorted(self._not_run):
            self._type(Command(f"python {name}"))

    def _write(self, file: File) -> None:
        self._serves_old_files = self._serves_old_files or file.name in self._files
        self._files[file.name] = file.text
        (self.terminal.folder / file.name).write_text(file.text, encoding="utf-8")
        if file.name.endswith(".py"):
            self._not_run.add(file.name)

    def _type(self, command: Command) -> None:
        if command.stays:
            self._serve(command.line)
            return
        self._serve_what_changed()
        code, output = self.terminal.run(command.line)
        assert command.is_shown_by(output), (
            f"{command.line}\nshows\n{output}\nand the page says\n{command.shows}"
        )
        # A failure may be what is to be shown; then the output has been compared.
        assert code == 0 or command.shows, f"{command.line}\nfails with {code}:\n{output}"
        self._note_what_ran(command.line)

    def _serve(self, line: str) -> None:
        if line.startswith("gatewright serve"):
            self.terminal.serve(line, self.issuer_port)
            return
        self._serving, self._serves_old_files = line, False
        self.terminal.serve(line, self.api_port)
        self._note_what_ran(line)
        self.served(f"http://localhost:{self.api_port}")

    def _serve_what_changed(self) -> None:
        """As a reader does whose API has a new route: start it anew."""
        if self._serving is not None and self._serves_old_files:
            self._serve(self._serving)

    def _note_what_ran(self, line: str) -> None:
        """The files that a command names have run, and those that they import."""
        if FINDS_ITS_FILES.search(line):
            self._not_run.clear()
        ran = [name for name in self._not_run if re.search(rf"\b{name.removesuffix('.py')}\b", line)]
        while ran:
            file = ran.pop()
            self._not_run.discard(file)
            imported = re.findall(r"^(?:from|import) (\w+)", self._files[file], re.MULTILINE)
            ran += self._not_run & {f"{module}.py" for module in imported}
