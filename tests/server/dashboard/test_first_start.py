"""The link that the first start prints: good once, for half an hour, for one person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatewright.server.dashboard.entry import new_start_link
from tests.server.dashboard.browsing import PASSWORD, Browser

if TYPE_CHECKING:
    from gatewright.server.app import RunningServer
    from tests.records import Clock


def test_the_link_is_good_once_and_for_half_an_hour(
    running: RunningServer, browser: Browser, moving_clock: Clock
) -> None:
    assert "printed a link" in browser.page("/login", status=403)
    older, link = new_start_link(running.server), new_start_link(running.server)
    assert older is not None
    assert link is not None
    assert "of no use" in browser.page(older.partition("/ui")[2], status=403)
    moving_clock.now += 1801
    path = link.partition("/ui")[2]
    assert "of no use" in browser.page(path, status=403)
    moving_clock.now -= 1801
    assert "The first administrator" in browser.page(path)
    for fields, fault in (
        ({"name": "", "password": PASSWORD, "again": PASSWORD}, "Choose a name"),
        ({"name": "ada", "password": "short", "again": "short"}, "fewer than 12"),
        ({"name": "ada", "password": "aaaaaaaaaaaaaaaa", "again": "aaaaaaaaaaaaaaaa"}, "too easy"),
        ({"name": "ada", "password": PASSWORD, "again": PASSWORD + "!"}, "differ"),
    ):
        assert fault in browser.refused("/start", fields, on=path)
    page = browser.done("/start", {"name": "ada", "password": PASSWORD, "again": PASSWORD}, on=path)
    assert browser.path == "/"
    assert "ada" in page
    assert new_start_link(running.server) is None
    mallory = {"key": link.partition("key=")[2], "name": "mallory", "password": PASSWORD, "again": PASSWORD}
    answer = browser.send("/start", mallory)
    assert answer.status_code == 403
    assert "of no use" in answer.text
