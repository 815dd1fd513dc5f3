"""What a row of a noun's routes says of itself, beyond what runs: its query and its answer, for the document.

Nothing here is checked when a request comes; tests hold it against what the server does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from msgspec import Struct

from gatewright.server.management.schema import LARGEST_PAGE

LARGEST_OFFSET = 10**6
LARGEST_CHECKPOINT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of the query; ``schema`` is its JSON schema."""

    name: str
    description: str
    schema: Mapping[str, object] = field(default_factory=lambda: {"type": "string"})
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """A record as answers show it: the members of the body that made it, and those only the server sets.

    ``unseen`` are members of the body that no answer has. A ``partial`` record may lack any member, because
    the caller chose some or may not see all.
    """

    name: str
    sent: type[Struct] | None = None
    made: type[Struct] | None = None
    unseen: tuple[str, ...] = ()
    partial: bool = False

    def in_part(self) -> "Record":
        """The same record, of which any member may be missing."""
        return replace(self, name=f"Partial{self.name}", partial=True)


@dataclass(frozen=True, slots=True)
class Value:
    """Any other JSON value, by its schema."""

    schema: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Items:
    """A list of records: bare, and, where ``member`` names it, wrapped with totals or a checkpoint too.

    ``has_checkpoints`` is false where ``from`` and ``take`` are answered by a bare list and a ``Link``.
    """

    record: Record | Value
    member: str | None = None
    has_checkpoints: bool = True


@dataclass(frozen=True, slots=True)
class Nothing:
    """No body: 204."""


@dataclass(frozen=True, slots=True)
class Never:
    """No answer but refusals."""


Shape = Record | Items | Nothing | Never | Value

EMPTY_OBJECT = Value({"type": "object", "maxProperties": 0})


def text(
    name: str, description: str, *, choices: Sequence[str] = (), pattern: str | None = None
) -> Parameter:
    """A parameter of any text, of one of the choices, or of a pattern."""
    schema: dict[str, object] = {"type": "string"}
    schema |= {"enum": list(choices)} if choices else {}
    schema |= {} if pattern is None else {"pattern": pattern}
    return Parameter(name, description, schema)


def texts(name: str, description: str, *, most: int) -> Parameter:
    """A parameter that may be there several times."""
    return Parameter(name, description, {"type": "array", "items": {"type": "string"}, "maxItems": most})


def flag(name: str, description: str) -> Parameter:
    """A parameter that is ``true`` or ``false``."""
    return Parameter(name, description, {"type": "boolean"})


def number(name: str, description: str, *, low: int, high: int, default: int | None = None) -> Parameter:
    """A whole number within limits."""
    schema: dict[str, object] = {"type": "integer", "minimum": low, "maximum": high}
    return Parameter(name, description, schema if default is None else {**schema, "default": default})


PAGES = (
    number("page", "Which page, from 0 on", low=0, high=LARGEST_OFFSET, default=0),
    number("per_page", "How many at most", low=0, high=LARGEST_PAGE, default=50),
    flag("include_totals", "Answer an object with the list and its total, start and limit"),
)
TAKE = number(
    "take", "How many at most, by checkpoint; wins over pages", low=1, high=LARGEST_PAGE, default=50
)
CHECKPOINTS = (
    number(
        "from", "The checkpoint to go on from: `next` of the answer before", low=0, high=LARGEST_CHECKPOINT
    ),
    TAKE,
)
PAGING = (*PAGES, *CHECKPOINTS)
"""The parameters of every list in Auth0's three shapes."""

FIELDS = (
    text("fields", "Names of members, parted by commas"),
    flag("include_fields", "Whether these are the only ones to answer (true, the default), or to leave out"),
)
