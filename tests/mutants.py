"""A pytest plugin for `make mutate` alone: what tests need while mutmut changes the code under them."""

from __future__ import annotations

import sys

import hypothesis
import pytest
from mutmut.mutation.trampoline import get_mutant_under_test
from mutmut.state import state

# Functions that run while modules are imported, such as those that build the table of algorithms.
_at_import: set[str] = set()

# A mutant that survives has run every test that reaches its function. Where there are `_MANY` of them, those
# that take longer than `_SLOW` seconds are left out: they would be most of the time and find next to nothing.
_MANY, _SLOW = 100, 0.05


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


def pytest_collection_finish(session: pytest.Session) -> None:
    """Whatever ran before the first test may matter to each of them."""
    if get_mutant_under_test() == "stats":
        ran = state()._stats  # noqa: SLF001 - mutmut has no other door to it
        _at_import.update(ran)
        for function in ran:
            state().tests_by_mangled_function_name[function] = {item.nodeid for item in session.items}
        ran.clear()


def pytest_sessionfinish() -> None:
    """Leave out what is slow where there is enough that is quick."""
    if get_mutant_under_test() == "stats":
        for tests in state().tests_by_mangled_function_name.values():
            quick = {test for test in tests if state().duration_by_test.get(test, 0) <= _SLOW}
            if len(quick) >= _MANY:
                tests.intersection_update(quick)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Forget what the code without the mutant has done: its answers, and what it built during import.

    mutmut forks the process of each mutant from one that has imported all modules and run all tests.
    """
    anew = get_mutant_under_test().partition("__mutmut_")[0] in _at_import
    for name, module in list(sys.modules.items()):
        if anew and name.partition(".")[0] in {"gatewright", "tests"} and name != __name__:
            del sys.modules[name]
        elif name.startswith("gatewright."):
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
