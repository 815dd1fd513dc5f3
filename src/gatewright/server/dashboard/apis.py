"""The APIs: their list, and a new one with the application to try it with."""

import shlex
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import Response

from gatewright.server.dashboard.listing import excerpt
from gatewright.server.dashboard.operations import Operations, Record
from gatewright.server.dashboard.page import Page, Route, part, redirect
from gatewright.server.dashboard.typed import parse_lifetime, parse_permissions
from gatewright.server.errors import ApiError

ALGORITHMS: Final = (
    ("RS256", "what most libraries expect"),
    ("PS256", "RSA, newer padding"),
    ("ES256", "elliptic curve, small"),
    ("EdDSA", "Ed25519, small and fast"),
    ("RS512", "RSA, longer hash"),
    ("HS256", "one shared secret"),
)
TABS: Final = (
    ("/quickstart", "Quick Start"),
    ("/settings", "Settings"),
    ("/permissions", "Permissions"),
    ("/applications", "Applications"),
    ("/test", "Test"),
)
HELP: Final = {
    "/quickstart": "The code that guards this API, with its real values. Choose what it is written with.",
    "/settings": "How long tokens for this API live, what they say, and what its users may do with it.",
    "/permissions": "What a token can allow at this API. Each is a scope that your endpoints require, and "
    "that you give to applications.",
    "/applications": "Machine to machine applications: they ask for tokens as themselves. Authorize one, "
    "open it, and tick the permissions that its tokens may have.",
}
# Never read for a page, and reading it would be noted as a secret shown.
WITHOUT_SECRET: Final = {"fields": "signing_secret", "include_fields": "false"}
# As `gatewright apis create` makes it.
MACHINE_TO_MACHINE: Final = {
    "app_type": "non_interactive",
    "grant_types": ["client_credentials"],
    "token_endpoint_auth_method": "client_secret_post",
    "oidc_conformant": True,
    "jwt_configuration": {"alg": "RS256"},
}


async def show_all(page: Page) -> Response:
    """The list."""
    apis = await excerpt(page, "resource-servers", **WITHOUT_SECRET)
    is_whole = not apis.q and apis.number == 1 and not apis.has_more
    is_fresh = is_whole and all(api.get("is_system") for api in apis.items)
    return page.render("apis.html", apis=apis, is_fresh=is_fresh)


async def show_new(page: Page) -> Response:
    """The form for a new API."""
    typed = {"signing_alg": "RS256", "token_lifetime": "24h", "token_dialect": "access_token"}
    return _new(page, typed=typed, with_test_app=True)


async def create(page: Page) -> Response:
    """Makes the API, then its test application, then that one's grant."""
    form = page.form
    fields = ("name", "identifier", "signing_alg", "permissions", "token_lifetime", "token_dialect")
    typed = {name: form.text(name) for name in fields}
    try:
        api = await page.operations.post("resource-servers", _members(typed))
    except ValueError as fault:
        return _new(page, typed=typed, with_test_app=form.has("test_app"), fault=str(fault))
    except ApiError as refusal:
        return _new(
            page,
            typed=typed,
            with_test_app=form.has("test_app"),
            fault=refusal.message,
            status=refusal.status,
        )
    said = [f'The API "{title(api)}" was made.']
    if form.has("test_app"):
        said.append(await _make_test_app(page.operations, api))
    said += _warnings(api["identifier"])
    return await page.go(f"/apis/{part(api['id'])}/quickstart", " ".join(said))


async def lead_to_tabs(page: Page) -> Response:
    """An API without a tab: its first one."""
    api = await read_api(page)
    return redirect(f"/apis/{part(api['id'])}/{'settings' if api.get('is_system') else 'quickstart'}")


async def read_api(page: Page) -> Record:
    """The API of the address, without its secret.

    Raises:
        ApiError: 404, there is none.
    """
    api: Record = await page.operations.get(f"resource-servers/{part(page.path['id'])}", **WITHOUT_SECRET)
    return api


def render_tab(
    page: Page,
    template: str,
    api: Record,
    *,
    status: int = 200,
    fault: str = "",
    connects_to: Sequence[str] = (),
    **context: object,
) -> Response:
    """A tab of an API: ``api_settings.html`` is the template of ``/settings``, and extends ``api.html``."""
    tab = "/" + template.removeprefix("api_").removesuffix(".html")
    frame = {
        "api": api,
        "title": title(api),
        "base": f"/apis/{part(api['id'])}",
        "cli_name": shlex.quote(api["identifier"]),
        "tabs": TABS[1:] if api.get("is_system") else TABS,  # nobody guards the Management API but itself
        "tab": tab,
        "help": HELP.get(tab, ""),
    }
    return page.render(template, status=status, fault=fault, connects_to=connects_to, **{**frame, **context})


def title(api: Record) -> str:
    """What people call the API."""
    return str(api.get("name") or api["identifier"])


def _new(
    page: Page, *, typed: dict[str, str], with_test_app: bool, fault: str = "", status: int = 200
) -> Response:
    return page.render(
        "api_new.html",
        status=status,
        fault=fault,
        typed=typed,
        with_test_app=with_test_app,
        algorithms=ALGORITHMS,
    )


def _members(typed: dict[str, str]) -> Record:
    """What was typed, as the operation takes it; what was left empty has its default there."""
    members: Record = {
        name: typed[name]
        for name in ("name", "identifier", "signing_alg", "token_dialect")
        if typed[name] or name in {"name", "identifier"}
    }
    if typed["token_lifetime"]:
        members["token_lifetime"] = parse_lifetime(typed["token_lifetime"])
    return members | {"scopes": parse_permissions(typed["permissions"])}


async def _make_test_app(operations: Operations, api: Record) -> str:
    """What makes an API usable at once; what to say of it. The API stays, whatever happens here."""
    name = f"{title(api)} (Test Application)"
    try:
        application = await operations.post("clients", {"name": name, **MACHINE_TO_MACHINE})
    except ApiError as refusal:
        return f'Its application "{name}" was not: {refusal.message} Make one under Applications.'
    grant = {"client_id": application["client_id"], "audience": api["identifier"], "scope": []}
    try:
        await operations.post("client-grants", grant)
    except ApiError as refusal:
        return f'So was the application "{name}", which may ask for no tokens yet: {refusal.message}'
    return f'So was the application "{name}", authorized for it with no permission yet.'


def _warnings(identifier: str) -> list[str]:
    """What is allowed, and often not what was meant."""
    warnings = []
    parts = urlsplit(identifier)
    if identifier.endswith("/"):
        warnings.append("Mind the slash at the end of the identifier: without it, it is another one.")
    if not (parts.scheme and parts.netloc):
        warnings.append("The identifier is not a URL: that works, but a URL is harder to confuse.")
    if any(character.isspace() for character in identifier):
        warnings.append("There are blanks in the identifier.")
    return warnings


ROUTES = (
    Route("GET", "/apis", show_all),
    Route("GET", "/apis/new", show_new, "administrator"),
    Route("POST", "/apis/new", create, "administrator"),
    Route("GET", "/apis/{id}", lead_to_tabs),
)
