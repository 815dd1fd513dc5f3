"""What every test has around it: no network but the loopback, no settings from outside, no silent skips."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.running import ServerProcess, caller_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.running import Caller

# Tests that continuous integration may skip: the start of a test's id, and why.
MAY_SKIP_IN_CI: dict[str, str] = {}

# Folders and files whose tests are all slow: each talks to processes of its own, or makes up many requests.
SLOW = (
    "tests/cli/",
    "tests/compat/",
    "tests/documentation/test_how_to.py",
    "tests/server/management/test_arbitrary_calls.py",
    "tests/server/test_conformance.py",
    "tests/server/oauth/test_arbitrary_requests.py",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A real server in a process of its own, on an empty folder and a free port; shared by a test file."""
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def caller(server: ServerProcess) -> Iterator[Caller]:
    """Calls `server` with the credentials of its command line."""
    with caller_of(server.issuer, server.credentials()) as caller:
        yield caller


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GATEWRIGHT_")]:
        if name != "GATEWRIGHT_WYCHEPROOF":
            monkeypatch.delenv(name)


def _is_loopback(host: object) -> bool:
    if not isinstance(host, str) or host in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _refuse_the_network(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple) and not _is_loopback(address[0]):
            raise PermissionError(f"tests reach the loopback only, not {address[0]}")


def pytest_configure() -> None:
    """Guard every socket of this process, also those of libraries; let made-up examples take their time."""
    sys.addaudithook(_refuse_the_network)
    # No test is about speed: a busy machine must not fail what a quiet one passes.
    hypothesis.settings.register_profile(
        "quiet", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
    )
    hypothesis.settings.load_profile("quiet")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `SLOW` lists, before `-m` chooses."""
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker("slow")


def _skip_counts_as_failure(node_id: str) -> bool:
    return bool(os.environ.get("CI")) and not node_id.startswith(tuple(MAY_SKIP_IN_CI))


def _fail_instead(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"skipped, which CI does not allow (MAY_SKIP_IN_CI): {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip in CI into a failure: what is skipped there is tested nowhere."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _skip_counts_as_failure(item.nodeid):
        _fail_instead(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file that skips itself."""
    report = yield
    if report.skipped and _skip_counts_as_failure(collector.nodeid):
        _fail_instead(report)
    return report


CONTRACT = "tests/adapters/test_contract.py::"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests of the adapters' contract ran, and over how many doors."""
    counted: dict[str, Counter[str]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            if report.when == "call" and report.nodeid.startswith(CONTRACT):
                # The door comes first among the parameters: it is the fixture's.
                door = report.nodeid.partition("[")[2].rstrip("]").partition("-")[0]
                counted.setdefault(door, Counter())[outcome] += 1
    if counted:
        passed = sum(tests["passed"] for tests in counted.values())
        failed = sum(tests["failed"] for tests in counted.values())
        terminalreporter.write_line(
            f"contract of the adapters: {passed} passed, {failed} failed, over {len(counted)} doors"
        )
