"""Why a token was refused, in words for the API's developers: for logs, never for the caller."""

from collections.abc import Iterable, Mapping

from gatewright.guard.issuers import Trusted
from gatewright.jose import JoseError

_LONGEST = 200


def detail_of(
    error: JoseError,
    claims: Mapping[str, object],
    *,
    issuers: Iterable[str],
    trusted: Trusted | None,
    now: float,
) -> str:
    """One line: what was found, what was expected, and what would help. It holds no token."""
    match error.code:
        case "wrong_audience" if trusted is not None:
            wanted = " or ".join(repr(name) for name in trusted.audience)
            return (
                f"aud is {_shown(claims.get('aud'))}, this API is {wanted}:"
                f" ask the token endpoint with audience={trusted.audience[0]}"
            )
        case "untrusted_issuer":
            wanted = " or ".join(repr(url) for url in issuers) or "what tenants says"
            return f"iss is {_shown(claims.get('iss'))}, trusted is {wanted}, compared letter by letter"
        case "expired":
            return f"expired {_seconds(now, claims.get('exp'))} ago: take a new token"
        case "not_yet_valid":
            return f"valid in {_seconds(claims.get('nbf'), now)}: compare the clocks"
        case _:
            return str(error)


def _seconds(later: object, earlier: object) -> str:
    if not isinstance(later, int | float) or not isinstance(earlier, int | float):
        return "some time"
    return f"{later - earlier:.0f} s"


def _shown(value: object) -> str:
    # It comes from a stranger: one line, short, no control characters.
    text = ascii(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
