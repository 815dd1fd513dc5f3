"""`gatewright logs`: who got a token, who was refused, and what was changed."""

import time
from collections.abc import Iterable, Iterator
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from gatewright.cli.failures import ExitCode, Failure, misuse
from gatewright.cli.management import Management, Record, connect
from gatewright.cli.options import SHARED_DEFAULTS, Shared, examples, noun
from gatewright.cli.output import console, draws, printable, say, table, write, write_json

READS = "read:logs"
FAILURES = ("feccft",)
POLL_EVERY = 1.0
PAGE = 100

Filter: TypeAlias = Annotated[
    str | None,
    Parameter(name=["--filter", "-f"], help="`type:feccft`, `client_id:…`; several are joined by AND."),
]

app = noun("logs", purpose="The log: tokens issued and refused, changes, and what guards refused.")
app.command(
    "gatewright.cli.refusals:refusals",
    name="refusals",
    help="List what guards refused, with the commands that would let it in.",
    help_epilogue=examples(
        "gatewright logs refusals", "gatewright logs refusals --app Reader --since 1h --json"
    ),
)


@app.command(
    name="list",
    alias="ls",
    help_epilogue=examples("gatewright logs list", "gatewright logs ls -n 500 -f type:feccft --json"),
)
def list_all(
    *,
    number: Annotated[int, Parameter(name=["--number", "-n"], help="How many at most.")] = PAGE,
    only: Filter = None,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """List the newest log events, newest first."""
    server = connect(shared.data, READS)
    query = {"sort": "date:-1", **({"q": only} if only else {})}
    events = server.all("logs", limit=number, **query)
    if shared.json:
        write_json(events)
        return
    table(["DATE", "TYPE", "DESCRIPTION", "CLIENT", "AUDIENCE"], [_row(event) for event in events])


@app.command(help_epilogue=examples("gatewright logs tail", "gatewright logs tail --json | jq .type"))
def tail(
    *,
    number: Annotated[int, Parameter(name=["--number", "-n"], help="How many earlier ones first.")] = 10,
    only: Filter = None,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """Show log events as they come, until Ctrl-C. With --json: one object a line."""
    server = connect(shared.data, READS)
    wanted = _terms(only)
    newest = server.get("logs", sort="date:-1", page=0, per_page=max(1, min(number, PAGE)))
    earlier = list(reversed(newest))
    _show(_fitting(earlier if number > 0 else [], wanted), as_json=shared.json)
    last = earlier[-1]["log_id"] if earlier else ""
    for event in _fitting(_following(server, last), wanted):
        _show([event], as_json=shared.json)


def _following(server: Management, last: str) -> Iterator[Record]:
    """Events after the checkpoint, for ever; a server that is away for a while is waited for."""
    is_away = False
    while True:
        query: dict[str, str | int] = {"take": PAGE, **({"from": last} if last else {})}
        try:
            events = server.get("logs", **query)
        except Failure as failure:
            if failure.code != ExitCode.CANNOT_REACH:
                raise
            if not is_away:
                say("The server does not answer; waiting for it.")
            is_away, events = True, []
        else:
            is_away = False
        yield from events
        last = events[-1]["log_id"] if events else last
        if len(events) < PAGE:
            time.sleep(POLL_EVERY)


def _terms(text: str | None) -> dict[str, str]:
    """The filter as members an event must have; a checkpoint answer cannot be searched on the server."""
    terms = {}
    for term in (text or "").replace(" AND ", " ").split():
        name, separator, value = term.partition(":")
        if not (name and separator and value):
            raise misuse(f"{term!r} is no filter; write field:value, for example type:feccft.")
        terms[name] = value.strip('"')
    return terms


def _fitting(events: Iterable[Record], terms: dict[str, str]) -> Iterator[Record]:
    return (event for event in events if all(str(event.get(name)) == value for name, value in terms.items()))


def _show(events: Iterable[Record], *, as_json: bool) -> None:
    for event in events:
        if as_json:
            write_json(event, compact=True)
        else:
            _show_line(event)


def _show_line(event: Record) -> None:
    date, kind, description, client, audience = (printable(cell) for cell in _row(event))
    line = f"{date}  {kind:<13}  {description}"
    line += "".join(f"  {extra}" for extra in (client, audience) if extra)
    if draws():
        console().print(line, style="red" if kind in FAILURES else None, markup=False)
    else:
        write(line)


def _row(event: Record) -> list[object]:
    client = event.get("client_name") or event.get("client_id") or ""
    return [event["date"], event["type"], event.get("description", ""), client, event.get("audience", "")]
