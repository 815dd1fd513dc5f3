"""The FastAPI example: it runs as a user would run it, and its request files ask for what it serves."""

# ruff: noqa: ANN401 - a fixture that gives a function
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.guard.issuing import AUDIENCE, StubIssuer

FOLDER = Path(__file__).parents[2] / "examples" / "blogs-fastapi"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Loads the example against an issuer, with the three values in the environment."""

    def load(issuer: str) -> FastAPI:
        monkeypatch.setenv("GATEWRIGHT_ISSUER", issuer)
        monkeypatch.setenv("GATEWRIGHT_AUDIENCE", AUDIENCE)
        monkeypatch.setenv("GATEWRIGHT_ALGORITHMS", "RS256")
        app: FastAPI = runpy.run_path(str(FOLDER / "app.py"))["app"]
        return app

    return load


def test_the_example_runs_with_three_values_in_the_environment(example: Any) -> None:
    with StubIssuer() as issuer:
        client = TestClient(example(issuer.url))

        def status(method: str, path: str, scope: str | None) -> int:
            sent = issuer.token(scope=scope, iat=1, exp=4_000_000_000)
            headers = {} if scope is None else {"Authorization": f"Bearer {sent}"}
            return client.request(method, path, headers=headers).status_code

        for method, path, scope in (
            ("GET", "/authtest", ""),
            ("GET", "/blogs", "read:blog"),
            ("POST", "/blogs", "create:blog"),
        ):
            assert status(method, path, None) == 401
            assert status(method, path, "other") == (403 if scope else 200)
            assert status(method, path, scope) == 200


def test_without_the_values_it_says_what_to_set() -> None:
    with pytest.raises(ValueError, match="set GATEWRIGHT_ISSUER"):
        runpy.run_path(str(FOLDER / "app.py"))


def served(example: Any) -> set[str]:
    paths = example("http://localhost:8844/").openapi()["paths"]
    return {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations}


def test_the_http_file_asks_for_every_route(example: Any) -> None:
    text = (FOLDER / "blogs.http").read_text()
    asked = set(re.findall(r"^([A-Z]+) \{\{api\}\}(\S+)$", text, re.MULTILINE))
    assert {f"{method} {path}" for method, path in asked} == served(example)
    assert "POST {{issuer}}oauth/token" in text
    assert set(re.findall(r"\{\{(\w+)\}\}", text)) <= set(re.findall(r"^@(\w+) =", text, re.MULTILINE))


def test_the_postman_collection_asks_for_every_route(example: Any) -> None:
    collection = json.loads((FOLDER / "blogs.postman_collection.json").read_text())
    assert collection["info"]["schema"].endswith("/v2.1.0/collection.json")
    requests = [item["request"] for item in collection["item"]]
    asked = {f"{request['method']} {request['url']['raw']}" for request in requests}
    assert asked == {name.replace(" ", " {{api}}") for name in served(example)} | {
        "POST {{issuer}}oauth/token"
    }
    for request in requests:
        url = request["url"]
        assert "/".join([*url["host"], *url["path"]]) == url["raw"]
    variables = {variable["key"] for variable in collection["variable"]}
    assert set(re.findall(r"\{\{(\w+)\}\}", json.dumps(collection))) <= variables
