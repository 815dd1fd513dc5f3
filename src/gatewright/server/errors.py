"""What can go wrong in the server, each error with its own answer.

``OAuthError`` and ``ApiError`` are raised anywhere in their door and rendered in one place; both
answer ``status``, ``headers`` and ``body``. What goes out is public; the cause stays in ``__cause__``.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class StartupError(Exception):
    """The server cannot start; the message is a plain sentence for the operator."""


class SettingsError(StartupError):
    """The deployment's settings are wrong; ``faults`` holds all of them, one sentence each."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("The settings are not usable:\n" + "\n".join(f"  - {fault}" for fault in faults))
        self.faults = list(faults)


class NotFound(LookupError):
    """The store has no such record."""


class AlreadyExists(Exception):
    """The store holds a record with the same unique value."""


class StoreUnavailable(Exception):
    """The database does not answer now; a later try may succeed."""


class BodyRefused(Exception):
    """A request body that is not read any further; the door renders ``status`` and the text its way."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class OAuthError(Exception):
    """A refusal of the token endpoint: ``error``, ``error_description`` (RFC 6749 section 5.2).

    Status and code are independent of each other, because Auth0 answers 403 in many places where
    the RFC says 400. ``reason`` is for this server's own counts: it parts what Auth0 answers with one code.
    """

    content_type = "application/json"

    def __init__(
        self,
        status: int,
        error: str,
        description: str,
        *,
        reason: str | None = None,
        error_uri: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{error}: {description}")
        self.status = status
        self.error = error
        self.description = description
        self.reason = error if reason is None else reason
        self.headers = {**NO_STORE, **(headers or {})}
        self.body: dict[str, object] = {"error": error, "error_description": description}
        if error_uri is not None:
            self.body["error_uri"] = error_uri


class ApiError(Exception):
    """A refusal of the Management API: ``statusCode``, ``error``, ``message`` and mostly ``errorCode``."""

    content_type = "application/json; charset=utf-8"

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        attributes: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = {"Cache-Control": "no-store", **(headers or {})}
        self.body: dict[str, object] = {
            "statusCode": status,
            "error": HTTPStatus(status).phrase,
            "message": message,
        }
        if code is not None:
            self.body["errorCode"] = code
        if attributes is not None:
            self.body["attributes"] = dict(attributes)
