"""The applications: their list, and the making of one. Pages of a single one are in ``applications_…``."""

from typing import Any, Final

from starlette.responses import Response

from gatewright.server.dashboard.apis import WITHOUT_SECRET
from gatewright.server.dashboard.applications_page import TYPES, base, command_line_id, kind, told
from gatewright.server.dashboard.listing import excerpt
from gatewright.server.dashboard.operations import NotConfirmed
from gatewright.server.dashboard.page import Form, Page, Route, part, redirect
from gatewright.server.errors import ApiError

PAGE: Final = 50
LAST_PAGE: Final = 10**6
_FIELDS: Final = "client_id,name,app_type,description"
_ABOUT: Final = {
    "non_interactive": "A program that calls an API as itself: a job, a backend, a command.",
    "native": "On a phone or a desktop, with a person before it. It can keep no secret.",
    "spa": "Runs in a browser, with a person before it. It can keep no secret.",
    "regular_web": "Runs on a server that renders pages for people.",
}


async def show_all(page: Page) -> Response:
    """The list: a page of all, or of those whose name or client id holds ``q``."""
    wanted, number = page.query.get("q", "").strip(), page.number(last=LAST_PAGE)
    query = {"search": wanted} if wanted else {}
    answer = await page.operations.get(
        "clients", fields=_FIELDS, page=number - 1, per_page=PAGE, include_totals="true", **query
    )
    total = answer["total"]
    return page.render(
        "apps.html",
        rows=[{**row, "kind": kind(row)} for row in answer["clients"]],
        q=wanted,
        total=total,
        number=number,
        pages=max(1, -(-total // PAGE)),
        command_line=await command_line_id(page),
    )


async def show_new(page: Page) -> Response:
    """The form for a new application."""
    return await _form(page, Form({"app_type": ["non_interactive"]}))


async def create(page: Page) -> Response:
    """Makes an application and, where an API was chosen, authorizes it there."""
    form, app_type = page.form, page.form.text("app_type")
    try:
        made = await page.operations.post("clients", _members(form))
    except ApiError as refusal:
        return await _form(page, form, refusal)
    address, said = f"/apps/{part(made['client_id'])}", f"The application “{made['name']}” was created."
    audience = form.text("audience") if app_type == "non_interactive" else ""
    if not audience:
        return await page.go(f"{address}/settings", said)
    try:
        await page.operations.post(
            "client-grants",
            {"client_id": made["client_id"], "audience": audience, "scope": form.all(f"scope {audience}")},
        )
    except NotConfirmed:
        return await page.go(f"{address}/apis", f"{said} Authorize it here: that needs your password.")
    except ApiError as refusal:
        return await page.go(f"{address}/apis", f"{said} It was not authorized: {refusal.message}")
    said += f" It may ask for tokens for {audience}; its secret is under Credentials."
    return await page.go(f"{address}/settings", said)


async def open_first(page: Page) -> Response:
    """The application's own address shows its settings."""
    return redirect(f"{base(page)}/settings")


async def _form(page: Page, typed: Form, refusal: ApiError | None = None) -> Response:
    offered, chosen = await excerpt(page, "resource-servers", **WITHOUT_SECRET), typed.text("audience")
    apis = sorted(offered.items, key=lambda api: bool(api.get("is_system")))
    if chosen and chosen not in {api["identifier"] for api in apis}:
        found = await page.operations.find(f"resource-servers/{part(chosen)}", **WITHOUT_SECRET)
        apis = [found, *apis] if found else apis
    return page.render(
        "app_new.html",
        **told(refusal),
        typed=typed,
        types=[(value, name, _ABOUT[value]) for value, name in TYPES.items()],
        apis=apis,
        offered=offered,
    )


def _members(form: Form) -> dict[str, Any]:
    """As ``gatewright apps create`` makes one of the type."""
    app_type = form.text("app_type")
    is_public = app_type in {"native", "spa"}
    members: dict[str, Any] = {
        "name": form.text("name"),
        "app_type": app_type,
        "oidc_conformant": True,
        "token_endpoint_auth_method": "none" if is_public else "client_secret_post",
        "jwt_configuration": {"alg": "RS256"},
    }
    if app_type == "non_interactive":
        members["grant_types"] = ["client_credentials"]
    if form.text("description"):
        members["description"] = form.text("description")
    return members


ROUTES = (
    Route("GET", "/apps", show_all),
    Route("GET", "/apps/new", show_new, "administrator"),
    Route("POST", "/apps/new", create, "administrator"),
    Route("GET", "/apps/{id}", open_first),
)
