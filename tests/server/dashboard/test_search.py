"""The search of the dashboard: what is found by which words, as a page and as script asks."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import pytest

from gatewright.server.dashboard import search

if TYPE_CHECKING:
    from tests.running import Application, Caller
    from tests.server.dashboard.browsing import Browser

JSON = {"Accept": "application/json"}


def found(browser: Browser, q: str) -> dict[str, list[tuple[str, str]]]:
    """Name and address of what is found, by group, as script gets it."""
    answer = browser.http.get("ui/search", params={"q": q}, headers=JSON)
    assert answer.status_code == 200
    groups = answer.json()["groups"]
    return {group["name"]: [(each["name"], each["href"]) for each in group["results"]] for group in groups}


def names(browser: Browser, q: str, group: str) -> list[str]:
    return [name for name, _ in found(browser, q).get(group, [])]


def test_without_words_all_pages_and_actions_are_there(ada: Browser) -> None:
    page = ada.page("/search")
    for place in (*search.PAGES, *search.ACTIONS, *search.FOR_ALL):
        assert f'href="/ui{html.escape(place.path)}"' in page
        ada.page(place.path)


@pytest.mark.parametrize(
    ("q", "group", "name"),
    [
        ("key", "Pages", "Signing keys"),
        ("rotate key", "Actions", "Rotate the signing keys"),
        ("new api", "Actions", "Create an API"),
        ("APPLICATION", "Pages", "Applications"),
        ("machine to machine", "Pages", "Applications"),
        ("password", "Actions", "Change your password"),
    ],
)
def test_pages_and_actions_are_found_by_their_words(ada: Browser, q: str, group: str, name: str) -> None:
    assert name in names(ada, q, group)


def test_what_begins_with_the_words_comes_first(ada: Browser) -> None:
    assert names(ada, "rotate", "Actions")[:2] == ["Rotate the signing keys", "Rotate a client secret"]
    assert names(ada, "set", "Pages")[0] == "Settings"


def test_an_api_is_found_by_name_identifier_and_id(ada: Browser, api: dict[str, Any]) -> None:
    wanted = (api["name"], f"/ui/apis/{api['id']}")
    for q in (api["name"][5:].upper(), api["identifier"][8:], api["identifier"], api["id"]):
        assert wanted in found(ada, q)["APIs"], q
    assert f'<a href="/ui/apis/{api["id"]}">{api["name"]}</a>' in ada.page(f"/search?q={api['id']}")


def test_an_application_is_found_by_name_and_client_id(ada: Browser, caller: Caller) -> None:
    made = caller.application("Nightly <sums>".replace("<", "of ").replace(">", ""))
    wanted = ("Nightly of sums", f"/ui/apps/{made.client_id}/settings")
    for q in ("nightly", made.client_id, made.client_id[:12]):
        assert wanted in found(ada, q)["Applications"], q
    assert found(ada, made.client_id)["Applications"] == [wanted]


def test_a_log_event_is_found_by_its_id(ada: Browser, caller: Caller, api: dict[str, Any]) -> None:
    caller.ask_token(caller.operator, api["identifier"])
    event = caller.manage("GET", "logs", params={"per_page": 1}).json()[0]
    [(name, href)] = found(ada, event["log_id"])["Log events"]
    assert href == f"/ui/logs/{event['log_id']}"
    assert api["identifier"] in name
    assert "Log events" not in found(ada, "9" * 56)


def test_eight_are_shown_and_the_way_to_the_rest(ada: Browser, caller: Caller) -> None:
    for number in range(10):
        caller.create(
            "resource-servers", identifier=f"https://many-{number}", name=f"Many {number}", scopes=[]
        )
    assert names(ada, "Many", "APIs") == [*(f"Many {n}" for n in range(8)), "All APIs with “Many”"]
    href = found(ada, "Many")["APIs"][-1][1]
    assert "Many 9" in ada.page(href.removeprefix("/ui"))


def test_nothing_found_says_so(ada: Browser) -> None:
    page = ada.page("/search?q=%3Cb%3Enot-there%00")
    assert "Nothing has “&lt;b&gt;not-there”" in page
    assert not found(ada, "<b>not-there")


def test_a_viewer_is_not_led_to_what_only_administrators_do(vera: Browser, caller: Caller) -> None:
    made: Application = caller.application("Seen by viewers")
    assert found(vera, "create") == {}
    assert names(vera, "password", "Actions") == ["Change your password"]
    assert "Seen by viewers" in names(vera, made.client_id, "Applications")


def test_each_page_has_a_link_to_the_search(ada: Browser) -> None:
    for path in ("/", "/apis", "/search?q=x"):
        assert re.search(r'<a [^>]*href="/ui/search"[^>]*>Search</a>', ada.page(path))
