"""A program whose requests crash with secrets all around them; `test_logging` reads what it logs.

A process of its own, because logging is set up once a process. It prints the answers as JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import TYPE_CHECKING

import httpx2
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from gatewright.server.logs import configure_logging
from gatewright.server.requests import RequestFrame
from gatewright.server.settings import Secret, Settings

if TYPE_CHECKING:
    from starlette.requests import Request

SECRET = "a-client-secret-that-nobody-may-read"
TOKEN = "eyJhbGciOiJub25lIn0.a-token-that-nobody-may-read.c2lnbmF0dXJl"
STEERING = "/missing/%1b[2J%0afake%20line"
"""A path that would clear the terminal and forge a line, were it printed as it is."""


def look_up(secret: str) -> str:
    """A call deeper, so that two frames hold the secret."""
    return {"known": "value"}[secret[:5]]


async def crash(request: Request) -> Response:
    secret, sealed = SECRET, Secret(SECRET)
    bearer = request.headers["authorization"]
    body = await request.body()
    try:
        return Response(look_up(secret))
    except KeyError as error:
        raise RuntimeError(f"the reason it crashed {sealed}") from error
    finally:
        del bearer, body


async def fail_and_go_on(_: Request) -> Response:
    secret = SECRET
    try:
        look_up(secret)
    except KeyError:
        logging.getLogger("gatewright.server.store").exception("the database", extra={"waiting": 3})
    return Response("ok")


async def answer_all() -> list[dict[str, object]]:
    routes = [
        Route("/oauth/token", crash, methods=["POST"]),
        Route("/api/v2/clients", crash, methods=["POST"]),
        Route("/logged", fail_and_go_on, methods=["POST"]),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(RequestFrame)])
    transport = httpx2.ASGITransport(app=app)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answers = []
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://localhost", headers=headers
    ) as client:
        for path in ("/oauth/token", "/api/v2/clients", "/logged", STEERING):
            url = f"{path}?client_secret={SECRET}"
            answer = await client.post(url, json={"client_secret": SECRET})
            answers.append(
                {"status": answer.status_code, "headers": dict(answer.headers), "body": answer.text}
            )
    return answers


if __name__ == "__main__":
    configure_logging(Settings.load({}, log_format=sys.argv[1], log_level=sys.argv[2]))
    print(json.dumps(asyncio.run(answer_all())))  # noqa: T201 - what the test reads
