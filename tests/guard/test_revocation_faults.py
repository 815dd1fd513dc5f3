"""A feed that is away, forged, old or broken: nothing is un-revoked, the rest as without it, and it shows."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from gatewright.guard import Denied, FeedHealth, Guard, HttpFetch, Request, feed
from gatewright.jose import JWK
from tests.guard.asking import ask, soon
from tests.guard.feeding import FEED, FeedIssuer
from tests.guard.issuing import NOW, REMOVED, bearer, key, raw_token, reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOO_MANY = 512 * 1024


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards ask again after a moment."""
    monkeypatch.setattr(feed, "POLL", 0.02)


@pytest.fixture
def issuer() -> Iterator[FeedIssuer]:
    with FeedIssuer() as running:
        yield running


@pytest.fixture
def guard(issuer: FeedIssuer) -> Guard:
    """It knows that the token t1 was revoked, by revision 1."""
    issuer.revoke(jti="t1")
    made = issuer.guard(now=issuer.clock)
    assert ask(made, issuer.token(jti="t1")) == "revoked"
    return made


def health(guard: Guard) -> FeedHealth:
    found = guard.health()[0].revocations
    assert found is not None
    return found


def fails(guard: Guard) -> bool:
    return soon(lambda: health(guard).failures > 0)


def stands(guard: Guard, issuer: FeedIssuer) -> None:
    """Everything is decided as before the fault, and the gauge tells of it."""
    told = health(guard)
    assert told.stale
    assert told.last_failure
    assert (told.revision, told.entries) == (1, 1)
    assert ask(guard, issuer.token(jti="t1")) == "revoked"
    assert ask(guard, issuer.token(jti="t2")) == "entered"


def forged(issuer: FeedIssuer) -> str:
    """All is as it should be, but for one bit of the signature."""
    head, _, signature = issuer.page(1).rpartition(".")
    return f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def unsigned(issuer: FeedIssuer) -> str:
    head, payload, _ = issuer.page(1).split(".")
    return f"{raw_token(b'{}', header={'typ': 'revocations+jwt'}).split('.')[0]}.{payload}.{head[:4]}"


def undoing(issuer: FeedIssuer, **changed: object) -> str:
    """What would take the revocation back, were it believed."""
    undone = [{"jti": "t1", "exp": NOW + 3600, "undone": True}]
    return issuer.page(**{"since": 1, "rev": 2, "revocations": undone} | changed)


@functools.cache
def stranger() -> JWK:
    """A key of somebody else that is called as ours is."""
    return JWK.generate("RS256", kid="k1")


# Each with a word of the failure that the gauge then shows.
PAGES: dict[str, tuple[Callable[[FeedIssuer], str], str]] = {
    "forged": (forged, "BadSignature"),
    "not signed": (unsigned, "BadSignature"),
    "by a stranger": (lambda issuer: undoing(issuer, signed_by=key("stranger")), "UnknownKey"),
    "by a stranger's key of our name": (lambda issuer: undoing(issuer, signed_by=stranger()), "BadSignature"),
    "of another issuer": (lambda issuer: undoing(issuer, iss="https://other.example/"), "UntrustedIssuer"),
    "of an issuer without slash": (lambda issuer: undoing(issuer, iss=issuer.url[:-1]), "UntrustedIssuer"),
    "of no issuer": (lambda issuer: undoing(issuer, iss=REMOVED), "UntrustedIssuer"),
    "expired": (lambda issuer: undoing(issuer, exp=int(NOW) - 31), "Expired"),
    "without an end": (lambda issuer: undoing(issuer, exp=REMOVED), "BadClaim"),
    "typed as an access token": (lambda issuer: undoing(issuer, typ="at+jwt"), "WrongType"),
    "typed as any JWT": (lambda issuer: undoing(issuer, typ="JWT"), "WrongType"),
    "an access token": (lambda issuer: issuer.token(), "WrongType"),
    "older than what is known": (lambda issuer: undoing(issuer, since=0, rev=0), "older"),
    "with a gap": (lambda issuer: undoing(issuer, since=2, rev=3), "goes on from"),
    "endless": (lambda issuer: undoing(issuer, rev=1, more=True), "does not go on"),
    "empty": (lambda _: "", "MalformedToken"),
    "no token": (lambda _: "<html>", "MalformedToken"),
    "too large": (lambda issuer: undoing(issuer, filling="x" * TOO_MANY), "bytes"),
    "without entries": (lambda issuer: undoing(issuer, revocations=REMOVED), "list"),
    "entries that are no list": (lambda issuer: undoing(issuer, revocations={}), "list"),
    "more that is neither": (lambda issuer: undoing(issuer, more=1), "neither"),
    "a revision that is none": (lambda issuer: undoing(issuer, rev="2"), "rev"),
    "a revision that is true": (lambda issuer: undoing(issuer, rev=True), "rev"),
    "a revision below zero": (lambda issuer: undoing(issuer, since=-1), "since"),
}

ENTRIES: dict[str, object] = {
    "no object": "t1",
    "about nothing": {"exp": NOW},
    "about two": {"jti": "t1", "client_id": "a", "before": NOW, "exp": NOW},
    "an API of no client": {"jti": "t1", "aud": "a", "exp": NOW},
    "a jti that is no string": {"jti": 1, "exp": NOW},
    "a client without a time": {"client_id": "a", "exp": NOW},
    "a client with a time that is true": {"client_id": "a", "before": True, "exp": NOW},
    "an API that is no string": {"client_id": "a", "aud": None, "before": NOW, "exp": NOW},
    "without an end": {"jti": "t1"},
    "an end that is no number": {"jti": "t1", "exp": "x"},
    "undone that is neither": {"jti": "t1", "exp": NOW, "undone": 1},
}


@pytest.mark.parametrize("case", PAGES)
def test_a_page_that_is_not_good_changes_nothing(guard: Guard, issuer: FeedIssuer, case: str) -> None:
    page, word = PAGES[case]
    issuer.feed = reply(200, page(issuer))

    assert fails(guard)
    stands(guard, issuer)
    assert word in str(health(guard).last_failure)


@pytest.mark.parametrize("case", ENTRIES)
def test_one_entry_that_is_not_understood_spoils_its_page(
    guard: Guard, issuer: FeedIssuer, case: str
) -> None:
    undone = {"jti": "t1", "exp": NOW + 3600, "undone": True}
    issuer.feed = reply(200, undoing(issuer, revocations=[undone, ENTRIES[case]]))

    assert fails(guard)
    stands(guard, issuer)


def test_what_would_be_undone_is_undone_by_a_page_that_is_good(guard: Guard, issuer: FeedIssuer) -> None:
    """Else the tests above could not fail."""
    issuer.feed = reply(200, undoing(issuer))

    assert soon(lambda: ask(guard, issuer.token(jti="t1")) == "entered")


def test_a_revoked_key_signs_no_feed(guard: Guard, issuer: FeedIssuer) -> None:
    issuer.revoke(kid="k1")
    assert soon(lambda: health(guard).revision == 2)

    assert fails(guard)
    told = health(guard)
    assert "k1" in str(told.last_failure)
    assert (told.revision, told.entries) == (2, 2)


@pytest.mark.parametrize("status", [204, 301, 404, 500, 503])
def test_another_answer_changes_nothing(guard: Guard, issuer: FeedIssuer, status: int) -> None:
    issuer.feed = reply(status, undoing(issuer), Location=issuer.url + "elsewhere")

    assert fails(guard)
    stands(guard, issuer)
    assert issuer.hits["/elsewhere"] == 0


def test_unreachable_decisions_are_as_before_and_the_gauge_says_so(
    guard: Guard, issuer: FeedIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gatewright.guard")
    issuer.stop()

    assert soon(lambda: health(guard).failures >= 3)
    stands(guard, issuer)
    issuer.start()
    assert soon(lambda: not health(guard).stale)

    told = [record.message for record in caplog.records if "has revoked" in record.message]
    assert len(told) == 2, "once that it is away, once that it is back"
    assert told[1].endswith("is known again")


def test_unreachable_from_the_beginning_tokens_enter_as_if_there_were_no_feed(issuer: FeedIssuer) -> None:
    issuer.revoke(jti="t1")
    issuer.feed = reply(503)
    guard = issuer.guard(now=issuer.clock)

    assert ask(guard, issuer.token(jti="t1")) == "entered"
    told = health(guard)
    assert told.stale
    assert (told.revision, told.fetched_at, told.age) == (0, None, None)


def test_a_feed_that_hangs_holds_nobody_up_for_long(
    issuer: FeedIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "FIRST_WAIT", 0.05)
    answers = threading.Event()

    def late(request: Any) -> None:  # noqa: ANN401 - the stub's own
        answers.wait(10)
        reply(503)(request)

    issuer.feed = late
    guard = issuer.guard(now=issuer.clock)
    assert ask(guard, issuer.token()) == "entered"
    assert asyncio.run(aask(guard, issuer.token())) == "entered"
    told = health(guard)
    assert (told.failures, told.stale) == (0, True)
    answers.set()


async def aask(guard: Guard, sent: str) -> str:
    await guard.acheck(Request("GET", "/", bearer(sent)))
    return "entered"


def test_what_is_unchanged_is_not_sent_again_and_is_believed_until_it_expires(
    guard: Guard, issuer: FeedIssuer
) -> None:
    issuer.etag = '"a"'
    tags: list[str | None] = []

    def unchanged(request: Any) -> None:  # noqa: ANN401 - the stub's own
        tags.append(request.headers.get("If-None-Match"))
        reply(304)(request)

    before = len(issuer.asked)
    assert soon(lambda: len(issuer.asked) > before + 1)
    issuer.feed = unchanged
    assert soon(lambda: len(tags) > 1)
    assert set(tags) == {'"a"'}
    assert not health(guard).stale

    issuer.clock.forward(120 + 30)

    assert fails(guard)
    assert "has expired" in str(health(guard).last_failure)


def test_a_tag_is_sent_to_the_address_that_it_came_from_and_to_no_other(issuer: FeedIssuer) -> None:
    told: list[tuple[str, str | None]] = []

    def tagged(request: Any) -> None:  # noqa: ANN401 - the stub's own
        told.append((request.path, request.headers.get("If-None-Match")))
        reply(200, issuer.page(int(request.path.partition("since=")[2])), ETag='"same"')(request)

    issuer.revoke(jti="t1")
    issuer.feed = tagged
    guard = issuer.guard(now=issuer.clock)
    assert ask(guard, issuer.token(jti="t1")) == "revoked"
    assert soon(lambda: len(told) > 2)
    assert told[:3] == [(f"{FEED}?since=0", None), (f"{FEED}?since=1", None), (f"{FEED}?since=1", '"same"')]


def test_unchanged_is_no_answer_to_whom_nothing_was_told(issuer: FeedIssuer) -> None:
    issuer.feed = reply(304)
    guard = issuer.guard(now=issuer.clock)

    assert ask(guard, issuer.token()) == "entered"
    assert health(guard).failures > 0


def test_the_age_is_by_the_clock_of_the_guard(guard: Guard, issuer: FeedIssuer) -> None:
    assert soon(lambda: health(guard).age == 0)
    issuer.stop()
    assert fails(guard)
    issuer.clock.forward(40)

    assert health(guard).age == 40
    assert health(guard).fetched_at == NOW


def fetched(issuer: FeedIssuer, url: str) -> tuple[int, dict[str, str], bytes]:
    path = url.removeprefix(issuer.url.rstrip("/"))
    if path == issuer.DISCOVERY:
        uris = {"jwks_uri": issuer.url + "keys", "revocations_uri": issuer.url.rstrip("/") + FEED}
        return 200, {}, json.dumps({"issuer": issuer.url, **uris}).encode()
    if path == "/keys":
        return 200, {}, json.dumps({"keys": [each.to_dict() for each in issuer.published]}).encode()
    issuer.asked.append(path)
    return 200, {}, issuer.page(int(path.partition("since=")[2])).encode()


def test_a_fetch_of_the_users_own_gets_the_feed_too(issuer: FeedIssuer) -> None:
    issuer.revoke(jti="t1")
    guard = issuer.guard(now=issuer.clock, fetch=lambda url: fetched(issuer, url))

    assert ask(guard, issuer.token(jti="t1")) == "revoked"
    assert issuer.hits.total() == 0


def test_a_configured_fetch_gets_the_feed_with_what_it_is_configured_to(issuer: FeedIssuer) -> None:
    issuer.revoke(jti="t1")
    seen: list[str | None] = []

    def answer(request: Any) -> None:  # noqa: ANN401 - the stub's own
        seen.append(request.headers.get("X-Api-Key"))
        reply(200, issuer.page())(request)

    issuer.feed = answer
    guard = issuer.guard(now=issuer.clock, fetch=HttpFetch(headers={"X-Api-Key": "k"}))

    assert ask(guard, issuer.token(jti="t1")) == "revoked"
    assert seen[0] == "k"


def test_an_async_fetch_runs_in_the_loop_of_the_program(issuer: FeedIssuer) -> None:
    loops: set[object] = set()

    async def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        loops.add(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return fetched(issuer, url)

    guard = issuer.guard(now=issuer.clock, fetch=fetch)

    async def revoked_after_a_while() -> None:
        assert await aask(guard, issuer.token(jti="t1")) == "entered"
        issuer.revoke(jti="t1")
        issuer.published = [key("k2")]  # the next page is signed by a key that must be fetched first
        issuer.feed = None
        for _ in range(500):
            await asyncio.sleep(0.01)
            if health(guard).revision == 1:
                break
        with pytest.raises(Denied) as refusal:
            await aask(guard, issuer.token(jti="t1"))
        assert refusal.value.reason == "revoked"
        assert loops == {asyncio.get_running_loop()}

    asyncio.run(revoked_after_a_while())
    assert ask(guard, issuer.token(jti="t1")) == "revoked"


def test_a_rotation_that_tokens_did_not_show_yet_is_followed(guard: Guard, issuer: FeedIssuer) -> None:
    issuer.published = [key(), key("k2")]
    issuer.clock.forward(11)  # beyond the cool-down of fetching keys
    issuer.revoke(jti="t2")
    issuer.feed = reply(200, issuer.page(1, signed_by=key("k2")))

    assert soon(lambda: ask(guard, issuer.token(jti="t2")) == "revoked")
