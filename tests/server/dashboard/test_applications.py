"""The pages of applications as somebody with a browser has them: what they show, do and refuse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.running import Application
from tests.server.dashboard.browsing import AUDIENCE, CANARY, ESCAPED, Browser, blocks, client, grants

if TYPE_CHECKING:
    from tests.records import Clock
    from tests.running import Caller


@pytest.fixture(scope="module")
def api(caller: Caller) -> dict[str, Any]:
    scopes = [
        {"value": "read:blog", "description": CANARY},
        {"value": "create:blog", "description": "Write posts"},
    ]
    return caller.create("resource-servers", identifier=AUDIENCE, name="Blog API", scopes=scopes)


@pytest.fixture
def app(caller: Caller) -> Application:
    """An application of this test's own."""
    return caller.application("Night job")


@pytest.fixture
def unconfirmed(clock: Clock) -> None:
    """A moment when nobody has given their password lately; the time does not go back."""
    clock.now += 1000


class TestList:
    def test_names_types_and_ids_are_listed_and_the_command_line_is_marked(
        self, ada: Browser, caller: Caller, app: Application
    ) -> None:
        caller.create("clients", name="Shop", app_type="spa", description=CANARY)
        page = ada.page("/apps")
        rows = re.findall(r"<tr>.*?</tr>", page, re.DOTALL)
        row = next(row for row in rows if app.client_id in row)
        assert "Night job" in row
        assert "Machine to Machine" in row
        assert f'href="/ui/apps/{app.client_id}/settings"' in row
        assert "command line" not in row
        assert "Single Page" in page
        own = next(row for row in rows if caller.operator.client_id in row)
        assert "command line" in own
        assert ESCAPED in page
        assert CANARY not in page

    def test_the_list_is_filtered_by_name_and_by_client_id_over_all_pages(
        self, ada: Browser, caller: Caller
    ) -> None:
        made = [caller.application(f"Fleet {number}").client_id for number in range(55)]
        assert made[-1] not in ada.page("/apps")
        assert made[-1] in ada.page("/apps?page=2")
        assert made[-1] in ada.page("/apps?q=fLEET+54")
        assert "Fleet 54" in ada.page(f"/apps?q={made[-1]}")
        found = ada.page("/apps?q=Fleet")
        assert "55 applications" in found
        assert "q=Fleet&amp;page=2" in found
        assert made[54] in ada.page("/apps?q=Fleet&page=2")
        assert "No application has" in ada.page("/apps?q=nothing-like-it")
        assert ESCAPED in ada.page("/apps?q=%3Cscript%3Ealert(1)%3C/script%3E%22%27")

    @pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 30, "²"])
    def test_a_page_number_that_is_none_is_the_first(self, ada: Browser, number: str) -> None:
        assert "Gatewright CLI" in ada.page(f"/apps?page={number}")

    def test_an_application_that_does_not_exist_is_refused(self, ada: Browser) -> None:
        assert "does not exist" in ada.page("/apps/nobody/settings", status=404)


class TestCreation:
    @pytest.mark.usefixtures("api")
    def test_a_machine_with_an_api_and_permissions_gets_tokens(self, ada: Browser, caller: Caller) -> None:
        fields = {
            "name": "Reader",
            "description": "Reads",
            "app_type": "non_interactive",
            "audience": AUDIENCE,
            f"scope {AUDIENCE}": ["read:blog"],
        }
        page = ada.done("/apps/new", fields, on="/apps/new")
        assert "“Reader” was created" in page
        made = next(
            row for row in caller.manage("GET", "clients?per_page=100").json() if row["name"] == "Reader"
        )
        assert made["grant_types"] == ["client_credentials"]
        assert made["description"] == "Reads"
        assert [(grant["audience"], grant["scope"]) for grant in grants(caller, made["client_id"])] == [
            (AUDIENCE, ["read:blog"])
        ]
        assert made["client_secret"] not in page
        answer = caller.ask_token(Application(made["client_id"], made["client_secret"]), AUDIENCE)
        assert answer.json()["scope"] == "read:blog"

    @pytest.mark.usefixtures("api")
    def test_other_types_are_made_without_an_api(self, ada: Browser, caller: Caller) -> None:
        ada.done("/apps/new", {"name": "Phone", "app_type": "native", "audience": AUDIENCE}, on="/apps/new")
        made = next(
            row for row in caller.manage("GET", "clients?per_page=100").json() if row["name"] == "Phone"
        )
        assert (made["app_type"], made["token_endpoint_auth_method"]) == ("native", "none")
        assert grants(caller, made["client_id"]) == []

    @pytest.mark.usefixtures("api")
    def test_a_refusal_keeps_what_was_typed(self, ada: Browser) -> None:
        fields = {
            "name": CANARY,
            "description": CANARY,
            "app_type": "spa",
            "audience": AUDIENCE,
            f"scope {AUDIENCE}": ["create:blog"],
        }
        page = ada.refused("/apps/new", fields, on="/apps/new")
        assert page.count(f'value="{ESCAPED}"') == 2
        assert CANARY not in page
        assert 'name="app_type" value="spa" checked' in page
        assert f'value="{AUDIENCE}" checked' in page
        assert 'value="create:blog" checked' in page
        assert 'value="read:blog" checked' not in page

    @pytest.mark.usefixtures("api")
    def test_an_api_that_was_refused_does_not_lose_the_application(self, ada: Browser) -> None:
        fields = {
            "name": "Half",
            "app_type": "non_interactive",
            "audience": AUDIENCE,
            f"scope {AUDIENCE}": ["drop:blog"],
        }
        page = ada.done("/apps/new", fields, on="/apps/new")
        assert "“Half” was created. It was not authorized" in page
        assert "drop:blog" in page

    @pytest.mark.usefixtures("unconfirmed")
    def test_scopes_for_secrets_need_the_password_and_the_application_is_there(
        self, ada: Browser, caller: Caller
    ) -> None:
        management = f"{caller.issuer}api/v2/"
        fields = {
            "name": "Sweeper",
            "app_type": "non_interactive",
            "audience": management,
            f"scope {management}": ["read:client_keys"],
        }
        assert "that needs your password" in ada.done("/apps/new", fields, on="/apps/new")
        made = next(
            row for row in caller.manage("GET", "clients?per_page=100").json() if row["name"] == "Sweeper"
        )
        assert grants(caller, made["client_id"]) == []


class TestSettings:
    def test_what_was_changed_is_saved_and_nothing_else(
        self, ada: Browser, caller: Caller, app: Application
    ) -> None:
        at, before = f"/apps/{app.client_id}/settings", client(caller, app)
        page = ada.page(at)
        assert app.client_id in page
        assert caller.issuer in page
        fields = {
            "name": "Day job",
            "description": CANARY,
            "method": "client_secret_basic",
            "grant_type": ["client_credentials", "refresh_token"],
        }
        page = ada.done(at, fields, on=at)
        assert "Saved." in page
        assert f'value="{ESCAPED}"' in page
        assert CANARY not in page
        after = client(caller, app)
        assert after == before | {
            "name": "Day job",
            "description": CANARY,
            "token_endpoint_auth_method": "client_secret_basic",
            "grant_types": ["client_credentials", "refresh_token"],
        }
        assert "Nothing was changed." in ada.done(at, fields, on=at)
        ada.done(at, {**fields, "description": ""}, on=at)
        assert "description" not in client(caller, app)

    def test_a_refusal_keeps_what_was_typed(self, ada: Browser, caller: Caller, app: Application) -> None:
        at, before = f"/apps/{app.client_id}/settings", client(caller, app)
        page = ada.refused(at, {"name": CANARY, "description": "d" * 141, "method": "none"}, on=at)
        assert f'value="{ESCAPED}"' in page
        assert f'value="{"d" * 141}"' in page
        assert '<option value="none" selected>' in page
        assert client(caller, app) == before

    @pytest.mark.usefixtures("api", "unconfirmed")
    def test_rotation_needs_the_password_and_ends_the_secret(
        self, ada: Browser, caller: Caller, app: Application
    ) -> None:
        caller.create("client-grants", client_id=app.client_id, audience=AUDIENCE, scope=[])
        at = f"/apps/{app.client_id}/settings"
        answer = ada.send(f"/apps/{app.client_id}/rotate", on=at)
        assert client(caller, app)["client_secret"] == app.client_secret
        assert "Danger zone" in ada.confirm(answer.headers["location"])
        page = ada.done(f"/apps/{app.client_id}/rotate", on=at)
        fresh = client(caller, app)["client_secret"]
        assert fresh != app.client_secret
        assert fresh in page
        assert caller.ask_token(app, AUDIENCE).status_code == 401
        assert caller.ask_token(Application(app.client_id, fresh), AUDIENCE).status_code == 200

    def test_deletion_wants_the_name(self, ada: Browser, caller: Caller, app: Application) -> None:
        at = f"/apps/{app.client_id}/settings"
        page = ada.refused(f"/apps/{app.client_id}/delete", {"typed": "Night"}, on=at)
        assert "Nothing was deleted" in page
        assert caller.manage("GET", f"clients/{app.client_id}").status_code == 200
        assert "was deleted" in ada.done(f"/apps/{app.client_id}/delete", {"typed": "Night job"}, on=at)
        assert caller.manage("GET", f"clients/{app.client_id}").status_code == 404

    def test_the_command_line_cannot_be_deleted(self, ada: Browser, caller: Caller) -> None:
        own = caller.operator.client_id
        page = ada.page(f"/apps/{own}/settings")
        assert "It cannot be deleted" in page
        assert f'action="/ui/apps/{own}/delete"' not in page
        assert f'action="/ui/apps/{own}/rotate"' not in page
        answer = ada.send(f"/apps/{own}/delete", {"typed": client(caller, caller.operator)["name"]})
        assert answer.status_code == 400
        assert "cannot be deleted." in answer.text


class TestApis:
    def test_an_api_is_authorized_changed_and_taken_away(
        self, ada: Browser, caller: Caller, app: Application, api: dict[str, Any]
    ) -> None:
        at = f"/apps/{app.client_id}/apis"
        page = ada.page(at)
        assert "Not authorized" in page
        assert ESCAPED in page
        assert CANARY not in page
        page = ada.done(f"{at}/{api['id']}", {"scope": ["create:blog"]}, on=at)
        assert "1 of 2 permissions" in page
        assert 'value="create:blog" checked' in page
        assert [grant["scope"] for grant in grants(caller, app.client_id)] == [["create:blog"]]
        assert caller.ask_token(app, AUDIENCE).json()["scope"] == "create:blog"

        ada.done(f"{at}/{api['id']}", {"scope": ["read:blog", "create:blog"]}, on=at)
        assert [grant["scope"] for grant in grants(caller, app.client_id)] == [["read:blog", "create:blog"]]
        ada.done(f"{at}/{api['id']}", {}, on=at)
        assert [grant["scope"] for grant in grants(caller, app.client_id)] == [[]]
        assert "all permissions" in ada.done(f"{at}/{api['id']}", {"all": "on"}, on=at)
        assert caller.ask_token(app, AUDIENCE).json()["scope"] == "read:blog create:blog"
        ada.done(f"{at}/{api['id']}", {"scope": ["read:blog"]}, on=at)
        assert caller.ask_token(app, AUDIENCE).json()["scope"] == "read:blog"

        assert "are revoked" in ada.done(f"{at}/{api['id']}/deauthorize", on=at)
        assert grants(caller, app.client_id) == []

    def test_a_refusal_keeps_what_was_ticked(
        self, ada: Browser, caller: Caller, app: Application, api: dict[str, Any]
    ) -> None:
        at = f"/apps/{app.client_id}/apis"
        page = ada.refused(f"{at}/{api['id']}", {"scope": ["create:blog", CANARY]}, on=at)
        assert 'value="create:blog" checked' in page
        assert CANARY not in page
        assert grants(caller, app.client_id) == []

    @pytest.mark.usefixtures("unconfirmed")
    def test_scopes_for_secrets_need_the_password(
        self, ada: Browser, caller: Caller, app: Application
    ) -> None:
        rows = caller.manage("GET", "resource-servers").json()
        system = next(row["id"] for row in rows if row.get("is_system"))
        at = f"/apps/{app.client_id}/apis"
        answer = ada.send(f"{at}/{system}", {"scope": ["read:client_keys"]}, on=at)
        assert grants(caller, app.client_id) == []
        page = ada.confirm(answer.headers["location"])
        assert "Permissions at Auth0 Management API" in page
        ada.done(f"{at}/{system}", {"scope": ["read:client_keys"]}, on=at)
        assert [grant["scope"] for grant in grants(caller, app.client_id)] == [["read:client_keys"]]


class TestHead:
    @pytest.mark.usefixtures("api")
    def test_what_apis_refused_is_told_with_the_command_that_mends_it(
        self, ada: Browser, caller: Caller, app: Application, clock: Clock
    ) -> None:
        caller.create("client-grants", client_id=app.client_id, audience=AUDIENCE, scope=[])
        refusal = {
            "minute": int(clock.now),
            "audience": AUDIENCE,
            "reason": "insufficient_scope",
            "missing": ["read:blog"],
            "count": 3,
            "request_id": "0123456789abcdef",
            "enforced": True,
            "client_id": app.client_id,
        }
        report = {"refusals": [{**refusal, "route": CANARY, "method": "GET"}, refusal]}
        assert caller.manage("POST", "guard-reports", json=report).status_code == 204
        page = ada.page(f"/apps/{app.client_id}/settings")
        assert "insufficient_scope" in page
        assert "3 times" in page
        assert "gatewright grants add" in page
        assert ESCAPED in page
        assert CANARY not in page
        ada.page("/")
        assert "refused it" not in ada.page(f"/apps/{caller.operator.client_id}/settings")


class TestQuickStart:
    @pytest.mark.usefixtures("api")
    def test_the_python_example_gets_a_token(
        self,
        ada: Browser,
        caller: Caller,
        app: Application,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        at = f"/apps/{app.client_id}/quickstart"
        assert "Authorize it first" in ada.page(at)
        caller.create("client-grants", client_id=app.client_id, audience=AUDIENCE, scope=["read:blog"])
        page = ada.page(at)
        assert app.client_secret not in page
        (python,) = [text for text in blocks(page) if "TokenSource" in text]
        monkeypatch.setenv("CLIENT_SECRET", app.client_secret)
        exec(compile(python, "quickstart.py", "exec"), {})  # noqa: S102 - that it runs is what is tested
        assert capsys.readouterr().out.count(".") == 2
