"""What users import by name stays, and importing it stays light."""

from __future__ import annotations

import importlib
import subprocess
import sys
import types

import pytest

PUBLIC = {
    "gatewright": [
        "AccessToken",
        "Denied",
        "Guard",
        "Issuer",
        "Request",
        "__version__",
        "acr",
        "all_of",
        "any_of",
        "claim",
        "fresh",
        "path",
        "where",
    ],
    "gatewright.client": ["TokenError", "TokenRefused", "TokenSource", "TokenUnavailable"],
    "gatewright.guard": [
        "AccessToken",
        "BadHeader",
        "Denied",
        "FeedHealth",
        "Fetch",
        "Guard",
        "HttpFetch",
        "InsufficientScope",
        "Introspection",
        "InvalidToken",
        "Issuer",
        "KeyHealth",
        "KeysUnavailable",
        "NoToken",
        "Observer",
        "ReportHealth",
        "Reporter",
        "Reports",
        "Request",
        "Rule",
        "RuleNotMet",
        "StepUpRequired",
        "Unavailable",
        "acr",
        "all_of",
        "any_of",
        "claim",
        "cookie",
        "fresh",
        "path",
        "query",
        "where",
    ],
}


@pytest.mark.parametrize("module", PUBLIC)
def test_a_package_exports_exactly_these_names(module: str) -> None:
    package = importlib.import_module(module)
    assert sorted(package.__all__) == sorted(PUBLIC[module])
    visible = {name for name, value in vars(package).items() if not isinstance(value, types.ModuleType)}
    assert {name for name in visible if not name.startswith("_")} <= set(package.__all__)


@pytest.mark.parametrize("adapter", ["asgi", "starlette", "fastapi", "wsgi", "flask", "django", "aiohttp"])
def test_every_adapter_is_entered_by_the_same_verb(adapter: str) -> None:
    assert callable(importlib.import_module(f"gatewright.{adapter}").protect)


def loaded_by(statement: str) -> set[str]:
    """The packages that a fresh process has loaded after the statement, and had not before it."""
    program = f"import sys; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    shown = subprocess.run(
        [sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    return {name.partition(".")[0] for name in shown.stdout.split()}


# cryptography's own compiled parts.
LIGHT = {"gatewright", "cryptography", "_cffi_backend", "_openssl"}


@pytest.mark.parametrize("module", ["gatewright", "gatewright.guard", "gatewright.asgi", "gatewright.client"])
def test_the_guard_loads_the_standard_library_and_cryptography_alone(module: str) -> None:
    assert loaded_by(f"import {module}") - sys.stdlib_module_names <= LIGHT


def test_the_guard_does_not_load_the_server_or_an_adapter() -> None:
    program = (
        "import gatewright, sys; print(*(name for name in sys.modules if name.startswith('gatewright.')))"
    )
    shown = subprocess.run(
        [sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    parts = {name.split(".")[1] for name in shown.stdout.split()}
    assert parts == {"_version", "guard", "jose"}
