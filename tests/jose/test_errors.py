import gatewright.jose as package
from gatewright.jose import JoseError, errors

CODES = {
    "MalformedToken": "malformed",
    "UnsupportedHeader": "unsupported_header",
    "AlgorithmNotAllowed": "alg_not_allowed",
    "InvalidKey": "invalid_key",
    "UnknownKey": "unknown_key",
    "BadSignature": "bad_signature",
    "WrongType": "wrong_type",
    "BadClaim": "bad_claim",
    "UntrustedIssuer": "untrusted_issuer",
    "WrongAudience": "wrong_audience",
    "Expired": "expired",
    "NotYetValid": "not_yet_valid",
}


def test_codes_are_stable_and_each_error_is_of_one_family() -> None:
    family = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, JoseError) and kind is not JoseError
    }
    assert {name: kind.code for name, kind in family.items()} == CODES
    assert all(kind.__bases__ == (JoseError,) for kind in family.values())
    assert not issubclass(JoseError, ValueError | TypeError)


def test_every_error_is_exported() -> None:
    assert set(CODES) | {"JoseError"} <= set(package.__all__)
    assert all(hasattr(package, name) for name in package.__all__)
