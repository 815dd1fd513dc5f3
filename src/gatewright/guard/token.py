"""A verified access token, as handlers see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from gatewright.jose.errors import BadClaim

ScopeClaim: TypeAlias = str | tuple[str, ...] | None
"""The claim with the scopes, or the way to it through nested objects; None: `scope`, else `scp`."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token whose signature, type, times, issuer and audience have been checked.

    `claims` is read-only and holds everything the token says; the other members are the claims most
    asked for: `client_id` is `azp` or `client_id`, `scopes` are in the order sent, `expires_at` and
    `issued_at` are seconds since 1970, UTC. The token itself is not kept.
    """

    claims: Mapping[str, object] = field(repr=False)  # may hold what has no place in a log
    issuer: str
    subject: str | None
    client_id: str | None
    audience: tuple[str, ...]
    scopes: tuple[str, ...]
    expires_at: float
    issued_at: float | None
    token_id: str | None

    def has(self, scope: str) -> bool:
        """Whether this very scope was granted; nothing implies another."""
        return scope in self.scopes

    @classmethod
    def from_claims(cls, claims: dict[str, object], *, scope_claim: ScopeClaim = None) -> "AccessToken":
        """An access token of claims that were verified and whose registered claims have their types.

        The claims are kept, not copied.

        Raises:
            BadClaim: `azp`, `client_id` or the claim of the scopes has the wrong JSON type.
        """
        audience = claims["aud"]
        return cls(
            claims=MappingProxyType(claims),
            issuer=claims["iss"],  # type: ignore[arg-type]  # jwt.check_types and check_issuer saw a string
            subject=_text(claims, "sub"),
            client_id=client_of(claims),
            audience=(audience,) if isinstance(audience, str) else tuple(audience),  # type: ignore[arg-type]  # checked: a list of strings
            scopes=_scopes(claims) if scope_claim is None else _scopes_at(claims, scope_claim),
            expires_at=claims["exp"],  # type: ignore[arg-type]  # checked: a number
            issued_at=claims.get("iat"),  # type: ignore[arg-type]  # checked: a number when present
            token_id=_text(claims, "jti"),
        )


def client_of(claims: Mapping[str, object]) -> str | None:
    """The client the token was issued to, by whichever of the two names the issuer uses.

    Raises:
        BadClaim: `azp` or `client_id` is no string.
    """
    party, client_id = _text(claims, "azp"), _text(claims, "client_id")
    return client_id if party is None else party


def _scopes(claims: Mapping[str, object]) -> tuple[str, ...]:
    # RFC 9068, section 2.2.3; `scp`, as a string or a list, is what several large issuers send.
    name = "scope" if "scope" in claims else "scp"
    granted = claims.get(name, "")
    if isinstance(granted, str):
        return tuple(word for word in granted.split(" ") if word)
    if name == "scp" and isinstance(granted, list) and all(isinstance(word, str) for word in granted):
        return tuple(granted)
    raise BadClaim(f"{name} has the wrong JSON type")


def _scopes_at(claims: Mapping[str, object], name: str | tuple[str, ...]) -> tuple[str, ...]:
    """The scopes in a claim of the issuer's own; none where there is no such claim."""
    granted: object = claims
    for step in (name,) if isinstance(name, str) else name:
        if not isinstance(granted, Mapping):
            raise BadClaim("the claim with the scopes is no string and no list of strings")
        if step not in granted:
            return ()
        granted = granted[step]
    if isinstance(granted, str):
        return tuple(word for word in granted.split(" ") if word)
    if isinstance(granted, list) and all(isinstance(word, str) for word in granted):
        return tuple(granted)
    raise BadClaim("the claim with the scopes is no string and no list of strings")


def _text(claims: Mapping[str, object], name: str) -> str | None:
    value = claims.get(name)
    if isinstance(value, str):
        return value
    if name in claims:
        raise BadClaim(f"{name} is no string")
    return None
