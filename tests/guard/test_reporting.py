"""What a guard reports of its decisions: counted, bounded, by a thread of its own, and never in the way."""

from __future__ import annotations

import gc
import json
import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from gatewright import Denied, Guard, Request, any_of, claim
from gatewright.guard import Issuer, Reporter, Reports
from gatewright.guard.reporting import MOST_WAITING
from tests.guard.issuing import AUDIENCE, ISSUER, NOW, Clock, bearer, guard, key, token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SECRET = "of-the-reporter"
MINUTE = int(NOW) // 60 * 60


@dataclass
class Desk:
    """The server's two doors as a reporter sees them: takes reports, or does not, as it is told."""

    status: int = 204
    tokens: int = 0
    reports: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    is_away: bool = False
    open: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.open.set()

    def __call__(
        self, url: str, *, body: bytes, headers: Mapping[str, str], timeout: float
    ) -> tuple[int, dict[str, str], bytes]:
        assert self.open.wait(timeout)
        if self.is_away:
            raise ConnectionRefusedError(url)
        if url == f"{ISSUER}oauth/token":
            self.tokens += 1
            asked = json.loads(body)
            assert asked == {
                "grant_type": "client_credentials",
                "client_id": "reporter",
                "client_secret": SECRET,
                "audience": f"{ISSUER}api/v2/",
                "scope": "create:guard_reports",
            }
            answer = {"access_token": f"token-{self.tokens}", "expires_in": 3600}
            return 200, {}, json.dumps(answer).encode()
        assert url == f"{ISSUER}api/v2/guard-reports"
        self.authorizations.append(headers["Authorization"])
        if self.status == 204:
            self.reports.append(json.loads(body))
        return self.status, {}, b'{"message":"words of the server"}'

    @property
    def refusals(self) -> list[dict[str, Any]]:
        return [row for report in self.reports for row in report["refusals"]]

    @property
    def uses(self) -> list[dict[str, Any]]:
        return [row for report in self.reports for row in report["uses"]]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def door(desk: Desk) -> Guard:
    return reporting(desk)


def reporting(desk: Desk, **more: Any) -> Guard:  # noqa: ANN401 - what a guard is built with
    return guard(report=Reports(client_id="reporter", client_secret=SECRET, fetch=desk), **more)


def reporter_of(door: Guard) -> Reporter:
    assert door.reporter is not None
    return door.reporter


def asked(method: str = "GET", route: str | None = "/blogs/{id}", *, scope: str | None = "") -> Request:
    headers = [] if scope is None else bearer(token(scope=scope))
    return Request(method, "/blogs/7?secret=x", headers, route=route)


def eventually(happened: Callable[[], bool], *, within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_refusals_of_a_kind_and_minute_are_one_row_with_the_last_id(door: Guard, desk: Desk) -> None:
    refusals = [door.decide(asked(scope="read:blog"), "create:blog") for _ in range(3)]
    last = refusals[-1]
    assert isinstance(last, Denied)
    assert reporter_of(door).flush()
    assert desk.refusals == [
        {
            "minute": MINUTE,
            "audience": AUDIENCE,
            "method": "GET",
            "route": "/blogs/{id}",
            "reason": "insufficient_scope",
            "client_id": "app",
            "missing": ["create:blog"],
            "enforced": True,
            "count": 3,
            "request_id": last.request_id,
        }
    ]


def test_whatever_differs_in_kind_is_a_row_of_its_own(desk: Desk) -> None:
    clock = Clock()
    door = reporting(desk, now=clock)
    door.decide(asked(), "a")
    door.decide(asked("POST"), "a")
    door.decide(asked(route="/other"), "a")
    door.decide(asked(), "b")
    door.decide(asked(scope=None))
    clock.forward(60)
    door.decide(asked(), "a")
    reporter_of(door).flush()
    assert len(desk.refusals) == 6


def test_nothing_but_counts_leaves_the_process(door: Guard, desk: Desk) -> None:
    sent = token(scope="read:blog", sub="somebody@clients", email="a@b.example", jti="the-jti")
    request = Request(
        "GET", "/blogs/personal?q=private", [*bearer(sent), ("Cookie", "c=1"), ("User-Agent", "agent")]
    )
    door.decide(request, "create:blog")
    door.decide(request, "read:blog")
    reporter_of(door).flush()
    text = json.dumps(desk.reports)
    for private in (sent, sent.split(".")[1], "somebody", "a@b", "the-jti", "personal", "private", "agent"):
        assert private not in text
    assert [row["route"] for row in desk.refusals] == [""]


def test_of_a_token_that_was_not_accepted_no_client_is_told(door: Guard, desk: Desk) -> None:
    door.decide(Request("GET", "/", bearer(token(exp=NOW - 100)), route="/"))
    door.decide(Request("GET", "/", bearer(token()[:-4] + "AAAA"), route="/"))
    reporter_of(door).flush()
    assert {row["reason"] for row in desk.refusals} == {"expired", "bad_signature"}
    assert all("client_id" not in row for row in desk.refusals)


def test_only_scopes_that_are_missing_are_told(door: Guard, desk: Desk) -> None:
    door.decide(asked(scope="a"), "a b c")
    reporter_of(door).flush()
    assert [row["missing"] for row in desk.refusals] == [["b", "c"]]


def test_a_guard_that_only_reports_says_so(desk: Desk) -> None:
    door = reporting(desk, enforce=False)
    door.decide(asked(), "create:blog")
    reporter_of(door).flush()
    assert [row["enforced"] for row in desk.refusals] == [False]


def test_scopes_that_opened_the_way_are_used_and_others_not(door: Guard, desk: Desk) -> None:
    door.decide(asked(scope="read:blog create:blog"), "read:blog")
    door.decide(asked(scope="admin read:blog"), any_of("root", "admin"))
    door.decide(asked(scope="x"), claim("azp").equals("app"))
    reporter_of(door).flush()
    told = {(row["client_id"], row["scope"]): row["last_used_at"] for row in desk.uses}
    assert told == dict.fromkeys([("app", "read:blog"), ("app", "admin"), ("app", "")], int(NOW))


def test_a_rule_met_after_the_decision_is_a_use_too(door: Guard, desk: Desk) -> None:
    request = asked(scope="read:blog")
    door.require(request, door.check(request), "read:blog")
    reporter_of(door).flush()
    assert {row["scope"] for row in desk.uses} == {"", "read:blog"}


def test_the_latest_use_is_told(desk: Desk) -> None:
    clock = Clock()
    door = reporting(desk, now=clock)
    door.decide(asked(scope="a"), "a")
    clock.forward(5)
    door.decide(asked(scope="a"), "a")
    reporter_of(door).flush()
    assert [row["last_used_at"] for row in desk.uses] == [int(NOW) + 5]


def test_a_thread_sends_refusals_by_itself(door: Guard, desk: Desk) -> None:
    door.decide(asked(scope=None))
    eventually(lambda: len(desk.refusals) == 1)
    assert {thread.name for thread in threading.enumerate()} >= {"gatewright-reports"}
    eventually(lambda: reporter_of(door).health().waiting == 0)


def test_one_token_serves_many_reports_and_a_new_one_the_time_after(desk: Desk) -> None:
    clock = Clock()
    door = reporting(desk, now=clock)
    for _ in range(3):
        door.decide(asked(scope=None))
        assert reporter_of(door).flush()
    assert desk.tokens == 1
    clock.forward(3600 - 59)
    door.decide(asked(scope=None))
    assert reporter_of(door).flush()
    assert desk.tokens == 2
    assert desk.authorizations[-1] == "Bearer token-2"


def test_a_token_that_is_refused_is_renewed_once(door: Guard, desk: Desk) -> None:
    desk.status = 401
    door.decide(asked(scope=None))
    assert not reporter_of(door).flush()
    assert desk.tokens == 2
    desk.status = 204
    assert reporter_of(door).flush()
    assert [row["count"] for row in desk.refusals] == [1]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_is_not_taken_now_waits_and_adds_up(door: Guard, desk: Desk, status: int) -> None:
    desk.status = status
    door.decide(asked(scope=None))
    assert not reporter_of(door).flush()
    door.decide(asked(scope=None))
    desk.status = 204
    assert reporter_of(door).flush()
    assert [row["count"] for row in desk.refusals] == [2]
    health = reporter_of(door).health()
    assert (health.waiting, health.sent, health.dropped, health.failure) == (0, 1, 0, None)


def test_what_will_never_be_taken_is_dropped_and_told(
    door: Guard, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.status = 403
    door.decide(asked(scope=None))
    assert not reporter_of(door).flush()
    health = reporter_of(door).health()
    assert (health.waiting, health.dropped) == (0, 1)
    assert health.failure == "403 'words of the server'"
    assert "words of the server" in caplog.text
    assert SECRET not in caplog.text
    assert "token-1" not in caplog.text


def test_the_warning_comes_once_and_the_recovery_is_told(
    door: Guard, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="gatewright.guard")
    desk.is_away = True
    door.decide(asked(scope=None))
    for _ in range(3):
        assert not reporter_of(door).flush()
    desk.is_away = False
    assert reporter_of(door).flush()
    told = [record.getMessage() for record in caplog.records if "reports are" in record.getMessage()]
    assert [line.split(" by ")[0] for line in told] == ["reports are not taken", "reports are taken again"]


def test_memory_is_bounded_and_what_finds_no_room_is_counted(door: Guard, desk: Desk) -> None:
    desk.is_away = True
    for number in range(MOST_WAITING + 50):
        door.decide(asked(route=f"/{number}", scope=None))
        door.decide(asked(scope=f"s{number}"), f"s{number}")
    health = reporter_of(door).health()
    assert (health.waiting, health.dropped) == (2 * MOST_WAITING, 100)
    assert not reporter_of(door).flush()
    assert reporter_of(door).health().waiting == 2 * MOST_WAITING
    desk.is_away = False
    assert reporter_of(door).flush()
    assert sum(report["dropped"] for report in desk.reports) == 100
    assert len(desk.refusals) == MOST_WAITING


def test_a_server_that_hangs_holds_up_no_decision(door: Guard, desk: Desk) -> None:
    desk.open.clear()
    try:
        door.decide(asked(scope=None))
        sending = threading.Thread(target=reporter_of(door).flush)
        sending.start()
        eventually(lambda: reporter_of(door).health().waiting == 0)  # taken out, and under way
        verdicts = [door.decide(asked(scope="read:blog"), "read:blog") for _ in range(100)]
        assert not any(isinstance(verdict, Denied) for verdict in verdicts)
        assert isinstance(door.decide(asked(scope=None)), Denied)
        assert sending.is_alive()
    finally:
        desk.open.set()
    sending.join()
    assert len(desk.refusals) >= 1


def test_a_reporter_that_fails_changes_no_verdict(
    door: Guard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Reporter, "refused", fail)
    monkeypatch.setattr(Reporter, "accepted", fail)
    assert isinstance(door.decide(asked(scope=None)), Denied)
    assert not isinstance(door.decide(asked(scope="a"), "a"), Denied)
    assert "the decision stands" in caplog.text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_the_child_of_a_fork_reports_for_itself_and_not_for_its_parent(door: Guard, desk: Desk) -> None:
    desk.is_away = True
    door.decide(asked(scope=None))
    desk.is_away = False
    child = os.fork()
    if child == 0:
        ok = reporter_of(door).health().waiting == 0
        door.decide(asked(scope=None))
        eventually(lambda: [row["count"] for row in desk.refusals] == [1])
        os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert reporter_of(door).flush()
    assert [row["count"] for row in desk.refusals] == [1]


def test_a_guard_that_is_gone_leaves_no_thread(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewright.guard.reporting.USES_AFTER", 0.05)
    before = set(threading.enumerate())
    door = reporting(desk)
    door.decide(asked(scope=None))
    eventually(lambda: len(desk.refusals) == 1)
    mine = [thread for thread in set(threading.enumerate()) - before if thread.name == "gatewright-reports"]
    assert len(mine) == 1
    del door
    gc.collect()  # refusals and the frames they were raised in hold one another
    mine[0].join(20)
    assert not mine[0].is_alive()


def test_another_issuers_clients_are_none_of_the_servers_business(desk: Desk) -> None:
    other = "https://other.example/"
    trusted = [Issuer(url, keys=key()) for url in (other, ISSUER)]
    reports = Reports(client_id="reporter", client_secret=SECRET, issuer=ISSUER, fetch=desk)
    door = Guard(*trusted, audience=AUDIENCE, report=reports, now=Clock())
    door.decide(Request("GET", "/", bearer(token(iss=other, scope="a"))), "b")
    door.decide(Request("GET", "/", bearer(token(iss=other, scope="a"))), "a")
    assert reporter_of(door).flush()
    assert desk.uses == []
    assert ["client_id" in row for row in desk.refusals] == [False]


def test_a_guard_reports_to_an_issuer_that_it_names(desk: Desk) -> None:
    for issuers, issuer in (((ISSUER,), "https://other.example/"), ((), None)):
        with pytest.raises(ValueError, match="one of the issuers"):
            Guard(
                *issuers,
                tenants=lambda _: None,
                audience=AUDIENCE,
                report=Reports(client_id="a", client_secret=SECRET, issuer=issuer, fetch=desk),
            )


def test_the_environment_says_whether_to_report() -> None:
    environ = {"GATEWRIGHT_ISSUER": ISSUER, "GATEWRIGHT_AUDIENCE": AUDIENCE}
    assert Guard.from_env(environ).reporter is None
    both = {"GATEWRIGHT_REPORT_CLIENT_ID": "reporter", "GATEWRIGHT_REPORT_CLIENT_SECRET": SECRET}
    assert Guard.from_env({**environ, **both}).reporter is not None
    for name in both:
        with pytest.raises(ValueError, match="or neither"):
            Guard.from_env({**environ, name: "only"})


def test_what_cannot_be_a_reporter_is_told_when_the_guard_is_made() -> None:
    for client_id, secret in (("", SECRET), ("a", "")):
        with pytest.raises(ValueError, match="is not empty"):
            Reports(client_id=client_id, client_secret=secret)
    with pytest.raises(TypeError, match="client_secret is a string"):
        Reports(client_id="a", client_secret=None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="report is Reports"):
        guard(report="reporter")
    assert SECRET not in repr(Reports(client_id="a", client_secret=SECRET))


def test_of_several_audiences_the_one_that_the_token_names_is_told(desk: Desk) -> None:
    door = reporting(desk, audience=[AUDIENCE, "https://other"])
    for audience in (AUDIENCE, "https://other", ["https://third", "https://other"]):
        request = Request("GET", "/", bearer(token(aud=audience, scope="a")), route="/")
        door.decide(request, "b")
        door.decide(request, "a")
    door.decide(Request("GET", "/"))
    reporter_of(door).flush()
    told = {(row["reason"], row["audience"]): row["count"] for row in desk.refusals}
    assert told == {
        ("insufficient_scope", AUDIENCE): 1,
        ("insufficient_scope", "https://other"): 2,
        ("no_token", AUDIENCE): 1,
    }
    assert {row["audience"] for row in desk.uses} == {AUDIENCE, "https://other"}


def test_a_method_of_any_length_is_told_in_16_letters(door: Guard, desk: Desk) -> None:
    verdict = door.decide(Request("x" * 20, "/"))
    reporter_of(door).flush()
    assert isinstance(verdict, Denied)
    assert [(row["method"], row["request_id"]) for row in desk.refusals] == [("X" * 16, verdict.request_id)]


def sent_while(desk: Desk, door: Guard, happens: Callable[[], object]) -> None:
    """Has something happen while the server takes its time, and then fails."""
    desk.open.clear()
    sending = threading.Thread(target=reporter_of(door).flush)
    sending.start()
    eventually(lambda: reporter_of(door).health().waiting == 0)
    happens()
    desk.is_away = True
    desk.open.set()
    sending.join()
    desk.is_away = False


def test_what_comes_while_a_report_fails_is_added_to_what_comes_back(door: Guard, desk: Desk) -> None:
    for _ in range(3):
        door.decide(asked(scope=None))
    sent_while(desk, door, lambda: [door.decide(asked(scope=None)) for _ in range(2)])
    last = door.decide(asked(scope=None))
    assert reporter_of(door).flush()
    assert isinstance(last, Denied)
    assert [(row["count"], row["request_id"]) for row in desk.refusals] == [(6, last.request_id)]


def test_what_finds_no_room_on_its_way_back_is_counted_with_what_was_dropped_before(
    door: Guard, desk: Desk
) -> None:
    for number in range(5):
        door.decide(asked(route=f"/old/{number}", scope=None))
    sent_while(
        desk,
        door,
        lambda: [door.decide(asked(route=f"/{number}", scope=None)) for number in range(MOST_WAITING - 2)],
    )
    health = reporter_of(door).health()
    assert (health.waiting, health.dropped) == (MOST_WAITING, 3)
    door.decide(asked(route="/one/more", scope=None))
    assert reporter_of(door).flush()
    assert sum(report["dropped"] for report in desk.reports) == 4
    assert reporter_of(door).health().dropped == 4


def test_what_was_never_taken_adds_up(door: Guard, desk: Desk) -> None:
    desk.status = 400
    for scope in ("a", "b"):
        door.decide(asked(scope=scope), scope)
        door.decide(asked(scope=None))
        assert not reporter_of(door).flush()
    assert reporter_of(door).health().dropped == 4


def test_a_thread_with_nothing_to_send_ends_and_the_next_row_starts_another(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatewright.guard.reporting.USES_AFTER", 0.05)
    monkeypatch.setattr("gatewright.guard.reporting.IDLE_AFTER", 0.0)
    before = set(threading.enumerate())

    def mine() -> list[threading.Thread]:
        return [each for each in set(threading.enumerate()) - before if each.name == "gatewright-reports"]

    door = reporting(desk)
    for count in (1, 2):
        door.decide(asked(scope=None))
        eventually(lambda expected=count: sum(row["count"] for row in desk.refusals) == expected)  # type: ignore[misc]  # bound at once
        eventually(lambda: not mine())
    assert not reporter_of(door).health().waiting


def test_a_refusal_in_the_words_of_oauth_is_told_too() -> None:
    def refuse(url: str, **_: object) -> tuple[int, dict[str, str], bytes]:
        said = {"error": "access_denied", "error_description": "No" + "!" * 300} if "oauth" in url else None
        return 403, {}, json.dumps(said).encode()

    other = guard(report=Reports(client_id="reporter", client_secret=SECRET, fetch=refuse))
    other.decide(asked(scope=None))
    assert not reporter_of(other).flush()
    assert reporter_of(other).health().failure == f"403 {'No' + '!' * 198!r}"
    plain = guard(
        report=Reports(client_id="r", client_secret=SECRET, fetch=lambda *_, **__: (418, {}, b"tea"))
    )
    plain.decide(asked(scope=None))
    assert not reporter_of(plain).flush()
    assert reporter_of(plain).health().failure == "418 ''"
