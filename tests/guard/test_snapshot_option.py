"""A guard that shares its keys with other processes of the machine starts while its issuer is away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gatewright import Denied, Guard, Request
from gatewright.guard import HttpFetch
from tests.guard.issuing import AUDIENCE, Clock, StubIssuer, bearer, key, token


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


def test_the_folder_is_made_for_its_owner_alone_and_holds_a_file_for_each_issuer(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "keys"
    with StubIssuer() as issuer, StubIssuer(published=[key("k2")]) as other:
        guard = Guard(issuer.url, other.url, audience=AUDIENCE, now=Clock(), snapshot=folder)
        assert guard.warm()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert len(list(folder.glob("*.json"))) == 2
        again = Guard(issuer.url, other.url, audience=AUDIENCE, now=Clock(), snapshot=folder)
        for url, kid in ((issuer.url, "k1"), (other.url, "k2")):
            asked = Request("GET", "/", bearer(token(key(kid), iss=url)))
            assert again.check(asked).issuer == url
        assert (issuer.fetches, other.fetches) == (1, 1)


def test_what_cannot_be_the_folder_is_told_when_the_guard_is_built(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match="is to be a folder"):
            Guard("https://issuer.example/", audience=AUDIENCE, snapshot=path)
    wrong: Any = 7
    with pytest.raises(TypeError, match="path of a folder"):
        Guard("https://issuer.example/", audience=AUDIENCE, snapshot=wrong)


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
