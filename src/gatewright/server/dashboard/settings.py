"""The tenant's settings that this server acts on, as the operation of their noun takes them."""

from typing import Any, Final

from starlette.responses import Response

from gatewright.server.dashboard.operations import Record
from gatewright.server.dashboard.page import Form, Page, Route, part
from gatewright.server.errors import ApiError

MOST_OFFERED: Final = 50  # to choose from; of more than these, one is typed

_QUOTAS = ("per_hour", "per_day")
_PACES = ("token_endpoint", "management_api")


class _NotANumber(ValueError):
    """A field that is to hold a number holds something else."""


async def show(page: Page) -> Response:
    """The settings as they are."""
    settings = await page.operations.get("tenants/settings")
    return page.render("settings.html", apis=await _apis(page), most=MOST_OFFERED, typed=_typed(settings))


async def save(page: Page) -> Response:
    """Sends what was typed; a refusal is shown beside it."""
    typed = {name: page.form.text(name) for name in (*_TEXTS, *_QUOTAS, *_PACES)}
    typed["enforce"] = "on" if page.form.has("enforce") else ""
    try:
        before = await page.operations.get("tenants/settings")
        await page.operations.patch("tenants/settings", _members(page.form, before))
    except (ApiError, _NotANumber) as refusal:
        fault = refusal.message if isinstance(refusal, ApiError) else str(refusal)
        return page.render(
            "settings.html", fault=fault, apis=await _apis(page), most=MOST_OFFERED, typed=typed
        )
    audience = typed["default_audience"]
    if audience and await page.operations.find(f"resource-servers/{part(audience)}", fields="id") is None:
        return await page.go("/settings", f"Saved. There is no API {audience} yet, which is the default.")
    return await page.go("/settings", "Saved.")


async def _apis(page: Page) -> list[Record]:
    """Those to choose from: one more than are offered, where there are more."""
    found: list[Record] = await page.operations.get(
        "resource-servers", per_page=MOST_OFFERED + 2, fields="identifier,name,is_system"
    )
    return [api for api in found if not api.get("is_system")]


_TEXTS = ("friendly_name", "support_email", "support_url", "default_audience")


def _members(form: Form, before: dict[str, Any]) -> dict[str, Any]:
    # Of texts the empty one is how "none" is said on the wire; what nobody set stays so.
    members: dict[str, Any] = {
        name: form.text(name) for name in _TEXTS if form.text(name) or before.get(name)
    }
    quota = {name: _number(form, name) for name in _QUOTAS if form.text(name)}
    members["default_token_quota"] = (
        {"clients": {"client_credentials": {**quota, "enforce": form.has("enforce")}}} if quota else None
    )
    paces = {name: {"per_minute": _number(form, name)} for name in _PACES if form.text(name)}
    members["rate_limits"] = paces or None
    return members


def _number(form: Form, name: str) -> int:
    text = form.text(name)
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004 - more than any limit
        raise _NotANumber(f"{name.replace('_', ' ')} is a whole number, not {text!r}.")
    return int(text)


def _typed(settings: dict[str, Any]) -> dict[str, str]:
    """What the fields hold at first."""
    quota = ((settings.get("default_token_quota") or {}).get("clients") or {}).get("client_credentials") or {}
    paces = settings.get("rate_limits") or {}
    found: dict[str, object] = {name: settings.get(name) for name in _TEXTS}
    found |= {name: quota.get(name) for name in _QUOTAS}
    found |= {name: (paces.get(name) or {}).get("per_minute") for name in _PACES}
    found["enforce"] = "on" if quota.get("enforce", True) else ""
    return {name: "" if value is None else str(value) for name, value in found.items()}


ROUTES = (
    Route("GET", "/settings", show),
    Route("POST", "/settings", save, "administrator"),
)
