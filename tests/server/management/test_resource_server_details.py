"""`/api/v2/resource-servers`: inner members, filters, and keys made in time (auth0-wire 3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.server.encryption_key import EC_PEM, KEY, PEM, THUMBPRINT, encryption

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatewright.server.app import RunningServer
    from tests.running import Caller


def test_encryption_key_goes_in_as_pem_and_comes_out_as_thumbprint(
    caller: Caller, refused: Callable[..., None]
) -> None:
    made = caller.create("resource-servers", identifier="urn:jwe", token_encryption=encryption(pem=PEM))
    path = f"resource-servers/{made['id']}"

    answered = encryption(thumbprint_sha256=THUMBPRINT)
    assert made["token_encryption"] == answered
    assert caller.manage("GET", path).json()["token_encryption"] == answered
    assert caller.update(path, token_encryption=answered)["token_encryption"] == answered
    other = caller.manage("PATCH", path, json={"token_encryption": encryption(thumbprint_sha256="other")})
    text = f"Payload validation error: 'Missing required property: pem' on property {KEY}."
    refused(other, 400, text, "invalid_body")
    broken = caller.manage("PATCH", path, json={"token_encryption": encryption(pem=EC_PEM)})
    text = f"Payload validation error: 'Not a public RSA key' on property {KEY}.pem."
    refused(broken, 400, text, "invalid_body")
    assert caller.manage("GET", path).json() == made


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ({"client": {"policy": "deny_all"}}, {"client": "deny_all", "user": "allow_all"}),
        ({"user": {"policy": "deny_all"}}, {"user": "deny_all", "client": "require_client_grant"}),
        ({}, {"client": "require_client_grant", "user": "allow_all"}),
    ],
)
def test_access_policy_that_is_not_sent_has_its_default(
    caller: Caller, sent: dict[str, object], answered: dict[str, str]
) -> None:
    identifier = f"urn:access:{'-'.join(sent)}"

    made = caller.create("resource-servers", identifier=identifier, subject_type_authorization=sent)

    policies = made["subject_type_authorization"]
    assert [(name, member["policy"]) for name, member in policies.items()] == [*answered.items()]


def test_change_of_one_access_policy_leaves_the_other(caller: Caller) -> None:
    closed = {"client": {"policy": "deny_all"}, "user": {"policy": "deny_all"}}
    made = caller.create("resource-servers", identifier="urn:closed", subject_type_authorization=closed)

    user = {"user": {"policy": "allow_all"}}
    changed = caller.update(f"resource-servers/{made['id']}", subject_type_authorization=user)

    assert changed["subject_type_authorization"] == {**user, "client": {"policy": "deny_all"}}


def test_list_is_chosen_by_identifiers(caller: Caller, refused: Callable[..., None]) -> None:
    for name in ("urn:l:1", "urn:l:2", "urn:l:3"):
        caller.create("resource-servers", identifier=name)
    system = caller.issuer + "api/v2/"

    def listed(*identifiers: str, **params: Any) -> Any:  # noqa: ANN401 - a list or an object
        query: dict[str, Any] = {"identifiers": [*identifiers], **params}
        return caller.manage("GET", "resource-servers", params=query).json()

    assert [api["identifier"] for api in listed("urn:l:3", "urn:l:1", "urn:none")] == ["urn:l:1", "urn:l:3"]
    assert [api["identifier"] for api in listed("urn:l:2", system)] == [system, "urn:l:2"]
    assert listed("urn:l:1", "urn:l:2", include_totals="true")["total"] == 2
    answer = caller.manage("GET", "resource-servers", params={"identifiers": [*"abcdefghijk"]})  # type: ignore[dict-item]
    text = "Query validation error: 'Array is too long, maximum 10' on property identifiers."
    refused(answer, 400, text, "invalid_query_string")


def test_include_fields_is_a_boolean(caller: Caller, refused: Callable[..., None]) -> None:
    system = caller.manage("GET", "resource-servers").json()[0]["id"]

    for path in ("resource-servers", f"resource-servers/{system}"):
        assert caller.manage("GET", path, params={"include_fields": "true"}).status_code == 200
        answer = caller.manage("GET", path, params={"include_fields": "some"})
        text = "'Expected type boolean but found type string' on property include_fields."
        refused(answer, 400, f"Query validation error: {text}", "invalid_query_string")
    one = caller.manage(
        "GET", f"resource-servers/{system}", params={"fields": "id,scopes", "include_fields": "false"}
    )
    assert not {"id", "scopes"} & one.json().keys()


def test_first_api_of_an_algorithm_brings_its_keys(caller: Caller, running: RunningServer) -> None:
    made = caller.create("resource-servers", identifier="urn:rs512", signing_alg="RS512")
    before = caller.manage("GET", "keys/signing").json()
    caller.update(f"resource-servers/{made['id']}", signing_alg="PS256")

    after = caller.manage("GET", "keys/signing").json()

    assert sum(key["alg"] == "RS512" for key in before) == 2
    assert sum(key["alg"] == "PS256" for key in after) == len(after) - len(before) == 2
    assert running.server.keys.missing_ring("PS256") == []
