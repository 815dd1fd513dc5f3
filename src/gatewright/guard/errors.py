"""Every way to refuse a request, each with its whole answer (RFC 6750, section 3; RFC 9110, section 15.6.4).

::

    Denied
    ├── NoToken             401  no access token was sent
    ├── BadHeader           400  the Authorization header is malformed
    ├── InvalidToken        401  malformed, expired, not yet valid, or anything else wrong with it
    ├── InsufficientScope   403  valid, but lacks a scope
    ├── RuleNotMet          403  valid, but its claims do not meet the rule
    ├── StepUpRequired      401  valid, but the login behind it is too old or too weak (RFC 9470)
    └── Unavailable         503  nobody can tell: the token may well be good
        └── KeysUnavailable      the issuer's keys, in particular
"""

import json
import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gatewright.guard.token import AccessToken

# RFC 6750, section 3: what a quoted value of the challenge may hold, and no quote or backslash with it.
_UNQUOTABLE: Final = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
_DESCRIPTIONS: Final[Mapping[str, str]] = {
    "malformed": "The access token is malformed",
    "expired": "The access token expired",
    "not_yet_valid": "The access token is not valid yet",
}
RETRY_AFTER: Final = 5  # seconds
REQUEST_ID: Final = "X-Request-Id"


class Denied(Exception):
    """A request that may not enter, and the answer to give.

    `status`, `headers` and `body` are for the caller of the API and the same in every framework; `reason`
    is a stable code for logs and metrics; `detail` says more to the API's own developers and must not
    leave the process. None of them holds the token itself; `token` is the verified one where only the
    rule was not met. `request_id` is in the answer as `X-Request-Id` and in the log, random and no secret:
    by it the refusal can be asked about (`gatewright why`).
    """

    status: int = 401
    error: str = "invalid_token"
    description: str = "The access token is invalid"
    token: "AccessToken | None" = None

    def __init__(self, reason: str, *, realm: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.realm = realm
        self.detail = detail
        self.request_id = secrets.token_hex(8)
        self._more: dict[str, str] = {}

    def extend_challenge(self, **parameters: str) -> None:
        """Say more in the challenge, after what stands there: `resource_metadata` (RFC 9728, 5.1), `scope`.

        A parameter that the challenge has already is not to be given again.
        """
        self._more.update(parameters)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers of the answer, all but Content-Length."""
        return [
            ("Content-Type", "application/json"),
            ("Cache-Control", "no-store"),
            ("WWW-Authenticate", ", ".join([self._challenge(), *_quoted(self._more)])),
            (REQUEST_ID, self.request_id),
        ]

    @property
    def body(self) -> dict[str, str]:
        """The members of the JSON body: `error` and `error_description`."""
        return {"error": self.error, "error_description": self.description}

    @property
    def content(self) -> bytes:
        """The body as it is sent, byte for byte."""
        return json.dumps(self.body, separators=(",", ":")).encode("ascii")

    def _challenge(self) -> str:
        return _challenge(realm=self.realm, error=self.error, error_description=self.description)


class NoToken(Denied):
    """No Authorization header, or one of another scheme: nothing is said of an error (RFC 6750, 3.1)."""

    error = "unauthorized"
    description = "No access token was sent"

    def __init__(self, *, realm: str, detail: str = "") -> None:
        super().__init__("no_token", realm=realm, detail=detail)

    def _challenge(self) -> str:
        return _challenge(realm=self.realm)


class BadHeader(Denied):
    """`Bearer` with no word or several, or two Authorization headers."""

    status = 400
    error = "invalid_request"
    description = "The Authorization header is malformed"

    def __init__(self, *, realm: str, detail: str = "") -> None:
        super().__init__("bad_header", realm=realm, detail=detail)


class InvalidToken(Denied):
    """A token that is not accepted; `reason` tells developers why, the answer tells strangers little."""

    def __init__(self, reason: str, *, realm: str, detail: str = "") -> None:
        super().__init__(reason, realm=realm, detail=detail)
        self.description = _DESCRIPTIONS.get(reason, self.description)


class InsufficientScope(Denied):
    """A valid token without a scope that the rule needs; `scopes` are those of the rule."""

    status = 403
    error = "insufficient_scope"
    description = "The access token lacks a required scope"

    def __init__(self, scopes: tuple[str, ...], *, realm: str, detail: str = "") -> None:
        super().__init__("insufficient_scope", realm=realm, detail=detail)
        self.scopes = scopes

    def _challenge(self) -> str:
        return _challenge(
            realm=self.realm,
            error=self.error,
            error_description=self.description,
            scope=" ".join(self.scopes),
        )


class RuleNotMet(Denied):
    """A valid token whose claims do not meet the rule."""

    status = 403
    error = "insufficient_scope"
    description = "The access token does not meet the requirements of this resource"

    def __init__(self, *, realm: str, detail: str = "") -> None:
        super().__init__("rule_not_met", realm=realm, detail=detail)


class StepUpRequired(Denied):
    """A valid token whose user must log in again, more strongly or more recently (RFC 9470, section 3)."""

    error = "insufficient_user_authentication"

    def __init__(
        self, *, acr_values: tuple[str, ...], max_age: int | None, realm: str, detail: str = ""
    ) -> None:
        super().__init__(self.error, realm=realm, detail=detail)
        self.acr_values = acr_values
        self.max_age = max_age
        self.description = (
            "A different authentication level is required"
            if acr_values
            else "More recent authentication is required"
        )

    def _challenge(self) -> str:
        wanted = {"acr_values": " ".join(self.acr_values)} if self.acr_values else {}
        if self.max_age is not None:
            wanted["max_age"] = str(self.max_age)
        return _challenge(realm=self.realm, error=self.error, error_description=self.description, **wanted)


class Unavailable(Denied):
    """What is needed to check the token cannot be had now: an outage, never the token's fault.

    Reasons: `keys_unavailable`, `introspection_unavailable`, `revocation_unavailable`,
    `issuers_unavailable`.
    """

    status = 503
    error = "temporarily_unavailable"
    description = "The access token cannot be checked now"

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers of the answer, all but Content-Length; no challenge, for no other token would do."""
        return [
            ("Content-Type", "application/json"),
            ("Cache-Control", "no-store"),
            ("Retry-After", str(RETRY_AFTER)),
            (REQUEST_ID, self.request_id),
        ]


class KeysUnavailable(Unavailable):
    """The issuer's keys cannot be fetched and none are known."""

    description = "The keys to check the access token cannot be fetched now"

    def __init__(self, *, realm: str, detail: str = "") -> None:
        super().__init__("keys_unavailable", realm=realm, detail=detail)


def _challenge(**parameters: str) -> str:
    return "Bearer " + ", ".join(_quoted(parameters))


def _quoted(parameters: Mapping[str, str]) -> list[str]:
    return [f'{name}="{_UNQUOTABLE.sub("", value)}"' for name, value in parameters.items()]
