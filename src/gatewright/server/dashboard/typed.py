"""What people type in forms, as the Management API takes it; what is allowed is decided there."""

import re
from typing import Final

UNITS: Final = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}

_LIFETIME = re.compile(r"(\d{1,9}) *(s|m|min|h|d|)", re.ASCII)


def parse_lifetime(text: str) -> int:
    """Seconds of ``24h``, ``90m``, ``30d``, or a number of seconds.

    Raises:
        ValueError: it is none of these.
    """
    match = _LIFETIME.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"A lifetime is typed like 24h, 90m, 30d or 3600 (seconds), not {text[:40]}.")
    return int(match[1]) * UNITS[match[2]]


def lifetime_text(seconds: int) -> str:
    """The shortest way to type it: the other way round."""
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return str(seconds)


def parse_permissions(text: str) -> list[dict[str, str]]:
    """One a line, ``read:blog  Read the blog``, in the order typed; of two alike the later one counts."""
    found: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        value, *rest = line.split(maxsplit=1)[:2] or [""]
        if value:
            description = {"description": rest[0].strip()} if rest else {}
            found[value] = {"value": value, **description}
    return list(found.values())
