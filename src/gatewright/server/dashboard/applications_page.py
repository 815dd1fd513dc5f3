"""What every page of an application needs: the application, its secrets' last use, what it was refused."""

from typing import Any, Final

from gatewright.server.dashboard.page import Page, part
from gatewright.server.dashboard.rendering import PREFIX
from gatewright.server.errors import ApiError
from gatewright.server.model import CLI_CLIENT_OPTION

TYPES: Final = {
    "non_interactive": "Machine to Machine",
    "native": "Native",
    "spa": "Single Page",
    "regular_web": "Regular Web",
}
TABS: Final = (
    ("/settings", "Settings"),
    ("/credentials", "Credentials"),
    ("/apis", "APIs"),
    ("/quickstart", "Quick Start"),
)
HELP: Final = {
    "settings": "What the application is called, how it proves who it is, and how it may ask for tokens.",
    "credentials": "The secrets and keys by which the application proves who it is.",
    "apis": "At which APIs the application may have tokens of its own, and what those may do. New "
    "permissions come with its next token.",
    "quickstart": "How the application asks for a token, with its real values.",
}
UNREAD: Final = "client_secret,encryption_key,signing_keys"
BY_KEY: Final = "private_key_jwt"
RECENT: Final = 86400  # seconds
MOST_REFUSALS: Final = 10

Context = dict[str, Any]


def kind(application: Context) -> str:
    """The type in words."""
    app_type = str(application.get("app_type") or "Generic")
    return TYPES.get(app_type, app_type)


async def command_line_id(page: Page) -> str:
    """The client id of the command line; "" where it has none."""
    known = await page.server.store.aread(lambda tx: tx.option(CLI_CLIENT_OPTION))
    return str((known or {}).get("client_id", ""))


def base(page: Page) -> str:
    """The address of the application, below ``/ui``."""
    return f"/apps/{part(page.path['id'])}"


def record(page: Page) -> str:
    """The application's path in the Management API."""
    return f"clients/{part(page.path['id'])}"


async def read(page: Page) -> Context:
    """The application, without what is secret.

    Raises:
        ApiError: 404, there is none.
    """
    found: Context = await page.operations.get(record(page), fields=UNREAD, include_fields="false")
    return found


def method(application: Context) -> str:
    """How it authenticates at the token endpoint; "" where that was never chosen."""
    methods = application.get("client_authentication_methods")
    if methods is not None:
        return str(next(iter(methods), BY_KEY))
    return str(application.get("token_endpoint_auth_method") or "")


def told(refusal: ApiError | None) -> Context:
    """The refusal of what was sent, if there is one, for ``Page.render``."""
    return {} if refusal is None else {"status": refusal.status, "fault": refusal.message}


async def frame(page: Page, tab: str) -> Context:
    """What ``app_frame.html`` shows, the application as ``app`` among it.

    Raises:
        ApiError: 404, there is no such application.
    """
    app = await read(page)
    secrets = await page.operations.unconfirmed().get(f"{record(page)}/secrets")
    since = int(page.server.now()) - RECENT
    refusals = await page.operations.get(
        "guard-reports/refusals", client_id=app["client_id"], since=since, per_page=MOST_REFUSALS
    )
    uses_secret = method(app) in {"", "client_secret_post", "client_secret_basic"}
    return {
        "app": app,
        "kind": kind(app),
        "base": base(page),
        "tabs": TABS,
        "help": HELP[tab],
        "here": f"{PREFIX}{base(page)}/{tab}",
        "uses_secret": uses_secret,
        "secrets": secrets if uses_secret else [],
        "last_used_at": max((row["last_used_at"] for row in secrets if "last_used_at" in row), default=None),
        "refusals": refusals,
        "is_command_line": app["client_id"] == await command_line_id(page),
    }
