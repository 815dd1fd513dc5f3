"""`/api/v2/clients`: what is made, kept, changed and removed (auth0-wire 3.7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.running import Caller
    from tests.server.calling import Limited

ALL_GRANTS = ["authorization_code", "implicit", "refresh_token", "client_credentials"]
RECORDED_ORDER = [
    "tenant",
    "global",
    "is_token_endpoint_ip_header_trusted",
    "name",
    "is_first_party",
    "oidc_conformant",
    "sso_disabled",
    "cross_origin_auth",
    "cross_origin_authentication",
    "refresh_token",
    "encrypted",
    "signing_keys",
    "client_id",
    "callback_url_template",
    "client_secret",
    "jwt_configuration",
    "grant_types",
    "custom_login_page_on",
]


def test_name_alone_makes_exactly_the_recorded_client(caller: Caller) -> None:
    answer = caller.manage("POST", "clients", json={"name": "x"})

    made = answer.json()
    assert answer.status_code == 201
    assert list(made) == RECORDED_ORDER
    varying = {"client_id", "client_secret", "signing_keys"}
    assert {name: value for name, value in made.items() if name not in varying} == {
        "tenant": "localhost",
        "global": False,
        "is_token_endpoint_ip_header_trusted": False,
        "name": "x",
        "is_first_party": True,
        "oidc_conformant": False,
        "sso_disabled": False,
        "cross_origin_auth": False,
        "cross_origin_authentication": False,
        "refresh_token": {
            "expiration_type": "non-expiring",
            "leeway": 0,
            "infinite_token_lifetime": True,
            "infinite_idle_token_lifetime": True,
            "token_lifetime": 2592000,
            "idle_token_lifetime": 1296000,
            "rotation_type": "non-rotating",
        },
        "encrypted": True,
        "callback_url_template": False,
        "jwt_configuration": {"lifetime_in_seconds": 36000, "secret_encoded": False},
        "grant_types": ALL_GRANTS,
        "custom_login_page_on": True,
    }
    assert re.fullmatch("[A-Za-z0-9]{32}", made["client_id"])
    assert re.fullmatch("[A-Za-z0-9_-]{64}", made["client_secret"])
    assert [list(key) for key in made["signing_keys"]] == [["cert"]]
    assert made["signing_keys"][0]["cert"].startswith("-----BEGIN CERTIFICATE-----")


def test_reading_it_back_lacks_only_what_creation_alone_shows(caller: Caller) -> None:
    made = caller.create("clients", name="x")

    read = caller.manage("GET", f"clients/{made['client_id']}").json()

    assert list(read) == [name for name in RECORDED_ORDER if name != "encrypted"]
    assert read == {name: value for name, value in made.items() if name != "encrypted"}


@pytest.mark.parametrize(
    ("sent", "grant_types"),
    [
        ({"app_type": "regular_web"}, ALL_GRANTS),
        ({"app_type": "non_interactive"}, ALL_GRANTS),
        ({"app_type": "spa", "token_endpoint_auth_method": "none"}, ALL_GRANTS[:3]),
        ({"app_type": "native", "token_endpoint_auth_method": "none"}, ALL_GRANTS[:3]),
        ({"token_endpoint_auth_method": "client_secret_post"}, ALL_GRANTS),
        ({"app_type": "resource_server"}, []),
        ({"app_type": "express_configuration"}, ["authorization_code", "client_credentials"]),
        ({"grant_types": ["client_credentials"]}, ["client_credentials"]),
        ({"grant_types": []}, []),
        ({"grant_types": None}, ALL_GRANTS),
    ],
)
def test_grant_types_follow_from_what_was_sent(
    caller: Caller, sent: Mapping[str, object], grant_types: list[str]
) -> None:
    assert caller.create("clients", name="x", **sent)["grant_types"] == grant_types


@pytest.mark.parametrize(
    ("method", "lifetimes"),
    [
        ("client_secret_post", (31557600, 2592000)),
        ("client_secret_basic", (31557600, 2592000)),
        ("none", (2592000, 1296000)),
        (None, (2592000, 1296000)),
    ],
)
def test_refresh_token_lifetimes_follow_from_the_method(
    caller: Caller, method: str | None, lifetimes: tuple[int, int]
) -> None:
    made = caller.create("clients", name="x", token_endpoint_auth_method=method)["refresh_token"]

    assert (made["token_lifetime"], made["idle_token_lifetime"]) == lifetimes


def test_client_of_express_configuration_authenticates_with_keys_as_recorded(caller: Caller) -> None:
    methods: dict[str, object] = {"private_key_jwt": {"credentials": []}}

    made = caller.create("clients", name="x", app_type="express_configuration")
    with_secret = caller.create(
        "clients", name="x", app_type="express_configuration", token_endpoint_auth_method="client_secret_post"
    )

    assert made["client_authentication_methods"] == methods
    assert "client_authentication_methods" not in with_secret


def test_client_of_an_api_is_made_as_recorded(caller: Caller) -> None:
    made = caller.create("clients", name="x", app_type="resource_server")

    assert made["oidc_conformant"] is True
    assert made["jwt_configuration"] == {"alg": "RS256"}


@pytest.mark.parametrize(
    "name",
    ["app_type", "token_endpoint_auth_method", "callbacks", "description", "client_metadata", "mobile"],
)
def test_what_nobody_set_is_absent(caller: Caller, name: str) -> None:
    assert name not in caller.create("clients", name="x")


def test_everything_that_is_sent_comes_back(caller: Caller) -> None:
    sent: dict[str, object] = {
        "description": "d" * 140,
        "logo_uri": "https://x.example/logo.png",
        "callbacks": ["https://x.example/cb"],
        "allowed_clients": [],
        "client_metadata": {"key": "value"},
        "native_social_login": {"apple": {"enabled": False}},
        "addons": {"samlp": {"mappings": {"a": ["b"]}}},
        "require_pushed_authorization_requests": True,
        "par_request_expiry": 10,
        "organization_usage": "allow",
        "compliance_level": "fapi2_sp_mtls_mtls",
        "is_token_endpoint_ip_header_trusted": True,
    }
    made = caller.create("clients", name="x", **sent)

    read = caller.manage("GET", f"clients/{made['client_id']}").json()
    assert {name: read[name] for name in sent} == sent


FAULTS = [
    ({"name": ""}, "String is too short, minimum 1", "name"),
    ({"name": "<x>"}, "String does not match pattern ^[^<>]+$", "name"),
    ({"name": None}, "Expected type string but found type null", "name"),
    ({"unknown": 1}, "Additional properties not allowed: unknown", ""),
    *(
        ({name: value}, f"Additional properties not allowed: {name}", "")
        for name, value in {
            "tenant": "other",
            "global": True,
            "signing_keys": [],
            "callback_url_template": True,
            "encrypted": True,
            "is_system": True,
            "secrets": [],
            "credentials": [],
        }.items()
    ),
    ({"description": "d" * 141}, "String is too long, maximum 140", "description"),
    ({"app_type": "robot"}, "No enum match for: 'robot'", "app_type"),
    ({"grant_types": [""]}, "String is too short, minimum 1", "grant_types[0]"),
    (
        {"grant_types": "client_credentials"},
        "Expected type array or null but found type string",
        "grant_types",
    ),
    (
        {"token_endpoint_auth_method": "private_key_jwt"},
        "No enum match for: 'private_key_jwt'",
        "token_endpoint_auth_method",
    ),
    ({"par_request_expiry": 9}, "Value is less than minimum 10", "par_request_expiry"),
    ({"par_request_expiry": 601}, "Value is greater than maximum 600", "par_request_expiry"),
    ({"is_first_party": "yes"}, "Expected type boolean or null but found type string", "is_first_party"),
    (
        {"client_metadata": {str(number): "x" for number in range(11)}},
        "Too many properties defined, maximum 10",
        "client_metadata",
    ),
    (
        {
            "client_authentication_methods": {"private_key_jwt": {"credentials": []}},
            "token_endpoint_auth_method": "none",
        },
        "client_authentication_methods and token_endpoint_auth_method are mutually exclusive",
        "client_authentication_methods",
    ),
]


@pytest.mark.parametrize(("fault", "detail", "prop"), FAULTS, ids=[str(row[0])[:40] for row in FAULTS])
def test_fault_is_refused_alike_when_made_and_when_changed(
    caller: Caller, refused: Callable[..., None], fault: Mapping[str, object], detail: str, prop: str
) -> None:
    path = f"clients/{caller.application('Kept').client_id}"
    before = caller.manage("GET", path).json()

    answers = [
        caller.manage("POST", "clients", json={"name": "x", **fault}),
        caller.manage("PATCH", path, json=fault),
    ]

    where = f" on property {prop}" if prop else ""
    for answer in answers:
        refused(answer, 400, f"Payload validation error: '{detail}'{where}.", "invalid_body")
    assert caller.manage("GET", path).json() == before


def test_name_is_needed_and_a_secret_cannot_be_chosen_at_creation(
    caller: Caller, refused: Callable[..., None]
) -> None:
    nameless = caller.manage("POST", "clients", json={})
    chosen = caller.manage("POST", "clients", json={"name": "x", "client_secret": "s" * 40})

    text = "Payload validation error: 'Missing required property: name'."
    refused(nameless, 400, text, "invalid_body")
    text = "Payload validation error: 'Additional properties not allowed: client_secret'."
    refused(chosen, 400, text, "invalid_body")


def test_id_may_be_chosen_at_creation_once_and_never_changed(
    caller: Caller, holding: Callable[[str], Limited], refused: Callable[..., None]
) -> None:
    chosen = {"name": "x", "client_id": "ci-reader"}
    alone = holding("create:clients")("POST", "clients", json=chosen)
    refused(alone, 403, "Insufficient scope, expected any of: update:client_keys", "insufficient_scope")

    made = holding("create:clients update:client_keys")("POST", "clients", json=chosen)
    again = caller.manage("POST", "clients", json=chosen)
    changed = caller.manage("PATCH", "clients/ci-reader", json={"client_id": "other"})

    assert (made.status_code, made.json()["client_id"]) == (201, "ci-reader")
    assert caller.manage("GET", "clients/ci-reader").json()["name"] == "x"
    refused(again, 409, "A client with the same client_id already exists", "client_conflict")
    text = "Payload validation error: 'Additional properties not allowed: client_id'."
    refused(changed, 400, text, "invalid_body")


@pytest.mark.parametrize("client_id", ["", "a b", "a:b", "a/b", "a\n", "a" * 65, "ä", None, 7])
def test_id_that_would_have_to_be_escaped_somewhere_is_refused(caller: Caller, client_id: object) -> None:
    made = caller.manage("POST", "clients", json={"name": "x", "client_id": client_id})
    assert (made.status_code, made.json()["errorCode"]) == (400, "invalid_body"), made.text


def test_change_replaces_what_is_sent_and_null_removes(caller: Caller) -> None:
    made = caller.create("clients", name="x", description="d", callbacks=["a", "b"], app_type="spa")

    changed = caller.update(
        f"clients/{made['client_id']}", name="y", description=None, callbacks=["c"], app_type=None
    )

    expected = {**made, "name": "y", "callbacks": ["c"]}
    for gone in ("description", "app_type", "encrypted"):
        del expected[gone]
    assert changed == expected
    assert caller.manage("GET", f"clients/{made['client_id']}").json() == expected


def test_nested_settings_merge(caller: Caller) -> None:
    made = caller.create("clients", name="x")

    changed = caller.update(
        f"clients/{made['client_id']}",
        jwt_configuration={"alg": "RS256"},
        refresh_token={"leeway": 5},
    )

    assert changed["jwt_configuration"] == {**made["jwt_configuration"], "alg": "RS256"}
    assert changed["refresh_token"] == {**made["refresh_token"], "leeway": 5}


def test_metadata_merges_key_by_key_and_null_removes_one(caller: Caller) -> None:
    made = caller.create("clients", name="x", client_metadata={"a": "1", "b": "2", "never": None})
    path = f"clients/{made['client_id']}"
    assert made["client_metadata"] == {"a": "1", "b": "2"}

    changed = caller.update(path, client_metadata={"a": None, "c": "3"})

    assert changed["client_metadata"] == {"b": "2", "c": "3"}
    assert "client_metadata" not in caller.update(path, client_metadata=None)


def test_metadata_stays_bounded_however_it_grows(caller: Caller) -> None:
    made = caller.create("clients", name="x", client_metadata={str(number): "x" for number in range(10)})
    path = f"clients/{made['client_id']}"

    assert caller.manage("PATCH", path, json={"client_metadata": {"more": "x"}}).status_code == 400
    changed = caller.update(path, client_metadata={"0": None, "more": "x"})
    assert len(changed["client_metadata"]) == 10


@pytest.fixture
def api(caller: Caller) -> str:
    """An API that applications of these tests may use."""
    identifier = "urn:clients"
    caller.manage("POST", "resource-servers", json={"identifier": identifier})
    return identifier


def test_deleting_takes_the_grants_along(caller: Caller, api: str) -> None:
    application = caller.application("x")
    grant_id = caller.authorize(application, api)

    answer = caller.manage("DELETE", f"clients/{application.client_id}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert caller.manage("GET", f"clients/{application.client_id}").status_code == 404
    assert caller.manage("GET", f"client-grants/{grant_id}").status_code == 404
    assert caller.ask_token(application, api).status_code == 401


def test_deleting_nothing_is_done_already(caller: Caller) -> None:
    assert caller.manage("DELETE", "clients/nothing").status_code == 204


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "nothing"), ("PATCH", "nothing"), ("POST", "nothing/rotate-secret")]
)
def test_what_does_not_exist_is_not_found(
    caller: Caller, refused: Callable[..., None], method: str, path: str
) -> None:
    answer = caller.manage(method, f"clients/{path}", json={})

    refused(answer, 404, "The client does not exist", "inexistent_client")


def members(caller: Caller, **params: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = caller.manage("GET", "clients", params=params).json()
    return found


def test_list_is_filtered_by_kind_and_party(caller: Caller) -> None:
    native = caller.create("clients", name="n", app_type="native")["client_id"]
    web = caller.create("clients", name="w", app_type="regular_web", is_first_party=False)["client_id"]

    def found(**params: str) -> set[str]:
        return {client["client_id"] for client in members(caller, per_page="100", **params)} & {native, web}

    assert found() == {native, web}
    assert found(app_type="native") == {native}
    assert found(app_type="native,regular_web") == {native, web}
    assert found(app_type="spa") == set()
    assert found(is_first_party="true") == {native}
    assert found(is_first_party="false") == {web}
    assert found(app_type="native", is_first_party="false") == set()
    assert found(is_global="false") == {native, web}
    assert found(is_global="true").isdisjoint({native, web})


@pytest.mark.parametrize("name", ["is_first_party", "is_global"])
def test_filter_that_is_no_boolean_is_refused(
    caller: Caller, refused: Callable[..., None], name: str
) -> None:
    answer = caller.manage("GET", "clients", params={name: "yes"})

    text = f"Query validation error: 'Expected type boolean but found type string' on property {name}."
    refused(answer, 400, text, "invalid_query_string")
