"""The permissions that an API defines."""

from typing import Final

from starlette.responses import Response

from gatewright.server.dashboard.apis import read_api, render_tab
from gatewright.server.dashboard.listing import LAST, SHOWN, Excerpt
from gatewright.server.dashboard.operations import Record
from gatewright.server.dashboard.page import Page, Route, part
from gatewright.server.dashboard.typed import parse_permissions
from gatewright.server.errors import ApiError

MOST_NAMED: Final = 20  # applications named as holders; the rest is counted


async def show(page: Page) -> Response:
    """The permissions; ``?edit=`` opens one, ``?remove=`` asks whether one shall go."""
    return await _permissions(page, await read_api(page))


async def add(page: Page) -> Response:
    """Adds one with its description, or a paste of many lines; one that is there takes the description."""
    api = await read_api(page)
    new = parse_permissions(page.form.text("lines")) or _single(page)
    if not new:
        return await _permissions(page, api, fault="Type a permission, for example read:blog.")
    known = {scope["value"]: scope for scope in _defined(api)}
    merged = known | {scope["value"]: known.get(scope["value"], {}) | scope for scope in new}
    named = ", ".join(scope["value"] for scope in new[:MOST_NAMED])
    more = f" and {len(new) - MOST_NAMED} more" if len(new) > MOST_NAMED else ""
    notice = f"Added {named}{more}. Give them to an application under Applications."
    return await _replace(page, api, list(merged.values()), notice)


async def describe(page: Page) -> Response:
    """Changes a description."""
    api = await read_api(page)
    value, text = page.form.text("value"), page.form.text("description")
    if value not in {scope["value"] for scope in _defined(api)}:
        return await _gone(page, api, value)
    described = [
        {**scope, "description": text} if scope["value"] == value else scope for scope in _defined(api)
    ]
    return await _replace(page, api, described, f"Saved the description of {value}.")


async def remove(page: Page) -> Response:
    """Removes a permission, and takes it from who was granted it."""
    api = await read_api(page)
    value = page.form.text("value")
    kept = [scope for scope in _defined(api) if scope["value"] != value]
    if len(kept) == len(_defined(api)):
        return await _gone(page, api, value)
    return await _replace(page, api, kept, f"Removed {value}, also from the applications that had it.")


async def _gone(page: Page, api: Record, value: str) -> Response:
    return await _permissions(page, api, fault=f"The API does not define {value} (any more).", status=404)


def _single(page: Page) -> list[dict[str, str]]:
    """The one permission of the short form, as typed: blanks in it are for the operation to refuse."""
    value, description = page.form.text("value"), page.form.text("description")
    if not value:
        return []
    return [{"value": value, "description": description} if description else {"value": value}]


async def _replace(page: Page, api: Record, scopes: list[Record], notice: str) -> Response:
    try:
        await page.operations.patch(f"resource-servers/{part(api['id'])}", {"scopes": scopes})
    except ApiError as refusal:
        return await _permissions(page, api, fault=refusal.message, status=refusal.status)
    return await page.go(f"/apis/{part(api['id'])}/permissions", notice)


async def _permissions(page: Page, api: Record, *, fault: str = "", status: int = 200) -> Response:
    removing = page.query.get("remove", "")
    known = {scope["value"] for scope in _defined(api)}
    return render_tab(
        page,
        "api_permissions.html",
        api,
        status=status,
        fault=fault,
        scopes=_shown(page, api),
        typed={name: page.form.text(name) for name in ("value", "description", "lines")},
        editing=page.query.get("edit", ""),
        removing=removing if removing in known else "",
        holders=await _holders(page, api, removing) if removing in known else None,
    )


def _shown(page: Page, api: Record) -> Excerpt:
    q, number = page.query.get("q", "").strip(), page.number(last=LAST)
    found = [
        scope
        for scope in _defined(api)
        if q.casefold() in f"{scope['value']} {scope.get('description') or ''}".casefold()
    ]
    start = (number - 1) * SHOWN
    return Excerpt(found[start : start + SHOWN], number, len(found) > start + SHOWN, q)


async def _holders(page: Page, api: Record, value: str) -> Record:
    """Who would lose it: the first names, and how many there are besides."""
    grants = await page.operations.all("client-grants", audience=api["identifier"])
    ids = [
        grant["client_id"]
        for grant in grants
        if "client_id" in grant and (grant.get("allow_all_scopes") or value in (grant.get("scope") or []))
    ]
    ids = list(dict.fromkeys(ids))
    named = [
        await page.operations.get(f"clients/{part(client_id)}", fields="name,client_id")
        for client_id in ids[:MOST_NAMED]
    ]
    return {"named": named, "more": len(ids[MOST_NAMED:])}


def _defined(api: Record) -> list[Record]:
    return list(api.get("scopes") or [])


ROUTES = (
    Route("GET", "/apis/{id}/permissions", show),
    Route("POST", "/apis/{id}/permissions", add, "administrator"),
    Route("POST", "/apis/{id}/permissions/describe", describe, "administrator"),
    Route("POST", "/apis/{id}/permissions/remove", remove, "administrator"),
)
