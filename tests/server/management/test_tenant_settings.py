"""`/api/v2/tenants/settings` (auth0-wire 3.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from tests.running import Caller
    from tests.server.calling import Limited

PATH = "tenants/settings"


def settings(caller: Caller, **params: str) -> dict[str, Any]:
    answer = caller.manage("GET", PATH, params=params)
    assert answer.status_code == 200, answer.text
    members: dict[str, Any] = answer.json()
    return members


def test_young_tenant_answers_the_recorded_members(caller: Caller) -> None:
    young = settings(caller)

    assert young["session_lifetime"] == 168
    assert young["idle_session_lifetime"] == 72
    assert young["flags"]["universal_login"] is True
    assert young["resource_parameter_profile"] == "audience"
    assert young["sandbox_versions_available"] == [young["sandbox_version"]]
    assert not {"default_audience", "friendly_name", "support_email", "mtls"} & young.keys()


def test_what_was_set_comes_back_at_its_place(caller: Caller) -> None:
    changed = caller.update(PATH, friendly_name="Blogs", allowed_logout_urls=["https://a.example"])

    assert changed["friendly_name"] == "Blogs"
    assert "sandbox_versions_available" not in changed
    read = settings(caller)
    assert read.pop("sandbox_versions_available")
    assert read == changed
    assert list(read) == list(changed)
    assert next(iter(read)) == "allowed_logout_urls"


def test_flags_merge_one_by_one(caller: Caller) -> None:
    before = settings(caller)["flags"]
    caller.update(PATH, flags={"revoke_refresh_token_grant": True, "enable_pipeline2": True})

    changed = caller.update(PATH, flags={"enable_sso": False})["flags"]

    more = {"revoke_refresh_token_grant": True, "enable_pipeline2": True, "enable_sso": False}
    assert changed == settings(caller)["flags"] == before | more


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("default_token_quota", {"clients": {"client_credentials": {"enforce": True, "per_day": 2000}}}),
        ("error_page", {"html": "<p>", "show_log_link": False, "url": "https://a.example"}),
        ("mtls", {"enable_endpoint_aliases": True}),
        ("session_cookie", {"mode": "non-persistent"}),
        ("acr_values_supported", ["urn:a", "urn:b"]),
        ("country_codes", {"list": ["DE", "GB"], "mode": "allow"}),
        ("guardian_mfa_page", {"enabled": True, "html": "<p>"}),
        ("customize_mfa_in_postlogin_action", True),
    ],
)
def test_null_clears(caller: Caller, name: str, value: object) -> None:
    assert caller.update(PATH, **{name: value})[name] == value

    assert name not in caller.update(PATH, **{name: None})
    assert name not in settings(caller)
    assert caller.update(PATH, **{name: value})[name] == value


def test_lifetimes_in_minutes_are_answered_in_hours(caller: Caller, refused: Callable[..., None]) -> None:
    changed = caller.update(PATH, session_lifetime_in_minutes=600, idle_session_lifetime_in_minutes=90)

    assert changed["session_lifetime"] == settings(caller)["session_lifetime"] == 10
    assert changed["idle_session_lifetime"] == 1.5
    assert not [name for name in changed if name.endswith("_in_minutes")]
    both = caller.manage("PATCH", PATH, json={"session_lifetime": 1, "session_lifetime_in_minutes": 60})
    text = "session_lifetime and session_lifetime_in_minutes are mutually exclusive"
    where = "on property session_lifetime_in_minutes"
    refused(both, 400, f"Payload validation error: '{text}' {where}.", "invalid_body")


def test_fields_choose_members(caller: Caller, refused: Callable[..., None]) -> None:
    assert settings(caller, fields="flags,session_lifetime").keys() == {"flags", "session_lifetime"}
    without = settings(caller, fields="flags", include_fields="false")
    assert without.keys() == settings(caller).keys() - {"flags"}
    answer = caller.manage("GET", PATH, params={"fields": "flags", "include_fields": "x"})
    text = "Query validation error: 'Expected type boolean but found type string' on property include_fields."
    refused(answer, 400, text, "invalid_query_string")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"colour": "red"}, "'Additional properties not allowed: colour'."),
        ({"error_page": {"x": 1}}, "'Additional properties not allowed: x' on property error_page."),
        ({"session_lifetime": 0}, "'Value is less than minimum 0.0' on property session_lifetime."),
        (
            {"session_lifetime": "1"},
            "'Expected type number but found type string' on property session_lifetime.",
        ),
        ({"flags": {"a": "yes"}}, "'Expected type boolean but found type string' on property flags[...]."),
        ({"flags": None}, "'Expected type object but found type null' on property flags."),
        ({"enabled_locales": []}, "'Array is too short, minimum 1' on property enabled_locales."),
        (
            {"enabled_locales": ["en", "en"]},
            "'Array items are not unique (indexes 0 and 1)' on property enabled_locales.",
        ),
        (
            {"default_token_quota": {"clients": {}}},
            "'Missing required property: client_credentials' on property default_token_quota.clients.",
        ),
        (
            {"resource_parameter_profile": "x"},
            "'No enum match for: 'x'' on property resource_parameter_profile.",
        ),
    ],
)
def test_value_that_cannot_be_is_refused(
    caller: Caller, refused: Callable[..., None], body: dict[str, object], message: str
) -> None:
    before = settings(caller)

    refused(
        caller.manage("PATCH", PATH, json=body), 400, f"Payload validation error: {message}", "invalid_body"
    )

    assert settings(caller) == before


def test_scopes_are_needed(holding: Callable[[str], Limited], refused: Callable[..., None]) -> None:
    reading = holding("read:tenant_settings")
    assert reading("GET", PATH).status_code == 200

    text = "Insufficient scope, expected any of: "
    refused(reading("PATCH", PATH, json={}), 403, text + "update:tenant_settings", "insufficient_scope")
    writing = holding("update:tenant_settings")
    refused(writing("GET", PATH), 403, text + "read:tenant_settings", "insufficient_scope")


def test_change_leaves_an_event(
    caller: Caller, events_of: Callable[[httpx2.Response], list[dict[str, Any]]]
) -> None:
    (event,) = events_of(caller.manage("PATCH", PATH, json={"support_email": "help@a.example"}))

    assert (event["type"], event["description"]) == ("sapi", "Update tenant settings")
