"""Who a client is: its secret in the body or by Basic, and one answer for whoever is not (RFC 6749 2.3)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.running import Application
from tests.server.calling import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx2

    from tests.running import Caller
    from tests.server.calling import Asking, Wire

CHALLENGE = 'Basic realm="oauth/token", charset="UTF-8"'
ODD_SECRET = 'p%41ss+wörd:/?&="\\ €16'
"""Every character that form escaping, Basic or both could read another way."""


def basic(name: str, secret: str) -> dict[str, str]:
    """The header with both parts as they are."""
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


def unauthorized(answer: httpx2.Response, *, challenge: str | None) -> None:
    """Exactly the one refusal that wrong, missing and unknown share."""
    assert answer.status_code == 401, answer.text
    assert answer.content == b'{"error":"access_denied","error_description":"Unauthorized"}'
    assert answer.headers.get("WWW-Authenticate") == challenge
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"


def by_basic(ask: Asking, header: Mapping[str, str], **changed: object) -> httpx2.Response:
    """A request whose body names nobody, unless it is changed to."""
    return ask.form(header, **{"client_id": ABSENT, "client_secret": ABSENT, **changed})


@pytest.fixture(scope="module")
def odd(caller: Caller, blogs: str) -> Application:
    """An application whose secret was set by hand."""
    made = caller.application("Odd")
    caller.update(f"clients/{made.client_id}", client_secret=ODD_SECRET)
    caller.authorize(made, blogs, "read:blog")
    return Application(made.client_id, ODD_SECRET)


def test_secret_in_the_body_authenticates(ask: Asking) -> None:
    assert ask.form().status_code == 200
    assert ask.json().status_code == 200


def test_basic_authenticates_without_a_word_in_the_body(ask: Asking, author: Application) -> None:
    answer = by_basic(ask, basic(author.client_id, author.client_secret))

    assert answer.status_code == 200
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "bAsIc"])
def test_scheme_is_read_in_any_case(ask: Asking, author: Application, scheme: str) -> None:
    value = basic(author.client_id, author.client_secret)["Authorization"].removeprefix("Basic")

    assert by_basic(ask, {"Authorization": scheme + value}).status_code == 200


def test_basic_together_with_the_same_client_id_in_the_body(ask: Asking, author: Application) -> None:
    answer = by_basic(ask, basic(author.client_id, author.client_secret), client_id=author.client_id)

    assert answer.status_code == 200


def test_basic_together_with_the_same_secret_in_the_body(ask: Asking, author: Application) -> None:
    assert ask.form(basic(author.client_id, author.client_secret)).status_code == 200


def test_empty_parameters_beside_basic_count_as_absent(ask: Asking, author: Application) -> None:
    header = basic(author.client_id, author.client_secret)

    assert by_basic(ask, header, client_id="", client_secret="").status_code == 200


@pytest.mark.parametrize("member", ["client_id", "client_secret"])
def test_body_that_disagrees_with_basic_is_refused(ask: Asking, author: Application, member: str) -> None:
    answer = ask.form(basic(author.client_id, author.client_secret), **{member: "another"})

    assert answer.status_code == 400
    description = f"{member} in the body is not the one of the Authorization header"
    assert answer.json() == {"error": "invalid_request", "error_description": description}


def test_right_secret_in_the_body_does_not_heal_a_wrong_one_in_basic(
    ask: Asking, author: Application
) -> None:
    assert ask.form(basic(author.client_id, "wrong")).status_code == 400


def test_secret_set_by_hand_works_in_the_body(asking: Callable[..., Asking], odd: Application) -> None:
    assert asking(odd).form().status_code == 200
    assert asking(odd).json().status_code == 200


@pytest.mark.parametrize(
    "written",
    [str, quote_plus, quote, lambda secret: quote(secret, safe="")],
    ids=["raw", "form-escaped", "url-escaped", "all-escaped"],
)
def test_basic_takes_the_secret_raw_and_escaped(
    asking: Callable[..., Asking], odd: Application, written: Callable[[str], str]
) -> None:
    header = basic(odd.client_id, written(ODD_SECRET))

    assert by_basic(asking(odd), header).status_code == 200


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=16, max_size=40))
def test_any_secret_works_in_every_way(
    caller: Caller, asking: Callable[..., Asking], odd: Application, secret: str
) -> None:
    made = caller.update(f"clients/{odd.client_id}", client_secret=secret)
    ask = asking(Application(odd.client_id, secret))

    assert made["client_secret"] == secret
    assert ask.form().status_code == ask.json().status_code == 200
    assert by_basic(ask, basic(odd.client_id, secret)).status_code == 200
    assert by_basic(ask, basic(odd.client_id, quote_plus(secret))).status_code == 200
    assert ask.form(client_secret=secret + "x").status_code == 401
    caller.update(f"clients/{odd.client_id}", client_secret=ODD_SECRET)


@pytest.mark.parametrize("secret", ["wrong", "", ABSENT, "x" * 60_000])
def test_wrong_and_missing_secrets_are_unauthorized(ask: Asking, secret: object) -> None:
    unauthorized(ask.form(client_secret=secret), challenge=None)
    unauthorized(ask.json(client_secret=secret), challenge=None)


def test_secret_is_compared_whole_and_in_its_case(ask: Asking, author: Application) -> None:
    secret = author.client_secret
    for wrong in (secret[:-1], secret + " ", secret.swapcase(), secret + secret, secret[::-1]):
        unauthorized(ask.form(client_secret=wrong), challenge=None)


@pytest.mark.parametrize("client_id", ["nobody", "' OR 1=1 --", "\x00", "é" * 500, "%", "*"])
def test_unknown_client_is_unauthorized(ask: Asking, client_id: str) -> None:
    unauthorized(ask.json(client_id=client_id), challenge=None)


def test_client_id_is_read_in_its_case(ask: Asking, author: Application) -> None:
    unauthorized(ask.form(client_id=author.client_id.swapcase()), challenge=None)


def test_secret_of_another_client_is_unauthorized(ask: Asking, author: Application, odd: Application) -> None:
    unauthorized(ask.form(client_id=odd.client_id), challenge=None)
    unauthorized(ask.form(client_secret=odd.client_secret), challenge=None)
    assert author.client_secret != odd.client_secret


@pytest.mark.parametrize(
    ("name", "secret"), [("nobody", "x"), ("nobody", ""), ("AUTHOR", "wrong"), ("AUTHOR", "")]
)
def test_basic_that_is_wrong_is_unauthorized_with_a_challenge(
    ask: Asking, author: Application, name: str, secret: str
) -> None:
    header = basic(author.client_id if name == "AUTHOR" else name, secret)

    unauthorized(by_basic(ask, header), challenge=CHALLENGE)


@pytest.mark.parametrize(
    "credentials",
    [
        "",
        "x",
        "!!!!",
        "a b c",
        base64.b64encode(b"no colon").decode(),
        base64.b64encode(b":only a secret").decode(),
        base64.b64encode(b"\xff\xfe:\xff").decode(),
        base64.b64encode(b"id:secret").decode().rstrip("=")[:-1],
        "===",
        "w6k6w6k=extra",
    ],
)
def test_malformed_basic_is_unauthorized_with_a_challenge(ask: Asking, credentials: str) -> None:
    answer = by_basic(ask, {"Authorization": f"Basic {credentials}".strip()})

    unauthorized(answer, challenge=CHALLENGE)


def test_malformed_basic_is_refused_although_the_body_is_right(ask: Asking) -> None:
    unauthorized(ask.form({"Authorization": "Basic !"}), challenge=CHALLENGE)


@pytest.mark.parametrize("header", ["Bearer abc", "DPoP abc", "Basical eDp5", ""])
def test_other_schemes_say_nothing_about_the_client(ask: Asking, header: str) -> None:
    assert ask.form({"Authorization": header}).status_code == 200


def test_two_authorization_headers_are_refused(ask: Asking, author: Application, wire: Wire) -> None:
    right = basic(author.client_id, author.client_secret)["Authorization"]
    answer = wire.send(
        f"""POST /oauth/token HTTP/1.1
        Content-Type: application/x-www-form-urlencoded
        Authorization: {right}
        Authorization: {right}""",
        b"grant_type=client_credentials&audience=" + quote(ask.members["audience"]).encode(),
    )

    assert answer.status == 400
    assert b'"error_description":"More than one Authorization header was sent"' in answer.body


@pytest.mark.parametrize(
    "changed",
    [
        {"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"]},
        {"client_authentication_methods": {"private_key_jwt": {"credentials": []}}},
    ],
    ids=["public", "by key"],
)
def test_client_without_a_secret_method_is_unauthorized_even_with_its_secret(
    caller: Caller, asking: Callable[..., Asking], blogs: str, changed: Mapping[str, object]
) -> None:
    application = caller.application("Changing")
    caller.authorize(application, blogs)
    ask = asking(application)
    assert ask.form().status_code == 200

    caller.update(f"clients/{application.client_id}", **changed)

    unauthorized(ask.form(), challenge=None)
    unauthorized(ask.form(client_secret=ABSENT), challenge=None)
    header = basic(application.client_id, application.client_secret)
    unauthorized(by_basic(ask, header), challenge=CHALLENGE)


def test_either_method_works_whatever_the_client_was_registered_with(
    caller: Caller, asking: Callable[..., Asking], blogs: str
) -> None:
    application = caller.application("Registered")
    caller.authorize(application, blogs)
    ask, header = asking(application), basic(application.client_id, application.client_secret)

    for method in ("client_secret_post", "client_secret_basic", None):
        caller.update(f"clients/{application.client_id}", token_endpoint_auth_method=method)

        assert ask.form().status_code == 200
        assert by_basic(ask, header).status_code == 200


def test_answers_to_unknown_client_and_wrong_secret_differ_in_nothing(ask: Asking) -> None:
    def told(answer: httpx2.Response) -> tuple[int, bytes, dict[str, str]]:
        varying = {"x-request-id", "date"}
        headers = {name: value for name, value in answer.headers.items() if name not in varying}
        return answer.status_code, answer.content, headers

    unknown = told(ask.form(client_id="nobody"))

    assert told(ask.form(client_secret="wrong")) == unknown
    assert told(ask.form(client_secret=ABSENT)) == unknown
    assert told(ask.form(client_id="nobody", audience="https://unknown.example/")) == unknown
    assert told(ask.form(client_id="nobody", grant_type="unknown")) == unknown
