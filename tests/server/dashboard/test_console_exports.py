"""What the console exports: Postman's own runner runs the collection, and no file holds a secret."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gatewright import Guard
from tests.browser.sample import sample
from tests.compat.node_packages import node_with_packages
from tests.running import environment, serving
from tests.server.dashboard.browsing import CANARY, Browser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatewright.server.app import RunningServer
    from tests.records import Clock
    from tests.running import Application, Caller

FOLDER = Path(__file__).parents[2] / "compat/node/postman"


@pytest.fixture
def application(caller: Caller, api: dict[str, Any]) -> Application:
    made = caller.application("Reader")
    caller.authorize(made, api["identifier"], "read:blog")
    return made


@pytest.fixture
def registered(running: RunningServer, caller: Caller, api: dict[str, Any], clock: Clock) -> Iterator[str]:
    """The sample API, guarded for the test's own, and known to listen there."""
    guard = Guard(running.issuer, audience=api["identifier"], algorithms=("RS256",), now=clock)
    with serving(sample(guard)) as url:
        caller.manage("PUT", f"resource-servers/{api['id']}/base-urls", json={"base_urls": [url]})
        yield url


def exported(browser: Browser, api: dict[str, Any], application: Application, kind: str) -> str:
    answer = browser.http.get(f"ui/apis/{api['id']}/export/{kind}?app={application.client_id}")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith('attachment; filename="')
    assert application.client_secret not in answer.text
    return answer.text


def test_postmans_runner_takes_a_token_and_calls_the_api(
    ada: Browser, api: dict[str, Any], application: Application, registered: str, tmp_path: Path
) -> None:
    assert registered
    node = node_with_packages(FOLDER)
    values = json.loads(exported(ada, api, application, "postman-environment"))
    secrets = {each["key"]: each for each in values["values"] if each["type"] == "secret"}
    assert [secrets[name]["value"] for name in ("client_secret", "access_token")] == ["", ""]
    secrets["client_secret"]["value"] = application.client_secret
    (tmp_path / "collection.json").write_text(exported(ada, api, application, "postman"))
    (tmp_path / "environment.json").write_text(json.dumps(values))
    told = tmp_path / "told.json"
    files = ["run", "collection.json", "-e", "environment.json"]
    reports = ["--reporters", "json", "--reporter-json-export", str(told)]
    ran = subprocess.run(
        [*node, str(FOLDER / "node_modules/newman/bin/newman.js"), *files, *reports],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    executed = json.loads(told.read_text())["run"]["executions"]
    assert {each["item"]["name"]: each["response"]["code"] for each in executed} == {
        "Take a token": 200,
        "Key set": 200,
        "GET /authtest": 200,
        "GET /blogs": 200,
        "POST /blogs": 403,
    }


def test_http_file_carries_the_apis_own_values(
    ada: Browser, api: dict[str, Any], application: Application, registered: str, running: RunningServer
) -> None:
    text = exported(ada, api, application, "http")
    assert f"@issuer = {running.issuer}\n" in text
    assert f"@audience = {api['identifier']}\n" in text
    assert f"@base_url = {registered}\n" in text
    secret = "client_secret={{client_secret}}"
    assert f"client_id={application.client_id}&{secret}&audience=https%3A%2F%2F" in text
    assert "GET {{base_url}}/blogs\nAuthorization: Bearer {{access_token}}\n" in text


def test_calls_are_those_that_guards_have_told_of(
    ada: Browser,
    caller: Caller,
    api: dict[str, Any],
    application: Application,
    registered: str,
    clock: Clock,
) -> None:
    assert registered
    row = {
        "minute": int(clock.now) // 60 * 60,
        "audience": api["identifier"],
        "reason": "insufficient_scope",
        "missing": [],
        "count": 1,
        "request_id": "0" * 16,
        "enforced": True,
        "method": "PATCH",
    }
    rows = [{**row, "route": "/posts", "request_id": "1" * 16}, {**row, "route": "/posts/{id}"}]
    answer = caller.manage("POST", "guard-reports", json={"refusals": rows, "uses": []})
    assert answer.status_code < 300, answer.text
    collection = json.loads(exported(ada, api, application, "postman"))
    assert [call["name"] for call in collection["item"][-1]["item"]] == ["PATCH /posts"]
    assert 'value="/posts"' in ada.page(f"/apis/{api['id']}/test/{application.client_id}")


@pytest.mark.parametrize("kind", ["postman", "postman-environment", "http"])
def test_hostile_names_stay_inside_their_file(
    ada: Browser, caller: Caller, application: Application, kind: str
) -> None:
    identifier = f"https://{kind}\n### DELETE {{{{x}}}}\nDELETE http://evil/ \"'{CANARY}"
    api = caller.create("resource-servers", name=f'a"\r\n{kind}/../é', identifier=identifier)
    answer = ada.http.get(f"ui/apis/{api['id']}/export/{kind}?app=nobody")
    assert answer.status_code == 200
    assert re.fullmatch(r'attachment; filename="a-[a-z.-]+[a-z_.]+"', answer.headers["content-disposition"])
    if kind == "http":
        assert "\nDELETE" not in answer.text
    else:
        assert json.loads(answer.text)
    assert application.client_id not in answer.text
