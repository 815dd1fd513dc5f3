"""What `/api/v2/resource-servers` refuses, in the words that Auth0's tools know (auth0-wire 3.1 and 3.5)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.server.encryption_key import EC_PEM, KEY, PRIVATE_PEM, encryption

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.running import Caller

IDENTIFIER = "urn:valid"
DER = (
    Ed25519PrivateKey.generate()
    .public_key()
    .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
)


@pytest.fixture(scope="module")
def path(caller: Caller) -> str:
    """An API that every test here tries to spoil."""
    made = caller.create("resource-servers", identifier=IDENTIFIER, token_lifetime=1000)
    return f"resource-servers/{made['id']}"


@pytest.fixture
def unspoiled(caller: Caller, path: str) -> Iterator[str]:
    """The same; afterwards it is as it was, and no other was made."""
    listed = caller.manage("GET", "resource-servers").json()
    yield path
    assert caller.manage("GET", "resource-servers").json() == listed


FAULTS: list[tuple[dict[str, object], str, str]] = [
    ({"unknown": 1}, "Additional properties not allowed: unknown", ""),
    ({"id": "x"}, "Additional properties not allowed: id", ""),
    ({"is_system": True}, "Additional properties not allowed: is_system", ""),
    ({"client_id": "x"}, "Additional properties not allowed: client_id", ""),
    ({"name": 5}, "Expected type string but found type integer", "name"),
    ({"name": ""}, "String is too short, minimum 1", "name"),
    ({"name": "n" * 201}, "String is too long, maximum 200", "name"),
    ({"name": "a<b"}, "String does not match pattern ^[^<>]+$", "name"),
    ({"name": "a>b"}, "String does not match pattern ^[^<>]+$", "name"),
    ({"scopes": {}}, "Expected type array but found type object", "scopes"),
    ({"scopes": ["a"]}, "Expected type object but found type string", "scopes[0]"),
    ({"scopes": [{}]}, "Missing required property: value", "scopes[0]"),
    (
        {"scopes": [{"value": "a"}, {"value": 1}]},
        "Expected type string but found type integer",
        "scopes[1].value",
    ),
    ({"scopes": [{"value": ""}]}, "String is too short, minimum 1", "scopes[0].value"),
    ({"scopes": [{"value": "a" * 281}]}, "String is too long, maximum 280", "scopes[0].value"),
    ({"scopes": [{"value": "a", "x": 1}]}, "Additional properties not allowed: x", "scopes[0]"),
    (
        {"scopes": [{"value": "a", "description": "d" * 501}]},
        "String is too long, maximum 500",
        "scopes[0].description",
    ),
    (
        {"scopes": [{"value": "a"}, {"value": "b"}, {"value": "a"}]},
        "Array items are not unique (indexes 0 and 2)",
        "scopes",
    ),
    ({"scopes": [{"value": f"s{n}"} for n in range(1001)]}, "Array is too long, maximum 1000", "scopes"),
    ({"signing_alg": "none"}, "No enum match for: 'none'", "signing_alg"),
    ({"signing_alg": "RS384"}, "No enum match for: 'RS384'", "signing_alg"),
    ({"signing_alg": "rs256"}, "No enum match for: 'rs256'", "signing_alg"),
    ({"signing_secret": "s" * 31}, "String is too short, minimum 32", "signing_secret"),
    ({"token_lifetime": -1}, "Value is less than minimum 0", "token_lifetime"),
    ({"token_lifetime": 2592001}, "Value is greater than maximum 2592000", "token_lifetime"),
    ({"token_lifetime": "60"}, "Expected type integer but found type string", "token_lifetime"),
    ({"token_lifetime": 60.0}, "Expected type integer but found type number", "token_lifetime"),
    ({"token_lifetime": True}, "Expected type integer but found type boolean", "token_lifetime"),
    (
        {"token_lifetime": 100, "token_lifetime_for_web": 101},
        "Value is greater than token_lifetime",
        "token_lifetime_for_web",
    ),
    ({"enforce_policies": "true"}, "Expected type boolean but found type string", "enforce_policies"),
    ({"enforce_policies": 1}, "Expected type boolean but found type integer", "enforce_policies"),
    ({"token_dialect": "jwt"}, "No enum match for: 'jwt'", "token_dialect"),
    (
        {"subject_type_authorization": {"client": {"policy": "allow_all"}}},
        "No enum match for: 'allow_all'",
        "subject_type_authorization.client.policy",
    ),
    (
        {"subject_type_authorization": {"robot": {}}},
        "Additional properties not allowed: robot",
        "subject_type_authorization",
    ),
    (
        {"proof_of_possession": {"mechanism": "dpop"}},
        "Missing required property: required",
        "proof_of_possession",
    ),
    (
        {"proof_of_possession": {"mechanism": "tls", "required": True}},
        "No enum match for: 'tls'",
        "proof_of_possession.mechanism",
    ),
    ({"authorization_details": [{}]}, "Missing required property: type", "authorization_details[0]"),
    ({"authorization_policy": {}}, "Missing required property: policy_id", "authorization_policy"),
    (
        {"token_encryption": {"format": "compact-nested-jwe", "encryption_key": {"alg": "RSA1_5"}}},
        "No enum match for: 'RSA1_5'",
        "token_encryption.encryption_key.alg",
    ),
    ({"token_encryption": encryption()}, "Missing required property: pem", KEY),
    ({"token_encryption": encryption(thumbprint_sha256="x")}, "Missing required property: pem", KEY),
    ({"token_encryption": encryption(pem=PRIVATE_PEM)}, "Not a public RSA key", f"{KEY}.pem"),
    ({"token_encryption": encryption(pem=EC_PEM)}, "Not a public RSA key", f"{KEY}.pem"),
    ({"consent_policy": "x"}, "No enum match for: 'x'", "consent_policy"),
]


def told(detail: str, prop: str) -> str:
    where = f" on property {prop}" if prop else ""
    return f"Payload validation error: '{detail}'{where}."


@pytest.mark.parametrize(("fault", "detail", "prop"), FAULTS, ids=[str(row[0])[:40] for row in FAULTS])
def test_fault_is_refused_alike_when_made_and_when_changed(
    caller: Caller,
    refused: Callable[..., None],
    unspoiled: str,
    fault: Mapping[str, object],
    detail: str,
    prop: str,
) -> None:
    made = caller.manage("POST", "resource-servers", json={"identifier": "urn:new", **fault})
    changed = caller.manage("PATCH", unspoiled, json=fault)

    for answer in (made, changed):
        refused(answer, 400, told(detail, prop), "invalid_body")


@pytest.mark.parametrize(
    ("body", "detail", "prop"),
    [
        ({}, "Missing required property: identifier", ""),
        ({"identifier": ""}, "String is too short, minimum 1", "identifier"),
        ({"identifier": "i" * 601}, "String is too long, maximum 600", "identifier"),
        ({"identifier": None}, "Expected type string but found type null", "identifier"),
        ({"identifier": ["urn:x"]}, "Expected type string but found type array", "identifier"),
    ],
)
def test_identifier_is_needed(
    caller: Caller, refused: Callable[..., None], body: Mapping[str, object], detail: str, prop: str
) -> None:
    answer = caller.manage("POST", "resource-servers", json=body)

    refused(answer, 400, told(detail, prop), "invalid_body")


@pytest.mark.parametrize(
    "value",
    [
        "a b",
        " a",
        "a ",
        "a\tb",
        "a\n",
        "\n",
        'a"b',
        "a\\b",
        "é",
        "a\x7f",
        "a\x00b",
        "\u200b",
        "read\u2028blog",
    ],
)
def test_scope_is_one_word_of_the_characters_that_rfc_6749_allows(
    caller: Caller, unspoiled: str, value: str
) -> None:
    answer = caller.manage("PATCH", unspoiled, json={"scopes": [{"value": value}]})

    assert answer.status_code == 400
    assert "String does not match pattern" in answer.json()["message"]
    assert answer.json()["message"].endswith("on property scopes[0].value.")


@pytest.mark.parametrize(
    "value", ["read:blog", "!", "#[]^_`{|}~", "https://api.example/read?x=1&y", "a" * 280]
)
def test_every_other_scope_is_fine_and_can_be_asked_for(caller: Caller, value: str) -> None:
    api = caller.create("resource-servers", identifier=f"urn:{value}", scopes=[{"value": value}])
    application = caller.application("Reader")
    caller.authorize(application, api["identifier"], value)

    assert caller.ask_token(application, api["identifier"], scope=value).json()["scope"] == value


def test_thousand_scopes_are_fine_and_all_in_the_token(caller: Caller) -> None:
    values = [f"s{number}" for number in range(1000)]
    caller.create("resource-servers", identifier="urn:many", scopes=[{"value": value} for value in values])
    application = caller.application("Reader")
    caller.authorize(application, "urn:many", *values)

    assert caller.ask_token(application, "urn:many").json()["scope"].split() == values


def test_reserved_identifier_is_refused(caller: Caller, refused: Callable[..., None]) -> None:
    answer = caller.manage("POST", "resource-servers", json={"identifier": caller.issuer + "api/v2/"})

    refused(answer, 400, "The selected identifier is reserved.", "operation_not_supported")


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN PUBLIC KEY-----\n" + "A" * 44,
        base64.b64encode(DER).decode(),
        '{"kty":"RSA","n":"' + "A" * 40 + '"}',
        "ssh-ed25519 " + "AAAA" * 12,
    ],
    ids=["PEM", "DER", "JWK", "SSH"],
)
@pytest.mark.parametrize("settings", [{"signing_alg": "HS256"}, {}], ids=["HS256", "RS256"])
def test_public_key_is_no_signing_secret(
    caller: Caller, unspoiled: str, secret: str, settings: dict[str, Any]
) -> None:
    body = {**settings, "signing_secret": secret}
    made = caller.manage("POST", "resource-servers", json={"identifier": "urn:new", **body})
    changed = caller.manage("PATCH", unspoiled, json=body)

    for answer in (made, changed):
        assert answer.status_code == 400
        assert answer.json()["message"].endswith("on property signing_secret.")
        assert secret not in answer.text


def test_lifetime_for_the_web_is_held_against_the_lifetime_there_is(
    caller: Caller, refused: Callable[..., None], unspoiled: str
) -> None:
    answer = caller.manage("PATCH", unspoiled, json={"token_lifetime_for_web": 1001})

    refused(
        answer, 400, told("Value is greater than token_lifetime", "token_lifetime_for_web"), "invalid_body"
    )


@pytest.mark.parametrize("lifetime", [0, 1, 2_592_000])
def test_bounds_of_the_lifetime_are_fine(caller: Caller, lifetime: int) -> None:
    made = caller.create("resource-servers", identifier=f"urn:{lifetime}", token_lifetime=lifetime)

    assert made["token_lifetime"] == lifetime
