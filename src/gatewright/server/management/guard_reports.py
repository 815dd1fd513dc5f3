"""``/api/v2/guard-reports``: what the guards of APIs tell of their decisions, and what that means.

Ours: Auth0 has nothing of the kind. Reports come in by an operation that opens nothing else; what they say is
believed no further than to be shown.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from gatewright.server.errors import ApiError
from gatewright.server.events import iso_time
from gatewright.server.management import answers
from gatewright.server.management.description import PAGING, Items, Nothing, Record, number, text
from gatewright.server.management.diagnosis import Known, diagnose
from gatewright.server.management.endpoint import Call, endpoint, paged
from gatewright.server.management.naming import find_api, identifier_of
from gatewright.server.management.schema import Body, ScopeValue, integer, invalid_body
from gatewright.server.reported import ReportedRefusal, ReportedUse
from gatewright.server.store import Page, Rows
from gatewright.server.store.conditions import resource_server_is_one_of

KEPT = 30 * 86400  # seconds for which refusals are kept
BOUND_BY = "gatewright_reports_for"
"""The member of ``client_metadata`` that names the one API a client may report for."""

MINUTE = 60
MOST_ROWS = 1000
LONGEST_MISSING = 1000
LATEST = 2**33
EARLY_BY, LATE_BY = 300, 86400  # seconds: clocks differ, and reports wait while this server is away

_Audience = Annotated[str, Meta(min_length=1, max_length=600)]
_Moment = Annotated[int, Meta(ge=0, le=LATEST)]


class RefusalRow(Struct, forbid_unknown_fields=True):
    """Refusals of one kind in one minute."""

    minute: _Moment
    audience: _Audience
    reason: Annotated[str, Meta(pattern=r"^[a-z_]{1,40}\Z")]
    missing: Annotated[list[ScopeValue], Meta(max_length=50)]
    count: Annotated[int, Meta(ge=1, le=10**9)]
    request_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
    enforced: bool
    method: Annotated[str, Meta(pattern=r"^[A-Z]{0,16}\Z")] | UnsetType = UNSET
    route: Annotated[str, Meta(max_length=300, pattern=r"^[^\x00-\x1f\x7f]*\Z")] | UnsetType = UNSET
    client_id: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET


class UseRow(Struct, forbid_unknown_fields=True):
    """A scope that a client needed and had; "" where any valid token was enough."""

    audience: _Audience
    client_id: Annotated[str, Meta(min_length=1, max_length=64)]
    scope: Annotated[str, Meta(max_length=280, pattern=r"^[\x21\x23-\x5b\x5d-\x7e]*\Z")]
    last_used_at: _Moment


class GuardReport(Body):
    """What one guard counted since its last report; ``dropped`` rows found no room."""

    refusals: Annotated[list[RefusalRow], Meta(max_length=MOST_ROWS)] | UnsetType = UNSET
    uses: Annotated[list[UseRow], Meta(max_length=MOST_ROWS)] | UnsetType = UNSET
    dropped: Annotated[int, Meta(ge=0, le=10**9)] | UnsetType = UNSET


def create(call: Call) -> object:
    """Takes a report: counts are added to those of other guards."""
    now = call.server.now()
    refusals = [_refusal(row, now) for row in call.body.get("refusals", [])]
    uses = [
        ReportedUse(row["audience"], row["client_id"], row["scope"], _moment(row["last_used_at"], now))
        for row in call.body.get("uses", [])
    ]
    audiences = {row.audience for row in refusals} | {use.audience for use in uses}
    _require_bound(call, audiences)
    # Of what this server does not know there is nothing to tell later.
    known = {audience for audience in audiences if find_api(call, audience) is not None}
    reports = call.tx.guard_reports
    reports.add_refusals([row for row in refusals if row.audience in known])
    reports.add_uses([row for row in uses if row.audience in known and _is_client(call, row.client_id)])
    for audience in known:
        reports.heard_of(audience, at=now, dropped=int(call.body.get("dropped", 0)))
    reports.forget(before=now - KEPT)
    return None


def list_refusals(call: Call) -> object:
    """Refusals, newest first, each with its explanation and the commands that would mend it."""
    since = integer(call.query, "since", default=0, low=0, high=LATEST)
    names = ("audience", "client_id", "reason", "request_id")
    equals = {name: call.query[name] for name in names if name in call.query}
    known: dict[ReportedRefusal, Known] = {}

    def page(wanted: Page) -> Rows[ReportedRefusal]:
        rows = call.tx.guard_reports.refusals(wanted, since=since, **equals)
        known.update(_known(call, rows.items))
        return rows

    return paged(call, "refusals", page, lambda row: _shown(row, known[row]))


def list_uses(call: Call) -> object:
    """The scopes that clients really used, by API, client and scope."""
    equals = {name: call.query[name] for name in ("audience", "client_id") if name in call.query}
    return [
        {
            "audience": use.audience,
            "client_id": use.client_id,
            "scope": use.scope,
            "first_used_at": iso_time(use.first_used_at),
            "last_used_at": iso_time(use.last_used_at),
        }
        for use in call.tx.guard_reports.uses(**equals)
    ]


def list_apis(call: Call) -> object:
    """The APIs whose guards report, since when, and how many rows they had no room for."""
    return [
        {
            "audience": api.audience,
            "since": iso_time(api.since),
            "last_at": iso_time(api.last_at),
            "dropped": api.dropped,
        }
        for api in call.tx.guard_reports.apis()
    ]


def _refusal(row: Mapping[str, Any], now: float) -> ReportedRefusal:
    if len(" ".join(row["missing"])) > LONGEST_MISSING:
        raise invalid_body(f"Array is too long, maximum {LONGEST_MISSING} characters", "refusals.missing")
    return ReportedRefusal(
        minute=int(_moment(row["minute"], now)) // MINUTE * MINUTE,
        audience=row["audience"],
        method=row.get("method", ""),
        route=row.get("route", ""),
        reason=row["reason"],
        client_id=row.get("client_id", ""),
        missing=tuple(row["missing"]),
        enforced=row["enforced"],
        count=row["count"],
        request_id=row["request_id"],
    )


def _moment(at: int, now: float) -> float:
    """The guard's clock is believed within limits."""
    return min(max(float(at), now - LATE_BY), now + EARLY_BY)


def _require_bound(call: Call, audiences: set[str]) -> None:
    """A client that is bound to one API reports for no other."""
    client = call.tx.clients.first(client_id=call.token.client_id)
    metadata = (client.document.get("client_metadata") if client is not None else None) or {}
    bound = metadata.get(BOUND_BY) if isinstance(metadata, Mapping) else None
    others = sorted(audiences - {bound})
    if bound is not None and others:
        text = f"This client reports for {bound} only, not for {others[0]}"
        raise ApiError(403, text, "operation_not_supported")


def _is_client(call: Call, client_id: str) -> bool:
    return call.tx.clients.first(client_id=client_id) is not None


def _known(call: Call, rows: Sequence[ReportedRefusal]) -> dict[ReportedRefusal, Known]:
    """What the server has of each row's application, API and grant, by as many questions as for one row."""
    ids = tuple({row.client_id for row in rows} - {""})
    clients = {each.client_id: each for each in call.tx.clients.find(client_id=ids)}
    audiences = tuple({row.audience for row in rows})
    has_system = call.server.settings.management_audience in audiences
    named = resource_server_is_one_of(audiences, with_system=has_system)
    apis = {identifier_of(call.server, api): api for api in call.tx.resource_servers.find(named)}
    grants = {
        (grant.client_id, grant.resource_server_id): grant
        for grant in call.tx.client_grants.find(
            client_id=ids,
            resource_server_id=tuple(api.id for api in apis.values()),
            subject_type="client",
        )
    }
    found = {}
    for row in rows:
        api = apis.get(row.audience)
        grant = None if api is None else grants.get((row.client_id, api.id))
        found[row] = Known(clients.get(row.client_id), api, grant)
    return found


def _shown(row: ReportedRefusal, known: Known) -> dict[str, object]:
    client = known.client
    diagnosis = diagnose(row, known)
    optional = {
        "method": row.method,
        "route": row.route,
        "client_id": row.client_id,
        "client_name": client.name if client is not None else "",
    }
    return {
        "minute": iso_time(row.minute),
        "audience": row.audience,
        "reason": row.reason,
        **{name: value for name, value in optional.items() if value},
        "missing": list(row.missing),
        "enforced": row.enforced,
        "count": row.count,
        "request_id": row.request_id,
        "explanation": diagnosis.explanation,
        "commands": list(diagnosis.commands),
    }


_OF = (text("audience", "Only of this API"), text("client_id", "Only of this client"))
_READ = "read:guard_reports"

ROUTES = (
    endpoint(
        "POST",
        "/guard-reports",
        create,
        scope="create:guard_reports",
        body=GuardReport,
        answers=Nothing(),
        refuses=(403,),
        is_unlogged=True,
    ),
    endpoint(
        "GET",
        "/guard-reports/refusals",
        list_refusals,
        scope=_READ,
        query=(
            *PAGING,
            *_OF,
            text("reason", "Only of this reason"),
            text("request_id", "Only the one whose last request this is"),
            number("since", "Only from this time on, in seconds since 1970", low=0, high=LATEST),
        ),
        answers=Items(Record("Refusal", made=answers.RefusalMade), "refusals"),
        operation_id="guard_reports_refusals_list",
    ),
    endpoint(
        "GET",
        "/guard-reports/uses",
        list_uses,
        scope=_READ,
        query=_OF,
        answers=Items(Record("ScopeUse", made=answers.ScopeUseMade)),
        operation_id="guard_reports_uses_list",
    ),
    endpoint(
        "GET",
        "/guard-reports/apis",
        list_apis,
        scope=_READ,
        answers=Items(Record("ReportingApi", made=answers.ReportingApiMade)),
        operation_id="guard_reports_apis_list",
    ),
)
