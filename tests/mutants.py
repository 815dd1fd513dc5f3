"""A pytest plugin for `make mutate` alone: what tests need while mutmut changes the code under them."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Generator
from types import ModuleType

import hypothesis
import pytest
from mutmut.mutation.trampoline import get_mutant_under_test
from mutmut.state import state

# Functions that run while modules are imported, such as those that build the table of algorithms.
_at_import: set[str] = set()

# A mutant that survives has run every test that reaches its function. Where there are `_MANY` of them, those
# that take longer than `_SLOW` seconds are left out: they would be most of the time. Where `_NEARLY_ALL` do,
# pytest is given their files: to name each of them takes longer than to run them.
_MANY, _NEARLY_ALL, _SLOW = 100, 300, 0.25

_LONGEST = 20  # seconds for a test: whatever waits longer has been changed to wait for ever


class _StuckError(BaseException):
    """A test that does not end; no `except Exception` of the code under test is to take it."""


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
    for test, seconds in [*durations.items()]:
        file = test.partition("::")[0]
        durations[file] = durations.get(file, 0) + seconds
    for function, tests in reaching.items():
        quick = {test for test in tests if durations[test] <= _SLOW}
        if len(quick) >= _NEARLY_ALL:
            reaching[function] = {test.partition("::")[0] for test in quick}
        elif len(quick) >= _MANY:
            reaching[function] = quick
    for function in _at_import:
        _, package, module, *_ = function.split(".")
        reaching[function] = {f"tests/{package}/test_{module}.py"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Fail a test that is stuck, so that the mutant need not be waited for."""
    signal.signal(signal.SIGALRM, _stuck)
    signal.alarm(_LONGEST)
    try:
        return (yield)
    finally:
        signal.alarm(0)


def _stuck(*_: object) -> None:
    raise _StuckError


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
