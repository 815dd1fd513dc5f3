"""Any text, spelt as its place needs it: in source, in a shell, in Markdown, as a file's name."""

import json
import re
import shlex
import unicodedata
from typing import Final

LONGEST_NAME: Final = 60
# Controls that JSON leaves as they are; the mark of byte order, which Go refuses inside a file; and what
# makes text read in another order than it is in.
_HIDDEN: Final = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_HARMLESS: Final = re.compile(r"[A-Za-z0-9:._/-]+")


def literal(text: str) -> str:
    """A string literal that Python, JavaScript, Go and JSON read alike."""
    return _HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


def word(text: str) -> str:
    """A word of a POSIX shell.

    Raises:
        ValueError: it has a NUL, which no shell can write.
    """
    if "\0" in text:
        raise ValueError("It has a NUL in it, which no shell can write.")
    return shlex.quote(text)


def plain(text: str, otherwise: str) -> str:
    """The text for a docstring or comment, where nothing can be escaped."""
    return text if _HARMLESS.fullmatch(text) else otherwise


def code(text: str) -> str:
    """Code within a line of Markdown."""
    one_line = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    if "`" not in one_line:
        return f"`{one_line}`"
    ticks = "`" * (1 + max(map(len, re.findall("`+", one_line))))
    return f"{ticks} {one_line} {ticks}"


def file_name(text: str) -> str:
    """A name for a folder, an npm package and a Go module: a-z, 0-9 and hyphens between them; perhaps ""."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:LONGEST_NAME].rstrip("-")
