"""An issuer in the test's own process: it signs, publishes its keys to the guard's `fetch`, and can fail.

Its keys are made once in a process for each algorithm. Outages and rotations go through the guard's own
key cache, so that what a test rehearses is what production does.
"""

import contextlib
import dataclasses
import functools
import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from gatewright.guard import Guard
from gatewright.guard.cache import VerifiedTokens
from gatewright.guard.fetching import Answer, Fetch
from gatewright.guard.issuers import Defaults, Issuer
from gatewright.jose import JWK, jwt
from gatewright.testing.clocks import Clock

LIFETIME: Final = 3600
CLIENT: Final = "test-client"

_DISCOVERY: Final = (".well-known/openid-configuration", ".well-known/oauth-authorization-server")
_JWKS: Final = ".well-known/jwks.json"


class TokenIssuer:
    """An issuer with keys of its own, no server and no network.

    `with issuer.trusted_by(guard):` lets a guard trust it for a while. A guard made in a test may simply be
    `Guard(issuer.url, audience=..., fetch=issuer.fetch, now=issuer.clock)`.
    """

    def __init__(self, url: str = "https://issuer.test/", *, algorithm: str = "RS256") -> None:
        self.url = url
        self.clock: Clock = Clock()
        self.algorithm: str = algorithm
        self.audience: str = "https://api.test"
        self._generation = 0
        self._oldest = 0
        self._is_down = False
        self._delay = 0.0

    @property
    def key(self) -> JWK:
        """The key that signs now."""
        return _key(self.url, self.algorithm, self._generation)

    def token(
        self,
        *scopes: str,
        expired: bool = False,
        audience: str | Collection[str] | None = None,
        claims: Mapping[str, object] | None = None,
        typ: str | None = "at+jwt",
        key: JWK | None = None,
    ) -> str:
        """A signed access token; a claim given as None is left out (RFC 9068, section 2.2).

        `audience` is that of the guard which trusts this issuer, unless given.
        """
        now = int(self.clock())
        issued = now - 2 * LIFETIME if expired else now
        made: dict[str, object] = {
            "iss": self.url,
            "sub": f"{CLIENT}@clients",
            "aud": audience if audience is None or isinstance(audience, str) else list(audience),
            "iat": issued,
            "exp": issued + LIFETIME,
            "client_id": CLIENT,
        }
        made["aud"] = self.audience if audience is None else made["aud"]
        if scopes:
            made["scope"] = " ".join(scopes)
        changed = {**made, **(claims or {})}
        kept = {name: value for name, value in changed.items() if value is not None}
        return jwt.sign(kept, key or self.key, typ=typ)

    def bearer(self, *scopes: str, **options: Any) -> dict[str, str]:  # noqa: ANN401 - those of `token`
        """Headers with such a token; the options are those of `token`."""
        return {"Authorization": f"Bearer {self.token(*scopes, **options)}"}

    def rotate(self) -> None:
        """A new key signs from now on; the old ones stay published."""
        self._generation += 1

    def revoke_old_keys(self) -> None:
        """Publish the key that signs now, and no other."""
        self._oldest = self._generation

    def down(self) -> None:
        """Nobody answers at this issuer's address until `up`."""
        self._is_down = True

    def up(self) -> None:
        """The issuer answers again, and at once."""
        self._is_down = False
        self._delay = 0.0

    def slow(self, seconds: float) -> None:
        """Every answer takes so many seconds of real time; the guard gives up after 5."""
        self._delay = seconds

    def fetch(self, url: str) -> Answer:
        """What the issuer publishes at `url`: a guard's `fetch`.

        Raises:
            OSError: the issuer is down.
        """
        if self._delay:
            time.sleep(self._delay)
        if self._is_down:
            raise OSError("the issuer is down")
        base = self.url.rstrip("/") + "/"
        if url in {base + path for path in _DISCOVERY}:
            return 200, (), json.dumps({"issuer": self.url, "jwks_uri": base + _JWKS}).encode()
        if url == base + _JWKS:
            return 200, (), json.dumps({"keys": self._published()}).encode()
        return 404, (), b""

    @contextlib.contextmanager
    def trusted_by(self, guard: Guard) -> Iterator["TokenIssuer"]:
        """Let `guard` trust this issuer, and this one only, and live by its clock.

        The guard's audience, algorithms and rules stay. Where it does not allow this issuer's algorithm,
        the issuer signs with the first one for published keys that it does allow, if there is one.
        """
        before = self.algorithm, self.audience
        published = _published_only(guard.algorithms)
        if published and self.algorithm not in published:
            self.algorithm = published[0]
        self.audience = guard.audience[0]
        try:
            with trusting(guard, self.url, fetch=self.fetch, now=self.clock, otherwise=self.algorithm):
                yield self
        finally:
            self.algorithm, self.audience = before

    def _published(self) -> list[dict[str, object]]:
        generations = range(self._oldest, self._generation + 1)
        return [_key(self.url, self.algorithm, one).public().to_dict() for one in generations]


@contextlib.contextmanager
def trusting(
    guard: Guard, issuer: str, *, fetch: Fetch, now: Callable[[], float], otherwise: str
) -> Iterator[None]:
    """Let `guard` trust this issuer and no other, and live by the clock `now`.

    `otherwise` is the algorithm that counts for a guard which allows none of published keys.
    """
    inside: Any = guard
    before = inside._verifier, inside._now  # noqa: SLF001 - the guard's other half
    published = _published_only(guard.algorithms)
    defaults = Defaults(
        audience=guard.audience,
        algorithms=published or (otherwise,),
        leeway=inside._leeway,  # noqa: SLF001 - as above
        fetch=fetch,
        now=now,
    )
    verifier = dataclasses.replace(
        before[0],
        issuers={issuer: defaults.trust(Issuer(issuer))},
        tenants=None,
        opaque=None,
        algorithms=defaults.algorithms,
        now=now,
        cache=VerifiedTokens(0),
    )
    inside._verifier, inside._now = verifier, now  # noqa: SLF001 - as above
    try:
        yield
    finally:
        inside._verifier, inside._now = before  # noqa: SLF001 - as above


def _published_only(algorithms: Collection[str]) -> tuple[str, ...]:
    """Those whose keys an issuer publishes: a shared secret is none."""
    return tuple(name for name in algorithms if not name.startswith("HS"))


@functools.cache
def _key(url: str, algorithm: str, generation: int) -> JWK:  # noqa: ARG001 - parts the cache
    # By the issuer's URL as well: two issuers that share keys could not be told apart.
    return JWK.generate(algorithm, kid=f"{algorithm.lower()}-{generation}")
