"""`gatewright routes` and `gatewright openapi`: who may enter what, told by the application itself.

The application is imported from the current folder, as a server would; no request is made.
"""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from gatewright.cli.failures import ExitCode, Failure, misuse
from gatewright.cli.importing import Django, Factory, Target, policy_of
from gatewright.cli.output import say, table, write, write_json
from gatewright.guard import lock_file
from gatewright.guard import openapi as documents
from gatewright.guard import routes as listing
from gatewright.guard.lock_file import Drift
from gatewright.guard.routes import Policy

WRITE_FIRST = "Write it first: gatewright routes APP --lock FILE"


def routes(
    target: Target = "",
    /,
    *,
    lock: Annotated[Path | None, Parameter(help="Write them to this file, for review.")] = None,
    check: Annotated[Path | None, Parameter(help="Fail when they are not what this file says.")] = None,
    django: Django = None,
    factory: Factory = False,
    json_: Annotated[
        bool, Parameter(name="--json", negative="", help="JSON on stdout, for programs.")
    ] = False,
) -> int:
    """List the routes of an application: method, path, rule, guarded or public.

    Exit code 1 when --check finds a difference, or when nothing protects the application or a route of it, or
    when its guard only reports.
    """
    if lock is not None and check is not None:
        raise misuse("--lock writes the file, --check compares with it: one at a time.")
    policy = policy_of(target, django=django, factory=factory)
    if lock is not None:
        _write_file(lock, lock_file.write(policy.routes))
        say(f"Wrote {len(policy.routes)} routes to {lock}.")
    elif check is not None:
        return _checked(check, policy, as_json=json_)
    elif json_:
        write_json([_record(route) for route in policy.routes])
    else:
        table(["METHOD", "PATH", "RULE", "ACCESS"], [_row(route) for route in policy.routes])
    _refuse_open(policy.routes)
    return ExitCode.FINE


def openapi(
    target: Target = "",
    /,
    *,
    merge: Annotated[
        Path | None, Parameter(help="A document (JSON) that is kept, but for what it says of security.")
    ] = None,
    output: Annotated[Path | None, Parameter(help="The file to write; stdout without it.")] = None,
    django: Django = None,
    factory: Factory = False,
) -> None:
    """Write an OpenAPI 3.1 document from the rules of an application."""
    policy = policy_of(target, django=django, factory=factory)
    document = documents.written(policy.guard, policy.routes, _document(merge))
    if output is None:
        write_json(document)
        return
    _write_file(output, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    say(f"Wrote {len(document['paths'])} paths to {output}.")


def _refuse_open(routes: Iterable[listing.Route]) -> None:
    """Fail where strangers may enter though nobody said so."""
    counted = Counter(route.access for route in routes)
    if counted["open"]:
        raise Failure(
            f"Nothing protects {counted['open']} of the routes.",
            "In Django: put gatewright.django.Middleware into MIDDLEWARE.",
        )
    if counted["report-only"]:
        raise Failure(
            f"The guard only reports: strangers may enter {counted['report-only']} of the routes.",
            "When its reports are clean, take enforce=False away.",
        )


def _checked(file: Path, policy: Policy, *, as_json: bool) -> int:
    try:
        locked = lock_file.parse(read_text(file, WRITE_FIRST))
    except ValueError as error:
        raise Failure(f"{file}: {error}", code=ExitCode.INVALID_INPUT) from error
    found = lock_file.drift(locked, policy.routes)
    if as_json:
        write_json(
            {
                "added": [str(entry) for entry in found.added],
                "removed": [str(entry) for entry in found.removed],
                "changed": [[str(before), str(after)] for before, after in found.changed],
                "opened": [str(entry) for entry in found.opened],
            }
        )
    else:
        _show(found)
    if not found:
        say(f"{len(policy.routes)} routes, as {file} says.")
        return ExitCode.FINE
    opened = f" {len(found.opened)} of them need no token now." if found.opened else ""
    raise Failure(
        f"Who may enter is not what {file} says.{opened}",
        "If it is meant: gatewright routes APP --lock FILE, and have the change reviewed.",
    )


def _show(found: Drift) -> None:
    for before, after in found.changed:
        write(f"- {before}")
        write(f"+ {after}")
    for entry in found.removed:
        write(f"- {entry}")
    for entry in found.added:
        write(f"+ {entry}")


def _row(route: listing.Route) -> list[str]:
    rule = route.asked if route.asks_for_token else "-"
    return [route.method, route.path, rule, route.access]


def _record(route: listing.Route) -> dict[str, object]:
    return {
        "method": route.method,
        "path": route.path,
        "rule": None if route.rule is None else repr(route.rule),
        "access": route.access,
        "endpoint": route.endpoint,
    }


def _document(file: Path | None) -> dict[str, Any] | None:
    if file is None:
        return None
    try:
        document = json.loads(read_text(file, "--merge takes an OpenAPI document in JSON."))
    except json.JSONDecodeError as error:
        raise Failure(f"{file} is no JSON: {error}", code=ExitCode.INVALID_INPUT) from error
    if not isinstance(document, dict) or not isinstance(document.get("paths", {}), dict):
        raise Failure(f"{file} is no OpenAPI document.", code=ExitCode.INVALID_INPUT)
    return document


def read_text(file: Path, step: str) -> str:
    """What a file holds.

    Raises:
        Failure: it cannot be read; `step` says what to do about it.
    """
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}.", step) from error


def _write_file(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{file} cannot be written: {error.strerror}.") from error
