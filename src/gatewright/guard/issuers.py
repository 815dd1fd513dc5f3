"""Who may issue tokens for this API, and what is particular about each.

`Issuer` is what users write; `Trusted` is the same with everything filled in and its keys at hand.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from gatewright.guard import options
from gatewright.guard.feed import RevocationFeed
from gatewright.guard.fetching import Fetch
from gatewright.guard.freshness import KeyHealth
from gatewright.guard.introspection import Introspection, Introspector
from gatewright.guard.keys import IssuerKeys
from gatewright.guard.snapshot import file_in
from gatewright.guard.token import ScopeClaim
from gatewright.jose import JWK, JWKS
from gatewright.jose.errors import UnknownKey

Keys = JWKS | JWK | Callable[[], JWKS]


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer whose tokens a guard accepts; what is None here is as the guard says.

    Args:
        url: exactly as it stands in `iss`.
        audience: what its tokens call this API.
        algorithms: the signature algorithms allowed.
        keys: a key, a key set, or a callable that gives one at each check, in place of published keys.
        jwks_uri: where its key set is, for an issuer without a discovery document.
        leeway: seconds by which its clock may differ.
        scope_claim: the claim that holds the scopes, a string or a list: by default `scope`, else `scp`;
            `permissions` for Auth0 with RBAC; several names lead into nested objects, as in
            `("realm_access", "roles")`.
        introspection: where to ask about its opaque tokens (RFC 7662); its JWTs are verified all the same.
        revocations: False: do not ask what it has revoked, though it tells.
        allow_insecure: allow plain http to another machine.

    Raises:
        TypeError, ValueError: an argument cannot be right.
    """

    url: str
    _: KW_ONLY
    audience: str | Collection[str] | None = None
    algorithms: Collection[str] | None = None
    keys: Keys | None = field(default=None, repr=False)
    jwks_uri: str | None = None
    leeway: float | None = None
    scope_claim: ScopeClaim = None
    introspection: Introspection | None = None
    revocations: bool | None = None
    allow_insecure: bool = False

    def __post_init__(self) -> None:
        options.checked_issuer(self.url, allow_insecure=self.allow_insecure)
        checked: dict[str, object] = {
            "keys": _checked_keys(self.keys),
            "scope_claim": options.checked_scope_claim(self.scope_claim),
        }
        if self.audience is not None:
            checked["audience"] = options.checked_audience(self.audience)
        if self.algorithms is not None:
            given = self.keys is not None
            checked["algorithms"] = options.checked_algorithms(self.algorithms, keys_given=given)
        if self.introspection is not None and not isinstance(self.introspection, Introspection):
            raise TypeError("introspection is Introspection(endpoint, client_id=..., client_secret=...)")
        if self.leeway is not None:
            checked["leeway"] = options.checked_leeway(self.leeway)
        if self.jwks_uri is not None:
            options.checked_issuer(self.jwks_uri, allow_insecure=self.allow_insecure, what="jwks_uri")
            if self.keys is not None:
                raise ValueError("jwks_uri and keys: one of them says where the keys are")
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def auth0(cls, domain: str, **more: Any) -> "Issuer":  # noqa: ANN401 - the arguments of Issuer
        """The issuer of an Auth0 tenant, by its domain, such as `acme.eu.auth0.com`.

        Raises:
            TypeError, ValueError: as for `Issuer`; `domain` is a URL.
        """
        if not domain or set(domain) & set(":/?#@ "):
            raise ValueError(f"a domain is a name such as 'acme.eu.auth0.com', not {domain!r}")
        return cls(f"https://{domain}/", **more)


class KeySource(Protocol):
    """Where a guard finds one issuer's keys: `known` never waits, the others may."""

    def known(self, *, kid: str | None, alg: str, now: float) -> JWK | None:
        """The key, if it can be told without asking anybody."""
        ...

    def find(self, *, kid: str | None, alg: str) -> JWK:
        """The key, asking the issuer if need be."""
        ...

    async def afind(self, *, kid: str | None, alg: str) -> JWK:
        """As `find`, without blocking the event loop."""
        ...


@dataclass(frozen=True, slots=True)
class HandedKeys:
    """Keys that the program has already; a callable is asked at each check, so that a ring may rotate."""

    keys: Keys

    def known(self, *, kid: str | None, alg: str, now: float) -> JWK | None:  # noqa: ARG002 - as KeySource
        """The key, if the set has it now."""
        try:
            return self.find(kid=kid, alg=alg)
        except UnknownKey:
            return None

    def find(self, *, kid: str | None, alg: str) -> JWK:
        """The key, if the set has it now; else `UnknownKey`."""
        keys = self.keys
        if not isinstance(keys, JWK):
            return (keys if isinstance(keys, JWKS) else keys()).select(kid=kid, alg=alg)
        # There is no other: without a name of its own it is the key of tokens with any `kid`.
        if (None not in (kid, keys.kid) and kid != keys.kid) or not keys.can_verify:
            raise UnknownKey("the token names another key, or the key does not verify")
        if alg not in keys.algorithms:
            raise UnknownKey("the key is not for the token's alg")
        return keys

    async def afind(self, *, kid: str | None, alg: str) -> JWK:
        """As `find`."""
        return self.find(kid=kid, alg=alg)


@dataclass(frozen=True, slots=True, eq=False)
class Trusted:
    """An issuer as the guard uses it: nothing is left open."""

    issuer: Issuer
    url: str
    audience: tuple[str, ...]
    # One string is compared faster than a collection of one.
    expected: str | tuple[str, ...]
    algorithms: tuple[str, ...]
    leeway: float
    keys: KeySource
    introspector: Introspector | None = None
    revocations: RevocationFeed | None = None

    def health(self) -> KeyHealth | None:
        """What is known of its keys and revocations, where it publishes them; asks nobody."""
        if not isinstance(self.keys, IssuerKeys):
            return None
        feed = None if self.revocations is None else self.revocations.health()
        return replace(self.keys.health(), revocations=feed)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for every issuer of a guard that does not say otherwise."""

    audience: tuple[str, ...]
    algorithms: tuple[str, ...]
    leeway: float
    fetch: Fetch | None
    now: Callable[[], float]
    snapshot: Path | None = None
    revocations: bool = True

    def trust(self, issuer: Issuer) -> Trusted:
        """`issuer` with everything filled in.

        Raises:
            ValueError: its algorithms need a secret that was not given.
        """
        audience = tuple(issuer.audience) if issuer.audience is not None else self.audience
        algorithms = tuple(issuer.algorithms) if issuer.algorithms is not None else self.algorithms
        options.checked_algorithms(algorithms, keys_given=issuer.keys is not None)
        leeway, keys = self.leeway if issuer.leeway is None else issuer.leeway, self._source(issuer)
        return Trusted(
            issuer=issuer,
            url=issuer.url,
            audience=audience,
            expected=audience[0] if len(audience) == 1 else audience,
            algorithms=algorithms,
            leeway=leeway,
            keys=keys,
            introspector=self._introspector(issuer),
            revocations=self._feed(issuer, keys, leeway),
        )

    def _source(self, issuer: Issuer) -> KeySource:
        if issuer.keys is not None:
            return HandedKeys(issuer.keys)
        return IssuerKeys(
            issuer.url,
            now=self.now,
            fetch=self.fetch,
            insecure=issuer.allow_insecure,
            jwks_uri=issuer.jwks_uri,
            snapshot=None if self.snapshot is None else file_in(self.snapshot, issuer.url),
        )

    def _feed(self, issuer: Issuer, keys: KeySource, leeway: float) -> RevocationFeed | None:
        is_wanted = self.revocations if issuer.revocations is None else issuer.revocations
        if not is_wanted or not isinstance(keys, IssuerKeys):
            return None
        return RevocationFeed(issuer.url, keys, now=self.now, leeway=leeway, fetch=self.fetch)

    def _introspector(self, issuer: Issuer) -> Introspector | None:
        if issuer.introspection is None:
            return None
        return Introspector(issuer.introspection, issuer=issuer.url, now=self.now, fetch=self.fetch)


def given_issuers(issuers: tuple[str | Issuer, ...], *, keys: Keys | None, insecure: bool) -> list[Issuer]:
    """Those that a guard is built with, URLs made issuers.

    Raises:
        TypeError, ValueError: one cannot be right or is named twice, or `keys` are not those of one URL.
    """
    if keys is not None and (len(issuers) != 1 or not isinstance(issuers[0], str)):
        raise ValueError("keys are those of one issuer: with several, say Issuer(url, keys=...)")
    made = [
        given if isinstance(given, Issuer) else Issuer(given, keys=keys, allow_insecure=insecure)
        for given in issuers
    ]
    if len({issuer.url for issuer in made}) < len(made):
        raise ValueError("an issuer is named twice")
    return made


def common_audience(given: object, issuers: Iterable[Issuer], *, has_tenants: bool) -> tuple[str, ...]:
    """What an API is called; where that differs by issuer, the first one's names are for its answers.

    Raises:
        TypeError, ValueError: it is left open, or can be no name.
    """
    own = [issuer.audience for issuer in issuers]
    if given is None and own and None not in own and not has_tenants:
        return options.checked_audience(own[0])
    if given is None:
        raise TypeError("audience is missing: the identifier of this API, such as 'https://blog-api'")
    return options.checked_audience(given)


def one_introspected(issuers: Iterable[Trusted]) -> Trusted | None:
    """The issuer that is asked about opaque tokens, if there is one.

    Raises:
        ValueError: there are several.
    """
    asked_about = [trusted for trusted in issuers if trusted.introspector is not None]
    if len(asked_about) > 1:
        # An opaque token does not say whose it is, and no issuer is to see another's.
        raise ValueError("introspection can be that of one issuer only")
    return asked_about[0] if asked_about else None


def _checked_keys(keys: object) -> object:
    if keys is None or isinstance(keys, JWKS | JWK) or callable(keys):
        return keys
    raise TypeError(f"keys is a JWK, a JWKS or a callable that gives one, not {type(keys).__name__}")
