"""An API's requests as files for other tools: a Postman collection, its environment, an ``.http`` file.

They carry the API's own values and no secret: that is typed where the file is opened.
"""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from gatewright.server.dashboard.apis import read_api, title
from gatewright.server.dashboard.console import base_urls_of, known_routes
from gatewright.server.dashboard.console_call import NOWHERE
from gatewright.server.dashboard.console_token import SHOWN
from gatewright.server.dashboard.operations import Record
from gatewright.server.dashboard.page import Page, Route, part
from gatewright.server.dashboard.rendering import HEADERS
from gatewright.server.errors import ApiError

JSON: Final = "application/json"
SCHEMA: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
# What stands for the calls as long as no guard has told of any: the endpoints of the tutorial.
EXAMPLES: Final = (("GET", "/authtest"), ("GET", "/blogs"), ("POST", "/blogs"))
_STORES_TOKEN: Final = (
    "pm.test('a token came', () => pm.response.to.have.status(200));",
    "pm.environment.set('access_token', pm.response.json().access_token);",
)


async def postman(page: Page) -> Response:
    """The collection (format 2.1)."""
    api = await read_api(page)
    routes = await known_routes(page, api) or EXAMPLES
    return _file(api, "postman_collection.json", collection(api, routes))


async def postman_environment(page: Page) -> Response:
    """The values of the collection's variables."""
    api, client_id = await read_api(page), await _client_id(page)
    base_urls = await base_urls_of(page, api)
    values = _values(page.server.settings.issuer, api, client_id, base_urls)
    return _file(api, "postman_environment.json", environment(api, values))


async def http(page: Page) -> Response:
    """Requests for editors that read ``.http`` files."""
    api, client_id = await read_api(page), await _client_id(page)
    base_urls = await base_urls_of(page, api)
    values = _values(page.server.settings.issuer, api, client_id, base_urls)
    text = http_file(values, await known_routes(page, api) or EXAMPLES)
    return _download(api, "http", text, "text/plain; charset=utf-8")


def collection(api: Record, routes: Sequence[tuple[str, str]]) -> Record:
    """A collection whose first request takes a token that all others send."""
    token = {
        "name": "Take a token",
        "event": [{"listen": "test", "script": {"type": "text/javascript", "exec": list(_STORES_TOKEN)}}],
        "request": {
            "method": "POST",
            "auth": {"type": "noauth"},
            "url": "{{issuer}}oauth/token",
            "header": [],
            "body": {
                "mode": "urlencoded",
                "urlencoded": [
                    {"key": "grant_type", "value": "client_credentials"},
                    {"key": "client_id", "value": "{{client_id}}"},
                    {"key": "client_secret", "value": "{{client_secret}}"},
                    {"key": "audience", "value": "{{audience}}"},
                ],
            },
        },
    }
    keys = {
        "name": "Key set",
        "request": {
            "method": "GET",
            "auth": {"type": "noauth"},
            "url": "{{issuer}}.well-known/jwks.json",
            "header": [],
        },
    }
    calls = [
        {
            "name": f"{method} {path}",
            "request": {"method": method, "url": "{{base_url}}" + path, "header": []},
        }
        for method, path in routes
    ]
    return {
        "info": {"_postman_id": _identity(api, "collection"), "name": title(api), "schema": SCHEMA},
        "auth": {
            "type": "bearer",
            "bearer": [{"key": "token", "value": "{{access_token}}", "type": "string"}],
        },
        "item": [token, keys, {"name": "Your API", "item": calls}],
    }


def environment(api: Record, values: Mapping[str, str]) -> Record:
    """The variables; the secret and the token are empty, and typed as secrets."""
    known = [{"key": name, "value": value, "type": "default"} for name, value in values.items()]
    secret = [{"key": name, "value": "", "type": "secret"} for name in ("client_secret", "access_token")]
    return {
        "id": _identity(api, "environment"),
        "name": title(api),
        "values": [{**each, "enabled": True} for each in (*known, *secret)],
        "_postman_variable_scope": "environment",
    }


def http_file(values: Mapping[str, str], routes: Sequence[tuple[str, str]]) -> str:
    """The same requests as text; the secret comes from the environment of the editor."""
    lines = [f"@{name} = {_line(value)}" for name, value in values.items()]
    form = (
        f"grant_type=client_credentials&client_id={quote(values['client_id'], safe='')}"
        f"&client_secret={{{{client_secret}}}}&audience={quote(values['audience'], safe='')}"
    )
    lines.append("@client_secret = {{$processEnv CLIENT_SECRET}}")
    lines += [
        "",
        "### Take a token",
        "# @name token",
        "POST {{issuer}}oauth/token",
        "Content-Type: application/x-www-form-urlencoded",
        "",
        form,
        "",
        "###",
        "@access_token = {{token.response.body.$.access_token}}",
    ]
    for method, path in routes:
        lines += ["", f"### {method} {path}", f"{method} {{{{base_url}}}}{path}"]
        lines.append("Authorization: Bearer {{access_token}}")
    return "\n".join(lines) + "\n"


def _values(issuer: str, api: Record, client_id: str, base_urls: Sequence[str]) -> dict[str, str]:
    return {
        "issuer": issuer,
        "audience": str(api["identifier"]),
        "client_id": client_id,
        "base_url": next(iter(base_urls), NOWHERE),
    }


async def _client_id(page: Page) -> str:
    """The application that the file is for, if there is such a one."""
    wanted = page.query.get("app", "")
    try:
        client = await page.operations.find(f"clients/{part(wanted)}", fields=SHOWN) if wanted else None
    except ApiError:
        client = None
    return str(client["client_id"]) if client else ""


def _identity(api: Record, kind: str) -> str:
    """The same each time, so that a second import replaces the first."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind} {api['id']}"))


def _line(value: str) -> str:
    return " ".join(value.split())


def _file(api: Record, ending: str, document: Record) -> Response:
    return _download(api, ending, json.dumps(document, indent=2, ensure_ascii=False) + "\n", JSON)


def _download(api: Record, ending: str, text: str, media_type: str) -> Response:
    stem = re.sub(r"[^a-z0-9]+", "-", title(api).lower()).strip("-")[:60] or "api"
    named = {"Content-Disposition": f'attachment; filename="{stem}.{ending}"'}
    return Response(text, media_type=media_type, headers={**HEADERS, **named})


ROUTES = (
    Route("GET", "/apis/{id}/export/postman", postman, is_page=False),
    Route("GET", "/apis/{id}/export/postman-environment", postman_environment, is_page=False),
    Route("GET", "/apis/{id}/export/http", http, is_page=False),
)
