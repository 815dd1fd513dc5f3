"""The tutorial's own stack, and today's, guard an API with tokens of our server, unchanged.

express, express-jwt, jwks-rsa and express-jwt-authz come from the npm registry by lock file; each stack
is a real Node.js process that fetches the server's keys over HTTP.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.compat.node_packages import node_with_packages
from tests.running import bearer, environment, free_port, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running import Caller

ROOT = Path(__file__).parents[2]
STACKS = {
    "tutorial": ROOT / "tests/compat/node/tutorial",
    "current": ROOT / "tests/compat/node/current",
    "example": ROOT / "examples/blogs-express",
}
AUDIENCE = "https://blog-api"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=STACKS)
def stack(request: pytest.FixtureRequest) -> tuple[list[str], Path]:
    """The command that runs Node.js and the folder of a stack, its packages installed."""
    folder = STACKS[request.param]
    return node_with_packages(folder), folder


@contextmanager
def express(stack: tuple[list[str], Path], issuer: str, log: Path) -> Iterator[httpx2.Client]:
    """The stack's API as a process of its own; yields a client for it."""
    node, folder = stack
    port = free_port()
    settings = environment(GATEWRIGHT_ISSUER=issuer, GATEWRIGHT_AUDIENCE=AUDIENCE, PORT=str(port))
    url = f"http://127.0.0.1:{port}"
    with (
        started([*node, "index.js"], url, cwd=folder, log=log, variables=settings),
        httpx2.Client(base_url=url, timeout=30) as client,
    ):
        yield client


def test_express_refuses_and_admits_with_tokens_of_our_server(
    stack: tuple[list[str], Path], caller: Caller, tmp_path: Path
) -> None:
    if caller.manage("GET", "resource-servers/https%3A%2F%2Fblog-api").status_code == 404:
        scopes = [{"value": "read:blog"}, {"value": "create:blog"}]
        caller.create("resource-servers", name="Blog API", identifier=AUDIENCE, scopes=scopes)
    application = caller.application(f"Blog API ({stack[1].name})")
    grant = caller.authorize(application, AUDIENCE)

    with express(stack, caller.issuer, tmp_path / "express.log") as blogs:
        assert blogs.get("/authtest").status_code == 401
        assert blogs.get("/authtest", headers=bearer("not.a.token")).status_code == 401

        newcomer = bearer(caller.token(application, AUDIENCE))
        assert blogs.get("/authtest", headers=newcomer).json() == {"loggedin": True}
        assert blogs.get("/blogs", headers=newcomer).status_code == 403
        assert blogs.post("/blogs", headers=newcomer).status_code == 403

        caller.update(f"client-grants/{grant}", scope=["read:blog", "create:blog"])
        assert blogs.get("/blogs", headers=newcomer).status_code == 403
        writer = bearer(caller.token(application, AUDIENCE))
        assert blogs.get("/blogs", headers=writer).json() == {"readBlogAccess": True}
        assert blogs.post("/blogs", headers=writer).json() == {"createBlogAccess": True}

        for_another_api = bearer(caller.token(caller.operator, caller.issuer + "api/v2/"))
        assert blogs.get("/authtest", headers=for_another_api).status_code == 401
