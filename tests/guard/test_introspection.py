"""Opaque tokens over real HTTP: what is believed and for how long, outages, floods, single flight."""

# ruff: noqa: ANN401 - answers of any shape are the point
from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import pytest

from gatewright.guard.introspection import MAX_IN_FLIGHT, Inactive, Introspection, Introspector
from gatewright.guard.refresh import FetchFailed
from gatewright.jose import JoseError
from tests.guard.issuing import AUDIENCE, ISSUER, NOW, Clock, Reply, reply
from tests.loopback import Loopback

SECRET = "a:made/up secret+1"
ACTIVE: dict[str, object] = {"active": True, "sub": "app", "aud": AUDIENCE, "scope": "read:blog"}


@dataclass(slots=True)
class StubEndpoint(Loopback):
    """An introspection endpoint on the loopback; `tokens` are the active ones, `answer` overrides."""

    tokens: dict[str, dict[str, object]] = field(default_factory=lambda: {"good": ACTIVE})
    answer: Reply | None = None
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    forms: list[dict[str, list[str]]] = field(default_factory=list)
    held: threading.Event | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/introspect"

    def introspector(self, *, fetch: Any = None, timeout: float = 5.0, **settings: Any) -> Introspector:
        settings = {"client_id": "api", "client_secret": SECRET} | settings
        clock = settings.pop("now", Clock())
        return Introspector(
            Introspection(self.url, **settings), issuer=ISSUER, now=clock, fetch=fetch, timeout=timeout
        )

    def handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                token = form["token"][0]
                endpoint.asked.append(token)
                endpoint.forms.append(form)
                endpoint.headers.append({name.lower(): value for name, value in self.headers.items()})
                if endpoint.held is not None:
                    endpoint.held.wait(10)
                usual = reply(200, endpoint.tokens.get(token, {"active": False}))
                try:
                    (endpoint.answer or usual)(self)
                except OSError:
                    self.close_connection = True

            def do_GET(self) -> None:
                endpoint.asked.append("redirected")
                reply(200, ACTIVE)(self)

            def log_message(self, *arguments: object) -> None:
                pass  # the test's own report is enough

        return Answering


@pytest.fixture
def endpoint() -> Iterator[StubEndpoint]:
    with StubEndpoint() as running:
        yield running


def soon(happened: Callable[[], bool]) -> bool:
    until = time.monotonic() + 5
    while not happened() and time.monotonic() < until:
        time.sleep(0.005)
    return happened()


def told(introspector: Introspector, token: str = "good") -> str:  # noqa: S107 - no password
    """What comes of a token: "active", the code of its refusal, or "unavailable"."""
    try:
        introspector.find(token)
    except JoseError as refusal:
        return refusal.code
    except FetchFailed as failure:
        return "unavailable" if failure.outage else "broken"
    return "active"


def test_an_active_token_has_the_claims_of_the_answer(endpoint: StubEndpoint) -> None:
    endpoint.tokens["good"] = ACTIVE | {"client_id": "app", "username": "ada", "token_type": "bearer"}
    assert endpoint.introspector().find("good") == {
        **endpoint.tokens["good"],
        "iss": ISSUER,
        "exp": NOW + 30,
    }


def test_issuer_and_expiry_of_the_answer_are_kept(endpoint: StubEndpoint) -> None:
    endpoint.tokens["good"] = ACTIVE | {"iss": "https://other.example/", "exp": int(NOW) + 7}
    claims = endpoint.introspector().find("good")
    assert (claims["iss"], claims["exp"]) == ("https://other.example/", NOW + 7)


def test_the_request_is_a_form_with_basic_authentication(endpoint: StubEndpoint) -> None:
    endpoint.introspector(client_id="an api").find("good")
    assert endpoint.forms == [{"token": ["good"], "token_type_hint": ["access_token"]}]
    sent = endpoint.headers[0]
    assert sent["accept"] == "application/json"
    assert sent["content-type"] == "application/x-www-form-urlencoded"
    pair = base64.b64decode(sent["authorization"].removeprefix("Basic ")).decode()
    assert [unquote_plus(part) for part in pair.split(":")] == ["an api", SECRET]


def test_an_inactive_token_is_refused_and_the_refusal_believed_for_five_seconds(
    endpoint: StubEndpoint,
) -> None:
    clock = Clock()
    introspector = endpoint.introspector(now=clock)
    assert [told(introspector, "bad") for _ in range(3)] == ["inactive"] * 3
    with pytest.raises(Inactive):
        introspector.known("bad", clock())
    assert endpoint.asked == ["bad"]
    clock.forward(5)
    assert introspector.known("bad", clock()) is None
    endpoint.tokens["bad"] = ACTIVE
    assert told(introspector, "bad") == "active"


def test_a_good_answer_is_believed_for_its_ttl_and_no_longer(endpoint: StubEndpoint) -> None:
    clock = Clock()
    introspector = endpoint.introspector(now=clock, ttl=20)
    assert introspector.known("good", clock()) is None
    assert told(introspector) == "active"
    clock.forward(19.9)
    assert introspector.known("good", clock()) is not None
    assert told(introspector) == "active"
    assert len(endpoint.asked) == 1
    del endpoint.tokens["good"]
    clock.forward(0.1)
    assert introspector.known("good", clock()) is None
    assert told(introspector) == "inactive"
    assert len(endpoint.asked) == 2


def test_a_token_that_expires_before_the_ttl_is_asked_for_again(endpoint: StubEndpoint) -> None:
    clock = Clock()
    introspector = endpoint.introspector(now=clock)
    endpoint.tokens["good"] = ACTIVE | {"exp": int(NOW) + 7}
    introspector.find("good")
    clock.forward(6.9)
    assert introspector.known("good", clock()) is not None
    clock.forward(0.1)
    assert introspector.known("good", clock()) is None


def test_a_clock_set_back_makes_the_issuer_be_asked_again(endpoint: StubEndpoint) -> None:
    clock = Clock()
    introspector = endpoint.introspector(now=clock)
    introspector.find("good")
    clock.forward(-3600)
    assert introspector.known("good", clock()) is None


def test_what_a_caller_does_to_its_claims_does_not_reach_the_next(endpoint: StubEndpoint) -> None:
    introspector = endpoint.introspector()
    introspector.find("good")["scope"] = "everything"
    assert introspector.find("good")["scope"] == "read:blog"


def test_an_outage_is_no_refusal_is_not_hammered_and_ends(endpoint: StubEndpoint) -> None:
    clock = Clock()
    introspector = endpoint.introspector(now=clock)
    assert told(introspector) == "active"
    endpoint.answer = reply(503)
    assert [told(introspector, f"t{each}") for each in range(20)] == ["unavailable"] * 20
    assert endpoint.asked == ["good", "t0"]
    assert told(introspector) == "active", "what is known goes on"
    clock.forward(30)
    assert told(introspector) == "unavailable", "what is too old is not used"
    endpoint.answer = None
    clock.forward(1)
    assert told(introspector) == "active"


def test_an_endpoint_that_is_down_is_no_refusal(endpoint: StubEndpoint) -> None:
    clock = Clock()
    introspector = endpoint.introspector(now=clock)
    endpoint.stop()
    assert told(introspector) == "unavailable"
    endpoint.start()
    clock.forward(1)
    assert told(introspector) == "active"


@pytest.mark.parametrize("status", [401, 403])
def test_refused_client_credentials_are_the_operators_fault_and_told_in_the_log(
    endpoint: StubEndpoint, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.answer = reply(status)
    with caplog.at_level(logging.WARNING):
        assert told(endpoint.introspector()) == "unavailable"
    assert "refuses this guard's client_id and client_secret" in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        reply(500),
        reply(429),
        reply(400, ACTIVE),
        reply(204),
        reply(200, b""),
        reply(200, b"[]"),
        reply(200, {}),
        reply(200, {"active": "true"}),
        reply(200, {"active": 1}),
        reply(200, b'{"active": false, "active": true, "aud": "https://blog-api"}'),
        reply(200, b'{"active": true, "aud": "https://blog-api", "x": "' + b"x" * 65536 + b'"}'),
        reply(200, b"eyJ.eyJ.sig", Content_Type="application/token-introspection+jwt"),
        reply(302, Location="/elsewhere"),
    ],
)
def test_an_answer_that_is_none_is_no_refusal_of_the_token(endpoint: StubEndpoint, answer: Reply) -> None:
    endpoint.answer = answer
    introspector = endpoint.introspector()
    assert told(introspector) == "unavailable"
    assert told(introspector) == "unavailable"
    assert endpoint.asked == ["good"], "not at once again, and nowhere else"


def test_a_signed_answer_is_named_as_not_supported(endpoint: StubEndpoint) -> None:
    endpoint.answer = reply(200, b"x", Content_Type="Application/Token-Introspection+JWT; charset=utf-8")
    with pytest.raises(FetchFailed, match=r"RFC 9701.*not supported"):
        endpoint.introspector().find("good")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"token_type": "DPoP"}, "bad_claim"),
        ({"token_type": "N_A"}, "bad_claim"),
        ({"token_type": None}, "bad_claim"),
        ({"exp": "soon"}, "bad_claim"),
        ({"aud": 7}, "bad_claim"),
        ({"iss": None}, "bad_claim"),
        ({"token_use": "refresh_token"}, "wrong_type"),
        ({"typ": "Refresh"}, "wrong_type"),
    ],
)
def test_an_active_token_that_is_no_sound_bearer_token_is_refused(
    endpoint: StubEndpoint, changed: dict[str, object], code: str
) -> None:
    endpoint.tokens["good"] = ACTIVE | changed
    introspector = endpoint.introspector()
    assert [told(introspector), told(introspector)] == [code, code]
    assert len(endpoint.asked) == 1


def test_a_token_on_which_the_endpoint_stumbles_does_not_stand_in_the_way_of_others(
    endpoint: StubEndpoint,
) -> None:
    introspector = endpoint.introspector()
    endpoint.answer = reply(500)
    assert told(introspector, "odd") == "unavailable"
    endpoint.answer = None
    assert told(introspector) == "active"


def test_a_hundred_threads_with_one_token_make_one_request(endpoint: StubEndpoint) -> None:
    endpoint.held = threading.Event()
    introspector = endpoint.introspector()
    with ThreadPoolExecutor(100) as pool:
        answers = [pool.submit(told, introspector) for _ in range(100)]
        assert soon(lambda: len(endpoint.asked) == 1)
        time.sleep(0.05)
        endpoint.held.set()
    assert {answer.result() for answer in answers} == {"active"}
    assert endpoint.asked == ["good"]


def test_a_hundred_tasks_with_one_token_make_one_request_and_the_loop_goes_on(endpoint: StubEndpoint) -> None:
    held = endpoint.held = threading.Event()
    introspector = endpoint.introspector()

    async def run() -> list[dict[str, object]]:
        tasks = [asyncio.create_task(introspector.afind("good")) for _ in range(100)]
        await asyncio.to_thread(soon, lambda: bool(endpoint.asked))
        await asyncio.sleep(0.02)
        held.set()  # only a loop that goes on comes here
        return await asyncio.gather(*tasks)

    assert {claims["sub"] for claims in asyncio.run(run())} == {"app"}
    assert endpoint.asked == ["good"]


def test_one_task_that_is_cancelled_does_not_end_the_request_of_the_others(endpoint: StubEndpoint) -> None:
    held = endpoint.held = threading.Event()
    introspector = endpoint.introspector()

    async def run() -> dict[str, object]:
        first, second = (asyncio.create_task(introspector.afind("good")) for _ in range(2))
        await asyncio.to_thread(soon, lambda: bool(endpoint.asked))
        first.cancel()
        await asyncio.sleep(0)
        held.set()
        return await second

    assert asyncio.run(run())["sub"] == "app"


def test_a_flood_of_invented_tokens_pushes_no_good_one_out_and_takes_no_room(endpoint: StubEndpoint) -> None:
    async def fetch(_: str, *, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        assert headers["Authorization"]
        return 200, {}, json.dumps(ACTIVE if b"good" in body else {"active": False}).encode()

    introspector = endpoint.introspector(fetch=fetch, cache_size=64)

    async def flood() -> set[str]:
        for each in range(60):
            await introspector.afind(f"good{each}")
        codes = set()
        for each in range(2000):
            with pytest.raises(Inactive) as refusal:
                await introspector.afind(f"invented{each}")
            codes.add(refusal.value.code)
        return codes

    assert asyncio.run(flood()) == {"inactive"}
    assert all(introspector.known(f"good{each}", NOW) for each in range(60))
    inside: Any = introspector
    assert len(inside._bad) == 64  # noqa: SLF001 - what is kept has no other sight
    assert not inside._flights  # noqa: SLF001 - as above
    assert inside._in_flight == 0  # noqa: SLF001 - as above


def test_good_answers_are_bounded_and_the_least_used_goes_first(endpoint: StubEndpoint) -> None:
    endpoint.tokens |= {f"good{each}": ACTIVE for each in range(3)}
    introspector = endpoint.introspector(cache_size=2)
    introspector.find("good0")
    introspector.find("good1")
    assert introspector.known("good0", NOW)
    introspector.find("good2")
    assert introspector.known("good0", NOW)
    assert introspector.known("good1", NOW) is None


def test_only_so_many_requests_are_under_way_and_the_rest_is_told_at_once(endpoint: StubEndpoint) -> None:
    held = endpoint.held = threading.Event()
    introspector = endpoint.introspector()
    with ThreadPoolExecutor(MAX_IN_FLIGHT) as pool:
        answers = [pool.submit(told, introspector, f"t{each}") for each in range(MAX_IN_FLIGHT)]
        assert soon(lambda: len(endpoint.asked) == MAX_IN_FLIGHT)
        assert told(introspector, "one-more") == "unavailable"
        held.set()
    assert {answer.result() for answer in answers} == {"inactive"}
    assert soon(lambda: told(introspector) == "active")
    assert "one-more" not in endpoint.asked


def test_an_issuer_that_does_not_answer_is_waited_for_no_longer_than_the_timeout(
    endpoint: StubEndpoint,
) -> None:
    held = endpoint.held = threading.Event()
    introspector = endpoint.introspector(timeout=0.2)
    started = time.monotonic()
    assert told(introspector) == "unavailable"
    assert time.monotonic() - started < 2
    held.set()


def test_a_fetch_of_the_users_may_be_sync_and_is_told_url_body_and_headers(endpoint: StubEndpoint) -> None:
    calls: list[tuple[str, bytes]] = []

    def fetch(url: str, *, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        calls.append((url, body))
        assert headers["Accept"] == "application/json"
        return 200, {}, json.dumps(ACTIVE).encode()

    assert told(endpoint.introspector(fetch=fetch), "a/b+c=") == "active"
    assert calls == [(endpoint.url, b"token=a%2Fb%2Bc%3D&token_type_hint=access_token")]


def test_secret_and_token_stand_in_no_text_log_or_repr(
    endpoint: StubEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    def fetch(_: str, *, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        raise ValueError(f"cannot send {body!r} with {headers!r} for {SECRET}")

    introspector = endpoint.introspector(fetch=fetch)
    with caplog.at_level(logging.DEBUG), pytest.raises(FetchFailed) as failure:
        introspector.find("opaque-token-of-a-caller")
    assert "cannot be introspected" in caplog.text
    texts = caplog.text + str(failure.value) + repr(introspector) + repr(introspector.__dict__["_settings"])
    encoded = base64.b64encode(b"api:").decode()[:5]
    for hidden in (SECRET, "a%3Amade", "opaque-token", encoded):
        assert hidden not in texts


@pytest.mark.parametrize("token", ["", "two words", "ümlaut", "=start", "a=b", "line\n", "x" * 16385])
def test_what_is_no_bearer_token_is_never_sent(endpoint: StubEndpoint, token: str) -> None:
    introspector = endpoint.introspector()
    for ask in (introspector.find, lambda sent: introspector.known(sent, NOW)):
        with pytest.raises(ValueError, match="b64token"):
            ask(token)
    assert endpoint.asked == []


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"endpoint": "http://issuer.example/introspect"}, ValueError),
        ({"endpoint": "ftp://issuer.example/"}, ValueError),
        ({"endpoint": "https://user:word@issuer.example/"}, ValueError),
        ({"endpoint": "https://issuer.example/#part"}, ValueError),
        ({"endpoint": "https://[issuer/"}, ValueError),
        ({"endpoint": "https://issuer.example/a b"}, ValueError),
        ({"endpoint": "https://issuer.example/\u00e9"}, ValueError),
        ({"endpoint": "https://issuer.example/\n"}, ValueError),
        ({"endpoint": None}, TypeError),
        ({"client_id": ""}, ValueError),
        ({"client_secret": ""}, ValueError),
        ({"client_secret": "\ud800"}, ValueError),
        ({"client_secret": b"bytes"}, TypeError),
        ({"ttl": 0}, ValueError),
        ({"ttl": float("inf")}, ValueError),
        ({"negative_ttl": -1}, ValueError),
        ({"negative_ttl": True}, TypeError),
        ({"cache_size": 0}, ValueError),
        ({"cache_size": 1.5}, TypeError),
        ({"require_audience": "yes"}, TypeError),
    ],
)
def test_settings_that_cannot_be_right_are_refused_when_they_are_made(
    changed: dict[str, Any], error: type[Exception]
) -> None:
    sound = {"endpoint": "https://issuer.example/introspect?v=1", "client_id": "api", "client_secret": SECRET}
    assert SECRET not in repr(Introspection(**sound))  # type: ignore[arg-type]  # one dict for all
    with pytest.raises(error) as refusal:
        Introspection(**sound | changed)
    assert str(refusal.value).startswith(next(iter(changed)))
    assert "word" not in str(refusal.value)


def test_the_smallest_settings_are_settings() -> None:
    sound: dict[str, Any] = {"endpoint": "http://127.0.0.1/i", "client_id": "a", "client_secret": "b"}
    smallest = Introspection(**sound, ttl=0.1, negative_ttl=0, cache_size=1)
    assert (smallest.ttl, smallest.negative_ttl, smallest.cache_size) == (0.1, 0, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_a_fork_asks_for_itself_even_in_the_middle_of_a_request(endpoint: StubEndpoint) -> None:
    held = endpoint.held = threading.Event()
    introspector: Any = endpoint.introspector()
    waiting = threading.Thread(target=told, args=(introspector,))
    waiting.start()
    assert soon(lambda: len(endpoint.asked) == 1)
    introspector._lock.acquire()  # noqa: SLF001 - as if the fork came while a thread held it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of a fork beside threads
        child = os.fork()
    if child == 0:
        signal.alarm(8)  # a child that waits for what its parent does would wait for ever
        os._exit(0 if told(introspector) == "active" else 1)
    introspector._lock.release()  # noqa: SLF001 - as above
    assert soon(lambda: len(endpoint.asked) == 2), "the child does not wait for a request of its parent's"
    held.set()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    waiting.join()
