"""The settings of an API, and its end."""

from starlette.responses import Response

from gatewright.server.dashboard.apis import read_api, render_tab, title
from gatewright.server.dashboard.operations import Record
from gatewright.server.dashboard.page import Page, Route, part
from gatewright.server.dashboard.typed import lifetime_text, parse_lifetime
from gatewright.server.errors import ApiError

AUTHZ = "_authz"  # the end of a dialect whose tokens list the permissions


async def show(page: Page) -> Response:
    """The settings."""
    return await _settings(page, await read_api(page))


async def save(page: Page) -> Response:
    """Changes them."""
    api = await read_api(page)
    try:
        await page.operations.patch(f"resource-servers/{part(api['id'])}", _members(page, api))
    except ValueError as fault:
        return await _settings(page, api, fault=str(fault))
    except ApiError as refusal:
        return await _settings(page, api, fault=refusal.message, status=refusal.status)
    notice = "Saved. Tokens that are out already stay as they are."
    return await page.go(f"/apis/{part(api['id'])}/settings", notice)


async def delete(page: Page) -> Response:
    """Deletes the API when its name was typed."""
    api = await read_api(page)
    if page.form.text("confirmed_name") != title(api).strip():
        fault = f'Nothing was deleted: type the name "{title(api)}" to delete the API.'
        return await _settings(page, api, fault=fault)
    await page.operations.delete(f"resource-servers/{part(api['id'])}")
    return await page.go("/apis", f'The API "{title(api)}" was deleted, and what it had issued is revoked.')


async def _settings(page: Page, api: Record, *, fault: str = "", status: int = 200) -> Response:
    grants = await page.operations.get(
        "client-grants", audience=api["identifier"], include_totals="true", per_page=1
    )
    dialect = str(api.get("token_dialect", "access_token"))
    known = {
        "name": title(api),
        "token_lifetime": lifetime_text(int(api["token_lifetime"])),
        "profile": dialect.removesuffix(AUTHZ),
        "enforce_policies": bool(api.get("enforce_policies")),
        "in_token": dialect.endswith(AUTHZ),
        "allow_offline_access": bool(api.get("allow_offline_access")),
    }
    return render_tab(
        page,
        "api_settings.html",
        api,
        status=status,
        fault=fault,
        typed=_typed(page) if fault and page.form.has("token_lifetime") else known,
        grants=grants["total"],
    )


def _typed(page: Page) -> Record:
    form = page.form
    texts = {name: form.text(name) for name in ("name", "token_lifetime", "profile")}
    return texts | {name: form.has(name) for name in ("enforce_policies", "in_token", "allow_offline_access")}


def _members(page: Page, api: Record) -> Record:
    """What the operation is to change; of the system API no more than its form has."""
    typed = _typed(page)
    members: Record = {"token_lifetime": parse_lifetime(typed["token_lifetime"])}
    if api.get("is_system"):
        return members
    return members | {
        "name": typed["name"],
        "token_dialect": typed["profile"] + (AUTHZ if typed["in_token"] else ""),
        "enforce_policies": typed["enforce_policies"],
        "allow_offline_access": typed["allow_offline_access"],
    }


ROUTES = (
    Route("GET", "/apis/{id}/settings", show),
    Route("POST", "/apis/{id}/settings", save, "administrator"),
    Route("POST", "/apis/{id}/delete", delete, "administrator"),
)
