from __future__ import annotations

import re
from dataclasses import replace

import pytest

from gatewright.server.client import Client
from gatewright.server.model import (
    ClientGrant,
    GrantPolicy,
    ResourceServer,
    SigningKey,
    client_document,
    in_wire_order,
    merge_client,
    merged,
    new_client_grant_id,
    new_client_id,
    new_kid,
    new_resource_server_id,
    new_secret,
    resource_server_document,
)
from gatewright.server.system_api import NAME, OWN_SCOPES, SCOPES, system_resource_server
from tests.records import NOW, api, application, grant, signing_key


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (new_secret, r"[A-Za-z0-9_-]{64}"),
        (new_client_id, r"[A-Za-z0-9]{32}"),
        (new_resource_server_id, r"[0-9a-f]{24}"),
        (new_client_grant_id, r"cgr_[A-Za-z0-9]{16}"),
        (new_kid, r"[A-Za-z0-9]{21}"),  # one that began with - would be an option on the command line
    ],
)
def test_generated_names_have_auth0s_shape_and_differ(make: object, shape: str) -> None:
    assert callable(make)
    made = {make() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(shape, each) for each in made)


def test_a_secret_uses_its_whole_alphabet() -> None:
    assert len(set("".join(new_secret() for _ in range(200)))) == 64


def test_records_print_without_their_secrets() -> None:
    client, resource_server = application(secret="a client's secret"), api(secret="an API's secret")
    policy = GrantPolicy(client, resource_server, grant(client, resource_server))
    for printed in (repr(policy), str(client), f"{resource_server}", repr(signing_key())):
        assert "secret" not in printed.replace("signing_secret", "")
        assert "a private number" not in printed


def test_a_new_api_has_what_always_has_a_value_and_nothing_nobody_set() -> None:
    document = resource_server_document({"identifier": "https://blog.example/"})
    assert document == {
        "identifier": "https://blog.example/",
        "allow_offline_access": False,
        "skip_consent_for_verifiable_first_party_clients": False,
        "subject_type_authorization": {
            "client": {"policy": "require_client_grant"},
            "user": {"policy": "allow_all"},
        },
        "token_lifetime": 86400,
        "token_lifetime_for_web": 7200,
        "signing_alg": "RS256",
    }


def test_what_was_sent_stands_over_defaults() -> None:
    document = resource_server_document({"token_lifetime": 600, "signing_alg": "PS256", "scopes": []})
    assert (document["token_lifetime"], document["token_lifetime_for_web"]) == (600, 600)
    assert (document["signing_alg"], document["scopes"]) == ("PS256", [])
    assert resource_server_document({"token_lifetime_for_web": 60})["token_lifetime_for_web"] == 60


def test_an_apis_members_stand_in_auth0s_order() -> None:
    shuffled = {"client_id": "c", "scopes": [], "name": "Blog", "token_lifetime": 1, "identifier": "i"}
    assert list(in_wire_order(shuffled)) == ["name", "identifier", "token_lifetime", "scopes", "client_id"]


def test_an_api_reads_its_document() -> None:
    resource_server = ResourceServer(
        "id",
        "https://blog.example/",
        {
            "name": "Blog",
            "scopes": [{"value": "b"}, {"value": "a", "description": "A"}],
            "signing_alg": "ES256",
            "token_lifetime": 60,
            "token_dialect": "rfc9068_profile",
            "enforce_policies": True,
            "subject_type_authorization": {"client": {"policy": "deny_all"}},
        },
    )
    assert (resource_server.name, resource_server.scopes) == ("Blog", ("b", "a"))
    assert (resource_server.signing_alg, resource_server.token_lifetime) == ("ES256", 60)
    assert (resource_server.dialect, resource_server.enforces_policies) == ("rfc9068_profile", True)
    assert (resource_server.client_policy, resource_server.is_system) == ("deny_all", False)


def test_an_api_that_says_little_has_the_usual_properties() -> None:
    resource_server = ResourceServer("id", "https://blog.example/", {})
    assert (resource_server.name, resource_server.scopes) == (None, ())
    assert (resource_server.dialect, resource_server.enforces_policies) == ("access_token", False)
    assert (resource_server.client_policy, resource_server.unmet_demand) == ("require_client_grant", None)


@pytest.mark.parametrize(
    ("document", "demand"),
    [
        ({"proof_of_possession": {"mechanism": "mtls", "required": True}}, "proof of possession"),
        ({"proof_of_possession": {"required": True, "required_for": "all_clients"}}, "proof of possession"),
        ({"proof_of_possession": {"required": True, "required_for": "public_clients"}}, None),
        ({"proof_of_possession": {"required": False}}, None),
        ({"proof_of_possession": None}, None),
        ({"token_encryption": {"format": "compact-nested-jwe"}}, "token encryption"),
        ({"token_encryption": None}, None),
    ],
)
def test_a_protection_this_server_cannot_give_is_an_unmet_demand(
    document: dict[str, object], demand: str | None
) -> None:
    assert ResourceServer("id", "https://blog.example/", document).unmet_demand == demand


def test_a_patch_replaces_members_and_null_removes_them() -> None:
    before = {"name": "Blog", "scopes": [1], "kept": {"a": 1}}
    assert merged(before, {"scopes": None, "kept": {"b": 2}, "new": 0}) == {
        "name": "Blog",
        "kept": {"b": 2},
        "new": 0,
    }
    assert before == {"name": "Blog", "scopes": [1], "kept": {"a": 1}}


def test_two_members_of_a_client_merge_inside() -> None:
    before = {"jwt_configuration": {"alg": "RS256", "secret_encoded": False}, "mobile": {"ios": {}}}
    after = merge_client(before, {"jwt_configuration": {"alg": "HS256"}, "mobile": {"android": {}}})
    assert after == {
        "jwt_configuration": {"alg": "HS256", "secret_encoded": False},
        "mobile": {"android": {}},
    }
    assert merge_client(before, {"jwt_configuration": None}) == {"mobile": {"ios": {}}}
    assert merge_client({}, {"refresh_token": {"leeway": 1}}) == {"refresh_token": {"leeway": 1}}
    assert before["jwt_configuration"] == {"alg": "RS256", "secret_encoded": False}


def test_a_new_client_has_auth0s_defaults() -> None:
    document = client_document({"name": "Blog"})
    assert "app_type" not in document
    assert (document["is_first_party"], document["oidc_conformant"]) == (True, False)
    assert document["jwt_configuration"] == {"lifetime_in_seconds": 36000, "secret_encoded": False}
    assert document["grant_types"] == [
        "authorization_code",
        "implicit",
        "refresh_token",
        "client_credentials",
    ]


@pytest.mark.parametrize(
    ("sent", "grant_types"),
    [
        ({"grant_types": ["client_credentials"]}, ["client_credentials"]),
        ({"grant_types": []}, []),
        ({"token_endpoint_auth_method": "none"}, ["authorization_code", "implicit", "refresh_token"]),
        ({"app_type": "resource_server"}, []),
        ({"app_type": "express_configuration"}, ["authorization_code", "client_credentials"]),
    ],
)
def test_the_grant_types_of_a_new_client_depend_on_what_it_is(
    sent: dict[str, object], grant_types: list[str]
) -> None:
    assert client_document({"name": "Blog", **sent})["grant_types"] == grant_types


@pytest.mark.parametrize(
    ("document", "uses_secret"),
    [
        ({}, True),
        ({"token_endpoint_auth_method": "client_secret_post"}, True),
        ({"token_endpoint_auth_method": "client_secret_basic"}, True),
        ({"token_endpoint_auth_method": "none"}, False),
        ({"client_authentication_methods": {"private_key_jwt": {}}}, False),
    ],
)
def test_only_some_clients_are_authenticated_by_a_secret(
    document: dict[str, object],
    uses_secret: bool,  # noqa: FBT001 - what is expected
) -> None:
    assert Client("id", document).uses_secret is uses_secret


def test_a_client_reads_its_document() -> None:
    client = Client("id", {"name": "Blog", "grant_types": ["client_credentials"]})
    assert (client.name, client.grant_types) == ("Blog", ("client_credentials",))
    assert (Client("id", {}).name, Client("id", {"grant_types": None}).grant_types) == ("", ())


def test_a_grant_gives_its_scopes_in_the_order_sent() -> None:
    granted = grant(application(), api(), "z:last", "a:first")
    assert granted.scope == ("z:last", "a:first")
    assert granted.scopes_at(api()) == ("z:last", "a:first")
    assert ClientGrant("id", "client", "api", {}).scope == ()


def test_a_grant_of_everything_gives_what_the_api_has_now() -> None:
    granted = ClientGrant("id", "client", "api", {"allow_all_scopes": True, "scope": []})
    assert granted.scopes_at(api(scopes=("one", "two"))) == ("one", "two")


def test_a_removed_permission_leaves_the_grant_and_the_others_keep_their_order() -> None:
    granted = grant(application(), api(), "c", "b", "a")
    assert granted.without(["b", "unknown"]).scope == ("c", "a")
    assert granted.without(["unknown"]) is granted
    assert granted.scope == ("c", "b", "a")


@pytest.mark.parametrize(
    ("key", "published"),
    [
        (signing_key("next"), True),
        (signing_key("current"), True),
        (replace(signing_key("previous"), retires_at=NOW + 1), True),
        (replace(signing_key("previous"), retires_at=NOW), False),
        (signing_key("previous"), True),
        (replace(signing_key("revoked"), retires_at=NOW + 1), False),
    ],
)
def test_a_key_is_published_while_its_tokens_may_be_accepted(key: SigningKey, published: bool) -> None:  # noqa: FBT001 - what is expected
    assert key.is_published(NOW) is published


def test_the_system_api_is_auth0s_with_its_273_scopes_and_ours_after_them() -> None:
    system = system_resource_server("row")
    assert (system.name, system.identifier, system.is_system) == (NAME, None, True)
    assert len(SCOPES) == len(set(SCOPES)) == 273 + len(OWN_SCOPES)
    assert SCOPES[273:] == OWN_SCOPES
    assert system.scopes == SCOPES
    assert all(re.fullmatch(r"[a-z]+:[a-z_]+", scope) for scope in SCOPES)
    assert system.document["scopes"][0] == {  # type: ignore[index]  # a list, as the test before says
        "value": "read:client_grants",
        "description": "Read Client Grants",
    }
