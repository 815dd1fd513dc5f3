"""Which APIs an application may have tokens for, and with which permissions."""

from typing import Any

from starlette.responses import Response

from gatewright.server.dashboard.apis import WITHOUT_SECRET
from gatewright.server.dashboard.applications_page import base, frame, told
from gatewright.server.dashboard.grant_changes import Held, change
from gatewright.server.dashboard.listing import Excerpt, excerpt
from gatewright.server.dashboard.notices import Undo
from gatewright.server.dashboard.operations import Record
from gatewright.server.dashboard.page import Page, Route, part
from gatewright.server.errors import ApiError

Grants = dict[str, dict[str, Any]]


async def show(page: Page) -> Response:
    """Every API, and what the application may do there."""
    return await _shown(page)


async def authorize(page: Page) -> Response:
    """Grants exactly the ticked permissions of one API: a new grant, or a change of the one there is."""
    try:
        api = await _named_api(page)
        back = f"{base(page)}/apis?open={part(api['id'])}"
        undo = await _grant(page, api["identifier"], back)
    except ApiError as refusal:
        return await _shown(page, refusal)
    said = f"Saved: {api.get('name') or api['identifier']}. New permissions come with the next token."
    return await page.go(back, said, undo=undo)


async def deauthorize(page: Page) -> Response:
    """Takes one API from the application."""
    try:
        api = await _named_api(page)
        grant = (await _grants(page)).get(api["identifier"])
        if grant is not None:
            await page.operations.delete(f"client-grants/{part(grant['id'])}")
    except ApiError as refusal:
        return await _shown(page, refusal)
    name = api.get("name") or api["identifier"]
    said = f"The application gets no tokens for {name} any more; those it has are revoked."
    return await page.go(f"{base(page)}/apis", said)


async def _grant(page: Page, audience: str, back: str) -> Undo | None:
    form, before = page.form, (await _grants(page)).get(audience)
    wanted = Held(has_all=True) if form.has("all") else Held(tuple(form.all("scope")))
    if before is not None:
        return await change(page.operations, before, wanted, back=back)
    whole = {"client_id": page.path["id"], "audience": audience, **wanted.members()}
    await page.operations.post("client-grants", whole)
    return None


async def _shown(page: Page, refusal: ApiError | None = None) -> Response:
    context = await frame(page, "apis")
    grants = await _grants(page)
    opened = page.path.get("api") or page.query.get("open", "")
    found = await excerpt(page, "resource-servers", **WITHOUT_SECRET)
    ordered = await _ordered(page, found, grants, opened)
    typed = None
    if refusal is not None:
        typed = {"api": page.path["api"], "scope": page.form.all("scope"), "all": page.form.has("all")}
    return page.render(
        "app_apis.html",
        **told(refusal),
        **context,
        apis=[_row(api, grants.get(api["identifier"]), typed) for api in ordered],
        found=found,
        open=opened,
    )


async def _ordered(page: Page, found: Excerpt, grants: Grants, opened: str) -> list[Record]:
    """A page of the list, the first one after those that it is authorized for; the open one in any case."""
    shown = {api["identifier"]: api for api in found.items}
    first = list(grants) if found.number == 1 and not found.q else []
    apis = [shown.get(audience) or await _api(page, audience) for audience in first]
    if opened and opened not in {api["id"] for api in (*apis, *found.items)}:
        linked = await page.operations.find(f"resource-servers/{part(opened)}", **WITHOUT_SECRET)
        apis += [linked] if linked else []
    rest = [api for api in found.items if found.q or api["identifier"] not in grants]
    return apis + sorted(rest, key=lambda api: (api["identifier"] not in grants, bool(api.get("is_system"))))


def _row(api: dict[str, Any], grant: dict[str, Any] | None, typed: dict[str, Any] | None) -> dict[str, Any]:
    """An API with what is ticked: what was typed when that was refused, else what is granted."""
    kept = typed if typed is not None and typed["api"] == api["id"] else None
    granted = grant or {}
    ticked = kept["scope"] if kept else granted.get("scope", [])
    grants_all = kept["all"] if kept else bool(granted.get("allow_all_scopes"))
    return {
        "id": api["id"],
        "name": api.get("name") or api["identifier"],
        "identifier": api["identifier"],
        "is_system": bool(api.get("is_system")),
        "scopes": [{**scope, "ticked": scope["value"] in ticked} for scope in api.get("scopes") or []],
        "held": len(granted.get("scope", [])),
        "grants_all": grants_all,
        "grant": grant,
    }


async def _named_api(page: Page) -> Record:
    return await _api(page, page.path["api"])


async def _api(page: Page, name: str) -> Record:
    """By id or identifier."""
    found: Record = await page.operations.get(f"resource-servers/{part(name)}", **WITHOUT_SECRET)
    return found


async def _grants(page: Page) -> Grants:
    """The grants for the application's own tokens, by audience."""
    rows = await page.operations.all("client-grants", client_id=page.path["id"], subject_type="client")
    return {row["audience"]: row for row in rows}


ROUTES = (
    Route("GET", "/apps/{id}/apis", show),
    Route("POST", "/apps/{id}/apis/{api}", authorize, "administrator"),
    Route("POST", "/apps/{id}/apis/{api}/deauthorize", deauthorize, "administrator"),
)
