"""Issuer and audience: equal or refused, and never unexpected."""

from collections.abc import Callable
from typing import Any

import pytest

from gatewright.jose import UntrustedIssuer, WrongAudience, jwt

Claims = dict[str, object]


OTHER_ISSUERS = [
    "https://issuer.example",
    "https://issuer.example//",
    "https://issuer.example/x",
    "http://issuer.example/",
    "HTTPS://issuer.example/",
    "https://Issuer.example/",
    "https://issuer.example:443/",
    "https://issuer.example/ ",
    "https://issuer.example.evil/",
    "https://xn--issuer.example/",
    "",
    "h",
]


@pytest.mark.parametrize("issuer", OTHER_ISSUERS)
def test_an_issuer_that_differs_in_any_letter_is_refused(
    issuer: str, claims: Claims, accept: Callable[..., Claims]
) -> None:
    with pytest.raises(UntrustedIssuer):
        accept({**claims, "iss": issuer})


def test_a_token_without_issuer_is_refused(claims: Claims, accept: Callable[..., Claims]) -> None:
    del claims["iss"]
    with pytest.raises(UntrustedIssuer):
        accept(claims)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("a", "a"),
        ("a", ["a", "b"]),
        ("a", {"a"}),
        (["a"], "a"),
        (["x", "a", "y"], "a"),
        (["x", "b"], ("a", "b")),
        (["a", "a"], frozenset({"a"})),
    ],
)
def test_one_common_audience_is_enough(sent: object, expected: Any) -> None:  # noqa: ANN401 - several types
    jwt.check_audience({"aud": sent}, audience=expected)


@pytest.mark.parametrize("sent", ["", "b", "A", "a ", " a", "aa", "a/", [], ["b"], ["A", "aa", ""], ["a b"]])
def test_any_other_audience_is_refused(sent: object) -> None:
    for expected in ("a", ["a"], ["a", "c"]):
        with pytest.raises(WrongAudience):
            jwt.check_audience({"aud": sent}, audience=expected)


def test_a_missing_audience_is_refused() -> None:
    with pytest.raises(WrongAudience):
        jwt.check_audience({}, audience="a")


@pytest.mark.parametrize(
    ("audience", "error"),
    [
        ("", ValueError),
        ([], ValueError),
        ([""], ValueError),
        (["a", ""], ValueError),
        ([None], TypeError),
        ([b"a"], TypeError),
        (["a", 1], TypeError),
    ],
)
def test_no_expected_audience_is_a_mistake_of_the_program(
    audience: Any,  # noqa: ANN401 - the mistakes
    error: type[Exception],
    claims: Claims,
    accept: Callable[..., Claims],
) -> None:
    for sent in ("a", "", ["a"], [""], []):
        with pytest.raises(error):
            jwt.check_audience({"aud": sent}, audience=audience)
    with pytest.raises(error):
        accept({**claims, "aud": audience if isinstance(audience, str) else "a"}, audience=audience)
    with pytest.raises(error):
        accept(b"not even a token", audience=audience)


@pytest.mark.parametrize(
    ("issuer", "error"), [("", ValueError), (None, TypeError), (b"x", TypeError), (["x"], TypeError)]
)
def test_no_expected_issuer_is_a_mistake_of_the_program(
    issuer: Any,  # noqa: ANN401 - the mistakes
    error: type[Exception],
    accept: Callable[..., Claims],
) -> None:
    with pytest.raises(error):
        jwt.check_issuer({"iss": issuer}, issuer=issuer)
    with pytest.raises(error):
        accept(b"not even a token", issuer=issuer)
