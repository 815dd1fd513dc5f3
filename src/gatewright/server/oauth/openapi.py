"""What the OpenAPI document says of this door: token endpoint, metadata, key set, revocation feed."""

from typing import Any

from gatewright.server.oauth.grants import GRANT_TYPES
from gatewright.server.oauth.request import FORM, JSON, PARAMETERS
from gatewright.server.oauth.revocations import FEED_MEDIA_TYPE, FEED_PATH, LARGEST_REVISION

Document = dict[str, Any]

TOKEN_PATH = "/oauth/token"  # noqa: S105 - an address, no secret
BASIC = "client_secret_basic"
_REFERENCE = "#/components/schemas/"
_TEXT: Document = {"type": "string"}
_TEXTS: Document = {"type": "array", "items": _TEXT}
_REQUEST_ID: Document = {"X-Request-Id": {"required": True, "schema": _TEXT}}

_ABOUT_PARAMETERS = {
    "client_id": "The client; in Basic credentials instead, or as well",
    "client_assertion": "Instead of a secret: a JWT that one of its keys signed (RFC 7523)",
    "client_assertion_type": "`urn:ietf:params:oauth:client-assertion-type:jwt-bearer`",
    "client_secret": "Its secret; in Basic credentials instead, or as well",
    "audience": "The identifier of the API that the token is for",
    "scope": "Scopes parted by spaces; all that were granted when it is absent",
}
_PACE = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Auth0-Client-Quota-Limit")
_REFUSALS = {
    400: ("A parameter is missing, sent twice or cannot be read",),
    401: ("The client is unknown, or does not prove who it is", "WWW-Authenticate"),
    403: ("The client may not have this token",),
    413: ("The body is larger than 64 KiB",),
    415: ("The body is neither a form nor JSON, in UTF-8",),
    429: ("The client asks too often, or its quota is used up", "Retry-After", *_PACE),
    500: ("The server failed; its log tells why, under the request's id",),
    503: ("The database does not answer now", "Retry-After"),
}


def paths() -> Document:
    """The operations of this door."""
    return {
        TOKEN_PATH: {"post": _token()},
        "/.well-known/openid-configuration": {"get": _metadata("openid_configuration")},
        "/.well-known/oauth-authorization-server": {"get": _metadata("authorization_server_metadata")},
        "/.well-known/jwks.json": {"get": _key_set()},
        FEED_PATH: {"get": _revocation_feed()},
    }


def components() -> Document:
    """The schemas of bodies and answers, and how clients authenticate."""
    return {
        "schemas": {
            "TokenForm": _token_request("TokenForm", _TEXT),
            # In JSON, null counts as absent.
            "TokenRequest": _token_request("TokenRequest", {"type": ["string", "null"]}),
            "Token": _object("Token", _TOKEN, required=("access_token", "expires_in", "token_type")),
            "OAuthError": _object("OAuthError", _ERROR, required=("error", "error_description")),
            "ServerMetadata": _object("ServerMetadata", _METADATA, required=_ALWAYS_IN_METADATA),
            "JsonWebKeySet": _object("JsonWebKeySet", {"keys": _KEYS}, required=("keys",)),
        },
        "responses": {f"OAuthError{status}": _refusal(status) for status in _REFUSALS},
        "securitySchemes": {BASIC: {"type": "http", "scheme": "basic"}},
    }


def _token() -> Document:
    form, members = ({"schema": {"$ref": _REFERENCE + name}} for name in ("TokenForm", "TokenRequest"))
    refused = {str(status): {"$ref": f"#/components/responses/OAuthError{status}"} for status in _REFUSALS}
    return {
        "operationId": "oauth_token",
        "summary": "An access token for an API, to a client that proves who it is.",
        "tags": ["oauth"],
        "security": [{BASIC: []}, {}],
        "requestBody": {"required": True, "content": {FORM: form, JSON: members}},
        "responses": {"200": _answer("The access token", "Token", "Cache-Control", "Pragma", *_PACE)}
        | refused,
    }


def _token_request(title: str, text: Document) -> Document:
    properties: Document = {
        name: {**text, "description": about} if about else text
        for name in sorted(PARAMETERS)
        for about in [_ABOUT_PARAMETERS.get(name)]
    }
    properties["grant_type"] = {"enum": list(GRANT_TYPES)}
    # Others are ignored (RFC 6749 section 3.2).
    return _object(title, properties, required=("grant_type",))


def _metadata(operation_id: str) -> Document:
    headers = ("Cache-Control", "Access-Control-Allow-Origin")
    return {
        "operationId": operation_id,
        "summary": "Where the endpoints are, and what they take.",
        "tags": ["oauth"],
        "security": [],
        "responses": {"200": _answer("The metadata (RFC 8414)", "ServerMetadata", *headers)},
    }


def _key_set() -> Document:
    headers = ("ETag", "Cache-Control", "Access-Control-Allow-Origin")
    return {
        "operationId": "jwks",
        "summary": "The public signing keys.",
        "tags": ["oauth"],
        "security": [],
        "parameters": [{"name": "If-None-Match", "in": "header", "required": False, "schema": _TEXT}],
        "responses": {
            "200": _answer("The keys (RFC 7517)", "JsonWebKeySet", *headers),
            "304": {"description": "The keys that the caller has", "headers": _headers(*headers)},
        },
    }


def _revocation_feed() -> Document:
    headers = ("ETag", "Cache-Control", "Access-Control-Allow-Origin")
    revision = {"type": "integer", "minimum": 0, "maximum": LARGEST_REVISION, "default": 0}
    content = {FEED_MEDIA_TYPE: {"schema": _TEXT}}
    page = {"description": "A signed page of the feed", "headers": _headers(*headers), "content": content}
    return {
        "operationId": "revocations",
        "summary": "What was revoked of tokens that have not ended, signed; for guards.",
        "tags": ["oauth"],
        "security": [],
        "parameters": [
            {
                "name": "since",
                "in": "query",
                "required": False,
                "description": "The revision that the caller knows: `rev` of the page before",
                "schema": revision,
            },
            {"name": "If-None-Match", "in": "header", "required": False, "schema": _TEXT},
        ],
        "responses": {
            "200": page,
            "304": {"description": "The page that the caller has", "headers": _headers(*headers)},
            **{str(status): {"$ref": f"#/components/responses/OAuthError{status}"} for status in (400, 503)},
        },
    }


def _answer(description: str, schema: str, *headers: str) -> Document:
    content = {JSON: {"schema": {"$ref": _REFERENCE + schema}}}
    return {"description": description, "headers": _headers(*headers), "content": content}


def _refusal(status: int) -> Document:
    description, *headers = _REFUSALS[status]
    return _answer(description, "OAuthError", "Cache-Control", *headers)


def _headers(*names: str) -> Document:
    return _REQUEST_ID | {name: {"schema": _TEXT} for name in names}


def _object(title: str, properties: Document, *, required: tuple[str, ...]) -> Document:
    return {"title": title, "type": "object", "required": list(required), "properties": properties}


_TOKEN: Document = {
    "access_token": _TEXT,
    "scope": _TEXT,
    "expires_in": {"type": "integer", "minimum": 0},
    "token_type": _TEXT,
}
_ERROR: Document = {"error": _TEXT, "error_description": _TEXT, "error_uri": _TEXT}
_ALWAYS_IN_METADATA = (
    "issuer",
    "token_endpoint",
    "jwks_uri",
    "revocations_uri",
    "response_types_supported",
)
_METADATA: Document = {
    "issuer": _TEXT,
    "token_endpoint": _TEXT,
    "jwks_uri": _TEXT,
    "revocations_uri": _TEXT,
    "response_types_supported": _TEXTS,
    "grant_types_supported": _TEXTS,
    "token_endpoint_auth_methods_supported": _TEXTS,
    "token_endpoint_auth_signing_alg_values_supported": _TEXTS,
}
_KEYS: Document = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["kty", "kid", "use", "alg"],
        "properties": {
            **dict.fromkeys(("kty", "kid", "use", "alg", "n", "e", "crv", "x", "y", "x5t"), _TEXT),
            "x5c": _TEXTS,
        },
    },
}
