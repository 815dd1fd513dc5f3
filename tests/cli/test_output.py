"""What is shown to people: never in control of their terminal, never a whole secret."""

from __future__ import annotations

import json

import pytest

from gatewright.cli import output


def test_control_characters_are_escaped() -> None:
    assert output.printable("a\x1b[31m\x9b\u202eb\nc") == "a\\x1b[31m\\x9b\\u202eb\\nc"
    assert output.printable("ä 漢", keep="\n") == "ä 漢"


def test_json_is_readable_and_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"name": "ä\x9b\x7f\U000e0001", "list": [1]}
    output.write_json(value)
    out = capsys.readouterr().out
    assert json.loads(out) == value
    assert "ä" in out
    assert not set(out) & {"\x9b", "\x7f", "\U000e0001"}


@pytest.mark.parametrize("secret", ["", "short", "eyJhbGciOi", "a" * 64])
def test_shortened_secret_cannot_be_used(secret: str) -> None:
    shown = output.shortened(secret)
    assert shown != secret
    assert len(shown) <= 11


def test_plain_table_is_one_line_a_row_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(["A", "B"], [["x" * 200, None], ["y\ny", 3]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["A", "B"]
    assert lines[1] == "x" * 200
    assert lines[2].split() == ["y\\ny", "3"]


def test_empty_table_is_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(["A", "B"], [])
    assert capsys.readouterr().out == "A  B\n"
