"""The tutorial, told step by step with real requests; each answer is compared with what was told.

The steps only send requests. What they show is what anybody sees with curl.
"""

import json
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from gatewright.demo.exchange import NoAnswer, Request
from gatewright.demo.narrator import Narrator
from gatewright.guard import AccessToken, Denied

API_NAME = "Blog API"
AUDIENCE = "https://blog-api"
APP_NAME = f"{API_NAME} (Test Application)"
READ, CREATE = "read:blog", "create:blog"
PERMISSIONS = [
    {"value": READ, "description": "Read the blog"},
    {"value": CREATE, "description": "Write into the blog"},
]
NO_TOKEN = {"error": "unauthorized", "error_description": "No access token was sent"}
LACKS_SCOPE = {"error": "insufficient_scope", "error_description": "The access token lacks a required scope"}
LOGGED_IN = {"loggedin": True}
ENDPOINTS = (("GET", READ, {"readBlogAccess": True}), ("POST", CREATE, {"createBlogAccess": True}))

Record = dict[str, Any]


class NotAsTold(Exception):
    """A step answered otherwise than the tutorial says; the message names the step."""


@dataclass(slots=True)
class Walk:
    """The way through the tutorial: where the servers are, and what came of the steps so far.

    `decisions` is what the sample API's guard says of each request, the newest at the end; `report` has it
    tell the server.
    """

    issuer: str
    sample: str
    credentials: Mapping[str, str]
    narrator: Narrator
    decisions: Sequence[AccessToken | Denied | None]
    report: Callable[[], None]
    step: str = "start"
    management_token: str = ""
    api: Record = field(default_factory=dict)
    application: Record = field(default_factory=dict)
    grant: Record = field(default_factory=dict)
    key_set: Record = field(default_factory=dict)

    @property
    def granted(self) -> list[str]:
        """What the application may have at the API by now."""
        defined = [scope["value"] for scope in self.api.get("scopes") or []]
        return defined if self.grant.get("allow_all_scopes") else list(self.grant.get("scope") or [])

    def begin(self, number: int, title: str) -> None:
        """Names the step for whoever reads, and for the error if it goes wrong."""
        self.step = f"{number} ({title})"
        self.narrator.step(number, title)

    def expect(
        self,
        request: Request,
        status: int,
        body: object = None,
        *,
        members: Mapping[str, object] | None = None,
        only: Collection[str] = (),
    ) -> Any:  # noqa: ANN401 - the JSON that came
        """Sends, shows, and compares: the whole body, or some `members` of it.

        Raises:
            NotAsTold: another status or body came, or none at all.
        """
        came = self.send(request, only=only)
        if came[0] != status:
            raise self.otherwise(f"{status} {HTTPStatus(status).phrase} was told, {came[0]} came")
        if body is not None and came[1] != body:
            raise self.otherwise(f"the body {json.dumps(body)} was told, another came")
        for name, value in (members or {}).items():
            if not isinstance(came[1], dict) or came[1].get(name) != value:
                raise self.otherwise(f"{name} {json.dumps(value)} was told, another came")
        return came[1]

    def expect_token(
        self, request: Request, *, members: Mapping[str, object] | None = None, only: Collection[str] = ()
    ) -> str:
        """As `expect`, of the token endpoint; the access token.

        Raises:
            NotAsTold: none came.
        """
        told = {"token_type": "Bearer", **(members or {})}
        token = self.expect(request, 200, members=told, only=only).get("access_token")
        if not isinstance(token, str):
            raise self.otherwise("an access token was told, none came")
        return token

    def send(self, request: Request, *, only: Collection[str] = ()) -> tuple[int, Any]:
        """Sends and shows; status and JSON of the answer.

        Raises:
            NotAsTold: no answer came.
        """
        try:
            answer = request.send()
        except NoAnswer as error:
            raise self.otherwise(str(error)) from error
        self.narrator.exchange(request, answer, only)
        try:
            return answer.status, json.loads(answer.body)
        except ValueError:
            return answer.status, answer.text

    def look(self, path: str) -> Any:  # noqa: ANN401 - the JSON that came
        """What the Management API has there, not shown; `None` when there is no such thing.

        Raises:
            NotAsTold: it answered neither 200 nor 404.
        """
        request = self.manage("GET", path)
        try:
            answer = request.send()
            found = json.loads(answer.body)
        except (NoAnswer, ValueError) as error:
            raise self.otherwise(f"no usable answer: {error}") from error
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.status != HTTPStatus.OK:
            raise self.otherwise(f"{request.url} answered {answer.status} {answer.phrase}")
        return found

    def otherwise(self, text: str) -> NotAsTold:
        """Says that it went wrong; to be raised."""
        self.narrator.otherwise(text)
        return NotAsTold(f"Step {self.step} did not answer as told: {text}.")

    def manage(self, method: str, path: str, members: Mapping[str, object] | None = None) -> Request:
        """A request to the Management API."""
        return Request(method, f"{self.issuer}api/v2/{path}", self.management_token, members)

    def token_request(self, scope: str = "") -> Request:
        """What the application sends to get a token."""
        members = {
            "client_id": self.application["client_id"],
            "client_secret": self.application["client_secret"],
            "audience": AUDIENCE,
            "grant_type": "client_credentials",
        }
        return Request(
            "POST", f"{self.issuer}oauth/token", members=members | ({"scope": scope} if scope else {})
        )

    def endpoint(self, method: str, path: str, token: str | None = None) -> Request:
        """A request to the sample API."""
        return Request(method, self.sample + path, token)

    def refusal(self) -> Denied:
        """The guard's last decision, as its observe hook tells it: for the API's owner, never for the caller.

        Raises:
            NotAsTold: it was no refusal.
        """
        last = self.decisions[-1] if self.decisions else None
        if not isinstance(last, Denied):
            raise self.otherwise("the guard reported no refusal")
        return last


def tutorial(walk: Walk) -> str:
    """Steps 1 to 5 of the story; the token that opens everything at the end.

    Raises:
        NotAsTold: a step answered otherwise than told.
    """
    create_api(walk)
    guard_the_sample(walk)
    first = first_token(walk)
    lacking_permissions(walk, first)
    return granted_permissions(walk)


def create_api(walk: Walk) -> None:
    """The API and its test application: made, or found from an earlier run."""
    tell = walk.narrator
    walk.begin(1, "Create an API")
    tell.prose(
        "An API has a name, an identifier (the audience of its tokens) and a signing algorithm.",
        "Whoever manages APIs needs a token too; the command line has credentials of its own.",
    )
    tell.command(f"gatewright apis create {shlex.quote(API_NAME)} --identifier {AUDIENCE}")
    own = {
        "client_id": walk.credentials["client_id"],
        "client_secret": walk.credentials["client_secret"],
        "audience": f"{walk.issuer}api/v2/",
        "grant_type": "client_credentials",
    }
    asked = Request("POST", f"{walk.issuer}oauth/token", members=own)
    shown = ("access_token", "expires_in", "token_type")
    walk.management_token = walk.expect_token(asked, only=shown)
    _find_or_make_api(walk)
    tell.prose("An application comes with it, of the machine-to-machine kind: who may ask for tokens.")
    _find_or_make_application(walk)
    _find_or_make_grant(walk)


def _find_or_make_api(walk: Walk) -> None:
    known = walk.look(f"resource-servers/{quote(AUDIENCE, safe='')}")
    if known is not None:
        walk.api = known
        walk.narrator.as_told(f"{AUDIENCE} is there already, from an earlier run; nothing of it is changed")
        return
    members = {"name": API_NAME, "identifier": AUDIENCE, "signing_alg": "RS256"}
    only = ("id", "name", "identifier", "signing_alg", "token_lifetime")
    walk.api = walk.expect(walk.manage("POST", "resource-servers", members), 201, members=members, only=only)


def _find_or_make_application(walk: Walk) -> None:
    every = walk.look("clients?app_type=non_interactive&per_page=100")
    known = [client for client in every or [] if client["name"] == APP_NAME]
    if known:
        walk.application = known[0]
        walk.narrator.as_told(f'"{APP_NAME}" is there already too')
        return
    members = {
        "name": APP_NAME,
        "app_type": "non_interactive",
        "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "client_secret_post",
        "oidc_conformant": True,
        "jwt_configuration": {"alg": "RS256"},
    }
    told = {"name": APP_NAME, "grant_types": ["client_credentials"]}
    only = ("client_id", "client_secret", "name", "app_type", "grant_types")
    walk.application = walk.expect(walk.manage("POST", "clients", members), 201, members=told, only=only)


def _find_or_make_grant(walk: Walk) -> None:
    client_id = walk.application["client_id"]
    query = f"client-grants?client_id={client_id}&audience={AUDIENCE}&subject_type=client"
    known = walk.look(query)
    if known:
        walk.grant = known[0]
        return
    walk.narrator.prose("A client grant authorizes it for the API, with no permission yet.")
    members = {"client_id": client_id, "audience": AUDIENCE, "scope": []}
    walk.grant = walk.expect(walk.manage("POST", "client-grants", members), 201, members=members)
    walk.narrator.as_told("an API, an application, and a client grant without permissions")


def guard_the_sample(walk: Walk) -> None:
    """The sample API needs three values, and the keys, which it fetches by itself."""
    walk.begin(2, "Guard an API with three values")
    walk.narrator.prose(
        "The sample API is FastAPI; its guard needs the issuer, the audience, the algorithms."
    )
    walk.narrator.code(
        f'guard = Guard("{walk.issuer}", audience="{AUDIENCE}", algorithms=("RS256",))',
        "require = protect(app, guard)          # from now on every route needs a valid token",
        "",
        f'@app.get("/blogs", dependencies=[require("{READ}")])',
        'def read_blogs(): return {"readBlogAccess": True}',
    )
    walk.narrator.prose("The keys come from the issuer's key set, cached and rate limited:")
    asked = Request("GET", f"{walk.issuer}.well-known/jwks.json")
    walk.key_set = walk.expect(asked, 200, only=("kty", "kid", "alg", "use"))
    if not any(key.get("alg") == "RS256" for key in walk.key_set.get("keys", ())):
        raise walk.otherwise("an RS256 key was told, none came")
    walk.narrator.as_told("the current key and the next one, announced before it signs")


def first_token(walk: Walk) -> str:
    """Refused without a token, let in with one."""
    walk.begin(3, "No token, no entry")
    walk.expect(walk.endpoint("GET", "/authtest"), 401, NO_TOKEN)
    walk.narrator.as_told(f"refused: {walk.refusal().reason}")
    walk.narrator.prose("The application asks for a token with its client id and secret:")
    walk.narrator.command(f"gatewright token --api {AUDIENCE}")
    token = take_token(walk, walk.granted)
    walk.expect(walk.endpoint("GET", "/authtest", token), 200, LOGGED_IN)
    walk.narrator.as_told("any valid token opens /authtest")
    return token


def take_token(walk: Walk, scopes: Sequence[str], *, asked: str = "") -> str:
    """A token from the token endpoint, with these scopes in it."""
    return walk.expect_token(walk.token_request(asked), members={"scope": " ".join(scopes) or None})


def lacking_permissions(walk: Walk, token: str) -> None:
    """Valid is not enough: each endpoint asks for its permission."""
    walk.begin(4, "A valid token without the permission")
    walk.narrator.prose(f"GET /blogs asks for {READ}, POST /blogs for {CREATE}.")
    if walk.granted:
        walk.narrator.prose(
            "Permissions ticked in an earlier run are still ticked, so the token has them. To see",
            "the refusals again, delete the data folder.",
        )
    for method, scope, body in ENDPOINTS:
        if scope in walk.granted:
            walk.expect(walk.endpoint(method, "/blogs", token), 200, body)
            walk.narrator.as_told(f"{scope} was granted in an earlier run")
            continue
        walk.expect(walk.endpoint(method, "/blogs", token), 403, LACKS_SCOPE)
        walk.narrator.as_told(
            f"refused: {walk.refusal().reason}, and the answer names the scope that is missing"
        )
        if method == "POST":
            _ask_why(walk, walk.refusal())


def _ask_why(walk: Walk, refusal: Denied) -> None:
    """The guard has told the server, which knows the other half."""
    walk.report()
    rows = walk.look(f"guard-reports/refusals?request_id={refusal.request_id}")
    if not rows:
        raise walk.otherwise("the server was told of no refusal with this id")
    walk.narrator.prose("The guard has told the server. Together they know why, and what to do:")
    walk.narrator.command(f"gatewright why {refusal.request_id}")
    walk.narrator.code(rows[0]["explanation"], *(f"Fix: {command}" for command in rows[0]["commands"]))


def granted_permissions(walk: Walk) -> str:
    """Two permissions, defined and ticked; a new token has them."""
    tell = walk.narrator
    walk.begin(5, "Define two permissions, tick them, take a new token")
    tell.command(f"gatewright apis scopes add {AUDIENCE} {READ} {CREATE}")
    _define(walk)
    tell.command(f'gatewright grants set {shlex.quote(APP_NAME)} {AUDIENCE} --scope "{READ} {CREATE}"')
    _tick(walk)
    tell.prose("The old token still says what was true when it was issued, so a new one is taken:")
    token = take_token(walk, walk.granted)
    for method, scope, body in ENDPOINTS:
        walk.expect(walk.endpoint(method, "/blogs", token), 200, body)
        tell.as_told(f"{scope} opens {method} /blogs")
    return token


def _define(walk: Walk) -> None:
    present = walk.api.get("scopes") or []
    values = {scope["value"] for scope in present}
    missing = [scope for scope in PERMISSIONS if scope["value"] not in values]
    if not missing:
        walk.narrator.as_told("they are defined already")
        return
    members = {"scopes": [*present, *missing]}
    request = walk.manage("PATCH", f"resource-servers/{walk.api['id']}", members)
    walk.api = walk.expect(request, 200, members=members, only=("id", "identifier", "scopes"))


def _tick(walk: Walk) -> None:
    missing = [scope for scope in (READ, CREATE) if scope not in walk.granted]
    if not missing:
        walk.narrator.as_told("they are ticked already")
        return
    members = {"scope": [*walk.granted, *missing]}
    request = walk.manage("PATCH", f"client-grants/{walk.grant['id']}", members)
    walk.grant = walk.expect(request, 200, members=members)
