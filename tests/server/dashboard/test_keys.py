"""The page of signing keys: what it shows, rotation and revocation, and who may."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from gatewright.server.dashboard.rendering import moment
from gatewright.server.dashboard.sessions import CONFIRMED_FOR
from tests.server.calling import renewed
from tests.server.dashboard.browsing import Browser, alert

if TYPE_CHECKING:
    from tests.records import Clock
    from tests.running import Caller

SHOWN = {
    "Next in queue": "next",
    "Currently used": "current",
    "Previously used": "previous",
    "Revoked": "revoked",
}


def keys(caller: Caller) -> list[dict[str, Any]]:
    """What the Management API tells, after whatever happened to keys."""
    told: list[dict[str, Any]] = renewed(caller).manage("GET", "keys/signing").json()
    return told


def states(caller: Caller) -> dict[str, str]:
    """Of each key."""
    return {
        key["kid"]: next(state for state in SHOWN.values() if key.get(state) is True) for key in keys(caller)
    }


def rows(page: str) -> dict[str, str]:
    """The state of each key that the page shows."""
    found = re.findall(r'class="state \w+">([^<]+)</span>.*?<code>([^<]+)</code>', page, re.DOTALL)
    return {kid: SHOWN[state] for state, kid in found}


def kid_of(caller: Caller, state: str) -> str:
    return next(kid for kid, known in states(caller).items() if known == state)


def test_every_key_is_shown_with_its_state_and_fingerprint(ada: Browser, caller: Caller) -> None:
    page = ada.page("/keys")
    assert rows(page) == states(caller)
    for key in keys(caller):
        assert key["fingerprint"] in page


def test_rotating_makes_the_next_key_current_and_keeps_the_old_one(ada: Browser, caller: Caller) -> None:
    before = states(caller)
    page = ada.done("/keys/rotate", {"back": "/ui/keys"})
    after = states(caller)
    turned = {"next": "current", "current": "previous"}
    assert {kid: after[kid] for kid in before} == {
        kid: turned.get(state, state) for kid, state in before.items()
    }
    assert rows(page) == after
    assert "stay valid" in alert(page)


def test_a_token_of_a_rotated_key_stays_and_of_a_revoked_one_does_not(ada: Browser, caller: Caller) -> None:
    old = renewed(caller)
    assert old.manage("GET", "keys/signing").status_code == 200
    kid = kid_of(caller, "current")
    ada.done("/keys/rotate", {"back": "/ui/keys"})
    assert old.manage("GET", "keys/signing").status_code == 200
    page = ada.done(f"/keys/{kid}/revoke", {"back": "/ui/keys"})
    assert old.manage("GET", "keys/signing").status_code == 401
    assert states(caller)[kid] == "revoked"
    assert kid in alert(page)


def test_a_key_that_signs_cannot_be_revoked_and_the_refusal_is_shown(ada: Browser, caller: Caller) -> None:
    kid = kid_of(caller, "current")
    page = ada.refused(f"/keys/{kid}/revoke", {"back": "/ui/keys"})
    assert alert(page) == "Only a previous signing key can be revoked. Rotate first."
    assert rows(page)[kid] == states(caller)[kid] == "current"


def test_only_previous_keys_lead_to_what_revoking_them_would_stop(ada: Browser, caller: Caller) -> None:
    ada.done("/keys/rotate", {"back": "/ui/keys"})
    page = ada.page("/keys")
    revocable = set(re.findall(r'href="/ui/keys/(\w+)/revoke"', page))
    assert revocable == {kid for kid, state in states(caller).items() if state == "previous"} != set()
    for kid, state in states(caller).items():
        offered = f'action="/ui/keys/{kid}/revoke"' in ada.page(f"/keys/{kid}/revoke")
        assert offered == (state == "previous"), state


def test_before_revoking_it_is_told_how_many_tokens_of_which_apis_would_stop(
    ada: Browser, caller: Caller, moving_clock: Clock
) -> None:
    caller = renewed(caller)
    api = caller.create("resource-servers", identifier="https://told", name="Told", token_lifetime=7200)
    app = caller.application("Asks")
    caller.authorize(app, api["identifier"])
    kid = kid_of(caller, "current")
    for _ in range(3):
        caller.token(app, api["identifier"])
    ends_at = moment(moving_clock.now + 7200)
    moving_clock.now += 1
    ada.done("/keys/rotate", {"back": "/ui/keys"})
    moving_clock.now += 1
    caller.token(app, api["identifier"])  # of the next key
    page = ada.page(f"/keys/{kid}/revoke")
    assert re.search(
        rf"Told<br><code>https://told</code></th>\s*<td[^>]*>3</td>\s*<td[^>]*>.*{ends_at}", page
    )
    assert "within 10 seconds" in page
    moving_clock.now += 7201
    assert "https://told" not in ada.page(f"/keys/{kid}/revoke")
    moving_clock.now -= 7201
    page = ada.done(f"/keys/{kid}/revoke", on=f"/keys/{kid}/revoke")
    assert kid in alert(page)
    assert "It is revoked already." in ada.page(f"/keys/{kid}/revoke")


def test_what_is_no_key_has_no_page(ada: Browser) -> None:
    assert "The signing key does not exist" in ada.page("/keys/nothing/revoke", status=404)


@pytest.mark.parametrize("what", ["rotate", "revoke"])
def test_the_password_is_asked_again_after_a_while_and_nothing_has_happened(
    ada: Browser, caller: Caller, moving_clock: Clock, what: str
) -> None:
    ada.done("/keys/rotate", {"back": "/ui/keys"})
    path = "/keys/rotate" if what == "rotate" else f"/keys/{kid_of(caller, 'previous')}/revoke"
    before = states(caller)
    moving_clock.now += CONFIRMED_FOR + 1
    answer = ada.send(path, {"back": "/ui/keys"})
    assert answer.headers["Location"] == "/ui/confirm?next=%2Fui%2Fkeys"
    assert states(caller) == before


def test_the_forms_say_where_to_come_back_to(ada: Browser) -> None:
    page = ada.page("/keys")
    assert page.count('name="back" value="/ui/keys"') == len(re.findall(r'action="/ui/keys/', page)) > 0


def test_a_viewer_sees_the_keys_and_no_button_and_is_refused(vera: Browser, caller: Caller) -> None:
    page = vera.page("/keys")
    assert rows(page) == states(caller)
    assert "/ui/keys/" not in page
    before = states(caller)
    assert vera.send("/keys/rotate").status_code == 403
    assert vera.send(f"/keys/{kid_of(caller, 'next')}/revoke").status_code == 403
    assert states(caller) == before


def test_each_algorithm_has_a_ring_with_a_timeline_of_its_keys(ada: Browser, caller: Caller) -> None:
    caller.create("resource-servers", identifier="https://es.example", name="ES", signing_alg="ES256")
    page = ada.page("/keys")
    assert re.findall(r"<h2>(\w+)</h2>", page) == ["RS256", "ES256"]
    drawn = re.findall(r"<text x=\"0\" y=\"[\d.]+\">(\w+)</text>", page)
    assert sorted(drawn) == sorted(rows(page))


def test_of_revoked_keys_three_are_shown_and_the_rest_counted(ada: Browser, caller: Caller) -> None:
    def revoked() -> set[str]:
        return {key["kid"] for key in keys(caller) if key["revoked"] and key["alg"] == "RS256"}

    while len(revoked()) < 5:
        [kid] = [key["kid"] for key in keys(caller) if key.get("current") and key["alg"] == "RS256"]
        ada.done("/keys/rotate", {"back": "/ui/keys"})
        ada.done(f"/keys/{kid}/revoke", {"back": "/ui/keys"})
    page = ada.page("/keys")
    assert len(revoked() & set(rows(page))) == 3
    assert "2 more revoked keys are not shown" in page
