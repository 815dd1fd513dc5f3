"""How long a test waits for `gatewright.testing.server()`: from the call to the first token, twenty times.

Each round starts a server on a free port, or on none, makes an API and an application that is granted a
scope, and takes a token. The first round of a process also loads the server's packages; it is told apart.
Prints the medians and writes `benchmarks/results/fixture_start.json`.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

from gatewright.testing import server

ROUNDS = 20
PROMISED = 0.5
"""Seconds until the server answers, for the median."""
RESULTS = Path(__file__).parent / "results" / "fixture_start.json"
AUDIENCE = "https://blog-api"
FIRST = "--first"


def measure(port: int | None) -> list[float]:
    """Seconds until the server answers, until the first token, and for the stop."""
    began = time.perf_counter()
    started = server(port=port)
    answers = time.perf_counter()
    started.api(AUDIENCE, scopes=["read:blog"])
    started.token(started.app("Reader", grants={AUDIENCE: ["read:blog"]}), AUDIENCE)
    token = time.perf_counter()
    started.stop()
    return [answers - began, token - began, time.perf_counter() - token]


def first() -> list[float]:
    """The same in a process that has loaded nothing of the server yet."""
    shown = subprocess.run([sys.executable, __file__, FIRST], check=True, capture_output=True, text=True)
    seconds: list[float] = json.loads(shown.stdout)
    return seconds


def main() -> None:
    """Measure, print, keep."""
    measure(0)  # loads what every round needs
    rounds = {
        "on a port": [measure(0) for _ in range(ROUNDS)],
        "in process": [measure(None) for _ in range(ROUNDS)],
        "first of a process": [first() for _ in range(5)],
    }
    medians = {
        name: dict(
            zip(("answers", "token", "stop"), map(statistics.median, zip(*each, strict=True)), strict=True)
        )
        for name, each in rounds.items()
    }
    for name, median in medians.items():
        print(
            f"{name:18}  " + "  ".join(f"{what} {seconds * 1000:4.0f} ms" for what, seconds in median.items())
        )
    print(f"promised: answers in {PROMISED * 1000:.0f} ms (median of {ROUNDS})")
    RESULTS.parent.mkdir(exist_ok=True)
    result = {
        "medians": {
            name: {what: round(seconds, 3) for what, seconds in median.items()}
            for name, median in medians.items()
        },
        "promised": PROMISED,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] == [FIRST]:
        print(measure(0))
    else:
        main()
