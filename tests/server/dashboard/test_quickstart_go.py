"""The quick start in Go checks tokens by itself: what it must refuse, and what it does in an outage."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gatewright.jose import ALGORITHMS, JWK
from gatewright.scaffold.places import Api
from gatewright.scaffold.projects import project_for
from tests.running import bearer, serving
from tests.server.dashboard.walks import Folder, set_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.requests import Request

pytestmark = pytest.mark.slow

AUDIENCE = "https://blog-api"
KEY = JWK.generate("RS256", kid="known")
STRANGER = JWK.generate("RS256", kid="known")


class Published:
    """An issuer's keys, as it serves them now."""

    def __init__(self) -> None:
        self.url = ""
        self.asked = 0
        self.is_down = False

    def answer(self, _: Request) -> Response:
        self.asked += 1
        if self.is_down:
            return Response(status_code=503)
        return JSONResponse({"keys": [{"kty": "RSA", "kid": "broken", "n": "?"}, KEY.public().to_dict()]})

    def token(self, *, key: JWK = KEY, header: dict[str, object] | None = None, **claims: object) -> str:
        now = int(time.time())
        made = {"iss": self.url, "aud": AUDIENCE, "exp": now + 60, "scope": "read:blog", **claims}
        kept = {name: value for name, value in made.items() if value is not None}
        head = {"alg": key.alg, "kid": key.kid, **(header or {})}
        signed = f"{encoded(json.dumps(head).encode())}.{encoded(json.dumps(kept).encode())}"
        signature = ALGORITHMS[str(key.alg)].sign(key.native, signed.encode())
        return f"{signed}.{encoded(signature)}"


@pytest.fixture
def issuer() -> Iterator[Published]:
    published = Published()
    with serving(Starlette(routes=[Route("/.well-known/jwks.json", published.answer)])) as url:
        published.url = f"{url}/"
        yield published


@pytest.fixture
def api(issuer: Published, tmp_path: Path) -> Iterator[httpx2.Client]:
    """The folder's program, for tokens of `issuer`."""
    known = Api("Go", AUDIENCE, issuer.url, "RS256", ("read:blog", "create:blog"), "http://localhost/")
    name, contents = project_for(known, "go")
    folder = Folder(tmp_path / name)
    folder.path.mkdir()
    for file, text in {**contents, ".env": ""}.items():
        (folder.path / file).write_text(text, encoding="utf-8")
    set_up(folder, "go")
    with folder.served() as url, httpx2.Client(base_url=url, timeout=30) as client:
        yield client


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def unsigned(token: str) -> str:
    claims = token.split(".")[1]
    return f"{encoded(json.dumps({'alg': 'none', 'kid': KEY.kid}).encode())}.{claims}."


def with_the_public_key(token: str) -> str:
    signed = token.rpartition(".")[0]
    published = json.dumps(KEY.public().to_dict()).encode()
    return f"{signed}.{encoded(hmac.digest(published, signed.encode(), 'sha256'))}"


def with_other_claims(token: str) -> str:
    head, claims, signature = token.split(".")
    members: dict[str, Any] = json.loads(base64.urlsafe_b64decode(claims + "=="))
    return ".".join((head, encoded(json.dumps({**members, "scope": "all"}).encode()), signature))


REFUSED: dict[str, Callable[[Published], str]] = {
    "nothing in two dots": lambda _: "..",
    "another algorithm": lambda issuer: issuer.token(header={"alg": "PS256"}),
    "two parts": lambda issuer: issuer.token().rpartition(".")[0],
    "no signature": lambda issuer: unsigned(issuer.token()),
    "other claims": lambda issuer: with_other_claims(issuer.token()),
    "padding": lambda issuer: issuer.token() + "==",
    "another's key": lambda issuer: issuer.token(key=STRANGER),
    "unknown key": lambda issuer: issuer.token(key=JWK.generate("RS256", kid="unknown")),
    "public key as a secret": lambda issuer: with_the_public_key(issuer.token(header={"alg": "HS256"})),
    "critical extension": lambda issuer: issuer.token(header={"crit": ["b64"]}),
    "another issuer": lambda issuer: issuer.token(iss="https://other.example/"),
    "issuer without its slash": lambda issuer: issuer.token(iss=issuer.url.rstrip("/")),
    "another audience": lambda issuer: issuer.token(aud="https://other-api"),
    "other audiences": lambda issuer: issuer.token(aud=["https://other-api", f"{AUDIENCE}/"]),
    "no audience": lambda issuer: issuer.token(aud=None),
    "no end": lambda issuer: issuer.token(exp=None),
    "end that is no number": lambda issuer: issuer.token(exp="9999999999"),
    "expired": lambda issuer: issuer.token(exp=int(time.time()) - 31),
    "not yet": lambda issuer: issuer.token(nbf=int(time.time()) + 60),
}


def test_only_a_good_token_is_let_in(issuer: Published, api: httpx2.Client) -> None:
    good = bearer(issuer.token(aud=["https://other-api", AUDIENCE], exp=int(time.time()) - 10))
    assert api.get("/blogs", headers=good).json() == {"readBlogAccess": True}
    assert api.get("/blogs", headers=bearer(issuer.token(scope="read:blogs xread:blog"))).status_code == 403
    assert api.post("/blogs", headers=good).status_code == 403
    assert api.get("/nowhere").status_code == 401
    assert api.get("/nowhere", headers=good).status_code == 404
    assert api.delete("/blogs", headers=good).status_code == 405
    let_in = [
        name for name, make in REFUSED.items()
        if api.get("/authtest", headers=bearer(make(issuer))).status_code != 401
    ]  # fmt: skip
    assert not let_in
    twice = [("Authorization", good["Authorization"])] * 2
    refusal = api.get("/authtest", headers=twice)
    assert (refusal.status_code, refusal.headers["www-authenticate"]) == (401, "Bearer")


def test_keys_are_kept_in_an_outage_and_unknown_ones_not_looked_for_all_the_time(
    issuer: Published, api: httpx2.Client
) -> None:
    begun = time.monotonic()
    good = bearer(issuer.token())
    assert api.get("/authtest", headers=good).status_code == 200
    issuer.is_down = True
    unknown = bearer(issuer.token(key=JWK.generate("RS256", kid="unknown")))
    assert {api.get("/authtest", headers=unknown).status_code for _ in range(20)} == {401}
    assert api.get("/authtest", headers=good).status_code == 200
    assert issuer.asked <= 1 + (time.monotonic() - begun) // 10


def test_nobody_is_let_in_nor_blamed_while_no_key_is_known(issuer: Published, api: httpx2.Client) -> None:
    issuer.is_down = True
    assert api.get("/authtest", headers=bearer(issuer.token())).status_code == 503
    assert api.get("/health").status_code == 200
