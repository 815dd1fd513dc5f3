"""The requests that each guarded route must refuse: one for every defect that a bearer token may have.

A refusal is judged by its status, its error, the grammar of its challenge (RFC 6750, section 3), the
reason that the guard gave, so that none is refused for the wrong one, and by the endpoint not having run.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from gatewright.guard import AccessToken, Denied, Guard, Request
from gatewright.guard.conditions import (
    Acr,
    Both,
    ClaimContains,
    ClaimEquals,
    Either,
    Fresh,
    PathParameter,
)
from gatewright.guard.routes import MESSAGES
from gatewright.guard.rules import Rule, alternatives
from gatewright.jose.encoding import decode, encode
from gatewright.testing.calling import Reply, call, entered
from gatewright.testing.issuer import CLIENT, LIFETIME, TokenIssuer
from gatewright.testing.messages import HEADERS, message

Headers = dict[str, str]
Forge = Callable[[TokenIssuer, tuple[str, ...]], Headers]

_PARAMETER: Final = r'[a-z_]+="[\x20\x21\x23-\x5b\x5d-\x7e]*"'
_CHALLENGE: Final = re.compile(rf"Bearer {_PARAMETER}(, {_PARAMETER})*")
_FOREIGN: Final = TokenIssuer("https://another-issuer.test/")


class RouteLike(Protocol):
    """What is asked of a route: as `gatewright.guard.routes.Route`."""

    @property
    def method(self) -> str:
        """Such as GET."""
        ...

    @property
    def path(self) -> str:
        """Such as `/blogs/{id}`."""
        ...

    @property
    def rule(self) -> Rule | None:
        """What a token must meet beyond being valid."""
        ...

    @property
    def endpoint(self) -> str:
        """What serves it, `module.qualified_name`; empty where none is known."""
        ...


@dataclass(frozen=True, slots=True)
class Negative:
    """One request that must be refused; as a string it is `GET /blogs x expired`."""

    route: RouteLike
    defect: str
    status: int
    error: str
    reasons: frozenset[str]
    forge: Forge
    scopes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.route.method} {self.route.path} x {self.defect}"


def negatives(routes: Iterable[RouteLike]) -> list[Negative]:
    """The requests that each of these routes must refuse."""
    return [negative for route in routes for negative in _of(route)]


def check(
    app: object,
    guard: Guard,
    negative: Negative,
    *,
    issuer: TokenIssuer | None = None,
    path_values: Mapping[str, str] | None = None,
) -> None:
    """Send one of the requests to `app` in this process, and judge the answer.

    `guard` trusts `issuer` meanwhile, a new one unless given. `path_values` fill the parameters of the
    route's path; others become `1`.

    Raises:
        AssertionError: it was not refused as it must be; the message names the route and what went wrong.
    """
    sender = issuer or TokenIssuer()
    method, path, more, body = _request(negative.route, path_values or {})
    with sender.trusted_by(guard), _decisions(guard) as decisions:
        headers = negative.forge(sender, negative.scopes) | more
        with entered(negative.route.endpoint) as ran:
            reply = call(app, method, path, headers, body)
    faults = list(_faults(negative, method, reply, decisions, ran))
    if faults:
        raise AssertionError(f"{negative}: {'; '.join(faults)}")


def _request(route: RouteLike, values: Mapping[str, str]) -> tuple[str, str, Headers, bytes]:
    if route.method in MESSAGES:
        path, _, name = route.path.partition("#")
        return "POST", path, HEADERS, message(route.method, name, values)
    return "GET" if route.method == "*" else route.method, _filled(route.path, values), {}, b""


def _of(route: RouteLike) -> Iterator[Negative]:
    ways = alternatives(route.rule)
    scopes = ways[0]
    for defect, (status, error, reasons, forge) in _DEFECTS.items():
        yield Negative(route, defect, status, error, frozenset(reasons), forge, scopes)
    for scope in scopes:
        left = tuple(other for other in scopes if other != scope)
        if any(set(way) <= set(left) for way in ways):
            continue
        lacking = frozenset({"insufficient_scope", "rule_not_met"})
        yield Negative(
            route, f"without {scope}", 403, "insufficient_scope", lacking, _meeting(route.rule), left
        )


def _faults(
    negative: Negative,
    method: str,
    reply: Reply,
    decisions: list[AccessToken | Denied | None],
    ran: list[str],
) -> Iterator[str]:
    if ran:
        yield f"the endpoint {negative.route.endpoint} ran"
    if reply.status != negative.status:
        yield f"status {reply.status} where {negative.status} is due"
    challenges = reply.values("www-authenticate")
    if len(challenges) != 1 or not _CHALLENGE.fullmatch(challenges[0]):
        yield f"one challenge as RFC 6750 says is due, not {challenges}"
    elif (negative.error != "unauthorized") != (f'error="{negative.error}"' in challenges[0]):
        yield f"the challenge tells another error than {negative.error}: {challenges[0]}"
    if method not in {"HEAD", "WEBSOCKET"} and _error(reply.body) != negative.error:
        yield f"the body does not tell the error {negative.error}"
    # A message is looked into only after its token was accepted: what counts is the last word.
    counted = decisions[-1:] if negative.route.method in MESSAGES else decisions
    reasons = [one.reason if isinstance(one, Denied) else "accepted" for one in counted]
    if not reasons:
        yield "the guard was not asked"
    elif not negative.reasons.issuperset(reasons):
        yield f"the guard decided {', '.join(reasons)} where {' or '.join(sorted(negative.reasons))} is due"


def _error(body: bytes) -> object:
    try:
        said: object = json.loads(body)
    except ValueError:
        return None
    return said.get("error") if isinstance(said, dict) else None


class _decisions:  # noqa: N801 - used as the context manager that it is
    """Notes what the guard decides, beside its own observer."""

    def __init__(self, guard: Guard) -> None:
        inside: Any = guard
        self._verdicts: Any = inside._verdicts  # noqa: SLF001 - the guard's other half
        self._before = self._verdicts._observe  # noqa: SLF001 - as above
        self._seen: list[AccessToken | Denied | None] = []

    def __enter__(self) -> list[AccessToken | Denied | None]:
        self._verdicts._observe = self._note  # noqa: SLF001 - as above
        return self._seen

    def __exit__(self, *failure: object) -> None:
        self._verdicts._observe = self._before  # noqa: SLF001 - as above

    def _note(self, request: Request, decision: AccessToken | Denied | None) -> None:
        self._seen.append(decision)
        if self._before is not None:
            self._before(request, decision)


def _filled(path: str, values: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        return values.get(found[1] or found[2], "1")

    return re.sub(r"\{([^}:]+)[^}]*\}|<(?:[^:>]*:)?([^>]+)>", value, path).replace("*", "1")


def _bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


def _meeting(rule: Rule | None) -> Forge:
    """A token that meets all that the rule asks beside scopes, so that a scope is what it lacks."""
    return lambda issuer, scopes: issuer.bearer(*scopes, claims=dict(_asked(rule, issuer.clock())))


def _asked(rule: Rule | None, now: float) -> Iterator[tuple[str, object]]:
    match rule:
        case Both(parts):
            for part in parts:
                yield from _asked(part, now)
        case Either(parts):
            yield from _asked(parts[0], now)
        case Fresh():
            yield "auth_time", int(now)
        case Acr(values):
            yield "acr", values[0]
        case ClaimEquals((name,), value) if not isinstance(value, PathParameter):
            yield name, value
        case ClaimContains((name,), value) if not isinstance(value, PathParameter):
            yield name, [value]
        case _:
            return


def _with(typ: str = "at+jwt", **claims: object) -> Forge:
    return lambda issuer, scopes: issuer.bearer(*scopes, typ=typ, claims=claims)


def _not_yet_valid(issuer: TokenIssuer, scopes: tuple[str, ...]) -> Headers:
    return issuer.bearer(*scopes, claims={"nbf": int(issuer.clock()) + LIFETIME // 2})


def _by_another(issuer: TokenIssuer, scopes: tuple[str, ...]) -> Headers:
    stranger = TokenIssuer(_FOREIGN.url, algorithm=issuer.algorithm)
    return issuer.bearer(*scopes, key=stranger.key)


def _unknown_kid(issuer: TokenIssuer, scopes: tuple[str, ...]) -> Headers:
    return _bearer(_resigned(issuer, scopes, kid="unknown"))


def _unsigned(issuer: TokenIssuer, scopes: tuple[str, ...]) -> Headers:
    header, payload, _ = issuer.token(*scopes).split(".")
    return _bearer(f"{_changed(header, alg='none')}.{payload}.")


def _resigned(issuer: TokenIssuer, scopes: tuple[str, ...], **members: object) -> str:
    header, payload, signature = issuer.token(*scopes).split(".")
    return f"{_changed(header, **members)}.{payload}.{signature}"


def _public_key_as_secret(issuer: TokenIssuer, scopes: tuple[str, ...]) -> Headers:
    header, payload, _ = issuer.token(*scopes).split(".")
    signed = f"{_changed(header, alg='HS256')}.{payload}"
    secret = json.dumps(issuer.key.to_dict()).encode()
    return _bearer(f"{signed}.{encode(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}")


def _changed_payload(issuer: TokenIssuer, scopes: tuple[str, ...]) -> Headers:
    header, payload, signature = issuer.token(*scopes).split(".")
    return _bearer(f"{header}.{_changed(payload, sub='somebody-else')}.{signature}")


def _changed(segment: str, **members: object) -> str:
    return encode(json.dumps({**json.loads(decode(segment)), **members}).encode())


_INVALID: Final = (401, "invalid_token")

# Defect -> status, error, the guard's reasons that fit, and the request's headers.
_DEFECTS: Final[Mapping[str, tuple[int, str, tuple[str, ...], Forge]]] = {
    "no token": (401, "unauthorized", ("no_token",), lambda *_: {}),
    "other scheme": (401, "unauthorized", ("no_token",), lambda *_: {"Authorization": "Basic YTpi"}),
    "two words": (400, "invalid_request", ("bad_header",), lambda *_: _bearer("two words")),
    "malformed": (*_INVALID, ("malformed",), lambda *_: _bearer("no-token")),
    "expired": (*_INVALID, ("expired",), lambda issuer, scopes: issuer.bearer(*scopes, expired=True)),
    "not yet valid": (*_INVALID, ("not_yet_valid",), _not_yet_valid),
    "wrong audience": (*_INVALID, ("wrong_audience",), _with(aud="https://another-api.test")),
    "wrong issuer": (*_INVALID, ("untrusted_issuer",), _with(iss=_FOREIGN.url)),
    "alg none": (*_INVALID, ("alg_not_allowed", "malformed"), _unsigned),
    "HS256 with the public key": (*_INVALID, ("alg_not_allowed", "bad_signature"), _public_key_as_secret),
    "unknown kid": (*_INVALID, ("unknown_key",), _unknown_kid),
    "key of another issuer": (*_INVALID, ("bad_signature",), _by_another),
    "changed payload": (*_INVALID, ("bad_signature",), _changed_payload),
    "ID token": (*_INVALID, ("wrong_type",), _with(typ="JWT", nonce="n", at_hash="h")),
    "ID token for the client": (
        *_INVALID,
        ("wrong_type", "wrong_audience"),
        lambda issuer, scopes: issuer.bearer(*scopes, typ="JWT", audience=(issuer.audience, CLIENT)),
    ),
    "bound token as Bearer": (
        *_INVALID,
        ("bound_token", "no_proof", "bad_proof", "binding"),
        _with(cnf={"jkt": "0" * 43}),
    ),
}
