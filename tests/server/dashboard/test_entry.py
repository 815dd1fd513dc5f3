"""The way in: one link, one first administrator; passwords, sessions, forms from here alone."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import pytest

from gatewright.server.people import LOCKED_FOR, MOST_FAILURES
from tests.server.dashboard.browsing import PASSWORD, Browser, entered, first_administrator, nobody

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatewright.server.app import RunningServer
    from tests.records import Clock
    from tests.running import Caller

WRONG = "Name and password do not fit"

pytestmark = pytest.mark.usefixtures("people")


@pytest.fixture(scope="module")
def people(running: RunningServer) -> None:
    """The first administrator, `ada`, and a viewer, `vic`."""
    with first_administrator(running), entered(running, "vic", "viewer"):
        pass


@pytest.fixture
def ada(browser: Browser) -> Browser:
    """The administrator, the password given just now."""
    browser.log_in("ada")
    return browser


@pytest.fixture
def vic(browser: Browser) -> Browser:
    """The viewer, logged in."""
    browser.log_in("vic")
    return browser


@pytest.fixture
def second(running: RunningServer) -> Iterator[Browser]:
    """Another browser."""
    with nobody(running) as browser:
        yield browser


def events(caller: Caller, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = caller.manage("GET", "logs", params={"q": f"type:{kind}"}).json()
    return found


def test_name_and_password_let_in_and_lead_where_one_wanted_to_go(browser: Browser, caller: Caller) -> None:
    page = browser.page("/settings")
    assert browser.path == "/login"
    assert 'name="next" value="/ui/settings"' in page
    browser.done("/login", {"name": "ada", "password": PASSWORD}, on="/settings")
    assert browser.path == "/settings"
    (newest, *_) = events(caller, "s")
    assert (newest["user_name"], newest["description"]) == ("ada", "Dashboard: logged in")


@pytest.mark.parametrize(
    "goal", ["https://evil.example/", "//evil.example/ui/", "/ui//evil.example", "/ui/\\evil", "/api/v2/x"]
)
def test_login_leads_to_no_other_site(browser: Browser, goal: str) -> None:
    form = {"name": "ada", "password": PASSWORD, "next": goal}
    answer = browser.send("/login", form, on="/login")
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/")
    browser.page("/")
    assert browser.path == "/"


def test_wrong_names_and_passwords_are_told_alike_and_logged(browser: Browser, caller: Caller) -> None:
    answers = {
        browser.refused("/login", {"name": name, "password": "wrong"}, on="/login", status=403).replace(
            f'"{name}"', ""
        )
        for name in ("vic", "nobody")
    }
    assert len(answers) == 1
    assert WRONG in answers.pop()
    newest, older = events(caller, "fp")[:2]
    assert "user_name" not in newest
    assert older["user_name"] == "vic"


def test_after_several_wrong_passwords_nobody_may_try_for_a_while(
    browser: Browser, moving_clock: Clock
) -> None:
    wrong, right = {"name": "vic", "password": "wrong"}, {"name": "vic", "password": PASSWORD}
    for _ in range(MOST_FAILURES):
        browser.refused("/login", wrong, on="/login", status=403)
    assert WRONG in browser.refused("/login", right, on="/login", status=403)
    moving_clock.now += LOCKED_FOR
    browser.log_in("vic")


def cookie_of(browser: Browser) -> str:
    return str(browser.http.cookies["gatewright-session"])


def come_with(browser: Browser, cookie: str) -> None:
    """As somebody who has stolen a cookie."""
    browser.http.cookies.clear()
    browser.http.cookies.set("gatewright-session", cookie)


def test_a_session_changes_at_login_ends_at_logout_and_by_itself(
    browser: Browser, moving_clock: Clock
) -> None:
    browser.log_in("ada")
    before = cookie_of(browser)
    browser.done("/login", {"name": "ada", "password": PASSWORD})
    assert cookie_of(browser) != before
    come_with(browser, before)
    browser.page("/")
    assert browser.path == "/login"
    browser.http.cookies.clear()
    browser.log_in("ada")
    moving_clock.now += 8 * 3600 + 1
    browser.page("/")
    assert browser.path == "/login"
    browser.log_in("ada")
    kept = cookie_of(browser)
    browser.done("/logout")
    come_with(browser, kept)
    browser.page("/")
    assert browser.path == "/login"


def test_the_cookie_is_kept_from_script_and_other_sites(browser: Browser) -> None:
    answer = browser.send("/login", {"name": "ada", "password": PASSWORD}, on="/login")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie
    assert PASSWORD not in str(answer.headers)


def test_forms_are_taken_from_our_own_pages_only(ada: Browser, second: Browser, caller: Caller) -> None:
    form = {"friendly_name": "Mine"}

    def turned_away(who: Browser, token: str, headers: dict[str, str] | None = None) -> str:
        answer = who.send("/settings", {**form, "csrf": token}, headers=headers)
        assert answer.status_code == 403, answer.text
        return answer.text

    assert "too old" in turned_away(ada, "x")
    assert "too old" in turned_away(ada, " ")
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ):
        assert "another site" in turned_away(ada, ada.csrf(), headers)
    assert "no form" in turned_away(ada, ada.csrf(), {"Content-Type": "text/plain"})
    assert "friendly_name" not in caller.manage("GET", "tenants/settings").json()
    second.log_in("ada")
    assert "too old" in turned_away(second, ada.csrf())


def test_every_page_has_the_headers_that_keep_script_out(ada: Browser) -> None:
    for path, status in (("/", 200), ("/settings", 200), ("/nope", 404), ("/login", 200)):
        answer = ada.http.get(f"ui{path}", follow_redirects=True)
        assert answer.status_code == status
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        for directive in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
            assert directive in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", answer.text)


def test_a_static_file_has_a_name_that_never_means_another_content(ada: Browser) -> None:
    for address in re.findall(r'(?:href|src)="(/ui/static/[^"]+)"', ada.page("/")):
        answer = ada.http.get(address)
        assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True)
    assert ada.http.get("ui/static/app.000000000000.css").status_code == 404
    assert ada.http.get("ui/static/..%2Fapp.py").status_code == 404


def test_secrets_and_keys_need_the_password_once_more_after_a_while(
    ada: Browser, moving_clock: Clock
) -> None:
    moving_clock.now += 901
    form = {"name": "eve", "role": "viewer", "back": "/ui/settings/administrators"}
    ada.done("/settings/administrators", form)
    assert ada.path == "/confirm"
    assert "not your password" in ada.refused("/confirm", {"password": "wrong"}, status=403)
    page = ada.done("/confirm", {"password": PASSWORD, "next": "/ui/settings/administrators"})
    assert ada.path == "/settings/administrators"
    assert "Confirmed for 15 minutes" in page
    assert "Confirmed" not in ada.page("/settings/administrators")


def test_one_adds_and_removes_others_but_not_oneself(ada: Browser, second: Browser, caller: Caller) -> None:
    answer = ada.send("/settings/administrators", {"name": "grace", "role": "administrator"})
    assert answer.status_code == 200
    (password,) = re.findall(r'data-copy="([^"]+)" aria-label="Copy the password"', answer.text)
    assert "grace may enter now" in answer.text
    second.log_in("grace", password)
    assert "a grace already" in ada.refused("/settings/administrators", {"name": "grace"})
    page = ada.page("/settings/administrators")
    (address,) = re.findall(r'action="/ui(/settings/administrators/[^"]+/remove)"[^>]*grace', page)
    ada.done(address)
    assert "grace" not in ada.page("/settings/administrators")
    second.page("/")
    assert second.path == "/login"
    own = caller.manage("GET", "logs", params={"q": "type:sapi"}).json()
    told = [event["description"] for event in own if event.get("user_name") == "ada"]
    assert told[:2] == [f"Dashboard: {done} the administrator grace" for done in ("removed", "added")]
    assert all(password not in str(event) for event in own)


def test_nobody_is_left_outside_by_his_own_hand(ada: Browser, running: RunningServer) -> None:
    me = running.server.store.read(lambda tx: tx.people.named("ada"))
    assert me is not None
    assert "cannot remove yourself" in ada.refused(f"/settings/administrators/{me.id}/remove")


def test_who_changes_the_own_password_is_logged_out_everywhere(vic: Browser, second: Browser) -> None:
    second.log_in("vic")
    at, new = "/settings/administrators", "another sentence, longer"
    form = {"old": "wrong", "password": new, "again": new}
    assert "not your present" in vic.refused("/settings/password", form, on=at)
    vic.done("/settings/password", {**form, "old": PASSWORD}, on=at)
    assert vic.path == "/login"
    second.page("/")
    assert second.path == "/login"
    vic.log_in("vic", new)
    vic.done("/settings/password", {"old": new, "password": PASSWORD, "again": PASSWORD}, on=at)


def test_a_viewer_sees_and_changes_nothing(vic: Browser, caller: Caller) -> None:
    page = vic.page("/settings")
    assert '<fieldset class="narrow" disabled>' in page
    assert ">Save<" not in page
    assert "vic (you)" in vic.page("/settings/administrators")
    forms = {"/settings": {"friendly_name": "x"}, "/settings/administrators": {"name": "y"}}
    for action, fields in forms.items():
        answer = vic.send(action, fields)
        assert answer.status_code == 403
        assert "Only an administrator" in answer.text
    assert "friendly_name" not in caller.manage("GET", "tenants/settings").json()


def test_settings_are_saved_refused_beside_the_form_and_cleared(ada: Browser, caller: Caller) -> None:
    caller.create("resource-servers", identifier="https://chosen", name="Chosen")
    form = {
        "friendly_name": "Acme <script>alert(1)</script>",
        "default_audience": "https://chosen",
        "per_hour": "100",
        "enforce": "on",
        "token_endpoint": "600",
    }
    page = ada.done("/settings", form)
    assert "Saved." in page
    assert "<script>alert(1)" not in page
    settings = caller.manage("GET", "tenants/settings").json()
    assert settings["friendly_name"] == form["friendly_name"]
    assert settings["default_audience"] == "https://chosen"
    assert settings["rate_limits"] == {"token_endpoint": {"per_minute": 600}}
    quota = {"enforce": True, "per_hour": 100}
    assert settings["default_token_quota"] == {"clients": {"client_credentials": quota}}
    page = ada.refused("/settings", {**form, "per_hour": "many"})
    assert "per hour is a whole number, not 'many'" in html.unescape(page)
    assert 'value="many"' in page
    assert "Payload validation error" in ada.refused("/settings", {**form, "support_url": "x" * 3000})
    ada.done("/settings", {"friendly_name": "Plain"})
    settings = caller.manage("GET", "tenants/settings").json()
    assert "rate_limits" not in settings
    assert "default_token_quota" not in settings
