"""`gatewright grants unused`: permissions that applications have and did not need."""

import shlex
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated

from cyclopts import Parameter

from gatewright.cli.failures import misuse
from gatewright.cli.lookup import READS_APIS, READS_APPS, READS_GRANTS, find_api, scopes_of
from gatewright.cli.management import Management, Record, connect
from gatewright.cli.options import SHARED_DEFAULTS, Shared
from gatewright.cli.output import say, table, write_json
from gatewright.cli.refusals import READS_REPORTS

DAY = 86400


@dataclass(frozen=True, slots=True)
class Unused:
    """What one application could do without at one API, and how its grant is narrowed."""

    client_id: str
    name: str
    audience: str
    unused: list[str]
    used: list[str]
    command: str


def unused(
    *,
    days: Annotated[int, Parameter(help="Not used for as many days.")] = 30,
    api: Annotated[
        str | None, Parameter(name=["--api", "--audience", "-a"], help="Only of this API.")
    ] = None,
    shared: Shared = SHARED_DEFAULTS,
) -> None:
    """List permissions that were granted and not used, by what guards report, and how to end them."""
    if days < 1:
        raise misuse("--days is a number of days from 1 on.")
    server = connect(shared.data, READS_REPORTS, READS_APIS, READS_APPS, READS_GRANTS)
    wanted = None if api is None else find_api(server, api)["identifier"]
    found = list(_unused(server, since=time.time() - days * DAY, audience=wanted))
    if shared.json:
        write_json([asdict(each) for each in found])
        return
    if not found:
        say(f"Every permission that could be looked at was used in the last {days} days.")
        return
    table(
        ["APPLICATION", "API", "UNUSED", "USED"],
        [[each.name, each.audience, " ".join(each.unused), " ".join(each.used) or "-"] for each in found],
    )
    say()
    say("Take them away:")
    for each in found:
        say(f"  {each.command}")


def _unused(server: Management, *, since: float, audience: str | None) -> Iterator[Unused]:
    names = {app["client_id"]: app.get("name") or app["client_id"] for app in server.all("clients")}
    uses: list[Record] = server.get("guard-reports/uses")
    for api in _watched(server, since=since, audience=audience):
        defined = scopes_of(api)
        for grant in server.all("client-grants", audience=api["identifier"], subject_type="client"):
            granted = defined if grant.get("allow_all_scopes") else grant.get("scope") or []
            client_id = str(grant.get("client_id", ""))
            recent = {
                use["scope"]
                for use in uses
                if (use["audience"], use["client_id"]) == (api["identifier"], client_id)
                and _at(use["last_used_at"]) >= since
            }
            idle = [scope for scope in granted if scope not in recent]
            if not client_id or not idle:
                continue
            used = [scope for scope in granted if scope in recent]
            command = _command(client_id, api["identifier"], used)
            yield Unused(client_id, names.get(client_id, client_id), api["identifier"], idle, used, command)


def _watched(server: Management, *, since: float, audience: str | None) -> Iterator[Record]:
    """The APIs whose guards have reported for long enough to say that something was not used."""
    reporting = {each["audience"]: each for each in server.get("guard-reports/apis")}
    for api in server.all("resource-servers"):
        if api.get("is_system") or audience not in (None, api["identifier"]):
            continue
        known = reporting.get(api["identifier"])
        if known is None:
            say(f"Not looked at: no guard of {api['identifier']} reports (gatewright env --reports).")
        elif _at(known["since"]) > since:
            say(f"Not looked at: {api['identifier']} reports only since {known['since']}; say fewer --days.")
        else:
            yield api


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _command(client_id: str, audience: str, used: list[str]) -> str:
    kept = [word for scope in used for word in ("--scope", scope)] or ["--none"]
    return shlex.join(["gatewright", "grants", "set", client_id, audience, *kept])
