"""What needs attention, as the first page says it: each thing in a sentence, with the place that mends it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from gatewright.server.dashboard.operations import Operations, Record
from gatewright.server.dashboard.page import part
from gatewright.server.dashboard.rendering import moment
from gatewright.server.dashboard.sentences import TOO_MANY

MOST_OF_A_KIND: Final = 5
MOST_EVENTS: Final = 20
MOST_IDENTIFIERS: Final = 10  # as many as are looked up at once
STILL: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Matter:
    """One thing to look at: what it is, and the page below ``/ui`` where it is mended."""

    text: str
    path: str
    label: str
    is_urgent: bool = False


async def matters(operations: Operations, now: float, refusals: Sequence[Record]) -> list[Matter]:
    """Everything, the urgent first; a bounded number of requests, however many records there are.

    ``refusals`` are those that guards reported of late.
    """
    since = datetime.fromtimestamp(now, UTC) - STILL
    found = [
        *await _refusals(operations, refusals),
        *await _quotas(operations, since),
        *_found(await operations.get("attention")),
    ]
    return sorted(found, key=lambda matter: not matter.is_urgent)


async def _refusals(operations: Operations, rows: Sequence[Record]) -> list[Matter]:
    """What guards refused for want of a permission that is still not granted."""
    counted: dict[tuple[str, str, str], int] = {}
    names: dict[str, str] = {}
    for row in rows:
        if row["commands"] and row.get("client_id"):
            names[row["client_id"]] = row.get("client_name") or row["client_id"]
            what = (row["client_id"], row["audience"], ", ".join(row["missing"]))
            counted[what] = counted.get(what, 0) + int(row["count"])
    ids = await _api_ids(operations, [audience for _, audience, _ in counted])
    return [
        Matter(
            f"{names[client_id]} is refused at {audience}"
            f"{f' for want of {missing}' if missing else ''}: {_times(count)} in 24 hours.",
            f"/apis/{part(ids[audience])}/applications?open={part(client_id)}",
            "Open its permissions",
            is_urgent=True,
        )
        for (client_id, audience, missing), count in counted.items()
        if audience in ids
    ][:MOST_OF_A_KIND]


async def _api_ids(operations: Operations, audiences: list[str]) -> dict[str, str]:
    wanted = list(dict.fromkeys(audiences))[:MOST_IDENTIFIERS]
    found: dict[str, str] = {}
    for audience in wanted:
        apis: list[Record] = await operations.get("resource-servers", identifiers=audience, fields="id")
        if apis:
            found[audience] = str(apis[0]["id"])
    return found


async def _quotas(operations: Operations, since: datetime) -> list[Matter]:
    """Applications that ran into a quota or a limit, or are about to."""
    limits = " OR ".join(f'"{words}"' for words in TOO_MANY)
    kinds = f"type:token_quota_consumption_warning OR (type:feccft AND description:({limits}))"
    q = f"({kinds}) AND date:[{since.isoformat(timespec='seconds')} TO *]"
    events: list[Record] = await operations.get("logs", q=q, per_page=MOST_EVENTS)
    told: dict[str, Matter] = {}
    for event in events:
        client_id = str(event.get("client_id", ""))
        name = event.get("client_name") or client_id or "Somebody"
        said = str(event.get("description", "")).rstrip(".")
        path = f"/apps/{part(client_id)}/settings" if client_id else "/settings"
        told.setdefault(client_id, Matter(f"{name}: {said}.", path, "Its quota", is_urgent=True))
    return list(told.values())[:MOST_OF_A_KIND]


def _found(rows: list[Record]) -> Iterator[Matter]:
    counted: dict[str, int] = {}
    for row in rows:
        kind = str(row["kind"])
        counted[kind] = counted.get(kind, 0) + 1
        if kind in _SAID and counted[kind] <= MOST_OF_A_KIND:
            yield _SAID[kind](row)
        elif kind in _SAID and counted[kind] == MOST_OF_A_KIND + 1:
            more = _SAID[kind](row)
            yield Matter("And there are more like this.", f"/{more.path.split('/')[1]}", "See all")


def _app(row: Record, tab: str) -> str:
    return f"/apps/{part(str(row['client_id']))}/{tab}"


def _api(row: Record, tab: str) -> str:
    return f"/apis/{part(str(row['resource_server_id']))}/{tab}"


def _day(row: Record) -> str:
    return moment(row["since"])[:10]


def _secret(text: str) -> Callable[[Record], Matter]:
    return lambda row: Matter(
        text.format(name=row["name"], day=_day(row)), _app(row, "credentials"), "Its credentials"
    )


_SAID: Final[Mapping[str, Callable[[Record], Matter]]] = {
    "no_current_key": lambda row: Matter(
        f"No key signs tokens with {row['alg']}.", "/keys", "Rotate", is_urgent=True
    ),
    "no_next_key": lambda row: Matter(
        f"No next key is announced for {row['alg']}: a rotation would surprise guards.", "/keys", "Rotate"
    ),
    "key_old": lambda row: Matter(
        f"The {row['alg']} key has signed since {_day(row)}: rotate once a year. Tokens stay valid.",
        "/keys",
        "Rotate",
    ),
    "key_revoked": lambda row: Matter(
        f"The {row['alg']} key {row['kid']} was revoked on {_day(row)}: "
        "whoever holds one of its tokens needs a new one.",
        "/keys",
        "The keys",
    ),
    "two_secrets": _secret("{name} has had two secrets since {day}: end the older one once nobody uses it."),
    "secret_never_used": _secret("{name} has a secret since {day} that nobody has ever used."),
    "secret_idle": _secret("{name} has used no secret since {day}: if it is needed no more, delete it."),
    "secret_old": _secret("{name} has had the same secret since {day}: give it another once a year."),
    "no_grant": lambda row: Matter(
        f"{row['name']} has a secret and may have tokens for no API.", _app(row, "apis"), "Authorize it"
    ),
    "api_without_application": lambda row: Matter(
        f"No application may have tokens for {row['name']}.", _api(row, "applications"), "Authorize one"
    ),
    "api_without_permissions": lambda row: Matter(
        f"{row['name']} defines no permission: any valid token opens all of it.",
        _api(row, "permissions"),
        "Define some",
    ),
    "reports_ended": lambda row: Matter(
        f"The guards of {row['name']} have reported nothing since {_day(row)}: do they reach this server?",
        "/logs/refusals",
        "The reports",
    ),
    "log_stream_stopped": lambda row: Matter(
        f"The log stream {row['name']} is not active: no event goes there.", "/logs", "The log"
    ),
}


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
