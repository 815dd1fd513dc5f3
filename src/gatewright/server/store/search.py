"""The search language of ``q``, the part of Lucene's that Auth0's tools use: a condition with bound values.

``field:value`` and bare words, ``"phrases"``, a ``*`` at the end, ranges ``[a TO b]`` of dates, joined by
AND (also by nothing), OR and NOT, grouped by parentheses.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import Boolean, ColumnElement, and_, false, func, not_, or_

from gatewright.server.store.conditions import Condition

LONGEST_QUERY = 4096
MOST_TOKENS = 200
DEEPEST = 20

_PATTERN = r"""\s*(?:
        (?P<open>\() | (?P<close>\))
      | (?P<operator>AND\b|OR\b|NOT\b|&&|\|\||!)
      | (?P<range>[\[{{][^\[\]{{}}]*[\]}}])
      | "(?P<phrase>(?:[^"\\]|\\.)*)"
      {field}
      | (?P<word>(?:[^\s"()\[\]{{}}\\]|\\.)+)
    )"""
_FIELD = r"| (?P<field>[A-Za-z_$][\w$.]*):"
_TOKEN = re.compile(_PATTERN.format(field=_FIELD), re.VERBOSE)
# After a field's name comes its value, and `https://a` is one.
_VALUE_TOKEN = re.compile(_PATTERN.format(field=""), re.VERBOSE)
_RANGE = re.compile(r"(?P<open>[\[{])\s*(?P<low>\S+)\s+TO\s+(?P<high>\S+?)\s*(?P<close>[\]}])")
_SYNONYMS = {"&&": "AND", "||": "OR", "!": "NOT"}


class SearchRefused(ValueError):
    """A query that is not understood; the message says what about it."""


@dataclass(frozen=True, slots=True)
class Field:
    """What can be searched for.

    A ``keyword`` is compared whole, a ``text`` contains the words whatever their case, a ``date`` is seconds
    since 1970 in the column and ISO 8601 in the query. ``longest`` is how much of a text the column holds;
    ``within`` is what a span of dates says of columns that have an index. Few records have the same value of
    a field that ``narrows``, and very many that of one that ``is_broad``.
    """

    column: ColumnElement[object]
    kind: Literal["keyword", "text", "date"] = "keyword"
    longest: int | None = None
    narrows: bool = False
    is_broad: bool = False
    within: Callable[[float | None, float | None], Sequence[Condition]] = lambda _low, _high: ()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def search(query: str, fields: Mapping[str, Field], *, words_in: tuple[str, ...]) -> Condition | None:
    """The condition that a query says; ``None`` for an empty one. Bare words are looked for in ``words_in``.

    Raises:
        SearchRefused: when it is not understood, or too long.
    """
    if len(query) > LONGEST_QUERY:
        raise SearchRefused(f"The query is longer than {LONGEST_QUERY} characters")
    if "\x00" in query:
        raise SearchRefused("The query holds a NUL")  # where SQL's LIKE would end
    tokens = _tokens(query)
    if not tokens:
        return None
    parser = _Parser(tokens, _steered(fields, tokens), words_in)
    condition = parser.alternatives()
    parser.require_end()
    return condition


def _steered(fields: Mapping[str, Field], tokens: list[_Token]) -> Mapping[str, Field]:
    """The fields, the broad ones without their index where all terms hold and another narrows.

    The database cannot know which of two indexes leads to less, and takes any.
    """
    has_choice = any(token.kind == "operator" and _operator(token) != "AND" for token in tokens)
    named = [fields[token.text] for token in tokens if token.kind == "field" and token.text in fields]
    if has_choice or not any(field.narrows for field in named):
        return fields
    return {
        name: replace(field, column=func.coalesce(field.column, "")) if field.is_broad else field
        for name, field in fields.items()
    }


def _tokens(query: str) -> list[_Token]:
    tokens: list[_Token] = []
    position, end = 0, len(query.rstrip())
    is_value = is_list = False
    while position < end:
        match = (_VALUE_TOKEN if is_value or is_list else _TOKEN).match(query, position)
        if match is None or match.lastgroup is None:
            raise SearchRefused(f"Unexpected text at position {position}")
        tokens.append(_Token(match.lastgroup, match[match.lastgroup]))
        position = match.end()
        is_list = (is_list or (is_value and match.lastgroup == "open")) and match.lastgroup != "close"
        is_value = match.lastgroup == "field"
        if len(tokens) > MOST_TOKENS:
            raise SearchRefused(f"The query has more than {MOST_TOKENS} parts")
    return tokens


class _Parser:
    """Descends the grammar; one method a rule."""

    def __init__(self, tokens: list[_Token], fields: Mapping[str, Field], words_in: tuple[str, ...]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0
        self._fields = fields
        self._words_in = words_in

    def alternatives(self) -> Condition:
        """Terms joined by OR."""
        conditions = [self._conjunction()]
        while self._takes("operator", "OR"):
            conditions.append(self._conjunction())
        return or_(*conditions)

    def require_end(self) -> None:
        """Nothing follows."""
        if self._next < len(self._tokens):
            raise SearchRefused(f"Unexpected {self._tokens[self._next].text}")

    def _conjunction(self) -> Condition:
        """Terms joined by AND, or by nothing."""
        conditions = [self._term()]
        while self._takes("operator", "AND") or self._sees_a_term():
            conditions.append(self._term())
        return and_(*conditions)

    def _term(self) -> Condition:
        token = self._take()
        if token.kind == "open" or (token.kind == "operator" and _operator(token) == "NOT"):
            self._depth += 1
            if self._depth > DEEPEST:
                raise SearchRefused(f"The query is nested deeper than {DEEPEST}")
            condition = self._group() if token.kind == "open" else self._negation()
            self._depth -= 1
            return condition
        if token.kind == "field":
            return self._field(token.text)
        if token.kind in {"word", "phrase"}:
            return or_(*(_equals(self._fields[name], token) for name in self._words_in))
        raise SearchRefused(f"Unexpected {token.text}")

    def _negation(self) -> Condition:
        # A document without the member does not have the value either.
        return not_(func.coalesce(self._term(), false(), type_=Boolean))

    def _group(self) -> Condition:
        condition = self.alternatives()
        if not self._takes("close"):
            raise SearchRefused("A parenthesis is not closed")
        return condition

    def _field(self, name: str) -> Condition:
        field = self._fields.get(name)
        if field is None:
            supported = ", ".join(sorted(self._fields))
            raise SearchRefused(f"{name} cannot be searched, only {supported}")
        token = self._take()
        if token.kind == "open":
            return self._values(field)
        return _matches(field, token)

    def _values(self, field: Field) -> Condition:
        """``field:(a OR b)``."""
        conditions = [_matches(field, self._take())]
        while not self._takes("close"):
            if not self._takes("operator", "OR"):
                raise SearchRefused("Values in parentheses are joined by OR")
            conditions.append(_matches(field, self._take()))
        return or_(*conditions)

    def _sees(self, kind: str, operator: str | None = None) -> bool:
        if self._next >= len(self._tokens):
            return False
        token = self._tokens[self._next]
        return token.kind == kind and (operator is None or _operator(token) == operator)

    def _sees_a_term(self) -> bool:
        ends = self._next >= len(self._tokens) or self._sees("close")
        return not ends and not self._sees("operator", "OR")

    def _takes(self, kind: str, operator: str | None = None) -> bool:
        seen = self._sees(kind, operator)
        self._next += seen
        return seen

    def _take(self) -> _Token:
        if self._next >= len(self._tokens):
            raise SearchRefused("The query ends too early")
        self._next += 1
        return self._tokens[self._next - 1]


def _operator(token: _Token) -> str:
    return _SYNONYMS.get(token.text, token.text)


def _matches(field: Field, token: _Token) -> Condition:
    if token.kind == "range":
        return _between(field, token.text)
    if token.kind not in {"word", "phrase"}:
        raise SearchRefused(f"Unexpected {token.text}")
    if token.kind == "word" and token.text == "*":
        return field.column.is_not(None)
    return _equals(field, token)


def _equals(field: Field, token: _Token) -> Condition:
    if field.kind == "date":
        low, high = _span(token.text)
        return and_(field.column >= low, field.column < high, *field.within(low, high))
    is_prefix = token.kind == "word" and token.text.endswith("*") and not token.text.endswith("\\*")
    text = re.sub(r"\\(.)", r"\1", token.text[:-1] if is_prefix else token.text)[: field.longest]
    if field.kind == "text":
        return field.column.icontains(text, autoescape=True)
    return field.column.startswith(text, autoescape=True) if is_prefix else field.column == text


def _between(field: Field, text: str) -> Condition:
    match = _RANGE.fullmatch(text)
    if match is None or field.kind != "date":
        raise SearchRefused("A range is [from TO to] of a date")
    conditions: list[Condition] = [field.column.is_not(None)]
    first = end = None
    if match["low"] != "*":
        low, after = _span(match["low"].strip('"'))
        first = low if match["open"] == "[" else after
        conditions.append(field.column >= first)
    if match["high"] != "*":
        high, after = _span(match["high"].strip('"'))
        end = after if match["close"] == "]" else high
        conditions.append(field.column < end)
    return and_(*conditions, *field.within(first, end))


def _span(text: str) -> tuple[float, float]:
    """The day or moment that a date names: its start, and the start of the next."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        is_day = len(text) <= len("2026-01-01")
        length = timedelta(days=1) if is_day else timedelta(milliseconds=1)
        return moment.timestamp(), (moment + length).timestamp()
    except (ValueError, OverflowError) as error:
        raise SearchRefused(f"{text} is no date") from error
