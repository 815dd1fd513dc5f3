"""The frame of every operation: who may call it, its body, one transaction, its log event, its answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from gatewright.guard import AccessToken, Denied, Guard, any_of
from gatewright.guard import Request as GuardedRequest
from gatewright.guard.rules import Rule
from gatewright.server.context import Server
from gatewright.server.errors import ApiError, BodyRefused, StoreUnavailable
from gatewright.server.events import log_event
from gatewright.server.limits import rate_limit, rate_limit_headers
from gatewright.server.management.description import LARGEST_CHECKPOINT, LARGEST_OFFSET, Parameter, Shape
from gatewright.server.management.schema import LARGEST_PAGE, AnyValue, Body, boolean, check_body, integer
from gatewright.server.model import CLI_CLIENT_OPTION, EventType, LogEvent
from gatewright.server.requests import (
    caller,
    json_response,
    note,
    parse_object,
    parse_value,
    read_body,
    require_media_type,
    routine,
)
from gatewright.server.store import Page, Rows, Transaction

LARGEST_BODY = 1024 * 1024
JSON_TYPE = "application/json; charset=utf-8"

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation, authorized and parsed. ``body`` holds exactly the members sent.

    ``prepared`` is what the endpoint made before the transaction.
    """

    server: Server
    tx: Transaction
    path: Mapping[str, str]
    query: QueryParams
    body: Mapping[str, Any]
    token: AccessToken
    prepared: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation answers when it is more than a body; ``reveals_secret`` is logged."""

    body: object
    headers: Mapping[str, str] = field(default_factory=dict)
    reveals_secret: bool = False


Operation = Callable[[Call], object]
Preparation = Callable[[Server, Mapping[str, Any]], object]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row of a noun's table of routes.

    ``changes`` is the description of the log event; an operation without one only reads, unless it is
    ``is_unlogged``: it writes what is itself a log, and comes too often for events. ``prepare`` makes
    from the body what takes too long for a transaction, in which nobody else can write. From ``query`` on
    it is for the OpenAPI document alone, and may be left out: ``refuses`` are the refusals beyond those that
    the row shows, ``operation_id`` a name where the derived one would mislead.
    """

    method: str
    path: str
    operation: Operation
    rule: Rule
    scopes: tuple[str, ...]
    status: int = 200
    body: type[Body] | None = None
    changes: str | None = None
    flushes_events: bool = False
    prepare: Preparation | None = None
    query: tuple[Parameter, ...] = ()
    answers: Shape | None = None
    refuses: tuple[int, ...] | None = None
    operation_id: str | None = None
    is_unlogged: bool = False


def endpoint(  # noqa: PLR0913 - a row has as many members as it has
    method: str,
    path: str,
    operation: Operation,
    *,
    scope: str | tuple[str, ...],
    rule: Rule | None = None,
    status: int = 200,
    body: type[Body] | None = None,
    changes: str | None = None,
    flushes_events: bool = False,
    prepare: Preparation | None = None,
    query: tuple[Parameter, ...] = (),
    answers: Shape | None = None,
    refuses: tuple[int, ...] | None = None,
    operation_id: str | None = None,
    is_unlogged: bool = False,
) -> Endpoint:
    """A route: any of the scopes lets in, unless ``rule`` says otherwise of them."""
    scopes = (scope,) if isinstance(scope, str) else scope
    rule = any_of(*scopes) if rule is None else rule
    told = (query, answers, refuses, operation_id, is_unlogged)
    return Endpoint(
        method, path, operation, rule, scopes, status, body, changes, flushes_events, prepare, *told
    )


async def answer(
    server: Server, guard: Guard, http: Request, row: Endpoint, path: Mapping[str, str]
) -> Response:
    """Runs one operation for one request.

    Raises:
        ApiError: every refusal, in the Management API's format.
    """
    await _with_store(server.store.catch_up())
    token = await _authorize(guard, http, row)
    note(http, client_id=token.client_id)
    if row.is_unlogged:
        routine(http)
    pace = await _require_pace(server, token)
    body = await _parse_body(http, row)
    result = await perform(server, http, row, path=path, query=http.query_params, body=body, token=token)
    return _render(row, result, pace)


async def perform(
    server: Server,
    http: Request,
    row: Endpoint,
    *,
    path: Mapping[str, str],
    query: QueryParams,
    body: dict[str, Any],
    token: AccessToken,
) -> Answer:
    """Runs an operation for a caller who was let in: one transaction, its log event in it.

    Raises:
        ApiError: every refusal.
    """
    prepared = None if row.prepare is None else await asyncio.to_thread(row.prepare, server, body)

    def run(tx: Transaction) -> Answer:
        call = Call(server, tx, path, query, body, token, prepared)
        result = row.operation(call)
        full = result if isinstance(result, Answer) else Answer(result)
        if row.changes is not None:
            tx.events.append([_event(call, http, EventType.MANAGEMENT_WRITE, row.changes)])
        elif full.reveals_secret:
            server.events.record(_event(call, http, EventType.MANAGEMENT_SECRET_READ, "A secret was read"))
        return full

    if row.flushes_events:
        await _with_store(asyncio.to_thread(server.events.flush))
    return await _with_store(
        server.store.awrite(run) if row.changes or row.is_unlogged else server.store.aread(run)
    )


def paged(
    call: Call,
    name: str,
    page: Callable[[Page], Rows[R]],
    render: Callable[[R], object],
    *,
    totals: tuple[str, ...] = ("total", "start", "limit", ""),
) -> object:
    """A list in one of Auth0's three shapes: bare, with totals, or by checkpoint (``from``, ``take``).

    ``totals`` are the members of the second shape in their order, which differs by noun; "" is the list.
    """
    boolean(call.query, "include_fields")  # a wrong one is told, though there be nothing to leave out
    if "take" in call.query or "from" in call.query:
        limit = integer(call.query, "take", default=50, low=1, high=LARGEST_PAGE)
        rows = page(Page(limit=limit, after=_checkpoint(call.query.get("from")), is_counted=False))
        wrapped: dict[str, object] = {name: [render(item) for item in rows.items]}
        return wrapped if rows.next is None else {**wrapped, "next": str(rows.next)}
    limit = integer(call.query, "per_page", default=50, low=0, high=LARGEST_PAGE)
    start = integer(call.query, "page", default=0, low=0, high=LARGEST_OFFSET) * limit
    is_counted = bool(boolean(call.query, "include_totals"))
    rows = page(Page(start=start, limit=limit, is_counted=is_counted))
    items = [render(item) for item in rows.items]
    if not is_counted:
        return items
    counts = {"total": rows.total, "start": start, "limit": limit, "length": len(items)}
    return {member or name: counts[member] if member else items for member in totals}


def page_of(items: Sequence[R]) -> Callable[[Page], Rows[R]]:
    """Pages of a list that lies inside a record."""

    def page(wanted: Page) -> Rows[R]:
        start = wanted.start if wanted.after is None else wanted.after
        shown = list(items[start : start + wanted.limit])
        end = start + len(shown)
        return Rows(shown, len(items), next=end if end < len(items) else None)

    return page


LIST_FIRST = ("", "start", "limit", "total")


def require_scope(call: Call, scope: str) -> None:
    """Refuses a caller who may use the operation, but not for this.

    Raises:
        ApiError: 403 ``insufficient_scope``.
    """
    if not call.token.has(scope):
        raise ApiError(403, f"Insufficient scope, expected any of: {scope}", "insufficient_scope")


def is_command_line(call: Call, client_id: str | None) -> bool:
    """Whether this is the client of the command line, without which nobody could manage the server."""
    known = call.tx.option(CLI_CLIENT_OPTION)
    return known is not None and known["client_id"] == client_id


def _checkpoint(text: str | None) -> int:
    if text is None:
        return 0
    return integer({"from": text}, "from", default=0, low=0, high=LARGEST_CHECKPOINT)


async def _require_pace(server: Server, token: AccessToken) -> dict[str, str]:
    budgets = rate_limit("management_api", token.client_id or "", await server.limits.settings())
    spending = await server.limits.spend(budgets)
    headers = rate_limit_headers(spending)
    if spending.refused_by is not None:
        raise ApiError(429, "Global limit has been reached", "too_many_requests", headers=headers)
    return headers


async def _with_store(asked: Awaitable[R]) -> R:
    try:
        return await asked
    except StoreUnavailable as error:
        raise ApiError(
            503, "The database does not answer now, try again in a few seconds", headers={"Retry-After": "5"}
        ) from error


async def _authorize(guard: Guard, http: Request, row: Endpoint) -> AccessToken:
    request = GuardedRequest(http.method, str(http.url), http.headers.raw)
    try:
        return await guard.acheck(request, row.rule)
    except Denied as denied:
        raise _refusal(denied, row) from denied


# Auth0's wording for what the guard found; any other fault of a token is "Invalid token".
_TOKEN_FAULTS = {
    "no_token": "Missing authentication",
    "bad_header": "Bad HTTP authentication header format",
    "expired": "Expired token received for JSON Web Token validation",
    "bad_signature": "Invalid signature received for JSON Web Token validation",
}


def _refusal(denied: Denied, row: Endpoint) -> ApiError:
    headers = {
        name: value for name, value in denied.headers if name.lower() in {"www-authenticate", "retry-after"}
    }
    if denied.status == HTTPStatus.FORBIDDEN:
        message = f"Insufficient scope, expected any of: {','.join(row.scopes)}"
        return ApiError(403, message, "insufficient_scope", headers=headers)
    if denied.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return ApiError(503, "The signing keys cannot be read now", headers=headers)
    message = _TOKEN_FAULTS.get(denied.reason, "Invalid token")
    return ApiError(denied.status, message, headers=headers, attributes={"error": message})


async def _parse_body(http: Request, row: Endpoint) -> dict[str, object]:
    if row.body is None:
        return {}
    try:
        require_media_type(http, "application/json")
        raw = await read_body(http, limit=LARGEST_BODY)
        document = {"value": parse_value(raw)} if row.body is AnyValue else parse_object(raw)
    except BodyRefused as refusal:
        raise ApiError(refusal.status, str(refusal), "invalid_body") from refusal
    check_body(document, row.body)
    return document


def _event(call: Call, http: Request, type_: EventType, description: str) -> LogEvent:
    actor = call.tx.clients.first(client_id=call.token.client_id)
    return log_event(
        type_,
        date=call.server.now(),
        source=call.server.source,
        caller=caller(http),
        description=description,
        client_id=call.token.client_id,
        client_name=actor.name if actor else None,
        **_person(call.token),
        details={"request": {"method": http.method.lower(), "path": http.url.path}},
    )


def _person(token: AccessToken) -> dict[str, str]:
    """Whose hands those were, where it was no client: an administrator of the dashboard."""
    if token.client_id is not None or token.subject is None:
        return {}
    return {"user_id": token.subject, "user_name": str(token.claims.get("name", ""))}


def _render(row: Endpoint, result: Answer, pace: Mapping[str, str]) -> Response:
    headers = {"Cache-Control": "no-store", **pace, **result.headers}
    if result.body is None:
        return Response(status_code=204, headers=headers)
    return json_response(result.body, status=row.status, headers=headers, content_type=JSON_TYPE)
