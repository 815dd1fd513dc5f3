"""The reference page names every command, its short options and every exit code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gatewright.cli.failures import MEANINGS
from tests.cli.test_program import COMMANDS

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

PAGE = (Path(__file__).parents[2] / "docs/reference/cli.md").read_text(encoding="utf-8")


def test_exit_codes_stand_in_the_page_word_for_word() -> None:
    table = dict(re.findall(r"^\| (\d+) \| (.+) \|$", PAGE, re.MULTILINE))
    assert {code: text.replace("`", "") for code, text in table.items()} == {
        str(int(code)): meaning for code, meaning in MEANINGS.items()
    }


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_command_and_its_short_options_stand_in_the_page(bare_cli: Cli, words: tuple[str, ...]) -> None:
    noun, *verbs = words
    heading = re.compile(rf"^### .*gatewright {noun}\b", re.MULTILINE)
    assert heading.search(PAGE)
    assert all(re.search(rf"\b{verb}\b", PAGE) for verb in verbs)
    help_text = bare_cli(*words, "--help").out.partition("Examples:")[0]
    shorts = set(re.findall(r"(?<![\w-])-[a-z](?![\w-])", help_text))
    assert shorts <= set(re.findall(r"(?<![\w-])-[a-z](?![\w-])", PAGE))
