"""`/api/v2/keys/signing`: the life of a key from its announcement to its end (auth0-wire 2.3 and 3.8)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from gatewright.server.events import iso_time
from tests.running import bearer
from tests.server.calling import renewed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.records import Clock
    from tests.running import Caller

ALWAYS = {"kid", "cert", "pkcs7", "alg", "fingerprint", "thumbprint", "revoked"}
UNKNOWN = ("The signing key does not exist", "inexistent_signing_key")


@pytest.fixture
def caller(caller: Caller) -> Caller:
    """Each test begins with a management token of the key that signs now."""
    return renewed(caller)


def keys(caller: Caller) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = caller.manage("GET", "keys/signing").json()
    return found


def key_in(caller: Caller, state: str) -> dict[str, Any]:
    """The newest key in this state."""
    return next(key for key in keys(caller) if key.get(state) is True)


def published(caller: Caller) -> set[str]:
    return {key["kid"] for key in caller.http.get(".well-known/jwks.json").json()["keys"]}


def fresh_token(caller: Caller) -> str:
    return caller.token(caller.operator, caller.issuer + "api/v2/")


def rotate(caller: Caller) -> dict[str, Any]:
    answer = caller.manage("POST", "keys/signing/rotate")
    assert answer.status_code == 201
    members: dict[str, Any] = answer.json()
    return members


def test_list_has_the_keys_newest_first(caller: Caller) -> None:
    rotate(caller)

    listed = keys(caller)

    assert key_in(caller, "next") == listed[0]
    states = [name for key in listed for name in ("next", "current", "previous") if key.get(name)]
    assert sorted(states[:3]) == ["current", "next", "previous"]
    assert all(key.keys() >= ALWAYS for key in listed)
    assert not {"d", "p", "q", "private_jwk"} & {name for key in listed for name in key}


def test_certificate_is_written_as_auth0_writes_it(caller: Caller) -> None:
    key = key_in(caller, "current")

    certificate = x509.load_pem_x509_certificate(key["cert"].encode())
    digest = hashlib.sha1(certificate.public_bytes(Encoding.DER), usedforsecurity=False).hexdigest().upper()
    assert key["thumbprint"] == digest
    assert key["fingerprint"] == ":".join(digest[at : at + 2] for at in range(0, 40, 2))
    assert "\r\n" in key["cert"]
    assert pkcs7.load_pem_pkcs7_certificates(key["pkcs7"].encode()) == [certificate]


def test_times_tell_since_and_until_when_a_key_signed(caller: Caller, moving_clock: Clock) -> None:
    moving_clock.now += 60
    rotate(caller)
    moment = "2027-01-15T08:01:00.000Z"

    assert key_in(caller, "current")["current_since"] == moment
    assert key_in(caller, "previous")["current_until"] == moment
    assert not {"current_since", "current_until", "revoked_at"} & key_in(caller, "next").keys()


def test_one_key_is_read_by_its_kid(caller: Caller) -> None:
    for key in keys(caller):
        assert caller.manage("GET", f"keys/signing/{key['kid']}").json() == key


@pytest.mark.parametrize("kid", ["nothing", "rotate", "%2e%2e"])
def test_unknown_key_is_not_found(caller: Caller, refused: Callable[..., None], kid: str) -> None:
    refused(caller.manage("GET", f"keys/signing/{kid}"), 404, *UNKNOWN)
    refused(caller.manage("PUT", f"keys/signing/{kid}/revoke"), 404, *UNKNOWN)


def test_rotation_moves_every_key_one_place_on(caller: Caller) -> None:
    upcoming, current = key_in(caller, "next")["kid"], key_in(caller, "current")["kid"]

    answer = rotate(caller)

    assert list(answer) == ["cert", "kid"]
    assert answer["kid"] == key_in(caller, "next")["kid"] not in {upcoming, current}
    assert answer["cert"].split() == key_in(caller, "next")["cert"].split()
    assert key_in(caller, "current")["kid"] == upcoming
    assert key_in(caller, "previous")["kid"] == current
    assert jwt.get_unverified_header(fresh_token(caller))["kid"] == upcoming
    assert {upcoming, current, answer["kid"]} <= published(caller)


def test_rotation_turns_the_rings_of_all_algorithms(caller: Caller) -> None:
    caller.create("resource-servers", identifier="urn:es", signing_alg="ES256")
    before = {key["kid"] for key in keys(caller) if key["alg"] == "ES256"}
    assert len(before) == 2

    rotate(caller)

    after = [key for key in keys(caller) if key["alg"] == "ES256"]
    assert len(after) == 3
    assert {key["kid"] for key in after} > before


def test_token_of_a_previous_key_is_still_accepted(caller: Caller) -> None:
    token = fresh_token(caller)

    for _ in range(2):
        rotate(caller)

        assert caller.http.get("api/v2/clients", headers=bearer(token)).status_code == 200


@pytest.mark.slow
def test_revoked_key_is_gone_at_once_and_its_tokens_are_refused(caller: Caller) -> None:
    token = fresh_token(caller)
    rotate(caller)
    kid = jwt.get_unverified_header(token)["kid"]
    caller_with_new_key = bearer(fresh_token(caller))

    answer = caller.http.put(f"api/v2/keys/signing/{kid}/revoke", headers=caller_with_new_key)

    assert answer.status_code == 200
    assert list(answer.json()) == ["cert", "kid"]
    assert answer.json()["kid"] == kid
    assert kid not in published(caller)
    refused = caller.http.get("api/v2/clients", headers=bearer(token))
    assert (refused.status_code, refused.json()["message"]) == (401, "Invalid token")
    read = caller.http.get(f"api/v2/keys/signing/{kid}", headers=caller_with_new_key).json()
    assert read["revoked"] is True
    assert read["revoked_at"] == "2027-01-15T08:00:00.000Z"
    assert not {"next", "current", "previous"} & read.keys()


@pytest.mark.slow
def test_revoked_key_cannot_be_brought_back(caller: Caller) -> None:
    rotate(caller)
    path = f"keys/signing/{key_in(caller, 'previous')['kid']}/revoke"
    caller = renewed(caller)

    first, again = caller.manage("PUT", path), caller.manage("PUT", path)

    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    rotate(caller)
    assert first.json()["kid"] not in published(caller)


@pytest.mark.parametrize("state", ["current", "next"])
def test_key_that_signs_or_is_announced_cannot_be_revoked(
    caller: Caller, refused: Callable[..., None], state: str
) -> None:
    before = keys(caller)

    answer = caller.manage("PUT", f"keys/signing/{key_in(caller, state)['kid']}/revoke")

    text = "Only a previous signing key can be revoked. Rotate first."
    refused(answer, 400, text, "operation_not_supported")
    assert keys(caller) == before


def test_longest_lifetime_given_with_a_key_keeps_it_published(caller: Caller, moving_clock: Clock) -> None:
    made = caller.create("resource-servers", identifier="urn:long", token_lifetime=2_000_000)
    application = caller.application("Long")
    caller.authorize(application, "urn:long")
    token = caller.token(application, "urn:long")
    caller.update(f"resource-servers/{made['id']}", token_lifetime=60)
    rotate(caller)

    moving_clock.now += 2_000_000 - 1
    assert jwt.get_unverified_header(token)["kid"] in published(caller)
    moving_clock.now += 1
    assert jwt.get_unverified_header(token)["kid"] not in published(caller)


def impact(caller: Caller, kid: str) -> dict[str, Any]:
    answer = renewed(caller).manage("GET", f"keys/signing/{kid}/impact")
    assert answer.status_code == 200
    members: dict[str, Any] = answer.json()
    return members


def test_impact_counts_the_tokens_of_one_key_until_they_have_ended(
    caller: Caller, moving_clock: Clock
) -> None:
    caller.create("resource-servers", identifier="urn:short", name="Short", token_lifetime=60)
    caller.create("resource-servers", identifier="urn:elliptic", signing_alg="ES256")
    app = caller.application("Asks")
    for audience in ("urn:short", "urn:elliptic"):
        caller.authorize(app, audience)
    rotate(caller)
    moving_clock.now += 1
    issued_at = moving_clock.now
    [kid] = [key["kid"] for key in keys(caller) if key.get("current") and key["alg"] == "RS256"]
    for _ in range(2):
        caller.token(app, "urn:short")
    caller.token(app, "urn:elliptic")

    told = impact(caller, kid)
    [short] = [api for api in told["apis"] if api["audience"] == "urn:short"]
    assert short == {
        "audience": "urn:short",
        "name": "Short",
        "tokens": 2,
        "ends_at": iso_time(issued_at + 60),
    }
    assert "urn:elliptic" not in [api["audience"] for api in told["apis"]]
    assert (told["kid"], told["alg"], told["state"]) == (kid, "RS256", "current")

    moving_clock.now += 60
    assert "urn:short" not in [api["audience"] for api in impact(caller, kid)["apis"]]
    later = renewed(caller)
    later.manage("POST", "keys/signing/rotate")
    told, longest = impact(caller, kid), 86400
    assert told["ends_at"] == iso_time(moving_clock.now + longest)
    assert told["tokens"] == sum(api["tokens"] for api in told["apis"]) > 0

    moving_clock.now += longest
    told = impact(caller, kid)
    assert (told["tokens"], told["apis"], "ends_at" in told) == (0, [], False)


def test_impact_of_a_key_that_has_not_signed_or_is_revoked_is_nothing(caller: Caller) -> None:
    rotate(caller)
    kid = key_in(caller, "previous")["kid"]
    assert impact(caller, key_in(caller, "next")["kid"])["tokens"] == 0
    caller = renewed(caller)
    assert caller.manage("PUT", f"keys/signing/{kid}/revoke").is_success
    told = impact(caller, kid)
    assert (told["state"], told["tokens"], told["apis"]) == ("revoked", 0, [])


def test_impact_of_an_unknown_key_is_not_found(caller: Caller, refused: Callable[..., None]) -> None:
    refused(caller.manage("GET", "keys/signing/nothing/impact"), 404, *UNKNOWN)
