"""What a refresh of an issuer's keys asks for and how it reads the answers; without input or output.

`steps` yields the URLs to get and is sent the answers, so that one script serves threads and event loops.
"""

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import urlsplit

from gatewright.guard.fetching import MAX_BODY, Answer, Headers, is_loopback
from gatewright.jose import JWKS
from gatewright.jose.encoding import parse_json
from gatewright.jose.errors import InvalidKey, MalformedToken

LIFETIME: Final = 300.0  # seconds a key set is fresh when its answer does not say
SHORTEST_LIFETIME: Final = 60.0
LONGEST_LIFETIME: Final = 86400.0

_OK = 200
_NOT_FOUND = 404
_TOO_MANY = 429
_SERVER_ERROR = 500
_MAX_AGE = re.compile(r'max-age\s*=\s*"?(\d{1,10})')


class FetchFailed(Exception):
    """No keys were had. `outage`: the issuer is away or broken, and what was known of it still stands."""

    def __init__(self, text: str, *, outage: bool) -> None:
        super().__init__(text)
        self.outage = outage


@dataclass(frozen=True, slots=True)
class Fetched:
    """A good answer: the keys, for how many seconds they are fresh, and where they were found.

    `discovered` tells whether the issuer itself named `jwks_uri` this time; `revocations_uri` is where it
    tells what it revoked, if it does.
    """

    keys: JWKS
    lifetime: float
    jwks_uri: str
    discovered: bool
    revocations_uri: str | None = None


def steps(
    issuer: str,
    *,
    jwks_uri: str | None = None,
    revocations_uri: str | None = None,
    discover: bool = True,
    insecure: bool = False,
) -> Generator[str, Answer, Fetched]:
    """The way to an issuer's keys: OpenID discovery, else RFC 8414, then its JWK set.

    `jwks_uri` and `revocations_uri` are what an earlier discovery found: used without `discover`, and when
    the issuer cannot be asked. `insecure` allows plain http off loopback.

    Raises:
        FetchFailed: when an answer is not the one needed. The driver throws it in for a get that failed.
    """
    discovered = False
    if discover or jwks_uri is None:
        try:
            url, document = yield from metadata(issuer)
            jwks_uri = endpoint_in(document, "jwks_uri", url=url, issuer=issuer, insecure=insecure)
            revocations_uri = feed_address(document.get("revocations_uri"), issuer=issuer)
            discovered = True
        except FetchFailed as failure:
            if jwks_uri is None or not failure.outage:
                raise
    status, headers, body = yield jwks_uri
    _require_ok(jwks_uri, status, body)
    try:
        keys = JWKS.parse(body, public_only=True)
    except InvalidKey as error:
        raise FetchFailed(f"{jwks_uri}: {error}", outage=True) from error
    return Fetched(keys, lifetime(headers), jwks_uri, discovered, revocations_uri)


def lifetime(headers: Headers) -> float:
    """Seconds for which the answer is fresh (RFC 9111, section 5.2.2), within our own limits."""
    pairs = tuple(cast("Mapping[str, str]", headers).items()) if isinstance(headers, Mapping) else headers
    control = ",".join(value for name, value in pairs if name.lower() == "cache-control").lower()
    if "no-store" in control or "no-cache" in control:
        return SHORTEST_LIFETIME
    max_age = _MAX_AGE.search(control)
    if max_age is None:
        return LIFETIME
    return min(max(float(max_age[1]), SHORTEST_LIFETIME), LONGEST_LIFETIME)


def metadata(issuer: str) -> Generator[str, Answer, tuple[str, dict[str, object]]]:
    """The way to what an issuer says of itself, and where it says so: OpenID discovery, else RFC 8414.

    Nothing in it is checked but that it is of this issuer.

    Raises:
        FetchFailed: as `steps`.
    """
    url = issuer.removesuffix("/") + "/.well-known/openid-configuration"
    status, _, body = yield url
    if status == _NOT_FOUND:
        url = _authorization_server_url(issuer)
        status, _, body = yield url
    _require_ok(url, status, body)
    try:
        document = parse_json(body)
    except MalformedToken as error:
        raise FetchFailed(f"{url}: {error}", outage=True) from error
    if not isinstance(document, dict):
        raise FetchFailed(f"{url}: no JSON object", outage=True)
    if document.get("issuer") != issuer:
        # OpenID Connect Discovery, section 4.3: somebody else's document, or a typing error in ours.
        said = str(document.get("issuer"))[:200]
        raise FetchFailed(f"{url} is of the issuer {said!r}, not {issuer!r}", outage=False)
    return url, document


def _authorization_server_url(issuer: str) -> str:
    # RFC 8414, section 3.1: between the host and the path.
    parts = urlsplit(issuer)
    path = parts.path.removesuffix("/")
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{path}"


def endpoint_in(document: Mapping[str, object], name: str, *, url: str, issuer: str, insecure: bool) -> str:
    """The address that the document found at `url` gives under this name.

    Raises:
        FetchFailed: none, or one that may not be fetched.
    """
    found = document.get(name)
    if not isinstance(found, str):
        raise FetchFailed(f"{url} names no {name}", outage=False)
    if not may_be_fetched(found, issuer=issuer, insecure=insecure):
        raise FetchFailed(f"{url} names a {name} that is not https: {found[:200]!r}", outage=False)
    return found


def feed_address(found: object, *, issuer: str) -> str | None:
    """Where an issuer tells what it revoked, if that is an address of its own origin; else nowhere."""
    if (
        not isinstance(found, str)
        or not found.isascii()
        or not found.isprintable()
        or set(found) & set(" ?#")
    ):
        return None
    try:
        parts, own = urlsplit(found), urlsplit(issuer)
    except ValueError:
        return None
    return found if (parts.scheme, parts.netloc) == (own.scheme, own.netloc) else None


def may_be_fetched(url: str, *, issuer: str, insecure: bool) -> bool:
    """Whether the issuer may be asked there: https, plain http from loopback to loopback, or `insecure`."""
    try:
        parts = urlsplit(url)
        if not parts.hostname or not url.isascii() or not url.isprintable() or " " in url:
            return False
        # A public issuer has no business sending its guards to ports of their own machine.
        plain = parts.scheme == "http" and (insecure or (is_loopback(url) and is_loopback(issuer)))
    except ValueError:
        return False
    return parts.scheme == "https" or plain


def _require_ok(url: str, status: int, body: bytes) -> None:
    if status != _OK:
        raise FetchFailed(f"{url} answered {status}", outage=status == _TOO_MANY or status >= _SERVER_ERROR)
    if len(body) > MAX_BODY:
        raise FetchFailed(f"{url} answered more than {MAX_BODY} bytes", outage=True)
