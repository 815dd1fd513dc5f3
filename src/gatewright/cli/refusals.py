"""What guards refused: `gatewright logs refusals`, and one of them by its request id for `gatewright why`."""

import re
import time
from collections.abc import Iterable
from typing import Annotated

from cyclopts import Parameter

from gatewright.cli.failures import ExitCode, Failure, misuse
from gatewright.cli.lookup import READS_APIS, READS_APPS, find_api, find_app
from gatewright.cli.management import Management, Record, connect
from gatewright.cli.options import SHARED_DEFAULTS, Shared
from gatewright.cli.output import details, printable, say, table, write, write_json

READS_REPORTS = "read:guard_reports"
READS_LOGS = "read:logs"
REQUEST_ID = re.compile(r"[0-9a-f]{16}")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_HOW_TO = "Guards report when they have what this prints: gatewright env --reports"


def refusals(
    *,
    api: Annotated[
        str | None,
        Parameter(name=["--api", "--audience", "-a"], help="Only of this API: id, identifier or name."),
    ] = None,
    application: Annotated[
        str | None, Parameter(name=["--app", "--client-id", "-c"], help="Only of this application.")
    ] = None,
    since: Annotated[str, Parameter(help="How far back: 90s, 30m, 6h, 7d.")] = "1d",
    number: Annotated[int, Parameter(name=["--number", "-n"], help="How many rows at most.")] = 50,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """List what guards refused, newest first, with the commands that would let it in."""
    query = {"since": str(int(time.time()) - _seconds(since))}
    server = connect(shared.data, READS_REPORTS, *([READS_APIS] * (api is not None)), READS_APPS)
    if api is not None:
        query["audience"] = find_api(server, api)["identifier"]
    if application is not None:
        query["client_id"] = find_app(server, application)["client_id"]
    rows = server.all("guard-reports/refusals", limit=number, **query)
    if shared.json:
        write_json(rows)
        return
    if not rows:
        _say_why_nothing(server)
        return
    table(
        ["MINUTE", "COUNT", "APPLICATION", "METHOD", "ROUTE", "REASON", "MISSING", "LAST REQUEST"],
        [_row(row) for row in rows],
    )
    _say_fixes(rows)


def explain(shared: Shared, request_id: str) -> int:
    """Say why the request of this id was refused, by a guard or by the token endpoint.

    Raises:
        Failure: nobody has told the server of it.
    """
    server = connect(shared.data, READS_REPORTS, READS_LOGS)
    found = server.all("guard-reports/refusals", limit=1, request_id=request_id)
    if found:
        _show(found[0], as_json=shared.json)
        return ExitCode.REFUSED
    events = server.all("logs", limit=1, q=f"details.request_id:{request_id}")
    if not events:
        raise Failure(
            f"No guard has reported a refusal with the id {request_id}, nor has the server's log a request.",
            "Of refusals of one kind in one minute the last id is kept; reports come within 2 seconds.",
            _HOW_TO,
            code=ExitCode.NOT_FOUND,
        )
    _show_event(events[0], as_json=shared.json)
    return ExitCode.REFUSED if events[0]["type"].startswith("f") else ExitCode.FINE


def _show(row: Record, *, as_json: bool) -> None:
    if as_json:
        write_json(row)
        return
    verdict = "refused" if row["enforced"] else "let in, for its guard only reports"
    times = "once" if row["count"] == 1 else f"{row['count']} times in that minute"
    details(
        {
            "request": f"{row.get('method', '')} {row.get('route') or '(no route)'}".strip(),
            "api": row["audience"],
            "application": _application(row) or "(unknown: the token was not accepted)",
            "minute": f"{row['minute']}, {times}",
            "verdict": f"{verdict}: {row['reason']}",
        }
    )
    write("")
    write(printable(row["explanation"]))
    for command in row["commands"]:
        write(f"  Fix: {printable(command)}")


def _show_event(event: Record, *, as_json: bool) -> None:
    if as_json:
        write_json(event)
        return
    details(
        {
            "request": "the server's own log",
            "date": event["date"],
            "type": event["type"],
            "application": event.get("client_name") or event.get("client_id"),
            "api": event.get("audience"),
        }
    )
    write("")
    write(printable(event.get("description", "")))


def _row(row: Record) -> list[object]:
    reason = row["reason"] if row["enforced"] else f"{row['reason']} (let in)"
    return [
        row["minute"][:16].replace("T", " "),
        row["count"],
        _application(row) or "-",
        row.get("method", "-"),
        row.get("route", "-"),
        reason,
        " ".join(row["missing"]) or "-",
        row["request_id"],
    ]


def _application(row: Record) -> str:
    return str(row.get("client_name") or row.get("client_id") or "")


def _say_fixes(rows: Iterable[Record]) -> None:
    """Each explanation that comes with commands once: what a person would do next."""
    told: dict[str, list[str]] = {row["explanation"]: row["commands"] for row in rows if row["commands"]}
    for explanation, commands in told.items():
        say()
        say(explanation)
        for command in commands:
            say(f"  Fix: {command}")
    if told:
        say()
        say("Tokens keep what they had when they were issued: take a new one afterwards.")


def _say_why_nothing(server: Management) -> None:
    apis = server.get("guard-reports/apis")
    if not apis:
        say("No guard has reported anything yet.")
        say(f"  {_HOW_TO}")
        return
    say("Nothing was refused in that time. These APIs report:")
    for each in apis:
        say(f"  {each['audience']}  last heard of at {each['last_at']}")


def _seconds(text: str) -> int:
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if match is None:
        raise misuse(f"{text!r} is no span of time; write 90s, 30m, 6h or 7d.")
    return int(match[1]) * _UNITS[match[2]]
