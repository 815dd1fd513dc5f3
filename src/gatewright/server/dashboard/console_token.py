"""The token of the console: asked for as the application itself asks, taken apart, verified step by step."""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.types import Message

from gatewright.guard.walkthrough import Explanation
from gatewright.jose import JoseError, jws, jwt
from gatewright.server.dashboard.operations import Record
from gatewright.server.dashboard.page import FORM, Page, part
from gatewright.server.dashboard.requests_as_code import Fields, Variable, WrittenRequest
from gatewright.server.errors import OAuthError
from gatewright.server.management.app import guard_of
from gatewright.server.model import HMAC_ALGORITHMS
from gatewright.server.requests import render

PATH: Final = "/oauth/token"
SECRET_METHODS: Final = frozenset({"client_secret_post", "client_secret_basic"})
SECRET: Final = Variable("CLIENT_SECRET")
SHOWN: Final = "client_id,name,token_endpoint_auth_method"

_TIMES: Final = frozenset({"exp", "iat", "nbf", "auth_time"})
_MEANINGS: Final[Mapping[str, str]] = {
    "iss": "who issued it",
    "sub": "whom it is about; for a machine, its client id",
    "aud": "the API it is for: its identifier",
    "azp": "the application that asked for it",
    "client_id": "the application that asked for it",
    "exp": "the end of its life",
    "iat": "when it was issued",
    "nbf": "from when on it is valid",
    "jti": "the name of this one token",
    "scope": "what it allows",
    "permissions": "what it allows, as a list",
    "gty": "how it was asked for",
    "alg": "how it is signed",
    "kid": "the key it is signed with",
    "typ": "what kind of token it is",
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A token request that was made: the status, and the body as it came; ``token`` is what it held."""

    status: int
    body: str
    token: str


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a token, and what it means where that is known."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A token taken apart; ``explanation`` is what a guard of the API says of it."""

    header: tuple[Member, ...]
    claims: tuple[Member, ...]
    scopes: tuple[str, ...]
    explanation: Explanation


def token_request(
    page: Page, api: Record, client: Record, *, scopes: list[str] | None = None
) -> WrittenRequest | None:
    """The request that the application makes; None when it does not prove itself by a secret.

    ``scopes`` are asked for when it shall be less than everything. A client that was read with its secret is
    written down with it.
    """
    method = client.get("token_endpoint_auth_method", "client_secret_post")
    if method not in SECRET_METHODS:
        return None
    secret = client.get("client_secret") or SECRET
    asked: Fields = (("grant_type", "client_credentials"), ("audience", api["identifier"]))
    if scopes is not None:
        asked += (("scope", " ".join(scopes)),)
    url = page.server.settings.issuer.removesuffix("/") + PATH
    if method == "client_secret_basic":
        return WrittenRequest("POST", url, basic=(client["client_id"], secret), form=asked)
    named = (("client_id", client["client_id"]), ("client_secret", secret))
    return WrittenRequest("POST", url, form=(*asked, *named))


async def take_token(page: Page, api: Record, client_id: str, scopes: list[str] | None) -> Exchange | None:
    """Asks the token endpoint as the application, with its secret; None when it has none to ask with.

    Raises:
        NotConfirmed: reading the secret needs the password.
        ApiError: there is no such application.
    """
    page.operations.require_confirmed()
    path = f"clients/{part(client_id)}"
    client = await page.operations.get(path, fields=f"{SHOWN},client_secret")
    request = token_request(page, api, client, scopes=scopes)
    if request is None or not client.get("client_secret"):
        return None
    try:
        answer = await page.token_endpoint(_as_http(page.http, request))
    except OAuthError as refusal:
        answer = render(refusal)
    members = json.loads(bytes(answer.body))
    token = str(members.get("access_token", ""))
    return Exchange(answer.status_code, json.dumps(members, indent=2, ensure_ascii=False), token)


def _as_http(page: Request, request: WrittenRequest) -> Request:
    """The request as the token endpoint would get it from the network, from whoever looks at the page."""
    body = urlencode([(name, str(value)) for name, value in request.form]).encode()
    headers = [
        (b"host", page.headers.get("host", "").encode("latin-1")),
        (b"user-agent", page.headers.get("user-agent", "").encode("latin-1")),
        (b"content-type", FORM.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    if request.basic is not None:
        user, password = (quote(str(text), safe="") for text in request.basic)
        credentials = base64.b64encode(f"{user}:{password}".encode())
        headers.append((b"authorization", b"Basic " + credentials))
    scope = {**page.scope, "method": "POST", "path": PATH, "root_path": "", "query_string": b""}
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    return Request({**scope, "raw_path": PATH.encode(), "headers": headers}, receive)


async def take_apart(page: Page, api: Record, token: str) -> Anatomy:
    """Header and claims of a token, and every check of it."""
    algorithm = str(api.get("signing_alg", "RS256"))
    secret = None
    if algorithm in HMAC_ALGORITHMS:
        page.operations.require_confirmed()
        whole = await page.operations.get(f"resource-servers/{part(api['id'])}")
        secret = str(whole["signing_secret"])
    guard = guard_of(page.server, audience=api["identifier"], algorithm=algorithm, secret=secret)
    explanation = await asyncio.to_thread(guard.explain, token)
    header, claims = _read(token)
    now = page.server.now()
    return Anatomy(
        header=tuple(_member(name, value, now) for name, value in header.items()),
        claims=tuple(_member(name, value, now) for name, value in claims.items()),
        scopes=tuple(str(claims.get("scope", "")).split()),
        explanation=explanation,
    )


def _read(token: str) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """What can be read of it; nobody vouches for it here."""
    try:
        signed = jws.parse(token)
        return signed.header, jwt.claims(signed)
    except JoseError:
        return {}, {}


def _member(name: str, value: object, now: float) -> Member:
    meaning = _MEANINGS.get(name, "")
    if name in _TIMES and isinstance(value, int | float) and not isinstance(value, bool):
        meaning = f"{meaning}: {_told(float(value), now)}" if meaning else _told(float(value), now)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Member(name, text, meaning)


def _told(at: float, now: float) -> str:
    try:
        moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "no time that a calendar has"
    minutes = round(abs(at - now) / 60)
    distance = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"  # noqa: PLR2004 - an hour
    return f"{moment}, {'in ' + distance if at > now else distance + ' ago'}"
