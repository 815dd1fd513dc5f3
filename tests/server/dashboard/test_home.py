"""The first page: what needs attention, each with the place that mends it."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import pytest

from gatewright.server.management import attention
from tests.records import refusal
from tests.server.calling import renewed
from tests.server.dashboard.browsing import CANARY, ESCAPED, Browser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.records import Clock
    from tests.running import Application, Caller


@pytest.fixture
def reader(caller: Caller, api: dict[str, Any]) -> Iterator[Application]:
    """An application that may read, and has used its secret; it and its API go with the test."""
    made = caller.application("Reader")
    caller.create("client-grants", client_id=made.client_id, audience=api["identifier"], scope=["read:blog"])
    caller.token(made, api["identifier"])
    yield made
    later = renewed(caller)
    later.manage("DELETE", f"clients/{made.client_id}")
    later.manage("DELETE", f"resource-servers/{api['id']}")


def matters(browser: Browser) -> list[str]:
    """The section's sentences, each with its link."""
    page = browser.page("/")
    start = page.index("<h2>Needs attention</h2>")
    return re.findall(r"<li>(.*?)</li>", page[start : page.index("</section>", start)], re.DOTALL)


def about(browser: Browser, words: str) -> str:
    found = [each for each in matters(browser) if words in html.unescape(each)]
    assert len(found) == 1, (words, found)
    address = re.search(r'href="/ui([^"]+)"', found[0])
    assert address is not None
    browser.page(html.unescape(address[1]))
    return found[0]


def test_nothing_needs_somebody_whose_server_is_new(ada: Browser) -> None:
    assert "<p>Nothing needs you.</p>" in ada.page("/")
    assert matters(ada) == []


def test_a_refusal_is_there_until_the_permission_is_granted(
    ada: Browser, caller: Caller, api: dict[str, Any], reader: Application, clock: Clock
) -> None:
    for minute in (0, 60):
        row = refusal(api["identifier"], reader.client_id, minute=int(clock.now) - minute, count=2)
        assert caller.manage("POST", "guard-reports", json={"refusals": [row]}).is_success
    said = about(ada, f"Reader is refused at {api['identifier']} for want of create:blog: 4 times")
    assert f'href="/ui/apis/{api["id"]}/applications?open={reader.client_id}"' in said
    grant = caller.manage("GET", "client-grants", params={"client_id": reader.client_id}).json()[0]
    caller.manage("PATCH", f"client-grants/{grant['id']}", json={"allow_all_scopes": True})
    assert not [each for each in matters(ada) if "is refused at" in each]


def test_a_quota_that_was_hit_is_there_for_a_day(
    ada: Browser, caller: Caller, api: dict[str, Any], reader: Application, moving_clock: Clock
) -> None:
    quota = {"client_credentials": {"per_day": 1, "enforce": True}}
    caller.manage("PATCH", f"clients/{reader.client_id}", json={"token_quota": quota})
    for _ in range(3):
        caller.ask_token(reader, api["identifier"])
    assert f'href="/ui/apps/{reader.client_id}/settings"' in about(ada, "Its quota")
    moving_clock.now += 86400 + 1
    ada.log_in("ada")
    assert not [each for each in matters(ada) if "Its quota" in each]


def test_what_has_been_left_behind_is_there_with_its_place(
    ada: Browser, caller: Caller, reader: Application, moving_clock: Clock
) -> None:
    left = caller.application("Left")
    bare = caller.create("resource-servers", identifier=f"urn:{CANARY}", name="Bare")
    caller.manage("POST", f"clients/{reader.client_id}/secrets")
    assert f"/ui/apps/{left.client_id}/apis" in about(ada, "Left has a secret and may have tokens for no API")
    assert f"/ui/apis/{bare['id']}/permissions" in about(ada, "Bare defines no permission")
    assert f"/ui/apis/{bare['id']}/applications" in about(ada, "No application may have tokens for Bare")
    moving_clock.now += attention.SECRET_IS_NEW
    ada.log_in("ada")
    assert f"/ui/apps/{left.client_id}/credentials" in about(ada, "Left has a secret since")
    assert f"/ui/apps/{reader.client_id}/credentials" in about(ada, "Reader has had two secrets since")
    moving_clock.now += attention.SECRET_IS_OLD
    ada.log_in("ada")
    assert "Rotate" in about(ada, "The RS256 key has signed since")
    about(ada, "Reader has used no secret since")
    caller = renewed(caller)
    caller.manage("DELETE", f"resource-servers/{bare['id']}")
    caller.manage("DELETE", f"clients/{left.client_id}")


def test_names_are_text(ada: Browser, caller: Caller) -> None:
    made = caller.create("resource-servers", identifier=f"urn:{CANARY}")
    page = ada.page("/")
    assert CANARY not in page
    assert f"urn:{ESCAPED} defines no permission" in page
    caller.manage("DELETE", f"resource-servers/{made['id']}")


def test_more_than_a_few_of_a_kind_lead_to_the_list(ada: Browser, caller: Caller) -> None:
    made = [caller.application(f"Idle {number}") for number in range(8)]
    said = [each for each in matters(ada) if "may have tokens for no API" in each]
    assert len(said) == 5
    assert 'href="/ui/apps"' in about(ada, "And there are more like this.")
    for each in made:
        caller.manage("DELETE", f"clients/{each.client_id}")


def test_a_viewer_sees_it_too(vera: Browser, caller: Caller) -> None:
    made = caller.application("Seen")
    assert [each for each in matters(vera) if "Seen has a secret" in each]
    caller.manage("DELETE", f"clients/{made.client_id}")
