"""What is executed of a page, and that nothing is passed over in silence; each adapter has its guide."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.documentation.pages import Command, File, steps
from tests.documentation.reading import Reader
from tests.documentation.terminal import Terminal, is_alive
from tests.running import responds
from tests.test_architecture import ADAPTERS

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in HOW_TO.glob("*.md")}
DISTRIBUTIONS = {"rest_framework": "djangorestframework"}
"""What is installed under another name than it is imported by."""
PROGRAMS = {"uvicorn", "flask", "pytest"}

PAGE = """
# A page

```python
# app.py
app = 1

if __name__ == "__main__":
    print(app)
```

```sh
# a remark
pip install something
python app.py   # stays, until it is ended
ls \\
    -l          # another remark
```

```python
more = 2
```

```console
$ python app.py
1
…
$ true
```
"""


def fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```\n"


def test_a_page_is_files_and_commands_in_order() -> None:
    first, served, listed, second, shown, silent = steps(PAGE)
    assert first == File("app.py", '# app.py\napp = 1\n\nif __name__ == "__main__":\n    print(app)\n')
    assert served == Command("python app.py", stays=True)
    assert isinstance(listed, Command)
    assert listed.line.split("#")[0].split() == ["ls", "-l"]
    assert second == File(
        "app.py", '# app.py\napp = 1\n\n\nmore = 2\n\n\nif __name__ == "__main__":\n    print(app)\n'
    )
    assert shown == Command("python app.py", "1\n…\n")
    assert silent == Command("true", "")


def test_python_of_a_page_without_a_file_is_one_program() -> None:
    *_, last = steps(fenced("python", "a = 1") + fenced("python", "b = a"))
    assert isinstance(last, File)
    assert [line for line in last.text.splitlines() if line] == ["a = 1", "b = a"]


@pytest.mark.parametrize(
    "page",
    [
        fenced("", "app = 1"),
        fenced("json", "{}"),
        fenced("py", "app = 1"),
        fenced("ini", "[pytest]"),
        "- in a list\n\n  ```python\n  app = 1\n  ```\n",
        "```python title=app.py\napp = 1\n```\n",
        "```python\napp = 1\n",
        fenced("console", "output of nothing"),
        fenced("console", "shown before\n$ true"),
    ],
)
def test_a_block_that_cannot_be_executed_is_a_fault(page: str) -> None:
    with pytest.raises(ValueError, match=r"execute|name|command"):
        list(steps(page))


@pytest.mark.parametrize(
    ("told", "output", "is_so"),
    [
        ("1\n", "1\n", True),
        ("1\n", "2\n", False),
        ("1\n", "1\n2\n", False),
        ("", "1\n", False),
        ("a\n…\nd\n", "a\nb\nc\nd", True),
        ("a\n…\nd\n", "a\nb\nc\n", False),
        ('{"client":"…"}', '{"client":"x"}', True),
        ("a.c", "abc", False),
    ],
)
def test_what_a_page_says_is_compared_with_what_shows(told: str, output: str, is_so: bool) -> None:  # noqa: FBT001
    assert Command("say", told).is_shown_by(output) is is_so


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("Only prose.", "nothing to execute"),
        (fenced("sh", "false"), "fails with 1"),
        (fenced("console", "$ false"), "fails with 1"),
        (fenced("console", "$ echo a\nb"), "the page says"),
        (fenced("python", "raise SystemExit(3)"), "fails with 3"),
        (fenced("sh", "true") + fenced("python", "# app.py\nraise SystemExit(3)"), "python app.py"),
        (fenced("sh", "exit 4"), "does not end"),
        (fenced("sh", "false   # stays"), "has ended"),
    ],
)
def test_a_page_that_does_not_do_what_it_says_fails(page: str, said: str, tmp_path: Path) -> None:
    with (
        pytest.raises((AssertionError, ValueError), match=said),
        Terminal(tmp_path / "folder") as terminal,
    ):
        Reader(terminal).follow(page)


def test_a_command_that_should_have_been_said_to_stay_is_ended(tmp_path: Path) -> None:
    with Terminal(tmp_path / "folder", patience=1) as terminal:
        reader = Reader(terminal)
        served = "python -m http.server --bind 127.0.0.1 3000   # stays"
        with pytest.raises(AssertionError, match="does not end"):
            reader.follow(fenced("sh", f"{served}\necho $$ && sleep 60"))
        shell = int((tmp_path / "folder.output").read_text())
    assert not is_alive(shell)
    assert not responds(f"http://127.0.0.1:{reader.api_port}/")


def test_what_a_command_sets_the_next_one_knows(tmp_path: Path) -> None:
    with Terminal(tmp_path / "folder") as terminal:
        Reader(terminal).follow(
            fenced("sh", "mkdir a && cd a\nNAME=b") + fenced("console", "$ echo $NAME\nb")
        )
        assert terminal.run("pwd") == (0, f"{tmp_path}/folder/a\n")
        assert terminal.variable("NAME") == "b"


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_adapter_is_used_by_a_guide(adapter: str) -> None:
    guides = [page for name, page in PAGES.items() if name.startswith("guard-")]
    files = [step.text for guide in guides for step in steps(guide) if isinstance(step, File)]
    assert any(f"\nfrom gatewright.{adapter} import " in file for file in files)


@pytest.mark.parametrize("page", sorted(PAGES))
def test_a_how_to_says_what_must_be_installed(page: str) -> None:
    needed, own = set[str](), {"gatewright", *sys.stdlib_module_names}
    for step in steps(PAGES[page]):
        if isinstance(step, File):
            own.add(step.name.removesuffix(".py"))
            needed |= set(re.findall(r"^(?:from|import) (\w+)", step.text, re.MULTILINE))
        else:
            needed |= PROGRAMS & set(step.line.split())
    named = set(re.findall(r"[\w-]+", " ".join(re.findall(r"`pip install ([^`]+)`", PAGES[page]))))
    if "\npip install -r requirements.txt\n" in PAGES[page]:
        named |= PROGRAMS  # those of the framework that the project was made for
    assert {DISTRIBUTIONS.get(name, name) for name in needed - own} <= named
    assert "(../../README.md)" in PAGES[page], "how Gatewright itself is installed"
