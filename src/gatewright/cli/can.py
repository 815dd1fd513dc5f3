"""`gatewright can`: who is let in where, and what a change of the rules does to that; no token is issued."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

from cyclopts import Parameter

from gatewright.cli.access import Answer, Holding, Verdict, holding, holdings, judge, strangers
from gatewright.cli.failures import ExitCode, Failure, misuse
from gatewright.cli.importing import Django, Factory, policy_of
from gatewright.cli.lookup import (
    READS_APIS,
    READS_APPS,
    READS_GRANTS,
    find_api,
    find_app,
    grant_of,
    only_api,
)
from gatewright.cli.management import Management, Record, connect
from gatewright.cli.options import SHARED_DEFAULTS, Shared
from gatewright.cli.output import details, say, table, write_json
from gatewright.cli.routes import WRITE_FIRST, read_text
from gatewright.guard import Guard, lock_file
from gatewright.guard.matching import methods_at, routes_for
from gatewright.guard.routes import Route

READS: Final = (READS_APIS, READS_APPS, READS_GRANTS)
Row: TypeAlias = tuple[Route, Sequence[Verdict]]
"""A route, and what is answered to each."""

_REQUEST = re.compile(r"([A-Za-z]+|\*)\s+(/.*)")
_CODES: Final = {"yes": ExitCode.FINE, "no": ExitCode.REFUSED, "depends": ExitCode.FAILED}
_RANKS: Final[dict[Answer, int]] = {"no": 0, "depends": 1, "yes": 2}
_NO_ROUTE: Final = Verdict("no", "there is no such route")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, by method and path."""

    method: str
    path: str

    @staticmethod
    def parse(text: str) -> "Asked | None":
        """The request of a text such as `POST /blogs`; None: it is none."""
        found = _REQUEST.fullmatch(text.strip())
        return Asked(found[1].upper(), found[2]) if found else None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Change:
    """Who is let in otherwise than before, and where."""

    held: Holding
    asked: Asked
    before: Verdict
    after: Verdict

    @property
    def word(self) -> str:
        """Whether access was gained or lost."""
        return "gains" if _RANKS[self.after.answer] > _RANKS[self.before.answer] else "loses"


def can(
    application: Annotated[str, Parameter(name="APP", help="Client id or name; all without it.")] = "",
    request: Annotated[str, Parameter(name="REQUEST", help="'POST /blogs'; every route without it.")] = "",
    /,
    *,
    lock: Annotated[Path | None, Parameter(help="The file of `gatewright routes --lock`.")] = None,
    routes: Annotated[
        str, Parameter(help="MODULE:APP, in place of a file: the application's routes as they are.")
    ] = "",
    django: Django = None,
    factory: Factory = False,
    api: Annotated[
        str | None,
        Parameter(name=["--api", "--audience", "-a"], help="Id, identifier or name; needed with several."),
    ] = None,
    against: Annotated[
        Path | None, Parameter(help="An older file: say who gains and who loses what.")
    ] = None,
    check: Annotated[
        bool, Parameter(negative="", help="With --against: fail when anybody gains or loses.")
    ] = False,
    shared: Shared = SHARED_DEFAULTS,
) -> int:
    """Say whether an application would be let in, from its client grant and the rules; no token is issued.

    Exit code of one request: 0 let in, 4 refused, 1 when it depends on more than a grant says.
    """
    if not request and Asked.parse(application):
        application, request = "", application
    if check and against is None:
        raise misuse("--check goes with --against FILE.")
    asked = _asked(request)
    listed, guard = _listed(lock, routes, django=django, factory=factory)
    server = connect(shared.data, *READS)
    named = api or (guard.audience[0] if guard is not None else "")
    found = find_api(server, named) if named else only_api(server)
    if guard is not None:
        _say_whose_tokens_it_takes(guard, server.issuer)
    held = _held(server, found, application)
    if against is not None:
        changes = list(_changes(_locked(against), listed, [strangers(found), *held], asked))
        return _show_changes(changes, against, check=check, as_json=shared.json)
    if asked is not None and application:
        return _show_one(asked, _taking(listed, asked), held[0], as_json=shared.json)
    shown = listed if asked is None else _taking(listed, asked)
    rows = [
        (route, [_verdict(listed, Asked(route.method, route.path), one) for one in held]) for route in shown
    ]
    _show_all(rows, held, is_one=bool(application), as_json=shared.json)
    return ExitCode.FINE


def _asked(text: str) -> Asked | None:
    asked = Asked.parse(text)
    if text and asked is None:
        raise misuse(f"{text!r} is no request.", "Say it as METHOD /path: 'POST /blogs'")
    return asked


def _listed(
    lock: Path | None, target: str, *, django: str | None, factory: bool
) -> tuple[Sequence[Route], Guard | None]:
    """The routes, and their guard where it is known."""
    if [lock is not None, bool(target), bool(django)].count(True) != 1:
        raise misuse(
            "Say which routes: those of a file, or of an application.",
            "gatewright can APP 'POST /blogs' --lock routes.lock",
            "gatewright can APP 'POST /blogs' --routes app:app",
        )
    if lock is not None:
        return _locked(lock), None
    policy = policy_of(target, django=django, factory=factory)
    return policy.routes, policy.guard


def _say_whose_tokens_it_takes(guard: Guard, issuer: str) -> None:
    if guard.issuers and issuer not in guard.issuers:
        say(f"Its guard trusts {', '.join(guard.issuers)}, not {issuer}: this is for tokens from there.")


def _locked(file: Path) -> list[Route]:
    try:
        return [entry.route() for entry in lock_file.parse(read_text(file, WRITE_FIRST))]
    except ValueError as error:
        raise Failure(f"{file}: {error}.", code=ExitCode.INVALID_INPUT) from error


def _held(server: Management, api: Record, application: str) -> list[Holding]:
    if application:
        found = find_app(server, application)
        return [holding(found, api, grant_of(server, found, api), called=application)]
    grants = server.all("client-grants", audience=api["identifier"], subject_type="client")
    return holdings(api, server.all("clients"), grants)


def _taking(listed: Sequence[Route], asked: Asked) -> tuple[Route, ...]:
    taken = routes_for(listed, asked.method, asked.path)
    if not taken:
        others = methods_at(listed, asked.path)
        step = f"At that path: {', '.join(others)}" if others else "List them: gatewright can --lock FILE"
        raise Failure(f"No route takes {asked}.", step, code=ExitCode.NOT_FOUND)
    return taken


def _changes(
    before: Sequence[Route], after: Sequence[Route], held: Sequence[Holding], asked: Asked | None
) -> Iterator[Change]:
    """What is different for whom; strangers first, as `held` has them."""
    both = [Asked(route.method, route.path) for route in (*after, *before)]
    requests = [asked] if asked else _told_apart(both)
    for one in held:
        verdicts = [(each, _verdict(before, each, one), _verdict(after, each, one)) for each in requests]
        changes = [Change(one, *each) for each in verdicts if each[1].answer != each[2].answer]
        yield from sorted(changes, key=lambda change: change.word)


def _told_apart(requests: Sequence[Asked]) -> list[Asked]:
    """Each request once, whatever its parameters are called."""
    shapes = {(each.method, re.sub(r"\{[^{}]*\}", "{}", each.path)): each for each in reversed(requests)}
    return sorted(shapes.values(), key=lambda each: (each.path, each.method))


def _verdict(routes: Sequence[Route], asked: Asked, held: Holding) -> Verdict:
    taken = routes_for(routes, asked.method, asked.path)
    return judge(taken, held) if taken else _NO_ROUTE


def _show_one(asked: Asked, taken: Sequence[Route], held: Holding, *, as_json: bool) -> int:
    verdict = judge(taken, held)
    if as_json:
        write_json(
            {
                **_as_json(verdict),
                "application": _who(held),
                "api": held.api["identifier"],
                "request": {"method": asked.method, "path": asked.path},
                "routes": [_route_as_json(route) for route in taken],
                "granted": None if held.why_none else [*held.scopes],
            }
        )
        return _CODES[verdict.answer]
    details(
        {
            "verdict": verdict.answer,
            "because": verdict.because,
            "application": held.name,
            "api": held.api["identifier"],
            "route": ", ".join(f"{route.method} {route.path}" for route in taken),
            "asks": ", ".join(dict.fromkeys(route.allowed for route in taken)),
            "granted": "no token" if held.why_none else " ".join(held.scopes) or "no permission",
        }
    )
    if verdict.commands:
        say("It would be let in after:" if not verdict.depends else "Needed, whatever else it depends on:")
        for command in verdict.commands:
            say(f"  {command}")
    return _CODES[verdict.answer]


def _show_all(rows: Sequence[Row], held: Sequence[Holding], *, is_one: bool, as_json: bool) -> None:
    if as_json:
        write_json(
            [
                {
                    **_route_as_json(route),
                    "applications": [
                        {**_who(one), **_as_json(verdict)}
                        for one, verdict in zip(held, verdicts, strict=True)
                    ],
                }
                for route, verdicts in rows
            ]
        )
        return
    told = ["VERDICT", "BECAUSE"] if is_one else ["LETS IN", "DEPENDS"]
    table(
        ["METHOD", "PATH", "ASKS", *told],
        [
            [
                route.method,
                route.path,
                route.allowed,
                *([verdicts[0].answer, verdicts[0].because] if is_one else _let_in(route, held, verdicts)),
            ]
            for route, verdicts in rows
        ],
    )


def _let_in(route: Route, held: Sequence[Holding], verdicts: Sequence[Verdict]) -> list[str]:
    if route.needs_no_token:
        return ["(everybody)", "-"]
    named = [
        ", ".join(one.name for one, verdict in zip(held, verdicts, strict=True) if verdict.answer == answer)
        for answer in ("yes", "depends")
    ]
    return [named[0] or "(nobody)", named[1] or "-"]


def _show_changes(changes: Sequence[Change], against: Path, *, check: bool, as_json: bool) -> int:
    if as_json:
        write_json([_change_as_json(change) for change in changes])
    elif changes:
        table(
            ["WHO", "CHANGE", "METHOD", "PATH", "BEFORE", "AFTER"],
            [
                [
                    change.held.name,
                    change.word,
                    change.asked.method,
                    change.asked.path,
                    _told(change.before),
                    _told(change.after),
                ]
                for change in changes
            ],
        )
    if not changes:
        say(f"Nobody gains or loses anything against {against}.")
        return ExitCode.FINE
    opened = sum(change.held.application is None and change.word == "gains" for change in changes)
    if opened:
        say(f"Strangers may enter {opened} of the routes that they could not enter before.")
    return ExitCode.FAILED if check else ExitCode.FINE


def _told(verdict: Verdict) -> str:
    return f"{verdict.answer}: {verdict.because}"


def _change_as_json(change: Change) -> dict[str, Any]:
    return {
        "who": _who(change.held),
        "change": change.word,
        "method": change.asked.method,
        "path": change.asked.path,
        "before": _as_json(change.before),
        "after": _as_json(change.after),
    }


def _who(held: Holding) -> dict[str, Any]:
    if held.application is None:
        return {"client_id": None, "name": None}
    return {"client_id": held.application["client_id"], "name": held.name}


def _as_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "verdict": verdict.answer,
        "because": verdict.because,
        "missing": [*verdict.missing],
        "depends": [*verdict.depends],
        "commands": [*verdict.commands],
    }


def _route_as_json(route: Route) -> dict[str, Any]:
    return {
        "method": route.method,
        "path": route.path,
        "rule": None if route.rule is None else repr(route.rule),
        "access": route.access,
    }
