"""A source's tokens: asked for as the RFC says, kept, renewed in time, and what an outage does to nobody."""

from __future__ import annotations

import asyncio
import base64
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest

from gatewright.client import TokenRefused, TokenUnavailable
from gatewright.guard import HttpFetch
from gatewright.jose import JWK, jws, jwt
from tests.client.endpoint import AUDIENCE, DISCOVERY, SECRET, Reply, TokenEndpoint, granted, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatewright.client import TokenSource
    from tests.guard.issuing import Clock

    Making = Callable[..., TokenSource]


def until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_a_token_is_asked_for_as_the_issuers_metadata_say(source_of: Making, endpoint: TokenEndpoint) -> None:
    source = source_of(scope=["read:blog", "create:blog read:blog"])

    assert source.token() == "token-1"
    assert source.headers() == {"Authorization": "Bearer token-1"}
    assert asyncio.run(source.aheaders()) == {"Authorization": "Bearer token-1"}
    assert [each.path for each in endpoint.asked] == [DISCOVERY, "/token"]
    assert endpoint.tokens[0].form == {
        "grant_type": "client_credentials",
        "client_id": "reader",
        "client_secret": SECRET,
        "audience": AUDIENCE,
        "scope": "read:blog create:blog",
    }


def test_a_secret_travels_by_basic_when_asked_to(source_of: Making, endpoint: TokenEndpoint) -> None:
    secret = "a secret: with % and ü"
    source_of(
        client_secret=secret,
        auth_method="client_secret_basic",
        token_endpoint=endpoint.issuer + "token",
        audience=None,
    ).token()

    (asked,) = endpoint.asked  # no discovery
    assert asked.form == {"grant_type": "client_credentials"}
    pair = base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")).decode()
    assert pair == f"reader:{quote_plus(secret)}"


def test_each_request_carries_an_assertion_of_its_own(source_of: Making, endpoint: TokenEndpoint) -> None:
    key = JWK.generate("ES256")
    endpoint.replies.append(Reply(503))

    source_of(client_secret=None, private_key=key).token()

    forms = [each.form for each in endpoint.tokens]
    assert len(forms) == 2
    assert all("client_secret" not in form for form in forms)
    claims = []
    for form in forms:
        assert form["client_assertion_type"].endswith(":jwt-bearer")
        parsed = jws.parse(form["client_assertion"])
        jws.verify(parsed, key.public(), algorithms=("ES256",))
        claims.append(jwt.claims(parsed))
    assert all(
        (each["iss"], each["sub"], each["aud"]) == ("reader", "reader", endpoint.issuer) for each in claims
    )
    assert all(0 < each["exp"] - each["iat"] <= 300 for each in claims)  # type: ignore[operator]  # checked above
    assert claims[0]["jti"] != claims[1]["jti"]


def test_a_token_is_kept_and_renewed_in_the_last_five_minutes_of_its_life(
    source_of: Making, endpoint: TokenEndpoint, clock: Clock
) -> None:
    source = source_of()
    source.token()
    clock.forward(3600 - 300 - 1)
    assert source.token() == "token-1"
    assert len(endpoint.tokens) == 1

    clock.forward(152)  # half of the window has passed: whatever chance drew, it is due
    assert source.token() == "token-1"  # it is still good, so nobody waits for the next
    until(lambda: source.token() == "token-2")
    assert len(endpoint.tokens) == 2


def test_renewals_of_many_do_not_come_at_one_moment(source_of: Making, clock: Clock) -> None:
    sources = [source_of() for _ in range(20)]
    for each in sources:
        each.token()
    due = {round(each._held.refresh_at - clock()) for each in sources if each._held}  # noqa: SLF001 - drawn by chance
    assert len(due) > 5
    assert all(3300 <= each <= 3450 for each in due)


def test_an_expired_token_is_not_given(source_of: Making, endpoint: TokenEndpoint, clock: Clock) -> None:
    source = source_of()
    source.token()
    clock.forward(3595)  # a request would arrive too late
    assert source.token() == "token-2"
    clock.forward(-7200)  # nobody knows how old it is
    assert source.token() == "token-3"
    assert len(endpoint.tokens) == 3


def test_while_the_issuer_is_away_the_token_held_is_used_to_its_end(
    source_of: Making, endpoint: TokenEndpoint, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    source = source_of(timeout=0.3)
    source.token()
    endpoint.stop()
    clock.forward(3500)
    begun = time.monotonic()
    assert [source.token() for _ in range(100)] == ["token-1"] * 100
    assert time.monotonic() - begun < 5
    until(lambda: "the one held is good for another 100 s" in caplog.text)
    clock.forward(99)
    with pytest.raises(TokenUnavailable, match="refused"):
        source.token()
    endpoint.start()
    clock.forward(30)
    assert source.token() == "token-2"


def test_a_failed_renewal_is_not_tried_at_every_call(
    source_of: Making, endpoint: TokenEndpoint, clock: Clock
) -> None:
    source = source_of(timeout=0.1)
    source.token()
    endpoint.always = Reply(503)
    clock.forward(3500)
    source.token()
    until(lambda: source._flight is None)  # noqa: SLF001 - the renewal beside us has ended
    tried = len(endpoint.tokens)
    clock.forward(19)
    for _ in range(50):
        assert source.token() == "token-1"
    assert source._flight is None  # noqa: SLF001 - nor is anything under way
    assert len(endpoint.tokens) == tried
    clock.forward(2)
    assert source.token() == "token-1"
    until(lambda: len(endpoint.tokens) > tried)


def test_a_renewal_that_failed_a_moment_ago_is_tried_again_once_there_is_no_token(
    source_of: Making, endpoint: TokenEndpoint, clock: Clock
) -> None:
    source = source_of(timeout=0.1)
    source.token()
    endpoint.always = Reply(503)
    clock.forward(3585)
    source.token()
    until(lambda: source._flight is None)  # noqa: SLF001 - as above
    endpoint.always = granted("after-all")
    clock.forward(6)
    assert source.token() == "after-all"


def test_a_token_endpoint_that_has_moved_is_looked_for(
    source_of: Making, endpoint: TokenEndpoint, clock: Clock
) -> None:
    endpoint.lifetime = 600
    source = source_of()
    source.token()
    endpoint.always = Reply(404)
    clock.forward(595)
    with pytest.raises(TokenRefused, match="not the token endpoint"):
        source.token()
    endpoint.always = None
    discoveries = len(endpoint.asked) - len(endpoint.tokens)
    clock.forward(4)
    with pytest.raises(TokenRefused):  # known for another second
        source.token()
    clock.forward(2)
    assert source.token() == "token-3"
    assert len(endpoint.asked) - len(endpoint.tokens) == discoveries + 1


@pytest.mark.parametrize("reply", [Reply(500), Reply(503), Reply(429), Reply(200, b"<html>"), granted("a b")])
def test_what_may_pass_is_asked_again(source_of: Making, endpoint: TokenEndpoint, reply: Reply) -> None:
    endpoint.replies.extend([reply, reply])
    assert source_of().token() == "token-3"


def test_a_broken_connection_is_tried_again(source_of: Making, endpoint: TokenEndpoint) -> None:
    fetch, calls = HttpFetch(), []

    def failing(url: str, **message: Any) -> Any:  # noqa: ANN401 - as HttpFetch
        calls.append(url)
        if len(calls) in (1, 3):
            raise ConnectionResetError(f"while sending client_secret={SECRET}")
        return fetch(url, **message)

    assert source_of(fetch=failing).token() == "token-1"
    assert len(endpoint.tokens) == 1
    assert len(calls) == 4


def test_retry_after_is_heeded(source_of: Making, endpoint: TokenEndpoint) -> None:
    endpoint.replies.append(Reply(429, headers={"Retry-After": "1"}))
    begun = time.monotonic()
    assert source_of().token() == "token-2"
    assert time.monotonic() - begun >= 1


def test_a_long_retry_after_is_told_and_not_waited_for(
    source_of: Making, endpoint: TokenEndpoint, clock: Clock
) -> None:
    endpoint.always = Reply(429, headers={"Retry-After": "3000"})
    source = source_of()
    for _ in range(3):
        with pytest.raises(TokenUnavailable, match="answered 429") as caught:
            source.token()
        assert caught.value.retry_after == 3000
    clock.forward(59)
    with pytest.raises(TokenUnavailable):
        source.token()
    assert len(endpoint.tokens) == 1
    endpoint.always = None
    clock.forward(2)  # nobody is kept from asking for longer than a minute
    assert source.token() == "token-2"


def test_asking_again_has_an_end(source_of: Making, endpoint: TokenEndpoint) -> None:
    endpoint.always = Reply(503)
    with pytest.raises(TokenUnavailable, match="answered 503"):
        source_of(timeout=1.0).token()
    assert 2 <= len(endpoint.tokens) <= 6


def test_a_slow_issuer_keeps_nobody_longer_than_the_timeout(
    source_of: Making, endpoint: TokenEndpoint
) -> None:
    endpoint.delay = 5.0
    source = source_of(timeout=0.3)
    begun = time.monotonic()
    with pytest.raises(TokenUnavailable):
        source.token()
    with pytest.raises(TokenUnavailable):
        asyncio.run(source.atoken())
    assert time.monotonic() - begun < 4


@pytest.mark.parametrize(
    ("reply", "advice"),
    [
        (refused(401, "access_denied", "Unauthorized"), "replaced or revoked"),
        (refused(401, "invalid_client"), "replaced or revoked"),
        (refused(400, "invalid_client"), "replaced or revoked"),
        (refused(403, "access_denied", "Client has not been granted scopes: a"), "fewer scopes"),
        (refused(400, "invalid_scope"), "fewer scopes"),
        (refused(403, "access_denied", "Client is not authorized to access it"), "client grant"),
        (refused(403, "access_denied", "Service not enabled within domain: x"), "to the letter"),
        (refused(403, "unauthorized_client", "Grant type not allowed"), "client_credentials"),
        (Reply(404), "token_endpoint"),
        (Reply(302, headers={"Location": "http://127.0.0.1:1/"}), "token_endpoint"),
        (refused(400, "invalid_request", "What?"), "its log"),
    ],
)
def test_a_refusal_is_told_with_what_to_do_and_not_repeated(
    source_of: Making, endpoint: TokenEndpoint, reply: Reply, advice: str
) -> None:
    endpoint.replies.append(reply)
    with pytest.raises(TokenRefused, match=advice) as caught:
        source_of().token()
    assert caught.value.status == reply.status
    body = reply.body if isinstance(reply.body, dict) else {}
    assert caught.value.error == body.get("error", "")
    assert caught.value.error_description == body.get("error_description", "")
    assert len(endpoint.tokens) == 1


def test_a_refusal_is_remembered_for_some_seconds(
    source_of: Making, endpoint: TokenEndpoint, clock: Clock
) -> None:
    endpoint.replies.append(refused(401, "access_denied", "Unauthorized"))
    source = source_of()
    errors = []
    for _ in range(3):
        with pytest.raises(TokenRefused) as caught:
            source.token()
        errors.append(caught.value)
    assert len(endpoint.tokens) == 1
    assert len({id(error) for error in errors}) == 3  # each its own, with its own traceback
    clock.forward(6)
    assert source.token() == "token-2"


def test_a_refusal_while_a_token_is_good_is_no_reason_to_stop(
    source_of: Making, endpoint: TokenEndpoint, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    source = source_of()
    source.token()
    endpoint.always = refused(401, "access_denied", "Unauthorized")
    clock.forward(3500)
    assert source.token() == "token-1"
    until(lambda: "replaced or revoked" in caplog.text)
    assert source.token() == "token-1"
    clock.forward(99)
    with pytest.raises(TokenRefused):
        source.token()


@pytest.mark.parametrize("lifetime", [0, -1, True, "soon", "1e3", [], 1e400])
def test_a_lifetime_that_is_none_is_no_answer(
    source_of: Making, endpoint: TokenEndpoint, lifetime: object
) -> None:
    endpoint.replies.append(granted("bad", expires_in=lifetime))
    assert source_of().token() == "token-2"


@pytest.mark.parametrize(("lifetime", "seconds"), [(None, 300), ("600", 600), (7.5, 7.5)])
def test_a_lifetime_is_read_as_issuers_write_it(
    source_of: Making, endpoint: TokenEndpoint, clock: Clock, lifetime: object, seconds: float
) -> None:
    endpoint.replies.append(granted("first", expires_in=lifetime))
    source = source_of()
    assert source.token() == "first"
    clock.forward(seconds * 0.89)
    assert source.token() == "first"
    clock.forward(seconds * 0.11)
    assert source.token() == "token-2"


def test_a_token_of_another_type_is_none(source_of: Making, endpoint: TokenEndpoint) -> None:
    endpoint.always = granted("bound", token_type="DPoP")
    with pytest.raises(TokenUnavailable, match="'DPoP', which is no bearer token"):
        source_of().token()
    assert len(endpoint.tokens) == 1


def test_scopes_that_are_not_given_are_told(
    source_of: Making, endpoint: TokenEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.replies.append(granted("less", scope="read:blog"))
    source_of(scope="read:blog create:blog").token()
    assert "without the scopes create:blog" in caplog.text
    assert "read:blog create:blog" in caplog.text  # what was asked for, in the source's own words


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({"issuer": "http://127.0.0.1:1/", "token_endpoint": "http://127.0.0.1:1/t"}, "is of the issuer"),
        ({}, "is of the issuer"),
        ({"token_endpoint": "http://issuer.example/token"}, "not https"),
        ({"token_endpoint": "file:///etc/passwd"}, "not https"),
        ({"token_endpoint": 1}, "names no token_endpoint"),
    ],
)
def test_secrets_are_sent_only_where_the_issuer_itself_says(
    source_of: Making, endpoint: TokenEndpoint, document: dict[str, object], fault: str
) -> None:
    own = {"issuer": endpoint.issuer} if "issuer" not in document and document else {}
    endpoint.discovered = Reply(body=own | document)
    with pytest.raises(TokenUnavailable, match=fault):
        source_of().token()
    assert not endpoint.tokens


def test_a_token_endpoint_once_found_outlives_the_discovery(
    source_of: Making, endpoint: TokenEndpoint, clock: Clock
) -> None:
    source = source_of()
    source.token()
    endpoint.discovered = Reply(500)
    clock.forward(4000)
    assert source.token() == "token-2"


def test_nothing_secret_is_in_texts(
    source_of: Making, endpoint: TokenEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    endpoint.replies.append(granted("a-token-to-hide"))
    source = source_of(scope="read:blog")
    source.token()
    endpoint.always = refused(401, "invalid_client", f"wrong: {SECRET}\x1b[2J")
    other = source_of()
    with pytest.raises(TokenRefused) as caught:
        other.token()
    shown = [repr(source), repr(source._wish), repr(source._held), str(caught.value), repr(caught.value)]  # noqa: SLF001 - what a debugger shows
    shown += [caplog.text, caught.value.error_description]
    assert not any(SECRET in text or "a-token-to-hide" in text or "\x1b" in text for text in shown)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_fetch_of_the_users_own_may_be_async(source_of: Making) -> None:
    loops = []

    async def fetch(url: str, **message: Any) -> Any:  # noqa: ANN401 - as HttpFetch
        loops.append(asyncio.get_running_loop())
        return await asyncio.to_thread(lambda: HttpFetch()(url, **message))

    source = source_of(fetch=fetch)

    async def ask() -> tuple[str, asyncio.AbstractEventLoop]:
        return await source.atoken(), asyncio.get_running_loop()

    token, own = asyncio.run(ask())
    assert token == "token-1"
    assert loops == [own, own]  # the caller's, to which its connections may belong
    assert source_of(fetch=fetch).token() == "token-2"  # and one of its own where there is none


def test_a_loop_that_ends_in_the_middle_leaves_the_source_sound(
    source_of: Making, endpoint: TokenEndpoint
) -> None:
    async def fetch(url: str, **message: Any) -> Any:  # noqa: ANN401 - as HttpFetch
        await asyncio.sleep(0.2)
        return HttpFetch()(url, **message)

    source = source_of(fetch=fetch)

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(source.atoken(), 0.05)

    asyncio.run(give_up())
    # The renewal died with its loop; who comes later within the cool-down is told, and then it works again.
    source._failure = None  # noqa: SLF001 - the clock stands still
    assert asyncio.run(source.atoken()) == "token-1"
    assert len(endpoint.tokens) == 1


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"client_secret": None}, "either client_secret or private_key"),
        ({"private_key": JWK.generate("ES256")}, "either client_secret or private_key"),
        ({"client_secret": None, "private_key": JWK.generate("ES256").public()}, "private half"),
        ({"client_secret": None, "private_key": JWK.generate("HS256")}, "private half"),
        ({"client_secret": None, "private_key": "-----BEGIN"}, "private_key: "),
        (
            {"client_secret": None, "private_key": JWK.generate("ES256"), "signing_alg": "RS256"},
            "does not fit",
        ),
        ({"client_secret": ""}, "client_secret is a string"),
        ({"client_id": ""}, "client_id is a string"),
        ({"audience": ""}, "audience is the identifier"),
        ({"auth_method": "tls"}, "auth_method is one of"),
        ({"scope": "a\nb"}, "characters that no scope has"),
        ({"token_endpoint": "http://issuer.example/token"}, "no https URL"),
        ({"timeout": 0}, "above 0"),
        ({"cache": 5}, "path of a folder"),
    ],
)
def test_misuse_is_told_when_the_source_is_made(
    source_of: Making, options: dict[str, Any], fault: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=fault) as caught:
        source_of(**options)
    assert SECRET not in str(caught.value)


def test_threads_that_come_together_ask_once(source_of: Making, endpoint: TokenEndpoint) -> None:
    endpoint.delay = 0.1
    source, taken = source_of(), []
    threads = [threading.Thread(target=lambda: taken.append(source.token())) for _ in range(50)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert taken == ["token-1"] * 50
    assert len(endpoint.tokens) == 1
