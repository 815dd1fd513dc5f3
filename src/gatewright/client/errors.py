"""Why there is no token: the issuer refuses, or it cannot be asked."""

from typing import Final

_LONGEST: Final = 300

_ADVICE: Final = {
    "no client": (
        "The client_id is unknown there, or its credential is wrong, was replaced or revoked: "
        "take the current one from whoever looks after the issuer"
    ),
    "no scope": "Ask for fewer scopes in `scope`, or have them granted to this client at this audience",
    "no grant": "The client has to be authorized for this audience (Auth0 and Gatewright: a client grant)",
    "no audience": "There is no API of this name: `audience` is its identifier, to the letter",
    "no grant type": "The client has to be allowed the grant type client_credentials",
    "no endpoint": "That is not the token endpoint: check `issuer`, or give `token_endpoint`",
    "other": "What the issuer says of it is all that is known; its log may know more",
}
_BY_ERROR: Final = {
    "invalid_client": "no client",
    "invalid_scope": "no scope",
    "invalid_target": "no audience",
    "unauthorized_client": "no grant type",
    "unsupported_grant_type": "no grant type",
}
_UNAUTHORIZED: Final = 401
_NO_ENDPOINT: Final = (404, 405, 410)
_REDIRECTIONS: Final = range(300, 400)


class TokenError(Exception):
    """No token. Its text holds no secret; `TokenRefused` or `TokenUnavailable`."""

    def __str__(self) -> str:
        return str(self.args[0])


class TokenRefused(TokenError):
    """The issuer gives this client no token, and asking again would change nothing (RFC 6749, section 5.2).

    Attributes:
        status: of the answer.
        error: its `error`; empty when it has none.
        error_description: its `error_description`, at most 300 characters; empty when it has none.
    """

    def __init__(self, text: str, status: int = 0, error: str = "", error_description: str = "") -> None:
        super().__init__(text, status, error, error_description)
        self.status = status
        self.error = error
        self.error_description = error_description


class TokenUnavailable(TokenError):
    """The issuer cannot be asked now, or does not answer as an issuer does; a later call asks again.

    Attributes:
        retry_after: seconds after which the issuer wants to be asked again; None when it did not say.
    """

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text, retry_after)
        self.retry_after = retry_after


def refusal(*, where: str, client_id: str, status: int, error: str, description: str) -> TokenRefused:
    """The error for an answer of this kind, with what to do about it."""
    said = ": ".join(filter(None, (printable(error), printable(description))))
    text = f"{where} gives {client_id!r} no token ({status}{' ' * bool(said)}{said}). "
    return TokenRefused(
        text + _ADVICE[_kind(status, error, description)], status, printable(error), printable(description)
    )


def fresh(error: TokenError) -> TokenError:
    """The same error without its traceback, whose frames hold secrets, and for one raising only."""
    return type(error)(*error.args)


def printable(text: str) -> str:
    """What somebody else wrote, fit for a log: no control characters, not too long."""
    return "".join(mark if mark.isprintable() else "?" for mark in text[:_LONGEST])


def _kind(status: int, error: str, description: str) -> str:
    if status in _NO_ENDPOINT or status in _REDIRECTIONS:
        return "no endpoint"
    if error in _BY_ERROR:
        return _BY_ERROR[error]
    if status == _UNAUTHORIZED:
        return "no client"
    if error != "access_denied":
        return "other"
    # Auth0 and Gatewright say all of these by one code.
    if "scopes" in description:
        return "no scope"
    return "no audience" if "Service not enabled" in description else "no grant"
