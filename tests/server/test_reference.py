"""The reference pages of the server say what the code says: settings, endpoints, reasons."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from gatewright.server.management import tools
from gatewright.server.management.app import ROUTES
from gatewright.server.settings import PREFIX, Settings

REFERENCE = Path(__file__).parent.parent.parent / "docs" / "reference"


def rows(page: str) -> list[str]:
    """The rows of the page's tables, without their heads."""
    lines = (REFERENCE / page).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("|") and not re.fullmatch(r"[|\s-]+", line)]


def test_the_page_of_settings_lists_each_setting_with_its_variable_and_no_other() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", "\n".join(rows("settings.md")), re.MULTILINE))

    fields = [field.name for field in dataclasses.fields(Settings)]
    assert told == {name: PREFIX + name.upper() for name in fields}


@pytest.mark.parametrize("name", ["listen", "workers", "log_level", "log_format", "allow_insecure_issuer"])
def test_the_page_of_settings_tells_the_default(name: str) -> None:
    default = str(Settings.__dataclass_fields__[name].default)

    (row,) = (row for row in rows("settings.md") if row.startswith(f"| `{name}` |"))

    assert f"`{default.lower() if default in {'True', 'False'} else default}`" in row


def test_the_page_of_http_names_every_noun_of_the_management_api_and_no_other() -> None:
    table = "\n".join(rows("http.md"))
    told = set(re.findall(r"^\| `(/[a-z-]+(?:/[a-z-]+)?)` \|", table, re.MULTILINE))

    nouns = {row.path.split("/{")[0].removesuffix("/rotate") for row in ROUTES}
    assert told == nouns


def test_the_page_of_http_names_what_is_only_answered_for_tools_and_nothing_else() -> None:
    page = (REFERENCE / "http.md").read_text(encoding="utf-8")
    section = page.partition("## Answered for tools")[2].partition("\n## ")[0]

    told = set(re.findall(r"`(/[a-z-]+)`", section))
    assert told == {"/" + row.path.split("/")[1] for row in tools.ROUTES}
