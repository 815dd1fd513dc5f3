"""The test kit: tokens without a server, and for each guarded route the requests that must be refused.

What lives here: an issuer inside the test's own process (`TokenIssuer`), the generated negative tests
(`negatives`, `check`), and a pytest plugin that collects them. What does not: any mock of the guard. The
whole production pipeline runs; only whom it trusts and its clock differ.
"""

from gatewright.guard.routes import assert_guarded, unguarded
from gatewright.testing.issuer import Clock, TokenIssuer
from gatewright.testing.negatives import Negative, check, negatives

__all__ = ["Clock", "Negative", "TokenIssuer", "assert_guarded", "check", "negatives", "unguarded"]
