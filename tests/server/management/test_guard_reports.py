"""`/guard-reports`: what guards tell is added up, bound to one API, and explained by the records."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.records import NOW
from tests.running import bearer
from tests.server.calling import renewed

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from tests.records import Clock
    from tests.running import Application, Caller
    from tests.server.calling import Limited

MINUTE = int(NOW) // 60 * 60


@dataclass(frozen=True, slots=True)
class Subject:
    """An API and an application that may read it."""

    caller: Caller
    audience: str
    application: Application

    def row(self, **changed: object) -> dict[str, object]:
        """A refusal for want of `create:blog`."""
        row: dict[str, object] = {
            "minute": MINUTE,
            "audience": self.audience,
            "method": "POST",
            "route": "/blogs/{id}",
            "reason": "insufficient_scope",
            "client_id": self.application.client_id,
            "missing": ["create:blog"],
            "enforced": True,
            "count": 2,
            "request_id": "0123456789abcdef",
        }
        return {name: value for name, value in (row | changed).items() if value is not None}

    def report(self, *rows: dict[str, object], **more: object) -> httpx2.Response:
        return self.caller.manage("POST", "guard-reports", json={"refusals": list(rows), **more})

    def use(self, scope: str, at: float = NOW) -> dict[str, object]:
        client_id = self.application.client_id
        return {
            "audience": self.audience,
            "client_id": client_id,
            "scope": scope,
            "last_used_at": int(at),
        }

    def refusals(self, **query: str | int) -> list[dict[str, Any]]:
        answer = self.caller.manage(
            "GET", "guard-reports/refusals", params={"audience": self.audience, **query}
        )
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found

    def diagnosis(self) -> tuple[str, list[str]]:
        (row,) = self.refusals(reason="insufficient_scope")
        return row["explanation"], row["commands"]


@pytest.fixture
def subject(caller: Caller) -> Subject:
    audience = f"https://blog.example/{uuid.uuid4()}"
    scopes = [{"value": value} for value in ("read:blog", "create:blog")]
    caller.create("resource-servers", identifier=audience, name="Blogs", scopes=scopes)
    application = caller.application("Reader")
    caller.authorize(application, audience, "read:blog")
    return Subject(caller, audience, application)


def test_counts_of_a_kind_and_minute_add_up_and_the_last_id_is_kept(subject: Subject) -> None:
    assert subject.report(subject.row()).status_code == 204
    assert subject.report(subject.row(count=3, request_id="f" * 16)).status_code == 204
    assert subject.report(subject.row(minute=MINUTE + 60)).status_code == 204
    newest, older = subject.refusals()
    assert (newest["count"], older["count"]) == (2, 5)
    assert older == {
        "minute": "2027-01-15T08:00:00.000Z",
        "audience": subject.audience,
        "reason": "insufficient_scope",
        "method": "POST",
        "route": "/blogs/{id}",
        "client_id": subject.application.client_id,
        "client_name": "Reader",
        "missing": ["create:blog"],
        "enforced": True,
        "count": 5,
        "request_id": "f" * 16,
        "explanation": older["explanation"],
        "commands": older["commands"],
    }


def test_filters_and_pages(subject: Subject) -> None:
    rows = [subject.row(route=f"/{number}", request_id=f"{number:016x}") for number in range(5)]
    subject.report(*rows, subject.row(reason="expired", client_id=None, missing=[]))
    assert [row["route"] for row in subject.refusals(reason="insufficient_scope", per_page=2, page=1)] == [
        "/2",
        "/1",
    ]
    assert [row["route"] for row in subject.refusals(request_id=f"{3:016x}")] == ["/3"]
    assert len(subject.refusals(client_id=subject.application.client_id)) == 5
    assert subject.refusals(since=MINUTE + 60) == []
    assert len(subject.refusals(since=MINUTE)) == 6
    first = subject.caller.manage("GET", "guard-reports/refusals", params={"take": 4}).json()
    rest = subject.caller.manage(
        "GET", "guard-reports/refusals", params={"take": 4, "from": first["next"]}
    ).json()
    routes = [row.get("route") for row in (*first["refusals"], *rest["refusals"])]
    assert routes[:6] == ["/blogs/{id}", "/4", "/3", "/2", "/1", "/0"]


def test_a_missing_scope_is_explained_by_the_grant_with_the_command_that_gives_it(subject: Subject) -> None:
    subject.report(subject.row())
    said, commands = subject.diagnosis()
    assert said == ("The token lacks `create:blog`; the grant of 'Reader' for this API has only `read:blog`.")
    client_id = subject.application.client_id
    assert commands == [f"gatewright grants add {client_id} {subject.audience} --scope create:blog"]


def test_a_scope_that_is_granted_by_now_needs_a_new_token(subject: Subject) -> None:
    subject.report(subject.row())
    (grant,) = subject.caller.manage(
        "GET", "client-grants", params={"client_id": subject.application.client_id}
    ).json()
    subject.caller.update(f"client-grants/{grant['id']}", scope=["create:blog"])
    said, commands = subject.diagnosis()
    assert said.endswith("'Reader' is granted it, but the token is older, or asked for less. Take a new one.")
    assert commands == []


def test_a_scope_that_no_one_defined_is_to_be_defined_first(subject: Subject) -> None:
    subject.report(subject.row(missing=["delete:blog"]))
    said, commands = subject.diagnosis()
    assert said == "The token lacks `delete:blog`; the API does not define `delete:blog`."
    client_id = subject.application.client_id
    assert commands == [
        f"gatewright apis scopes add {subject.audience} delete:blog",
        f"gatewright grants add {client_id} {subject.audience} --scope delete:blog",
    ]


def test_a_client_without_a_grant_gets_one(subject: Subject) -> None:
    other = subject.caller.application("Newcomer")
    subject.report(subject.row(client_id=other.client_id))
    said, commands = subject.diagnosis()
    assert said == "The token lacks `create:blog`; 'Newcomer' has no client grant for this API."
    assert commands == [f"gatewright grants set {other.client_id} {subject.audience} --scope create:blog"]


def test_a_client_that_is_gone_is_not_known(subject: Subject) -> None:
    subject.report(subject.row())
    subject.caller.manage("DELETE", f"clients/{subject.application.client_id}")
    said, commands = subject.diagnosis()
    assert said == "The token lacks `create:blog`; it is of no client that this server knows."
    assert commands == []


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("expired", "Take a new token."),
        ("wrong_audience", "Ask the token endpoint for this API's audience."),
        ("something_new", "The guard's log says more, by the request id."),
    ],
)
def test_other_reasons_are_explained_too(subject: Subject, reason: str, said: str) -> None:
    subject.report(subject.row(reason=reason, client_id=None, missing=[]))
    (row,) = subject.refusals()
    assert (row["explanation"], row["commands"]) == (said, [])
    assert "client_id" not in row


def test_uses_keep_their_first_and_their_latest_moment(subject: Subject) -> None:
    subject.report(uses=[subject.use("read:blog", NOW - 50)])
    subject.report(uses=[subject.use("read:blog", NOW - 10), subject.use("")])
    subject.report(uses=[subject.use("read:blog", NOW - 30)])
    params = {"audience": subject.audience}
    uses = subject.caller.manage("GET", "guard-reports/uses", params=params).json()
    client_id, at = subject.application.client_id, "2027-01-15T08:00:00.000Z"
    assert uses == [
        {
            "audience": subject.audience,
            "client_id": client_id,
            "scope": "",
            "first_used_at": at,
            "last_used_at": at,
        },
        {
            "audience": subject.audience,
            "client_id": client_id,
            "scope": "read:blog",
            "first_used_at": "2027-01-15T07:59:10.000Z",
            "last_used_at": "2027-01-15T07:59:50.000Z",
        },
    ]


def test_apis_that_report_are_known_with_what_they_dropped(subject: Subject, moving_clock: Clock) -> None:
    subject.report(subject.row(), dropped=3)
    moving_clock.now += 90
    subject.report(subject.row(), dropped=4)
    apis = subject.caller.manage("GET", "guard-reports/apis").json()
    assert [api for api in apis if api["audience"] == subject.audience] == [
        {
            "audience": subject.audience,
            "since": "2027-01-15T08:00:00.000Z",
            "last_at": "2027-01-15T08:01:30.000Z",
            "dropped": 7,
        }
    ]


def test_what_the_server_does_not_know_is_not_kept(subject: Subject) -> None:
    unknown = f"https://unknown.example/{uuid.uuid4()}"
    stranger = {**subject.use("read:blog"), "client_id": "nobody"}
    assert subject.report(subject.row(audience=unknown), uses=[stranger]).status_code == 204
    params = {"audience": unknown}
    assert subject.caller.manage("GET", "guard-reports/refusals", params=params).json() == []
    uses = subject.caller.manage("GET", "guard-reports/uses", params={"audience": subject.audience}).json()
    assert uses == []


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (0, "2027-01-14T08:00:00.000Z"),
        (MINUTE - 2 * 86400, "2027-01-14T08:00:00.000Z"),
        (MINUTE + 59, "2027-01-15T08:00:00.000Z"),
        (MINUTE + 86400, "2027-01-15T08:05:00.000Z"),
    ],
)
def test_a_guards_clock_is_believed_within_limits(subject: Subject, sent: int, kept: str) -> None:
    subject.report(subject.row(minute=sent))
    assert [row["minute"] for row in subject.refusals()] == [kept]


def test_refusals_go_after_thirty_days(subject: Subject, moving_clock: Clock) -> None:
    subject.report(subject.row())
    moving_clock.now += 30 * 86400 + 61
    subject = replace(subject, caller=renewed(subject.caller))
    subject.report(subject.row(minute=MINUTE + 30 * 86400 + 60, request_id="e" * 16))
    assert [row["request_id"] for row in subject.refusals()] == ["e" * 16]


def test_reports_leave_no_log_events_and_are_no_changes(
    subject: Subject, events_of: Callable[..., list[dict[str, Any]]]
) -> None:
    assert events_of(subject.report(subject.row())) == []


def test_the_scope_for_reports_opens_nothing_else(
    subject: Subject, holding: Callable[[str], Limited]
) -> None:
    reporter = holding("create:guard_reports")
    body = {"refusals": [subject.row()]}
    assert reporter("POST", "guard-reports", json=body).status_code == 204
    for path in ("guard-reports/refusals", "guard-reports/uses", "guard-reports/apis", "clients", "logs"):
        assert reporter("GET", path).status_code == 403


def test_a_client_that_is_bound_to_an_api_reports_for_no_other(subject: Subject, caller: Caller) -> None:
    reporter = caller.application("Reporter")
    bound = {"gatewright_reports_for": subject.audience}
    caller.update(f"clients/{reporter.client_id}", client_metadata=bound)
    caller.authorize(reporter, caller.issuer + "api/v2/", "create:guard_reports")
    token = caller.token(reporter, caller.issuer + "api/v2/")
    other = f"https://other.example/{uuid.uuid4()}"
    caller.create("resource-servers", identifier=other)

    def report(audience: str) -> httpx2.Response:
        body = {"refusals": [subject.row(), subject.row(audience=audience)]}
        return caller.http.post("api/v2/guard-reports", json=body, headers=bearer(token))

    assert report(subject.audience).status_code == 204
    answer = report(other)
    assert answer.status_code == 403
    assert answer.json()["message"] == f"This client reports for {subject.audience} only, not for {other}"


@pytest.mark.parametrize(
    "changed",
    [
        {"count": 0},
        {"request_id": "0123456789ABCDEF"},
        {"reason": "Not A Reason"},
        {"route": "/a\nb"},
        {"missing": ["a b"]},
        {"missing": ["a"] * 51},
        {"missing": [f"{number:0200}" for number in range(10)]},
        {"method": "get"},
        {"token": "eyJ"},
        {"minute": -1},
        {"enforced": "yes"},
    ],
)
def test_a_row_that_is_none_is_refused_and_nothing_of_the_report_is_kept(
    subject: Subject, changed: dict[str, object]
) -> None:
    answer = subject.report(subject.row(), subject.row(**changed))
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "invalid_body")
    assert subject.refusals() == []


def test_a_report_has_a_limit(subject: Subject) -> None:
    rows = [subject.row(route=f"/{number}") for number in range(1001)]
    assert subject.report(*rows).status_code == 400
    assert subject.report(*rows[:1000]).status_code == 204
