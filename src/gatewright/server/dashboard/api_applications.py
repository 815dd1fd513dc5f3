"""Which applications may have which permissions of an API: the matrix, and the button of Home."""

from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from gatewright.server.dashboard.apis import WITHOUT_SECRET, read_api, render_tab, title
from gatewright.server.dashboard.grant_changes import Held, ask_password, change
from gatewright.server.dashboard.listing import excerpt
from gatewright.server.dashboard.operations import PAGE, Operations, Record
from gatewright.server.dashboard.page import Page, Route, part
from gatewright.server.dashboard.rendering import PREFIX
from gatewright.server.errors import ApiError

SHOWN: Final = "client_id,name,grant_types"
BY_ITSELF: Final = "client_credentials"


async def show(page: Page) -> Response:
    """A row for each application that can ask for tokens by itself; ``?open=`` opens one."""
    return await _matrix(page, await read_api(page))


async def authorize(page: Page) -> Response:
    """Lets an application ask for tokens of the API, with no permission yet."""
    api, client_id = await read_api(page), page.form.text("client_id")
    grant = {"client_id": client_id, "audience": api["identifier"], "scope": []}
    try:
        await page.operations.post("client-grants", grant)
    except ApiError as refusal:
        return await _matrix(page, api, fault=refusal.message, status=refusal.status)
    return await _back(page, api, "Authorized, with no permission yet: tick those it may have.")


async def deauthorize(page: Page) -> Response:
    """Takes everything at this API from an application."""
    api = await read_api(page)
    try:
        grant = await grant_of(page.operations, page.form.text("client_id"), api)
        if grant is not None:
            await page.operations.delete(f"client-grants/{part(grant['id'])}")
    except ApiError as refusal:
        return await _matrix(page, api, fault=refusal.message, status=refusal.status)
    return await _back(page, api, "No longer authorized; its live tokens of this API are revoked.")


async def update(page: Page) -> Response:
    """Gives an application the permissions that are ticked, and no others."""
    api, form = await read_api(page), page.form
    defined = [scope["value"] for scope in api.get("scopes") or []]
    ticked = form.all("scope")
    if form.has("all"):
        ticked = defined
    elif form.has("none"):
        ticked = []
    try:
        grant = await grant_of(page.operations, form.text("client_id"), api)
        if grant is None:
            fault = "It is not authorized any more: authorize it first."
            return await _matrix(page, api, fault=fault, status=409)
        back = _address(page, api)
        undo = await change(page.operations, grant, Held(tuple(ticked)), back=back)
    except ApiError as refusal:
        ask_password(page, refusal)
        return await _matrix(page, api, fault=refusal.message, status=refusal.status)
    if page.wants_json:
        return page.json({"undo": undo and {"path": f"{PREFIX}{undo.path}", "fields": undo.fields}})
    return await page.go(back, "Saved. It counts from the next token on.", undo=undo)


async def grant_from_home(page: Page) -> Response:
    """Gives an application what it was refused for want of, and defines on the API what it lacks."""
    operations, form = page.operations, page.form
    wanted = list(dict.fromkeys(form.all("scope")))
    api: Record = await operations.get(f"resource-servers/{part(form.text('audience'))}", **WITHOUT_SECRET)
    try:
        await give(operations, form.text("client_id"), api, wanted)
    except ApiError as refusal:
        ask_password(page, refusal)
        raise
    client = await operations.get(f"clients/{part(form.text('client_id'))}", fields="name,client_id")
    name = client.get("name") or client["client_id"]
    text = f'"{name}" may have {", ".join(wanted) or "tokens"} at "{title(api)}", from the next token on.'
    return await page.go("/", text)


async def grant_of(operations: Operations, client_id: str, api: Record) -> Record | None:
    """What the application may have at the API, if anything."""
    grants: list[Record] = await operations.get(
        "client-grants", client_id=client_id, audience=api["identifier"], subject_type="client", per_page=1
    )
    return grants[0] if grants else None


async def give(operations: Operations, client_id: str, api: Record, wanted: list[str]) -> None:
    """Gives an application permissions beside those it has, and defines on the API what it lacks."""
    defined = list(api.get("scopes") or [])
    unknown = [value for value in wanted if value not in {scope["value"] for scope in defined}]
    if unknown:
        scopes = defined + [{"value": value} for value in unknown]
        await operations.patch(f"resource-servers/{part(api['id'])}", {"scopes": scopes})
    grant = await grant_of(operations, client_id, api)
    if grant is None:
        made = {"client_id": client_id, "audience": api["identifier"], "scope": wanted}
        await operations.post("client-grants", made)
    elif not grant.get("allow_all_scopes"):
        scope = list(dict.fromkeys([*(grant.get("scope") or []), *wanted]))
        await operations.patch(f"client-grants/{part(grant['id'])}", {"scope": scope})


async def _matrix(page: Page, api: Record, *, fault: str = "", status: int = 200) -> Response:
    applications = await excerpt(page, "clients", fields=SHOWN, grant_type=BY_ITSELF)
    opened = page.query.get("open", "") or page.form.text("client_id")
    clients = applications.items
    if opened and opened not in {client["client_id"] for client in clients}:
        # Linked to from elsewhere, it is shown on whatever page of the list it stands.
        found = await page.operations.find(f"clients/{part(opened)}", fields=SHOWN)
        clients = [found, *clients] if found and _asks_as_itself(found) else clients
    grants = await _grants(page.operations, clients, api)
    rows = [_row(client, grants.get(client["client_id"])) for client in clients]
    return render_tab(
        page,
        "api_applications.html",
        api,
        status=status,
        fault=fault,
        applications=applications,
        rows=rows,
        scopes=api.get("scopes") or [],
        opened=opened,
    )


def _asks_as_itself(client: Record) -> bool:
    return BY_ITSELF in (client.get("grant_types") or [])


async def _grants(operations: Operations, clients: list[Record], api: Record) -> dict[str, Record | None]:
    """What each of the applications may have at the API: told at once, unless very many may."""
    told: list[Record] = await operations.get(
        "client-grants", audience=api["identifier"], subject_type="client", per_page=PAGE
    )
    if len(told) < PAGE:
        return {grant.get("client_id", ""): grant for grant in told}
    ids = [client["client_id"] for client in clients]
    return {client_id: await grant_of(operations, client_id, api) for client_id in ids}


def _row(client: Record, grant: Record | None) -> Record:
    """One application, and what it may have at the API."""
    return {
        "client": client,
        "is_authorized": grant is not None,
        "held": frozenset((grant or {}).get("scope") or []),
        "has_all": bool((grant or {}).get("allow_all_scopes")),
    }


async def _back(page: Page, api: Record, notice: str) -> Response:
    return await page.go(_address(page, api), notice)


def _address(page: Page, api: Record) -> str:
    """The same rows again, that of the application open."""
    client_id = page.form.text("client_id")
    kept = {name: page.query[name] for name in ("q", "page") if page.query.get(name)}
    address = f"/apis/{part(api['id'])}/applications?{urlencode({**kept, 'open': client_id})}"
    return f"{address}#{part(client_id)}"


ROUTES = (
    Route("GET", "/apis/{id}/applications", show),
    Route("POST", "/apis/{id}/applications/authorize", authorize, "administrator"),
    Route("POST", "/apis/{id}/applications/deauthorize", deauthorize, "administrator"),
    Route("POST", "/apis/{id}/applications/update", update, "administrator"),
    Route("POST", "/grant", grant_from_home, "administrator"),
)
