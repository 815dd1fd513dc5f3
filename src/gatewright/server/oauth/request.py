"""A token request, parsed once: past this module nobody sees a raw form, JSON member or header."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request

from gatewright.server.errors import BodyRefused, OAuthError
from gatewright.server.oauth.assertions import ASSERTION_TYPE, Assertion, AssertionRefused
from gatewright.server.requests import parse_object, read_body, require_media_type

LARGEST_BODY = 64 * 1024
MOST_PARAMETERS = 100
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
BASIC_CHALLENGE = {"WWW-Authenticate": 'Basic realm="oauth/token", charset="UTF-8"'}

# What this endpoint reads; anything else is ignored, as RFC 6749 section 3.2 asks.
PARAMETERS = frozenset(
    {
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "audience",
        "scope",
        "organization",
    }
)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a client asks for, and how it proves who it is.

    ``secrets`` are the readings of the one secret presented: clients differ in whether they escape it
    before Basic's base64, as RFC 6749 section 2.3.1 wants. ``scope`` is ``None`` when all is wanted.
    ``client_id`` is who the request says it is from, proven by nothing yet.
    """

    grant_type: str
    client_id: str
    audience: str | None
    scope: tuple[str, ...] | None
    organization: str | None
    uses_basic: bool
    secrets: tuple[str, ...] = field(repr=False)
    assertion: Assertion | None = field(default=None, repr=False)

    @classmethod
    async def parse(cls, http: Request) -> "TokenRequest":
        """Reads a form or JSON body, and Basic credentials.

        Raises:
            OAuthError: ``invalid_request`` for what cannot be read, is there twice, or is missing; 401 for
                Basic credentials and client assertions that are none.
        """
        basic = _basic_credentials(http)
        parameters = await _parameters(http)
        grant_type = parameters.get("grant_type")
        if not grant_type:
            raise _missing("grant_type")
        assertion = _assertion(parameters, uses_basic=basic is not None)
        if assertion is not None and not parameters.get("client_id"):
            parameters = {**parameters, "client_id": assertion.subject}
        client_id, presented = _one_identity(basic, parameters)
        scope = parameters.get("scope")
        return cls(
            grant_type=grant_type,
            client_id=client_id,
            audience=parameters.get("audience") or None,
            scope=tuple(dict.fromkeys(scope.split())) if scope and scope.strip() else None,
            organization=parameters.get("organization") or None,
            uses_basic=basic is not None,
            secrets=presented,
            assertion=assertion,
        )


def assertion_refused(*, uses_basic: bool) -> OAuthError:
    """The one answer to whatever is wrong with an assertion; the cause is for the log."""
    headers = BASIC_CHALLENGE if uses_basic else None
    return OAuthError(401, "invalid_client", "Client authentication failed", headers=headers)


def _assertion(parameters: Mapping[str, str], *, uses_basic: bool) -> Assertion | None:
    text, kind = parameters.get("client_assertion"), parameters.get("client_assertion_type")
    if not text and not kind:
        return None
    if not text or kind != ASSERTION_TYPE:
        raise assertion_refused(uses_basic=uses_basic)
    try:
        return Assertion.parse(text)
    except AssertionRefused as refusal:
        raise assertion_refused(uses_basic=uses_basic) from refusal


def _one_identity(
    basic: tuple[str, tuple[str, ...]] | None, parameters: Mapping[str, str]
) -> tuple[str, tuple[str, ...]]:
    """Who asks and what it presents; Basic and body may both speak, as long as they agree."""
    client_id, secret = parameters.get("client_id"), parameters.get("client_secret")
    in_body = (secret,) if secret else ()
    if basic is None:
        if not client_id:
            raise _missing("client_id")
        return client_id, in_body
    name, readings = basic
    if client_id and client_id != name:
        raise _invalid("client_id in the body is not the one of the Authorization header")
    if secret and secret not in readings:
        raise _invalid("client_secret in the body is not the one of the Authorization header")
    return name, readings


def _basic_credentials(http: Request) -> tuple[str, tuple[str, ...]] | None:
    headers = http.headers.getlist("authorization")
    if len(headers) > 1:
        raise _invalid("More than one Authorization header was sent")
    scheme, _, encoded = headers[0].partition(" ") if headers else ("", "", "")
    if scheme.lower() != "basic":
        return None
    try:
        name, separator, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        name, separator, secret = "", "", ""
    if not (separator and name):
        raise OAuthError(401, "access_denied", "Unauthorized", headers=BASIC_CHALLENGE)
    return unquote_plus(name), tuple(dict.fromkeys((secret, unquote_plus(secret))))


async def _parameters(http: Request) -> dict[str, str]:
    try:
        kind = require_media_type(http, FORM, JSON)
        body = await read_body(http, limit=LARGEST_BODY)
        return _read_form(body) if kind == FORM else _read_json(body)
    except BodyRefused as refusal:
        raise OAuthError(refusal.status, "invalid_request", str(refusal)) from refusal


def _read_form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS
        )
    except ValueError as error:
        raise BodyRefused(400, "The request body is not a sound form in UTF-8") from error
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BodyRefused(400, f"A parameter was sent more than once: {_shown(twice)}")
    return {name: value for name, value in parameters.items() if name in PARAMETERS}


def _read_json(body: bytes) -> dict[str, str]:
    parameters = {}
    for name, value in parse_object(body).items():
        # null counts as absent: auth0-python sends "organization": null.
        if name not in PARAMETERS or value is None:
            continue
        if not isinstance(value, str):
            raise BodyRefused(400, f"The parameter {name} must be a string")
        parameters[name] = value
    return parameters


def _shown(name: str) -> str:
    """A name from the request, fit for an error_description (RFC 6749 section 5.2 limits its characters)."""
    return name if name in PARAMETERS else "(unknown)"


def _missing(name: str) -> OAuthError:
    return _invalid(f"Missing required parameter: {name}")


def _invalid(description: str) -> OAuthError:
    return OAuthError(400, "invalid_request", description)
