"""The console: take a token as one of the applications, see it verified, call the API, mend what refuses."""

import shlex
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import Response

from gatewright.server.dashboard.api_applications import BY_ITSELF, give, grant_of
from gatewright.server.dashboard.apis import WITHOUT_SECRET, read_api, render_tab
from gatewright.server.dashboard.console_call import (
    NOWHERE,
    SENDS,
    Call,
    Reading,
    answer_read,
    hides_challenge,
    observed,
    outgoing,
    request_to_copy,
    typed_call,
)
from gatewright.server.dashboard.console_token import (
    SHOWN,
    Anatomy,
    Exchange,
    take_apart,
    take_token,
    token_request,
)
from gatewright.server.dashboard.grant_changes import ask_password
from gatewright.server.dashboard.listing import excerpt
from gatewright.server.dashboard.operations import Record
from gatewright.server.dashboard.page import Page, Route, part, redirect
from gatewright.server.dashboard.relay import METHODS, Answered, RelayRefused
from gatewright.server.dashboard.requests_as_code import written
from gatewright.server.errors import ApiError
from gatewright.server.requests import note

MOST_OFFERED: Final = 20
MOST_ROUTES: Final = 50
NO_SECRET: Final = "This application does not prove itself by a secret: paste a token that it has taken."  # noqa: S105 - a sentence


@dataclass(frozen=True, slots=True)
class Trial:
    """What was done on the page so far; ``resends`` is a call that the browser is to make at once."""

    exchange: Exchange | None = None
    anatomy: Anatomy | None = None
    call: Call | None = None
    answered: Answered | None = None
    reading: Reading | None = None
    resends: bool = False
    said: str = ""
    fault: str = ""


async def choose_api(page: Page) -> Response:
    """The APIs, each of which has a console."""
    apis = await excerpt(page, "resource-servers", **WITHOUT_SECRET)
    return page.render("console.html", apis=apis)


async def show(page: Page) -> Response:
    """The applications that are authorized, one of them chosen."""
    api = await read_api(page)
    chosen = page.query.get("app", "")
    if chosen:
        return redirect(f"/apis/{part(api['id'])}/test/{part(chosen)}")
    offered = await _offered(page, api)
    return await _console(page, api, offered[0] if offered else None, Trial(), offered=offered)


async def show_application(page: Page) -> Response:
    """The console as one application, its secret left out."""
    return await _console(page, await read_api(page), await _client(page), Trial())


async def show_secret(page: Page) -> Response:
    """The same, its token request ready to be pasted.

    Raises:
        NotConfirmed: the password was not given lately.
    """
    page.operations.require_confirmed()
    api = await read_api(page)
    path = f"clients/{part(page.path['client_id'])}"
    client = await page.operations.get(path, fields=f"{SHOWN},client_secret")
    return await _console(page, api, client, Trial())


async def take(page: Page) -> Response:
    """Asks the token endpoint, and shows what came."""
    api, client = await read_api(page), await _client(page)
    wanted = page.form.all("scope") if page.form.has("narrowed") else None
    exchange = await take_token(page, api, client["client_id"], wanted or None)
    if exchange is None:
        return await _console(page, api, client, Trial(fault=NO_SECRET))
    if not exchange.token:
        return await _console(page, api, client, Trial(exchange=exchange))
    trial = Trial(exchange, await take_apart(page, api, exchange.token), Call(token=exchange.token))
    return await _console(page, api, client, trial)


async def check(page: Page) -> Response:
    """Takes any token apart, and says of each check whether it passes."""
    api, client, call = await read_api(page), await _client(page), typed_call(page.form)
    if not call.token:
        return await _console(page, api, client, Trial(call=call, fault="Take a token first, or paste one."))
    trial = Trial(anatomy=await take_apart(page, api, call.token), call=call)
    return await _console(page, api, client, trial)


async def send(page: Page) -> Response:
    """Calls the API, unless the browser has already done so."""
    api, client, call = await read_api(page), await _client(page), typed_call(page.form)
    return await _console(page, api, client, await _called(page, api, client, call))


async def grant(page: Page) -> Response:
    """Gives the application what it was refused for want of, takes a new token, and calls once more."""
    api, client, call = await read_api(page), await _client(page), typed_call(page.form)
    wanted = page.form.all("missing")
    page.operations.require_confirmed()  # before anything is changed: the new token will need it
    try:
        await give(page.operations, client["client_id"], api, wanted)
        api = await read_api(page)
    except ApiError as refusal:
        ask_password(page, refusal)
        return await _console(page, api, client, Trial(call=call, fault=refusal.message))
    exchange = await take_token(page, api, client["client_id"], None)
    if exchange is None or not exchange.token:
        return await _console(page, api, client, Trial(exchange, call=call, fault=NO_SECRET))
    said = f"Granted {', '.join(wanted)}, and took a new token."
    again = replace(call, token=exchange.token, sends=SENDS[0])
    if page.form.text("by") == "browser":
        anatomy = await take_apart(page, api, again.token)
        return await _console(page, api, client, Trial(exchange, anatomy, again, resends=True, said=said))
    trial = await _called(page, api, client, again)
    return await _console(page, api, client, replace(trial, exchange=exchange, said=said))


async def register(page: Page) -> Response:
    """Says where the API listens."""
    api = await read_api(page)
    lines = [line.strip() for line in page.form.text("base_urls").splitlines() if line.strip()]
    back = page.form.text("client_id")
    address = f"/apis/{part(api['id'])}/test" + (f"/{part(back)}" if back else "")
    try:
        path = f"resource-servers/{part(api['id'])}/base-urls"
        await page.operations.put(path, {"base_urls": lines})
    except ApiError as refusal:
        client = await page.operations.find(f"clients/{part(back)}", fields=SHOWN) if back else None
        return await _console(page, api, client, Trial(fault=refusal.message), status=refusal.status)
    return await page.go(address, "Saved where the API listens.")


async def base_urls_of(page: Page, api: Record) -> list[str]:
    """Where an administrator has said that the API listens."""
    found = await page.operations.get(f"resource-servers/{part(api['id'])}/base-urls")
    return list(found["base_urls"])


async def known_routes(page: Page, api: Record) -> list[tuple[str, str]]:
    """Method and path of what guards of the API have reported of, without those that have parameters."""
    found = await page.operations.get(
        "guard-reports/refusals", audience=api["identifier"], per_page=MOST_ROUTES
    )
    rows = {(row.get("method", ""), row.get("route", "")) for row in found}
    return sorted(row for row in rows if row[0] in METHODS and row[1].startswith("/") and "{" not in row[1])


async def _called(page: Page, api: Record, client: Record, call: Call) -> Trial:
    """The call and what came of it."""
    anatomy = await take_apart(page, api, call.token) if call.token else None
    try:
        answered = await _answer(page, await base_urls_of(page, api), call)
    except RelayRefused as refusal:
        return Trial(anatomy=anatomy, call=call, fault=str(refusal))
    held = await grant_of(page.operations, client["client_id"], api)
    reading = answer_read(answered, call, anatomy, api, held)
    return Trial(anatomy=anatomy, call=call, answered=answered, reading=reading)


async def _answer(page: Page, base_urls: list[str], call: Call) -> Answered:
    seen = observed(page.form)
    if seen is not None and not hides_challenge(seen):
        return seen
    request = outgoing(call)
    note(page.http, relayed_to=urlsplit(request.base_url).netloc)
    try:
        return await page.relay.send(request, registered=base_urls)
    except RelayRefused:
        if seen is None:
            raise
        return seen  # without the header that says why


async def _client(page: Page) -> Record:
    client: Record = await page.operations.get(f"clients/{part(page.path['client_id'])}", fields=SHOWN)
    return client


async def _offered(page: Page, api: Record) -> list[Record]:
    """Applications to choose from: those that have ``?q=``, or the first that are authorized."""
    q = page.query.get("q", "").strip()
    if q:
        wishes = {"search": q, "fields": SHOWN, "grant_type": BY_ITSELF}
        found: list[Record] = await page.operations.get("clients", per_page=MOST_OFFERED, **wishes)
        return found
    grants = await page.operations.get(
        "client-grants", audience=api["identifier"], subject_type="client", per_page=MOST_OFFERED
    )
    return [
        await page.operations.get(f"clients/{part(grant['client_id'])}", fields=SHOWN)
        for grant in grants
        if "client_id" in grant
    ]


async def _console(
    page: Page,
    api: Record,
    client: Record | None,
    trial: Trial,
    *,
    offered: list[Record] | None = None,
    status: int = 200,
) -> Response:
    offered = await _offered(page, api) if offered is None else offered
    if client is not None and client["client_id"] not in {known["client_id"] for known in offered}:
        offered = [client, *offered]
    held = None if client is None else await grant_of(page.operations, client["client_id"], api)
    base_urls = await base_urls_of(page, api)
    call = trial.call or Call()
    request = None if client is None else token_request(page, api, client)
    return render_tab(
        page,
        "api_test.html",
        api,
        status=status,
        fault=trial.fault,
        connects_to=base_urls,
        q=page.query.get("q", ""),
        offered=offered,
        is_searched=len(offered) >= MOST_OFFERED or bool(page.query.get("q")),
        client=client,
        held=held,
        granted=_granted(api, held),
        token_code={} if request is None else written(request),
        shows_secret=client is not None and "client_secret" in client,
        commands=[] if client is None else _commands(api, client, next(iter(base_urls), NOWHERE)),
        base_urls=base_urls,
        typed_base_urls=page.form.text("base_urls") or "\n".join(base_urls),
        methods=METHODS,
        routes=await known_routes(page, api),
        trial=trial,
        call=call,
        call_code=written(request_to_copy(call, base_urls)),
    )


def _granted(api: Record, held: Record | None) -> list[str]:
    if held is None:
        return []
    if held.get("allow_all_scopes"):
        return [scope["value"] for scope in api.get("scopes") or []]
    return list(held.get("scope") or [])


def _commands(api: Record, client: Record, base_url: str) -> list[str]:
    named = f"--api {shlex.quote(api['identifier'])} --app {shlex.quote(client['client_id'])}"
    return [f"TOKEN=$(gatewright token {named})", f"gatewright call {shlex.quote(base_url + '/')} {named}"]


ROUTES = (
    Route("GET", "/console", choose_api),
    Route("GET", "/apis/{id}/test", show),
    Route("GET", "/apis/{id}/test/{client_id}", show_application),
    Route("GET", "/apis/{id}/test/{client_id}/secret", show_secret, "administrator"),
    Route("POST", "/apis/{id}/test/{client_id}/token", take, "administrator"),
    Route("POST", "/apis/{id}/test/{client_id}/check", check, "administrator"),
    Route("POST", "/apis/{id}/test/{client_id}/call", send, "administrator"),
    Route("POST", "/apis/{id}/test/{client_id}/grant", grant, "administrator"),
    Route("POST", "/apis/{id}/base-urls", register, "administrator"),
)
