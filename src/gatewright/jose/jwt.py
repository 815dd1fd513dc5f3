"""JSON Web Tokens (RFC 7519): claims, checked against expectations and a time that are passed in.

`verify` is the whole way. Its steps are public too, for a caller who must choose between issuers before
a key can be chosen: `jws.parse`, `jws.check_algorithm`, `claims`, `JWKS.select`, `jws.verify`, then the
checks. Nothing that `claims` returns may be believed before `jws.verify` returned.
"""

import json
import math
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final, TypeGuard

from gatewright.jose import jws as _jws
from gatewright.jose.encoding import MAX_INTEGER, parse_json
from gatewright.jose.errors import (
    BadClaim,
    Expired,
    MalformedToken,
    NotYetValid,
    UntrustedIssuer,
    WrongAudience,
    WrongType,
)
from gatewright.jose.jwk import JWK
from gatewright.jose.jwks import JWKS
from gatewright.jose.jws import JWS, MAX_LENGTH

ACCESS_TOKEN_TYPES: Final = ("JWT", "at+jwt")
LEEWAY: Final = 30.0

_TEXT_CLAIMS = ("iss", "sub", "jti")
_TIME_CLAIMS = ("exp", "nbf", "iat")


def sign(claims: Mapping[str, object], key: JWK, *, alg: str | None = None, typ: str | None = "JWT") -> str:
    """A signed JWT with these claims, in this order; `typ` None leaves the header without one.

    Raises:
        InvalidKey, AlgorithmNotAllowed: as `jws.sign`.
        ValueError, TypeError: `claims` cannot be written as JSON, or as `jws.sign`.
    """
    payload = json.dumps(dict(claims), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return _jws.sign(payload.encode("utf-8"), key, alg=alg, header=None if typ is None else {"typ": typ})


def verify(
    token: str | bytes,
    keys: JWKS | JWK,
    *,
    algorithms: Collection[str],
    issuer: str,
    audience: str | Collection[str],
    now: float,
    leeway: float = LEEWAY,
    types: Collection[str] = ACCESS_TOKEN_TYPES,
    max_length: int = MAX_LENGTH,
) -> dict[str, object]:
    """The claims of `token`, if everything about it is right; `now` in seconds since 1970, UTC.

    The signature is judged first, so that nobody learns from a forged token what else was expected.

    Raises:
        JoseError: the token is refused; the subclass says why.
        ValueError, TypeError: an expectation is empty, unknown or of the wrong type.
    """
    _require_expectations(issuer, audience)
    jws = _jws.parse(token, max_length=max_length)
    _jws.check_algorithm(jws, algorithms)
    key = keys if isinstance(keys, JWK) else keys.select(kid=jws.kid, alg=jws.alg)
    _jws.verify(jws, key, algorithms=algorithms)
    check_type(jws, types=types)
    found = claims(jws)
    check_types(found)
    check_time(found, now=now, leeway=leeway)
    check_issuer(found, issuer=issuer)
    check_audience(found, audience=audience)
    return found


def claims(jws: JWS) -> dict[str, object]:
    """The claims in the payload (RFC 7519, section 7.2), of a token whether verified or not.

    Raises:
        MalformedToken: the payload is no sound JSON object.
    """
    found = parse_json(jws.payload)
    if not isinstance(found, dict):
        raise MalformedToken("the claims are no JSON object")
    return found


def check_type(jws: JWS, *, types: Collection[str] = ACCESS_TOKEN_TYPES) -> None:
    """Refuse another kind of token (RFC 8725, section 3.11; RFC 9068, section 4).

    Compared without regard to ASCII case and to a leading `application/`. A token without `typ` counts
    as `JWT`.

    Raises:
        WrongType: `typ` is not in `types`.
        ValueError, TypeError: `types` is empty or a string.
    """
    if isinstance(types, str):
        raise TypeError("types is a collection of names, not one string")
    if not types:
        raise ValueError("types is empty")
    if _media_type("JWT" if jws.typ is None else jws.typ) not in _media_types(tuple(types)):
        raise WrongType("typ names another kind of token")


def check_types(claims: Mapping[str, object]) -> None:
    """Refuse registered claims (RFC 7519, section 4.1) of the wrong JSON type; `exp` must be there.

    Raises:
        BadClaim: `iss`, `sub` or `jti` is no string, `aud` neither a string nor a list of strings, `exp`
            missing, or `exp`, `nbf` or `iat` no number within +-2**53.
    """
    for name in _TEXT_CLAIMS:
        if name in claims and not isinstance(claims[name], str):
            raise BadClaim(f"{name} is no string")
    if "exp" not in claims:
        raise BadClaim("exp is missing")
    for name in _TIME_CLAIMS:
        if name in claims:
            _number(claims, name)
    audience = claims.get("aud", "")
    if not isinstance(audience, str) and not _is_list_of_text(audience):
        raise BadClaim("aud is neither a string nor a list of strings")


def check_time(claims: Mapping[str, object], *, now: float, leeway: float = LEEWAY) -> None:
    """Refuse a token that has expired or is not valid yet; `iat` is not judged.

    Raises:
        Expired: `now` >= `exp` + `leeway`.
        NotYetValid: `now` < `nbf` - `leeway`.
        BadClaim: `exp` is missing, or one of them is no number.
        ValueError: `leeway` is negative, or `now` or `leeway` not finite.
    """
    if not (math.isfinite(now) and math.isfinite(leeway) and leeway >= 0):
        raise ValueError("now and leeway must be finite, and leeway not negative")
    if "exp" not in claims:
        raise BadClaim("exp is missing")
    if now >= _number(claims, "exp") + leeway:
        raise Expired("the token has expired")
    if "nbf" in claims and now < _number(claims, "nbf") - leeway:
        raise NotYetValid("the token is not valid yet")


def check_issuer(claims: Mapping[str, object], *, issuer: str) -> None:
    """Refuse a token of another issuer; compared as it is, letter by letter.

    Raises:
        UntrustedIssuer: `iss` is missing or another.
        ValueError, TypeError: `issuer` is empty or no string.
    """
    _require_text(issuer, "issuer")
    if claims.get("iss") != issuer:
        raise UntrustedIssuer("iss is missing or another issuer")


def check_audience(claims: Mapping[str, object], *, audience: str | Collection[str]) -> None:
    """Refuse a token that is not meant for any of `audience`; compared letter by letter.

    Raises:
        WrongAudience: `aud` is missing, or names none of `audience`.
        BadClaim: `aud` is neither a string nor a list of strings.
        ValueError, TypeError: `audience` is empty, or holds what is no string.
    """
    sent = claims.get("aud", [])
    if sent == audience and isinstance(sent, str) and sent:
        return  # the usual case, without a set
    expected = _audiences(audience)
    names = [sent] if isinstance(sent, str) else sent
    if not _is_list_of_text(names):
        raise BadClaim("aud is neither a string nor a list of strings")
    if expected.isdisjoint(names):
        raise WrongAudience("aud is missing or names another audience")


def _require_expectations(issuer: str, audience: str | Collection[str]) -> None:
    # Before the token is looked at: a mistake in the program must not wait for a well-formed token.
    _require_text(issuer, "issuer")
    _audiences(audience)


def _audiences(audience: str | Collection[str]) -> frozenset[str]:
    names = (audience,) if isinstance(audience, str) else tuple(audience)
    if not names:
        raise ValueError("audience is empty")
    for name in names:
        _require_text(name, "audience")
    return frozenset(names)


def _require_text(value: str, name: str) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} is no string")
    if not value:
        raise ValueError(f"{name} is empty")


def _is_list_of_text(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _number(claims: Mapping[str, object], name: str) -> float:
    # bool is an int to Python, and not a number to JSON. NaN fails the comparison.
    value = claims[name]
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise BadClaim(f"{name} is no number")
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise BadClaim(f"{name} is out of range")
    return value


@lru_cache(maxsize=64)
def _media_types(types: tuple[str, ...]) -> frozenset[str]:
    for name in types:
        _require_text(name, "types")
    return frozenset(_media_type(name) for name in types)


def _media_type(typ: str) -> str:
    # Only ASCII letters have two cases here: the Kelvin sign is no k.
    lowered = typ.lower() if typ.isascii() else typ
    return lowered.removeprefix("application/")
