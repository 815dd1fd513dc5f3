"""JSON Object Signing and Encryption, the part that access tokens need: keys, signatures, claims.

Pure: bytes in, bytes out, and a time where one is needed. What lives here: the table of algorithms, JWK
and JWKS (RFC 7517, 7518, 7638, 8037), compact JWS (RFC 7515) and JWT (RFC 7519), each as strict as a
verifier at the edge has to be, and one family of exceptions, `JoseError`: no token, JWK or JWKS can cause
another. What does not: clocks, sockets, files, fetching or caching of keys, scopes and rules (the guard's
business), encryption (JWE) and the JSON serialisations.
"""

from gatewright.jose import jws, jwt
from gatewright.jose.algorithms import ALGORITHMS
from gatewright.jose.errors import (
    AlgorithmNotAllowed,
    BadClaim,
    BadSignature,
    Expired,
    InvalidKey,
    JoseError,
    MalformedToken,
    NotYetValid,
    UnknownKey,
    UnsupportedHeader,
    UntrustedIssuer,
    WrongAudience,
    WrongType,
)
from gatewright.jose.jwk import JWK
from gatewright.jose.jwks import JWKS

__all__ = [
    "ALGORITHMS",
    "JWK",
    "JWKS",
    "AlgorithmNotAllowed",
    "BadClaim",
    "BadSignature",
    "Expired",
    "InvalidKey",
    "JoseError",
    "MalformedToken",
    "NotYetValid",
    "UnknownKey",
    "UnsupportedHeader",
    "UntrustedIssuer",
    "WrongAudience",
    "WrongType",
    "jws",
    "jwt",
]
