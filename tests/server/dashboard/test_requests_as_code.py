"""Requests to copy: in each language the same request reaches the server, whatever its values hold."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gatewright.server.dashboard.requests_as_code import Variable, WrittenRequest, written
from tests.compat.node_packages import node_and_npm
from tests.running import environment, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOSTILE = "a\"b'c $(touch never) `id` ${HOME} \\n \x7f é 😀\n%41"
SECRET = Variable("SECRET")
PROGRAMS = str(Path(sys.executable).parent)
VALUE = "s-ec_r.et~"
ODD_VALUE = "s%ec+r&et/é"
REQUESTS = {
    "form": WrittenRequest("POST", "/form", form=(("audience", HOSTILE), ("secret", SECRET))),
    "basic": WrittenRequest("POST", "/basic", basic=("id+:%", SECRET), form=(("a", "b"),)),
    "basic with its value": WrittenRequest("POST", "/basic", basic=("id+:%", ODD_VALUE), form=(("a", "b"),)),
    "call": WrittenRequest("PUT", "/call?a=b&c=%20", (("X-Trace", "\"$1' `2`"),), SECRET, body=HOSTILE),
    "plain": WrittenRequest("GET", "/plain"),
    "token": WrittenRequest("DELETE", "/token", token="a.b-c._"),
    "post": WrittenRequest("POST", "/post", token=SECRET),
}
RUN: dict[str, Callable[[str], list[str]]] = {
    "curl": lambda code: ["sh", "-c", code],
    "HTTPie": lambda code: ["sh", "-c", f"PATH={shlex.quote(PROGRAMS)}:$PATH; {code}"],
    "Python": lambda code: [sys.executable, "-c", code],
    "JavaScript": lambda code: [*node_and_npm()[0], "--input-type=module", "-e", code],
}


@dataclass(slots=True)
class Echo:
    """A server that keeps what it was sent."""

    url: str = ""
    heard: list[dict[str, Any]] = field(default_factory=list)

    async def hear(self, request: Request) -> Response:
        body = (await request.body()).decode()
        is_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        self.heard.append(
            {
                "method": request.method,
                "address": f"{request.url.path}?{request.url.query}",
                "authorization": request.headers.get("authorization"),
                "trace": request.headers.get("x-trace"),
                "body": parse_qsl(body, keep_blank_values=True) if is_form and "=" in body else body,
            }
        )
        return Response("heard")


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    echo = Echo()
    methods = ["GET", "POST", "PUT", "DELETE"]
    with serving(Starlette(routes=[Route("/{path}", echo.hear, methods=methods)])) as url:
        echo.url = url
        yield echo


@pytest.mark.parametrize("name", REQUESTS)
def test_copied_request_is_the_same_in_every_language(echo: Echo, name: str) -> None:
    request = REQUESTS[name]
    shown = written(replace(request, url=echo.url + request.url))
    echo.heard.clear()
    for language, command in RUN.items():
        ran = subprocess.run(
            command(shown[language]),
            env=environment(SECRET=VALUE),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ran.returncode == 0, (language, ran.stderr, shown[language])
        assert "heard" in ran.stdout, (language, ran.stdout)
    assert len(echo.heard) == len(RUN)
    assert all(heard == echo.heard[0] for heard in echo.heard), echo.heard
    first = echo.heard[0]
    assert (first["method"], first["address"]) == (
        request.method,
        request.url if "?" in request.url else f"{request.url}?",
    )
    if request.body:
        assert first["body"] == HOSTILE
    if name == "form":
        assert first["body"] == [("audience", HOSTILE), ("secret", VALUE)]


def test_secret_is_written_only_where_it_was_given() -> None:
    shown = "".join(written(REQUESTS["form"]).values()) + "".join(written(REQUESTS["basic"]).values())
    assert VALUE not in shown
    assert shown.count("SECRET") >= 2 * len(written(REQUESTS["form"]))
