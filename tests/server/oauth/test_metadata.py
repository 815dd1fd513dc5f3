"""Where things are: the metadata, and the key set with its caching and its rotation."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gatewright.server.app import start
from gatewright.server.settings import Settings
from tests.running import free_port

if TYPE_CHECKING:
    import httpx2

    from gatewright.server.app import RunningServer
    from tests.records import Clock
    from tests.running import Caller
    from tests.server.calling import Asking, Wire

ADDRESSES = [".well-known/openid-configuration", ".well-known/oauth-authorization-server"]
CACHING = "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400"


def key_set(caller: Caller, **headers: str) -> httpx2.Response:
    return caller.http.get(".well-known/jwks.json", headers=headers)


def kids(caller: Caller) -> list[str]:
    return [key["kid"] for key in key_set(caller).json()["keys"]]


def signing_kid(ask: Asking) -> str:
    kid: str = jwt.get_unverified_header(ask.form().json()["access_token"])["kid"]
    return kid


@pytest.mark.parametrize("address", ADDRESSES)
def test_metadata_names_only_what_exists(caller: Caller, address: str) -> None:
    answer = caller.http.get(address)

    assert answer.status_code == 200
    assert answer.json() == {
        "issuer": caller.issuer,
        "token_endpoint": caller.issuer + "oauth/token",
        "jwks_uri": caller.issuer + ".well-known/jwks.json",
        "revocations_uri": caller.issuer + ".well-known/revocations",
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "RS384", "PS256"],
    }
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


def test_both_addresses_answer_the_same(caller: Caller) -> None:
    first, second = (caller.http.get(address).content for address in ADDRESSES)

    assert first == second


def test_named_endpoints_exist(caller: Caller) -> None:
    metadata = caller.http.get(ADDRESSES[0]).json()

    assert caller.http.post(metadata["token_endpoint"]).status_code == 415
    assert caller.http.get(metadata["jwks_uri"]).status_code == 200
    assert caller.http.get(metadata["revocations_uri"]).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost:1", '"><script>', "[", "", "a/b?c#d"])
@pytest.mark.parametrize("path", [*ADDRESSES, ".well-known/jwks.json"])
def test_host_header_changes_nothing(caller: Caller, wire: Wire, path: str, host: str) -> None:
    answer = wire.send(f"GET /{path} HTTP/1.1\nHost: {host}\nX-Forwarded-Host: evil.example")

    assert answer.body == caller.http.get(path).content


def test_key_set_has_the_current_and_the_next_key_as_auth0_writes_them(caller: Caller) -> None:
    answer = key_set(caller)

    assert list(answer.json()) == ["keys"]
    keys = answer.json()["keys"]
    assert len(keys) == 2
    for key in keys:
        assert list(key) == ["kty", "use", "n", "e", "kid", "x5t", "x5c", "alg"]
        assert (key["kty"], key["use"], key["e"], key["alg"]) == ("RSA", "sig", "AQAB", "RS256")
    assert answer.headers["Content-Type"] == "application/json"


def test_certificate_holds_the_key_and_the_hosts_name(caller: Caller) -> None:
    for key in key_set(caller).json()["keys"]:
        der = base64.b64decode(key["x5c"][0])
        certificate = x509.load_der_x509_certificate(der)
        spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

        expected = jwt.PyJWK(key).key.public_bytes(*spki)
        assert certificate.public_key().public_bytes(*spki) == expected
        assert certificate.subject.rfc4514_string() == "CN=localhost"
        digest = hashlib.sha1(der, usedforsecurity=False).digest()
        assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == key["x5t"]


def test_key_set_may_be_cached_and_read_from_everywhere(caller: Caller) -> None:
    answer = key_set(caller)

    assert answer.headers["Cache-Control"] == CACHING
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["ETag"].startswith('"')


@pytest.mark.parametrize("tag", ["{}", "W/{}", '"other", {}', '"a" , W/{} ,"b"', "*"])
def test_known_key_set_is_not_sent_again(caller: Caller, tag: str) -> None:
    etag = key_set(caller).headers["ETag"]

    answer = key_set(caller, **{"If-None-Match": tag.format(etag)})

    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["ETag"] == etag
    assert answer.headers["Cache-Control"] == CACHING


@pytest.mark.parametrize("tag", ['"other"', 'W/"other"', "", "{}x", "**"])
def test_other_tags_get_the_key_set(caller: Caller, tag: str) -> None:
    etag = key_set(caller).headers["ETag"].strip('"')

    assert key_set(caller, **{"If-None-Match": tag.format(etag)}).status_code == 200


@pytest.mark.parametrize("path", [*ADDRESSES, ".well-known/jwks.json"])
def test_head_answers_the_headers_alone(caller: Caller, path: str) -> None:
    whole, head = caller.http.get(path), caller.http.head(path)

    varying = {"x-request-id", "date"}
    assert head.status_code == 200
    assert head.content == b""
    assert {*head.headers.items()} - {*whole.headers.items()} == {
        item for item in head.headers.items() if item[0] in varying and item not in whole.headers.items()
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_key_set_is_only_read(caller: Caller, method: str) -> None:
    assert caller.http.request(method, ".well-known/jwks.json").status_code == 405


def test_rotation_is_seen_at_once_and_the_announced_key_signs(caller: Caller, ask: Asking) -> None:
    before, signed_by, etag = kids(caller), signing_kid(ask), key_set(caller).headers["ETag"]
    announced = next(kid for kid in before if kid != signed_by)

    fresh = caller.manage("POST", "keys/signing/rotate").json()["kid"]

    assert {*kids(caller)} == {*before, fresh}
    assert signing_kid(ask) == announced
    assert key_set(caller, **{"If-None-Match": etag}).status_code == 200


def test_retired_key_leaves_when_its_last_token_has_expired(
    caller: Caller, ask: Asking, moving_clock: Clock
) -> None:
    retired = signing_kid(ask)
    caller.manage("POST", "keys/signing/rotate")
    moving_clock.now += 86400 - 1
    assert retired in kids(caller)

    moving_clock.now += 1

    assert retired not in kids(caller)


def test_process_that_is_asked_for_keys_alone_learns_of_a_rotation(
    caller: Caller, running: RunningServer, clock: Clock
) -> None:
    settings = running.settings
    beside = Settings.load({}, data=settings.data, issuer=settings.issuer, listen=f"localhost:{free_port()}")
    with start(beside, now=clock):
        address = f"http://{beside.listen}/.well-known/jwks.json"
        assert caller.http.get(address).json() == key_set(caller).json()

        fresh = caller.manage("POST", "keys/signing/rotate").json()["kid"]

        assert fresh in [key["kid"] for key in caller.http.get(address).json()["keys"]]
