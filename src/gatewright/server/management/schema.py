"""Request bodies and queries checked against types, refused in the words that Auth0's tools know."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gatewright.server.errors import ApiError
from gatewright.server.store.conditions import Condition
from gatewright.server.store.search import SearchRefused

LARGEST_PAGE = 100
MOST_DIGITS = 10

# RFC 6749 section 3.3: a scope is one word without quotes, or the claim that lists them falls apart.
ScopeValue = Annotated[str, Meta(min_length=1, max_length=280, pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+\Z")]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^<>]+$")]

Moment = Annotated[str, Meta(min_length=1, max_length=40)]


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The root of request bodies: an unknown member is a fault."""


class AnyValue(Body):
    """A body of any JSON, which comes as this member."""

    value: Any


# How msgspec words a fault, and how Auth0's validator does.
_WORDING: tuple[tuple[str, str], ...] = (
    (r"Object missing required field `(.+)`", "Missing required property: {0}"),
    (r"Object contains unknown field `(.*)`", "Additional properties not allowed: {0}"),
    (r"Expected `(.+)`, got `(.+)`", "Expected type {0} but found type {1}"),
    (r"Invalid enum value (.+)", "No enum match for: {0}"),
    (r"Expected `str` of length >= (\d+)", "String is too short, minimum {0}"),
    (r"Expected `str` of length <= (\d+)", "String is too long, maximum {0}"),
    (r"Expected `str` matching regex '(.+)'", "String does not match pattern {0}"),
    (r"Expected `array` of length <= (\d+)", "Array is too long, maximum {0}"),
    (r"Expected `array` of length >= (\d+)", "Array is too short, minimum {0}"),
    (r"Expected `(?:int|float)` >=? (-?[\d.]+)", "Value is less than minimum {0}"),
    (r"Expected `(?:int|float)` <= (-?[\d.]+)", "Value is greater than maximum {0}"),
)
_TYPE_NAMES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


def check_body(document: Mapping[str, object], schema: type[Body]) -> None:
    """Checks a body; the document itself is used afterwards, with exactly the members that were sent.

    Raises:
        ApiError: 400 ``invalid_body``.
    """
    try:
        msgspec.convert(document, schema)
    except msgspec.ValidationError as error:
        raise invalid_body(*_worded(str(error))) from error


def check_member(value: object, schema: type[msgspec.Struct], prop: str) -> None:
    """Checks a member whose schema depends on another one.

    Raises:
        ApiError: 400 ``invalid_body``.
    """
    try:
        msgspec.convert(value, schema)
    except msgspec.ValidationError as error:
        detail, inner = _worded(str(error))
        raise invalid_body(detail, f"{prop}.{inner}" if inner else prop) from error


def require_unique(items: Sequence[object], prop: str) -> None:
    """Refuses a list that holds a value twice.

    Raises:
        ApiError: 400 ``invalid_body``.
    """
    seen: dict[object, int] = {}
    for index, item in enumerate(items):
        if item in seen:
            raise invalid_body(f"Array items are not unique (indexes {seen[item]} and {index})", prop)
        seen[item] = index


def invalid_body(detail: str, prop: str = "") -> ApiError:
    """The refusal of a body: what is wrong, and on which property."""
    where = f" on property {prop}" if prop else ""
    return ApiError(400, f"Payload validation error: '{detail}'{where}.", "invalid_body")


def invalid_query(detail: str, parameter: str) -> ApiError:
    """The refusal of a query parameter."""
    return ApiError(
        400, f"Query validation error: '{detail}' on property {parameter}.", "invalid_query_string"
    )


def moment(text: str, prop: str) -> float:
    """A time of a body, with its zone, as seconds since 1970.

    Raises:
        ApiError: 400 ``invalid_body``.
    """
    fault = invalid_body(f"Object didn't pass validation for format date-time: {text}", prop)
    try:
        told = datetime.fromisoformat(text)
        if told.tzinfo is None:
            raise fault
        return told.astimezone(UTC).timestamp()
    except (ValueError, OverflowError) as error:  # the latter for the first and last day of all
        raise fault from error


def integer(query: Mapping[str, str], name: str, *, default: int, low: int, high: int) -> int:
    """A whole number of the query.

    Raises:
        ApiError: 400 ``invalid_query_string``.
    """
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) <= MOST_DIGITS):
        raise invalid_query("Expected type integer but found type string", name)
    value = int(text)
    if value < low:
        raise invalid_query(f"Value {value} is less than minimum {low}", name)
    if value > high:
        raise invalid_query(f"Value {value} is greater than maximum {high}", name)
    return value


def boolean(query: Mapping[str, str], name: str) -> bool | None:
    """``true`` or ``false`` of the query; ``None`` when it is not there.

    Raises:
        ApiError: 400 ``invalid_query_string``.
    """
    text = query.get(name)
    if text is None:
        return None
    if text not in {"true", "false"}:
        raise invalid_query("Expected type boolean but found type string", name)
    return text == "true"


def searched(query: Mapping[str, str], language: Callable[[str], Condition | None]) -> tuple[Condition, ...]:
    """What ``q`` of the query demands of the records.

    Raises:
        ApiError: 400 ``invalid_query_string``.
    """
    try:
        wanted = language(query.get("q", ""))
    except SearchRefused as refusal:
        raise invalid_query(str(refusal), "q") from refusal
    return () if wanted is None else (wanted,)


def looked_for(query: Mapping[str, str], name: str) -> str | None:
    """A text of the query that is looked for in records.

    Raises:
        ApiError: 400 ``invalid_query_string``.
    """
    text = query.get(name) or None
    if text is not None and "\x00" in text:
        raise invalid_query("Holds a NUL", name)  # where SQL's LIKE would end
    return text


def chosen(query: Mapping[str, str], members: dict[str, object]) -> dict[str, object]:
    """The members that ``fields`` and ``include_fields`` of the query ask for.

    Raises:
        ApiError: 400 ``invalid_query_string``.
    """
    wanted = boolean(query, "include_fields") is not False
    if not query.get("fields"):
        return members
    names = {name.strip() for name in query["fields"].split(",")}
    return {name: value for name, value in members.items() if (name in names) == wanted}


def _worded(message: str) -> tuple[str, str]:
    text, _, path = message.partition(" - at `")
    prop = path.removesuffix("`").removeprefix("$").removeprefix(".")
    for pattern, wording in _WORDING:
        match = re.fullmatch(pattern, text)
        if match:
            return wording.format(*(_typed(group) for group in match.groups())), prop
    return text, prop


def _typed(text: str) -> str:
    return " or ".join(_TYPE_NAMES.get(part, part) for part in text.split(" | "))
