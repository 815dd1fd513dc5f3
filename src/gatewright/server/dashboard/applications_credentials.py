"""What an application proves with who it is: its secrets, and its keys."""

import json
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from gatewright.server.dashboard.applications_page import BY_KEY, base, frame, record, told
from gatewright.server.dashboard.operations import NotConfirmed
from gatewright.server.dashboard.page import Form, Page, Route, part
from gatewright.server.errors import ApiError

ALGORITHMS = ("RS256", "RS384", "PS256")


async def show(page: Page) -> Response:
    """The secrets, one of them with its value when ``show`` asks for it, and the keys."""
    wanted = page.query.get("show", "")
    context = await frame(page, "credentials")
    shown = await _revealed(page, context, wanted) if wanted else None
    return await _shown(page, context=context, shown=shown)


async def add_secret(page: Page) -> Response:
    """Adds a secret beside the one there is, and shows it."""
    try:
        made = await page.operations.post(f"{record(page)}/secrets")
    except ApiError as refusal:
        return await _shown(page, refusal)
    return await page.go(
        f"{base(page)}/credentials?show={part(made['id'])}",
        "This is the second secret. Both are good until you end one.",
    )


async def end_secret(page: Page) -> Response:
    """Ends one secret at once."""
    path = f"{record(page)}/secrets/{part(page.path['secret'])}"
    return await _removed(page, path, "The secret has ended.")


async def add_key(page: Page) -> Response:
    """Registers the public half of a key."""
    form = page.form
    members: dict[str, Any] = {
        "credential_type": "public_key",
        "name": form.text("name"),
        "pem": form.text("pem"),
        "alg": form.text("alg"),
    }
    if form.text("expires_at"):
        members["expires_at"] = _moment(form.text("expires_at"))
    try:
        made = await page.operations.post(f"{record(page)}/credentials", members)
    except ApiError as refusal:
        return await _shown(page, refusal, typed=form)
    said = f"The key {made.get('name') or made['kid']} is registered. It counts once it is assigned, below."
    return await page.go(f"{base(page)}/credentials", said)


async def end_key_at(page: Page) -> Response:
    """Sets when a key ends."""
    members = {"expires_at": _moment(page.form.text("expires_at"))}
    try:
        await page.operations.patch(_key(page), members)
    except ApiError as refusal:
        return await _shown(page, refusal)
    return await page.go(f"{base(page)}/credentials", "Saved.")


async def remove_key(page: Page) -> Response:
    """Removes a key, which ends at once."""
    return await _removed(page, _key(page), "The key is removed.")


async def assign_keys(page: Page) -> Response:
    """Lets the application authenticate with the ticked keys, and by its secret no more."""
    chosen = [{"id": id_} for id_ in page.form.all("key")]
    members = {
        "token_endpoint_auth_method": None,
        "client_authentication_methods": {BY_KEY: {"credentials": chosen}},
    }
    if not chosen:
        return await _shown(page, ApiError(400, "Tick the key that the application signs with."))
    try:
        await page.operations.patch(record(page), members)
    except ApiError as refusal:
        return await _shown(page, refusal)
    return await page.go(
        f"{base(page)}/credentials", "The application authenticates with its keys now; its secret is no use."
    )


async def _removed(page: Page, path: str, said: str) -> Response:
    try:
        await page.operations.delete(path)
    except ApiError as refusal:
        return await _shown(page, refusal)
    return await page.go(f"{base(page)}/credentials", said)


async def _shown(
    page: Page,
    refusal: ApiError | None = None,
    *,
    typed: Form | None = None,
    context: dict[str, Any] | None = None,
    shown: Mapping[str, str] | None = None,
) -> Response:
    context = context or await frame(page, "credentials")
    methods = context["app"].get("client_authentication_methods") or {}
    return page.render(
        "app_credentials.html",
        **told(refusal),
        **context,
        shown=shown,
        keys=await _keys(page),
        assigned=[each["id"] for each in methods.get(BY_KEY, {}).get("credentials", [])],
        algorithms=ALGORITHMS,
        typed=_repeatable(typed or Form()),
    )


async def _keys(page: Page) -> list[dict[str, Any]]:
    """The keys, ``has_ended`` said of each."""
    rows = await page.operations.get(f"{record(page)}/credentials")
    now = datetime.fromtimestamp(page.server.now(), UTC)
    ends = [datetime.fromisoformat(row["expires_at"]) if "expires_at" in row else None for row in rows]
    return [{**row, "has_ended": at is not None and at <= now} for row, at in zip(rows, ends, strict=True)]


async def _revealed(page: Page, context: Mapping[str, Any], wanted: str) -> dict[str, str]:
    """The value of a secret, alone and in the forms that programs take it in.

    Raises:
        NotConfirmed: the password is needed once more.
        ApiError: 403 or 404.
    """
    if not page.session.administrator.may_change:
        raise ApiError(403, "Only an administrator may see secrets.")
    if wanted not in {row["id"] for row in context["secrets"]}:
        raise ApiError(404, "There is no such secret any more.")
    rows = await page.operations.get(f"{record(page)}/secrets")
    value = next((row.get("secret") for row in rows if row["id"] == wanted), None)
    if value is None:
        raise NotConfirmed
    issuer, client_id = page.server.settings.issuer, context["app"]["client_id"]
    lines = {"GATEWRIGHT_ISSUER": issuer, "CLIENT_ID": client_id, "CLIENT_SECRET": value}
    members = {"issuer": issuer, "client_id": client_id, "client_secret": value}
    return {
        "id": wanted,
        "value": value,
        "env": "\n".join(f"{name}={shlex.quote(text)}" for name, text in lines.items()),
        "json": json.dumps(members, indent=2),
    }


def _repeatable(typed: Form) -> Form:
    """What was typed, but for a key that should not have been sent."""
    if "PRIVATE" not in typed.text("pem"):
        return typed
    return Form({name: values for name, values in typed.fields.items() if name != "pem"})


def _key(page: Page) -> str:
    return f"{record(page)}/credentials/{part(page.path['key'])}"


def _moment(text: str) -> str:
    """What browsers send of a time, which names no zone: here it is UTC."""
    return f"{text}Z"


_OF = "/apps/{id}/credentials"

ROUTES = (
    Route("GET", _OF, show),
    Route("POST", "/apps/{id}/secrets", add_secret, "administrator"),
    Route("POST", "/apps/{id}/secrets/{secret}/end", end_secret, "administrator"),
    Route("POST", f"{_OF}/keys", add_key, "administrator"),
    Route("POST", f"{_OF}/assigned", assign_keys, "administrator"),
    Route("POST", f"{_OF}/{{key}}/end", end_key_at, "administrator"),
    Route("POST", f"{_OF}/{{key}}/remove", remove_key, "administrator"),
)
