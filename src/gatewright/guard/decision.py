"""The decision: issuers, audience and a rule, a request in, an `AccessToken` or `Denied` out.

One way for every framework, read top to bottom in `_script`: where the token is, whether it is good
(`gatewright.guard.verification`), whether it was revoked, whether it meets the rule. Only the rule answers
403. Callers that block and callers that await share the script and differ in how it is driven.
"""

import asyncio
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gatewright.guard import options
from gatewright.guard.cache import VerifiedTokens
from gatewright.guard.conditions import Situation, Unmet
from gatewright.guard.delivery import Reports
from gatewright.guard.driving import running_loop
from gatewright.guard.errors import (
    Denied,
    InsufficientScope,
    NoToken,
    RuleNotMet,
    StepUpRequired,
)
from gatewright.guard.extraction import TokenPlace, checked_places, words_in
from gatewright.guard.fetching import Fetch
from gatewright.guard.freshness import KeyHealth
from gatewright.guard.issuers import (
    Defaults,
    Issuer,
    Keys,
    Trusted,
    common_audience,
    given_issuers,
    one_introspected,
)
from gatewright.guard.keys import IssuerKeys
from gatewright.guard.reporting import Reporter, reporter_of
from gatewright.guard.request import Request, header_values
from gatewright.guard.revocations import RevokedHook, require_unrevoked
from gatewright.guard.rules import Rule, combine
from gatewright.guard.tenants import Lookup, Tenants
from gatewright.guard.token import AccessToken
from gatewright.guard.verdicts import Observer, Verdict, Verdicts
from gatewright.guard.verification import Verifier
from gatewright.guard.waiting import Script, adrive, drive
from gatewright.guard.walkthrough import Explanation, refused_early, walk
from gatewright.jose import ALGORITHMS, jwt


class Guard:
    """Who may issue tokens for this API, and what the API is called.

    Args:
        issuers: whose tokens are accepted: URLs exactly as they stand in `iss`, or `Issuer(...)`.
        audience: the API's identifier, or several; a token must name one. The first is the `realm`. It may
            be left out only when each issuer has its own.
        algorithms: the signature algorithms allowed.
        keys: with one issuer, a key, a key set, or a callable that gives one at each check, in place of its
            published keys, which are otherwise found by discovery, cached and kept through outages.
        leeway: seconds by which clocks may differ.
        tenants: `tenants(iss)` gives the `Issuer` of that URL or None, sync or async; asked about issuers
            that are not among `issuers`, and remembered for 5 minutes (None: 10 seconds).
        token_from: places beside the Authorization header, such as `cookie("session")`.
        revoked: `revoked(token)` tells whether a good token was revoked, sync or async; asked at each
            check. What it raises is answered with 503.
        revocations: False: do not ask issuers that tell what they revoked before its end, as ours does.
        enforce: False reports what would be refused, and lets everything in.
        cache_size: how many verified tokens are remembered, for at most a minute; 0 for none.
        snapshot: a folder, made if need be, where the processes of a machine share the keys they have
            fetched, so that a cold start needs no issuer; nobody else may write there.
        fetch: `HttpFetch(...)`, or a function of your own: `fetch(url) -> (status, headers, body)`, sync or
            async. It must not follow redirects. An async one runs in the event loop of `acheck`.
        now: seconds since 1970, UTC.
        observe: called once after each decision; what it raises is logged and changes nothing.
        report: `Reports(...)` tells a Gatewright server what is refused and which scopes are used, counted.
        allow_insecure_issuer: allow plain http to an issuer on another machine.

    A guard is thread-safe, survives a fork and needs no running event loop.

    Raises:
        TypeError, ValueError: an argument cannot be right.
    """

    def __init__(  # noqa: PLR0913 - all of them by name, each with its default
        self,
        *issuers: str | Issuer,
        audience: str | Collection[str] | None = None,
        algorithms: Collection[str] = options.DEFAULT_ALGORITHMS,
        keys: Keys | None = None,
        leeway: float = jwt.LEEWAY,
        tenants: Lookup | None = None,
        token_from: Iterable[TokenPlace] = (),
        revoked: RevokedHook | None = None,
        revocations: bool = True,
        enforce: bool = True,
        cache_size: int = 1024,
        snapshot: str | Path | None = None,
        fetch: Fetch | None = None,
        now: Callable[[], float] = time.time,
        observe: Observer | None = None,
        report: Reports | None = None,
        allow_insecure_issuer: bool = False,
    ) -> None:
        trusted = given_issuers(issuers, keys=keys, insecure=allow_insecure_issuer)
        if not trusted and tenants is None:
            raise TypeError("name the issuer whose tokens are accepted, such as 'https://issuer.example/'")
        if keys is not None and fetch is not None:
            raise ValueError("fetch has nothing to fetch where keys are given")
        self._audience = common_audience(audience, trusted, has_tenants=tenants is not None)
        self._algorithms = options.checked_algorithms(
            algorithms, keys_given=any(issuer.keys is not None for issuer in trusted)
        )
        self._token_from = checked_places(token_from)
        self._revoked = revoked
        self._enforce = enforce
        self._leeway = options.checked_leeway(leeway)
        self._now = now
        defaults = Defaults(
            audience=self._audience,
            algorithms=self._algorithms,
            leeway=self._leeway,
            fetch=fetch,
            now=now,
            snapshot=options.made_folder(snapshot),
            revocations=revocations,
        )
        urls = [issuer.url for issuer in trusted]
        reporter = reporter_of(report, urls, self._audience, enforce=enforce, fetch=fetch, now=now)
        self._verdicts = Verdicts(observe=observe, enforce=enforce, reporter=reporter)
        by_url = {issuer.url: defaults.trust(issuer) for issuer in trusted}
        used = {name for issuer in by_url.values() for name in issuer.algorithms}
        self._verifier = Verifier(
            issuers=by_url,
            tenants=None if tenants is None else Tenants(tenants, trust=defaults.trust),
            opaque=one_introspected(by_url.values()),
            algorithms=tuple(ALGORITHMS) if tenants is not None else tuple(sorted(used)),
            realm=self._audience[0],
            now=now,
            cache=VerifiedTokens(options.checked_size(cache_size)),
        )

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
        defaults hold. With GATEWRIGHT_REPORT_CLIENT_ID and GATEWRIGHT_REPORT_CLIENT_SECRET it reports.

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
            report=options.reports_from(environ),
            allow_insecure_issuer=allow_insecure_issuer,
        )

    @property
    def issuer(self) -> str | None:
        """The first issuer named, exactly as it stands in `iss`; None where only `tenants` knows them."""
        return next(iter(self._verifier.issuers), None)

    @property
    def issuers(self) -> tuple[str, ...]:
        """The issuers named, exactly as they stand in `iss`."""
        return tuple(self._verifier.issuers)

    @property
    def audience(self) -> tuple[str, ...]:
        """The names of this API; the first is the `realm` of its answers."""
        return self._audience

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The signature algorithms allowed where an issuer does not say otherwise."""
        return self._algorithms

    @property
    def enforce(self) -> bool:
        """Whether what is refused stays outside."""
        return self._enforce

    def counts(self) -> Mapping[str, int]:
        """How many decisions there were, by reason; `accepted` and `anonymous` are among the reasons."""
        return self._verdicts.counts()

    @property
    def reporter(self) -> Reporter | None:
        """What reports to the server: its `health()`, and `flush()` to send now; None without `report`."""
        return self._verdicts.reporter

    def health(self) -> tuple[KeyHealth, ...]:
        """What is known of the keys and revocations of each issuer that publishes them; asks nobody.

        Of `tenants` there are those looked up not long ago.
        """
        found = (trusted.health() for trusted in self._verifier.trusted())
        return tuple(health for health in found if health is not None)

    def warm(self) -> bool:
        """Fetch the keys of the issuers named before a request needs them; whether all have keys to use.

        Keys that are fresh are not fetched again. It waits as long as a check would, and never raises.
        """
        sources = _published(self._verifier.issuers.values())
        if not sources:
            return True
        with ThreadPoolExecutor(len(sources)) as threads:
            return all(list(threads.map(IssuerKeys.warm, sources)))

    async def awarm(self) -> bool:
        """As `warm`, without blocking the event loop."""
        if running_loop() is None:
            return self.warm()
        sources = _published(self._verifier.issuers.values())
        return all(await asyncio.gather(*(keys.awarm() for keys in sources)))

    def check(self, request: Request, rule: Rule | str | None = None) -> AccessToken:
        """The access token of a request that may enter; any valid token when there is no rule.

        Waits, at most 5 seconds, when the issuer's keys must be fetched first. It refuses also where
        nothing is enforced: `decide` and the adapters are what lets in.

        Raises:
            Denied: the request may not enter; the exception is the answer.
            TypeError, ValueError: `rule` is no rule.
        """
        return _entered(self.decide(request, rule))

    async def acheck(self, request: Request, rule: Rule | str | None = None) -> AccessToken:
        """As `check`, without blocking the event loop; with the key at hand nothing is awaited at all.

        Raises:
            Denied: the request may not enter; the exception is the answer.
            TypeError, ValueError: `rule` is no rule.
        """
        return _entered(await self.adecide(request, rule))

    def decide(self, request: Request, rule: Rule | str | None = None, *, optional: bool = False) -> Verdict:
        """As `check`, but a refusal is given back.

        With `optional` and no rule, a request without a token may enter: None. A token that is not good is
        refused all the same.

        Raises:
            TypeError, ValueError: `rule` is no rule.
        """
        wanted = _wanted(rule)
        try:
            verdict: Verdict = drive(self._script(request, wanted, optional=optional))
        except Denied as refusal:
            verdict = refusal
        self._verdicts.record(request, verdict, wanted)
        return verdict

    async def adecide(
        self, request: Request, rule: Rule | str | None = None, *, optional: bool = False
    ) -> Verdict:
        """As `decide`, without blocking the event loop.

        Raises:
            TypeError, ValueError: `rule` is no rule.
        """
        wanted = _wanted(rule)
        try:
            verdict: Verdict = await adrive(self._script(request, wanted, optional=optional))
        except Denied as refusal:
            verdict = refusal
        self._verdicts.record(request, verdict, wanted)
        return verdict

    def require(self, request: Request, token: AccessToken, rule: Rule | str | None) -> AccessToken:
        """`token`, which this guard accepted before, if it meets one more rule.

        For adapters that learn a rule only after the decision; a refusal is recorded as one of its own.

        Raises:
            Denied: the rule is not met; the exception is the answer.
            TypeError, ValueError: `rule` is no rule.
        """
        wanted = _wanted(rule)
        try:
            self._require(request, token, wanted, leeway=self._leeway)
        except Denied as refusal:
            self._verdicts.record(request, refusal, wanted)
            raise
        self._verdicts.use(request, token, wanted)
        return token

    def explain(self, request: Request | str, rule: Rule | str | None = None) -> Explanation:
        """Every check of a request, or of a bare token, in order and in plain words; nothing is recorded.

        For the API's own developers: it says what was expected.

        Raises:
            TypeError, ValueError: `rule` is no rule.
        """
        wanted = _wanted(rule)
        if isinstance(request, str):
            request = Request("GET", "/", [("Authorization", f"Bearer {request}")])
        try:
            verdict: Verdict = drive(self._script(request, wanted, optional=False))
        except Denied as refusal:
            if refusal.reason in ("no_token", "bad_header"):
                return refused_early(refusal)
            verdict = refusal
        words = words_in(request, self._token_from, realm=self._audience[0]) or ""
        return walk(words, verifier=self._verifier, verdict=verdict, rule=wanted, request=request)

    def _script(self, request: Request, rule: Rule | None, *, optional: bool) -> Script[AccessToken | None]:
        """The way of every request; raises `Denied`."""
        words = words_in(request, self._token_from, realm=self._audience[0])
        if words is None:
            if optional and rule is None:
                return None
            said = "no Authorization header"
            if header_values(request.headers, "authorization"):
                said = "the Authorization header is of another scheme"
            raise NoToken(realm=self._audience[0], detail=said)
        token, trusted = yield from self._verifier.verify(words)
        if self._revoked is not None:
            yield from require_unrevoked(self._revoked, token, realm=self._audience[0])
        self._require(request, token, rule, leeway=trusted.leeway)
        return token

    def _require(self, request: Request, token: AccessToken, rule: Rule | None, *, leeway: float) -> None:
        if rule is None:
            return
        missing = rule.unmet(token, Situation(request, self._now(), leeway))
        if missing is not None:
            raise self._unmet(missing, token, rule)

    def _unmet(self, missing: Unmet, token: AccessToken, rule: Rule) -> Denied:
        realm = self._audience[0]
        detail = f"{rule!r} is required"
        refusal: Denied
        if missing.scopes:
            detail += f", the token of {token.client_id!r} has {' '.join(token.scopes)!r}"
            refusal = InsufficientScope(missing.scopes, realm=realm, detail=detail)
        elif missing.is_step_up:
            refusal = StepUpRequired(
                acr_values=missing.acr_values, max_age=missing.max_age, realm=realm, detail=detail
            )
        else:
            refusal = RuleNotMet(realm=realm, detail=detail)
        refusal.token = token
        return refusal


def _published(issuers: Iterable[Trusted]) -> list[IssuerKeys]:
    return [trusted.keys for trusted in issuers if isinstance(trusted.keys, IssuerKeys)]


def _entered(verdict: Verdict) -> AccessToken:
    if isinstance(verdict, Denied):
        raise verdict
    assert verdict is not None  # noqa: S101 - None is for decisions with `optional` alone
    return verdict


def _wanted(rule: Rule | str | None) -> Rule | None:
    if rule is None or isinstance(rule, Rule):
        return rule
    return combine(rule)
