"""An issuer with a revocation feed for the guard's tests: it tells what a test says, really signed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gatewright.jose import JWK, jwt
from tests.guard.issuing import NOW, REMOVED, Clock, Reply, StubIssuer, key, reply

FEED = "/feed"
CLIENT = {"client_id": "app", "before": int(NOW)}


def entry(**members: object) -> dict[str, object]:
    """One revocation, which can matter for an hour."""
    return {"exp": int(NOW) + 3600, **members}


@dataclass(slots=True, kw_only=True)
class FeedIssuer(StubIssuer):
    """A stub that answers `?since=` as told by `entries`, each with the revision at which it came."""

    clock: Clock = field(default_factory=Clock)
    entries: list[tuple[int, dict[str, object]]] = field(default_factory=list)
    feed: Reply | None = None
    """Answers in place of the usual feed."""
    etag: str | None = None
    address: str = ""
    asked: list[str] = field(default_factory=list)

    def usual(self, path: str) -> Reply:
        if path == self.DISCOVERY:
            address = self.address or self.url.rstrip("/") + FEED
            uri = self.url.rstrip("/") + self.JWKS
            return reply(200, {"issuer": self.url, "jwks_uri": uri, "revocations_uri": address})
        if not path.startswith(FEED):
            return StubIssuer.usual(self, path)
        self.asked.append(path)
        since = int(path.partition("since=")[2])
        return self.feed or reply(200, self.page(since), **({"ETag": self.etag} if self.etag else {}))

    def revoke(self, **members: object) -> None:
        """Tell of one more."""
        self.entries.append((self.revision + 1, entry(**members)))

    @property
    def revision(self) -> int:
        return self.entries[-1][0] if self.entries else 0

    def page(
        self,
        since: object = 0,
        *,
        signed_by: object = None,
        typ: object = "revocations+jwt",
        **changed: object,
    ) -> str:
        """The page from a revision on, some of its claims changed or `REMOVED`."""
        claims: dict[str, Any] = {
            "iss": self.url,
            "iat": int(self.clock()),
            "exp": int(self.clock()) + 120,
            "since": since,
            "rev": self.revision,
            "more": False,
            "revocations": [
                each for revision, each in self.entries if not isinstance(since, int) or revision > since
            ],
        }
        claims = {name: value for name, value in (claims | changed).items() if value is not REMOVED}
        return jwt.sign(claims, signed_by if isinstance(signed_by, JWK) else key(), typ=str(typ))
