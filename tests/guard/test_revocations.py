"""What an issuer's feed tells is refused: by token, client, grant and key; all else enters as before."""

from __future__ import annotations

import os
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from gatewright.guard import Denied, Guard, Issuer, Request, feed
from gatewright.jose import JWKS
from gatewright.jose.encoding import decode, encode
from tests.guard.asking import ask, both_ways, soon
from tests.guard.feeding import FEED, FeedIssuer
from tests.guard.issuing import AUDIENCE, NOW, REMOVED, bearer, key, token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ask = Callable[[Guard, str], str]

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture
def issuer() -> Iterator[FeedIssuer]:
    with FeedIssuer() as running:
        yield running


@pytest.fixture
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards ask again after a moment."""
    monkeypatch.setattr(feed, "POLL", 0.02)


def guard_of(issuer: FeedIssuer, **options: Any) -> Guard:  # noqa: ANN401 - what a guard is built with
    return issuer.guard(now=issuer.clock, **options)


REVOKED: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "its jti": ({"jti": "t1"}, {"jti": "t1"}),
    "its client": ({"client_id": "app", "before": NOW}, {}),
    "its client, by the other name": (
        {"client_id": "app", "before": NOW},
        {"client_id": "app", "azp": REMOVED},
    ),
    "its client, a long time before": ({"client_id": "app", "before": NOW}, {"iat": NOW - 3000}),
    "its client, and it does not say when it was issued": (
        {"client_id": "app", "before": NOW},
        {"iat": REMOVED},
    ),
    "its client at this API": ({"client_id": "app", "aud": AUDIENCE, "before": NOW}, {}),
    "its client at one of its APIs": (
        {"client_id": "app", "aud": AUDIENCE, "before": NOW},
        {"aud": ["https://other", AUDIENCE]},
    ),
    "its key": ({"kid": "k1"}, {}),
}
NOT_REVOKED: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "another jti": ({"jti": "t1"}, {"jti": "t2"}),
    "no jti": ({"jti": "t1"}, {}),
    "another client": ({"client_id": "other", "before": NOW}, {}),
    "no client": ({"client_id": "app", "before": NOW}, {"azp": REMOVED}),
    "issued a second later": ({"client_id": "app", "before": NOW}, {"iat": NOW + 1}),
    "another API": ({"client_id": "app", "aud": "https://other", "before": NOW}, {}),
    "another client at this API": ({"client_id": "other", "aud": AUDIENCE, "before": NOW}, {}),
    "issued later, at this API": ({"client_id": "app", "aud": AUDIENCE, "before": NOW}, {"iat": NOW + 1}),
    "another key": ({"kid": "k2"}, {}),
    "a jti that is called as the client": ({"jti": "app"}, {"jti": "t1"}),
    "a client that is called as the subject": ({"client_id": "app@clients", "before": NOW}, {}),
    "taken back": ({"jti": "t1", "undone": True}, {"jti": "t1"}),
}


@both_ways
@pytest.mark.parametrize("case", REVOKED)
def test_what_was_revoked_is_refused_by_the_first_check(issuer: FeedIssuer, asked: Ask, case: str) -> None:
    told, changed = REVOKED[case]
    # Signed with another key, so that the one that is revoked has not signed the feed.
    issuer.published = [key(), key("k2")]
    issuer.revoke(**told)
    page = issuer.page(signed_by=key("k2"))
    issuer.feed = lambda request: _send(request, page)
    guard = guard_of(issuer)

    assert asked(guard, token(iss=issuer.url, **changed)) == "revoked"
    assert guard.counts() == {"revoked": 1}


def _send(request: Any, page: str) -> None:  # noqa: ANN401 - the stub's own
    request.send_response(200)
    request.end_headers()
    request.wfile.write(page.encode())


@pytest.mark.parametrize("case", NOT_REVOKED)
def test_what_was_not_revoked_enters(issuer: FeedIssuer, case: str) -> None:
    told, changed = NOT_REVOKED[case]
    issuer.revoke(**told)
    guard = guard_of(issuer)

    assert ask(guard, token(iss=issuer.url, **changed)) == "entered"
    (health,) = guard.health()
    assert health.revocations is not None
    assert (health.revocations.revision, health.revocations.stale) == (1, False)


def test_the_answer_is_that_of_any_invalid_token_and_the_log_says_more(issuer: FeedIssuer) -> None:
    issuer.revoke(client_id="app", before=NOW)

    with pytest.raises(Denied) as refusal:
        guard_of(issuer).check(Request("GET", "/", bearer(issuer.token())))

    assert refusal.value.status == 401
    assert refusal.value.body == {
        "error": "invalid_token",
        "error_description": "The access token is invalid",
    }
    assert refusal.value.detail == "the tokens of the client 'app' were revoked"


def test_explaining_says_that_it_was_revoked(issuer: FeedIssuer) -> None:
    issuer.revoke(jti="t1")

    explained = guard_of(issuer).explain(issuer.token(jti="t1"))

    assert explained.reason == "revoked"
    assert explained.steps[-1].said == "the token with the jti 't1' was revoked"


@pytest.mark.usefixtures("_often")
@both_ways
def test_a_token_that_was_verified_before_is_refused_once_it_is_revoked(
    issuer: FeedIssuer, asked: Ask
) -> None:
    guard, sent = guard_of(issuer), issuer.token(jti="t1")
    assert [asked(guard, sent), asked(guard, sent)] == ["entered"] * 2

    issuer.revoke(jti="t1")

    assert soon(lambda: asked(guard, sent) == "revoked")
    assert asked(guard, issuer.token(jti="t2")) == "entered"


@pytest.mark.usefixtures("_often")
def test_a_revocation_that_is_taken_back_lets_in_again(issuer: FeedIssuer) -> None:
    guard, sent = guard_of(issuer), issuer.token(jti="t1")
    issuer.revoke(jti="t1")
    assert ask(guard, sent) == "revoked"

    issuer.revoke(jti="t1", undone=True)

    assert soon(lambda: ask(guard, sent) == "entered")


@pytest.mark.usefixtures("_often")
def test_what_can_matter_to_no_token_any_more_is_forgotten(issuer: FeedIssuer) -> None:
    guard, sent = guard_of(issuer), issuer.token(exp=NOW + 9000)
    issuer.revoke(jti="t1")
    assert ask(guard, sent) == "entered"
    assert guard.health()[0].revocations.entries == 1  # type: ignore[union-attr]  # there is a feed

    issuer.clock.forward(3601)

    assert soon(lambda: guard.health()[0].revocations.entries == 0)  # type: ignore[union-attr]  # likewise


def test_pages_are_followed_to_the_last(issuer: FeedIssuer) -> None:
    for number in range(5):
        issuer.revoke(jti=f"t{number}")

    def one(request: Any) -> None:  # noqa: ANN401 - the stub's own
        since = int(request.path.partition("since=")[2])
        told = [each for revision, each in issuer.entries if revision == since + 1]
        _send(request, issuer.page(since, revocations=told, rev=since + 1, more=since + 1 < 5))

    issuer.feed = one

    assert ask(guard_of(issuer), issuer.token(jti="t4")) == "revoked"
    assert issuer.asked[:5] == [f"{FEED}?since={number}" for number in range(5)]


def test_two_texts_of_one_token_are_both_refused(issuer: FeedIssuer) -> None:
    """ECDSA allows a second signature to everybody who has seen one: a token is not its text."""
    by = key("e1", "ES256")
    issuer.published = [key(), by]
    issuer.revoke(jti="t1")
    sent = issuer.token(by, jti="t1")
    head, _, signature = sent.rpartition(".")
    raw = decode(signature.encode())
    other = P256_ORDER - int.from_bytes(raw[32:])
    twin = f"{head}.{encode(raw[:32] + other.to_bytes(32))}"
    without = guard_of(issuer, revocations=False)
    assert twin != sent
    assert [ask(without, sent), ask(without, twin)] == ["entered"] * 2

    guard = guard_of(issuer)

    assert [ask(guard, sent), ask(guard, twin)] == ["revoked"] * 2


@pytest.mark.parametrize("off", ["guard", "issuer"])
def test_switched_off_nobody_asks(issuer: FeedIssuer, off: str) -> None:
    issuer.revoke(jti="t1")
    if off == "guard":
        guard = guard_of(issuer, revocations=False)
    else:
        named = Issuer(issuer.url, revocations=False)
        guard = Guard(named, audience=AUDIENCE, now=issuer.clock)

    assert ask(guard, issuer.token(jti="t1")) == "entered"
    assert issuer.asked == []
    assert guard.health()[0].revocations is None


def test_one_issuer_may_have_it_where_the_guard_has_it_not(issuer: FeedIssuer) -> None:
    issuer.revoke(jti="t1")
    named = Issuer(issuer.url, revocations=True)

    guard = Guard(named, audience=AUDIENCE, now=issuer.clock, revocations=False)

    assert ask(guard, issuer.token(jti="t1")) == "revoked"


def test_keys_that_are_handed_over_come_without_a_feed(issuer: FeedIssuer) -> None:
    issuer.revoke(jti="t1")

    guard = guard_of(issuer, keys=JWKS([key()]))

    assert ask(guard, issuer.token(jti="t1")) == "entered"
    assert issuer.hits.total() == 0


@pytest.mark.parametrize(
    "address",
    [
        "https://elsewhere.example/feed",
        "http://127.0.0.1:9/feed",
        "http://localhost:{port}/feed",
        "https://127.0.0.1:{port}/feed",
        "http://user@127.0.0.1:{port}/feed",
        "http://127.0.0.1:{port}/feed?x=1",
        "http://127.0.0.1:{port}/feed#x",
        "http://127.0.0.1:{port}/fe ed",
        "http://[127.0.0.1:{port}/feed",
        "//127.0.0.1:{port}/feed",
        "/feed",
    ],
)
def test_an_address_that_is_not_the_issuers_own_is_not_asked(issuer: FeedIssuer, address: str) -> None:
    issuer.address = address.format(port=issuer.url.split(":")[2].strip("/"))
    issuer.revoke(jti="t1")
    guard = guard_of(issuer)

    assert ask(guard, issuer.token(jti="t1")) == "entered"
    assert issuer.asked == []
    assert guard.health()[0].revocations is None


def test_another_process_that_takes_the_keys_of_a_snapshot_knows_the_feed_too(
    issuer: FeedIssuer,
    tmp_path: Any,  # noqa: ANN401 - pytest's
) -> None:
    issuer.revoke(jti="t1")
    assert guard_of(issuer, snapshot=tmp_path).warm()

    second = guard_of(issuer, snapshot=tmp_path)

    assert ask(second, issuer.token(jti="t1")) == "revoked"
    assert issuer.hits[issuer.DISCOVERY] == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_a_fork_asks_for_itself(issuer: FeedIssuer) -> None:
    guard, sent = guard_of(issuer), issuer.token(jti="t1")
    assert ask(guard, sent) == "entered"
    issuer.revoke(jti="t1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of a fork beside threads
        child = os.fork()
    if child == 0:  # pragma: no cover - another process
        os._exit(0 if ask(guard, sent) == "revoked" else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def polling() -> Callable[[], int]:
    """How many threads ask that did not when the test began."""
    before = {id(thread) for thread in threading.enumerate()}

    def count() -> int:
        new = [thread for thread in threading.enumerate() if id(thread) not in before]
        return sum(thread.name == "gatewright-revocations" for thread in new)

    return count


@pytest.mark.usefixtures("_often")
def test_the_thread_ends_with_its_guard(issuer: FeedIssuer, polling: Callable[[], int]) -> None:
    guard = guard_of(issuer)
    assert guard.warm()
    assert polling() == 0, "it begins with the first token"
    assert ask(guard, issuer.token()) == "entered"
    assert ask(guard, issuer.token()) == "entered"
    assert polling() == 1

    del guard

    assert soon(lambda: polling() == 0)


@pytest.mark.usefixtures("_often")
def test_after_a_pause_the_first_check_knows_what_was_revoked_meanwhile(
    issuer: FeedIssuer, monkeypatch: pytest.MonkeyPatch, polling: Callable[[], int]
) -> None:
    guard, sent = guard_of(issuer), issuer.token(jti="t1")
    assert ask(guard, sent) == "entered"
    with monkeypatch.context() as patched:
        patched.setattr(feed, "IDLE", 0.0)
        assert soon(lambda: polling() == 0)
    asked = len(issuer.asked)

    issuer.revoke(jti="t1")

    assert len(issuer.asked) == asked, "nobody asks while no token is checked"
    assert ask(guard, sent) == "revoked"
