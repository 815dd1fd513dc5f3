"""`/api/v2/revocations`, and the revocations that other changes make by themselves."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from gatewright.server.management import revocations
from tests.records import NOW
from tests.running import Application, bearer
from tests.server.calling import renewed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx2

    from tests.records import Clock
    from tests.running import Caller

DAY = 86400
HOUR = 3600
AUDIENCE = "urn:revoked"
WRONG = [
    ({}, "Exactly one of client_id and jti is needed"),
    ({"client_id": "{client}", "jti": "t1"}, "Exactly one of client_id and jti is needed"),
    ({"audience": AUDIENCE}, "Exactly one of client_id and jti is needed"),
    ({"jti": "t1", "audience": AUDIENCE}, "It belongs to client_id alone"),
    ({"client_id": "{client}", "expires_at": "2030-01-01T00:00:00Z"}, "It belongs to jti alone"),
    ({"jti": "t1", "expires_at": "2027-01-15T08:00:00Z"}, "No token that is alive ends then"),
    ({"jti": "t1", "expires_at": "2030-01-01T00:00:00Z"}, "No token that is alive ends then"),
    ({"jti": "t1", "expires_at": "tomorrow"}, "Object didn't pass validation for format date-time: tomorrow"),
    ({"jti": ""}, "String is too short, minimum 1"),
    ({"jti": "x" * 256}, "String is too long, maximum 255"),
    ({"kid": "k"}, "Additional properties not allowed: kid"),
]
_numbers = itertools.count()


@pytest.fixture
def caller(caller: Caller) -> Caller:
    """Each test begins with a management token of the key that signs now."""
    return renewed(caller)


@pytest.fixture
def audience(caller: Caller) -> str:
    scopes = [{"value": "a"}, {"value": "b"}]
    answer = caller.manage("POST", "resource-servers", json={"identifier": AUDIENCE, "scopes": scopes})
    assert answer.status_code in {201, 409}
    return AUDIENCE


@pytest.fixture
def application(caller: Caller, audience: str) -> Application:
    made = caller.application(f"Revoked {next(_numbers)}")
    caller.authorize(made, audience, "a", "b")
    return made


@pytest.fixture(autouse=True)
def _nothing_left(caller: Caller) -> Iterator[None]:
    """Each test begins with nothing revoked."""
    yield
    caller = renewed(caller)  # a test may have revoked the key of the token before
    for each in listed(caller):
        if each["kind"] != "key":
            caller.manage("DELETE", f"revocations/{each['id']}")


def listed(caller: Caller) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = caller.manage("GET", "revocations").json()
    return found


def revoke(caller: Caller, **members: object) -> dict[str, Any]:
    return caller.create("revocations", **members)


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_a_client_is_revoked_up_to_now(caller: Caller, application: Application) -> None:
    made = revoke(caller, client_id=application.client_id)

    assert listed(caller) == [made]
    assert made.pop("id").startswith("rev_")
    assert seconds(made.pop("expires_at")) == NOW + DAY + HOUR
    now = "2027-01-15T08:00:00.000Z"
    assert made == {
        "kind": "client",
        "client_id": application.client_id,
        "revoked_before": now,
        "created_at": now,
    }


def test_a_client_at_one_api(caller: Caller, application: Application, audience: str) -> None:
    made = revoke(caller, client_id=application.client_id, audience=audience)

    told = (made["kind"], made["client_id"], made["audience"])
    assert told == ("grant", application.client_id, audience)
    assert "revoked_before" in made


def test_the_api_of_the_server_itself(caller: Caller, application: Application) -> None:
    own = caller.issuer + "api/v2/"

    assert revoke(caller, client_id=application.client_id, audience=own)["audience"] == own


def test_one_token_until_it_ends(caller: Caller) -> None:
    made = revoke(caller, jti="t1", expires_at="2027-01-15T09:00:00Z")

    assert (made["kind"], made["jti"]) == ("token", "t1")
    assert seconds(made["expires_at"]) == NOW + HOUR + HOUR
    assert "revoked_before" not in made


def test_one_token_of_which_nobody_knows_when_it_ends(caller: Caller) -> None:
    assert seconds(revoke(caller, jti="t1")["expires_at"]) == NOW + DAY + HOUR


def test_tokens_that_live_long_are_revoked_as_long(caller: Caller) -> None:
    caller.create("resource-servers", identifier="urn:long", token_lifetime=7 * DAY)
    assert seconds(revoke(caller, jti="t1")["expires_at"]) == NOW + 7 * DAY + HOUR
    # What an API said yesterday of its lifetime is in tokens of yesterday.
    caller.update("resource-servers/urn%3Along", token_lifetime=60)
    assert seconds(revoke(caller, jti="t1")["expires_at"]) == NOW + 7 * DAY + HOUR
    caller.create("resource-servers", identifier="urn:secret", signing_alg="HS256", signing_secret="x" * 32)
    assert seconds(revoke(caller, jti="t1")["expires_at"]) == NOW + 30 * DAY + HOUR
    for identifier in ("long", "secret"):
        caller.manage("DELETE", f"resource-servers/urn%3A{identifier}")


@pytest.mark.parametrize(("body", "detail"), WRONG)
def test_what_is_not_one_thing_is_refused(
    caller: Caller, application: Application, body: dict[str, str], detail: str
) -> None:
    sent = {name: value.format(client=application.client_id) for name, value in body.items()}

    answer = caller.manage("POST", "revocations", json=sent)

    assert answer.status_code == 400
    assert f"'{detail}'" in answer.json()["message"]
    assert listed(caller) == []


def test_what_is_not_there_is_not_found(
    caller: Caller, application: Application, refused: Callable[..., None]
) -> None:
    unknown = caller.manage("POST", "revocations", json={"client_id": "nobody"})
    refused(unknown, 404, "The client does not exist", "inexistent_client")
    body = {"client_id": application.client_id, "audience": "urn:nothing"}
    refused(
        caller.manage("POST", "revocations", json=body),
        404,
        "The resource server does not exist",
        "inexistent_resource_server",
    )


def test_who_is_revoked_again_is_revoked_up_to_now(
    caller: Caller, application: Application, moving_clock: Clock
) -> None:
    first = revoke(caller, client_id=application.client_id)
    moving_clock.now += 60

    second = revoke(caller, client_id=application.client_id)

    assert listed(caller) == [second]
    assert second["id"] != first["id"]
    assert seconds(second["revoked_before"]) == NOW + 60


def test_what_is_taken_back_is_gone_and_taking_it_back_again_is_fine(caller: Caller) -> None:
    made = revoke(caller, jti="t1")

    answers = [caller.manage("DELETE", f"revocations/{made['id']}").status_code for _ in range(2)]

    assert answers == [204, 204]
    assert listed(caller) == []
    assert caller.manage("DELETE", "revocations/rev_nothing").status_code == 204


def test_what_no_living_token_is_meant_by_is_gone_by_itself(caller: Caller, moving_clock: Clock) -> None:
    made = revoke(caller, jti="t1")
    moving_clock.now = seconds(made["expires_at"]) - 1
    caller = renewed(caller)
    assert len(listed(caller)) == 1

    moving_clock.now += 1

    assert listed(caller) == []


def test_lists_are_paged_as_all_are(caller: Caller) -> None:
    made = [revoke(caller, jti=f"t{number}")["id"] for number in range(3)]

    whole = caller.manage("GET", "revocations", params={"include_totals": "true", "per_page": 2}).json()
    rest = caller.manage("GET", "revocations", params={"page": 1, "per_page": 2}).json()

    assert [each["id"] for each in [*whole["revocations"], *rest]] == made
    assert (whole["total"], whole["start"], whole["limit"]) == (3, 0, 2)


def test_the_number_of_single_tokens_has_an_end(
    caller: Caller, application: Application, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., None]
) -> None:
    before = len(listed(caller))
    monkeypatch.setattr(revocations, "MOST_TOKENS", 0)

    refused(
        caller.manage("POST", "revocations", json={"jti": "one more"}),
        403,
        "You reached the limit of tokens revoked one by one: revoke the client's instead.",
        "too_many_entities",
    )
    assert revoke(caller, client_id=application.client_id)["kind"] == "client"
    assert len(listed(caller)) == before + 1


def test_deleting_a_client_revokes_its_tokens(caller: Caller, application: Application) -> None:
    caller.manage("DELETE", f"clients/{application.client_id}")

    (made,) = listed(caller)
    assert (made["kind"], made["client_id"]) == ("client", application.client_id)


def test_deleting_what_is_no_client_revokes_nothing(caller: Caller) -> None:
    caller.manage("DELETE", "clients/nobody")
    caller.manage("DELETE", "client-grants/nothing")
    caller.manage("DELETE", "resource-servers/nothing")

    assert listed(caller) == []


def test_deleting_a_grant_revokes_what_it_brought(caller: Caller, audience: str) -> None:
    application = caller.application("Granted")
    grant = caller.authorize(application, audience)

    caller.manage("DELETE", f"client-grants/{grant}")

    (made,) = listed(caller)
    told = (made["kind"], made["client_id"], made["audience"])
    assert told == ("grant", application.client_id, audience)


def test_deleting_a_grant_that_brings_no_tokens_revokes_none(caller: Caller, audience: str) -> None:
    application = caller.application("User's")
    of_users = caller.create(
        "client-grants", client_id=application.client_id, audience=audience, scope=[], subject_type="user"
    )
    default = caller.create("client-grants", default_for="third_party_clients", audience=audience, scope=[])

    for grant in (of_users, default):
        assert caller.manage("DELETE", f"client-grants/{grant['id']}").status_code == 204

    assert listed(caller) == []


def test_deleting_an_api_revokes_what_its_grants_brought(caller: Caller) -> None:
    caller.create("resource-servers", identifier="urn:going")
    applications = [caller.application(f"At it {number}") for number in range(2)]
    for each in applications:
        caller.authorize(each, "urn:going")

    caller.manage("DELETE", "resource-servers/urn%3Agoing")

    told = [(each["kind"], each["client_id"], each["audience"]) for each in listed(caller)]
    assert told == [("grant", each.client_id, "urn:going") for each in applications]


def test_revoking_a_key_revokes_what_it_signed_once_and_for_all(
    caller: Caller, refused: Callable[..., None]
) -> None:
    kid = next(key["kid"] for key in caller.manage("GET", "keys/signing").json() if key.get("current"))
    caller.manage("POST", "keys/signing/rotate")
    caller = renewed(caller)
    for _ in range(2):
        assert caller.manage("PUT", f"keys/signing/{kid}/revoke").status_code == 200

    (made,) = listed(caller)

    assert (made["kind"], made["kid"]) == ("key", kid)
    answer = caller.manage("DELETE", f"revocations/{made['id']}")
    text = "A signing key stays revoked. Its tokens cannot be good again."
    refused(answer, 400, text, "operation_not_supported")


def test_a_new_secret_and_a_narrower_grant_revoke_nothing(
    caller: Caller, application: Application, audience: str
) -> None:
    before = len(listed(caller))
    query = {"client_id": application.client_id, "audience": audience}
    (grant,) = caller.manage("GET", "client-grants", params=query).json()

    caller.update(f"client-grants/{grant['id']}", scope=["a"])
    caller.manage("POST", f"clients/{application.client_id}/rotate-secret")

    assert len(listed(caller)) == before


def asks(caller: Caller, token: str) -> httpx2.Response:
    return caller.http.get("api/v2/logs", headers=bearer(token))


@pytest.mark.parametrize("how", ["client", "grant", "deleted"])
def test_a_management_token_that_was_revoked_stops_at_once(
    caller: Caller, moving_clock: Clock, how: str
) -> None:
    own = caller.issuer + "api/v2/"
    manager = caller.application("Manager")
    caller.authorize(manager, own, "read:logs")
    token = caller.token(manager, own)
    assert asks(caller, token).status_code == 200

    if how == "deleted":
        caller.manage("DELETE", f"clients/{manager.client_id}")
    else:
        revoke(caller, client_id=manager.client_id, **({"audience": own} if how == "grant" else {}))

    assert asks(caller, token).status_code == 401
    if how != "deleted":
        # Of the very second in which it was revoked, nobody can tell before from after.
        assert asks(caller, caller.token(manager, own)).status_code == 401
        moving_clock.now += 1
        assert asks(caller, caller.token(manager, own)).status_code == 200


def test_what_was_taken_back_is_let_in_again(caller: Caller) -> None:
    own = caller.issuer + "api/v2/"
    manager = caller.application("Manager")
    caller.authorize(manager, own, "read:logs")
    token = caller.token(manager, own)
    made = revoke(caller, client_id=manager.client_id)
    assert asks(caller, token).status_code == 401

    caller.manage("DELETE", f"revocations/{made['id']}")

    assert asks(caller, token).status_code == 200
