"""The Credentials page of an application, and what viewers may not."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.running import Application
from tests.server.dashboard.browsing import AUDIENCE, CANARY, ESCAPED, Browser, client, secret_ids

if TYPE_CHECKING:
    from gatewright.server.app import RunningServer
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


def secret_reads(running: RunningServer, caller: Caller) -> int:
    """How many secrets the log says ada has seen."""
    running.server.events.flush()
    rows = caller.manage("GET", "logs", params={"q": "type:mgmt_api_read AND user_name:ada"}).json()
    return len(rows)


def public_pem() -> tuple[str, str]:
    """The public half and the private half."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return public.decode(), private.decode()


class TestSecrets:
    @pytest.mark.usefixtures("unconfirmed")
    def test_a_secret_is_shown_once_the_password_was_given_and_that_is_logged(
        self, ada: Browser, caller: Caller, app: Application, running: RunningServer
    ) -> None:
        at, (id_,) = f"/apps/{app.client_id}/credentials", secret_ids(caller, app)
        assert app.client_secret not in ada.page(at)
        answer = ada.http.get(f"ui{at}?show={id_}")
        assert answer.status_code == 303
        before = secret_reads(running, caller)
        page = ada.confirm(answer.headers["location"])
        assert f"CLIENT_SECRET={app.client_secret}" in page
        assert f"GATEWRIGHT_ISSUER={caller.issuer}" in page
        assert f'"client_secret": "{app.client_secret}"' in html.unescape(page)
        assert secret_reads(running, caller) == before + 1
        for tab in ("settings", "credentials", "apis", "quickstart"):
            assert app.client_secret not in ada.page(f"/apps/{app.client_id}/{tab}")
        ada.page("/apps")
        assert secret_reads(running, caller) == before + 1

    def test_a_secret_that_is_not_there_cannot_be_shown(self, ada: Browser, app: Application) -> None:
        page = ada.page(f"/apps/{app.client_id}/credentials?show=sec_nothing", status=404)
        assert "no such secret" in page

    @pytest.mark.usefixtures("api")
    def test_two_secrets_are_good_until_one_is_ended(
        self, ada: Browser, caller: Caller, app: Application
    ) -> None:
        caller.create("client-grants", client_id=app.client_id, audience=AUDIENCE, scope=[])
        at, (old,) = f"/apps/{app.client_id}/credentials", secret_ids(caller, app)
        page = ada.done(f"/apps/{app.client_id}/secrets", on=at)
        fresh = Application(app.client_id, client(caller, app)["client_secret"])
        assert fresh.client_secret != app.client_secret
        assert fresh.client_secret in page
        assert [caller.ask_token(each, AUDIENCE).status_code for each in (app, fresh)] == [200, 200]
        page = ada.page(at)
        assert "never" not in re.sub(r"(?s)^.*?<h2>Client secrets|<h2>Keys.*$", "", page)
        assert f'action="/ui/apps/{app.client_id}/secrets"' not in page
        ada.done(f"/apps/{app.client_id}/secrets/{old}/end", on=at)
        assert [caller.ask_token(each, AUDIENCE).status_code for each in (app, fresh)] == [401, 200]
        assert "/end" not in ada.page(at)

    def test_a_third_secret_is_refused(self, ada: Browser, caller: Caller, app: Application) -> None:
        answers = [ada.send(f"/apps/{app.client_id}/secrets") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [303, 409]
        assert "two secrets" in answers[1].text
        assert len(secret_ids(caller, app)) == 2


class TestKeys:
    def test_a_key_is_registered_assigned_ended_and_removed(
        self, ada: Browser, caller: Caller, app: Application
    ) -> None:
        at, noun = f"/apps/{app.client_id}/credentials", f"clients/{app.client_id}/credentials"
        fields = {"name": CANARY, "alg": "PS256", "pem": public_pem()[0], "expires_at": "2099-01-02T03:04"}
        page = ada.done(f"{at}/keys", fields, on=at)
        assert ESCAPED in page
        assert CANARY not in page
        (key,) = caller.manage("GET", noun).json()
        assert (key["alg"], key["expires_at"]) == ("PS256", "2099-01-02T03:04:00.000Z")

        assert "Tick the key" in ada.refused(f"{at}/assigned", on=at)
        page = ada.done(f"{at}/assigned", {"key": [key["id"]]}, on=at)
        assert client(caller, app)["client_authentication_methods"] == {
            "private_key_jwt": {"credentials": [{"id": key["id"]}]}
        }
        assert "authenticates with its keys" in page
        assert "private_key_jwt" in ada.page(f"/apps/{app.client_id}/settings")

        assert ">assigned<" in ada.page(at)
        ada.done(f"{at}/{key['id']}/end", {"expires_at": "1999-01-02T03:04"}, on=at)
        assert ">ended<" in ada.page(at)
        ada.done(f"{at}/{key['id']}/end", {"expires_at": "2098-01-02T03:04"}, on=at)
        assert caller.manage("GET", noun).json()[0]["expires_at"] == "2098-01-02T03:04:00.000Z"
        assert "date-time" in ada.refused(f"{at}/{key['id']}/end", {"expires_at": "soon"}, on=at)

        settings = f"/apps/{app.client_id}/settings"
        chosen = {"name": "Night job", "method": "client_secret_post", "grant_type": ["client_credentials"]}
        ada.done(settings, chosen, on=settings)
        assert "client_authentication_methods" not in client(caller, app)
        ada.done(f"{at}/{key['id']}/remove", on=at)
        assert caller.manage("GET", noun).json() == []

    def test_a_private_key_is_refused_and_not_repeated(
        self, ada: Browser, caller: Caller, app: Application
    ) -> None:
        at = f"/apps/{app.client_id}/credentials"
        private = public_pem()[1]
        page = ada.refused(f"{at}/keys", {"name": "laptop", "alg": "RS384", "pem": private}, on=at)
        assert "keep it to yourself" in page
        assert private.splitlines()[1] not in page
        assert 'value="laptop"' in page
        assert "<option selected>RS384" in page
        page = ada.refused(f"{at}/keys", {"name": "x", "alg": "RS256", "pem": CANARY}, on=at)
        assert f">{ESCAPED}</textarea>" in page
        assert caller.manage("GET", f"clients/{app.client_id}/credentials").json() == []

    @pytest.mark.usefixtures("unconfirmed")
    def test_whoever_chooses_keys_gives_the_password(
        self, ada: Browser, caller: Caller, app: Application
    ) -> None:
        noun = f"clients/{app.client_id}/credentials"
        made = caller.create(noun, credential_type="public_key", pem=public_pem()[0], name="laptop")
        at = f"/apps/{app.client_id}/credentials"
        for action, fields in (
            (f"{at}/assigned", {"key": [made["id"]]}),
            (f"{at}/keys", {"alg": "RS256", "pem": public_pem()[0]}),
            (f"{at}/{made['id']}/remove", {}),
            (f"{at}/{made['id']}/end", {"expires_at": "2098-01-02T03:04"}),
        ):
            answer = ada.send(action, fields, on=at)
            assert answer.headers["location"].startswith("/ui/confirm"), action
        assert "client_authentication_methods" not in client(caller, app)
        assert [(key["id"], "expires_at" in key) for key in caller.manage("GET", noun).json()] == [
            (made["id"], False)
        ]


class TestViewers:
    @pytest.mark.usefixtures("api")
    def test_a_viewer_sees_no_button_and_no_secret(
        self, vera: Browser, caller: Caller, app: Application
    ) -> None:
        noun = f"clients/{app.client_id}/credentials"
        caller.create(noun, credential_type="public_key", pem=public_pem()[0], name="laptop")
        caller.create("client-grants", client_id=app.client_id, audience=AUDIENCE, scope=["read:blog"])
        of = f"/apps/{app.client_id}"
        for path in ("/apps", f"{of}/settings", f"{of}/credentials", f"{of}/apis", f"{of}/quickstart"):
            page = vera.page(path)
            buttons = re.findall(r"<button(?! type=)[^>]*>(.*?)</button>", page, re.DOTALL)
            assert set(buttons) <= {"Log out", "Filter"}, path
            assert app.client_secret not in page
        assert "Create an application" not in vera.page("/apps")
        vera.page("/apps/new", status=403)
        (id_,) = secret_ids(caller, app)
        assert app.client_secret not in vera.page(f"{of}/credentials?show={id_}", status=403)

    @pytest.mark.parametrize(
        "action",
        [
            "/apps/new",
            "/apps/{id}/settings",
            "/apps/{id}/rotate",
            "/apps/{id}/delete",
            "/apps/{id}/secrets",
            "/apps/{id}/secrets/sec_1/end",
            "/apps/{id}/credentials/keys",
            "/apps/{id}/credentials/assigned",
            "/apps/{id}/credentials/cred_1/end",
            "/apps/{id}/credentials/cred_1/remove",
            "/apps/{id}/apis/api_1",
            "/apps/{id}/apis/api_1/deauthorize",
        ],
    )
    def test_a_viewer_changes_nothing(
        self, vera: Browser, caller: Caller, app: Application, action: str
    ) -> None:
        before = client(caller, app)
        fields = {"typed": "Night job", "name": "Mine", "app_type": "spa", "method": "none"}
        answer = vera.send(action.format(id=app.client_id), fields)
        assert answer.status_code == 403
        assert "Only an administrator" in answer.text
        assert client(caller, app) == before
