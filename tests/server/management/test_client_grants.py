"""`/api/v2/client-grants`: which scopes a client may have at an API (auth0-wire 3.6)."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from gatewright.server.system_api import SCOPES as SYSTEM_SCOPES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.running import Application, Caller

EXACTLY_ONE = (
    "Payload validation error: 'Exactly one of client_id and default_for is needed' on property client_id."
)
SCOPES = ("read:blog", "create:blog", "delete:blog")


@pytest.fixture(scope="module")
def api(caller: Caller) -> str:
    """An API with three permissions."""
    scopes = [{"value": value} for value in SCOPES]
    identifier: str = caller.create("resource-servers", identifier="urn:blogs", scopes=scopes)["identifier"]
    return identifier


@pytest.fixture
def application(caller: Caller) -> Application:
    """An application without a grant."""
    return caller.application("Reader")


@pytest.fixture
def grant(caller: Caller, api: str, application: Application) -> Callable[..., dict[str, Any]]:
    """Makes a grant for the application at the API."""

    def make(**members: object) -> dict[str, Any]:
        return caller.create("client-grants", client_id=application.client_id, audience=api, **members)

    return make


def test_grant_is_made_as_recorded(
    caller: Caller, grant: Callable[..., dict[str, Any]], application: Application, api: str
) -> None:
    made = grant(scope=["read:blog"])

    assert list(made.items()) == [
        ("id", made["id"]),
        ("client_id", application.client_id),
        ("audience", api),
        ("scope", ["read:blog"]),
        ("subject_type", "client"),
    ]
    assert re.fullmatch("cgr_[A-Za-z0-9]{16}", made["id"])
    assert caller.manage("GET", f"client-grants/{made['id']}").json() == made


def test_only_what_was_set_is_there(grant: Callable[..., dict[str, Any]]) -> None:
    assert list(grant()) == ["id", "client_id", "audience", "subject_type"]


def test_everything_that_is_sent_comes_back(grant: Callable[..., dict[str, Any]]) -> None:
    sent = {
        "scope": [],
        "subject_type": "user",
        "organization_usage": "allow",
        "allow_any_organization": True,
        "authorization_details_types": ["payment"],
    }

    made = grant(**sent)

    assert {name: made[name] for name in sent} == sent


def test_order_of_scopes_is_kept_in_answers_and_tokens(
    caller: Caller, grant: Callable[..., dict[str, Any]], application: Application, api: str
) -> None:
    order = ["delete:blog", "read:blog", "create:blog"]
    made = grant(scope=order)
    assert caller.ask_token(application, api).json()["scope"].split() == made["scope"] == order

    caller.update(f"client-grants/{made['id']}", scope=order[::-1])

    assert caller.ask_token(application, api).json()["scope"].split() == order[::-1]


def test_second_grant_is_refused_in_the_words_that_users_search_for(
    caller: Caller,
    refused: Callable[..., None],
    grant: Callable[..., dict[str, Any]],
    application: Application,
    api: str,
) -> None:
    made = grant(scope=["read:blog"])
    members = {"client_id": application.client_id, "audience": api, "scope": []}

    answer = caller.manage("POST", "client-grants", json=members)

    text = f"A client grant already exists between {application.client_id} and urn:blogs"
    refused(answer, 409, text, "client_grant_conflict")
    assert caller.manage("GET", f"client-grants/{made['id']}").json() == made


def test_one_grant_a_kind_of_subject(
    caller: Caller, grant: Callable[..., dict[str, Any]], application: Application, api: str
) -> None:
    grant(scope=["read:blog"])
    grant(scope=["create:blog"], subject_type="user")

    for kind in ("client", "user"):
        members = {"client_id": application.client_id, "audience": api, "subject_type": kind}
        assert caller.manage("POST", "client-grants", json=members).status_code == 409
    assert caller.ask_token(application, api).json()["scope"] == "read:blog"


def test_deleted_grant_makes_room_for_a_new_one_with_a_new_id(
    caller: Caller, grant: Callable[..., dict[str, Any]]
) -> None:
    first = grant()
    assert caller.manage("DELETE", f"client-grants/{first['id']}").status_code == 204

    assert grant()["id"] != first["id"]


@pytest.mark.parametrize(
    ("scope", "detail"),
    [
        (["nothing"], "The following scopes are not defined on the resource server: nothing"),
        (["x", "read:blog", "y"], "The following scopes are not defined on the resource server: x y"),
        (
            ["read:blog", "read:blog"],
            "Payload validation error: 'Array items are not unique (indexes 0 and 1)' on property scope.",
        ),
    ],
)
def test_scopes_must_be_the_apis_and_each_once(
    caller: Caller,
    refused: Callable[..., None],
    grant: Callable[..., dict[str, Any]],
    application: Application,
    api: str,
    scope: list[str],
    detail: str,
) -> None:
    members = {"client_id": application.client_id, "audience": api, "scope": scope}
    refused(caller.manage("POST", "client-grants", json=members), 400, detail, "invalid_body")

    path = f"client-grants/{grant(scope=['read:blog'])['id']}"
    refused(caller.manage("PATCH", path, json={"scope": scope}), 400, detail, "invalid_body")
    assert caller.manage("GET", path).json()["scope"] == ["read:blog"]


def test_all_scopes_hide_the_list_and_going_back_needs_a_new_one(
    caller: Caller, grant: Callable[..., dict[str, Any]], application: Application, api: str
) -> None:
    path = f"client-grants/{grant(scope=['read:blog'])['id']}"

    every = caller.update(path, allow_all_scopes=True)
    assert every["allow_all_scopes"] is True
    assert "scope" not in every
    assert caller.ask_token(application, api).json()["scope"].split() == [*SCOPES]

    back = caller.update(path, allow_all_scopes=False, scope=["create:blog"])
    assert (back["allow_all_scopes"], back["scope"]) == (False, ["create:blog"])
    assert caller.ask_token(application, api).json()["scope"] == "create:blog"


@pytest.mark.parametrize("value", [False, None])
def test_going_back_from_all_scopes_without_a_list_is_refused(
    caller: Caller, grant: Callable[..., dict[str, Any]], refused: Callable[..., None], value: object
) -> None:
    path = f"client-grants/{grant(scope=['read:blog'], allow_all_scopes=True)['id']}"

    answer = caller.manage("PATCH", path, json={"allow_all_scopes": value})

    refused(answer, 400, "Payload validation error: 'Missing required property: scope'.", "invalid_body")
    assert caller.update(path, scope=[])["allow_all_scopes"] is True, "what is not named stays"


def test_narrowed_grant_narrows_the_next_token(
    caller: Caller, grant: Callable[..., dict[str, Any]], application: Application, api: str
) -> None:
    path = f"client-grants/{grant(scope=['read:blog', 'create:blog'])['id']}"
    assert caller.ask_token(application, api).json()["scope"] == "read:blog create:blog"

    caller.update(path, scope=[])

    assert "scope" not in caller.ask_token(application, api).json()


@pytest.mark.parametrize("name", ["client_id", "audience", "subject_type", "id", "is_system", "default_for"])
def test_what_a_grant_is_about_cannot_be_changed(
    caller: Caller, refused: Callable[..., None], grant: Callable[..., dict[str, Any]], name: str
) -> None:
    answer = caller.manage("PATCH", f"client-grants/{grant()['id']}", json={name: "x"})

    text = f"Payload validation error: 'Additional properties not allowed: {name}'."
    refused(answer, 400, text, "invalid_body")


@pytest.mark.parametrize("name", ["organization_usage", "allow_any_organization"])
def test_null_removes(caller: Caller, grant: Callable[..., dict[str, Any]], name: str) -> None:
    made = grant(organization_usage="allow", allow_any_organization=True)

    assert name not in caller.update(f"client-grants/{made['id']}", **{name: None})


@pytest.mark.parametrize("name", ["id", "is_system", "audience_id"])
def test_a_grant_is_not_made_with_what_the_server_decides(
    caller: Caller, refused: Callable[..., None], application: Application, api: str, name: str
) -> None:
    members = {"client_id": application.client_id, "audience": api, name: "x"}

    answer = caller.manage("POST", "client-grants", json=members)

    text = f"Payload validation error: 'Additional properties not allowed: {name}'."
    refused(answer, 400, text, "invalid_body")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"client_id": "x"}, "Payload validation error: 'Missing required property: audience'."),
        (
            {"audience": "", "client_id": "x"},
            "Payload validation error: 'String is too short, minimum 1' on property audience.",
        ),
        (
            {"audience": "urn:blogs"},
            EXACTLY_ONE,
        ),
        (
            {"audience": "urn:blogs", "client_id": "x", "default_for": "third_party_clients"},
            EXACTLY_ONE,
        ),
        (
            {"audience": "urn:blogs", "client_id": "x", "scope": [""]},
            "Payload validation error: 'String is too short, minimum 1' on property scope[0].",
        ),
        (
            {"audience": "urn:blogs", "client_id": "x", "subject_type": "robot"},
            "Payload validation error: 'No enum match for: 'robot'' on property subject_type.",
        ),
        (
            {"audience": "urn:blogs", "client_id": "x", "is_system": True},
            "Payload validation error: 'Additional properties not allowed: is_system'.",
        ),
    ],
)
@pytest.mark.usefixtures("api")
def test_fault_is_refused(
    caller: Caller, refused: Callable[..., None], members: Mapping[str, object], message: str
) -> None:
    refused(caller.manage("POST", "client-grants", json=members), 400, message, "invalid_body")


def test_client_and_api_must_exist(
    caller: Caller, refused: Callable[..., None], application: Application, api: str
) -> None:
    no_client = caller.manage("POST", "client-grants", json={"client_id": "nobody", "audience": api})
    members = {"client_id": application.client_id, "audience": api + "/"}
    no_api = caller.manage("POST", "client-grants", json=members)

    refused(no_client, 404, "The client does not exist", "inexistent_client")
    refused(no_api, 404, "The resource server does not exist", "inexistent_resource_server")


def test_grant_for_third_party_clients_names_none(caller: Caller) -> None:
    caller.create("resource-servers", identifier="urn:third")

    made = caller.create("client-grants", audience="urn:third", default_for="third_party_clients")

    assert "client_id" not in made
    assert made["default_for"] == "third_party_clients"
    found = caller.manage("GET", "client-grants", params={"default_for": "third_party_clients"}).json()
    assert found == [made]


def test_second_grant_for_third_party_clients_of_an_api_is_refused(
    caller: Caller, refused: Callable[..., None]
) -> None:
    caller.create("resource-servers", identifier="urn:third-twice")
    members = {"audience": "urn:third-twice", "default_for": "third_party_clients"}
    caller.create("client-grants", **members)

    answer = caller.manage("POST", "client-grants", json=members)

    text = "A client grant already exists between third_party_clients and urn:third-twice"
    refused(answer, 409, text, "client_grant_conflict")
    caller.create("client-grants", **members, subject_type="user")


def test_missing_grant_has_two_wordings(caller: Caller, refused: Callable[..., None]) -> None:
    path = "client-grants/cgr_0000000000000000"

    code = "inexistent_client_grant"
    refused(caller.manage("GET", path), 404, "The grant does not exist.", code)
    refused(caller.manage("PATCH", path, json={}), 404, "The client grant does not exist.", code)
    assert caller.manage("DELETE", path).status_code == 204


def test_list_is_filtered(caller: Caller) -> None:
    first, second = f"urn:uuid:{uuid.uuid4()}", f"https://x.example/?a=b&c=é#{uuid.uuid4()}"
    for identifier in (first, second):
        caller.create("resource-servers", identifier=identifier)
    one, two = caller.application("One"), caller.application("Two")
    at_first = caller.authorize(one, first)
    at_second = caller.authorize(one, second)
    others = caller.authorize(two, first)
    users = {"client_id": two.client_id, "audience": second, "subject_type": "user"}
    any_organization = caller.create("client-grants", **users, allow_any_organization=True)["id"]

    def found(**params: str) -> list[str]:
        answer = caller.manage("GET", "client-grants", params={**params, "per_page": "100"})
        return [grant["id"] for grant in answer.json()]

    assert found(client_id=one.client_id) == [at_first, at_second]
    assert found(audience=first) == [at_first, others]
    assert found(audience=second) == [at_second, any_organization]
    assert found(audience=second, client_id=two.client_id) == [any_organization]
    assert found(client_id=two.client_id, subject_type="client") == [others]
    assert found(client_id=two.client_id, subject_type="user") == [any_organization]
    assert found(audience=second, allow_any_organization="true") == [any_organization]
    assert found(audience=second, allow_any_organization="false") == [at_second]
    assert found(audience="urn:nothing") == found(client_id="nobody") == found(audience="") == []


def test_system_grant_of_the_operator_is_listed_by_the_management_audience(caller: Caller) -> None:
    audience = caller.issuer + "api/v2/"

    answer = caller.manage("GET", f"client-grants?audience={quote(audience, safe='')}")

    (found,) = answer.json()
    assert found["client_id"] == caller.operator.client_id
    assert found["audience"] == audience
    assert found["scope"] == list(SYSTEM_SCOPES)
