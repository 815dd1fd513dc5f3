"""A real issuer of other people's making, node-oidc-provider: the guard finds its keys by discovery."""

from __future__ import annotations

import secrets
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from gatewright.guard import Denied, Guard, Introspection, Issuer, Request
from tests.compat.node_packages import node_with_packages
from tests.running import bearer, environment, free_port, responds, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent / "node/oidc-provider"
AUDIENCE = "https://blog-api"
AUDIENCES = {
    "RS256": AUDIENCE,
    "ES256": "https://blog-api/es256",
    "EdDSA": "https://blog-api/eddsa",
    "Ed25519": "https://blog-api/ed25519",
}
OPAQUE = "https://opaque-api"


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that may be started several times on one port; each start brings new keys in front."""

    folder: Path
    port: int
    secret: str

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def keys(self) -> Path:
        return self.folder / "keys.json"

    @contextmanager
    def running(self) -> Iterator[None]:
        node, log = node_with_packages(FOLDER), self.folder / "provider.log"
        settings = environment(PORT=str(self.port), KEYS=str(self.keys), CLIENT_SECRET=self.secret)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*node, "provider.mjs"], cwd=FOLDER, env=settings, stdout=output, stderr=output
            )
        try:
            discovery = self.issuer + "/.well-known/openid-configuration"
            wait_until(lambda: responds(discovery), process, log)
            yield
        finally:
            process.terminate()
            process.wait(timeout=10)

    def token(self, **asked: str) -> str:
        """An access token of the token endpoint that the discovery document names."""
        document = httpx2.get(self.issuer + "/.well-known/openid-configuration", timeout=10).json()
        answer = httpx2.post(
            document["token_endpoint"],
            data={"grant_type": "client_credentials"} | asked,
            auth=("app", self.secret),
            timeout=10,
        )
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token


def provider_in(folder: Path) -> Provider:
    return Provider(folder, free_port(), secrets.token_urlsafe(32))


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    provider = provider_in(tmp_path_factory.mktemp("provider"))
    with provider.running():
        yield provider


def request(token: str) -> Request:
    return Request("GET", "/blogs", list(bearer(token).items()))


def refusal(guard: Guard, token: str, rule: str | None = None) -> tuple[int, str]:
    with pytest.raises(Denied) as refused:
        guard.check(request(token), rule)
    return refused.value.status, refused.value.reason


@pytest.mark.parametrize("alg", AUDIENCES)
def test_token_of_a_foreign_issuer_enters_through_its_discovery_document(
    provider: Provider, alg: str
) -> None:
    guard = Guard(provider.issuer, audience=AUDIENCES[alg])
    if alg not in guard.algorithms:
        guard = Guard(provider.issuer, audience=AUDIENCES[alg], algorithms=(*guard.algorithms, alg))
    token = provider.token(resource=AUDIENCES[alg], scope="read:blog create:blog")
    entered = guard.check(request(token), "create:blog")
    assert entered.client_id == "app"
    assert entered.scopes == ("read:blog", "create:blog")
    only = Guard(provider.issuer, audience=AUDIENCES[alg], algorithms=(alg,))
    assert only.check(request(token)) == entered


def test_token_of_a_foreign_issuer_without_the_scope_is_refused_with_403(provider: Provider) -> None:
    guard = Guard(provider.issuer, audience=AUDIENCE)
    reader = provider.token(resource=AUDIENCE, scope="read:blog")
    assert guard.check(request(reader), "read:blog").scopes == ("read:blog",)
    assert refusal(guard, reader, "create:blog") == (403, "insufficient_scope")
    assert refusal(guard, provider.token(resource=AUDIENCE), "read:blog") == (403, "insufficient_scope")


def test_token_for_another_api_of_a_foreign_issuer_is_refused(provider: Provider) -> None:
    guard = Guard(provider.issuer, audience=AUDIENCE)
    token = provider.token(resource="https://another-api", scope="read:blog")
    assert refusal(guard, token) == (401, "wrong_audience")


def introspecting(provider: Provider, *, audience: str = OPAQUE, secret: str | None = None) -> Guard:
    asked = Introspection(
        provider.issuer + "/token/introspection", client_id="api", client_secret=secret or provider.secret
    )
    return Guard(Issuer(provider.issuer, introspection=asked), audience=audience)


def test_opaque_token_of_a_foreign_issuer_enters_when_the_issuer_vouches_for_it(provider: Provider) -> None:
    guard = introspecting(provider)
    token = provider.token(resource=OPAQUE, scope="read:blog")
    assert "." not in token
    entered = guard.check(request(token), "read:blog")
    assert (entered.client_id, entered.scopes) == ("app", ("read:blog",))
    assert refusal(guard, token, "create:blog") == (403, "insufficient_scope")
    assert refusal(introspecting(provider, audience="https://other"), token) == (401, "wrong_audience")
    elsewhere = provider.token(resource="https://another-opaque-api", scope="read:blog")
    assert refusal(guard, elsewhere) == (401, "wrong_audience")
    assert refusal(guard, token[:-1] + ("A" if token[-1] != "A" else "B")) == (401, "inactive")


def test_opaque_token_that_its_issuer_revoked_is_inactive_to_a_guard_that_has_not_seen_it(
    provider: Provider,
) -> None:
    token = provider.token(resource=OPAQUE, scope="read:blog")
    assert introspecting(provider).check(request(token)).client_id == "app"
    revoked = httpx2.post(
        provider.issuer + "/token/revocation",
        data={"token": token},
        auth=("app", provider.secret),
        timeout=10,
    )
    assert revoked.status_code == 200, revoked.text
    assert refusal(introspecting(provider), token) == (401, "inactive")


def test_an_issuer_that_refuses_to_tell_is_503_and_says_nothing_of_the_token(provider: Provider) -> None:
    token = provider.token(resource=OPAQUE, scope="read:blog")
    assert refusal(introspecting(provider, secret="wrong"), token) == (503, "introspection_unavailable")


def test_opaque_token_of_a_foreign_issuer_is_refused_as_malformed(provider: Provider) -> None:
    guard = Guard(provider.issuer, audience=AUDIENCE)
    assert refusal(guard, provider.token()) == (401, "malformed")


@pytest.mark.parametrize("audience", [AUDIENCE, "app"])
def test_id_token_of_a_foreign_issuer_is_refused_even_where_the_api_is_called_as_the_client(
    provider: Provider, audience: str
) -> None:
    answer = httpx2.get(provider.issuer + "/id-token", timeout=10)
    assert answer.status_code == 200, answer.text
    guard = Guard(provider.issuer, audience=audience)
    assert refusal(guard, answer.text) == (401, "wrong_type")


def test_a_foreign_issuer_may_rotate_and_withdraw_its_keys(tmp_path: Path) -> None:
    provider, ahead = provider_in(tmp_path), 0.0
    guard = Guard(provider.issuer, audience=AUDIENCE, now=lambda: time.time() + ahead)
    with provider.running():
        old = provider.token(resource=AUDIENCE)
        assert guard.check(request(old)).client_id == "app"
    with provider.running():
        ahead += 11  # past the pause between fetches that unknown keys may cause
        new = provider.token(resource=AUDIENCE)
        assert guard.check(request(new)).client_id == "app"
        assert guard.check(request(old)).client_id == "app"
    provider.keys.unlink()
    with provider.running():
        ahead += 301  # past the freshness of the keys
        assert refusal(guard, old) == (401, "unknown_key")
        assert refusal(guard, new) == (401, "unknown_key")
        assert guard.check(request(provider.token(resource=AUDIENCE))).client_id == "app"
