"""What Auth0's tools ask for that this server has not: the answers that let them go on (auth0-wire 6.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gatewright.server.management import tools
from gatewright.server.system_api import SCOPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatewright.server.management.endpoint import Endpoint
    from tests.running import Caller
    from tests.server.calling import Limited

READS = [row for row in tools.ROUTES if row.method == "GET"]
BODIES: dict[str, object] = {
    "rules": [],
    "rules?include_totals=true&per_page=100": {"total": 0, "start": 0, "limit": 100, "rules": []},
    "rules-configs": [],
    "hooks?include_totals=true": {"total": 0, "start": 0, "limit": 50, "hooks": []},
    "connections?take=50": {"connections": []},
    "connections/con_1/clients?take=100": {"clients": []},
    "actions/actions?page=0&per_page=100": {"actions": [], "total": 0, "page": 0, "per_page": 100},
    "actions/modules": {"modules": [], "total": 0, "page": 0, "per_page": 100},
    "actions/triggers": {"triggers": []},
    "actions/triggers/post-login/bindings": {"bindings": [], "total": 0, "page": 0, "per_page": 50},
    "guardian/factors": [],
    "guardian/policies": [],
    "guardian/factors/push-notification/providers/sns": {},
    "guardian/factors/phone/selected-provider": {"provider": "auth0"},
    "guardian/factors/phone/message-types": {"message_types": []},
    "branding": {},
    "branding/phone/providers": {"providers": []},
    "branding/phone/templates": {"templates": []},
    "custom-domains": [],
    "prompts": {"universal_login_experience": "new", "identifier_first": True},
    "prompts/login/custom-text/en": {},
    "prompts/login/partials": {},
    "prompts/rendering?include_totals=true": {"configs": [], "start": 0, "limit": 50, "total": 0},
    "organizations?take=50&include_totals=true": {"organizations": []},
    "attack-protection/brute-force-protection": {"enabled": False},
    "risk-assessments/settings": {"enabled": False},
    "risk-assessments/settings/new-device": {"remember_for": 30},
    "flows?include_totals=true&per_page=100": {"limit": 100, "start": 0, "total": 0, "flows": []},
    "forms?include_totals=true&per_page=100": {"limit": 100, "start": 0, "total": 0, "forms": []},
    "user-attribute-profiles?take=10": {"user_attribute_profiles": []},
    "connection-profiles?take=10": {"connection_profiles": []},
    "token-exchange-profiles?take=50": {"token_exchange_profiles": []},
    "event-streams?take=50": {"eventStreams": []},
}
NOT_FOUND = {
    "emails/provider": ("There is not a configured email provider", "inexistent_email_provider"),
    "email-templates/verify_email": ("The template does not exist.", "inexistent_email_template"),
    "connections/con_1": ("The connection does not exist", "inexistent_connection"),
    "branding/templates/universal-login": ("Not Found", None),
    "branding/themes/default": ("Not Found", None),
}
CLOSED = {
    "connections-directory-provisionings": "read:directory_provisionings",
    "attack-protection/captcha": "read:attack_protection",
    "rate-limit-policies": "read:rate_limit_policies",
    "supplemental-signals": "read:attack_protection",
}


@pytest.mark.parametrize("path", BODIES)
def test_what_is_not_there_is_empty(caller: Caller, path: str) -> None:
    answer = caller.manage("GET", path)

    assert answer.status_code == 200, answer.text
    assert answer.json() == BODIES[path]
    if isinstance(answer.json(), dict):
        assert list(answer.json()) == list(BODIES[path])  # type: ignore[call-overload]


@pytest.mark.parametrize("path", NOT_FOUND)
def test_what_may_be_missing_is_not_found(caller: Caller, refused: Callable[..., None], path: str) -> None:
    message, code = NOT_FOUND[path]

    refused(caller.manage("GET", path), 404, message, code)


@pytest.mark.parametrize("path", CLOSED)
def test_what_tools_skip_without_the_scope_is_closed(
    caller: Caller, refused: Callable[..., None], path: str
) -> None:
    text = f"Insufficient scope, expected any of: {CLOSED[path]}"

    refused(caller.manage("GET", path), 403, text, "insufficient_scope")


@pytest.mark.parametrize("row", tools.ROUTES, ids=lambda row: f"{row.method} {row.path}")
def test_a_token_with_the_scope_is_needed(
    caller: Caller, holding: Callable[[str], Limited], refused: Callable[..., None], row: Endpoint
) -> None:
    path = row.path.strip("/").replace("{id}", "x").replace("{language}", "en")

    anonymous = caller.http.request(row.method, f"api/v2/{path}")
    assert (anonymous.status_code, anonymous.json()["message"]) == (401, "Missing authentication")
    answer = holding("read:logs")(row.method, path, json=None if row.method == "GET" else {})
    text = f"Insufficient scope, expected any of: {row.scopes[0]}"
    refused(answer, 403, text, "insufficient_scope")


def test_scopes_are_among_those_that_can_be_granted() -> None:
    assert {scope for row in tools.ROUTES for scope in row.scopes} <= set(SCOPES)


@pytest.mark.parametrize(
    ("method", "path", "same", "other"),
    [
        ("PUT", "guardian/policies", [], ["all-applications"]),
        ("PUT", "guardian/factors/phone/selected-provider", {"provider": "auth0"}, {"provider": "twilio"}),
        ("PATCH", "prompts", {"identifier_first": True}, {"identifier_first": False}),
        ("PATCH", "branding", {}, {"logo_url": "https://a.example/logo.png"}),
        ("PATCH", "attack-protection/suspicious-ip-throttling", {"enabled": False}, {"enabled": True}),
    ],
)
def test_write_is_accepted_when_it_says_what_is_so_anyway(
    caller: Caller,
    refused: Callable[..., None],
    method: str,
    path: str,
    same: object,
    other: object,
) -> None:
    before = caller.manage("GET", path).json()

    kept = caller.manage(method, path, json=same)

    assert (kept.status_code, kept.json()) == (200, before)
    text = "This server has no such feature, so that it cannot be set."
    refused(caller.manage(method, path, json=other), 400, text, "operation_not_supported")
    assert caller.manage("GET", path).json() == before


def test_what_no_table_names_is_not_found_still(caller: Caller, refused: Callable[..., None]) -> None:
    for path in ("rule", "guardian", "prompts/login", "prompts/a/b/c", "emails"):
        refused(caller.manage("GET", path), 404, "Not Found")
    refused(caller.manage("POST", "connections", json={}), 405, "Method Not Allowed")


def test_global_client_is_there_for_who_asks_for_it_alone(caller: Caller) -> None:
    def listed(**params: str) -> Any:  # noqa: ANN401 - a list or an object
        return caller.manage("GET", "clients", params=params).json()

    (shown,) = listed(is_global="true")
    assert (shown["name"], shown["global"]) == ("All Applications", True)
    assert not {"client_secret", "grant_types"} & shown.keys()
    assert listed(is_global="true", include_totals="true")["total"] == 1
    assert shown["client_id"] not in {client["client_id"] for client in listed() + listed(is_global="false")}
    body = {"grant_type": "client_credentials", "client_id": shown["client_id"], "client_secret": ""}
    assert caller.http.post("oauth/token", data=body).status_code == 401
