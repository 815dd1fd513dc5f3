"""The way in: one link, one first administrator; passwords, sessions, forms from here alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from gatewright.server.people import LOCKED_FOR, MOST_FAILURES
from tests.server.dashboard.conftest import PASSWORD, Browser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gatewright.server.app import RunningServer
    from tests.records import Clock
    from tests.running import Caller

WRONG = "Name and password do not fit"


@pytest.fixture
def second(running: RunningServer) -> Iterator[Browser]:
    with httpx2.Client(base_url=running.issuer, follow_redirects=True, timeout=30) as http:
        yield Browser(http)


def events(caller: Caller, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = caller.manage("GET", "logs", params={"q": f"type:{kind}"}).json()
    return found


def test_name_and_password_let_in_and_lead_where_one_wanted_to_go(
    browser: Browser, people: Mapping[str, str], caller: Caller
) -> None:
    del people
    browser.go("/settings")
    assert browser.path == "/login"
    assert 'name="next" value="/ui/settings"' in browser.text
    form = {"name": "ada", "password": PASSWORD, "next": "/ui/settings"}
    browser.send("/login", form)
    assert browser.path == "/settings"
    (newest, *_) = events(caller, "s")
    assert (newest["user_name"], newest["description"]) == ("ada", "Dashboard: logged in")


@pytest.mark.parametrize(
    "goal", ["https://evil.example/", "//evil.example/ui/", "/ui//evil.example", "/ui/\\evil", "/api/v2/x"]
)
def test_login_leads_to_no_other_site(browser: Browser, people: Mapping[str, str], goal: str) -> None:
    del people
    browser.go("/login")
    browser.send("/login", {"name": "ada", "password": PASSWORD, "next": goal})
    assert str(browser.answer.url).endswith("/ui/")


def test_wrong_names_and_passwords_are_told_alike_and_logged(
    browser: Browser, people: Mapping[str, str], caller: Caller
) -> None:
    del people
    browser.go("/login")
    answers = {
        browser.send("/login", {"name": name, "password": "wrong"}, status=403).replace(f'"{name}"', "")
        for name in ("vic", "nobody")
    }
    assert len(answers) == 1
    assert WRONG in answers.pop()
    newest, older = events(caller, "fp")[:2]
    assert "user_name" not in newest
    assert older["user_name"] == "vic"


def test_after_several_wrong_passwords_nobody_may_try_for_a_while(
    browser: Browser, people: Mapping[str, str], moving_clock: Clock
) -> None:
    del people
    browser.go("/login")
    for _ in range(MOST_FAILURES):
        browser.send("/login", {"name": "vic", "password": "wrong"}, status=403)
    assert WRONG in browser.send("/login", {"name": "vic", "password": PASSWORD}, status=403)
    moving_clock.now += LOCKED_FOR
    browser.send("/login", {"name": "vic", "password": PASSWORD})
    assert browser.path == "/"


def cookie_of(browser: Browser) -> str:
    return str(browser.http.cookies["gatewright-session"])


def come_with(browser: Browser, cookie: str) -> None:
    """As somebody who has stolen a cookie."""
    browser.http.cookies.clear()
    browser.http.cookies.set("gatewright-session", cookie)


def test_a_session_changes_at_login_ends_at_logout_and_by_itself(
    enter: Callable[[str], Browser], moving_clock: Clock
) -> None:
    browser = enter("ada")
    before = cookie_of(browser)
    browser.send("/login", {"name": "ada", "password": PASSWORD})
    assert cookie_of(browser) != before
    come_with(browser, before)
    browser.go("/")
    assert browser.path == "/login"
    browser.http.cookies.clear()
    browser = enter("ada")
    moving_clock.now += 8 * 3600 + 1
    browser.go("/")
    assert browser.path == "/login"
    browser = enter("ada")
    browser.go("/")
    kept = cookie_of(browser)
    browser.send("/logout")
    come_with(browser, kept)
    browser.go("/")
    assert browser.path == "/login"


def test_the_cookie_is_kept_from_script_and_other_sites(browser: Browser, people: Mapping[str, str]) -> None:
    del people
    browser.go("/login")
    answer = browser.http.post("ui/login", data={"name": "ada", "password": PASSWORD}, follow_redirects=False)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie
    assert PASSWORD not in str(answer.headers)


def test_forms_are_taken_from_our_own_pages_only(ada: Browser, second: Browser, caller: Caller) -> None:
    ada.go("/settings")
    form = {"friendly_name": "Mine"}
    assert "too old" in ada.send("/settings", form, status=403, csrf="x")
    ada.go("/settings")
    assert "too old" in ada.send("/settings", form, status=403, csrf=" ")
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ):
        ada.go("/settings")
        assert "another site" in ada.send("/settings", form, status=403, headers=headers)
    ada.go("/settings")
    assert "no form" in ada.send("/settings", form, status=403, headers={"Content-Type": "text/plain"})
    assert "friendly_name" not in caller.manage("GET", "tenants/settings").json()
    second.go("/login")
    second.send("/login", {"name": "ada", "password": PASSWORD})
    assert "too old" in second.send("/settings", form, status=403, csrf=ada.csrf or "x")


def test_every_page_has_the_headers_that_keep_script_out(ada: Browser) -> None:
    for path, status in (("/", 200), ("/settings", 200), ("/nope", 404), ("/login", 200)):
        ada.go(path, status=status)
        policy = ada.answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        for directive in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
            assert directive in policy
        assert ada.answer.headers["x-content-type-options"] == "nosniff"
        assert ada.answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", ada.answer.text)


def test_a_static_file_has_a_name_that_never_means_another_content(ada: Browser) -> None:
    ada.go("/")
    for address in re.findall(r'(?:href|src)="(/ui/static/[^"]+)"', ada.answer.text):
        answer = ada.http.get(address)
        assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True)
    assert ada.http.get("ui/static/app.000000000000.css").status_code == 404
    assert ada.http.get("ui/static/..%2Fapp.py").status_code == 404


def test_secrets_and_keys_need_the_password_once_more_after_a_while(
    ada: Browser, moving_clock: Clock
) -> None:
    moving_clock.now += 901
    ada.go("/settings/administrators")
    form = {"name": "eve", "role": "viewer", "back": "/ui/settings/administrators"}
    ada.send("/settings/administrators", form)
    assert ada.path == "/confirm"
    assert "not your password" in ada.send("/confirm", {"password": "wrong"}, status=403)
    ada.send("/confirm", {"password": PASSWORD, "next": "/ui/settings/administrators"})
    assert ada.path == "/settings/administrators"
    assert "Confirmed for 15 minutes" in ada.text
    assert "Confirmed" not in ada.go("/settings/administrators")


def test_one_adds_and_removes_others_but_not_oneself(ada: Browser, second: Browser, caller: Caller) -> None:
    ada.go("/settings/administrators")
    text = ada.send("/settings/administrators", {"name": "grace", "role": "administrator"})
    (password,) = re.findall(r'data-copy="([^"]+)" aria-label="Copy the password"', ada.answer.text)
    assert "grace may enter now" in text
    second.go("/login")
    second.send("/login", {"name": "grace", "password": password})
    assert second.path == "/"
    assert "a grace already" in ada.send("/settings/administrators", {"name": "grace"}, status=400)
    page = ada.go("/settings/administrators")
    (address,) = re.findall(r'action="/ui(/settings/administrators/[^"]+/remove)"[^>]*grace', page)
    ada.send(address)
    assert "grace" not in ada.go("/settings/administrators")
    second.go("/")
    assert second.path == "/login"
    own = caller.manage("GET", "logs", params={"q": "type:sapi"}).json()
    told = [event["description"] for event in own if event.get("user_name") == "ada"]
    assert told[:2] == [f"Dashboard: {done} the administrator grace" for done in ("removed", "added")]
    assert all(password not in str(event) for event in own)


def test_nobody_is_left_outside_by_his_own_hand(ada: Browser, running: RunningServer) -> None:
    me = running.server.store.read(lambda tx: tx.people.named("ada"))
    assert me is not None
    ada.go("/settings/administrators")
    text = ada.send(f"/settings/administrators/{me.id}/remove", status=400)
    assert "cannot remove yourself" in text


def test_who_changes_the_own_password_is_logged_out_everywhere(
    enter: Callable[[str], Browser], second: Browser
) -> None:
    vic = enter("vic")
    second.go("/login")
    second.send("/login", {"name": "vic", "password": PASSWORD})
    vic.go("/settings/administrators")
    new = "another sentence, longer"
    form = {"old": "wrong", "password": new, "again": new}
    assert "not your present" in vic.send("/settings/password", form, status=400)
    vic.send("/settings/password", {**form, "old": PASSWORD})
    assert vic.path == "/login"
    second.go("/")
    assert second.path == "/login"
    vic.send("/login", {"name": "vic", "password": new})
    assert vic.path == "/"
    vic.go("/settings/administrators")
    vic.send("/settings/password", {"old": new, "password": PASSWORD, "again": PASSWORD})


def test_a_viewer_sees_and_changes_nothing(enter: Callable[[str], Browser], caller: Caller) -> None:
    vic = enter("vic")
    page = vic.go("/settings")
    assert '<fieldset class="narrow" disabled>' in page
    assert ">Save<" not in page
    assert "Only an administrator" in vic.send("/settings", {"friendly_name": "x"}, status=403)
    vic.go("/settings/administrators")
    assert "Only an administrator" in vic.send("/settings/administrators", {"name": "y"}, status=403)
    assert "friendly_name" not in caller.manage("GET", "tenants/settings").json()


def test_settings_are_saved_refused_beside_the_form_and_cleared(ada: Browser, caller: Caller) -> None:
    caller.create("resource-servers", identifier="https://chosen", name="Chosen")
    ada.go("/settings")
    form = {
        "friendly_name": "Acme <script>alert(1)</script>",
        "default_audience": "https://chosen",
        "per_hour": "100",
        "enforce": "on",
        "token_endpoint": "600",
    }
    assert "Saved." in ada.send("/settings", form)
    assert "<script>alert(1)" not in ada.answer.text
    settings = caller.manage("GET", "tenants/settings").json()
    assert settings["friendly_name"] == form["friendly_name"]
    assert settings["default_audience"] == "https://chosen"
    assert settings["rate_limits"] == {"token_endpoint": {"per_minute": 600}}
    quota = {"enforce": True, "per_hour": 100}
    assert settings["default_token_quota"] == {"clients": {"client_credentials": quota}}
    text = ada.send("/settings", {**form, "per_hour": "many"}, status=400)
    assert "per hour is a whole number, not 'many'" in text
    assert 'value="many"' in text
    text = ada.send("/settings", {**form, "support_url": "x" * 3000}, status=400)
    assert "Payload validation error" in text
    ada.go("/settings")
    ada.send("/settings", {"friendly_name": "Plain"})
    settings = caller.manage("GET", "tenants/settings").json()
    assert "rate_limits" not in settings
    assert "default_token_quota" not in settings
