"""`/.well-known/revocations`: signed, by page and revision, and never older after newer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jwt
import pytest

from gatewright.server import revocations
from gatewright.server.app import start
from gatewright.server.settings import Settings
from tests.records import NOW
from tests.running import bearer, caller_of, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx2

    from gatewright.server.app import RunningServer
    from tests.records import Clock
    from tests.running import Caller

ADDRESS = ".well-known/revocations"


def ask(caller: Caller, since: int | str | None = None, **headers: str) -> httpx2.Response:
    params = {} if since is None else {"since": str(since)}
    return caller.http.get(ADDRESS, params=params, headers=headers)


def read(caller: Caller, since: int | str | None = None) -> dict[str, Any]:
    """The claims of a page, verified by somebody else's library."""
    answer = ask(caller, since)
    assert answer.status_code == 200, answer.text
    keys = jwt.PyJWKSet.from_dict(caller.http.get(".well-known/jwks.json").json())
    header = jwt.get_unverified_header(answer.text)
    assert header["typ"] == "revocations+jwt"
    options: Any = {"verify_exp": False, "verify_iat": False}
    claims: dict[str, Any] = jwt.decode(
        answer.text, keys[header["kid"]].key, algorithms=["RS256"], issuer=caller.issuer, options=options
    )
    return claims


def revoke(caller: Caller, jti: str) -> str:
    made: str = caller.create("revocations", jti=jti)["id"]
    return made


def test_a_page_says_whose_it_is_until_when_it_is_good_and_what_was_revoked(caller: Caller) -> None:
    before = read(caller)["rev"]
    revoke(caller, "t1")

    claims = read(caller)

    assert list(claims) == ["iss", "iat", "exp", "since", "rev", "more", "revocations"]
    assert (claims["iat"], claims["exp"], claims["since"], claims["more"]) == (NOW, NOW + 120, 0, False)
    assert claims["rev"] > before
    assert claims["revocations"][-1] == {"jti": "t1", "exp": NOW + 86400 + 3600}


def test_each_kind_is_told_by_what_a_token_says_of_itself(caller: Caller) -> None:
    caller.create("resource-servers", identifier="urn:blog")
    application = caller.application("Reader")
    since = read(caller)["rev"]

    caller.create("revocations", client_id=application.client_id)
    caller.create("revocations", client_id=application.client_id, audience="urn:blog")
    undone = revoke(caller, "t2")
    caller.manage("DELETE", f"revocations/{undone}")

    ends, about = NOW + 86400 + 3600, {"client_id": application.client_id}
    assert read(caller, since)["revocations"] == [
        {**about, "before": NOW, "exp": ends},
        {**about, "aud": "urn:blog", "before": NOW, "exp": ends},
        {"jti": "t2", "exp": ends, "undone": True},
    ]


def test_who_knows_all_is_told_nothing_and_who_knows_some_the_rest(caller: Caller) -> None:
    first = read(caller)["rev"]
    revoke(caller, "t3")
    second = read(caller)["rev"]
    revoke(caller, "t4")
    third = read(caller)["rev"]

    assert first < second < third
    told = [[each["jti"] for each in read(caller, since)["revocations"]] for since in (first, second, third)]
    assert told == [["t3", "t4"], ["t4"], []]
    assert read(caller, second)["since"] == second


@pytest.mark.parametrize("since", ["", "-1", "x", "1.5", "1e3", "9007199254740993", "1" * 17, " 1", "٣"])
def test_what_is_no_revision_is_refused(caller: Caller, since: str) -> None:
    answer = ask(caller, since)

    assert answer.status_code == 400
    assert answer.json() == {"error": "invalid_request", "error_description": "since is not a revision"}


def test_polls_fill_no_log_and_refused_ones_are_in_it(
    caller: Caller, lines: Sequence[Mapping[str, Any]]
) -> None:
    assert ask(caller).status_code == 200
    assert ask(caller, since="x").status_code == 400
    told = [line["status"] for line in lines if line["event"] == "request"]
    assert told == [400]


def test_a_revision_of_the_future_is_told_nothing_and_what_is_newest(caller: Caller) -> None:
    newest = read(caller)["rev"]

    claims = read(caller, newest + 1)

    assert (claims["rev"], claims["revocations"]) == (newest, [])


def test_unchanged_it_is_signed_once_in_half_a_minute_and_not_sent_again(
    caller: Caller, moving_clock: Clock
) -> None:
    first = ask(caller)
    tag = first.headers["ETag"]
    moving_clock.now += 29
    again = ask(caller, **{"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert ask(caller).content == first.content

    moving_clock.now += 1

    later = ask(caller, **{"If-None-Match": tag})
    assert (later.status_code, later.headers["ETag"] != tag) == (200, True)


def test_a_change_is_told_at_once(caller: Caller) -> None:
    tag = ask(caller).headers["ETag"]

    revoke(caller, "t5")

    assert ask(caller, **{"If-None-Match": tag}).status_code == 200


def test_it_may_be_kept_but_not_used_without_asking(caller: Caller) -> None:
    headers = ask(caller).headers

    assert headers["Cache-Control"] == "no-cache"
    assert headers["Content-Type"] == "application/revocations+jwt"
    assert headers["Access-Control-Allow-Origin"] == "*"


def test_it_is_no_access_token(caller: Caller) -> None:
    answer = caller.http.get("api/v2/logs", headers=bearer(ask(caller).text))

    assert answer.status_code == 401


def test_many_are_told_page_by_page_and_each_page_is_signed_once(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocations, "PAGE_BYTES", 300)
    names = [f"many {number}" for number in range(60)]
    for name in names:
        revoke(caller, name)
    found, since, pages = [], 0, 0
    more = True
    while more:
        claims = read(caller, since)
        assert claims["rev"] > since
        assert claims["since"] <= since
        found += [each["jti"] for each in claims["revocations"] if "jti" in each]
        since, more, pages = claims["rev"], claims["more"], pages + 1
    assert [name for name in found if name.startswith("many")] == names
    assert pages >= 60 * 40 // 300

    # Wherever a caller stands, it gets one of few pages: nobody can have the server sign without end.
    first = read(caller)["rev"]
    different = {ask(caller, since).content for since in range(first, first + 5 * 60)}
    assert len(different) <= pages + revocations.RECENT + 1


def test_what_ended_is_told_no_more_and_the_revision_stays(caller: Caller, moving_clock: Clock) -> None:
    revoke(caller, "short")
    before = read(caller)

    moving_clock.now += 86400 + 3600

    after = read(caller)
    assert after["revocations"] == []
    assert after["rev"] == before["rev"]


def test_revisions_grow_though_the_clock_stands_and_what_ended_is_forgotten(
    caller: Caller, running: RunningServer, moving_clock: Clock
) -> None:
    def kept() -> list[int]:
        return running.server.store.read(lambda tx: [each.revision for each in tx.revocations.find()])

    revoke(caller, "t6")
    moving_clock.now += 2 * 86400
    before = kept()
    own = {"client_id": caller.operator.client_id, "client_secret": caller.operator.client_secret}
    with caller_of(caller.issuer, own) as caller_of_today:
        for number in range(len(before)):
            revoke(caller_of_today, f"new {number}")

    # A few go with each new one, the newest of all that went last.
    assert len(kept()) == len(before)
    assert kept() == sorted(set(kept()))
    assert kept()[0] > before[-1]


def test_another_process_tells_of_it_and_refuses_at_once_and_so_does_the_next_one(
    caller: Caller, running: RunningServer, clock: Clock
) -> None:
    def beside() -> Settings:
        own = running.settings
        return Settings.load({}, data=own.data, issuer=own.issuer, listen=f"localhost:{free_port()}")

    own_api = caller.issuer + "api/v2/"
    manager = caller.application("Manager")
    caller.authorize(manager, own_api, "read:logs")
    token = caller.token(manager, own_api)

    def status(settings: Settings) -> int:
        answer = caller.http.get(f"http://{settings.listen}/api/v2/logs", headers=bearer(token))
        return answer.status_code

    def told_last(settings: Settings) -> object:
        text = caller.http.get(f"http://{settings.listen}/{ADDRESS}?since={since}").text
        return jwt.decode(text, options={"verify_signature": False})["revocations"]

    since = read(caller)["rev"]
    settings = beside()
    with start(settings, now=clock):
        assert status(settings) == 200
        caller.create("revocations", client_id=manager.client_id)
        told = read(caller, since)["revocations"]
        assert len(told) == 1
        assert told_last(settings) == told
        assert status(settings) == 401
    settings = beside()
    with start(settings, now=clock):
        assert told_last(settings) == told
        assert status(settings) == 401
