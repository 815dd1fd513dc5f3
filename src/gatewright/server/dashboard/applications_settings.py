"""An application's settings, and what ends it or its secret."""

from typing import Any, Final

from starlette.responses import Response

from gatewright.server.dashboard.applications_page import base, frame, method, read, record, told
from gatewright.server.dashboard.page import Page, Route
from gatewright.server.errors import ApiError
from gatewright.server.model import ALL_GRANT_TYPES

_METHODS: Final = {
    "client_secret_post": "Client secret, in the body (client_secret_post)",
    "client_secret_basic": "Client secret, by HTTP Basic (client_secret_basic)",
    "none": "None: the application can keep no secret",
}
_GRANTED: Final = {"client_credentials": "Tokens of its own (client_credentials)"}


async def show(page: Page) -> Response:
    """The settings as they are."""
    return await _shown(page)


async def save(page: Page) -> Response:
    """Changes what was changed in the form, and nothing else."""
    typed = _typed(page)
    try:
        changed = _changes(await read(page), typed)
        if changed:
            await page.operations.patch(record(page), changed)
    except ApiError as refusal:
        return await _shown(page, refusal, typed)
    return await page.go(f"{base(page)}/settings", "Saved." if changed else "Nothing was changed.")


async def rotate(page: Page) -> Response:
    """Ends every secret, and shows the new one."""
    try:
        await page.operations.post(f"{record(page)}/rotate-secret")
        made = await page.operations.unconfirmed().get(f"{record(page)}/secrets")
    except ApiError as refusal:
        return await _shown(page, refusal)
    return await page.go(
        f"{base(page)}/credentials?show={made[0]['id']}", "This is the new secret; what was there has ended."
    )


async def delete(page: Page) -> Response:
    """Deletes the application, once its name was typed."""
    name = str((await read(page))["name"])
    if page.form.text("typed") != name.strip():
        return await _shown(page, ApiError(400, f"Nothing was deleted: type its name for that, {name}"))
    try:
        await page.operations.delete(record(page))
    except ApiError as refusal:
        return await _shown(page, refusal)
    return await page.go("/apps", f"The application “{name}” was deleted; the tokens it has are revoked.")


async def _shown(
    page: Page, refusal: ApiError | None = None, typed: dict[str, Any] | None = None
) -> Response:
    context = await frame(page, "settings")
    app, chosen = context["app"], method(context["app"])
    methods = _METHODS if chosen in _METHODS else {chosen: _kept(chosen), **_METHODS}
    held = app.get("grant_types") or []
    others = [grant_type for grant_type in (*ALL_GRANT_TYPES, *held) if grant_type not in _GRANTED]
    return page.render(
        "app_settings.html",
        **told(refusal),
        **context,
        methods=methods,
        granted=_GRANTED,
        kept=list(dict.fromkeys(others)),
        typed=typed or _current(app),
    )


def _kept(chosen: str) -> str:
    return f"Its keys, under Credentials ({chosen})" if chosen else "Client secret, either way (never chosen)"


def _current(app: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": app["name"],
        "description": app.get("description") or "",
        "method": method(app),
        "grant_types": app.get("grant_types") or [],
    }


def _typed(page: Page) -> dict[str, Any]:
    form = page.form
    return {
        "name": form.text("name"),
        "description": form.text("description"),
        "method": form.text("method"),
        "grant_types": form.all("grant_type"),
    }


def _changes(app: dict[str, Any], typed: dict[str, Any]) -> dict[str, Any]:
    """The update body: ``null`` clears a description, and what one way of authenticating has in the other."""
    before = _current(app)
    members: dict[str, Any] = {}
    if typed["name"] != before["name"]:
        members["name"] = typed["name"]
    if typed["description"] != before["description"]:
        members["description"] = typed["description"] or None
    if set(typed["grant_types"]) != set(before["grant_types"]):
        members["grant_types"] = typed["grant_types"]
    if typed["method"] != before["method"]:
        members["token_endpoint_auth_method"] = typed["method"]
        if app.get("client_authentication_methods") is not None:
            members["client_authentication_methods"] = None
    return members


ROUTES = (
    Route("GET", "/apps/{id}/settings", show),
    Route("POST", "/apps/{id}/settings", save, "administrator"),
    Route("POST", "/apps/{id}/rotate", rotate, "administrator"),
    Route("POST", "/apps/{id}/delete", delete, "administrator"),
)
