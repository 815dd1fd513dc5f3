"""From the words after `Bearer` to claims that may be believed.

One order of checks: sizes and grammar, algorithm, issuer (before any network, so that no token can send
the guard anywhere), key, signature, type, times, audience, binding. Each step is a function of its own, so
that `gatewright.guard.explanations` can tell them one by one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from gatewright.guard.cache import Verified, VerifiedTokens
from gatewright.guard.errors import InvalidToken, KeysUnavailable, Unavailable
from gatewright.guard.explanations import detail_of
from gatewright.guard.introspection import Introspector
from gatewright.guard.issuers import Trusted
from gatewright.guard.refresh import FetchFailed
from gatewright.guard.tenants import Tenants, may_be_issuer
from gatewright.guard.token import AccessToken, client_of
from gatewright.guard.waiting import Script, Want, asked
from gatewright.jose import JWK, JoseError, jws, jwt
from gatewright.jose.errors import UntrustedIssuer, WrongType

Claims = dict[str, object]

# What an ID token or a logout token has and an access token of the kind without its own `typ` has not
# (OpenID Connect Core, sections 2 and 3.3.2.11; RFC 8417, section 2).
_FOREIGN_MARKS: Final = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events"})


_DOTS_OF_A_JWT: Final = 2
# RFC 6750, section 2.1, within the limits of any token.
_B64TOKEN: Final = re.compile(rf"[A-Za-z0-9._~+/-]{{1,{jws.MAX_LENGTH}}}=*")


class BoundToken(JoseError):
    """The token is bound to a key of its holder (RFC 7800): whoever sends it as Bearer has proved nothing."""

    code = "bound_token"


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies tokens of the issuers that it was given, or that `tenants` knows.

    `opaque` is the issuer that is asked about tokens that are no JWTs; `algorithms` are all that any of the
    issuers may use.
    """

    issuers: Mapping[str, Trusted]
    tenants: Tenants | None
    opaque: Trusted | None
    algorithms: tuple[str, ...]
    realm: str
    now: Callable[[], float]
    cache: VerifiedTokens

    def verify(self, token: str) -> Script[tuple[AccessToken, Trusted]]:
        """The access token, when everything about it is right, and its issuer.

        Raises:
            Denied: it is not, or nobody can tell.
        """
        known = self.cache.get(token, self.now())
        if known is not None and self._still_trusts(known.trusted):
            return (yield from self._unrevoked(known))
        if self.opaque is not None and is_opaque(token):
            return (yield from self._introspected(token, self.opaque))
        claims: Claims = {}
        trusted: Trusted | None = None
        try:
            signed = parse(token, algorithms=self.algorithms)
            claims = jwt.claims(signed)
            trusted = yield from known_issuer(self, claims)
            key = yield from signing_key(self, signed, trusted)
            verified = Verified(
                token=judge(signed, claims, key, trusted=trusted, now=self.now()),
                trusted=trusted,
                key=key,
                kid=signed.kid,
                alg=signed.alg,
                not_before=cast("float", claims.get("nbf", float("-inf"))),
                at=self.now(),
            )
        except JoseError as error:
            raise self.invalid(error, claims, trusted) from error
        self.cache.put(token, verified)
        return (yield from self._unrevoked(verified))

    def trusted(self) -> list[Trusted]:
        """The issuers named, and the tenants looked up not long ago."""
        return [*self.issuers.values(), *(self.tenants.known() if self.tenants is not None else ())]

    def _unrevoked(self, verified: Verified) -> Script[tuple[AccessToken, Trusted]]:
        """What was verified, now or a while ago, if its issuer has not revoked it since."""
        feed = verified.trusted.revocations
        if feed is None:
            return verified.token, verified.trusted
        wanted = feed.want()
        if wanted is not None:
            yield wanted
        said = feed.tells(verified.token, verified.key.kid)
        if said is not None:
            raise InvalidToken("revoked", realm=self.realm, detail=said)
        return verified.token, verified.trusted

    def _introspected(self, token: str, trusted: Trusted) -> Script[tuple[AccessToken, Trusted]]:
        """An opaque token, by what its issuer says of it (RFC 7662)."""
        introspector = cast("Introspector", trusted.introspector)
        claims: Claims = {}
        try:
            known = introspector.known(token, self.now())
            if known is None:
                known = yield Want(lambda: introspector.find(token), lambda: introspector.afind(token))
            claims = known
            return judge_introspected(claims, trusted=trusted, now=self.now()), trusted
        except FetchFailed as error:
            detail = str(error)
            raise Unavailable("introspection_unavailable", realm=self.realm, detail=detail) from error
        except JoseError as error:
            raise self.invalid(error, claims, trusted) from error

    def _still_trusts(self, trusted: Trusted) -> bool:
        if self.tenants is None or self.issuers.get(trusted.url) is trusted:
            return True
        found = self.tenants.remembered(trusted.url, self.now())
        return found is not None and found.trusted is trusted

    def invalid(self, error: JoseError, claims: Claims, trusted: Trusted | None) -> InvalidToken:
        """The refusal of a token for `error`."""
        detail = detail_of(error, claims, issuers=self.issuers, trusted=trusted, now=self.now())
        return InvalidToken(error.code, realm=self.realm, detail=detail)


def is_opaque(token: str) -> bool:
    """Whether it is a sound token and no JWT: only its issuer can tell what it is."""
    return token.count(".") != _DOTS_OF_A_JWT and _B64TOKEN.fullmatch(token) is not None


def known_issuer(verifier: Verifier, claims: Claims) -> Script[Trusted]:
    """The issuer that the claims name, if it is one of those trusted or the lookup of tenants knows it.

    Raises:
        UntrustedIssuer: it is none of them.
        Unavailable: the lookup failed.
    """
    url, tenants = claims.get("iss"), verifier.tenants
    trusted = verifier.issuers.get(url) if isinstance(url, str) else None
    if trusted is not None:
        return trusted
    if tenants is None or not isinstance(url, str) or not may_be_issuer(url):
        raise UntrustedIssuer("iss is not a trusted issuer")
    found = tenants.remembered(url, verifier.now())
    if found is not None:
        trusted = found.trusted
    else:
        try:
            said = yield asked(tenants.lookup, url)
        except Exception as error:
            detail = f"tenants raised {type(error).__name__}: {error}"
            raise Unavailable("issuers_unavailable", realm=verifier.realm, detail=detail) from error
        trusted = tenants.remember(url, said, verifier.now())
    if trusted is None:
        raise UntrustedIssuer("iss is not a trusted issuer")
    return trusted


def signing_key(verifier: Verifier, signed: jws.JWS, trusted: Trusted) -> Script[JWK]:
    """The key that the token names, if its issuer has it and the algorithm is allowed.

    Raises:
        JoseError: it has not, or it is not.
        KeysUnavailable: nobody can tell now.
    """
    jws.check_algorithm(signed, trusted.algorithms)
    keys, kid, alg = trusted.keys, signed.kid, signed.alg
    key = keys.known(kid=kid, alg=alg, now=verifier.now())
    if key is not None:
        return key
    try:
        found: JWK = yield Want(lambda: keys.find(kid=kid, alg=alg), lambda: keys.afind(kid=kid, alg=alg))
    except FetchFailed as error:
        raise KeysUnavailable(realm=verifier.realm, detail=str(error)) from error
    return found


def parse(token: str, *, algorithms: tuple[str, ...]) -> jws.JWS:
    """The parts of a token within its limits, if its algorithm is one of those.

    Raises:
        JoseError: it is no sound token, or of another algorithm.
    """
    signed = jws.parse(token)
    jws.check_algorithm(signed, algorithms)
    return signed


def judge(signed: jws.JWS, claims: Claims, key: JWK, *, trusted: Trusted, now: float) -> AccessToken:
    """The access token, if signature, type, times, audience and binding are right.

    Raises:
        JoseError: one of them is not.
    """
    jws.verify(signed, key, algorithms=trusted.algorithms)
    jwt.check_type(signed)
    jwt.check_types(claims)
    require_access_token(signed, claims)
    jwt.check_time(claims, now=now, leeway=trusted.leeway)
    jwt.check_audience(claims, audience=trusted.expected)
    token = AccessToken.from_claims(claims, scope_claim=trusted.issuer.scope_claim)
    require_unbound(claims)
    return token


def judge_introspected(claims: Claims, *, trusted: Trusted, now: float) -> AccessToken:
    """The access token that an issuer has called active, if all it says of it is right for this API.

    Raises:
        JoseError: it is not.
    """
    jwt.check_types(claims)
    jwt.check_issuer(claims, issuer=trusted.url)
    jwt.check_time(claims, now=now, leeway=trusted.leeway)
    settings = trusted.issuer.introspection
    if "aud" in claims or settings is None or settings.require_audience:
        jwt.check_audience(claims, audience=trusted.expected)
    require_unbound(claims)
    return AccessToken.from_claims({"aud": [], **claims}, scope_claim=trusted.issuer.scope_claim)


def require_access_token(signed: jws.JWS, claims: Mapping[str, object]) -> None:
    """Refuse another kind of token that says no type of its own (RFC 8725, section 3.11).

    Raises:
        WrongType: an ID token, a logout token or a security event.
    """
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


def require_unbound(claims: Mapping[str, object]) -> None:
    """Refuse a token that is bound to a key: no proof of possession can be checked yet.

    Raises:
        BoundToken: the token has a `cnf`.
    """
    if "cnf" in claims:
        raise BoundToken("cnf cannot be checked yet")
