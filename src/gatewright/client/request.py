"""What a token request says and how its answer is read (RFC 6749, section 4.4); no input or output."""

import base64
import math
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final, cast
from urllib.parse import quote_plus, urlencode

from gatewright.client.errors import TokenUnavailable, refusal
from gatewright.guard.fetching import Answer, Headers
from gatewright.jose import JWK, JoseError, jwt
from gatewright.jose.encoding import parse_json

AUTH_METHODS: Final = ("client_secret_post", "client_secret_basic")
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFE: Final = 60  # seconds
SUPPOSED_LIFETIME: Final = 300.0  # seconds, of a token whose issuer does not say
LONGEST_LIFETIME: Final = 365 * 86400.0  # seconds; no token is kept for longer, whatever its issuer says
MAX_ANSWER: Final = 64 * 1024  # bytes
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]{1,16384}=*\Z")  # b64token: RFC 6750, section 2.1
_ALGORITHMS: Final[tuple[str, ...]] = ("RS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_OK: Final = 200
_TOO_LATE, _TOO_MANY, _SERVER_ERROR = 408, 429, 500


class NoAnswer(Exception):
    """The issuer might answer otherwise if it is asked again; `retry_after` in seconds, if it says when."""

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Granted:
    """A token, and from when to when it is good: seconds since 1970 by the clock of this machine."""

    token: str = field(repr=False)
    obtained_at: float
    expires_at: float
    scope: str | None = None

    @property
    def lifetime(self) -> float:
        """Seconds."""
        return self.expires_at - self.obtained_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for, and as whom: with a secret, or with a key that signs assertions (RFC 7523)."""

    issuer: str
    audience: str | None
    client_id: str
    scope: tuple[str, ...]
    auth_method: str
    client_secret: str | None = field(repr=False)
    key: JWK | None = field(repr=False)
    signing_alg: str | None

    def message(self, *, now: float) -> tuple[bytes, dict[str, str]]:
        """The body and the headers of one request; an assertion is good for this one alone."""
        form = {"grant_type": "client_credentials"}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self.auth_method == "client_secret_basic" and self.client_secret is not None:
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
        else:
            form |= {"client_id": self.client_id} | self._proof(now)
        if self.audience is not None:
            form["audience"] = self.audience
        if self.scope:
            form["scope"] = " ".join(self.scope)
        return urlencode(form).encode("ascii"), headers

    def _proof(self, now: float) -> dict[str, str]:
        if self.key is None:
            return {"client_secret": cast("str", self.client_secret)}
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.issuer,
            "iat": int(now),
            "exp": int(now) + ASSERTION_LIFE,
            "jti": secrets.token_urlsafe(24),
        }
        assertion = jwt.sign(claims, self.key, alg=self.signing_alg)
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}

    def without_secrets(self, text: str) -> str:
        """A text of somebody else's in which the secret cannot stand."""
        for secret in filter(
            None, (self.client_secret, self.client_secret and quote_plus(self.client_secret))
        ):
            text = text.replace(secret, "…")
        return "…" if "Basic " in text or "client_assertion" in text else text


def granted(answer: Answer, wish: Wish, *, where: str, asked_at: float) -> Granted:
    """The token of an answer; `asked_at` is when it was asked for, `where` stands in the texts.

    Raises:
        TokenRefused: no, and it will stay at that.
        NoAnswer: not now, or not as an issuer answers.
        TokenUnavailable: a token that cannot be sent as a bearer token.
    """
    status, headers, body = answer
    if status in (_TOO_LATE, _TOO_MANY) or status >= _SERVER_ERROR:
        raise NoAnswer(f"{where} answered {status}", retry_after(headers, now=asked_at))
    document = _document(body)
    if status != _OK:
        error, description = (_text(document or {}, name) for name in ("error", "error_description"))
        raise refusal(
            where=where,
            client_id=wish.client_id,
            status=status,
            error=wish.without_secrets(error),
            description=wish.without_secrets(description),
        )
    if document is None:
        raise NoAnswer(f"{where} answered {status}, and no JSON object")
    if _text(document, "token_type").lower() != "bearer":
        kind = wish.without_secrets(_text(document, "token_type"))[:50]
        raise TokenUnavailable(f"{where} gave a token of type {kind!r}, which is no bearer token")
    token = _text(document, "access_token")
    if not can_be_carried(token):
        raise NoAnswer(f"{where} answered {status} without a token that a header can carry")
    lifetime = _lifetime(document.get("expires_in"))
    if lifetime is None:
        raise NoAnswer(f"{where} answered with an expires_in that is no number of seconds above 0")
    return Granted(token, asked_at, asked_at + lifetime, _text(document, "scope") or None)


def can_be_carried(token: str) -> bool:
    """Whether it can stand in a header, as a bearer token must."""
    return _TOKEN.match(token) is not None


def retry_after(headers: Headers, *, now: float) -> float | None:
    """Seconds to wait (RFC 9110, section 10.2.3); None when the answer does not say."""
    pairs = tuple(cast("Mapping[str, str]", headers).items()) if isinstance(headers, Mapping) else headers
    value = next((value for name, value in pairs if name.lower() == "retry-after"), "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def split_scope(scope: str | Iterable[str]) -> tuple[str, ...]:
    """Scopes in their order, each once: of one string with spaces between them, or of several strings.

    Raises:
        TypeError: anything else.
        ValueError: characters that no scope has (RFC 6749, section 3.3).
    """
    words = (scope,) if isinstance(scope, str) else tuple(scope)
    if not all(isinstance(word, str) for word in words):
        raise TypeError("scope is a string such as 'read:blog create:blog', or a collection of such")
    names = tuple(dict.fromkeys(name for word in words for name in word.split(" ") if name))
    wrong = [name for name in names if not re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", name)]
    if wrong:
        raise ValueError(f"scope {wrong[0]!r} has characters that no scope has (RFC 6749, section 3.3)")
    return names


def wish_of(
    *,
    issuer: str,
    audience: object,
    client_id: object,
    client_secret: object,
    private_key: object,
    signing_alg: str | None,
    scope: tuple[str, ...],
    auth_method: str,
) -> Wish:
    """The wish of these arguments of a `TokenSource`.

    Raises:
        TypeError, ValueError: one cannot be right.
    """
    if not (isinstance(client_id, str) and client_id):
        raise TypeError("client_id is a string, and not empty")
    if audience is not None and not (isinstance(audience, str) and audience):
        raise TypeError("audience is the identifier of an API, such as 'https://blog-api', or None")
    if (client_secret is None) == (private_key is None):
        raise ValueError("give either client_secret or private_key")
    if auth_method not in AUTH_METHODS:
        raise ValueError(f"auth_method is one of {', '.join(AUTH_METHODS)}, not {auth_method!r}")
    key = None
    if private_key is not None:
        key, signing_alg = _signing_key(private_key, signing_alg)
    elif not (isinstance(client_secret, str) and client_secret):
        raise TypeError("client_secret is a string, and not empty")
    return Wish(
        issuer=issuer,
        audience=audience,
        client_id=client_id,
        scope=scope,
        auth_method=auth_method,
        client_secret=client_secret if isinstance(client_secret, str) else None,
        key=key,
        signing_alg=signing_alg,
    )


def _signing_key(private_key: object, alg: str | None) -> tuple[JWK, str]:
    """The key that signs assertions, and by which algorithm.

    Raises:
        TypeError: neither a JWK nor a PEM text.
        ValueError: it is public, a secret, malformed, or does not fit `alg`.
    """
    try:
        key = _jwk(private_key)
    except JoseError as error:
        raise ValueError(f"private_key: {error}") from None  # what was given does not travel on
    if not key.can_sign or not key.is_private or key.kty == "oct":
        raise ValueError("private_key is the private half of a key pair")
    fitting = [name for name in _ALGORITHMS if name in key.algorithms]
    chosen = alg or key.alg or [*fitting, *key.algorithms][0]
    if chosen not in key.algorithms:
        raise ValueError(f"signing_alg {chosen!r} does not fit the key: {', '.join(sorted(key.algorithms))}")
    return key, chosen


def _jwk(private_key: object) -> JWK:
    if isinstance(private_key, JWK):
        return private_key
    if isinstance(private_key, Mapping):
        return JWK.parse(private_key)
    if isinstance(private_key, str | bytes):
        return JWK.from_pem(private_key)
    raise TypeError("private_key is a JWK, the members of one, or a PEM text")


def _document(body: bytes) -> dict[str, object] | None:
    try:
        document = parse_json(body) if len(body) <= MAX_ANSWER else None
    except JoseError:
        return None
    return document if isinstance(document, dict) else None


def _text(document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""


def _lifetime(value: object) -> float | None:
    if value is None:
        return SUPPOSED_LIFETIME
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:12])  # some issuers write the number as a text
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return min(float(value), LONGEST_LIFETIME) if math.isfinite(value) and value > 0 else None
