"""How-tos as a reader takes them: files to write, commands to type, and what then shows.

The fenced blocks of a page, by their language:

- `python`, `ini`, `yaml`: a file, when the first line is a comment with its name, `# app.py`. Python without
  a name goes into the file before it, above its `if __name__ …`; with no file before, the page has one
  program.
- `sh`: commands. All succeed. One whose remark begins with `# stays` serves on while the next are typed.
  `pip install …` is left out: what the pages need is installed where the tests run.
- `console`: commands after `$ `, each with what it shows. `…` stands for anything.

A block of another language, or outside of these rules, is a fault of the page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

ANYTHING: Final = "…"
PROGRAM: Final = "page.py"
"""The file of a page whose Python has no name."""

_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAME: Final = re.compile(r"# ([\w./-]+\.\w+)\n")
_MAIN: Final = re.compile(r'^if __name__ == "__main__":$', re.MULTILINE)
_STAYS: Final = re.compile(r"\s+# stays\b.*")


@dataclass(frozen=True, slots=True)
class File:
    """A file as it stands from here on."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command; `shows` is None where the page does not tell what it shows."""

    line: str
    shows: str | None = None
    stays: bool = False

    def is_shown_by(self, output: str) -> bool:
        """Whether the page tells the truth about the output."""
        if self.shows is None:
            return True
        told = re.escape(self.shows.strip()).replace(ANYTHING, ".*")
        return re.fullmatch(told, output.strip(), re.DOTALL) is not None


Step: TypeAlias = File | Command


def steps(page: str) -> Iterator[Step]:
    """What a reader does, from top to bottom.

    Raises:
        ValueError: a block is none of those that can be executed.
    """
    written: dict[str, str] = {}
    blocks = _FENCE.findall(page)
    if page.count("```") != 2 * len(blocks):
        raise ValueError("a fence that is not closed, indented, or has more than a language to execute")
    for language, text in blocks:
        if language in ("python", "ini", "yaml"):
            yield _file(language, text, written)
        elif language == "sh":
            yield from _commands(text)
        elif language == "console":
            yield from _transcript(text)
        else:
            raise ValueError(f"no way to execute a block of {language or 'no language'}: {text[:60]!r}")


def _file(language: str, text: str, written: dict[str, str]) -> File:
    named = _NAME.match(text)
    if named is None and language != "python":
        raise ValueError(f"a file that has no name in its first line: {text[:60]!r}")
    if named is not None:
        name = named[1]
        written[name] = text
    else:
        name = next(reversed(written), PROGRAM)
        written[name] = _extended(written.get(name, ""), text)
    return File(name, written[name])


def _extended(program: str, more: str) -> str:
    main = _MAIN.search(program)
    place = main.start() if main else len(program)
    return f"{program[:place]}\n{more}\n\n{program[place:]}"


def _commands(block: str) -> Iterator[Command]:
    for line in block.replace("\\\n", " ").splitlines():
        if line and not line.startswith(("#", "pip install ")):
            yield Command(_STAYS.sub("", line), stays=_STAYS.search(line) is not None)


def _transcript(block: str) -> Iterator[Command]:
    before, *typed = re.split(r"^\$ ", block.replace("\\\n", " "), flags=re.MULTILINE)
    if before or not typed:
        raise ValueError(f"a transcript that begins with no command: {block[:60]!r}")
    for part in typed:
        line, _, shows = part.partition("\n")
        yield Command(line, shows)
