"""How to guard an API, in the framework that somebody uses, with the real values filled in."""

import re
import shlex
from typing import Final

from starlette.responses import Response

from gatewright.scaffold import projects
from gatewright.scaffold.archive import packed
from gatewright.scaffold.places import Api
from gatewright.scaffold.spelling import literal
from gatewright.server.dashboard.apis import read_api, render_tab, title
from gatewright.server.dashboard.operations import Record
from gatewright.server.dashboard.page import Page, Route, part
from gatewright.server.dashboard.quickstarts import QUICKSTARTS, Quickstart
from gatewright.server.dashboard.rendering import HEADERS, PREFIX
from gatewright.server.errors import ApiError

_PLACE = re.compile("«([a-z_]+)»")
# So many permissions stand in the code.
_USED: Final = 2


async def show(page: Page) -> Response:
    """The steps for one framework."""
    api = await read_api(page)
    name = page.path.get("framework", next(iter(QUICKSTARTS)))
    quickstart = _known(name)
    described = described_api(page, api)
    fault, sources = "", []
    try:
        sources = _sources(described, name)
    except ValueError as reason:
        fault = str(reason)
    return render_tab(
        page,
        "api_quickstart.html",
        api,
        frameworks=[(key, known.name) for key, known in QUICKSTARTS.items()],
        chosen=name,
        quickstart=quickstart,
        sources=sources,
        cannot=fault,
        has_examples=len(described.permissions) < _USED,
        needs_secret=described.algorithm == "HS256",
    )


async def download(page: Page) -> Response:
    """The same as a folder that runs, with its tests."""
    api = await read_api(page)
    name = page.path["framework"]
    _known(name)
    return folder(described_api(page, api), name)


def folder(api: Api, framework: str) -> Response:
    """A ZIP file with the project.

    Raises:
        ApiError: 409, it cannot be made for this API.
    """
    try:
        name, contents = projects.project_for(api, framework)
    except ValueError as reason:
        raise ApiError(409, str(reason)) from reason
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}.zip"'}
    return Response(packed(name, contents), media_type="application/zip", headers=headers)


def described_api(page: Page, api: Record) -> Api:
    """The API as projects are made for it."""
    issuer = page.server.settings.issuer
    return Api(
        name=title(api),
        identifier=api["identifier"],
        issuer=issuer,
        algorithm=str(api.get("signing_alg", "RS256")),
        permissions=tuple(scope["value"] for scope in api.get("scopes") or []),
        applications_url=f"{issuer.rstrip('/')}{PREFIX}/apis/{part(api['id'])}/applications",
    )


def _known(name: str) -> Quickstart:
    if name not in QUICKSTARTS:
        raise ApiError(404, f"There is no quick start for {name[:40]}.")
    return QUICKSTARTS[name]


def _sources(api: Api, framework: str) -> list[tuple[str, str]]:
    """What is to be written: files, or lines for a shell, which are no file.

    Raises:
        ValueError: it cannot be made for this API; the text says why.
    """
    quickstart = QUICKSTARTS[framework]
    if not quickstart.code:
        return list(projects.sources(api, framework).items())
    values = _values(api)
    # In one pass: what is filled in is never read as a place itself.
    return [(quickstart.file, _PLACE.sub(lambda match: values[match[1]], quickstart.code))]


def _values(api: Api) -> dict[str, str]:
    """What stands in the places: literals of Python, or words of a shell."""
    reads, creates = projects.chosen(api.permissions)
    return {
        "issuer": literal(api.issuer),
        "audience": literal(api.identifier),
        "algorithm": literal(api.algorithm),
        "reads": literal(reads),
        "creates": literal(creates),
        "token_url": shlex.quote(f"{api.issuer}oauth/token"),
        "audience_field": shlex.quote(f"audience={api.identifier}"),
    }


ROUTES = (
    Route("GET", "/apis/{id}/quickstart", show),
    Route("GET", "/apis/{id}/quickstart/{framework}", show),
    Route("GET", "/apis/{id}/quickstart/{framework}/download", download, is_page=False),
)
