"""Canonical base64url (RFC 7515, section 2) and the one strict JSON decoder.

Both are stricter than the standard library's: where two texts could stand for one value, or one text
for two values, a verifier and its caller could read different things.
"""

import binascii
import json
import math
import re
from typing import Final

from gatewright.jose.errors import MalformedToken

MAX_DEPTH: Final = 16
# I-JSON (RFC 7493, section 2.2): beyond this a double, and so most other readers, loses digits.
MAX_INTEGER: Final = 2**53

_LONGEST_INTEGER = len(f"-{MAX_INTEGER}")
_LONGEST_FLOAT = 64
_LONGEST_NAME_SHOWN = 40

# The standard alphabet's own letters and the padding become a byte that no alphabet holds.
_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
_FROM_STANDARD = bytes.maketrans(b"+/", b"-_")
_PADDING = {0: b"", 2: b"==", 3: b"="}
# The last letter of a group of two carries four unused bits, of a group of three two: all zero.
_LAST_LETTERS = {2: frozenset(b"AQgw"), 3: frozenset(b"AEIMQUYcgkosw048")}

_WHITE_SPACE = " \t\n\r"
_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)


def encode(data: bytes) -> str:
    """`data` in base64url without padding (RFC 7515, section 2)."""
    return binascii.b2a_base64(data, newline=False).translate(_FROM_STANDARD).rstrip(b"=").decode("ascii")


def decode(text: str | bytes) -> bytes:
    """The bytes that `text` stands for, so that `encode` gives exactly `text` again.

    Raises:
        MalformedToken: padding, a letter outside the alphabet, an impossible length, or unused bits
            that are not zero.
    """
    if isinstance(text, str):
        if not text.isascii():
            raise MalformedToken("not base64url: a character outside its alphabet")
        text = text.encode("ascii")
    rest = len(text) & 3
    if rest and (rest == 1 or text[-1] not in _LAST_LETTERS[rest]):
        raise MalformedToken("not canonical base64url: impossible length or ending")
    try:
        return binascii.a2b_base64(text.translate(_TO_STANDARD) + _PADDING[rest], strict_mode=True)
    except binascii.Error:
        raise MalformedToken("not base64url: a character outside its alphabet") from None


def parse_json(document: bytes, *, max_depth: int = MAX_DEPTH) -> object:
    """The value of a JSON document, if there is only one way to read it.

    Integers become `int` (within +-2**53), other numbers a finite `float`. The size of `document` is
    for the caller to limit.

    Raises:
        MalformedToken: not UTF-8, a byte order mark, not JSON, a duplicate member, NaN or Infinity, a
            number out of range, deeper than `max_depth`, half of a surrogate pair.
    """
    try:
        text = document.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedToken("not valid UTF-8") from None
    _require_depth(text, max_depth)
    text = text.strip(_WHITE_SPACE)
    try:
        found: tuple[object, int] = _DECODER.raw_decode(text)
    except json.JSONDecodeError as error:
        raise MalformedToken(f"not valid JSON at character {error.pos}") from None
    value, end = found
    if end != len(text):
        raise MalformedToken(f"not valid JSON at character {end}")
    if "\\u" in text:
        _require_whole_characters(value)
    return value


def shown(name: str) -> str:
    """A name from outside, fit for a message: escaped, one line, short."""
    return ascii(name if len(name) <= _LONGEST_NAME_SHOWN else name[:_LONGEST_NAME_SHOWN] + "...")


def _require_depth(text: str, max_depth: int) -> None:
    # Counted before parsing: the parser recurses, and too few brackets to be deep is the usual case.
    if text.count("[") + text.count("{") <= max_depth:
        return
    depth = 0
    for match in _BRACKET.finditer(text):
        bracket = match[0]
        if bracket in "[{":
            depth += 1
            if depth > max_depth:
                raise MalformedToken(f"nested deeper than {max_depth} levels")
        elif bracket in "]}":
            depth -= 1


def _require_whole_characters(value: object) -> None:
    # Half a surrogate pair can only come from an escape, and cannot be written as UTF-8.
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedToken("half of a surrogate pair") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    duplicate = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]  # add() as a step of the search
    raise MalformedToken(f"duplicate member {shown(duplicate)}")


def _integer(digits: str) -> int:
    if len(digits) <= _LONGEST_INTEGER:
        value = int(digits)
        if -MAX_INTEGER <= value <= MAX_INTEGER:
            return value
    raise MalformedToken("an integer beyond 2**53")


def _float(digits: str) -> float:
    if len(digits) <= _LONGEST_FLOAT:
        value = float(digits)
        if math.isfinite(value):
            return value
    raise MalformedToken("a number out of range")


def _constant(name: str) -> object:
    raise MalformedToken(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
