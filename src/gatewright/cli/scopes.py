"""Permissions as people type them: `read:blog`, or `read:blog=Read the blog`."""

import re
from collections.abc import Iterable, Sequence

from gatewright.cli.failures import ExitCode, Failure
from gatewright.cli.management import Record


def parse(words: Iterable[str]) -> list[dict[str, str]]:
    """Permissions in the order typed, as the Management API takes them.

    Commas part them; a comma before a space belongs to a description.
    """
    found: dict[str, dict[str, str]] = {}
    for word in words:
        parted = re.split(r",(?!\s)", word) if "=" in word else re.split(r"[,\s]+", word)
        for part in filter(None, (part.strip() for part in parted)):
            value, _, description = (text.strip() for text in part.partition("="))
            found[value] = {"value": value, "description": description} if description else {"value": value}
    return list(found.values())


def added(present: Sequence[Record], new: Sequence[Record]) -> list[Record]:
    """`present` with `new` after it; one that is there keeps its place and takes the description."""
    known = {scope["value"]: dict(scope) for scope in present}
    for scope in new:
        known[scope["value"]] = known.get(scope["value"], {}) | scope
    return list(known.values())


def removed(present: Sequence[Record], values: Sequence[str], *, api: str) -> list[Record]:
    """`present` without `values`.

    Raises:
        Failure: one of them is not there.
    """
    known = {scope["value"] for scope in present}
    unknown = [value for value in values if value not in known]
    if unknown:
        raise Failure(
            f'The API "{api}" does not define {", ".join(unknown)}.',
            f"It defines: {', '.join(known) or 'nothing yet'}",
            code=ExitCode.NOT_FOUND,
        )
    return [scope for scope in present if scope["value"] not in values]
