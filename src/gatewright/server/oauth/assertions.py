"""Client assertions (``private_key_jwt``; RFC 7523 sections 2.2 and 3): a client signs who it is.

Pure: a parsed assertion, the client's keys and the time in. That each is good once is the store's work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from gatewright.jose import JoseError, jws, jwt
from gatewright.server.client import ASSERTION_ALGORITHMS, ClientCredential

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_LIFE: Final = 300  # seconds from now to exp
SKEW: Final = 10  # seconds that iat and nbf may be ahead
LONGEST_JTI: Final = 64

# Nothing else that a client signs may pass for an assertion. RFC 7523bis names the second.
_TYPES = ("JWT", "client-authentication+jwt")


class AssertionRefused(Exception):
    """An assertion proves nothing. The text is for the log: its sender is told nothing."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion as it was sent; nothing in it may be believed before ``verify`` returned."""

    signed: jws.JWS = field(repr=False)
    claims: Mapping[str, object] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Assertion":
        """Reads an assertion within the limits of every token.

        Raises:
            AssertionRefused: when it is no sound signed JWT that names a subject.
        """
        try:
            parsed = jws.parse(text)
            claims = jwt.claims(parsed)
            jwt.check_types(claims)
        except JoseError as error:
            raise AssertionRefused(f"the assertion is malformed: {error}") from error
        if "sub" not in claims:
            raise AssertionRefused("sub is missing")
        return cls(parsed, claims)

    @property
    def subject(self) -> str:
        """Who it says that it is from."""
        return cast("str", self.claims["sub"])

    @property
    def jti(self) -> str:
        """What makes it different from all others of its client."""
        return cast("str", self.claims["jti"])

    @property
    def expires_at(self) -> float:
        """Seconds since 1970."""
        return cast("float", self.claims["exp"])

    def verify(
        self, credentials: Sequence[ClientCredential], *, client_id: str, issuer: str, now: float
    ) -> None:
        """Returns if one of the client's keys signed exactly this: it is this client, to us, for now.

        Raises:
            AssertionRefused: otherwise.
        """
        _require_signature(self.signed, credentials, now=now)
        claims = self.claims
        if claims.get("iss") != client_id or claims["sub"] != client_id:
            raise AssertionRefused("iss and sub are not both the client")
        # A list, or the address of an endpoint, would let another server pass this one's assertions on.
        if claims.get("aud") != issuer:
            raise AssertionRefused("aud is not exactly the issuer")
        if not now < self.expires_at <= now + LONGEST_LIFE:
            raise AssertionRefused(f"exp has passed or is more than {LONGEST_LIFE} seconds ahead")
        if any(cast("float", claims.get(name, now)) > now + SKEW for name in ("iat", "nbf")):
            raise AssertionRefused("iat or nbf is ahead")
        if not 1 <= len(cast("str", claims.get("jti", ""))) <= LONGEST_JTI:
            raise AssertionRefused(f"jti is missing or longer than {LONGEST_JTI} characters")


def _require_signature(parsed: jws.JWS, credentials: Sequence[ClientCredential], *, now: float) -> None:
    """Tries every key that is valid now: SDKs send no ``kid``, and a key may just be being replaced."""
    try:
        jws.check_algorithm(parsed, ASSERTION_ALGORITHMS)
        jwt.check_type(parsed, types=_TYPES)
    except JoseError as error:
        raise AssertionRefused(str(error)) from error
    keys = [each.key for each in credentials if each.key is not None and not each.has_expired(now)]
    if not keys:
        raise AssertionRefused("the client has no key that is valid now")
    faults = []
    for key in keys:
        try:
            jws.verify(parsed, key, algorithms=ASSERTION_ALGORITHMS)
        except JoseError as error:
            faults.append(str(error))
        else:
            return
    raise AssertionRefused(f"no key of the client fits: {', '.join(faults)}")
