"""The one family of exceptions that a token, a JWK or a JWKS can cause."""


class JoseError(Exception):
    """A token or key is refused.

    The text is for people and logs and never holds values from the token or the key; `code` is for
    programs and stable.
    """

    code: str = "jose_error"


class MalformedToken(JoseError):
    """No sound token or JSON document: size, alphabet, number of parts, JSON."""

    code = "malformed"


class UnsupportedHeader(JoseError):
    """The header asks for something that must be understood and is not: `crit`, `b64`, `zip`."""

    code = "unsupported_header"


class AlgorithmNotAllowed(JoseError):
    """The algorithm is not in the caller's list, or does not fit the key."""

    code = "alg_not_allowed"


class InvalidKey(JoseError):
    """A key or key set that must not be used: weak, off the curve, inconsistent, for another purpose."""

    code = "invalid_key"


class UnknownKey(JoseError):
    """No key fits the token, or several do."""

    code = "unknown_key"


class BadSignature(JoseError):
    """The signature does not belong to this header, payload and key."""

    code = "bad_signature"


class WrongType(JoseError):
    """The token's `typ` names another kind of token."""

    code = "wrong_type"


class BadClaim(JoseError):
    """A known claim has the wrong JSON type, or `exp` is missing."""

    code = "bad_claim"


class UntrustedIssuer(JoseError):
    """`iss` is missing or is not the expected issuer."""

    code = "untrusted_issuer"


class WrongAudience(JoseError):
    """`aud` is missing or names none of the expected audiences."""

    code = "wrong_audience"


class Expired(JoseError):
    """`exp` has passed, leeway included."""

    code = "expired"


class NotYetValid(JoseError):
    """`nbf` has not come yet, leeway included."""

    code = "not_yet_valid"
