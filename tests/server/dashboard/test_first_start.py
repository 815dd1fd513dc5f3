"""The link that the first start prints: good once, for half an hour, for one person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatewright.server.dashboard.entry import new_start_link
from tests.server.dashboard.conftest import PASSWORD

if TYPE_CHECKING:
    from gatewright.server.app import RunningServer
    from tests.records import Clock
    from tests.server.dashboard.conftest import Browser


def test_the_link_is_good_once_and_for_half_an_hour(
    running: RunningServer, browser: Browser, moving_clock: Clock
) -> None:
    assert "printed a link" in browser.go("/login", status=403)
    older, link = new_start_link(running.server), new_start_link(running.server)
    assert older is not None
    assert link is not None
    assert "of no use" in browser.go(older.partition("/ui")[2], status=403)
    moving_clock.now += 1801
    path = link.partition("/ui")[2]
    assert "of no use" in browser.go(path, status=403)
    moving_clock.now -= 1801
    assert "The first administrator" in browser.go(path)
    key = link.partition("key=")[2]
    for fields, fault in (
        ({"name": "", "password": PASSWORD, "again": PASSWORD}, "Choose a name"),
        ({"name": "ada", "password": "short", "again": "short"}, "fewer than 12"),
        ({"name": "ada", "password": "aaaaaaaaaaaaaaaa", "again": "aaaaaaaaaaaaaaaa"}, "too easy"),
        ({"name": "ada", "password": PASSWORD, "again": PASSWORD + "!"}, "differ"),
    ):
        assert fault in browser.send("/start", {"key": key, **fields}, status=400)
    browser.send("/start", {"key": key, "name": "ada", "password": PASSWORD, "again": PASSWORD})
    assert browser.path == "/"
    assert "ada" in browser.text
    assert new_start_link(running.server) is None
    mallory = {"key": key, "name": "mallory", "password": PASSWORD, "again": PASSWORD}
    assert "of no use" in browser.send("/start", mallory, status=403)
