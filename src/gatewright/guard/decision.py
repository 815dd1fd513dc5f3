"""The decision: issuer, audience and a rule, a request in, an `AccessToken` or `Denied` out.

One order of checks for every framework: sizes and grammar, algorithm, issuer (before any network, so
that no token can send the guard anywhere), key, signature, type, times, audience, binding, rule. Only the
rule answers 403. The steps take no part in fetching keys; `check` and `acheck` differ in nothing else.
"""

import logging
import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from gatewright.guard import options
from gatewright.guard.errors import (
    BadHeader,
    Denied,
    InsufficientScope,
    InvalidToken,
    KeysUnavailable,
    NoToken,
    RuleNotMet,
)
from gatewright.guard.explanations import explain
from gatewright.guard.fetching import Fetch
from gatewright.guard.keys import IssuerKeys
from gatewright.guard.refresh import FetchFailed
from gatewright.guard.request import Request, authorization_values, bearer_token
from gatewright.guard.rules import Rule, combine
from gatewright.guard.token import AccessToken, client_of
from gatewright.jose import JWK, JWKS, JoseError, jws, jwt
from gatewright.jose.errors import UnknownKey, WrongType

Observer = Callable[[Request, AccessToken | Denied], None]

# What an ID token or a logout token has and an access token of the kind without its own `typ` has not
# (OpenID Connect Core, sections 2 and 3.3.2.11; RFC 8417, section 2).
_FOREIGN_MARKS: Final = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events"})
_WARNED_OF: Final = frozenset({"bad_signature", "keys_unavailable"})

logger = logging.getLogger("gatewright.guard")


@dataclass(frozen=True, slots=True)
class _HandedKeys:
    """Keys that the program has already; asked for at each check, so that a ring may rotate."""

    keys: Callable[[], JWKS]

    def known(self, *, kid: str | None, alg: str, now: float) -> JWK | None:  # noqa: ARG002 - as IssuerKeys
        try:
            return self.find(kid=kid, alg=alg)
        except UnknownKey:
            return None

    def find(self, *, kid: str | None, alg: str) -> JWK:
        return self.keys().select(kid=kid, alg=alg)

    async def afind(self, *, kid: str | None, alg: str) -> JWK:
        return self.find(kid=kid, alg=alg)


class Guard:
    """Who may issue tokens for this API, and what the API is called.

    Args:
        issuer: the issuer's URL, exactly as it stands in `iss`.
        audience: the API's identifier, or several; a token must name one. The first is the `realm`.
        algorithms: the signature algorithms allowed.
        keys: a key set, or a callable that gives one at each check, in place of the issuer's published
            keys, which are otherwise found by discovery, cached and kept through outages.
        leeway: seconds by which clocks may differ.
        fetch: gets a URL in place of the standard library: `fetch(url) -> (status, headers, body)`, sync
            or async. It must not follow redirects. An async one runs in the event loop of `acheck`.
        now: seconds since 1970, UTC.
        observe: called once after each decision; what it raises is logged and changes nothing.
        allow_insecure_issuer: allow plain http to an issuer on another machine.

    A guard is thread-safe, survives a fork and needs no running event loop.

    Raises:
        TypeError, ValueError: an argument cannot be right.
    """

    def __init__(
        self,
        issuer: str,
        *,
        audience: str | Collection[str],
        algorithms: Collection[str] = options.DEFAULT_ALGORITHMS,
        keys: JWKS | Callable[[], JWKS] | None = None,
        leeway: float = jwt.LEEWAY,
        fetch: Fetch | None = None,
        now: Callable[[], float] = time.time,
        observe: Observer | None = None,
        allow_insecure_issuer: bool = False,
    ) -> None:
        self._issuer = options.checked_issuer(issuer, allow_insecure=allow_insecure_issuer)
        self._audience = options.checked_audience(audience)
        self._algorithms = options.checked_algorithms(algorithms, keys_given=keys is not None)
        self._leeway = options.checked_leeway(leeway)
        self._now = now
        self._observe = observe
        self._realm = self._audience[0]
        # One string is compared faster than a collection of one.
        self._expected = self._audience[0] if len(self._audience) == 1 else self._audience
        self._keys = self._source(keys, fetch, insecure=allow_insecure_issuer)

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] = os.environ,
        *,
        fetch: Fetch | None = None,
        observe: Observer | None = None,
        allow_insecure_issuer: bool = False,
    ) -> "Guard":
        """A guard as GATEWRIGHT_ISSUER, GATEWRIGHT_AUDIENCE and GATEWRIGHT_ALGORITHMS say.

        Several audiences are parted by spaces, algorithms by spaces or commas; without algorithms the
        defaults hold.

        Raises:
            ValueError: something is missing or wrong; all of it is told at once.
        """
        issuer, audience, algorithms = options.from_environment(environ, allow_insecure=allow_insecure_issuer)
        return cls(
            issuer,
            audience=audience,
            algorithms=algorithms,
            fetch=fetch,
            observe=observe,
            allow_insecure_issuer=allow_insecure_issuer,
        )

    @property
    def issuer(self) -> str:
        """The issuer trusted, exactly as it stands in `iss`."""
        return self._issuer

    @property
    def audience(self) -> tuple[str, ...]:
        """The names of this API; the first is the `realm` of its answers."""
        return self._audience

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The signature algorithms allowed."""
        return self._algorithms

    def check(self, request: Request, rule: Rule | str | None = None) -> AccessToken:
        """The access token of a request that may enter; any valid token when there is no rule.

        Waits, at most 5 seconds, when the issuer's keys must be fetched first.

        Raises:
            Denied: the request may not enter; the exception is the answer.
            TypeError, ValueError: `rule` is no rule.
        """
        wanted = _wanted(rule)
        try:
            signed, claims = self._read(request)
            key = self._keys.known(kid=signed.kid, alg=signed.alg, now=self._now())
            if key is None:
                try:
                    key = self._keys.find(kid=signed.kid, alg=signed.alg)
                except (UnknownKey, FetchFailed) as error:
                    self._refuse_keyless(error, claims)
            token = self._judge(signed, claims, key, wanted)
        except Denied as refusal:
            self._record(request, refusal)
            raise
        self._record(request, token)
        return token

    async def acheck(self, request: Request, rule: Rule | str | None = None) -> AccessToken:
        """As `check`, without blocking the event loop; with the key at hand nothing is awaited at all.

        Raises:
            Denied: the request may not enter; the exception is the answer.
            TypeError, ValueError: `rule` is no rule.
        """
        wanted = _wanted(rule)
        try:
            signed, claims = self._read(request)
            key = self._keys.known(kid=signed.kid, alg=signed.alg, now=self._now())
            if key is None:
                try:
                    key = await self._keys.afind(kid=signed.kid, alg=signed.alg)
                except (UnknownKey, FetchFailed) as error:
                    self._refuse_keyless(error, claims)
            token = self._judge(signed, claims, key, wanted)
        except Denied as refusal:
            self._record(request, refusal)
            raise
        self._record(request, token)
        return token

    def require(self, request: Request, token: AccessToken, rule: Rule | str | None) -> AccessToken:
        """`token`, which this guard accepted before, if it meets one more rule.

        For adapters that learn a rule only after the decision; a refusal is recorded as one of its own.

        Raises:
            Denied: the rule is not met; the exception is the answer.
            TypeError, ValueError: `rule` is no rule.
        """
        try:
            self._require(token, _wanted(rule))
        except Denied as refusal:
            self._record(request, refusal)
            raise
        return token

    def _source(
        self, keys: JWKS | Callable[[], JWKS] | None, fetch: Fetch | None, *, insecure: bool
    ) -> IssuerKeys | _HandedKeys:
        if keys is None:
            return IssuerKeys(self._issuer, now=self._now, fetch=fetch, insecure=insecure)
        if fetch is not None:
            raise ValueError("fetch has nothing to fetch where keys are given")
        if isinstance(keys, JWKS):
            return _HandedKeys(lambda: keys)
        if not callable(keys):
            raise TypeError(f"keys is a JWKS or a callable that gives one, not {keys!r}")
        return _HandedKeys(keys)

    def _read(self, request: Request) -> tuple[jws.JWS, dict[str, object]]:
        """The token of a request and its claims, judged as far as it can be without a key: not believed."""
        values = authorization_values(request.headers)
        if len(values) > 1:
            raise BadHeader(realm=self._realm, detail="more than one Authorization header")
        words = bearer_token(values[0]) if values else None
        if words is None:
            said = "the Authorization header is of another scheme" if values else "no Authorization header"
            raise NoToken(realm=self._realm, detail=said)
        if not words or " " in words:
            raise BadHeader(realm=self._realm, detail="Bearer must be followed by one word")
        claims: dict[str, object] = {}
        try:
            signed = jws.parse(words)
            jws.check_algorithm(signed, self._algorithms)
            claims = jwt.claims(signed)
            jwt.check_issuer(claims, issuer=self._issuer)
        except JoseError as error:
            raise self._invalid(error, claims) from error
        return signed, claims

    def _judge(self, signed: jws.JWS, claims: dict[str, object], key: JWK, rule: Rule | None) -> AccessToken:
        try:
            jws.verify(signed, key, algorithms=self._algorithms)
            jwt.check_type(signed)
            jwt.check_types(claims)
            _require_access_token(signed, claims)
            jwt.check_time(claims, now=self._now(), leeway=self._leeway)
            jwt.check_audience(claims, audience=self._expected)
            token = AccessToken.from_claims(claims)
        except JoseError as error:
            raise self._invalid(error, claims) from error
        if "cnf" in claims:
            # Bound to a key of its holder (RFC 7800): whoever sends it as Bearer has proved nothing.
            raise InvalidToken("bound_token", realm=self._realm, detail="cnf cannot be checked yet")
        self._require(token, rule)
        return token

    def _require(self, token: AccessToken, rule: Rule | None) -> None:
        missing = rule.unmet(token) if rule is not None else None
        if missing is None:
            return
        detail = f"{rule!r} is required, the token of {token.client_id!r} has {' '.join(token.scopes)!r}"
        if missing.scopes:
            raise InsufficientScope(missing.scopes, realm=self._realm, detail=detail)
        raise RuleNotMet(realm=self._realm, detail=f"{rule!r} is required")

    def _invalid(self, error: JoseError, claims: Mapping[str, object]) -> InvalidToken:
        detail = explain(error, claims, issuer=self._issuer, audience=self._audience, now=self._now())
        return InvalidToken(error.code, realm=self._realm, detail=detail)

    def _refuse_keyless(self, error: UnknownKey | FetchFailed, claims: Mapping[str, object]) -> NoReturn:
        if isinstance(error, UnknownKey):
            raise self._invalid(error, claims) from error
        raise KeysUnavailable(realm=self._realm, detail=str(error)) from error

    def _record(self, request: Request, decision: AccessToken | Denied) -> None:
        if isinstance(decision, Denied):
            level = logging.WARNING if decision.reason in _WARNED_OF else logging.INFO
            # Without the query: some callers put their token there, which is wrong but no reason to log it.
            path = request.url.partition("?")[0]
            logger.log(
                level, "refused %r %r: %s (%s)", request.method, path, decision.reason, decision.detail
            )
        if self._observe is None:
            return
        try:
            self._observe(request, decision)
        except Exception:
            logger.exception("observe raised; the decision stands")


def _wanted(rule: Rule | str | None) -> Rule | None:
    if rule is None or isinstance(rule, Rule):
        return rule
    return combine(rule)


def _require_access_token(signed: jws.JWS, claims: Mapping[str, object]) -> None:
    """Refuse another kind of token that says no type of its own (RFC 8725, section 3.11)."""
    if (signed.typ or "").lower().removeprefix("application/") == "at+jwt":
        return
    marks = _FOREIGN_MARKS.intersection(claims)
    if marks:
        raise WrongType(f"{', '.join(sorted(marks))}: the mark of an ID token or a security event")
    client_id, audience = client_of(claims), claims.get("aud")
    if client_id is not None and (
        audience == client_id or (isinstance(audience, list) and client_id in audience)
    ):
        raise WrongType("aud is the client itself: an ID token")
