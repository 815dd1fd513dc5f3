"""The resource server's half: who may enter an endpoint.

What lives here: the decision (`Guard`), the issuers it trusts, the rules a route asks for, the verified
`AccessToken`, the tree of answers (`Denied`), and one issuer's keys with everything that keeps them at
hand. What does not: any framework (the adapters beside this package carry requests in and answers out),
the arithmetic of tokens (`gatewright.jose`), and issuing tokens (`gatewright.server`).
"""

from gatewright.guard.decision import Guard
from gatewright.guard.delivery import Reports
from gatewright.guard.errors import (
    BadHeader,
    Denied,
    InsufficientScope,
    InvalidToken,
    KeysUnavailable,
    NoToken,
    RuleNotMet,
    StepUpRequired,
    Unavailable,
)
from gatewright.guard.extraction import cookie, query
from gatewright.guard.fetching import Fetch
from gatewright.guard.freshness import KeyHealth
from gatewright.guard.introspection import Introspection
from gatewright.guard.issuers import Issuer
from gatewright.guard.reporting import Reporter, ReportHealth
from gatewright.guard.request import Request
from gatewright.guard.revocations import FeedHealth
from gatewright.guard.rules import Rule, acr, all_of, any_of, claim, fresh, path, where
from gatewright.guard.token import AccessToken
from gatewright.guard.transport import HttpFetch
from gatewright.guard.verdicts import Observer

__all__ = [
    "AccessToken",
    "BadHeader",
    "Denied",
    "FeedHealth",
    "Fetch",
    "Guard",
    "HttpFetch",
    "InsufficientScope",
    "Introspection",
    "InvalidToken",
    "Issuer",
    "KeyHealth",
    "KeysUnavailable",
    "NoToken",
    "Observer",
    "ReportHealth",
    "Reporter",
    "Reports",
    "Request",
    "Rule",
    "RuleNotMet",
    "StepUpRequired",
    "Unavailable",
    "acr",
    "all_of",
    "any_of",
    "claim",
    "cookie",
    "fresh",
    "path",
    "query",
    "where",
]
