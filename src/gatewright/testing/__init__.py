"""The test kit: tokens without a server, a real server, and for each guarded route what must be refused.

What lives here: an issuer inside the test's own process (`TokenIssuer`), a throw-away authorization server
(`server`) and what can go wrong with it, the generated negative tests (`negatives`, `check`), and a pytest
plugin. What does not: any mock of the guard or of the server. The whole production code runs; only whom it
trusts and its clock differ.
"""

from gatewright.guard.routes import assert_guarded, unguarded
from gatewright.testing.clocks import Clock, ServerClock
from gatewright.testing.faults import Fault, Faults
from gatewright.testing.issuer import TokenIssuer
from gatewright.testing.management import ManagementApi, Refused
from gatewright.testing.negatives import Negative, check, negatives
from gatewright.testing.throwaway import Application, ThrowawayServer, server

__all__ = [
    "Application",
    "Clock",
    "Fault",
    "Faults",
    "ManagementApi",
    "Negative",
    "Refused",
    "ServerClock",
    "ThrowawayServer",
    "TokenIssuer",
    "assert_guarded",
    "check",
    "negatives",
    "server",
    "unguarded",
]
