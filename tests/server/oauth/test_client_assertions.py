"""`private_key_jwt`: a client signs who it is, each time anew (threats 1.1 row 25, 1.3 rows 1 to 3)."""

from __future__ import annotations

import base64
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from gatewright.jose import JWK, jwt
from gatewright.server.app import start
from gatewright.server.events import iso_time
from gatewright.server.settings import Settings
from tests.records import NOW
from tests.running import Application, free_port
from tests.server.assertions import JWT_BEARER, claims_of, new_key, private_pem, public_pem, signed
from tests.server.calling import ABSENT, AUDIENCE, Asking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cryptography.hazmat.primitives.asymmetric import rsa

    from gatewright.server.app import RunningServer
    from tests.records import Clock
    from tests.running import Caller

REFUSAL = b'{"error":"invalid_client","error_description":"Client authentication failed"}'


@dataclass(frozen=True, slots=True)
class Keyed:
    """A client that authenticates with keys, and its way of asking for tokens."""

    caller: Caller
    client_id: str
    key: rsa.RSAPrivateKey
    now: float

    @property
    def path(self) -> str:
        return f"clients/{self.client_id}"

    def claims(self, **changed: object) -> dict[str, object]:
        return claims_of(self.client_id, self.caller.issuer, self.now, **changed)

    def assertion(self, **changed: object) -> str:
        return signed(self.key, self.claims(**changed))

    def ask(
        self, assertion: str, headers: Mapping[str, str] | None = None, /, **changed: object
    ) -> httpx2.Response:
        """A request as node-auth0 sends it, parameters to be replaced or left out."""
        return self._asking(assertion).form(headers, **changed)

    def ask_in_json(self, assertion: str) -> httpx2.Response:
        return self._asking(assertion).json()

    def _asking(self, assertion: str) -> Asking:
        members = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_assertion": assertion,
            "client_assertion_type": JWT_BEARER,
            "audience": AUDIENCE,
        }
        return Asking(self.caller, members)

    def register(self, key: rsa.RSAPrivateKey, **members: object) -> str:
        """One more credential, not referred to yet; its id."""
        made = self.caller.create(
            f"{self.path}/credentials", credential_type="public_key", pem=public_pem(key), **members
        )
        id_: str = made["id"]
        return id_

    def refer(self, *ids: str) -> None:
        methods = {"private_key_jwt": {"credentials": [{"id": id_} for id_ in ids]}}
        self.caller.update(self.path, client_authentication_methods=methods, token_endpoint_auth_method=None)


@pytest.fixture(scope="module")
def keys() -> list[rsa.RSAPrivateKey]:
    """Three key pairs: making them takes long."""
    return [new_key() for _ in range(3)]


@pytest.fixture(scope="module")
def make(caller: Caller, blogs: str, clock: Clock) -> Callable[..., Keyed]:
    """Makes clients with one key, authorized for the blogs."""

    def made(key: rsa.RSAPrivateKey, **members: object) -> Keyed:
        application = caller.application("Keyed")
        caller.authorize(application, blogs, "read:blog")
        keyed = Keyed(caller, application.client_id, key, clock.now)
        keyed.refer(keyed.register(key, **members))
        return keyed

    return made


@pytest.fixture(scope="module")
def keyed(make: Callable[..., Keyed], keys: list[rsa.RSAPrivateKey]) -> Keyed:
    """A client with one key, which no test changes."""
    return make(keys[0])


def refused(answer: httpx2.Response) -> None:
    """Exactly the one refusal, whatever the reason."""
    assert answer.status_code == 401, answer.text
    assert answer.content == REFUSAL
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"


def test_assertion_authenticates_in_form_and_json(keyed: Keyed) -> None:
    answer = keyed.ask(keyed.assertion())

    assert answer.status_code == 200, answer.text
    assert answer.json()["scope"] == "read:blog"
    assert keyed.ask_in_json(keyed.assertion()).status_code == 200


def test_client_id_may_be_absent(keyed: Keyed) -> None:
    assert keyed.ask(keyed.assertion(), client_id=ABSENT).status_code == 200
    assert keyed.ask(keyed.assertion(), client_id="").status_code == 200


def test_client_id_must_be_who_signed(keyed: Keyed, author: Application) -> None:
    refused(keyed.ask(keyed.assertion(), client_id=author.client_id))
    refused(keyed.ask(keyed.assertion(), client_id="nobody"))
    refused(keyed.ask(keyed.assertion(), client_id=keyed.client_id.swapcase()))


@pytest.mark.parametrize("typ", ["JWT", "jwt", "client-authentication+jwt", None])
def test_types_of_assertions(keyed: Keyed, typ: str | None) -> None:
    assert keyed.ask(signed(keyed.key, keyed.claims(), typ=typ)).status_code == 200


@pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", ""])
def test_what_was_signed_for_another_purpose_is_refused(keyed: Keyed, typ: str) -> None:
    refused(keyed.ask(signed(keyed.key, keyed.claims(), typ=typ)))


# Claims as they may be: NOW is the server's clock.
GOOD_CLAIMS: list[dict[str, object]] = [
    {"exp": NOW + 1},
    {"exp": NOW + 300},
    {"exp": NOW + 0.5},
    {"iat": ABSENT},
    {"iat": NOW + 10, "nbf": NOW + 10},
    {"nbf": NOW - 3600},
    {"jti": "j"},
    {"jti": "j" * 64},
    {"jti": "é" * 64},
    {"more": {"nested": [1]}},
]


@pytest.mark.parametrize("changed", GOOD_CLAIMS, ids=str)
def test_claims_within_the_limits_are_taken(keyed: Keyed, changed: Mapping[str, object]) -> None:
    assert keyed.ask(keyed.assertion(**changed)).status_code == 200


BAD_CLAIMS: list[dict[str, object]] = [
    {"exp": ABSENT},
    {"exp": NOW},
    {"exp": NOW - 1},
    {"exp": NOW + 301},
    {"exp": NOW + 86400},
    {"exp": str(NOW + 60)},
    {"exp": None},
    {"exp": True},
    {"iat": NOW + 11},
    {"iat": "now"},
    {"nbf": NOW + 11},
    {"nbf": None},
    {"jti": ABSENT},
    {"jti": ""},
    {"jti": "j" * 65},
    {"jti": 7},
    {"jti": None},
    {"iss": ABSENT},
    {"iss": "other"},
    {"iss": None},
    {"sub": ABSENT},
    {"sub": "other"},
    {"sub": None},
    {"aud": ABSENT},
    {"aud": ""},
    {"aud": None},
    {"aud": "https://other.example/"},
]


@pytest.mark.parametrize("changed", BAD_CLAIMS, ids=str)
def test_claims_outside_the_limits_are_refused(keyed: Keyed, changed: Mapping[str, object]) -> None:
    refused(keyed.ask(keyed.assertion(**changed)))


def test_audience_is_exactly_the_issuer_as_one_string(keyed: Keyed) -> None:
    issuer = keyed.caller.issuer
    others: list[object] = [
        issuer.rstrip("/"),
        issuer + "oauth/token",
        issuer.upper(),
        issuer.replace("localhost", "127.0.0.1"),
        issuer + "api/v2/",
        AUDIENCE,
        [issuer],
        [issuer, "https://other.example/"],
        [],
    ]

    for other in others:
        refused(keyed.ask(keyed.assertion(aud=other)))


def test_assertion_of_another_client_is_refused_with_either_name(
    keyed: Keyed, make: Callable[..., Keyed], keys: list[rsa.RSAPrivateKey]
) -> None:
    other = make(keys[1])

    refused(keyed.ask(signed(other.key, keyed.claims())))
    refused(keyed.ask(signed(other.key, keyed.claims()), client_id=ABSENT))
    refused(keyed.ask(other.assertion()))
    refused(keyed.ask(keyed.assertion(iss=other.client_id)))
    assert other.ask(other.assertion()).status_code == 200


def test_two_clients_may_have_the_same_key_and_jti(
    keyed: Keyed, make: Callable[..., Keyed], keys: list[rsa.RSAPrivateKey]
) -> None:
    twin = make(keys[0])

    assert keyed.ask(keyed.assertion(jti="shared")).status_code == 200
    assert twin.ask(twin.assertion(jti="shared")).status_code == 200
    refused(twin.ask(keyed.assertion()))


def _forged(keyed: Keyed) -> dict[str, str]:
    """Assertions that nobody with the right key signed, by what is wrong."""
    sound = keyed.assertion()
    head, body, signature = sound.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    hidden = JWK.symmetric(b"s" * 64, alg="HS256")
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    later = json.dumps(keyed.claims(exp=keyed.now + 200)).encode()
    return {
        "alg none": f"{unsigned}.{body}.",
        "no signature": f"{head}.{body}.",
        "other signature": f"{head}.{body}.{flipped}",
        "other claims": f"{head}.{base64.urlsafe_b64encode(later).decode().rstrip('=')}.{signature}",
        "HMAC": jwt.sign(keyed.claims(), hidden),
        "two parts": f"{head}.{body}",
        "no JWT": "x",
        "no claims": f"{head}..{signature}",
        "too long": signed(keyed.key, keyed.claims(more="x" * 20_000)),
        "a list of claims": f"{head}.{base64.urlsafe_b64encode(b'[]').decode().rstrip('=')}.{signature}",
        "RS512": signed(keyed.key, keyed.claims(), alg="RS512"),
        "PS384": signed(keyed.key, keyed.claims(), alg="PS384"),
        "another of the credentials' algorithms": signed(keyed.key, keyed.claims(), alg="PS256"),
        "RS384": signed(keyed.key, keyed.claims(), alg="RS384"),
        "ES256": jwt.sign(keyed.claims(), JWK.generate("ES256")),
    }


def test_forged_and_malformed_assertions_are_refused(keyed: Keyed) -> None:
    for name, text in _forged(keyed).items():
        answer = keyed.ask(text)
        assert (answer.status_code, answer.content) == (401, REFUSAL), name
        assert keyed.ask(text, client_id=ABSENT).status_code == 401, name


@pytest.mark.parametrize("alg", ["RS256", "RS384", "PS256"])
def test_each_algorithm_is_good_for_credentials_of_it_alone(
    make: Callable[..., Keyed], keys: list[rsa.RSAPrivateKey], alg: str
) -> None:
    keyed = make(keys[1], alg=alg)

    for sent in ("RS256", "RS384", "PS256"):
        answer = keyed.ask(signed(keyed.key, keyed.claims(), alg=sent))
        assert answer.status_code == (200 if sent == alg else 401)


def test_kid_names_the_credential_or_is_missing(
    make: Callable[..., Keyed], keys: list[rsa.RSAPrivateKey]
) -> None:
    keyed = make(keys[1], kid="chosen-by-us")

    assert keyed.ask(signed(keyed.key, keyed.claims(), kid="chosen-by-us")).status_code == 200
    assert keyed.ask(signed(keyed.key, keyed.claims())).status_code == 200
    refused(keyed.ask(signed(keyed.key, keyed.claims(), kid="another")))


def test_both_slots_are_tried_and_a_revoked_key_ends_at_once(
    make: Callable[..., Keyed], keys: list[rsa.RSAPrivateKey]
) -> None:
    keyed = make(keys[0])
    (old,) = keyed.caller.manage("GET", f"{keyed.path}/credentials").json()

    new = keyed.register(keys[1])
    refused(keyed.ask(signed(keys[1], keyed.claims())))  # nothing refers to it yet
    keyed.refer(old["id"], new)
    for key in (keys[0], keys[1]):
        assert keyed.ask(signed(key, keyed.claims())).status_code == 200
    refused(keyed.ask(signed(keys[2], keyed.claims())))

    keyed.refer(new)
    refused(keyed.ask(keyed.assertion()))
    keyed.refer(old["id"], new)
    assert keyed.ask(keyed.assertion()).status_code == 200
    assert keyed.caller.manage("DELETE", f"{keyed.path}/credentials/{old['id']}").status_code == 204
    refused(keyed.ask(keyed.assertion()))
    assert keyed.ask(signed(keys[1], keyed.claims())).status_code == 200


def test_key_ends_when_it_expires_or_is_ended(
    make: Callable[..., Keyed], keys: list[rsa.RSAPrivateKey], moving_clock: Clock
) -> None:
    keyed = make(keys[1], expires_at=iso_time(NOW + 60))
    (credential,) = keyed.caller.manage("GET", f"{keyed.path}/credentials").json()
    path = f"{keyed.path}/credentials/{credential['id']}"
    moving_clock.now = NOW + 59
    assert keyed.ask(keyed.assertion(exp=NOW + 300)).status_code == 200

    moving_clock.now = NOW + 60
    refused(keyed.ask(keyed.assertion(exp=NOW + 300)))

    keyed.caller.update(path, expires_at=iso_time(NOW + 120))
    assert keyed.ask(keyed.assertion(exp=NOW + 300)).status_code == 200
    keyed.caller.update(path, expires_at=iso_time(NOW))
    refused(keyed.ask(keyed.assertion(exp=NOW + 300)))


def test_assertion_is_good_once(keyed: Keyed) -> None:
    assertion = keyed.assertion()

    assert keyed.ask(assertion).status_code == 200
    refused(keyed.ask(assertion))
    refused(keyed.ask(assertion, client_id=ABSENT))


def test_jti_counts_whatever_else_the_assertion_says(keyed: Keyed) -> None:
    assert keyed.ask(keyed.assertion(jti="one", exp=NOW + 60)).status_code == 200
    refused(keyed.ask(keyed.assertion(jti="one", exp=NOW + 120)))


def test_assertion_is_spent_even_when_the_grant_is_then_refused(keyed: Keyed) -> None:
    assertion = keyed.assertion()

    assert keyed.ask(assertion, scope="delete:blog").status_code == 403
    refused(keyed.ask(assertion))


def test_refused_assertion_spends_nothing(keyed: Keyed) -> None:
    refused(keyed.ask(signed(new_key(), keyed.claims(jti="kept"))))
    refused(keyed.ask(keyed.assertion(jti="kept", exp=NOW + 400)))

    assert keyed.ask(keyed.assertion(jti="kept")).status_code == 200


def test_row_25_of_many_posts_at_once_exactly_one_succeeds(keyed: Keyed) -> None:
    assertion = keyed.assertion()

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: keyed.ask(assertion).status_code, range(64)))

    assert sorted(answers) == [200] + [401] * 63


@pytest.fixture
def second(running: RunningServer, clock: Clock) -> Iterator[str]:
    """Where another server of the same issuer answers, on the same database."""
    port = free_port()
    settings = Settings.load(
        {}, data=running.settings.data, listen=f"localhost:{port}", issuer=running.issuer
    )
    with start(settings, now=clock):
        yield f"http://localhost:{port}/"


def test_replay_at_another_server_of_the_database_is_refused(keyed: Keyed, second: str) -> None:
    def ask_second(assertion: str) -> int:
        form = {
            "grant_type": "client_credentials",
            "client_assertion": assertion,
            "client_assertion_type": JWT_BEARER,
            "audience": AUDIENCE,
        }
        return httpx2.post(second + "oauth/token", data=form).status_code

    first = keyed.assertion()
    assert keyed.ask(first).status_code == 200
    assert ask_second(first) == 401
    other = keyed.assertion()
    assert ask_second(other) == 200
    refused(keyed.ask(other))
    shared = keyed.assertion()
    with ThreadPoolExecutor(8) as threads:
        ways: list[Callable[[str], int]] = [ask_second, lambda text: keyed.ask(text).status_code]
        answers = list(threads.map(lambda number: ways[number % 2](shared), range(16)))
    assert sorted(answers) == [200] + [401] * 15


def test_key_that_another_server_took_away_is_refused_at_once(
    make: Callable[..., Keyed], keys: list[rsa.RSAPrivateKey], second: str
) -> None:
    keyed = make(keys[1])
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": JWT_BEARER,
        "audience": AUDIENCE,
    }

    def ask_second() -> int:
        form["client_assertion"] = keyed.assertion()
        return httpx2.post(second + "oauth/token", data=form).status_code

    assert ask_second() == 200
    (credential,) = keyed.caller.manage("GET", f"{keyed.path}/credentials").json()
    keyed.caller.update(f"{keyed.path}/credentials/{credential['id']}", expires_at=iso_time(NOW))
    assert ask_second() == 401


def spent(running: RunningServer) -> int:
    connection = sqlite3.connect(running.settings.data / "gatewright.db")
    found: int = connection.execute("SELECT count(*) FROM spent_assertions").fetchone()[0]
    connection.close()
    return found


def test_expired_assertions_are_forgotten_a_few_at_a_time(
    keyed: Keyed, running: RunningServer, moving_clock: Clock
) -> None:
    for _ in range(25):
        assert keyed.ask(keyed.assertion(exp=NOW + 10)).status_code == 200
    before = spent(running)

    moving_clock.now = NOW + 60
    assert keyed.ask(keyed.assertion(exp=NOW + 100)).status_code == 200
    assert spent(running) == before + 1  # another machine's clock may be behind
    moving_clock.now = NOW + 300 + 61
    later = moving_clock.now + 100
    for left in (before + 1 - 9, before + 1 - 18):
        assert keyed.ask(keyed.assertion(exp=later, iat=ABSENT)).status_code == 200
        assert spent(running) == left


def test_client_with_keys_cannot_use_a_secret(
    caller: Caller, keyed: Keyed, asking: Callable[..., Asking]
) -> None:
    before = caller.application("Was secret")
    caller.authorize(before, AUDIENCE)
    changed = Keyed(caller, before.client_id, keyed.key, keyed.now)
    assert asking(before).form().status_code == 200

    changed.refer(changed.register(keyed.key))

    answer = asking(before).form()
    assert (answer.status_code, answer.json()["error"]) == (401, "access_denied")
    assert changed.ask(changed.assertion()).status_code == 200


def test_client_with_a_secret_cannot_use_a_key(caller: Caller, keyed: Keyed) -> None:
    application = caller.application("Secret")
    caller.authorize(application, AUDIENCE)
    secretive = Keyed(caller, application.client_id, keyed.key, keyed.now)
    secretive.register(keyed.key)  # there, but nothing refers to it

    refused(secretive.ask(secretive.assertion()))


def test_client_that_went_back_to_secrets_cannot_use_its_key(
    make: Callable[..., Keyed], keys: list[rsa.RSAPrivateKey]
) -> None:
    keyed = make(keys[1])
    assert keyed.ask(keyed.assertion()).status_code == 200

    back = keyed.caller.update(keyed.path, client_authentication_methods=None)

    refused(keyed.ask(keyed.assertion()))
    application = Application(keyed.client_id, back["client_secret"])
    assert keyed.caller.ask_token(application, AUDIENCE).status_code == 200


def test_two_methods_at_once_are_refused_and_spend_nothing(
    keyed: Keyed, author: Application, caller: Caller
) -> None:
    assertion = keyed.assertion()
    own = base64.b64encode(f"{keyed.client_id}:x".encode()).decode()

    refused(keyed.ask(assertion, client_secret="x"))
    beside = keyed.ask(assertion, {"Authorization": f"Basic {own}"})
    refused(beside)
    assert beside.headers["WWW-Authenticate"].startswith("Basic ")
    # A good secret does not make up for an assertion of any kind beside it.
    for text in (assertion, "x", keyed.assertion(sub=author.client_id, iss=author.client_id)):
        form = {"client_assertion": text, "client_assertion_type": JWT_BEARER}
        refused(caller.ask_token(author, AUDIENCE, **form))
    assert keyed.ask(assertion).status_code == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"client_assertion_type": ABSENT},
        {"client_assertion_type": ""},
        {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"},
        {"client_assertion_type": JWT_BEARER + " "},
        {"client_assertion": ABSENT},
        {"client_assertion": ""},
    ],
    ids=str,
)
def test_assertion_and_its_type_belong_together(keyed: Keyed, changed: Mapping[str, object]) -> None:
    refused(keyed.ask(keyed.assertion(), **changed))


def test_unknown_client_is_refused_alike(keyed: Keyed) -> None:
    nobody = keyed.claims(iss="nobody", sub="nobody")

    refused(keyed.ask(signed(keyed.key, nobody), client_id="nobody"))
    refused(keyed.ask(signed(keyed.key, nobody), client_id=ABSENT))


def test_without_the_database_nobody_can_tell_a_replay(keyed: Keyed, running: RunningServer) -> None:
    assert keyed.ask(keyed.assertion()).status_code == 200  # in memory from now on
    connection = sqlite3.connect(running.settings.data / "gatewright.db", isolation_level=None)
    connection.execute("ALTER TABLE spent_assertions RENAME TO gone")
    try:
        assertion = keyed.assertion()
        answer = keyed.ask(assertion)
    finally:
        connection.execute("ALTER TABLE gone RENAME TO spent_assertions")
        connection.close()

    assert answer.status_code == 503
    assert answer.json()["error"] == "temporarily_unavailable"
    assert answer.headers["Retry-After"] == "5"
    assert keyed.ask(assertion).status_code == 200


def events_of(caller: Caller, *answers: httpx2.Response) -> list[dict[str, Any]]:
    newest = caller.manage("GET", "logs", params={"per_page": 100}).json()
    wanted = [answer.headers["X-Request-Id"] for answer in answers]
    found = {event["details"]["request_id"]: event for event in newest}
    return [found[request_id] for request_id in wanted]


def test_the_log_says_why_an_assertion_was_refused_and_nothing_of_it(caller: Caller, keyed: Keyed) -> None:
    assertion = keyed.assertion()
    answers = [
        keyed.ask(assertion),
        keyed.ask(assertion),
        keyed.ask(keyed.assertion(aud="https://other.example/")),
        keyed.ask(signed(new_key(), keyed.claims())),
        keyed.ask(keyed.assertion(), client_secret="x"),
    ]

    good, *bad = events_of(caller, *answers)

    assert good["type"] == "seccft"
    assert [event["type"] for event in bad] == ["feccft"] * 4
    assert [event["description"].removeprefix("Client authentication failed: ") for event in bad] == [
        "the assertion was used before",
        "aud is not exactly the issuer",
        "no key of the client fits: the signature is wrong",
        "a secret was sent beside the assertion",
    ]
    assert all(event["client_id"] == keyed.client_id for event in bad)
    assert all(event["details"]["error"] == "invalid_client" for event in bad)
    assert assertion.rpartition(".")[2] not in json.dumps([good, *bad])


def test_the_private_key_in_a_test_is_not_what_the_server_keeps(running: RunningServer, keyed: Keyed) -> None:
    stored = b"".join(path.read_bytes() for path in running.settings.data.glob("gatewright.db*"))

    private = JWK.from_pem(private_pem(keyed.key)).to_dict(private=True)
    assert str(private["n"]).encode() in stored
    assert str(private["d"]).encode() not in stored
