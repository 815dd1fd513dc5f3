"""How long a first start takes until the first token: `gatewright serve` on an empty folder, ten times.

Each round spawns the installed command, waits for `cli.json` and an answering port, and asks for one
token. Prints the median and writes `benchmarks/results/first_token.json`.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROUNDS = 10
PROMISED = 2.0
"""Seconds, for the median."""
GATEWRIGHT = Path(sys.executable).with_name("gatewright")
RESULTS = Path(__file__).parent / "results" / "first_token.json"


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ask_token(credentials: dict[str, str]) -> bool:
    """Whether the token endpoint answered with a token."""
    issuer = credentials["issuer"]
    form = {
        "grant_type": "client_credentials",
        "client_id": credentials["client_id"],
        "client_secret": credentials["client_secret"],
        "audience": issuer + "api/v2/",
    }
    body = urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(issuer + "oauth/token", body)  # noqa: S310 - our own server's address
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
            return "access_token" in json.load(answer)
    except (urllib.error.URLError, ConnectionError):
        return False


def measure(folder: Path) -> float:
    """Seconds from the start of the process to the first token."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWRIGHT_")}
    command: list[str | Path] = [
        GATEWRIGHT,
        "serve",
        "--data",
        folder,
        "--listen",
        f"localhost:{free_port()}",
    ]
    began = time.perf_counter()
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while server.poll() is None and time.perf_counter() - began < 60:  # noqa: PLR2004 - gives up
            credentials = folder / "cli.json"
            if credentials.exists() and ask_token(json.loads(credentials.read_text())):
                return time.perf_counter() - began
            time.sleep(0.005)
    finally:
        server.terminate()
        server.wait(timeout=20)
    raise SystemExit("gatewright serve did not issue a token")


def main() -> None:
    """Measure, print, keep."""
    seconds = []
    for number in range(1, ROUNDS + 1):
        with tempfile.TemporaryDirectory() as folder:
            seconds.append(measure(Path(folder) / "data"))
        print(f"start {number:2}: {seconds[-1]:.2f} s")
    median = statistics.median(seconds)
    print(f"first token after a first start: {median:.2f} s (median of {ROUNDS}; promised: {PROMISED:g} s)")
    RESULTS.parent.mkdir(exist_ok=True)
    result = {
        "seconds": [round(second, 3) for second in seconds],
        "median": round(median, 3),
        "promised": PROMISED,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
