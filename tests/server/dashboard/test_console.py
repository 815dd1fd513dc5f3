"""The console: tokens as the applications take them, every check of them, calls, and what mends a refusal."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from gatewright import Guard
from gatewright.server.dashboard.console import MOST_OFFERED
from gatewright.server.dashboard.sessions import CONFIRMED_FOR
from tests.browser.sample import sample
from tests.running import free_port, serving
from tests.server.dashboard.browsing import CANARY, ESCAPED, PASSWORD, Browser, blocks, grants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatewright.server.app import RunningServer
    from tests.records import Clock
    from tests.running import Application, Caller

FORGED = "eyJhbGciOiJub25lIn0.e30."


@pytest.fixture
def application(caller: Caller, request: pytest.FixtureRequest) -> Application:
    return caller.application(request.node.name)


@pytest.fixture
def console(caller: Caller, api: dict[str, Any], application: Application) -> str:
    """The path of the console, as an application with no permission."""
    caller.authorize(application, api["identifier"])
    return f"/apis/{api['id']}/test/{application.client_id}"


@pytest.fixture
def guarded(running: RunningServer, api: dict[str, Any], clock: Clock) -> Iterator[str]:
    """The sample API, guarded for the test's own."""
    guard = Guard(running.issuer, audience=api["identifier"], algorithms=("RS256",), now=clock)
    with serving(sample(guard)) as url:
        yield url


@pytest.fixture
def registered(caller: Caller, api: dict[str, Any], guarded: str) -> str:
    """Where it listens, as the server knows it."""
    path = f"resource-servers/{api['id']}/base-urls"
    assert caller.manage("PUT", path, json={"base_urls": [guarded]}).status_code == 200
    return guarded


def token_in(page: str) -> str:
    found = re.search(r'<textarea name="token"[^>]*>([^<]*)</textarea>', page)
    assert found is not None
    return html.unescape(found[1])


def taken(browser: Browser, console: str, **fields: str) -> str:
    """The page with a new token on it."""
    answer = browser.send(f"{console}/token", fields)
    assert answer.status_code == 200, answer.text
    return answer.text


def called(browser: Browser, console: str, fields: dict[str, str], *, status: int = 200) -> str:
    answer = browser.send(f"{console}/call", fields)
    assert answer.status_code == status, answer.text
    return answer.text


def checks(page: str) -> dict[str, str]:
    """What the page says of each check."""
    rows = re.findall(r'<tr><th scope="row">([a-z ]+)</th><td><span class="[^"]+">([a-z ]+)</span>', page)
    return dict(rows)


def test_token_is_taken_as_the_application_and_verified_step_by_step(
    ada: Browser, caller: Caller, console: str, application: Application, registered: str
) -> None:
    assert registered
    page = taken(ada, console)
    assert "a guard of this API accepts it" in page
    assert set(checks(page).values()) == {"passed"}
    assert {"issuer", "key", "signature", "times", "audience"} <= checks(page).keys()
    token = token_in(page)
    assert token.count(".") == 2
    event = caller.manage("GET", "logs", params={"per_page": 1, "q": "type:seccft"}).json()[0]
    assert event["client_id"] == application.client_id
    assert event["ip"] == "127.0.0.1"
    assert application.client_secret not in page


def test_secret_that_is_read_for_a_token_needs_the_password_and_is_in_the_log(
    ada: Browser, caller: Caller, console: str, moving_clock: Clock
) -> None:
    moving_clock.now += 10 * CONFIRMED_FOR
    answer = ada.send(f"{console}/token", {"back": f"/ui{console}"})
    assert answer.headers["location"].startswith("/ui/confirm?next=")
    assert ada.done("/confirm", {"next": f"/ui{console}", "password": PASSWORD})
    taken(ada, console)
    events = caller.manage("GET", "logs", params={"per_page": 5}).json()
    assert "mgmt_api_read" in {event["type"] for event in events}


def test_refusal_of_the_token_endpoint_is_shown_as_it_came(
    ada: Browser, caller: Caller, console: str
) -> None:
    client_id = console.rpartition("/")[2]
    for grant in grants(caller, client_id):
        caller.manage("DELETE", f"client-grants/{grant['id']}")
    page = taken(ada, console)
    assert "access_denied" in page
    assert "is not authorized for this API" in page


def test_less_than_everything_can_be_asked_for(
    ada: Browser, caller: Caller, console: str, application: Application, registered: str
) -> None:
    assert registered
    for grant in grants(caller, application.client_id):
        caller.update(f"client-grants/{grant['id']}", scope=["read:blog", "create:blog"])
    assert "<code>read:blog create:blog</code>" in taken(ada, console)
    page = taken(ada, console, narrowed="1", scope="create:blog")
    assert '<th scope="row"><code>scope</code></th><td><code>create:blog</code>' in page


def test_application_without_a_secret_pastes_a_token(
    ada: Browser, caller: Caller, api: dict[str, Any]
) -> None:
    made = caller.create(
        "clients", name="Keyed", app_type="non_interactive", token_endpoint_auth_method="none"
    )
    path = f"/apis/{api['id']}/test/{made['client_id']}"
    assert "Paste a token that it has taken" in ada.page(path)
    answer = ada.send(f"{path}/token")
    assert answer.status_code == 400
    assert "does not prove itself by a secret" in answer.text


@pytest.mark.parametrize(
    ("token", "failed"),
    [
        (FORGED, "algorithm"),
        ("no token", "grammar"),
        (CANARY, "grammar"),
    ],
    ids=["forged", "words", "canary"],
)
def test_pasted_token_that_is_none_is_explained(ada: Browser, console: str, token: str, failed: str) -> None:
    answer = ada.send(f"{console}/check", {"token": token})
    assert answer.status_code == 200
    assert checks(answer.text)[failed] == "failed"
    assert CANARY not in answer.text


def test_token_of_another_api_fails_at_the_audience(
    ada: Browser, caller: Caller, console: str, application: Application
) -> None:
    other = caller.create(
        "resource-servers", name="Other", identifier=f"https://other-{application.client_id}"
    )
    caller.authorize(application, other["identifier"])
    token = caller.token(application, other["identifier"])
    page = ada.send(f"{console}/check", {"token": f"Bearer {token}"}).text
    assert {name for name, said in checks(page).items() if said == "failed"} == {"audience"}
    assert "Ask the token endpoint for this API" in html.unescape(page)


def test_token_signed_with_the_apis_secret_is_verified_and_the_secret_not_shown(
    ada: Browser, caller: Caller, application: Application
) -> None:
    api = caller.create("resource-servers", name="Shared", identifier="https://shared", signing_alg="HS256")
    caller.authorize(application, api["identifier"])
    page = taken(ada, f"/apis/{api['id']}/test/{application.client_id}")
    assert "a guard of this API accepts it" in page
    assert api["signing_secret"] not in page


def test_call_is_refused_mended_by_the_button_and_let_in(
    ada: Browser, caller: Caller, console: str, application: Application, registered: str
) -> None:
    token = token_in(taken(ada, console))
    asked = {"token": token, "method": "GET", "base_url": registered, "path": "/blogs"}
    page = called(ada, console, asked)
    assert "The token lacks read:blog." in page
    assert 'name="missing" value="read:blog"' in page
    answer = ada.send(f"{console}/grant", {**asked, "missing": "read:blog"})
    assert answer.status_code == 200
    assert "The request was let in." in answer.text
    assert "&#34;readBlogAccess&#34;: true" in answer.text
    assert grants(caller, application.client_id)[0]["scope"] == ["read:blog"]


def test_button_that_needs_the_password_has_changed_nothing_yet(
    ada: Browser, caller: Caller, console: str, application: Application, moving_clock: Clock
) -> None:
    moving_clock.now += 30 * CONFIRMED_FOR
    answer = ada.send(f"{console}/grant", {"missing": "read:blog", "back": f"/ui{console}"})
    assert answer.headers["location"].startswith("/ui/confirm?next=")
    assert grants(caller, application.client_id)[0]["scope"] == []
    ada.done("/confirm", {"next": f"/ui{console}", "password": PASSWORD})


def test_button_defines_what_the_api_does_not(
    ada: Browser, caller: Caller, api: dict[str, Any], console: str, registered: str
) -> None:
    caller.update(f"resource-servers/{api['id']}", scopes=[])
    token = token_in(taken(ada, console))
    page = called(ada, console, {"token": token, "base_url": registered, "path": "/blogs"})
    assert "The API does not define read:blog yet." in page
    asked = {"token": token, "base_url": registered, "path": "/blogs", "missing": "read:blog"}
    assert "The request was let in." in ada.send(f"{console}/grant", asked).text
    assert caller.manage("GET", f"resource-servers/{api['id']}").json()["scopes"] == [{"value": "read:blog"}]


def test_browser_that_calls_by_itself_gets_the_new_token_to_call_with(
    ada: Browser, console: str, registered: str
) -> None:
    asked = {
        "token": FORGED,
        "base_url": registered,
        "path": "/blogs",
        "missing": "read:blog",
        "by": "browser",
    }
    page = ada.send(f"{console}/grant", asked).text
    assert "data-send-now" in page
    assert "Answer:" not in page
    assert token_in(page) != FORGED


def test_answer_that_the_browser_got_is_read_like_any_other(
    ada: Browser, console: str, registered: str
) -> None:
    token = token_in(taken(ada, console))
    challenge = 'Bearer realm="x", error="insufficient_scope", scope="read:blog <b>"'
    answer = {"status": 403, "headers": [["WWW-Authenticate", challenge]], "body": CANARY, "milliseconds": 5}
    asked = {"token": token, "base_url": registered, "path": "/never", "answer": json.dumps(answer)}
    page = called(ada, console, asked)
    assert "The token lacks read:blog, &lt;b&gt;." in page
    assert ESCAPED in page
    assert CANARY not in page


@pytest.mark.parametrize("answer", ["no JSON", "[]", '{"status": "200"}', "{" * 5000])
def test_answer_that_no_browser_sends_counts_for_nothing(
    ada: Browser, console: str, registered: str, answer: str
) -> None:
    page = called(
        ada, console, {"base_url": registered, "path": "/authtest", "sends": "none", "answer": answer}
    )
    assert "Send it as <code>Authorization: Bearer TOKEN</code>." in page


def test_refusal_whose_reason_the_browser_may_not_read_is_asked_for_again(
    ada: Browser, console: str, registered: str
) -> None:
    token = token_in(taken(ada, console))
    answer = {"status": 403, "headers": [], "body": "", "milliseconds": 5}
    asked = {"token": token, "base_url": registered, "path": "/blogs", "answer": json.dumps(answer)}
    assert "The token lacks read:blog." in called(ada, console, asked)


def test_place_that_is_not_registered_is_not_called(ada: Browser, console: str, guarded: str) -> None:
    page = called(ada, console, {"base_url": guarded, "path": "/authtest", "sends": "none"}, status=400)
    assert "Register this base URL" in page
    page = called(ada, console, {"path": "/authtest"}, status=400)
    assert "Say first where your API listens." in page


def test_api_that_does_not_run_is_told(
    ada: Browser, caller: Caller, api: dict[str, Any], console: str
) -> None:
    url = f"http://localhost:{free_port()}"
    caller.manage("PUT", f"resource-servers/{api['id']}/base-urls", json={"base_urls": [url]})
    page = called(ada, console, {"base_url": url, "path": "/", "sends": "none"}, status=400)
    assert "Does the API run?" in page


def test_base_urls_are_registered_by_their_form_and_the_policy_lets_the_browser_go_there(
    ada: Browser, api: dict[str, Any], console: str, application: Application
) -> None:
    lines = "http://localhost:3000/\n\nhttps://api.example.com/v1\n"
    fields = {"base_urls": lines, "client_id": application.client_id}
    page = ada.done(f"/apis/{api['id']}/base-urls", fields)
    assert "Saved where the API listens." in page
    assert "<option>http://localhost:3000</option>" in page
    policy = ada.http.get(f"ui{console}").headers["content-security-policy"]
    assert "connect-src 'self' http://localhost:3000 https://api.example.com;" in policy
    page = ada.refused(f"/apis/{api['id']}/base-urls", {**fields, "base_urls": "ftp://a\nhttp://kept"})
    assert "ftp://a\nhttp://kept</textarea>" in page


def test_viewer_sees_the_requests_and_takes_no_token(
    vera: Browser, console: str, application: Application
) -> None:
    page = vera.page(console)
    assert any(application.client_id in block for block in blocks(page))
    assert "Take a token</button>" not in page
    for action in ("token", "check", "call", "grant"):
        assert vera.send(f"{console}/{action}").status_code == 403


def test_console_lists_the_apis_to_choose_from(ada: Browser, api: dict[str, Any]) -> None:
    assert f'href="/ui/apis/{api["id"]}/test"' in ada.page(f"/console?q={api['name'][:20]}")


def test_one_of_many_applications_is_found_by_a_part_of_its_name(
    ada: Browser, caller: Caller, api: dict[str, Any]
) -> None:
    workers = [caller.application(f"Worker {number:02}") for number in range(MOST_OFFERED + 1)]
    for worker in workers:
        caller.authorize(worker, api["identifier"])
    path = f"/apis/{api['id']}/test"
    page = ada.page(path)
    assert f"Worker {MOST_OFFERED:02}" not in page
    assert 'name="q"' in page
    page = ada.page(f"{path}?q=worker+{MOST_OFFERED:02}")
    assert f'<option value="{workers[-1].client_id}" selected>Worker {MOST_OFFERED:02}' in page
