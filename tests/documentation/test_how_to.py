"""Every page of docs/how-to is followed as a reader would, and does what it says."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from gatewright.jose import jws, jwt
from tests.documentation.reading import Reader
from tests.documentation.terminal import Terminal
from tests.guard.test_introspection import StubEndpoint
from tests.running import bearer, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("curl")), reason="bash or curl is not installed"
)

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
PAGES = sorted(path.stem for path in HOW_TO.glob("*.md"))
TOKENS = "get-a-token"
"""The page that the guides to the frameworks build on: its server serves, its shell knows the tokens."""

OTHERWISE = {TOKENS, "guard-mcp", "introspect-opaque-tokens"}
"""What is asked of these differs: each has a test of its own."""

GUIDES = [page for page in PAGES if page.startswith("guard-") and page not in OTHERWISE]
OTHERS = [page for page in PAGES if page not in {*GUIDES, *OTHERWISE}]

REALM = 'Bearer realm="https://blog-api"'
LACKS = 'error="insufficient_scope", error_description="The access token lacks a required scope"'


def text(page: str) -> str:
    return (HOW_TO / f"{page}.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """The reader who has just followed `TOKENS`."""
    port = free_port()
    variables = {"GATEWRIGHT_SERVER_LISTEN": f"localhost:{port}"}
    with Terminal(tmp_path_factory.mktemp("issuer") / "folder", variables) as terminal:
        reader = Reader(terminal, issuer_port=port)
        reader.follow(text(TOKENS))
        yield reader


@pytest.fixture(scope="module")
def tokens(issuer: Reader) -> dict[str, str]:
    """What the shell knows in which that page was followed."""
    return {name: issuer.terminal.variable(name) for name in ("READ", "CREATE")}


def test_tokens_to_try_with_have_a_scope_each(tokens: dict[str, str]) -> None:
    scopes = {name: jwt.claims(jws.parse(token))["scope"] for name, token in tokens.items()}
    assert scopes == {"READ": "read:blog", "CREATE": "create:blog"}


def challenge(answer: httpx2.Response) -> tuple[int, str]:
    """A refusal's status, and the challenge that it came with."""
    return answer.status_code, answer.headers["www-authenticate"]


def judge(url: str, tokens: dict[str, str]) -> None:
    """The four questions that the API of every guide can be asked, and their answers."""
    assert challenge(httpx2.get(f"{url}/blogs")) == (401, REALM)
    lacking = httpx2.get(f"{url}/blogs", headers=bearer(tokens["CREATE"]))
    assert challenge(lacking) == (403, f'{REALM}, {LACKS}, scope="read:blog"')
    assert httpx2.get(f"{url}/blogs", headers=bearer(tokens["READ"])).status_code == 200
    assert httpx2.get(f"{url}/health").status_code == 200


@pytest.mark.parametrize("page", GUIDES)
def test_guide_to_a_framework_makes_an_api_that_refuses_and_admits(
    page: str, issuer: Reader, tokens: dict[str, str]
) -> None:
    judged: list[str] = []

    def served(url: str) -> None:
        judge(url, tokens)
        judged.append(url)

    with Terminal(issuer.terminal.folder / page, tokens) as terminal:
        Reader(terminal, served, issuer_port=issuer.issuer_port).follow(text(page))
    assert judged, "the page says no command that serves"


def test_guide_to_mcp_makes_a_server_that_refuses_and_admits(issuer: Reader) -> None:
    with Terminal(issuer.terminal.folder / "guard-mcp") as terminal:
        reader = Reader(terminal, issuer_port=issuer.issuer_port)
        reader.follow(text("guard-mcp"))
        url = f"http://127.0.0.1:{reader.api_port}"
        metadata = f"{url}/.well-known/oauth-protected-resource/mcp"
        realm, where = f'Bearer realm="{url}/mcp"', f'resource_metadata="{metadata}"'

        def write(headers: dict[str, str]) -> httpx2.Response:
            call = {"name": "write", "arguments": {"path": "a", "text": "b"}}
            message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
            return httpx2.post(f"{url}/mcp", headers=headers, json=message)

        assert challenge(write({})) == (401, f"{realm}, {where}")
        lacking = write(bearer(terminal.variable("READER")))
        assert challenge(lacking) == (403, f'{realm}, {LACKS}, scope="files:write", {where}')
        # The page's own client has been admitted to the tool; the scopes are all told to everybody.
        assert httpx2.get(metadata).json()["scopes_supported"] == ["files:write", "files:read"]


def test_guide_to_opaque_tokens_asks_the_issuer_with_its_own_secret(tmp_path: Path) -> None:
    active = {"active": True, "sub": "app", "aud": "https://blog-api", "scope": "read:blog"}
    with (
        StubEndpoint({"2YotnFZFEjr1zCsicMWpAA": active}) as endpoint,
        Terminal(tmp_path / "folder") as terminal,
    ):
        issuer = endpoint.url.removesuffix("introspect")
        Reader(terminal).follow(text("introspect-opaque-tokens").replace("https://issuer.example/", issuer))
    assert endpoint.asked == ["2YotnFZFEjr1zCsicMWpAA", "unknown"]
    secret = base64.b64encode(b"blog-api:what+the+issuer+gave+with+it").decode()
    assert {sent["authorization"] for sent in endpoint.headers} == {f"Basic {secret}"}


@pytest.mark.parametrize("page", OTHERS)
def test_how_to_does_what_it_says(page: str, tmp_path: Path) -> None:
    port = free_port()
    # In place of the port that the page leaves to the defaults of what it starts and generates.
    variables = {
        "GATEWRIGHT_SERVER_LISTEN": f"localhost:{port}",
        "GATEWRIGHT_ISSUER": f"http://localhost:{port}/",
    }
    with Terminal(tmp_path / "folder", variables) as terminal:
        Reader(terminal, issuer_port=port).follow(text(page))
