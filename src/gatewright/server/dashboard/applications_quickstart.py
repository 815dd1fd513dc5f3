"""How an application asks for a token, with its own values; the secret comes from the environment."""

import dataclasses
import json
import shlex

from starlette.responses import Response

from gatewright.server.dashboard.api_quickstart import described_api, folder
from gatewright.server.dashboard.apis import WITHOUT_SECRET
from gatewright.server.dashboard.applications_page import frame
from gatewright.server.dashboard.page import Page, Route, part

_CURL = """\
curl {url} \\
  -d grant_type=client_credentials \\
  -d client_id={client_id} \\
  --data-urlencode client_secret="$CLIENT_SECRET" \\
  --data-urlencode audience={audience}"""

_HTTPIE = """\
http --form {url} \\
  grant_type=client_credentials \\
  client_id={client_id} \\
  client_secret="$CLIENT_SECRET" \\
  audience={audience}"""

_PYTHON = """\
import os

from gatewright.client import TokenSource

# Make it once and keep it: it holds the token, and takes the next one in time.
source = TokenSource(
    {issuer},
    {audience},
    client_id={client_id},
    client_secret=os.environ["CLIENT_SECRET"],
)
print(source.token())"""

_JAVASCRIPT = """\
const answer = await fetch({url}, {{
  method: "POST",
  headers: {{ "content-type": "application/json" }},
  body: JSON.stringify({{
    grant_type: "client_credentials",
    client_id: {client_id},
    client_secret: process.env.CLIENT_SECRET,
    audience: {audience},
  }}),
}});
console.log((await answer.json()).access_token);"""


async def show(page: Page) -> Response:
    """The token request for one of the APIs that the application is authorized for."""
    context = await frame(page, "quickstart")
    grants = await page.operations.all("client-grants", client_id=page.path["id"], subject_type="client")
    audiences = [grant["audience"] for grant in grants]
    wanted = page.query.get("audience", "")
    audience = wanted if wanted in audiences else next(iter(audiences), "")
    examples = _examples(page.server.settings.issuer, context["app"]["client_id"], audience)
    return page.render(
        "app_quickstart.html", **context, audiences=audiences, audience=audience, examples=examples
    )


async def download(page: Page) -> Response:
    """A folder with a script that asks for a token as this application, and calls the API."""
    app = await page.operations.get(f"clients/{part(page.path['id'])}", fields="client_id")
    audience = page.query.get("audience", "")
    api = await page.operations.get(f"resource-servers/{part(audience)}", **WITHOUT_SECRET)
    return folder(dataclasses.replace(described_api(page, api), client_id=app["client_id"]), "curl")


def _examples(issuer: str, client_id: str, audience: str) -> list[tuple[str, str]]:
    url = f"{issuer}oauth/token"
    texts = {"issuer": issuer, "url": url, "audience": audience, "client_id": client_id}
    quoted = {name: json.dumps(text) for name, text in texts.items()}
    words = {name: shlex.quote(text) for name, text in texts.items()}
    return [
        ("curl", _CURL.format(**words)),
        ("HTTPie", _HTTPIE.format(**words)),
        ("Python", _PYTHON.format(**quoted)),
        ("JavaScript", _JAVASCRIPT.format(**quoted)),
    ]


ROUTES = (
    Route("GET", "/apps/{id}/quickstart", show),
    Route("GET", "/apps/{id}/quickstart/download", download, is_page=False),
)
