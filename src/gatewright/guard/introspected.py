"""What an issuer is asked of an opaque token and how its answer is read (RFC 7662); no input or output."""

import base64
import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Final, cast
from urllib.parse import quote_plus, urlencode, urlsplit

from gatewright.guard.fetching import Answer, Headers, is_loopback
from gatewright.guard.refresh import FetchFailed
from gatewright.jose import jwt
from gatewright.jose.encoding import parse_json
from gatewright.jose.errors import BadClaim, JoseError, MalformedToken, WrongType

MAX_ANSWER: Final = 64 * 1024  # bytes
_SIGNED_ANSWER: Final = "application/token-introspection+jwt"  # RFC 9701
# How issuers mark an active token of theirs that is no access token.
_OTHER_TOKENS: Final = frozenset({"refresh", "offline", "id", "logout", "refresh_token", "id_token"})
_UNAUTHENTICATED: Final = (401, 403)
_AWAY: Final = (429, 502, 503, 504)
_OK: Final = 200


class Inactive(JoseError):
    """The issuer says that the token is not active: unknown, expired, revoked, or none of its own."""

    code = "inactive"


class Away(FetchFailed):
    """No fault of one token's: the endpoint would answer the others no better."""

    def __init__(self, text: str) -> None:
        super().__init__(text, outage=True)


@dataclass(frozen=True, slots=True)
class Introspection:
    """Where an issuer tells of its opaque tokens, and as whom it is asked (RFC 7662, section 2.1).

    Args:
        endpoint: the introspection endpoint's URL: https, or plain http on loopback.
        client_id: who asks; sent with `client_secret` by HTTP Basic (RFC 6749, section 2.3.1).
        client_secret: never shown in texts or logs.
        ttl: seconds for which a good answer is believed, less when the token expires before. A token
            that is revoked enters for so long.
        negative_ttl: seconds for which a refusal is believed; 0 asks each time.
        cache_size: how many good answers are kept, and as many refusals beside them.
        require_audience: refuse a token whose answer has no `aud`: it was not issued for this API.

    Raises:
        TypeError, ValueError: an argument cannot be right.
    """

    endpoint: str
    _: KW_ONLY
    client_id: str
    client_secret: str = field(repr=False)
    ttl: float = 30.0
    negative_ttl: float = 5.0
    cache_size: int = 1024
    require_audience: bool = True

    def __post_init__(self) -> None:
        _require_endpoint(self.endpoint)
        _require_credential("client_id", self.client_id)
        _require_credential("client_secret", self.client_secret)
        _require_seconds("ttl", self.ttl)
        _require_seconds("negative_ttl", self.negative_ttl)
        if not self.ttl:
            raise ValueError("ttl is a number of seconds above 0")
        if isinstance(self.cache_size, bool) or not isinstance(self.cache_size, int):
            raise TypeError(f"cache_size is a whole number, not {self.cache_size!r}")
        if self.cache_size < 1:
            raise ValueError(f"cache_size is at least 1, not {self.cache_size}")
        if not isinstance(self.require_audience, bool):
            raise TypeError(f"require_audience is True or False, not {self.require_audience!r}")


def request_headers(settings: Introspection) -> dict[str, str]:
    """The headers of each request; the identifiers are form-encoded first (RFC 6749, section 2.3.1)."""
    pair = f"{quote_plus(settings.client_id)}:{quote_plus(settings.client_secret)}"
    return {
        "Authorization": "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii"),
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
    }


def request_body(token: str) -> bytes:
    """The form (RFC 7662, section 2.1)."""
    return urlencode({"token": token, "token_type_hint": "access_token"}).encode("ascii")


def document_of(answer: Answer, *, where: str) -> dict[str, object]:
    """The JSON object of a good answer; `where` stands in the texts.

    Raises:
        FetchFailed: it says nothing of the token; `Away`, when it would say nothing of any.
    """
    status, headers, body = answer
    if status in _UNAUTHENTICATED:
        raise Away(f"{where} answered {status}: it refuses this guard's client_id and client_secret")
    if status in _AWAY:
        raise Away(f"{where} answered {status}")
    if status != _OK:
        raise FetchFailed(f"{where} answered {status}", outage=True)
    if _media_type(headers) == _SIGNED_ANSWER:
        raise Away(f"{where} answered {_SIGNED_ANSWER} (RFC 9701), which is not supported")
    if len(body) > MAX_ANSWER:
        raise FetchFailed(f"{where} answered more than {MAX_ANSWER} bytes", outage=True)
    try:
        document = parse_json(body)
    except MalformedToken as error:
        raise FetchFailed(f"{where}: {error}", outage=True) from None
    if not isinstance(document, dict) or not isinstance(document.get("active"), bool):
        raise FetchFailed(f"{where}: no JSON object with `active`, true or false", outage=True)
    return document


def claims_of(document: dict[str, object], *, issuer: str, until: float) -> dict[str, object]:
    """The claims of an active token; `issuer` and `until` are its `iss` and `exp` when it has none.

    Raises:
        Inactive: the token is not active.
        WrongType: it is active and no access token.
        BadClaim: it must be sent in another way than as a bearer token, or a claim has the wrong type.
    """
    if document["active"] is not True:
        raise Inactive("the issuer says that the token is not active")
    kind = document.get("token_type", "Bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise BadClaim("token_type is not Bearer")
    for name in ("token_use", "typ"):
        if str(document.get(name)).lower() in _OTHER_TOKENS:
            raise WrongType(f"{name} names another kind of token")
    claims = {"iss": issuer, "exp": until} | document
    jwt.check_types(claims)
    return claims


def _media_type(headers: Headers) -> str:
    pairs = tuple(cast("Mapping[str, str]", headers).items()) if isinstance(headers, Mapping) else headers
    found = next((value for name, value in pairs if name.lower() == "content-type"), "")
    return found.partition(";")[0].strip().lower()


def _require_endpoint(endpoint: object) -> None:
    if not isinstance(endpoint, str):
        raise TypeError(f"endpoint is a URL such as 'https://issuer.example/introspect', not {endpoint!r}")
    try:
        parts = urlsplit(endpoint)
        host = parts.hostname
    except ValueError:
        host, parts = None, urlsplit("")
    printable = endpoint.isascii() and endpoint.isprintable() and " " not in endpoint
    # The URL is not shown: it may hold a password or a key.
    if parts.scheme not in ("https", "http") or not host or not printable:
        raise ValueError("endpoint is no URL such as 'https://issuer.example/introspect'")
    if "#" in endpoint or "@" in parts.netloc:
        raise ValueError("endpoint has a fragment or a user: give client_id and client_secret instead")
    if parts.scheme == "http" and not is_loopback(endpoint):
        raise ValueError("endpoint is plain http to another machine: use https")


def _require_credential(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} is a string, not of type {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} holds half of a surrogate pair") from None
    if not value:
        raise ValueError(f"{name} is empty")


def _require_seconds(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a number of seconds, not {value!r}")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} is a finite number of seconds from 0 on, not {value!r}")
