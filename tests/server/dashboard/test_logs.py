"""The log on pages: searched, one event with its fix, as a file, as it happens; and what guards refused."""

from __future__ import annotations

import html
import json
import re
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx2
import pytest

from gatewright.server.app import start
from gatewright.server.dashboard.sentences import KINDS
from gatewright.server.events import new_log_id
from gatewright.server.model import EventType
from gatewright.server.settings import Settings
from tests.records import Clock, event
from tests.records import refusal as refused
from tests.running import Application, free_port
from tests.server.dashboard.browsing import CANARY, Browser, alert, first_administrator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gatewright.server.app import RunningServer
    from tests.running import Caller

API = "https://blog.example/logged"
MANY = 1050
DAYS = 86400.0


@pytest.fixture(scope="module")
def api_id(caller: Caller) -> str:
    scopes = [{"value": "read:blog"}, {"value": "create:blog"}]
    made: str = caller.create("resource-servers", identifier=API, name="Blog API", scopes=scopes)["id"]
    return made


@pytest.fixture
def reader(caller: Caller, api_id: str) -> Application:
    """May read; nobody else has its id, so that a test sees its own events alone."""
    assert api_id
    application = caller.application("Reader")
    caller.authorize(application, API, "read:blog")
    return application


def rows(page: str) -> list[list[str]]:
    """The texts of the log's rows: time, outcome, what, application, API, scopes, IP."""
    return [
        [_text(cell) for cell in re.findall(r"<td>(.*?)</td>", row, re.DOTALL)]
        for row in re.findall(r"<tr data-id=.*?</tr>", page, re.DOTALL)
    ]


def _text(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", markup)).strip()


def of(application: Application) -> str:
    return f"/logs?application={application.client_id}"


def wrong(application: Application) -> Application:
    return Application(application.client_id, "not its secret")


def newest(caller: Caller, q: str) -> dict[str, Any]:
    """The newest event that a search finds."""
    found: list[dict[str, Any]] = caller.manage("GET", "logs", params={"q": q}).json()
    return found[0]


# The list


def test_every_type_of_event_has_a_name_and_a_mark() -> None:
    assert {kind.value for kind in EventType} == set(KINDS)


def test_events_are_told_newest_first_in_plain_words(
    ada: Browser, caller: Caller, reader: Application
) -> None:
    caller.token(reader, API)
    caller.ask_token(wrong(reader), API)
    refused, issued = rows(ada.page(of(reader)))
    assert issued == [
        "2027-01-15 08:00:00", "issued", "Got a token.", "Reader", API, "read:blog", "127.0.0.1",
    ]  # fmt: skip
    assert refused[1:3] == ["refused", "Was refused a token: its credentials are wrong."]


def test_of_many_scopes_the_first_are_listed_and_the_rest_counted(ada: Browser, caller: Caller) -> None:
    scopes = [f"read:{letter}" for letter in "abcdef"]
    many = "https://many.example"
    caller.create("resource-servers", identifier=many, name=many, scopes=[{"value": each} for each in scopes])
    application = caller.application("Everything")
    caller.authorize(application, many, *scopes)
    caller.token(application, many)
    assert rows(ada.page(of(application)))[0][5] == "read:a read:b read:c read:d and 2 more"


def test_filters_are_joined(ada: Browser, caller: Caller, reader: Application) -> None:
    caller.token(reader, API)
    caller.ask_token(wrong(reader), API)
    assert [row[1] for row in rows(ada.page(of(reader) + "&type=feccft"))] == ["refused"]
    assert [row[1] for row in rows(ada.page(of(reader) + "&type=seccft&api=" + quote(API)))] == ["issued"]
    assert rows(ada.page(of(reader) + "&api=https://other.example")) == []
    assert len(rows(ada.page(of(reader) + "&q=credentials"))) == 1


def test_dates_bound_what_is_shown(
    ada: Browser, caller: Caller, reader: Application, moving_clock: Clock
) -> None:
    caller.token(reader, API)
    moving_clock.now += DAYS / 4
    caller.token(reader, API)
    assert len(rows(ada.page(of(reader) + "&from=2027-01-15&to=2027-01-15"))) == 2
    assert rows(ada.page(of(reader) + "&from=2027-01-16")) == []
    assert rows(ada.page(of(reader) + "&to=2027-01-14")) == []
    assert len(rows(ada.page(of(reader) + "&from=2027-01-15T10:00Z"))) == 1


def test_an_or_in_the_search_stays_within_the_other_filters(
    ada: Browser, caller: Caller, reader: Application
) -> None:
    caller.token(reader, API)
    page = ada.page(of(reader) + "&q=" + quote("type:seccft OR type:sapi"))
    assert {row[3] for row in rows(page)} == {"Reader"}


@pytest.mark.parametrize(
    "query",
    [
        "q=" + quote("type:("),
        "type=seccft&q=" + quote("type:sapi) OR (type:feccft"),
        "q=" + quote("colour:red"),
        "from=yesterday",
        "to=" + quote("2027-01-01] OR type:seccft OR date:[2020-01-01 TO *"),
    ],
)
def test_a_search_that_is_not_understood_is_refused_and_kept(ada: Browser, query: str) -> None:
    answer = ada.http.get(f"/ui/logs?{query}")
    assert answer.status_code == 400
    assert "Query validation error" in alert(answer.text)
    typed = httpx2.QueryParams(query).get("q", "")
    assert f'name="q" value="{html.escape(typed)}"' in answer.text
    assert rows(answer.text) == []


def test_what_is_typed_comes_back_escaped(ada: Browser) -> None:
    for name in ("q", "type", "application", "api", "from", "to", "page", "live"):
        page = ada.http.get("/ui/logs", params={name: CANARY}).text
        assert "<script>alert" not in page
    assert rows(ada.page("/logs?application=" + quote('" OR type:"seccft'))) == []


def test_what_a_stranger_sent_comes_back_escaped(ada: Browser, caller: Caller, reader: Application) -> None:
    caller.ask_token(reader, CANARY)
    page = ada.page(of(reader))
    assert rows(page)[0][4] == CANARY
    happened = newest(caller, f"type:feccft AND client_id:{reader.client_id}")
    for shown in (page, ada.page(f"/logs/{happened['log_id']}"), ada.page("/")):
        assert "<script>alert" not in shown
        assert "&lt;script&gt;alert" in shown


def test_filters_that_the_form_has_no_choice_for_stay_in_it(ada: Browser) -> None:
    page = ada.page("/logs?type=depnote&from=2027-01-15T10:00Z")
    assert '<option value="depnote" selected>' in page
    assert 'name="from" type="text" value="2027-01-15T10:00Z"' in page


def test_an_empty_answer_says_so_and_leads_back(ada: Browser) -> None:
    page = ada.page("/logs?application=nobody")
    assert "No event fits all the filters." in page
    assert 'href="/ui/logs">See all events' in page


@pytest.fixture(scope="module")
def many(running: RunningServer) -> str:
    """More events of one client than a search finds."""
    written = [event(client_id="many") for _ in range(MANY)]
    running.server.store.write(lambda tx: tx.events.append(written))
    return "application=many"


def test_a_hundred_are_on_a_page_and_a_thousand_in_all(ada: Browser, many: str) -> None:
    first, last = ada.page(f"/logs?{many}"), ada.page(f"/logs?{many}&page=10")
    assert len(rows(first)) == len(rows(last)) == 100
    ids = [set(re.findall(r'data-id="(\d+)"', page)) for page in (first, last)]
    assert not ids[0] & ids[1]
    assert "1000 or more found" in first
    assert f'href="/ui/logs?{many}&amp;page=2" rel="next"' in first
    assert 'rel="prev"' not in first
    assert f'href="/ui/logs?{many}&amp;page=9" rel="prev"' in last
    assert 'rel="next"' not in last


@pytest.mark.parametrize("page", ["0", "-1", "x", "٣", "99999999999999999999"])
def test_a_page_that_is_none_is_the_first(ada: Browser, many: str, page: str) -> None:
    assert "Page 1 of 10" in ada.page(f"/logs?{many}&page={page}")


def test_the_file_has_a_line_for_each_event_of_the_filters(
    ada: Browser, caller: Caller, reader: Application
) -> None:
    caller.token(reader, API)
    caller.ask_token(wrong(reader), API)
    answer = ada.http.get(f"/ui/logs/export?application={reader.client_id}&type=feccft")
    assert re.fullmatch(r'attachment; filename="[\w-]+\.jsonl"', answer.headers["Content-Disposition"])
    [line] = answer.text.splitlines()
    assert json.loads(line) == newest(caller, f"type:feccft AND client_id:{reader.client_id}")


def test_the_file_ends_at_a_thousand_lines(ada: Browser, many: str) -> None:
    lines = ada.http.get(f"/ui/logs/export?{many}").text.splitlines()
    assert len({json.loads(line)["log_id"] for line in lines}) == len(lines) == 1000


def test_a_download_leaves_the_notice_to_the_next_page(ada: Browser, many: str) -> None:
    ada.send("/keys/rotate", {"back": "/ui/keys"})
    ada.http.get(f"/ui/logs/export?{many}")
    assert "Rotated" in alert(ada.page("/logs"))


# One event


def detail(ada: Browser, caller: Caller, q: str) -> str:
    return ada.page(f"/logs/{newest(caller, q)['log_id']}")


def fix(page: str) -> str:
    """The address to which an event's page sends to mend it."""
    found = re.search(r'<a class="button primary" href="/ui([^"]+)"', page)
    assert found is not None
    return html.unescape(found[1])


def test_an_event_is_told_whole(ada: Browser, caller: Caller, reader: Application) -> None:
    caller.token(reader, API)
    happened = newest(caller, f"type:seccft AND client_id:{reader.client_id}")
    page = ada.page(f"/logs/{happened['log_id']}")
    assert f"Reader got a token for {API}, with read:blog." in html.unescape(page)
    assert f"gatewright why {happened['details']['request_id']}" in page
    assert html.escape(json.dumps(happened, indent=2)).replace("&#x27;", "&#39;") in page.replace(
        "&#34;", "&quot;"
    )
    for name in happened:
        assert f"<dt>{name}</dt>" in page
    assert "What to do" not in page


def test_an_event_leads_to_those_like_it(ada: Browser, caller: Caller, reader: Application) -> None:
    caller.token(reader, API)
    caller.ask_token(wrong(reader), API)
    page = detail(ada, caller, f"type:feccft AND client_id:{reader.client_id}")
    links = {text: html.unescape(to) for to, text in re.findall(r'href="/ui(/logs\?[^"]+)">([^<]+)<', page)}
    assert [row[1] for row in rows(ada.page(links["Rows like this"]))] == ["refused"]
    assert [row[1] for row in rows(ada.page(links["Same application"]))] == ["refused", "issued"]


def test_without_a_grant_the_fix_is_the_applications_caret_on_the_api(
    ada: Browser, caller: Caller, api_id: str
) -> None:
    stranger = caller.application("Stranger")
    caller.ask_token(stranger, API)
    page = detail(ada, caller, f"type:feccft AND client_id:{stranger.client_id}")
    assert "it has no grant for that API" in page
    assert fix(page) == f"/apis/{api_id}/applications?open={stranger.client_id}"


def test_without_a_scope_the_fix_is_there_too(
    ada: Browser, caller: Caller, reader: Application, api_id: str
) -> None:
    caller.ask_token(reader, API, scope="create:blog")
    page = detail(ada, caller, f"type:feccft AND client_id:{reader.client_id}")
    assert fix(page) == f"/apis/{api_id}/applications?open={reader.client_id}"


def test_of_a_wrong_secret_the_fix_is_at_the_credentials(
    ada: Browser, caller: Caller, reader: Application
) -> None:
    caller.ask_token(wrong(reader), API)
    page = detail(ada, caller, f"type:feccft AND client_id:{reader.client_id}")
    assert fix(page) == f"/apps/{reader.client_id}/credentials"


def test_of_an_unknown_client_the_fix_is_to_look_which_there_are(
    ada: Browser, caller: Caller, api_id: str
) -> None:
    assert api_id
    caller.ask_token(Application("nobody", "x"), API)
    page = detail(ada, caller, "type:feccft")
    assert "Somebody unknown" in page
    assert fix(page) == "/apps"


def test_of_an_unknown_api_the_fix_is_among_the_apis(
    ada: Browser, caller: Caller, reader: Application
) -> None:
    caller.ask_token(reader, "https://unknown.example")
    assert fix(detail(ada, caller, f"type:feccft AND client_id:{reader.client_id}")) == "/apis"


def test_of_a_grant_type_the_fix_is_in_the_settings(
    ada: Browser, caller: Caller, reader: Application
) -> None:
    caller.update(f"clients/{reader.client_id}", grant_types=[])
    caller.ask_token(reader, API)
    page = detail(ada, caller, f"type:feccft AND client_id:{reader.client_id}")
    assert fix(page) == f"/apps/{reader.client_id}/settings"


def test_a_person_is_named(ada: Browser, caller: Caller) -> None:
    ada.send("/keys/rotate", {"back": "/ui/keys"})
    assert "ada: Rotate the signing keys." in detail(ada, caller, "user_name:ada AND type:sapi")


def test_an_event_that_is_not_there_is_404(ada: Browser) -> None:
    assert ada.http.get("/ui/logs/900").status_code == 404


# As it happens


def followed(ada: Browser, query: str, last: str = "", cause: Callable[[], object] = bool) -> list[str]:
    """What each row of the first message says, then its id; `cause` is called when it is asked for."""
    headers = {"Last-Event-ID": last} if last else {}
    with ada.http.stream("GET", f"/ui/logs/live?{query}", headers=headers) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        chunks = answer.iter_text()
        assert next(chunks) == "retry: 500\n\n"
        cause()
        message = re.fullmatch(r"id: (\d+)\ndata: (.*)\n\n", next(chunks, ""))
    assert message is not None
    shown = json.loads(message[2])
    assert not shown or shown[-1]["log_id"] == message[1]
    return [*(row["word"] for row in shown), message[1]]


def test_what_happened_after_a_checkpoint_comes_oldest_first(
    ada: Browser, caller: Caller, reader: Application, moving_clock: Clock
) -> None:
    begun = new_log_id(moving_clock.now)
    caller.token(reader, API)
    caller.ask_token(wrong(reader), API)
    moving_clock.now += 2
    *words, last = followed(ada, f"after={begun}")
    assert words == ["issued", "refused"]
    caller.token(reader, API)
    moving_clock.now += 2
    assert followed(ada, f"after={begun}", last)[:-1] == ["issued"]


def test_live_keeps_to_the_filters(
    ada: Browser, caller: Caller, reader: Application, moving_clock: Clock
) -> None:
    begun = new_log_id(moving_clock.now)
    caller.token(reader, API)
    caller.ask_token(wrong(reader), API)
    moving_clock.now += 2
    query = f"type:feccft OR ip:nowhere&application={reader.client_id}&after={begun}"
    assert followed(ada, f"q={query}")[:-1] == ["refused"]


def test_live_without_a_sound_checkpoint_begins_now(
    ada: Browser, caller: Caller, reader: Application, moving_clock: Clock
) -> None:
    def cause() -> None:
        caller.ask_token(wrong(reader), API)
        moving_clock.now += 2

    caller.token(reader, API)
    assert followed(ada, "after=9 OR 1", cause=cause)[:-1] == ["refused"]


def test_live_is_for_those_who_are_logged_in(running: RunningServer) -> None:
    answer = httpx2.get(f"{running.issuer}ui/logs/live")
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/ui/login")


def test_the_page_says_how_to_follow_without_script(ada: Browser) -> None:
    page = ada.page("/logs?live=1&type=feccft")
    assert 'data-live="/ui/logs/live?type=feccft"' in page
    assert "gatewright logs tail" in page
    assert "data-live" not in ada.page("/logs?type=feccft")


def test_a_stop_waits_for_what_is_live_and_cuts_nothing_off(tmp_path: Path) -> None:
    settings = Settings.load({}, data=tmp_path / "data", listen=f"localhost:{free_port()}")
    running = start(settings)
    with first_administrator(running) as person, person.http.stream("GET", "/ui/logs/live") as answer:
        chunks = answer.iter_text()
        assert next(chunks).startswith("retry:")
        stopping = threading.Thread(target=running.stop)
        stopping.start()
        list(chunks)  # raises if the server had to cut it off
        stopping.join()


# What guards refused


@pytest.fixture
def refusal(caller: Caller, reader: Application, clock: Clock) -> dict[str, Any]:
    row = refused(API, reader.client_id, minute=int(clock.now) // 60 * 60, count=3)
    nameless = {
        "minute": int(clock.now) // 60 * 60,
        "audience": API,
        "reason": "expired",
        "missing": [],
        "enforced": False,
        "count": 1,
        "request_id": "0123456789abcdee",
    }
    answer = caller.manage("POST", "guard-reports", json={"refusals": [row, nameless]})
    assert answer.status_code == 204, answer.text
    return row


def test_a_refusal_has_its_explanation_the_command_and_the_grant(
    ada: Browser, refusal: dict[str, Any]
) -> None:
    page = html.unescape(ada.page(f"/logs/refusals?application={refusal['client_id']}"))
    assert "POST /blogs" in page
    assert "3 times" in page
    assert f"gatewright grants add {refusal['client_id']} {API} --scope create:blog" in page
    form = re.search(r'<form method="post" action="/ui/grant">(.*?)</form>', page, re.DOTALL)
    assert form is not None
    sent = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[1]))
    assert sent.pop("csrf")
    assert sent == {"client_id": refusal["client_id"], "audience": API, "scope": "create:blog"}


def test_refusals_are_filtered(ada: Browser, refusal: dict[str, Any], moving_clock: Clock) -> None:
    mine = f"/logs/refusals?application={refusal['client_id']}"
    assert ada.page(mine + "&reason=insufficient_scope").count('class="refusal"') == 1
    assert ada.page(mine + "&reason=expired").count('class="refusal"') == 0
    assert ada.page(mine + "&api=" + quote(API)).count('class="refusal"') == 1
    assert ada.page(mine + "&api=https://other.example").count('class="refusal"') == 0
    assert "expired" in ada.page("/logs/refusals?reason=expired")
    moving_clock.now += 2 * 3600
    assert ada.page(mine + "&since=3600").count('class="refusal"') == 0
    assert ada.page(mine + "&since=86400").count('class="refusal"') == 1
    assert "nothing fits the filters" in ada.page(mine + "&since=3600")


def test_a_refusal_of_nobody_known_is_shown_on_home_too(ada: Browser, refusal: dict[str, Any]) -> None:
    for page in (ada.page("/"), ada.page("/logs/refusals")):
        assert "expired</span> (let in, for its guard only reports)" in page
        assert f"/ui/apps/{refusal['client_id']}/settings" in page


def test_filters_of_refusals_come_back_escaped(ada: Browser) -> None:
    for name in ("api", "application", "reason", "since", "page"):
        page = ada.http.get("/ui/logs/refusals", params={name: CANARY}).text
        assert "<script>alert" not in page


def test_without_reports_the_page_says_how_to_get_them(tmp_path: Path, clock: Clock) -> None:
    settings = Settings.load({}, data=tmp_path / "data", listen=f"localhost:{free_port()}")
    with start(settings, now=clock) as running, first_administrator(running) as person:
        page = html.unescape(person.page("/logs/refusals"))
        assert 'eval "$(gatewright env --reports)"' in page


def test_a_viewer_reads_logs_and_refusals_and_grants_nothing(
    vera: Browser, caller: Caller, refusal: dict[str, Any], reader: Application
) -> None:
    caller.token(reader, API)
    assert rows(vera.page(of(reader)))[0][1] == "issued"
    page = vera.page(f"/logs/refusals?application={refusal['client_id']}")
    assert 'class="refusal"' in page
    assert "/ui/grant" not in page


# The plot on the first page


def test_home_draws_the_tokens_of_thirty_days_with_their_table(
    ada: Browser, caller: Caller, reader: Application
) -> None:
    caller.token(reader, API)
    page = ada.page("/")
    days = re.findall(r"<tr><td>([\d-]+)</td><td>(\d+)</td></tr>", page)
    assert len(days) == 30
    assert days[0][0] == "2027-01-15"
    assert int(days[0][1]) > 0
    assert len(re.findall(r'<rect class="count"', page)) == 30
    assert f"<title>2027-01-15: {days[0][1]}</title>" in page
    assert re.search(r"<figcaption>[\d,]+ tokens? in the last 30 days", page)
