"""The APIs in the dashboard: their list, a new one, settings, permissions."""

from __future__ import annotations

import html
import re
import sqlite3
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.server.dashboard.browsing import CANARY, Browser, alert, blocks, scopes_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatewright.server.app import RunningServer
    from tests.running import Caller


@pytest.fixture
def stored(caller: Caller, api: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """The test's API as it is now."""
    return lambda: caller.manage("GET", f"resource-servers/{api['id']}").json()


def _named(caller: Caller, noun: str, name: str) -> list[dict[str, Any]]:
    records = caller.manage("GET", noun, params={"per_page": 100}).json()
    return [record for record in records if record.get("name") == name]


def test_fresh_list_teaches_how_to_begin(ada: Browser, caller: Caller, running: RunningServer) -> None:
    assert len(caller.manage("GET", "resource-servers").json()) == 1
    page = ada.page("/apis")
    assert "System API" in page
    assert f"{running.issuer}api/v2/" in page
    assert any("gatewright apis create" in block for block in blocks(page))
    assert 'href="/ui/apis/new"' in page


def test_list_shows_each_api_and_no_signing_secret(ada: Browser, caller: Caller, api: dict[str, Any]) -> None:
    made = caller.create("resource-servers", name="Signed", identifier="urn:signed", signing_alg="HS256")
    page = ada.page("/apis")
    assert f'href="/ui/apis/{api["id"]}">{api["name"]}<' in page
    assert f'data-copy="{api["identifier"]}"' in page
    assert "2 permissions" in page
    assert "HS256" in page
    everywhere = page + "".join(
        ada.page(f"/apis/{made['id']}/{tab}")
        for tab in ("quickstart", "settings", "permissions", "applications", "test")
    )
    assert made["signing_secret"] not in everywhere
    events = caller.manage("GET", "logs", params={"per_page": 100}).json()
    assert not [event for event in events if event["type"] == "mgmt_api_read"]


def test_list_is_filtered_by_name_and_identifier(ada: Browser, caller: Caller) -> None:
    caller.create("resource-servers", name="Pears", identifier="https://one-fruit")
    caller.create("resource-servers", name="Plums", identifier="https://other-fruit")
    by_name, by_identifier = ada.page("/apis?q=PEAR"), ada.page("/apis?q=other-fr")
    assert "Pears" in by_name
    assert "Plums" not in by_name
    assert "Plums" in by_identifier
    assert "Pears" not in by_identifier
    assert "No API with" in ada.page("/apis?q=apricots")


def test_list_is_paged_by_fifty(ada: Browser, caller: Caller) -> None:
    for number in range(51):
        caller.create("resource-servers", name=f"Many {number:02}", identifier=f"https://many-{number}")
    first, second = ada.page("/apis?q=Many"), ada.page("/apis?q=Many&page=2")
    assert re.findall(r"Many \d\d", first) == [f"Many {number:02}" for number in range(50)]
    assert "?q=Many&amp;page=2" in first
    assert re.findall(r"Many \d\d", second) == ["Many 50"]
    assert 'rel="next"' not in second
    assert "on page 3" in ada.page("/apis?q=Many&page=3")
    assert re.findall(r"Many \d\d", ada.page("/apis?q=Many&page=none")) == re.findall(r"Many \d\d", first)


def test_new_api_comes_with_its_test_application(ada: Browser, caller: Caller) -> None:
    page = ada.done(
        "/apis/new",
        {
            "name": "Blog",
            "identifier": "https://new-blog",
            "signing_alg": "ES256",
            "permissions": "read:blog  Read the blog\r\n\r\ncreate:blog\r\n",
            "token_lifetime": "90m",
            "token_dialect": "rfc9068_profile",
            "test_app": "1",
        },
    )
    (api,) = _named(caller, "resource-servers", "Blog")
    assert (api["identifier"], api["signing_alg"], api["token_lifetime"]) == (
        "https://new-blog",
        "ES256",
        5400,
    )
    assert api["token_dialect"] == "rfc9068_profile"
    assert scopes_of(api) == {"read:blog": "Read the blog", "create:blog": None}
    (application,) = _named(caller, "clients", "Blog (Test Application)")
    assert application["app_type"] == "non_interactive"
    assert application["grant_types"] == ["client_credentials"]
    assert application["token_endpoint_auth_method"] == "client_secret_post"
    (grant,) = caller.manage("GET", "client-grants", params={"audience": "https://new-blog"}).json()
    assert (grant["client_id"], grant["scope"]) == (application["client_id"], [])
    assert '"Blog"' in alert(page)
    assert '"Blog (Test Application)"' in alert(page)
    assert 'aria-current="page">Quick Start' in page


def test_new_api_without_the_box_is_alone(ada: Browser, caller: Caller) -> None:
    ada.done("/apis/new", {"name": "Alone", "identifier": "https://alone", "signing_alg": "RS256"})
    assert _named(caller, "clients", "Alone (Test Application)") == []
    (api,) = _named(caller, "resource-servers", "Alone")
    assert api["token_lifetime"] == 86400


@pytest.mark.parametrize("table", ["clients", "client_grants"])
def test_api_stays_when_its_test_application_cannot_be_made(
    ada: Browser, caller: Caller, running: RunningServer, table: str
) -> None:
    # Nothing that can be typed is refused there and not before: the database refuses.
    trigger = f"CREATE TRIGGER full BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'full'); END"
    name = f"Without {table}"
    with sqlite3.connect(running.settings.data / "gatewright.db", timeout=20) as database:
        database.execute(trigger)
        database.commit()
        page = ada.done("/apis/new", {"name": name, "identifier": f"https://no-{table}", "test_app": "1"})
        database.execute("DROP TRIGGER full")
    database.close()
    assert len(_named(caller, "resource-servers", name)) == 1
    assert f'"{name} (Test Application)"' in alert(page)
    assert "already exists" in alert(page)
    assert caller.manage("GET", "client-grants", params={"audience": f"https://no-{table}"}).json() == []


@pytest.mark.parametrize(
    ("identifier", "warning"),
    [("https://slash/", "slash"), ("blog", "not a URL"), ("https://a b", "blanks")],
)
def test_odd_identifiers_are_made_and_warned_of(
    ada: Browser, caller: Caller, identifier: str, warning: str
) -> None:
    page = ada.done("/apis/new", {"name": f"Odd {warning}", "identifier": identifier})
    assert warning in alert(page)
    assert len(_named(caller, "resource-servers", f"Odd {warning}")) == 1


def test_refused_api_keeps_what_was_typed(ada: Browser, caller: Caller, api: dict[str, Any]) -> None:
    typed = {"name": "Twice", "identifier": api["identifier"], "permissions": "read:typed"}
    page = ada.refused("/apis/new", {**typed, "token_lifetime": "2h", "signing_alg": "PS256"}, status=409)
    assert "already exists" in alert(page)
    for text in ('value="Twice"', f'value="{api["identifier"]}"', "read:typed</textarea>", 'value="2h"'):
        assert text in page
    assert '<option value="PS256" selected>' in page
    assert 'name="test_app" value="1">' in page
    assert _named(caller, "resource-servers", "Twice") == []
    page = ada.refused(
        "/apis/new", {"name": "Never", "identifier": "https://never", "token_lifetime": "soon"}
    )
    assert "24h" in alert(page)
    assert 'value="soon"' in page
    assert _named(caller, "resource-servers", "Never") == []


def test_settings_are_saved(ada: Browser, api: dict[str, Any], stored: Callable[[], dict[str, Any]]) -> None:
    page = ada.done(
        f"/apis/{api['id']}/settings",
        {
            "name": "Renamed",
            "token_lifetime": "36h",
            "profile": "rfc9068_profile",
            "in_token": "1",
            "enforce_policies": "1",
            "allow_offline_access": "1",
        },
    )
    changed = stored()
    assert alert(page).startswith("Saved")
    assert 'value="36h"' in page
    assert "36 h (129600 s)" in page
    expected = {
        "name": "Renamed",
        "token_lifetime": 129600,
        "token_dialect": "rfc9068_profile_authz",
        "enforce_policies": True,
        "allow_offline_access": True,
    }
    assert {name: changed[name] for name in expected} == expected
    assert page.count(" checked>") == 3
    ada.done(
        f"/apis/{api['id']}/settings", {"name": "Renamed", "token_lifetime": "45", "profile": "access_token"}
    )
    changed = stored()
    assert (changed["token_lifetime"], changed["token_dialect"]) == (45, "access_token")
    assert changed["enforce_policies"] is False
    assert changed["allow_offline_access"] is False


@pytest.mark.parametrize("lifetime", ["31d", "never", "-1", ""])
def test_refused_settings_keep_what_was_typed(
    ada: Browser, api: dict[str, Any], stored: Callable[[], dict[str, Any]], lifetime: str
) -> None:
    page = ada.refused(
        f"/apis/{api['id']}/settings",
        {"name": "Typed", "token_lifetime": lifetime, "profile": "access_token"},
    )
    assert alert(page)
    assert 'value="Typed"' in page
    assert f'name="token_lifetime" value="{lifetime}"' in page
    assert stored()["name"] == api["name"]


def test_system_api_offers_what_may_be_changed(ada: Browser, caller: Caller) -> None:
    (system,) = (api for api in caller.manage("GET", "resource-servers").json() if api.get("is_system"))
    page = ada.page(f"/apis/{system['id']}")
    assert "Quick Start" not in page
    assert 'name="token_lifetime"' in page
    assert 'name="name"' not in page
    assert "/delete" not in page
    ada.done(f"/apis/{system['id']}/settings", {"token_lifetime": "12h"})
    assert caller.manage("GET", f"resource-servers/{system['id']}").json()["token_lifetime"] == 43200
    assert "Remove" not in ada.page(f"/apis/{system['id']}/permissions")
    path = f"/apis/{system['id']}/delete"
    assert ada.send(path, {"confirmed_name": system["name"]}).status_code == 400


def test_api_is_deleted_when_its_name_was_typed(ada: Browser, caller: Caller, api: dict[str, Any]) -> None:
    application = caller.application("loses access")
    caller.authorize(application, api["identifier"])
    assert "1 application loses its access" in ada.page(f"/apis/{api['id']}/settings")
    page = ada.refused(f"/apis/{api['id']}/delete", {"confirmed_name": "something else"})
    assert api["name"] in alert(page)
    assert caller.manage("GET", f"resource-servers/{api['id']}").status_code == 200
    page = ada.done(f"/apis/{api['id']}/delete", {"confirmed_name": api["name"]})
    assert api["name"] in alert(page)
    assert caller.manage("GET", f"resource-servers/{api['id']}").status_code == 404
    assert ada.http.get(f"/ui/apis/{api['id']}/settings").status_code == 404


def test_permissions_are_added_one_and_many(
    ada: Browser, api: dict[str, Any], stored: Callable[[], dict[str, Any]]
) -> None:
    path = f"/apis/{api['id']}/permissions"
    page = ada.done(path, {"value": "delete:blog", "description": "Delete an entry"})
    assert "delete:blog" in alert(page)
    ada.done(path, {"lines": "list:blog  List it\r\nread:blog Read all\r\nlist:drafts\r\n"})
    assert scopes_of(stored()) == {
        "read:blog": "Read all",
        "create:blog": None,
        "delete:blog": "Delete an entry",
        "list:blog": "List it",
        "list:drafts": None,
    }
    page = ada.page(path)
    assert "Delete an entry" in page
    assert page.count('scope="row"') == 5


def test_refused_permission_keeps_what_was_typed(
    ada: Browser, api: dict[str, Any], stored: Callable[[], dict[str, Any]]
) -> None:
    path = f"/apis/{api['id']}/permissions"
    page = ada.refused(path, {"value": 'say"it"', "description": "Speak"})
    assert "scopes" in alert(page)
    assert 'value="say&#34;it&#34;"' in page
    assert 'value="Speak"' in page
    assert "read:blog" in alert(ada.refused(path, {"value": "", "description": ""}))
    assert "scopes" in alert(ada.refused(path, {"value": "two words", "description": ""}))
    assert "unknown:one" in alert(
        ada.refused(f"{path}/describe", {"value": "unknown:one", "description": "x"}, status=404)
    )
    assert "unknown:one" in alert(ada.refused(f"{path}/remove", {"value": "unknown:one"}, status=404))
    assert scopes_of(stored()) == scopes_of(api)


def test_description_is_edited_in_place(
    ada: Browser, api: dict[str, Any], stored: Callable[[], dict[str, Any]]
) -> None:
    path = f"/apis/{api['id']}/permissions"
    assert 'value="Read the blog"' in ada.page(f"{path}?edit=read:blog")
    ada.done(f"{path}/describe", {"value": "read:blog", "description": "Read it aloud"})
    assert scopes_of(stored()) == {"read:blog": "Read it aloud", "create:blog": None}


def test_removal_says_who_holds_the_permission(
    ada: Browser, caller: Caller, api: dict[str, Any], stored: Callable[[], dict[str, Any]]
) -> None:
    path = f"/apis/{api['id']}/permissions"
    holder, other = caller.application("the holder"), caller.application("the other")
    grant_id = caller.authorize(holder, api["identifier"], "read:blog", "create:blog")
    caller.authorize(other, api["identifier"], "create:blog")
    page = ada.page(f"{path}?remove=read:blog")
    assert "the holder" in page
    assert "the other" not in page
    assert "24 h" in page
    assert "No application has it" not in page
    ada.done(f"{path}/remove", {"value": "read:blog"})
    assert scopes_of(stored()) == {"create:blog": None}
    assert caller.manage("GET", f"client-grants/{grant_id}").json()["scope"] == ["create:blog"]
    assert "danger-zone" not in ada.page(f"{path}?remove=unknown")


def test_viewer_sees_no_form_and_is_refused(vera: Browser, api: dict[str, Any]) -> None:
    tabs = [
        f"/apis/{api['id']}/{tab}"
        for tab in ("quickstart", "settings", "permissions", "applications", "test")
    ]
    for path in ("/apis", *tabs):
        forms = re.findall(r'<form method="post" action="([^"]+)"', vera.page(path))
        assert forms == ["/ui/logout"], path
    assert "24 h (86400 s)" in vera.page(f"/apis/{api['id']}/settings")
    assert vera.http.get("/ui/apis/new").status_code == 403
    actions = ("settings", "delete", "permissions", "permissions/describe", "permissions/remove")
    for path in ("/apis/new", *(f"/apis/{api['id']}/{action}" for action in actions)):
        answer = vera.send(
            path, {"name": "no", "identifier": "no", "value": "no", "confirmed_name": api["name"]}
        )
        assert answer.status_code == 403, path


def test_whatever_is_typed_comes_back_escaped(ada: Browser, caller: Caller) -> None:
    fields = ("name", "identifier", "permissions", "token_lifetime", "signing_alg", "token_dialect")
    page = ada.refused("/apis/new", dict.fromkeys(fields, CANARY))
    assert CANARY not in page
    assert html.escape(CANARY, quote=False)[:20] in page
    odd = caller.create(
        "resource-servers",
        name="\"'&",
        identifier=CANARY,
        scopes=[{"value": "<script>alert(1)</script>", "description": CANARY}],
    )
    for tab in ("quickstart", "settings", "permissions", "applications", "test"):
        assert "<script>alert" not in ada.page(f"/apis/{odd['id']}/{tab}"), tab
    path = f"/apis/{odd['id']}/permissions"
    assert "<script>alert" not in ada.page(f"{path}?remove={quote('<script>alert(1)</script>')}")
    assert "<script>alert" not in ada.page(
        f"{path}?edit={quote('<script>alert(1)</script>')}&q={quote('<script>alert')}"
    )
    assert "<script>alert" not in ada.page(f"/apis?q={quote(CANARY)}")
    assert "<script>alert" not in ada.done(path, {"value": "x", "description": CANARY})
    assert "<script>alert" not in ada.refused(path, {"value": CANARY, "description": CANARY})
    refused = ada.refused(f"/apis/{odd['id']}/settings", {"name": CANARY, "token_lifetime": CANARY})
    assert "<script>alert" not in refused
    assert "<script>alert" not in ada.refused(f"/apis/{odd['id']}/delete", {"confirmed_name": CANARY})


def test_unknown_api_is_not_found(ada: Browser) -> None:
    for tab in ("settings", "permissions", "applications", "test", "quickstart"):
        assert ada.http.get(f"/ui/apis/none/{tab}").status_code == 404
