"""Every check of one token, in order and in plain words, with what would mend the first that fails.

For the API's own developers: it names what was expected, which no answer to a caller does. It goes on after
a failed check, so that two faults are seen at once; what it then reads of the token nobody vouches for.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from gatewright.guard.conditions import Rule, Situation
from gatewright.guard.errors import Denied
from gatewright.guard.explanations import detail_of
from gatewright.guard.issuers import Trusted
from gatewright.guard.request import Request
from gatewright.guard.token import AccessToken
from gatewright.guard.verdicts import Verdict
from gatewright.guard.verification import (
    Claims,
    Verifier,
    is_opaque,
    known_issuer,
    require_access_token,
    require_unbound,
    signing_key,
)
from gatewright.guard.waiting import drive
from gatewright.jose import JWK, JoseError, jws, jwt

FIXES: Final[Mapping[str, str]] = {
    "no_token": "Send it as `Authorization: Bearer TOKEN`.",
    "bad_header": "Send one Authorization header: `Bearer`, one space, the token.",
    "malformed": "It is no signed JWT. An opaque token comes of asking for no audience: name the API's.",
    "alg_not_allowed": "Let the issuer sign with an allowed algorithm, or allow this one in algorithms=.",
    "untrusted_issuer": "Name the issuer exactly as it stands in iss, the last slash included.",
    "unknown_key": "The issuer does not publish this key: is it another issuer's token, or a revoked key?",
    "keys_unavailable": "Let this machine reach the issuer's discovery document and key set.",
    "bad_signature": "The token was changed, or signed by somebody else: take a new one.",
    "wrong_type": "It is an ID token or another kind: send the access token.",
    "bad_claim": "The issuer must send exp, and each claim with its JSON type.",
    "expired": "Take a new token.",
    "not_yet_valid": "Compare the clocks of issuer and API.",
    "wrong_audience": "Ask the token endpoint for this API's audience.",
    "bound_token": "Ask for a token that is not bound to a key: proofs are not checked yet.",
    "inactive": "The issuer calls it inactive: take a new token.",
    "introspection_unavailable": "Let this machine reach the introspection endpoint, with its credentials.",
    "revoked": "Take a new token, if its client may have one still.",
    "insufficient_scope": "Grant the client the missing scope, and take a new token.",
    "rule_not_met": "The claims of the token must meet the rule.",
    "insufficient_user_authentication": "Let the user log in again as the challenge says.",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One check: passed, failed, or None where it could not be made after another had failed."""

    name: str
    passed: bool | None
    said: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the guard says of a token, and why. `fix` is empty when nothing is to be mended."""

    verdict: Verdict
    steps: tuple[Step, ...]
    fix: str

    @property
    def reason(self) -> str:
        """The reason of the refusal; `accepted` for a token that may enter."""
        return self.verdict.reason if isinstance(self.verdict, Denied) else "accepted"

    def __str__(self) -> str:
        marks = {True: "ok  ", False: "FAIL", None: "-   "}
        width = max(len(step.name) for step in self.steps)
        lines = [f"{marks[step.passed]} {step.name:<{width}}  {step.said}" for step in self.steps]
        return "\n".join([*lines, f"=> {self.reason}", *([self.fix] if self.fix else [])])


@dataclass(slots=True)
class _Found:
    """What is known of the token so far; each check adds to it."""

    signed: jws.JWS | None = None
    claims: Claims = field(default_factory=dict)
    trusted: Trusted | None = None
    key: JWK | None = None
    token: AccessToken | None = None


def walk(
    token: str, *, verifier: Verifier, verdict: Verdict, rule: Rule | None, request: Request
) -> Explanation:
    """All checks of `token`; `verdict` is what the guard itself has said of it."""
    found = _Found()
    if verifier.opaque is not None and is_opaque(token):
        steps = [_introspection(verifier.opaque, verdict, found)]
    else:
        steps = list(_steps(token, verifier, found))
    if rule is not None:
        steps.append(_rule_step(rule, found, request, verifier.now()))
    if isinstance(verdict, Denied) and all(step.passed is not False for step in steps):
        # Such as revocation: asked by the guard alone.
        steps.append(Step(verdict.reason, passed=False, said=verdict.detail))
    reason = verdict.reason if isinstance(verdict, Denied) else ""
    return Explanation(verdict, tuple(steps), FIXES.get(reason, ""))


def refused_early(verdict: Denied) -> Explanation:
    """A request in which no token could be found."""
    step = Step("header", passed=False, said=verdict.detail)
    return Explanation(verdict, (step,), FIXES.get(verdict.reason, ""))


def _steps(token: str, verifier: Verifier, found: _Found) -> Iterator[Step]:
    def detail(error: JoseError) -> str:
        return detail_of(
            error, found.claims, issuers=verifier.issuers, trusted=found.trusted, now=verifier.now()
        )

    checks: tuple[tuple[str, Callable[[], str | None]], ...] = (
        ("grammar", lambda: _parse(token, found)),
        ("claims", lambda: _read_claims(found)),
        ("issuer", lambda: _issuer(verifier, found)),
        ("algorithm", lambda: _algorithm(verifier, found)),
        ("key", lambda: _key(verifier, found)),
        ("signature", lambda: _signature(found)),
        ("type", lambda: _type(found)),
        ("claim types", lambda: _claim_types(found)),
        ("times", lambda: _times(found, verifier.now())),
        ("audience", lambda: _audience(found)),
        ("binding", lambda: _binding(found)),
    )
    for name, check in checks:
        try:
            said = check()
        except JoseError as error:
            yield Step(name, passed=False, said=detail(error))
        except Denied as refusal:
            yield Step(name, passed=False, said=refusal.detail)
        else:
            yield Step(name, passed=None if said is None else True, said=said or "not looked at")


def _parse(token: str, found: _Found) -> str:
    found.signed = jws.parse(token)
    return f"a signed JWT of {len(token)} characters"


def _read_claims(found: _Found) -> str | None:
    if found.signed is None:
        return None
    found.claims = jwt.claims(found.signed)
    return f"{len(found.claims)} claims"


def _issuer(verifier: Verifier, found: _Found) -> str | None:
    if not found.claims:
        return None
    found.trusted = drive(known_issuer(verifier, found.claims))
    return found.trusted.url


def _algorithm(verifier: Verifier, found: _Found) -> str | None:
    if found.signed is None:
        return None
    allowed = verifier.algorithms if found.trusted is None else found.trusted.algorithms
    jws.check_algorithm(found.signed, allowed)
    return f"{found.signed.alg}, allowed: {', '.join(allowed)}"


def _key(verifier: Verifier, found: _Found) -> str | None:
    if found.signed is None or found.trusted is None:
        return None
    found.key = drive(signing_key(verifier, found.signed, found.trusted))
    return f"kid {found.signed.kid!a}, {found.key.kty}"


def _signature(found: _Found) -> str | None:
    if found.signed is None or found.key is None or found.trusted is None:
        return None
    jws.verify(found.signed, found.key, algorithms=found.trusted.algorithms)
    return "made by this key"


def _type(found: _Found) -> str | None:
    if found.signed is None:
        return None
    jwt.check_type(found.signed)
    require_access_token(found.signed, found.claims)
    return f"an access token, typ {found.signed.typ!a}"


def _claim_types(found: _Found) -> str | None:
    if found.trusted is None:
        return None
    jwt.check_types(found.claims)
    found.token = AccessToken.from_claims(
        {"aud": [], **found.claims}, scope_claim=found.trusted.issuer.scope_claim
    )
    return f"client {found.token.client_id!a}, scope {' '.join(found.token.scopes)!a}"


def _times(found: _Found, now: float) -> str | None:
    if found.token is None or found.trusted is None:
        return None
    jwt.check_time(found.claims, now=now, leeway=found.trusted.leeway)
    return f"expires in {found.token.expires_at - now:.0f} s, leeway {found.trusted.leeway:.0f} s"


def _audience(found: _Found) -> str | None:
    if found.trusted is None or found.token is None:
        return None
    jwt.check_audience(found.claims, audience=found.trusted.expected)
    return f"{' or '.join(found.trusted.audience)}"


def _binding(found: _Found) -> str | None:
    if not found.claims:
        return None
    require_unbound(found.claims)
    return "a bearer token"


def _introspection(trusted: Trusted, verdict: Verdict, found: _Found) -> Step:
    """What the issuer has said of an opaque token: all that can be known of it."""
    found.trusted = trusted
    found.token = verdict.token if isinstance(verdict, Denied) else verdict
    if found.token is None:
        said = verdict.detail if isinstance(verdict, Denied) else ""
        return Step("introspection", passed=False, said=said)
    return Step("introspection", passed=True, said=f"{trusted.url} calls it active")


def _rule_step(rule: Rule, found: _Found, request: Request, now: float) -> Step:
    if found.token is None:
        return Step("rule", passed=None, said=f"{rule!r}, not looked at")
    leeway = found.trusted.leeway if found.trusted is not None else 0.0
    missing = rule.unmet(found.token, Situation(request, now, leeway))
    if missing is None:
        return Step("rule", passed=True, said=repr(rule))
    lacks = [scope for scope in missing.scopes if scope not in found.token.scopes]
    said = f"{rule!r} is required" + (f": the token lacks {' '.join(lacks)}" if lacks else "")
    return Step("rule", passed=False, said=said)
