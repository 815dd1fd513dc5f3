"""The import table of ARCHITECTURE.md and the limits of size and naming, held by parsing the sources.

A new need is settled by extending `TABLE`, with its reason, and the table in ARCHITECTURE.md with it.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "src"
PACKAGE = "gatewright"


@dataclass(frozen=True, slots=True)
class Row:
    """What one part may import; `lazily`: inside functions, or for type checkers, only."""

    ours: tuple[str, ...] = ()
    third_parties: tuple[str, ...] = ()
    lazily: tuple[str, ...] = ()


RECORDS = (
    "server.settings",
    "server.errors",
    "server.client",
    "server.model",
    "server.tenant",
    "server.reported",
    "server.people",
    "server.sealing",
)
FLOOR = (
    *RECORDS,
    "server.store",
    "server.certificates",
    "server.keys",
    "server.events",
    "server.token_requests",
    "server.limits",
    "server.revocations",
)
DOOR = (*FLOOR, "server.context", "server.requests", "jose")
ADAPTERS = (
    "asgi", "starlette", "fastapi", "wsgi", "flask", "django", "rest_framework", "aiohttp", "litestar",
    "mcp",
)  # fmt: skip
# How the document names them together; the larger first.
GROUPS = {"the floor": FLOOR, "the records": RECORDS, "the adapters": ADAPTERS}

# Part -> what it may import. The longest name that fits a module is its part; "" is the package's own
# __init__, which gives the guard's public names, and whoever may import the guard may import those.
TABLE: dict[str, Row] = {
    "": Row(("guard",)),
    "jose": Row((), ("cryptography",)),
    "guard": Row(("jose",)),
    "asgi": Row(("guard",)),
    "starlette": Row(("guard", "asgi"), ("starlette",)),
    "fastapi": Row(("guard", "asgi", "starlette"), ("fastapi", "starlette")),
    "wsgi": Row(("guard",)),
    "flask": Row(("guard", "wsgi"), ("flask", "werkzeug")),
    "django": Row(("guard", "asgi", "django_views"), ("django", "asgiref")),
    "django_views": Row(("guard",), ("django",)),
    "rest_framework": Row(("guard", "django", "django_views"), ("rest_framework",)),
    "aiohttp": Row(("guard",), ("aiohttp",)),
    "mcp": Row(("guard", "asgi", "mcp_routes", "mcp_rules"), ("mcp",)),
    "mcp_routes": Row(("guard", "starlette", "mcp_rules"), ("mcp",)),
    "mcp_rules": Row(("guard",), ("mcp",)),
    "testing": Row(("guard", "jose"), ("aiohttp",), ("server", "cli")),
    "testing.plugin": Row(("guard", "testing"), ("pytest",)),
    "client": Row(("guard", "jose")),
    "client.httpx": Row(("client",), ("httpx",)),
    "client.httpx2": Row(("client",), ("httpx2",)),
    "client.requests": Row(("client",), ("requests",)),
    "litestar": Row(("guard", "asgi"), ("litestar",)),
    "server": Row(),
    "server.errors": Row(),
    "server.settings": Row(("server.errors",)),
    "server.client": Row(("jose",)),
    "server.model": Row(("jose", "server.client"), ("msgspec",)),
    "server.tenant": Row(("server.model",)),
    "server.reported": Row(),
    "server.people": Row(("server.model",)),
    "server.sealing": Row(("server.errors",), ("cryptography",)),
    "server.store": Row(
        (
            "server.model",
            "server.client",
            "server.tenant",
            "server.reported",
            "server.people",
            "server.errors",
            "server.sealing",
            "server.token_requests",
        ),
        ("sqlalchemy", "alembic"),
    ),
    "server.certificates": Row(("jose",), ("cryptography",)),
    "server.keys": Row((*RECORDS, "server.store", "server.certificates", "jose")),
    "server.events": Row((*RECORDS, "server.store", "server.token_requests"), lazily=("server.metrics",)),
    "server.metrics": Row(("server.errors", "server.model"), ("prometheus_client",)),
    "server.token_requests": Row(),
    "server.limits": Row((*RECORDS, "server.store")),
    "server.revocations": Row((*RECORDS, "server.store", "server.keys")),
    "server.context": Row(FLOOR, lazily=("server.metrics",)),
    "server.requests": Row(("server.errors", "server.settings", "server.events", "jose"), ("starlette",)),
    "server.logs": Row(("server.settings",), ("structlog",)),
    "server.listening": Row(("server.errors",)),
    "server.system_api": Row(("server.model",)),
    "server.files": Row(),
    "server.local_tls": Row(("server.files",), ("cryptography",)),
    "server.bootstrap": Row((*FLOOR, "server.system_api", "server.files", "server.local_tls")),
    "server.oauth": Row(DOOR, ("starlette", "msgspec")),
    "server.management": Row((*DOOR, "guard"), ("starlette", "msgspec")),
    "server.dashboard": Row(
        (*DOOR, "guard", "server.management", "server.system_api", "scaffold"),
        ("starlette", "jinja2", "markupsafe", "argon2"),
    ),
    "server.openapi": Row(
        ("server.errors", "server.requests", "server.system_api", "server.oauth", "server.management"),
        ("starlette",),
    ),
    "server.app": Row(("server",), ("starlette", "uvicorn")),
    "scaffold": Row(),
    "cli": Row(("guard", "jose", *ADAPTERS, "scaffold"), ("cyclopts", "rich", "yaml"), ("server", "demo")),
    "demo": Row(("guard", "jose", *ADAPTERS), ("fastapi", "starlette", "uvicorn", "rich"), ("server", "cli")),
}

# What would give pure code a clock, the network, files, chance or threads.
IMPURE = {
    *("time", "datetime", "calendar", "sched"),
    *("socket", "ssl", "select", "selectors", "asyncio", "http", "urllib"),
    *("os", "pathlib", "io", "shutil", "tempfile", "glob", "fileinput", "mmap"),
    *("random", "threading", "multiprocessing", "subprocess", "logging"),
}

CRYPTOGRAPHY = {"cryptography", "_cffi_backend", "_openssl"}
"""The package, and the modules of its compiled part."""

BANNED_MODULES = {"utils", "util", "helpers", "helper", "common", "core"}
BANNED_SUFFIXES = (
    "Manager",
    "Service",
    "Helper",
    "Util",
    "Utils",
    "Base",
    "Abstract",
    "Impl",
    "Info",
    "Data",
)
LONGEST_FUNCTION = 60
LONGEST_FILE = 400
DEEPEST_FOLDER = 3
ALEMBICS_OWN = "versions"
"""Where Alembic looks for migrations; a level that is not ours to choose."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import statement's target, as a dotted name; lazy is one in a function or for types only."""

    module: str
    target: str
    is_lazy: bool
    line: int

    @property
    def is_ours(self) -> bool:
        return self.target == PACKAGE or self.target.startswith(PACKAGE + ".")

    @property
    def part(self) -> str:
        """The target without the package's own name."""
        return self.target.removeprefix(PACKAGE).removeprefix(".")


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCES).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = sorted((SOURCES / PACKAGE).rglob("*.py"))
MODULES = {module_name(path): path for path in FILES}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}


def imports_of(module: str) -> Iterator[Import]:
    """Every import statement of a module, wherever it stands."""
    lazy = {
        inner
        for outer in ast.walk(TREES[module])
        if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef)) or is_for_types_only(outer)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(TREES[module]):
        for target in targets_of(module, node):
            yield Import(module, target, node in lazy, getattr(node, "lineno", 0))


def is_for_types_only(node: ast.AST) -> bool:
    """Whether the node is `if TYPE_CHECKING:`, which loads nothing when the program runs."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def targets_of(module: str, node: ast.AST) -> list[str]:
    """The modules that a statement imports, `from package import module` included."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    source = node.module or ""
    if node.level:
        is_package = MODULES[module].name == "__init__.py"
        parents = module.split(".")[: None if is_package and node.level == 1 else is_package - node.level]
        source = ".".join([*parents, *filter(None, [node.module])])
    submodules = [f"{source}.{alias.name}" for alias in node.names]
    return sorted({name if name in MODULES else source for name in submodules})


def belongs_to(name: str, part: str) -> bool:
    return name == part or name.startswith(part + ".")


def part_of(module: str) -> str:
    """The longest part of the table that the module belongs to."""
    name = module.removeprefix(PACKAGE).removeprefix(".")
    return max((part for part in TABLE if belongs_to(name, part)), key=len, default="?")


def is_allowed(found: Import) -> bool:
    part = part_of(found.module)
    row = TABLE[part]
    top = found.target.partition(".")[0]
    if found.is_ours:
        if found.part == "_version" or (part and belongs_to(found.part, part)):
            return True
        allowed = (*row.ours, *row.lazily) if found.is_lazy else row.ours
        if not found.part:
            return "guard" in allowed
        return any(belongs_to(found.part, other) for other in allowed)
    return top in sys.stdlib_module_names or top in row.third_parties


def test_every_module_is_a_part_of_the_table() -> None:
    unknown = [module for module in MODULES if part_of(module) == "?"]
    assert unknown == [f"{PACKAGE}._version"], unknown


def test_every_import_is_allowed_by_the_table() -> None:
    refused = [
        f"{found.module}:{found.line} imports {found.target}"
        for module in MODULES
        if part_of(module) != "?"
        for found in imports_of(module)
        if not is_allowed(found)
    ]
    assert not refused, "\n".join(refused)


def test_the_table_names_only_parts_that_exist() -> None:
    missing = [
        part for part in TABLE if part and not any(belongs_to(name, f"{PACKAGE}.{part}") for name in MODULES)
    ]
    assert not missing, missing


def test_jose_has_no_clock_no_network_and_no_files() -> None:
    impure = [
        f"{found.module}:{found.line} imports {found.target}"
        for module in MODULES
        if part_of(module) == "jose"
        for found in imports_of(module)
        if found.target.partition(".")[0] in IMPURE
    ]
    assert not impure, "\n".join(impure)


def test_sqlalchemy_is_known_to_the_store_alone() -> None:
    # The table says so; this keeps a later extension of it honest.
    knowing = {part for part, row in TABLE.items() if {"sqlalchemy", "alembic"} & set(row.third_parties)}
    assert knowing == {"server.store"}


def test_importing_the_package_loads_cryptography_and_the_standard_library_only() -> None:
    program = (
        "import sys; before = set(sys.modules); import gatewright; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    ).stdout.split()
    foreign = set(loaded) - set(sys.stdlib_module_names) - {PACKAGE, *CRYPTOGRAPHY}
    assert not foreign


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCES)))
def test_no_file_is_too_long_too_deep_or_vaguely_named(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= LONGEST_FILE, f"{lines} lines"
    folders = path.relative_to(SOURCES / PACKAGE).parent.parts
    assert len([name for name in folders if name != ALEMBICS_OWN]) <= DEEPEST_FOLDER
    assert not BANNED_MODULES & {path.stem, *folders}


@pytest.mark.parametrize("module", MODULES)
def test_no_function_is_too_long(module: str) -> None:
    functions = [
        node for node in ast.walk(TREES[module]) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    lengths = {function.name: length_of(function) for function in functions}
    assert not {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION}


def length_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, its docstring not counted."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or 0) - first.lineno + 1
    return lines


def test_no_class_has_a_name_that_says_nothing() -> None:
    vague = [
        f"{module}.{node.name}"
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name.endswith(BANNED_SUFFIXES)
    ]
    assert not vague, vague


def test_every_package_says_what_lives_in_it() -> None:
    packages = [name for name, path in MODULES.items() if path.name == "__init__.py"]
    silent = [name for name in packages if not ast.get_docstring(TREES[name])]
    assert not silent, silent


def rendered(part: str, row: Row) -> str:
    """The row of the table as ARCHITECTURE.md must show it."""

    def cell(names: tuple[str, ...]) -> str:
        shown = [f"`{name}`" for name in names]
        for group, members in GROUPS.items():
            quoted = [f"`{name}`" for name in members]
            if set(quoted) <= set(shown):
                shown = [group, *(name for name in shown if name not in quoted)]
        return ", ".join(shown) or "none"

    return f"| `{part or PACKAGE}` | {cell(row.ours)} | {cell(row.third_parties)} | {cell(row.lazily)} |"


def test_the_table_of_the_document_is_the_table_of_this_test() -> None:
    document = (ROOT / "ARCHITECTURE.md").read_text().splitlines()
    expected = [rendered(part, row) for part, row in TABLE.items()]
    shown = [line for line in document if line.startswith("| `")]
    assert shown == expected, "ARCHITECTURE.md should have:\n" + "\n".join(expected)
