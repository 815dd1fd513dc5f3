"""What the documents say is so: their Python runs, their links lead somewhere, their commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from gatewright.cli.program import build
from tests.running import bearer, serving

if TYPE_CHECKING:
    from tests.running import Caller

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/*/*.md")
    for path in ROOT.glob(pattern)
    if "node_modules" not in path.parts
)
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")


def snippets(document: Path, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return [text for tag, text in FENCE.findall(document.read_text(encoding="utf-8")) if tag == language]


def test_the_guarded_api_of_the_readme_refuses_and_admits(caller: Caller) -> None:
    (snippet,) = snippets(ROOT / "README.md", "python")
    issuer = "http://localhost:8844/"
    assert issuer in snippet
    made: dict[str, Any] = {}
    exec(snippet.replace(issuer, caller.issuer), made)  # noqa: S102 - the point of the test

    audience = "https://blog-api"
    caller.create("resource-servers", identifier=audience, scopes=[{"value": "read:blog"}])
    newcomer, reader = caller.application("Newcomer"), caller.application("Reader")
    caller.authorize(newcomer, audience)
    caller.authorize(reader, audience, "read:blog")
    with serving(made["app"]) as url:
        assert httpx2.get(f"{url}/blogs").status_code == 401
        refused = httpx2.get(f"{url}/blogs", headers=bearer(caller.token(newcomer, audience)))
        assert refused.status_code == 403
        admitted = httpx2.get(f"{url}/blogs", headers=bearer(caller.token(reader, audience)))
        assert admitted.json() == {"readBlogAccess": True}


def test_the_python_of_the_guards_reference_runs_from_top_to_bottom() -> None:
    blocks = snippets(ROOT / "docs/reference/guard.md", "python")
    assert len(blocks) > 1
    made: dict[str, Any] = {}
    for block in blocks:
        exec(block, made)  # noqa: S102 - the point of the test


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file(document: Path) -> None:
    targets = LINK.findall(document.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_exists(document: Path) -> None:
    shell = "\n".join(snippets(document, "sh"))
    named = {*re.findall(r"`make ([a-z-]+)", document.read_text(encoding="utf-8"))}
    named |= {*re.findall(r"^make ([a-z-]+)", shell, re.MULTILINE)}
    existing = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named <= existing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_is_sent_to_an_index_the_name_is_not_on(document: Path) -> None:
    assert not re.search(r"pip install ['\"]?gatewright", document.read_text(encoding="utf-8"))


def commands(document: Path) -> list[list[str]]:
    """Each `gatewright …` of the document's shell blocks, as words."""
    blocks = "\n".join([*snippets(document, "sh"), *snippets(document, "console")]).replace("\\\n", " ")
    lines = [line.removeprefix("$ ") for line in blocks.splitlines()]
    command = re.compile(r"(?:^|\$\(|/)gatewright ((?:\"[^\"]*\"|[^)#|;])+)")
    found = [words for line in lines for words in command.findall(line)]
    return [shlex.split(words) for words in found if re.match(r"[a-z]", words)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_is_one_that_the_command_line_takes(document: Path) -> None:
    program = build()

    for words in commands(document):
        program.parse_args(words, exit_on_error=False, print_error=False)


def test_the_commands_of_the_readme_are_found() -> None:
    found = {tuple(words[:2]) for words in commands(ROOT / "README.md")}

    assert {("token", "--api"), ("apis", "create"), ("grants", "set"), ("logs", "tail")} <= found


def test_every_page_is_in_an_index() -> None:
    indexes = [ROOT / "docs/index.md", ROOT / "docs/decisions/README.md"]
    listed = {
        (index.parent / target).resolve() for index in indexes for target in LINK.findall(index.read_text())
    }
    pages = {*(ROOT / "docs").rglob("*.md")} - set(indexes)
    assert not pages - listed


def test_the_readme_leads_to_every_how_to() -> None:
    linked = {(ROOT / target).resolve() for target in LINK.findall((ROOT / "README.md").read_text())}
    assert not {*(ROOT / "docs/how-to").glob("*.md")} - linked
