import json
import re
import string
import sys
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.jose import MalformedToken
from gatewright.jose.encoding import decode, encode, parse_json

ALPHABET = (string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_").encode()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"\x00", "AA"),
        (b"\xff\xff", "__8"),
        (b"\xfb\xef\xbe", "----"),
        (b"\x00\x00\x17", "AAAX"),
        (b"\x03\xec\xff\xe0\xc1", "A-z_4ME"),
    ],
)
def test_known_pairs(data: bytes, text: str) -> None:
    assert encode(data) == text
    assert decode(text) == decode(text.encode()) == data


@given(st.binary(max_size=200))
def test_decoding_gives_back_what_was_encoded(data: bytes) -> None:
    assert decode(encode(data)) == data


def test_of_all_short_texts_only_those_that_encode_gives_are_decoded() -> None:
    letters = bytes([*ALPHABET, *b"+/= \n\x00\xff.!"])
    for length in (1, 2, 3):
        for letters_chosen in product(letters, repeat=length):
            text = bytes(letters_chosen)
            try:
                data = decode(text)
            except MalformedToken:
                continue
            assert encode(data).encode() == text
    # 256 texts of two letters stand for one byte, 65536 of three for two: each byte string has one.
    assert sum(1 for pair in product(ALPHABET, repeat=2) if _decodes(bytes(pair))) == 256


def _decodes(text: bytes) -> bool:
    try:
        decode(text)
    except MalformedToken:
        return False
    return True


@pytest.mark.parametrize("byte", [byte for byte in range(256) if byte not in ALPHABET])
@pytest.mark.parametrize("place", range(5))
def test_a_byte_outside_the_alphabet_is_refused_anywhere(byte: int, place: int) -> None:
    text = b"AAAAAAAA"
    with pytest.raises(MalformedToken):
        decode(text[:place] + bytes([byte]) + text[place + 1 :])
    with pytest.raises(MalformedToken):
        decode(text[:place] + bytes([byte]) + text[place:])


@pytest.mark.parametrize(
    "text", ["A", "AAAAA", "AA==", "AA=", "AAA=", "AAAA====", "=", "==", "AB", "AAB", "A A", "AA\n"]
)
def test_length_padding_white_space_and_unused_bits_are_refused(text: str) -> None:
    with pytest.raises(MalformedToken):
        decode(text)


@pytest.mark.parametrize("text", ["AAAé", "AAA\u2028", "\ud800AAA", "\uff21AAA"])
def test_a_character_beyond_ascii_is_refused(text: str) -> None:
    with pytest.raises(MalformedToken):
        decode(text)


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (
            b'{"a":1,"b":[true,false,null,"x",-1.5e3,{}]}',
            {"a": 1, "b": [True, False, None, "x", -1500.0, {}]},
        ),
        (b' \t\r\n{"a" : 1 }\n', {"a": 1}),
        (b'"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
        ('"é\N{GRINNING FACE}"'.encode(), "é\N{GRINNING FACE}"),
        (b"9007199254740992", 2**53),
        (b"-9007199254740992", -(2**53)),
        (b"-0", 0),
        (b"1e308", 1e308),
        (b"1e-400", 0.0),
        (b'{"a":{"b":1},"c":{"b":1}}', {"a": {"b": 1}, "c": {"b": 1}}),
        (b'"\\u0000"', "\0"),
    ],
)
def test_a_sound_document_is_read(document: bytes, value: object) -> None:
    assert parse_json(document) == value


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b" ",
        b"{",
        b'{"a":1}x',
        b'{"a":1}{}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32"),
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\xc0\xaf"',
        b'{"a":1,}',
        b"[1,]",
        b"{'a':1}",
        b'{"a":1 /* x */}',
        b'"\t"',
        b'"\x00"',
        b"01",
        b"+1",
        b".5",
        b"1.",
        b"0x10",
        "\N{ARABIC-INDIC DIGIT ONE}".encode(),
        b"True",
        b"undefined",
        b"\xc2\xa0{}",
        b"\x0b{}",
    ],
)
def test_what_is_not_json_in_utf8_is_refused(document: bytes) -> None:
    with pytest.raises(MalformedToken):
        parse_json(document)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", '{"a":NaN}', "[-Infinity]"])
def test_constants_that_only_python_knows_are_refused(text: str) -> None:
    with pytest.raises(MalformedToken, match="is not JSON"):
        parse_json(text.encode())


@pytest.mark.parametrize(
    "number",
    [
        "9007199254740993",
        "-9007199254740993",
        "1" + "0" * 17,
        "9" * 5000,
        "-" + "9" * 5000,
        "1e400",
        "-1e400",
        "0." + "1" * 70,
    ],
)
def test_absurd_numbers_are_refused(number: str) -> None:
    with pytest.raises(MalformedToken):
        parse_json(number.encode())
    with pytest.raises(MalformedToken):
        parse_json(f'{{"a":[{number}]}}'.encode())


@pytest.mark.parametrize(
    "document",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"b":2,"a":3}',
        b'{"x":[{"a":1,"a":2}]}',
        b'{"a":1,"\\u0061":2}',
        b'{"":1,"":2}',
    ],
)
def test_duplicate_members_are_refused_at_any_depth(document: bytes) -> None:
    with pytest.raises(MalformedToken, match="duplicate member"):
        parse_json(document)


def test_a_duplicate_member_is_named_escaped_and_shortened() -> None:
    name = "line\nbreak" + "é" * 100
    with pytest.raises(MalformedToken) as refusal:
        parse_json(f"{{{json.dumps(name)}:1,{json.dumps(name)}:2}}".encode())
    text = str(refusal.value)
    assert text.startswith("duplicate member 'line\\nbreak")
    assert text.isascii()
    assert len(text) < 200


def test_the_duplicate_that_is_named_is_the_one_there_is() -> None:
    with pytest.raises(MalformedToken, match=r"^duplicate member 'b'$"):
        parse_json(b'{"a":1,"b":2,"c":3,"b":4}')


@pytest.mark.parametrize(("length", "shown"), [(40, "x" * 40), (41, "x" * 40 + "...")])
def test_names_are_shown_up_to_forty_characters(length: int, shown: str) -> None:
    name = "x" * length
    with pytest.raises(MalformedToken, match=re.escape(f"duplicate member '{shown}'")):
        parse_json(f'{{"{name}":1,"{name}":2}}'.encode())


def test_a_fraction_may_have_64_characters() -> None:
    assert parse_json(b"0." + b"1" * 62) == float("0." + "1" * 62)
    with pytest.raises(MalformedToken, match="out of range"):
        parse_json(b"0." + b"1" * 63)


@pytest.mark.parametrize(
    "half", [r'"\ud800"', r'"\udfff"', r'"\ude00\ud83d"', r'{"\ud800":1}', r'[{"a":"x\udc00"}]']
)
def test_half_a_surrogate_pair_is_refused(half: str) -> None:
    with pytest.raises(MalformedToken, match="surrogate"):
        parse_json(half.encode())


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_sixteen_levels_are_read_and_seventeen_refused(opening: str, closing: str) -> None:
    parse_json((opening * 16 + "1" + closing * 16).encode())
    with pytest.raises(MalformedToken, match="deeper than 16"):
        parse_json((opening * 17 + "1" + closing * 17).encode())


@pytest.mark.parametrize("siblings", ["[],[[]],", "{},", '{"a":[]},[{}],'])
def test_siblings_do_not_count_as_levels_nor_hide_them(siblings: str) -> None:
    inner = siblings * 30
    parse_json(("[" * 16 + "]" * 16).encode())
    parse_json(f"[{inner}{'[' * 15}{']' * 15}]".encode())
    for deep in ("[" * 16 + "]" * 16, "[" * 100 + "]" * 100):
        with pytest.raises(MalformedToken, match="deeper than 16"):
            parse_json(f"[{inner}{deep}]".encode())
        with pytest.raises(MalformedToken, match="deeper than 16"):
            parse_json(f"[{deep},{inner}1]".encode())


def test_the_greatest_depth_can_be_chosen() -> None:
    parse_json(b"[[1]]", max_depth=2)
    with pytest.raises(MalformedToken, match="deeper than 1 "):
        parse_json(b"[[1]]", max_depth=1)


def test_depth_is_what_is_open_at_once() -> None:
    parse_json(b"[" * 10 + b"[]," + b"[" * 6 + b"]" * 16)
    with pytest.raises(MalformedToken, match="deeper than 16 "):
        parse_json(b"[" * 10 + b"[]," + b"[" * 7 + b"]" * 17)
    with pytest.raises(MalformedToken, match="deeper than 16 "):
        parse_json(b'{"a":' * 10 + b'{"a":{},"b":' + b"[" * 6 + b"]" * 6 + b"}" * 11)


@pytest.mark.parametrize(
    "document", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000, '["' + "[" * 99 + "\\"]
)
def test_depth_never_costs_the_stack(document: str) -> None:
    with pytest.raises(MalformedToken):
        parse_json(document.encode())


@pytest.mark.parametrize("text", ["[" * 50, '\\"' + "{" * 50, "\\\\" + "]" * 50, '\\"\\\\\\"[[[' * 20])
def test_brackets_in_strings_are_not_levels(text: str) -> None:
    document = f'["{text}", {{"{text}": []}}]'
    assert parse_json(document.encode()) == json.loads(document)


def test_many_shallow_values_are_read() -> None:
    document = json.dumps([{"a": [1]}] * 1000)
    assert parse_json(document.encode()) == json.loads(document)


def test_unclosed_strings_are_scanned_once() -> None:
    # Each quote would start a new search to the end if the first one gave up: minutes, not milliseconds.
    document = b"[" * 20 + b'"' + b'\\"' * 250_000
    with pytest.raises(MalformedToken):
        parse_json(document)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_any_value_that_python_writes_is_read_back(value: object, escaped: bool) -> None:  # noqa: FBT001 - drawn
    assert parse_json(json.dumps(value, ensure_ascii=escaped).encode(), max_depth=100) == value


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_read_or_refused_with_our_error(document: bytes) -> None:
    try:
        parse_json(document)
    except MalformedToken:
        return
    json.loads(document)


def test_depth_is_counted_before_python_recurses() -> None:
    limit = sys.getrecursionlimit()
    with pytest.raises(MalformedToken):
        parse_json(b"[" * (limit * 2) + b"]" * (limit * 2))
