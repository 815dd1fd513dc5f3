"""Tokens asked for more often than needed are noticed, and said once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.client.endpoint import TokenEndpoint, granted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gatewright.client import TokenSource
    from tests.guard.issuing import Clock

    Making = Callable[..., TokenSource]

ANEW = "each with a new TokenSource"


def test_a_source_for_each_call_is_told_once(
    source_of: Making, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        source_of().token()
    assert ANEW not in caplog.text  # two, beside the first: that may be chance
    source = source_of()
    for _ in range(3):
        source.token()
        assert caplog.text.count(ANEW) == 1
        clock.forward(3600)
    for _ in range(10):
        source_of().token()
    assert caplog.text.count(ANEW) == 1
    assert "'reader' for https://blog-api" in caplog.text


def test_what_has_a_reason_is_not_told(
    source_of: Making, endpoint: TokenEndpoint, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(6):  # other audiences
        source_of(audience=f"urn:{number}").token()
    for _ in range(6):  # shared
        source_of(scope="shared", cache=tmp_path / "tokens").token()
    source = source_of(scope="one")
    for _ in range(6):  # renewed in time, by the same source
        source.token()
        clock.forward(3600)
    for _ in range(6):  # a process that begins anew every half hour
        source_of(scope="other").token()
        clock.forward(1801)
    # A guard of another test may still be asking for what was revoked.
    assert [record for record in caplog.records if record.name == "gatewright.client"] == []
    assert len(endpoint.tokens) == 6 + 1 + 6 + 6


def test_tokens_that_live_shortly_are_told_once(
    source_of: Making, endpoint: TokenEndpoint, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.lifetime = 20
    source = source_of()
    for _ in range(5):
        source.token()
        clock.forward(20)
    assert caplog.text.count("live for 20 s only") == 1


def test_an_api_that_refuses_good_tokens_is_told_and_cannot_make_the_source_ask_all_the_time(
    source_of: Making, endpoint: TokenEndpoint, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.lifetime = 86400
    source = source_of()
    for _ in range(3000):  # a call each second, and each is answered 401
        source.invalidate(source.token())
        clock.forward(1)
    assert len(endpoint.tokens) <= 15
    assert caplog.text.count("refuses tokens of 'reader' for https://blog-api again and again") == 1


def test_a_new_token_is_not_worth_another(source_of: Making, endpoint: TokenEndpoint, clock: Clock) -> None:
    source = source_of()
    token = source.token()
    assert not source.invalidate(token)
    clock.forward(11)
    assert source.invalidate("an older one, which another caller has replaced already")
    assert source.token() == token
    assert source.invalidate(token)
    assert source.token() == "token-2"
    assert len(endpoint.tokens) == 2


def test_a_token_that_was_refused_is_better_than_none(
    source_of: Making, endpoint: TokenEndpoint, clock: Clock
) -> None:
    source = source_of(timeout=0.2)
    source.token()
    clock.forward(60)
    source.invalidate("token-1")
    endpoint.stop()
    assert source.token() == "token-1"
    assert source.token() == "token-1"
    endpoint.start()
    endpoint.replies.append(granted("new"))
    clock.forward(30)
    assert source.token() == "new"
