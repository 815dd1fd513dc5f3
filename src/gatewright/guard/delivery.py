"""How a report reaches the server: a token of the reporter's own, renewed in time, and one request.

What is reported, and when, is in `gatewright.guard.reporting`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from gatewright.guard.fetching import Answer

TIMEOUT: Final = 5.0  # seconds for each request
RENEWED_BEFORE: Final = 60.0  # seconds before the end of the reporter's own token

_UNAUTHORIZED: Final = 401
_TOO_MANY: Final = 429
_TROUBLE_FROM: Final = 500

Post: TypeAlias = Callable[..., Answer]
"""As `HttpFetch` is called with a body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Where a guard reports to, and as whom: `Guard(..., report=Reports(client_id=..., client_secret=...))`.

    Args:
        client_id, client_secret: of the application that may send reports and nothing else; `gatewright env
            --reports` makes it.
        issuer: the server; None for the guard's first issuer.
        fetch: how to reach it, `HttpFetch(...)` or what is called alike, where the system's certificates or
            the environment's proxy will not do.

    Raises:
        TypeError, ValueError: an argument cannot be right.
    """

    client_id: str
    client_secret: str = field(repr=False)
    issuer: str | None = None
    fetch: Post | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("client_id", "client_secret"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} is a string")
            if not getattr(self, name):
                raise ValueError(f"{name} is not empty")


class Undelivered(Exception):
    """The server did not take a report; `is_final` when it will not take it later either."""

    def __init__(self, said: str, *, is_final: bool) -> None:
        super().__init__(said)
        self.is_final = is_final


class Delivery:
    """The way to one server's Management API; used by one thread at a time."""

    def __init__(self, reports: Reports, *, issuer: str, post: Post, now: Callable[[], float]) -> None:
        self._reports = reports
        base = issuer if issuer.endswith("/") else f"{issuer}/"
        self._audience = f"{base}api/v2/"
        self._token_url = f"{base}oauth/token"
        self._report_url = f"{base}api/v2/guard-reports"
        self._post = post
        self._now = now
        self._token = ""
        self._ends = 0.0

    def send(self, document: Mapping[str, object]) -> None:
        """Deliver one report.

        Raises:
            Undelivered: it was not taken.
        """
        status, said = self._report(document)
        if status == _UNAUTHORIZED:
            self._token = ""  # the keys were revoked, or the server is a new one
            status, said = self._report(document)
        if status // 100 != 2:  # noqa: PLR2004 - RFC 9110, section 15
            raise _undelivered(status, said)

    def _report(self, document: Mapping[str, object]) -> tuple[int, bytes]:
        if not self._token or self._now() > self._ends - RENEWED_BEFORE:
            self._renew()
        return self._exchange(self._report_url, document, {"Authorization": f"Bearer {self._token}"})

    def _renew(self) -> None:
        asked = {
            "grant_type": "client_credentials",
            "client_id": self._reports.client_id,
            "client_secret": self._reports.client_secret,
            "audience": self._audience,
            "scope": "create:guard_reports",
        }
        status, said = self._exchange(self._token_url, asked, {})
        if status != 200:  # noqa: PLR2004 - RFC 6749, section 5.1
            raise _undelivered(status, said)
        try:
            answer = json.loads(said)
            token, lifetime = answer["access_token"], answer.get("expires_in", 0)
        except (ValueError, TypeError, KeyError) as error:
            raise Undelivered("the token endpoint's answer holds no token", is_final=False) from error
        self._token, self._ends = str(token), self._now() + float(lifetime)

    def _exchange(
        self, url: str, document: Mapping[str, object], headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        body = json.dumps(document, separators=(",", ":")).encode("ascii")
        try:
            status, _, said = self._post(
                url, body=body, headers={"Content-Type": "application/json", **headers}, timeout=TIMEOUT
            )
        except OSError as error:
            raise Undelivered(f"no answer: {error}", is_final=False) from error
        return status, said


def _undelivered(status: int, said: bytes) -> Undelivered:
    try:
        answer = json.loads(said)
        words = answer.get("message") or answer.get("error_description") or ""
    except (ValueError, AttributeError):
        words = ""
    is_final = status < _TROUBLE_FROM and status not in (_UNAUTHORIZED, _TOO_MANY)
    return Undelivered(f"{status} {str(words)[:200]!a}", is_final=is_final)
