"""Gatewright: endpoint security for APIs.

`Guard` decides who may enter an endpoint; `gatewright.fastapi`, `gatewright.starlette` and
`gatewright.asgi` put it in front of one. The authorization server is `gatewright.server`, which this
module never loads: importing it costs the standard library and `cryptography`.
"""

from gatewright._version import __version__
from gatewright.guard import (
    AccessToken,
    Denied,
    Guard,
    Issuer,
    Request,
    acr,
    all_of,
    any_of,
    claim,
    fresh,
    path,
    where,
)

__all__ = [
    "AccessToken",
    "Denied",
    "Guard",
    "Issuer",
    "Request",
    "__version__",
    "acr",
    "all_of",
    "any_of",
    "claim",
    "fresh",
    "path",
    "where",
]
