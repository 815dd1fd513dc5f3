"""What is said after a refusal."""

from __future__ import annotations

from gatewright.cli.remedies import Challenge, command, grant_commands


def test_challenge_of_the_guard_is_read() -> None:
    header = (
        'Bearer realm="https://blog-api", error="insufficient_scope", error_description="x, y", scope="a b"'
    )
    challenge = Challenge.parse(header)
    assert challenge == Challenge("https://blog-api", "insufficient_scope", "x, y", "a b")
    assert challenge.scopes == ["a", "b"]


def test_other_schemes_and_odd_headers_are_no_challenge_or_an_empty_one() -> None:
    assert Challenge.parse('Basic realm="x"') is None
    assert Challenge.parse("") is None
    assert Challenge.parse("Bearer") == Challenge()
    assert Challenge.parse("bearer nonsense=, =") == Challenge()


def test_commands_define_only_what_is_undefined_and_are_quoted() -> None:
    commands = grant_commands(api="https://a", application="My App", missing=["x:y", "z"], defined=["z"])
    assert commands == [
        "gatewright apis scopes add https://a x:y",
        "gatewright grants add 'My App' https://a --scope 'x:y z'",
    ]
    assert command("token", "--api", "$(x)") == "gatewright token --api '$(x)'"
