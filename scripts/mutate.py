"""Mutation testing of the verification code: `make mutate`, or `make mutate ARGS=--again`.

mutmut changes `gatewright.jose` and `gatewright.guard` in one place at a time and runs the tests that reach
it: a change that no test notices survives. This runs it over each package, prints what survived and the
scores, and fails below `LEAST`. It takes the better part of an hour.

`--again` keeps what was caught the last time, in files that have not changed, and asks about the rest only:
for those who write a test against a survivor.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from mutmut.configuration import config
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

LEAST: Final = 90.0
PROCESSES: Final = 2
FOLDER: Final = Path("mutants")
SOURCE: Final = Path("src/gatewright")
VECTORS: Final = "GATEWRIGHT_WYCHEPROOF"

# Each package, and the tests that are left out when it is mutated. A survivor has run all tests that reach
# it: those of the other package would find little more, and these few make up half of the guard's time.
PACKAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "jose": ("tests/guard", "tests/adapters"),
    "guard": (
        "tests/jose",
        "tests/guard/test_attacks.py::test_no_single_changed_character_is_accepted",
        "tests/guard/test_keys_snapshot.py::test_eight_processes_that_start_together_make_one_fetch",
        "tests/guard/test_rotation.py::test_in_an_outage_of_a_day_",
        "tests/guard/test_routes.py::test_discovering_loads_no_framework",
    ),
}
# A mutant that ended in an endless loop, a deadlock or a crash was noticed as well.
CAUGHT: Final = frozenset({"killed", "timeout", "segfault"})


def main() -> int:
    """Run, report, and tell whether the score is high enough."""
    parser = argparse.ArgumentParser(description="Mutation testing of gatewright.jose and gatewright.guard.")
    parser.add_argument("--again", action="store_true", help="only what was not caught, or has changed since")
    again = parser.parse_args().again
    if not again:
        shutil.rmtree(FOLDER, ignore_errors=True)
    began = time.monotonic()
    for package, left_out in PACKAGES.items():
        _run(_not_caught(package) if again else [f"gatewright.{package}.*"], left_out)
    results = {package: _results(package) for package in PACKAGES}
    print()
    for package, statuses in results.items():
        _score(package, statuses)
    score = _score("together", {name: status for each in results.values() for name, status in each.items()})
    print(f"in {(time.monotonic() - began) / 60:.0f} minutes")
    return 0 if score >= LEAST else 1


def _run(mutants: list[str], left_out: tuple[str, ...]) -> None:
    """Have mutmut ask about `mutants`: names, or patterns of names."""
    if not mutants:
        return
    # Which tests reach which function is found out anew: they may have changed.
    (FOLDER / "mutmut-stats.json").unlink(missing_ok=True)
    environment = os.environ | {"PYTEST_ADDOPTS": " ".join(f"--deselect={test}" for test in left_out)}
    beside = Path.cwd().parent / "shared" / "data" / "wycheproof"
    if not environment.get(VECTORS) and beside.is_dir():
        environment[VECTORS] = str(beside)
    program = Path(sys.executable).with_name("mutmut")
    command: list[str | Path] = [program, "run", "--max-children", str(PROCESSES), *mutants]
    subprocess.run(command, check=True, env=environment)  # noqa: S603 - a program of our own environment


def _not_caught(package: str) -> list[str]:
    """Whole files where the source is newer than its mutants; else the mutants that were not caught."""
    wanted = []
    for path in _files(package):
        mutated, results = FOLDER / path, dict(_results_of(path))
        is_old = not mutated.exists() or path.stat().st_mtime > mutated.stat().st_mtime
        if is_old or set(results.values()) == {"not checked"}:
            wanted.append(f"gatewright.{package}.{path.stem}.*")
        else:
            wanted += [mutant for mutant, status in results.items() if status not in CAUGHT]
    return wanted


def _results(package: str) -> dict[str, str]:
    """How each mutant fared; those that were not caught are told."""
    results: dict[str, str] = {}
    for path in _files(package):
        of_file = dict(_results_of(path))
        for mutant, status in of_file.items():
            if status not in CAUGHT:
                _tell(mutant, status, path)
        results |= of_file
    return results


def _files(package: str) -> Iterator[Path]:
    yield from (path for path in sorted((SOURCE / package).rglob("*.py")) if config().should_mutate(path))


def _results_of(path: Path) -> Iterator[tuple[str, str]]:
    data = SourceFileMutationData(path=path)
    data.load()
    for mutant, code in data.exit_code_by_key.items():
        yield mutant, status_by_exit_code[code]


def _tell(mutant: str, status: str, path: Path) -> None:
    print(f"\n{mutant}: {status}")
    for line in get_diff_for_mutant(mutant, path=path).splitlines():
        if line.startswith(("-", "+")) and not line.startswith(("---", "+++")):
            print(f"    {line[0]} {line[1:].strip()}")


def _score(title: str, statuses: Mapping[str, str]) -> float:
    counts = Counter(statuses.values())
    score = 100 * sum(counts[status] for status in CAUGHT) / max(1, len(statuses))
    figures = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    print(f"{title:<9}{score:5.1f} % of {len(statuses)} mutants caught ({figures})")
    return score


if __name__ == "__main__":
    sys.exit(main())
