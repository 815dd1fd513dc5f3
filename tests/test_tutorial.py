"""The tutorial told over HTTP: a real server, the real sample API, and everything each of them refuses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from cryptography.hazmat.primitives import serialization

from gatewright import Guard
from gatewright.demo import sample
from gatewright.jose import JWK, JWKS, jwt
from tests.running import Application, bearer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running import Caller

AUDIENCE = "https://blog-api"
OTHER_AUDIENCE = "https://another-api"
SCOPES = [
    {"value": "read:blog", "description": "Read the blog"},
    {"value": "create:blog", "description": "Write into the blog"},
]
TWO_DAYS = 2 * 86400


@contextmanager
def guarded_blogs(issuer: str, audience: str, *, ahead: float = 0) -> Iterator[httpx2.Client]:
    """The sample API guarded with the tutorial's three values; its clock may run `ahead` seconds."""
    guard = Guard(issuer, audience=audience, algorithms=("RS256",), now=lambda: time.time() + ahead)
    with serving(sample.build(guard)) as url, httpx2.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def blogs(caller: Caller) -> Iterator[httpx2.Client]:
    caller.create("resource-servers", name="Blog API", identifier=AUDIENCE, scopes=SCOPES)
    caller.create("resource-servers", name="Another API", identifier=OTHER_AUDIENCE)
    with guarded_blogs(caller.issuer, AUDIENCE) as client:
        yield client


@pytest.fixture(scope="module")
def newcomer(caller: Caller, blogs: httpx2.Client) -> Application:
    """Authorized for the API, with no permission."""
    del blogs  # only has to be there first: it makes the API
    application = caller.application("Blog API (Test Application)")
    caller.authorize(application, AUDIENCE)
    return application


@pytest.fixture(scope="module")
def author(caller: Caller, blogs: httpx2.Client) -> Application:
    """Authorized for the API, with both permissions."""
    del blogs
    application = caller.application("Author")
    caller.authorize(application, AUDIENCE, "read:blog", "create:blog")
    return application


@pytest.fixture(scope="module")
def authors_token(caller: Caller, author: Application) -> str:
    return caller.token(author, AUDIENCE)


def test_the_tutorial_from_the_first_refusal_to_both_permissions(caller: Caller) -> None:
    audience = "https://blog-api-of-the-walk"

    # 1. An API, and beside it an application that may ask for tokens of it, with no permissions.
    api = caller.create("resource-servers", name="Walk", identifier=audience, signing_alg="RS256")
    application = caller.application("Walk (Test Application)")
    grant = caller.authorize(application, audience)

    # 2. A project guarded with three values.
    with guarded_blogs(caller.issuer, audience) as blogs:
        # 3. Refused without a token, admitted with one.
        assert blogs.get("/authtest").status_code == 401
        first = bearer(caller.token(application, audience))
        assert blogs.get("/authtest", headers=first).json() == {"loggedin": True}

        # 4. The same valid token lacks the scopes of the guarded endpoints.
        assert blogs.get("/blogs", headers=first).status_code == 403
        assert blogs.post("/blogs", headers=first).status_code == 403

        # 5. Define the permissions, tick them, take a new token.
        caller.update(f"resource-servers/{api['id']}", scopes=SCOPES)
        caller.update(f"client-grants/{grant}", scope=["read:blog"])
        reader = bearer(caller.token(application, audience))
        assert blogs.get("/blogs", headers=reader).json() == {"readBlogAccess": True}
        assert blogs.post("/blogs", headers=reader).status_code == 403

        caller.update(f"client-grants/{grant}", scope=["read:blog", "create:blog"])
        author = bearer(caller.token(application, audience))
        assert blogs.get("/blogs", headers=author).json() == {"readBlogAccess": True}
        assert blogs.post("/blogs", headers=author).json() == {"createBlogAccess": True}

        # A token says what was true when it was issued.
        assert blogs.get("/blogs", headers=first).status_code == 403


def assert_refused(
    answer: httpx2.Response, status: int, error: str, description: str, *, scope: str = ""
) -> None:
    """The answer is the guard's, header for header and member for member."""
    assert answer.status_code == status, answer.text
    assert answer.json() == {"error": error, "error_description": description}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    challenge = f'Bearer realm="{AUDIENCE}"'
    if error != "unauthorized":
        challenge += f', error="{error}", error_description="{description}"'
    if scope:
        challenge += f', scope="{scope}"'
    assert answer.headers["WWW-Authenticate"] == challenge


def assert_token_refused(answer: httpx2.Response, description: str) -> None:
    assert_refused(answer, 401, "invalid_token", description)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_endpoint_without_a_token_is_refused_without_an_error_code(blogs: httpx2.Client, method: str) -> None:
    answer = blogs.request(method, "/blogs")
    assert_refused(answer, 401, "unauthorized", "No access token was sent")


def test_another_scheme_counts_as_no_token(blogs: httpx2.Client) -> None:
    answer = blogs.get("/authtest", auth=("somebody", "password"))
    assert_refused(answer, 401, "unauthorized", "No access token was sent")


def test_malformed_authorization_header_is_a_bad_request(blogs: httpx2.Client) -> None:
    answer = blogs.get("/authtest", headers={"Authorization": "Bearer one two"})
    assert_refused(answer, 400, "invalid_request", "The Authorization header is malformed")


def test_valid_token_lacking_the_scope_is_forbidden_and_told_which(
    blogs: httpx2.Client, caller: Caller, newcomer: Application
) -> None:
    token = bearer(caller.token(newcomer, AUDIENCE))
    for method, scope in [("GET", "read:blog"), ("POST", "create:blog")]:
        assert_refused(
            blogs.request(method, "/blogs", headers=token),
            403,
            "insufficient_scope",
            "The access token lacks a required scope",
            scope=scope,
        )


def test_the_guard_decides_before_it_reads_the_body(blogs: httpx2.Client) -> None:
    malformed = {"Content-Type": "application/json"}
    assert blogs.post("/blogs", content=b"{not json", headers=malformed).status_code == 401


def test_client_may_ask_for_less_than_it_was_granted(
    blogs: httpx2.Client, caller: Caller, author: Application
) -> None:
    token = bearer(caller.token(author, AUDIENCE, scope="create:blog"))
    assert blogs.post("/blogs", headers=token).status_code == 200
    assert blogs.get("/blogs", headers=token).status_code == 403


# The attempts to break in. Each starts from what an attacker has: a valid token, the published keys.


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    header, payload, signature = token.split(".")
    return json.loads(decoded(header)), json.loads(decoded(payload)), signature


def decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def encoded(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def published_keys(caller: Caller) -> JWKS:
    return JWKS.parse(caller.http.get(".well-known/jwks.json").content)


def test_changed_scope_breaks_the_signature(
    blogs: httpx2.Client, caller: Caller, newcomer: Application
) -> None:
    header, claims, signature = parts(caller.token(newcomer, AUDIENCE))
    forged = f"{encoded(header)}.{encoded(claims | {'scope': 'read:blog'})}.{signature}"
    assert_token_refused(blogs.get("/blogs", headers=bearer(forged)), "The access token is invalid")


@pytest.mark.parametrize("alg", ["none", "None", "NONE"])
def test_token_without_a_signature_is_refused(blogs: httpx2.Client, authors_token: str, alg: str) -> None:
    header, claims, signature = parts(authors_token)
    for ending in ("", signature):
        forged = f"{encoded(header | {'alg': alg})}.{encoded(claims)}.{ending}"
        assert blogs.get("/blogs", headers=bearer(forged)).status_code == 401


@pytest.mark.parametrize("form", ["pem", "der", "jwk"])
def test_public_key_is_no_secret_for_hs256(
    blogs: httpx2.Client, caller: Caller, authors_token: str, form: str
) -> None:
    header, claims, _ = parts(authors_token)
    key = published_keys(caller).select(kid=header["kid"], alg="RS256")
    encoding = {"pem": serialization.Encoding.PEM, "der": serialization.Encoding.DER}
    if form == "jwk":
        secret = json.dumps(key.to_dict()).encode()
    else:
        public: Any = key.native
        secret = public.public_bytes(encoding[form], serialization.PublicFormat.SubjectPublicKeyInfo)
    signing_input = f"{encoded(header | {'alg': 'HS256'})}.{encoded(claims)}"
    signature = hmac.new(secret, signing_input.encode(), hashlib.sha256).digest()
    forged = f"{signing_input}.{encoded(signature)}"
    assert_token_refused(blogs.get("/blogs", headers=bearer(forged)), "The access token is invalid")


def test_own_key_under_the_servers_kid_is_refused(blogs: httpx2.Client, authors_token: str) -> None:
    header, claims, _ = parts(authors_token)
    own = JWK.generate("RS256", kid=header["kid"])
    forged = jwt.sign(claims, own)
    assert_token_refused(blogs.get("/blogs", headers=bearer(forged)), "The access token is invalid")


def test_key_inside_the_token_is_not_believed(blogs: httpx2.Client, authors_token: str) -> None:
    header, claims, _ = parts(authors_token)
    own = JWK.generate("RS256", kid=header["kid"])
    with_key = encoded(header | {"jwk": own.to_dict()})
    _, payload, signature = jwt.sign(claims, own).split(".")
    answer = blogs.get("/blogs", headers=bearer(f"{with_key}.{payload}.{signature}"))
    assert answer.status_code == 401


def test_expired_token_is_refused(caller: Caller, authors_token: str) -> None:
    with guarded_blogs(caller.issuer, AUDIENCE, ahead=TWO_DAYS) as blogs:
        answer = blogs.get("/blogs", headers=bearer(authors_token))
        assert_token_refused(answer, "The access token expired")


def test_token_for_another_audience_is_refused(
    blogs: httpx2.Client, caller: Caller, author: Application
) -> None:
    caller.authorize(author, OTHER_AUDIENCE)
    token = bearer(caller.token(author, OTHER_AUDIENCE))
    assert_token_refused(blogs.get("/authtest", headers=token), "The access token is invalid")


def test_management_token_opens_no_other_api(blogs: httpx2.Client, caller: Caller) -> None:
    token = bearer(caller.token(caller.operator, caller.issuer + "api/v2/"))
    assert_token_refused(blogs.get("/authtest", headers=token), "The access token is invalid")


def test_token_of_the_api_does_not_open_the_management_api(caller: Caller, authors_token: str) -> None:
    answer = caller.http.get("api/v2/clients", headers=bearer(authors_token))
    assert answer.status_code == 401


# What the server refuses.


def test_wrong_secret_and_unknown_client_are_the_same_refusal(caller: Caller, newcomer: Application) -> None:
    impostors = [
        Application(newcomer.client_id, "wrong"),
        Application("nobody", newcomer.client_secret),
        Application(newcomer.client_id, ""),
    ]
    for impostor in impostors:
        answer = caller.ask_token(impostor, AUDIENCE)
        assert answer.status_code == 401
        assert answer.json() == {"error": "access_denied", "error_description": "Unauthorized"}


def test_unknown_audience_is_refused(caller: Caller, newcomer: Application) -> None:
    answer = caller.ask_token(newcomer, "https://nowhere")
    assert answer.status_code == 403
    assert answer.json() == {
        "error": "access_denied",
        "error_description": "Service not enabled within domain: https://nowhere",
    }


def test_audience_without_a_grant_is_refused(caller: Caller, newcomer: Application) -> None:
    answer = caller.ask_token(newcomer, OTHER_AUDIENCE)
    assert answer.status_code == 403
    assert newcomer.client_id in answer.json()["error_description"]
    assert OTHER_AUDIENCE in answer.json()["error_description"]


def test_scope_beyond_the_grant_is_refused(caller: Caller, newcomer: Application) -> None:
    answer = caller.ask_token(newcomer, AUDIENCE, scope="read:blog")
    assert answer.status_code == 403
    assert answer.json() == {
        "error": "access_denied",
        "error_description": "Client has not been granted scopes: read:blog",
    }


def test_every_token_and_every_refusal_is_in_the_log(caller: Caller, author: Application) -> None:
    caller.token(author, AUDIENCE)
    caller.ask_token(Application(author.client_id, "wrong"), AUDIENCE)
    for kind in ("seccft", "feccft"):
        events = caller.manage("GET", "logs", params={"q": f"type:{kind}", "per_page": 100}).json()
        assert any(event.get("client_id") == author.client_id for event in events), kind


def test_tokens_of_one_application_work_at_once_for_many_callers(
    blogs: httpx2.Client, authors_token: str
) -> None:
    answers = [blogs.get("/blogs", headers=bearer(authors_token)).status_code for _ in range(50)]
    assert answers == [200] * 50
