"""Each folder that a quick start offers runs against this server, and refuses until it may let in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gatewright.server.app import RunningServer, start
from gatewright.server.settings import Settings
from tests.running import free_port
from tests.server.dashboard.walks import EXPRESS, FORGET, Folder, set_up, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.running import Application, Caller
    from tests.server.dashboard.browsing import Browser

    Downloaded = Callable[[str, str, str], "Guarded"]

pytestmark = pytest.mark.slow

PYTHON = ("fastapi", "starlette", "flask", "django", "litestar", "aiohttp")
SECRET = "a shared secret of tests: long enough"
NAMES = {"plain": "Blog API", "odd": "../..\\\"'\n$(id)`x`</script>\r\nX-Evil: ${{ y }} é"}
IDENTIFIERS = {
    "plain": "https://blog-api",
    "odd": "urn:'\"$x`y`$(id)${{ z }}$${name}\\n\n```\n</script>é😀\u202e\u2028\ufeff\x01\x7f «reads»",
}
PERMISSIONS = {
    "plain": ("read:blog", "create:blog"),
    "odd": ("read:'$x`y`$(id)${{z}}</script>,#", "create:'$$``y`*/-->"),
}
WALKS = [
    *[(framework, "RS256", "plain") for framework in (*PYTHON, "express", "go")],
    *[(framework, "PS256", "odd") for framework in (*PYTHON, "express", "go")],
    *[(framework, "HS256", "odd") for framework in ("fastapi", "django", "express", "go")],
    *[(framework, "ES256", "plain") for framework in ("fastapi", "express", "go")],
    *[(framework, "RS512", "plain") for framework in ("fastapi", "express", "go")],
    *[(framework, "EdDSA", "plain") for framework in ("fastapi", "go")],
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that lives by the real time, as the folders' programs do."""
    folder = tmp_path_factory.mktemp("server") / "data"
    with start(Settings.load({}, data=folder, listen=f"localhost:{free_port()}")) as server:
        yield server


class Guarded:
    """A downloaded folder, the API it is for, and an application that may have tokens with no permission."""

    def __init__(self, folder: Folder, caller: Caller, api: dict[str, Any]) -> None:
        self.folder = folder
        self.caller = caller
        self.api = api
        self.application: Application = caller.application("calls the folder")
        self.grant = caller.authorize(self.application, api["identifier"])
        folder.fill_env(self.application, SECRET)

    def permit(self) -> None:
        self.caller.update(
            f"client-grants/{self.grant}", scope=[each["value"] for each in self.api["scopes"]]
        )


@pytest.fixture
def downloaded(ada: Browser, caller: Caller, tmp_path: Path) -> Downloaded:
    """Downloads the folder of a framework for a new API that signs so, with plain or with odd texts."""

    def download(framework: str, algorithm: str, texts: str) -> Guarded:
        made = caller.create(
            "resource-servers",
            name=NAMES[texts].replace("<", "").replace(">", ""),
            identifier=f"{IDENTIFIERS[texts]}/{framework}/{algorithm}",
            signing_alg=algorithm,
            scopes=[{"value": value} for value in PERMISSIONS[texts]],
            **({"signing_secret": SECRET} if algorithm == "HS256" else {}),
        )
        answer = ada.http.get(f"ui/apis/{made['id']}/quickstart/{framework}/download")
        assert answer.status_code == 200, answer.text
        return Guarded(unpacked(answer.content, tmp_path), caller, made)

    return download


@pytest.mark.parametrize(("framework", "algorithm", "texts"), WALKS)
def test_folder_is_set_up_as_its_readme_says_and_walks_from_refused_to_let_in(
    downloaded: Downloaded, framework: str, algorithm: str, texts: str
) -> None:
    guarded = downloaded(framework, algorithm, texts)
    set_up(guarded.folder, framework)
    # Odd texts come from the sources, plain ones from the environment.
    with guarded.folder.served(FORGET if texts == "odd" else "") as url:
        assert guarded.folder.calls(url) == [
            ("GET /authtest", 401),
            ("GET /authtest", 200),
            ("GET /blogs", 403),
            ("POST /blogs", 403),
        ]
        guarded.permit()
        assert [status for _, status in guarded.folder.calls(url, FORGET)] == [401, 200, 200, 200]


@pytest.mark.parametrize("texts", ["plain", "odd"])
def test_a_shell_reads_the_variables_as_they_are(downloaded: Downloaded, texts: str) -> None:
    guarded = downloaded("curl", "RS256", texts)
    assert guarded.folder.names() == {"calls.sh", "README.md", ".env.example", ".env", ".gitignore"}
    read = guarded.folder.variables("GATEWRIGHT_ISSUER", "GATEWRIGHT_AUDIENCE", "CLIENT_ID")
    assert read["GATEWRIGHT_ISSUER"] == guarded.caller.issuer
    assert read["GATEWRIGHT_AUDIENCE"] == guarded.api["identifier"]
    assert read["CLIENT_ID"] == guarded.application.client_id


def test_express_asks_for_the_versions_that_the_tests_run(downloaded: Downloaded) -> None:
    ours = json.loads(downloaded("express", "RS256", "odd").folder.text("package.json"))
    locked = json.loads((EXPRESS / "package.json").read_text())
    assert all(ours[part] == locked[part] for part in ("dependencies", "overrides", "engines"))
