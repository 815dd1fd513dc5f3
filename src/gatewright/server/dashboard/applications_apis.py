"""Which APIs an application may have tokens for, and with which permissions."""

from typing import Any

from starlette.responses import Response

from gatewright.server.dashboard.applications_page import base, frame, told
from gatewright.server.dashboard.grant_changes import Held, change
from gatewright.server.dashboard.notices import Undo
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
    apis = await page.operations.all("resource-servers")
    ordered = sorted(apis, key=lambda api: (api["identifier"] not in grants, bool(api.get("is_system"))))
    typed = None
    if refusal is not None:
        typed = {"api": page.path["api"], "scope": page.form.all("scope"), "all": page.form.has("all")}
    return page.render(
        "app_apis.html",
        **told(refusal),
        **context,
        apis=[_row(api, grants.get(api["identifier"]), typed) for api in ordered],
        open=page.path.get("api") or page.query.get("open", ""),
    )


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


async def _named_api(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = await page.operations.get(f"resource-servers/{part(page.path['api'])}")
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
