"""How to ask for a token of an API as one of its applications, and call it."""

import shlex
from typing import Final

from starlette.responses import Response

from gatewright.server.dashboard import sessions
from gatewright.server.dashboard.api_applications import grant_of
from gatewright.server.dashboard.apis import read_api, render_tab
from gatewright.server.dashboard.operations import NotConfirmed, Record
from gatewright.server.dashboard.page import Page, Route, part, redirect

MOST_OFFERED: Final = 100
SHOWN: Final = "client_id,name,token_endpoint_auth_method"
HIDDEN: Final = "$CLIENT_SECRET"


async def show(page: Page) -> Response:
    """The applications that are authorized, one of them chosen."""
    api = await read_api(page)
    chosen = page.query.get("app", "")
    if chosen:
        return redirect(f"/apis/{part(api['id'])}/test/{part(chosen)}")
    return await _test(page, api, None)


async def show_application(page: Page) -> Response:
    """The request of one application, its secret left out."""
    api = await read_api(page)
    client = await page.operations.get(f"clients/{part(page.path['client_id'])}", fields=SHOWN)
    return await _test(page, api, client)


async def show_secret(page: Page) -> Response:
    """The same, ready to be pasted.

    Raises:
        NotConfirmed: the password was not given lately.
    """
    if not sessions.is_confirmed(page.server, page.session):
        raise NotConfirmed
    api = await read_api(page)
    path = f"clients/{part(page.path['client_id'])}"
    client = await page.operations.get(path, fields=f"{SHOWN},client_secret")
    return await _test(page, api, client)


async def _test(page: Page, api: Record, client: Record | None) -> Response:
    offered = await _offered(page, api)
    issuer = page.server.settings.issuer
    is_authorized = False
    if client is not None:
        is_authorized = await grant_of(page.operations, client["client_id"], api) is not None
    elif offered:
        client, is_authorized = offered[0], True
    if client is not None and client["client_id"] not in {known["client_id"] for known in offered}:
        offered = [client, *offered]
    return render_tab(
        page,
        "api_test.html",
        api,
        offered=offered,
        client=client,
        is_authorized=is_authorized,
        shows_secret=client is not None and "client_secret" in client,
        request=None if client is None else _token_request(issuer, api, client),
        commands=[] if client is None else _commands(api, client),
    )


async def _offered(page: Page, api: Record) -> list[Record]:
    grants = await page.operations.get(
        "client-grants", audience=api["identifier"], subject_type="client", per_page=MOST_OFFERED
    )
    return [
        await page.operations.get(f"clients/{part(grant['client_id'])}", fields=SHOWN)
        for grant in grants
        if "client_id" in grant
    ]


def _token_request(issuer: str, api: Record, client: Record) -> str | None:
    """The request as curl makes it; None when the application does not prove itself by a secret."""
    method = client.get("token_endpoint_auth_method", "client_secret_post")
    if method not in {"client_secret_post", "client_secret_basic"}:
        return None
    secret = client.get("client_secret")
    lines = [
        f"curl {shlex.quote(issuer + 'oauth/token')}",
        "--data grant_type=client_credentials",
        f"--data-urlencode {shlex.quote('audience=' + api['identifier'])}",
    ]
    if method == "client_secret_basic":
        # Both are encoded before they are joined (RFC 6749, section 2.3.1), which curl does not do.
        shown = f'"{HIDDEN}"' if secret is None else shlex.quote(part(secret))
        lines.append(f"--user {shlex.quote(part(client['client_id']))}:{shown}")
    else:
        shown = f'"{HIDDEN}"' if secret is None else shlex.quote(secret)
        lines.append(f"--data-urlencode {shlex.quote('client_id=' + client['client_id'])}")
        lines.append(f"--data-urlencode client_secret={shown}")
    return " \\\n  ".join(lines)


def _commands(api: Record, client: Record) -> list[str]:
    named = f"--api {shlex.quote(api['identifier'])} --app {shlex.quote(client['client_id'])}"
    return [f"TOKEN=$(gatewright token {named})", f"gatewright call http://localhost:3000/ {named}"]


ROUTES = (
    Route("GET", "/apis/{id}/test", show),
    Route("GET", "/apis/{id}/test/{client_id}", show_application),
    Route("GET", "/apis/{id}/test/{client_id}/secret", show_secret, "administrator"),
)
