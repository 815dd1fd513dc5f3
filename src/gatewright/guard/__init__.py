"""The resource server's half: who may enter an endpoint.

What lives here: the decision (`Guard`), the rules a route asks for, the verified `AccessToken`, the tree
of answers (`Denied`), and one issuer's keys with everything that keeps them at hand. What does not: any
framework (the adapters beside this package carry requests in and answers out), the arithmetic of tokens
(`gatewright.jose`), and issuing tokens (`gatewright.server`).
"""

from gatewright.guard.decision import Guard, Observer
from gatewright.guard.errors import (
    BadHeader,
    Denied,
    InsufficientScope,
    InvalidToken,
    KeysUnavailable,
    NoToken,
    RuleNotMet,
)
from gatewright.guard.fetching import Fetch
from gatewright.guard.request import Request
from gatewright.guard.rules import Rule, all_of, any_of, claim
from gatewright.guard.token import AccessToken

__all__ = [
    "AccessToken",
    "BadHeader",
    "Denied",
    "Fetch",
    "Guard",
    "InsufficientScope",
    "InvalidToken",
    "KeysUnavailable",
    "NoToken",
    "Observer",
    "Request",
    "Rule",
    "RuleNotMet",
    "all_of",
    "any_of",
    "claim",
]
