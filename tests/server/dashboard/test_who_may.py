"""Every row of the dashboard's table: who may come, whatever it is for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx2
import pytest

from gatewright.server.dashboard.app import ROUTES
from gatewright.server.dashboard.page import Route

if TYPE_CHECKING:
    from gatewright.server.app import RunningServer
    from tests.server.dashboard.browsing import Browser

CLOSED = [row for row in ROUTES if isinstance(row, Route)]
OPEN_TO_VIEWERS = {"/logout", "/settings/password"}
"""What somebody who may look only may send: it changes nothing but their own."""

each_row = pytest.mark.parametrize("row", CLOSED, ids=lambda row: f"{row.method} {row.path}")
each_form = pytest.mark.parametrize(
    "row", [row for row in CLOSED if row.method == "POST"], ids=lambda row: row.path
)
for_administrators = pytest.mark.parametrize(
    "row",
    [row for row in CLOSED if row.access == "administrator"],
    ids=lambda row: f"{row.method} {row.path}",
)


def send(http: httpx2.Client, row: Route, **fields: str) -> httpx2.Response:
    path = re.sub(r"\{[^}]+\}", "none", row.path)
    return http.request(
        row.method,
        f"ui{path}",
        data={"a": "form", **fields} if row.method == "POST" else None,
        follow_redirects=False,
    )


@each_row
def test_nobody_gets_further_than_the_login(running: RunningServer, row: Route) -> None:
    with httpx2.Client(base_url=running.issuer, timeout=30) as http:
        answer = send(http, row)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/ui/login?next=")


@each_form
def test_no_form_counts_without_its_token(ada: Browser, row: Route) -> None:
    for fields in ({}, {"csrf": ""}, {"csrf": "x" * len(ada.csrf())}):
        answer = send(ada.http, row, **fields)
        assert answer.status_code == 403
        assert "Set-Cookie" not in answer.headers


@for_administrators
def test_who_may_look_only_may_not(vera: Browser, row: Route) -> None:
    answer = send(vera.http, row, csrf=vera.csrf())
    assert answer.status_code == 403
    assert "Only an administrator may do that." in answer.text


def test_viewers_may_send_their_own_alone() -> None:
    assert {row.path for row in CLOSED if row.method == "POST" and row.access == "viewer"} == OPEN_TO_VIEWERS
