"""Where an API listens: a noun of its own, which leaves the resource server as Auth0's tools know it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gatewright.server.app import RunningServer
    from tests.running import Caller

REFUSED = (
    *("", "localhost:3000", "ftp://api.example", "javascript:alert(1)", "http://", "https:///path"),
    *("http://user:pass@api.example", "http://api.example/a b", "http://api.example?x=1", "http://a#b"),
    *("http://api.example/..", "http://api.example/a/%2E%2e/b", "http://api.example:99999", "http://a:b"),
    *("http://äpi.example", "http://api.example\r\nX: 1", "http://[::1", "http://a;connect-src *", "h" * 301),
    *("http://-a.example", "http://api.example\\@evil.example", "http://*.example", 'http://"/', "//a"),
)


@pytest.fixture
def api(caller: Caller, request: pytest.FixtureRequest) -> dict[str, Any]:
    name = request.node.name
    return caller.create("resource-servers", name="Api", identifier=f"https://{name.encode().hex()[:300]}")


def test_base_urls_are_kept_without_the_slash_at_their_end_and_in_order(
    caller: Caller, api: dict[str, Any]
) -> None:
    path = f"resource-servers/{api['id']}/base-urls"
    assert caller.manage("GET", path).json() == {"base_urls": []}
    sent = ["http://localhost:3000/", "https://api.example.com/v1", "http://[::1]:3000", "http://10.0.0.1"]
    kept = {"base_urls": ["http://localhost:3000", *sent[1:]]}
    assert caller.manage("PUT", path, json={"base_urls": sent}).json() == kept
    assert caller.manage("GET", path).json() == kept
    assert caller.manage("GET", "logs", params={"per_page": 1}).json()[0]["description"] == (
        "Set the base URLs of a resource server"
    )
    caller.manage("PUT", path, json={"base_urls": []})
    assert caller.manage("GET", path).json() == {"base_urls": []}


def test_resource_server_itself_does_not_change_and_its_changes_leave_them(
    caller: Caller, api: dict[str, Any]
) -> None:
    path = f"resource-servers/{api['id']}"
    caller.manage("PUT", f"{path}/base-urls", json={"base_urls": ["http://localhost:3000"]})
    assert caller.manage("GET", path).json() == api
    assert caller.update(path, name="Other") == {**api, "name": "Other"}
    assert caller.manage("GET", f"{path}/base-urls").json() == {"base_urls": ["http://localhost:3000"]}
    refused = caller.manage("PATCH", path, json={"base_urls": ["http://localhost:3000"]})
    assert refused.status_code == 400


@pytest.mark.parametrize("url", REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_base_url_is_refused(caller: Caller, api: dict[str, Any], url: str) -> None:
    answer = caller.manage("PUT", f"resource-servers/{api['id']}/base-urls", json={"base_urls": [url]})
    assert answer.status_code == 400
    assert "base_urls" in answer.json()["message"]


def test_twice_the_same_and_too_many_are_refused(caller: Caller, api: dict[str, Any]) -> None:
    path = f"resource-servers/{api['id']}/base-urls"
    twice = ["http://localhost:3000", "http://localhost:3000/"]
    many = [f"http://localhost:{port}" for port in range(3000, 3011)]
    for urls in (twice, many):
        assert caller.manage("PUT", path, json={"base_urls": urls}).status_code == 400


def test_management_api_has_its_own_and_no_other(caller: Caller, running: RunningServer) -> None:
    system = caller.manage("GET", "resource-servers").json()[0]
    path = f"resource-servers/{system['id']}/base-urls"
    assert caller.manage("GET", path).json() == {"base_urls": [running.issuer + "api/v2"]}
    assert caller.manage("PUT", path, json={"base_urls": ["http://localhost:3000"]}).status_code == 400


def test_there_is_none_of_an_api_that_is_not(caller: Caller) -> None:
    path = "resource-servers/nothing/base-urls"
    assert caller.manage("GET", path).status_code == 404
    assert caller.manage("PUT", path, json={"base_urls": []}).status_code == 404
