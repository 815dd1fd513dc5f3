"""One issuer's keys over real HTTP: where they are found, strange key sets, a fetch of one's own."""

# ruff: noqa: ANN401 - answers of any shape are the point
from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from gatewright.guard import Guard, Request
from gatewright.guard.keys import IssuerKeys
from gatewright.guard.refresh import FetchFailed
from tests.guard.asking import (
    DAY,
    ask,
    ask_async,
    both_ways,
    published,
    soon,
)
from tests.guard.issuing import NOW, Clock, StubIssuer, bearer, key, reply

# Discovery


@both_ways
def test_keys_are_found_by_discovery_and_asked_for_once(
    issuer: StubIssuer, asked: Callable[[Guard, str], str]
) -> None:
    guard = issuer.guard()
    assert [asked(guard, issuer.token()) for _ in range(20)] == ["entered"] * 20
    assert dict(issuer.hits) == {issuer.DISCOVERY: 1, issuer.JWKS: 1}


def test_a_guard_asks_nothing_before_the_first_token(issuer: StubIssuer) -> None:
    guard = issuer.guard()
    assert ask(guard, "x") == "malformed"
    assert not issuer.hits


@pytest.mark.parametrize("path", ["", "realms/a", "realms/a/"])
def test_the_metadata_of_rfc_8414_serve_where_there_is_no_openid_discovery(
    issuer: StubIssuer, path: str
) -> None:
    url = issuer.url + path
    document = {"issuer": url, "jwks_uri": issuer.url + "keys"}
    issuer.replies["/.well-known/oauth-authorization-server" + ("/realms/a" if path else "")] = reply(
        200, document
    )
    oidc = ("/" + path).rstrip("/") + "/.well-known/openid-configuration"
    issuer.replies[oidc] = reply(404)
    issuer.replies["/keys"] = reply(200, {"keys": [key().to_dict()]})
    guard = Guard(url, audience="https://blog-api", now=Clock())
    assert ask(guard, issuer.token(iss=url)) == "entered"
    assert issuer.hits[oidc] == 1


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example/", "jwks_uri": "{url}keys"},
        {"issuer": "{url_without_slash}", "jwks_uri": "{url}keys"},
        {"issuer": "{URL}", "jwks_uri": "{url}keys"},
        {"issuer": None, "jwks_uri": "{url}keys"},
        {"jwks_uri": "{url}keys"},
        {"issuer": "{url}"},
        {"issuer": "{url}", "jwks_uri": ["{url}keys"]},
        {"issuer": "{url}", "jwks_uri": "file:///etc/passwd"},
        {"issuer": "{url}", "jwks_uri": "ftp://127.0.0.1/keys"},
        {"issuer": "{url}", "jwks_uri": "data:application/json,{}"},
        {"issuer": "{url}", "jwks_uri": "http://169.254.169.254/keys"},
        {"issuer": "{url}", "jwks_uri": "http://localhost.evil.example/keys"},
        {"issuer": "{url}", "jwks_uri": "http://[::1/keys"},
        {"issuer": "{url}", "jwks_uri": "{url}keys\r\nX: y"},
        {"issuer": "{url}", "jwks_uri": "//127.0.0.1/keys"},
        {"issuer": "{url}", "jwks_uri": "https://"},
        {"issuer": "{url}", "jwks_uri": ""},
    ],
)
def test_a_discovery_document_that_is_not_the_issuers_own_is_refused(
    issuer: StubIssuer, document: dict[str, Any]
) -> None:
    def filled(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        value = value.replace("{url}", issuer.url).replace("{URL}", issuer.url.upper())
        return value.replace("{url_without_slash}", issuer.url.rstrip("/"))

    issuer.replies[issuer.DISCOVERY] = reply(200, {name: filled(value) for name, value in document.items()})
    issuer.replies["/keys"] = reply(200, {"keys": [key().to_dict()]})
    assert ask(issuer.guard(), issuer.token()) == "keys_unavailable"
    assert dict(issuer.hits) == {issuer.DISCOVERY: 1}


def test_a_public_issuer_cannot_send_its_guard_to_this_machine() -> None:
    asked: list[str] = []

    def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        asked.append(url)
        document = b'{"issuer":"https://issuer.example/","jwks_uri":"http://127.0.0.1:22/"}'
        return 200, {}, document

    keys = IssuerKeys("https://issuer.example/", now=Clock(), fetch=fetch)
    with pytest.raises(FetchFailed, match="jwks_uri"):
        keys.find(kid="k1", alg="RS256")
    assert asked == ["https://issuer.example/.well-known/openid-configuration"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("path", [StubIssuer.DISCOVERY, StubIssuer.JWKS])
def test_a_redirect_is_not_followed(issuer: StubIssuer, status: int, path: str) -> None:
    issuer.replies[path] = reply(status, b"", Location=issuer.url + "elsewhere")
    issuer.replies["/elsewhere"] = reply(200, {"keys": [key().to_dict()]})
    assert ask(issuer.guard(), issuer.token()) == "keys_unavailable"
    assert not issuer.hits["/elsewhere"]


def test_discovery_is_repeated_when_the_key_set_has_moved(issuer: StubIssuer) -> None:
    clock = Clock()
    guard = issuer.guard(now=clock)
    assert ask(guard, issuer.token()) == "entered"
    issuer.replies[issuer.JWKS] = reply(410)
    issuer.replies["/new"] = reply(200, {"keys": [key().to_dict()]})
    issuer.replies[issuer.DISCOVERY] = reply(200, {"issuer": issuer.url, "jwks_uri": issuer.url + "new"})
    clock.forward(301)
    assert ask(guard, issuer.token()) == "keys_unavailable"
    clock.forward(2)
    assert ask(guard, issuer.token()) == "entered"
    assert issuer.hits["/new"] == 1


def test_discovery_is_repeated_once_an_hour_and_may_fail_meanwhile(issuer: StubIssuer) -> None:
    clock = Clock()
    guard = issuer.guard(now=clock)
    for _ in range(12):
        assert ask(guard, issuer.token(exp=NOW + DAY)) == "entered"
        clock.forward(301)
    assert issuer.hits[issuer.DISCOVERY] == 1
    issuer.replies[issuer.DISCOVERY] = reply(500)
    before = issuer.fetches
    assert ask(guard, issuer.token(exp=NOW + DAY)) == "entered"
    assert (issuer.hits[issuer.DISCOVERY], issuer.fetches) == (2, before + 1)


# Strange key sets


def test_keys_that_must_not_be_used_are_skipped_and_told(
    issuer: StubIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    sound = key().to_dict()
    strange: list[Any] = [
        key("private").to_dict(private=True),
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0" * 8},
        {"kty": "RSA", "kid": "weak", "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "kid": "off", "x": "AAAA", "y": "AAAA"},
        {"kty": "made-up", "kid": "new"},
        sound | {"kid": "for encryption", "use": "enc"},
        None,
        "key",
        [],
    ]
    issuer.replies[issuer.JWKS] = reply(200, {"keys": [*strange, sound]})
    guard = issuer.guard()
    assert ask(guard, issuer.token()) == "entered"
    assert ask(guard, issuer.token(key("private"))) == "unknown_key"
    (warning,) = [record.getMessage() for record in caplog.records if "not used" in record.getMessage()]
    assert "private" in warning
    assert "c2VjcmV0" not in warning


def test_two_keys_of_one_name_are_told_apart_by_their_algorithm_or_not_used(issuer: StubIssuer) -> None:
    first, second, curve = key("k1"), key("other"), key("e1", "ES256")
    issuer.published = [first]
    issuer.replies[issuer.JWKS] = reply(
        200, {"keys": [first.to_dict(), curve.to_dict() | {"kid": "k1"}, first.to_dict()]}
    )
    assert ask(issuer.guard(), issuer.token(first)) == "entered"
    issuer.replies[issuer.JWKS] = reply(200, {"keys": [first.to_dict(), second.to_dict() | {"kid": "k1"}]})
    assert ask(issuer.guard(), issuer.token(first)) == "unknown_key"


# A fetch of one's own


def test_a_fetch_of_ones_own_replaces_the_standard_library(issuer: StubIssuer) -> None:
    asked: list[str] = []

    def answers(url: str) -> tuple[int, list[tuple[str, str]], bytes]:
        asked.append(url)
        if url.endswith("openid-configuration"):
            return 200, [], b'{"issuer":"%s","jwks_uri":"https://x.example/k"}' % issuer.url.encode()
        return 200, [("CACHE-CONTROL", "max-age=1000")], published(issuer)

    async def awaited(url: str) -> tuple[int, list[tuple[str, str]], bytes]:
        await asyncio.sleep(0)
        return answers(url)

    class Client:
        async def __call__(self, url: str) -> tuple[int, list[tuple[str, str]], bytes]:
            return await awaited(url)

    for fetch in (answers, awaited, lambda url: awaited(url), Client()):  # noqa: PLW0108 - async, and does not look it
        for way in (ask, ask_async):
            asked.clear()
            assert way(issuer.guard(fetch=fetch), issuer.token()) == "entered"
            assert len(asked) == 2
    assert not issuer.hits


def test_an_async_fetch_runs_in_the_event_loop_of_its_request(issuer: StubIssuer) -> None:
    threads = set()

    async def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        threads.add(threading.current_thread())
        if url.endswith("openid-configuration"):
            return 200, {}, b'{"issuer":"%s","jwks_uri":"https://x.example/k"}' % issuer.url.encode()
        return 200, {}, published(issuer)

    assert ask_async(issuer.guard(fetch=fetch), issuer.token()) == "entered"
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize(
    "answer", [None, (200, {}), (200, {}, "text"), ("200", {}, b""), 200, (200, 1, b"{}")]
)
@both_ways
def test_a_fetch_that_answers_nonsense_is_an_outage(
    issuer: StubIssuer, answer: Any, asked: Callable[[Guard, str], str]
) -> None:
    assert asked(issuer.guard(fetch=lambda _: answer), issuer.token()) == "keys_unavailable"

    async def fetch(url: str) -> Any:
        del url
        return answer

    assert asked(issuer.guard(fetch=fetch), issuer.token()) == "keys_unavailable"


def test_a_fetch_of_ones_own_may_not_bring_a_huge_discovery_document(issuer: StubIssuer) -> None:
    def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        if url.endswith("openid-configuration"):
            return (
                200,
                {},
                b'{"issuer":"%s","jwks_uri":"https://x.example/k"}' % issuer.url.encode() + size * b" ",
            )
        return 200, {}, published(issuer)

    size = 0
    assert ask(issuer.guard(fetch=fetch), issuer.token()) == "entered"
    size = 512 * 1024
    assert ask(issuer.guard(fetch=fetch), issuer.token()) == "keys_unavailable"


def test_an_async_fetch_ends_at_the_deadline(issuer: StubIssuer) -> None:
    async def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        await asyncio.sleep(60)
        raise AssertionError(url)

    keys = IssuerKeys(issuer.url, now=Clock(), fetch=fetch, timeout=0.2)
    for _ in range(2):
        with pytest.raises(FetchFailed):
            asyncio.run(keys.afind(kid="k1", alg="RS256"))


def test_a_fetch_that_comes_back_late_does_not_bring_back_what_is_gone() -> None:
    # The first answer, with k1, is held up; meanwhile a second fetch learns that k1 is gone.
    clock, held = Clock(), threading.Event()
    stub = StubIssuer(published=[key("k1")])
    calls: list[str] = []

    def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        if url.endswith("openid-configuration"):
            return 200, {}, b'{"issuer":"https://issuer.example/","jwks_uri":"https://issuer.example/k"}'
        body = published(stub)
        calls.append(url)
        if len(calls) == 1:
            held.wait(5)
        return 200, {}, body

    keys = IssuerKeys("https://issuer.example/", now=clock, fetch=fetch, timeout=0.2)
    with pytest.raises(FetchFailed):
        keys.find(kid="k1", alg="RS256")
    stub.published = [key("k2")]
    clock.forward(1)
    assert keys.find(kid="k2", alg="RS256").kid == "k2"
    held.set()
    assert soon(lambda: not any(each.name == "gatewright-keys" for each in threading.enumerate()))
    assert keys.known(kid="k2", alg="RS256", now=clock()) is not None
    assert keys.known(kid="k1", alg="RS256", now=clock()) is None


def test_outside_of_asyncio_the_async_check_still_answers(issuer: StubIssuer) -> None:
    # As in an event loop of another make: nothing to wait in, so it waits as the sync check does.
    pending = issuer.guard().acheck(Request("GET", "/", bearer(issuer.token())))
    with pytest.raises(StopIteration) as finished:
        pending.send(None)
    assert finished.value.value.client_id == "app"
