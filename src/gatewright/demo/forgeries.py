"""Tokens as an attacker makes them, from what an attacker has: a valid token and the published keys."""

import hashlib
import hmac
import json
import textwrap
from collections.abc import Mapping
from typing import Any

from gatewright.jose import encoding

Members = dict[str, Any]


def parts(token: str) -> tuple[Members, Members, str]:
    """Header, claims and signature of a token, believed without a look at the signature."""
    header, payload, signature = token.split(".")
    return json.loads(encoding.decode(header)), json.loads(encoding.decode(payload)), signature


def with_claims(token: str, **changed: object) -> str:
    """The token with other claims, and the signature it had."""
    header, claims, signature = parts(token)
    return f"{_part(header)}.{_part({**claims, **changed})}.{signature}"


def unsigned(token: str) -> str:
    """The token with `alg: none` and no signature (RFC 8725, section 2.1)."""
    header, claims, _ = parts(token)
    return f"{_part({**header, 'alg': 'none'})}.{_part(claims)}."


def signed_with_public_key(token: str, key_set: Mapping[str, Any], **changed: object) -> str:
    """The token under HS256, its secret the published certificate that everybody can download."""
    header, claims, _ = parts(token)
    key = next(key for key in key_set["keys"] if key["kid"] == header["kid"])
    signing_input = f"{_part({**header, 'alg': 'HS256'})}.{_part({**claims, **changed})}"
    secret = _as_pem(key["x5c"][0]).encode("ascii")
    signature = hmac.new(secret, signing_input.encode("ascii"), hashlib.sha256).digest()
    return f"{signing_input}.{encoding.encode(signature)}"


def _as_pem(certificate: str) -> str:
    lines = "\n".join(textwrap.wrap(certificate, 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


def _part(members: Mapping[str, object]) -> str:
    return encoding.encode(json.dumps(members, separators=(",", ":")).encode())
