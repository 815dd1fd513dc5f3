"""A pytest plugin for `make mutate` alone: what tests need while mutmut changes the code under them."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import hypothesis
import pytest
from mutmut.mutation.trampoline import get_mutant_under_test
from mutmut.state import state

# Functions that run while modules are imported, such as those that build the table of algorithms.
_at_import: set[str] = set()

# A mutant that survives has run every test that reaches its function. Where there are `_MANY` of them, those
# that take longer than `_SLOW` seconds are left out: they would be most of the time and find next to nothing.
_MANY, _SLOW = 100, 0.25


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Let made-up examples be the same for every mutant, and stop at the first that fails."""
    hypothesis.settings.register_profile(
        "mutants",
        hypothesis.settings.get_profile("quiet"),
        derandomize=True,
        database=None,
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
    )
    hypothesis.settings.load_profile("mutants")


def pytest_collection_finish() -> None:
    """What test files do while they are collected says nothing of any one test."""
    if get_mutant_under_test() == "stats":
        state()._stats.clear()  # noqa: SLF001 - mutmut has no other door to it


def pytest_sessionfinish() -> None:
    """Say which tests are run for a mutant of each function."""
    if get_mutant_under_test() != "stats":
        return
    reaching, durations = state().tests_by_mangled_function_name, state().duration_by_test
    for tests in reaching.values():
        quick = {test for test in tests if durations.get(test, 0) <= _SLOW}
        if len(quick) >= _MANY:
            tests.intersection_update(quick)
    for function in _at_import:
        _, package, module, *_ = function.split(".")
        file = f"tests/{package}/test_{module}.py"
        reaching[function] = {file}
        durations[file] = sum(seconds for test, seconds in durations.items() if test.startswith(f"{file}::"))


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Find out what runs during import; for a mutant of that, import everything once more.

    mutmut forks the process of each mutant from one that has imported all modules and run all tests, without
    the mutant. So what functions remember is forgotten, too.
    """
    mutant = get_mutant_under_test()
    if mutant == "stats":
        importlib.import_module("gatewright")
        _at_import.update(state()._stats)  # noqa: SLF001 - mutmut has no other door to it
    elif mutant.partition("__mutmut_")[0] in _at_import:
        for name in [name for name in sys.modules if name.partition(".")[0] in {"gatewright", "tests"}]:
            if name != __name__:
                del sys.modules[name]
    else:
        for function in (value for module in _ours() for value in vars(module).values()):
            if hasattr(function, "cache_clear"):
                function.cache_clear()


def _ours() -> list[ModuleType]:
    return [
        module
        for name, module in sys.modules.items()
        if name.startswith(("gatewright.jose.", "gatewright.guard."))
    ]
