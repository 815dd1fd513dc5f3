"""What the next page says once, and the form by which what was just done is undone. Pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Undo:
    """A form that takes something back: ``path`` below ``/ui``, and its hidden fields."""

    path: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence about what was done; "" for none."""

    text: str = ""
    undo: Undo | None = None

    def kept(self) -> str:
        """As it lies in the session."""
        if self.undo is None and not self.text.startswith("{"):
            return self.text
        undo = {} if self.undo is None else {"path": self.undo.path, "fields": self.undo.fields}
        return json.dumps({"text": self.text, **undo})

    @classmethod
    def of(cls, kept: str) -> "Notice":
        """The other way round."""
        if not kept.startswith("{"):
            return cls(kept)
        told = json.loads(kept)
        undo = Undo(told["path"], _pairs(told["fields"])) if "path" in told else None
        return cls(told["text"], undo)


def _pairs(fields: Iterable[Iterable[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in fields)
