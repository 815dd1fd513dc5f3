"""Rules read back from how they print: `parse(repr(rule)) == rule`.

Only what `repr` writes is read, letter for letter; nothing is executed. The text may come from anywhere.
"""

import ast
import operator
import re
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Final

from gatewright.guard import rules
from gatewright.guard.conditions import PathParameter, Rule, Value
from gatewright.guard.request import Request
from gatewright.guard.token import AccessToken

LONGEST: Final = 16 * 1024  # characters
DEEPEST: Final = 16  # rules within rules
_SHOWN: Final = 80

# All that can stand in a rule; Python's other ways to write a string or a number are left out, so that
# its parser has nothing to warn of.
_WORDS: Final = re.compile(
    r'(?:"(?:[^"\\\x00-\x1f]|\\["\\bfnrt]|\\u[0-9a-f]{4})*+"'
    r"|all_of|any_of|claim|equals|contains|path|fresh|max_age|acr|where|True|False|None"
    r"|\d[\d.e+-]*+|[(),.&|= -])*+"
)
_OF_WORDS: Final[dict[str, Callable[..., Rule]]] = {
    "all_of": rules.all_of,
    "any_of": rules.any_of,
    "acr": rules.acr,
}


def parse(text: str) -> Rule:
    """The rule that prints so.

    The function of a `where` is not in the text: such a rule prints alike, and cannot be asked.

    Raises:
        ValueError: no rule prints so, or it is longer than 16384 characters or deeper than 16 rules.
    """
    try:
        if len(text) <= LONGEST and _WORDS.fullmatch(text):
            rule = _rule(ast.parse(text, mode="eval").body, DEEPEST)
            if repr(rule) == text:
                return rule
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise _refused(text) from error
    raise _refused(text)


def unknown_function(_: AccessToken, __: Request) -> bool:
    """What stands for the function of a `where` that was read from text.

    Raises:
        LookupError: always.
    """
    raise LookupError("a rule that was read from text does not have its function")


def _refused(text: str) -> ValueError:
    shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return ValueError(f"{shown!r} is no rule as it prints")


def _rule(node: ast.expr, depth: int) -> Rule:
    if depth == 0:
        raise ValueError("too deep")
    match node:
        case ast.BinOp(op=ast.BitAnd()):
            return reduce(operator.and_, _operands(node, ast.BitAnd, depth))
        case ast.BinOp(op=ast.BitOr()):
            return reduce(operator.or_, _operands(node, ast.BitOr, depth))
        case ast.Call(func=ast.Name()):
            return _named(node)
        case ast.Call(func=ast.Attribute(value=held, attr="equals"), args=[wanted], keywords=[]):
            return _claim(held).equals(_wanted(wanted))
        case ast.Call(func=ast.Attribute(value=held, attr="contains"), args=[wanted], keywords=[]):
            return _claim(held).contains(_wanted(wanted))
        case _:
            raise ValueError("no rule")


def _named(node: ast.expr) -> Rule:
    match node:
        case ast.Call(func=ast.Name(id="fresh"), args=[], keywords=[ast.keyword(arg="max_age", value=age)]):
            return rules.fresh(max_age=_value(age))  # type: ignore[arg-type]  # it looks for itself
        case ast.Call(func=ast.Name(id="where"), args=[name], keywords=[]):
            return rules.where(unknown_function, name=_string(name))
        case ast.Call(func=ast.Name(id=kind), args=words, keywords=[]) if kind in _OF_WORDS:
            return _OF_WORDS[kind](*_strings(words))
        case _:
            raise ValueError("no rule")


def _operands(node: ast.expr, kind: type[ast.operator], depth: int) -> list[Rule]:
    """What is joined by one operator; a long row of them is deep to Python's parser only."""
    found: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, kind):
        found.append(node.right)
        node = node.left
    return [_rule(each, depth - 1) for each in (node, *reversed(found))]


def _claim(node: ast.expr) -> rules.Claim:
    match node:
        case ast.Call(func=ast.Name(id="claim"), args=names, keywords=[]):
            return rules.claim(*_strings(names))
        case _:
            raise ValueError("no claim")


def _wanted(node: ast.expr) -> Value | PathParameter:
    match node:
        case ast.Call(func=ast.Name(id="path"), args=[name], keywords=[]):
            return rules.path(_string(name))
        case ast.Constant(value=str()):
            return _string(node)
        case _:
            return _value(node)


def _value(node: ast.expr) -> int | float | bool | None:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Constant(value=None | bool() | int() | float() as value):
            return value
        case _:
            raise ValueError("no value")


def _strings(nodes: Sequence[ast.expr]) -> list[str]:
    return [_string(node) for node in nodes]


def _string(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str() as text):
            # JSON writes a character beyond the first 65536 as two, which Python takes for two.
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        case _:
            raise ValueError("no string")
