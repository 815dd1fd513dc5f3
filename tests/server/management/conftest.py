"""What the tests of the Management API share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from tests.running import Caller


@pytest.fixture
def events_of(caller: Caller) -> Callable[..., list[dict[str, Any]]]:
    """`events_of(answer)` are the log events of the request that got this answer."""

    def events(answer: httpx2.Response) -> list[dict[str, Any]]:
        newest = caller.manage("GET", "logs", params={"per_page": 100}).json()
        request_id = answer.headers["X-Request-Id"]
        return [event for event in newest if event["details"]["request_id"] == request_id]

    return events


@pytest.fixture(scope="module")
def refused() -> Callable[..., None]:
    """`refused(answer, 400, message, code)`: exactly this error, in the Management API's format."""

    def check(answer: httpx2.Response, status: int, message: str, code: str | None = None) -> None:
        assert answer.status_code == status, answer.text
        body = {"statusCode": status, "error": answer.reason_phrase, "message": message}
        body |= {} if code is None else {"errorCode": code}
        assert answer.json() == body
        assert list(answer.json()) == list(body)
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Request-Id"]

    return check
