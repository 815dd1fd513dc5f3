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
        undo = None if self.undo is None else [self.undo.path, self.undo.fields]
        return json.dumps({"text": self.text, "undo": undo}) if self.text else ""

    @classmethod
    def of(cls, kept: str) -> "Notice":
        """The other way round."""
        if not kept.startswith('{"text": '):
            return cls(kept)  # of a server before this one
        told = json.loads(kept)
        if told["undo"] is None:
            return cls(told["text"])
        path, fields = told["undo"]
        return cls(told["text"], Undo(path, _pairs(fields)))


def _pairs(fields: Iterable[Iterable[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in fields)
