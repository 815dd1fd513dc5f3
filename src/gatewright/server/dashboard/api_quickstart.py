"""How to guard an API, in the framework that somebody uses, with the real values filled in."""

import re
import shlex
from typing import Final

from starlette.responses import Response

from gatewright.server.dashboard.apis import read_api, render_tab
from gatewright.server.dashboard.operations import Record
from gatewright.server.dashboard.page import Page, Route
from gatewright.server.dashboard.quickstarts import QUICKSTARTS, Quickstart, literal
from gatewright.server.errors import ApiError

# For an API that defines no permission yet.
EXAMPLES: Final = ("read:blog", "create:blog")
_PLACE = re.compile("«([a-z_]+)»")


async def show(page: Page) -> Response:
    """The steps for one framework."""
    api = await read_api(page)
    name = page.path.get("framework", next(iter(QUICKSTARTS)))
    quickstart = QUICKSTARTS.get(name)
    if quickstart is None:
        raise ApiError(404, f"There is no quick start for {name[:40]}.")
    return render_tab(
        page,
        "api_quickstart.html",
        api,
        frameworks=[(key, known.name) for key, known in QUICKSTARTS.items()],
        chosen=name,
        quickstart=_filled(quickstart, _values(page.server.settings.issuer, api)),
        has_permissions=bool(api.get("scopes")),
        needs_secret=api.get("signing_alg") == "HS256",
    )


def _values(issuer: str, api: Record) -> dict[str, str]:
    """What stands in the places: literals that Python, JavaScript and Go read alike, or words of a shell."""
    defined = [scope["value"] for scope in (api.get("scopes") or [])[:2]]
    reads, creates = (defined + list(EXAMPLES)[len(defined) :])[:2]
    algorithm = str(api.get("signing_alg", "RS256"))
    return {
        "issuer": literal(issuer),
        "audience": literal(api["identifier"]),
        "algorithm": literal(algorithm),
        "algorithm_name": algorithm,
        "reads": literal(reads),
        "creates": literal(creates),
        "reads_name": shlex.quote(reads),
        "api": shlex.quote(api["identifier"]),
        "token_url": shlex.quote(f"{issuer}oauth/token"),
        "audience_field": shlex.quote(f"audience={api['identifier']}"),
    }


def _filled(quickstart: Quickstart, values: dict[str, str]) -> Quickstart:
    # In one pass: what is filled in is never read as a place itself.
    def fill(text: str) -> str:
        return _PLACE.sub(lambda match: values[match[1]], text)

    return Quickstart(
        quickstart.name,
        fill(quickstart.install),
        quickstart.file,
        fill(quickstart.code),
        fill(quickstart.run),
    )


ROUTES = (
    Route("GET", "/apis/{id}/quickstart", show),
    Route("GET", "/apis/{id}/quickstart/{framework}", show),
)
