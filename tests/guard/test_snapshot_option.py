"""A guard that shares its keys with other processes of the machine starts while its issuer is away."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatewright import Denied, Request
from gatewright.guard import HttpFetch
from tests.guard.issuing import Clock, StubIssuer, bearer


def test_a_second_guard_asks_nobody_and_a_third_outlives_the_issuer(tmp_path: Path) -> None:
    with StubIssuer() as issuer:
        asked = Request("GET", "/", bearer(issuer.token()))
        assert issuer.guard(snapshot=tmp_path).check(asked).client_id == "app"
        assert issuer.guard(snapshot=str(tmp_path)).check(asked).client_id == "app"
        assert issuer.fetches == 1
        issuer.stop()
        assert issuer.guard(snapshot=tmp_path, now=Clock()).check(asked).client_id == "app"
        with pytest.raises(Denied) as caught:
            issuer.guard().check(asked)
        assert caught.value.status == 503


def test_a_file_that_others_may_write_is_not_believed(tmp_path: Path) -> None:
    with StubIssuer() as issuer:
        asked = Request("GET", "/", bearer(issuer.token()))
        issuer.guard(snapshot=tmp_path).check(asked)
        # Whoever comes second has waited for the first to write.
        issuer.guard(snapshot=tmp_path).check(asked)
        (written,) = tmp_path.glob("*.json")
        written.chmod(0o666)
        issuer.guard(snapshot=tmp_path).check(asked)
        assert issuer.fetches == 2


def test_a_configured_fetch_reaches_the_issuer() -> None:
    with StubIssuer() as issuer:
        guard = issuer.guard(fetch=HttpFetch(timeout=2, headers={"X-Asked-By": "tests"}))
        assert guard.check(Request("GET", "/", bearer(issuer.token()))).client_id == "app"
