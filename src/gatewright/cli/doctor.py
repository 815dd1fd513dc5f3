"""`gatewright doctor`: is the server well, and is anybody using it in a way that will hurt?"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from gatewright.cli import checkups
from gatewright.cli.checkups import Finding, Patient, Verdict
from gatewright.cli.failures import ExitCode, Failure
from gatewright.cli.http import Unreachable
from gatewright.cli.management import connect
from gatewright.cli.options import SHARED_DEFAULTS, Shared
from gatewright.cli.output import printable, say, write, write_json


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table; where a `vital` one fails, the rest has nothing to look at."""

    name: str
    look: Callable[[Patient], Iterable[Finding]]
    vital: bool = False


CHECKS: Final = (
    Check("server", checkups.readiness, vital=True),
    Check("issuer", checkups.identity, vital=True),
    Check("version", checkups.version),
    Check("clock", checkups.clock),
    Check("keys", checkups.keys, vital=True),
    Check("token requests", checkups.token_requests),
    Check("refusals", checkups.refusals),
    Check("applications", checkups.applications),
)


def doctor(*, shared: Shared = SHARED_DEFAULTS) -> int:
    """Look at the server and at how it is used; exit code 1 when something needs attention."""
    server = connect(shared.data, *checkups.READS)
    found = list(_examined(Patient(server, time.time())))
    if shared.json:
        write_json(_as_json(found))
    else:
        _show(found)
    return ExitCode.FAILED if any(_needs_attention(each) for _, each in found) else ExitCode.FINE


def _examined(patient: Patient) -> Iterator[tuple[str, Finding]]:
    for check in CHECKS:
        findings = list(_findings(check, patient))
        yield from ((check.name, finding) for finding in findings)
        if check.vital and any(finding.verdict is Verdict.FAILED for finding in findings):
            return


def _findings(check: Check, patient: Patient) -> Iterator[Finding]:
    try:
        yield from check.look(patient)
    except Failure as failure:
        yield Finding(Verdict.FAILED, failure.message.rstrip("."), "; ".join(failure.steps))
    except Unreachable as error:
        yield Finding(Verdict.FAILED, f"The server does not answer ({error})")


def _show(found: list[tuple[str, Finding]]) -> None:
    width = max(len(check.name) for check in CHECKS)
    for name, finding in found:
        write(
            f"{finding.verdict.upper() if _needs_attention(finding) else finding.verdict:<4}  "
            f"{name:<{width}}  {printable(finding.said)}"
        )
        if finding.next_step:
            write(f"{'':4}  {'':{width}}  => {printable(finding.next_step)}")
    count = sum(_needs_attention(finding) for _, finding in found)
    say("Nothing needs attention." if not count else f"To look after: {count}.")


def _as_json(found: list[tuple[str, Finding]]) -> dict[str, object]:
    return {
        "fine": not any(_needs_attention(finding) for _, finding in found),
        "checks": [
            {"check": name, "verdict": finding.verdict, "said": finding.said, "next": finding.next_step}
            for name, finding in found
        ],
    }


def _needs_attention(finding: Finding) -> bool:
    return finding.verdict in (Verdict.LOOK, Verdict.FAILED)
