"""The sixth step: the attempts to break in, each refused for its own reason."""

import json
from collections.abc import Callable

from gatewright.demo import forgeries
from gatewright.demo.exchange import Request, shortened
from gatewright.demo.walk import CREATE, READ, Walk, take_token

INVALID = {"error": "invalid_token", "error_description": "The access token is invalid"}
EXPIRED = {"error": "invalid_token", "error_description": "The access token expired"}
AN_HOUR = 3600
LONGEST_SCOPE = 60

Sign = Callable[[dict[str, object]], str]
"""Signs claims with the server's own key: the demo can, because it runs the server."""


def break_in(walk: Walk, sign: Sign) -> None:
    """Five attempts.

    Raises:
        NotAsTold: one of them was answered otherwise than told.
    """
    walk.begin(6, "Try to break in")
    walk.narrator.prose(
        "Five tokens that look right. To strangers the guard says little; to the API's owner it",
        "tells the reason (its observe hook), which stands under each answer.",
    )
    less = _token_for_reading(walk)
    _changed_scope(walk, less)
    _no_signature(walk, less)
    _public_key_as_secret(walk, less)
    _expired(walk, less, sign)
    _other_audience(walk)


def _token_for_reading(walk: Walk) -> str:
    walk.narrator.prose("First a real token to start from, one that may only read:")
    return take_token(walk, [READ], asked=READ)


def _changed_scope(walk: Walk, token: str) -> None:
    walk.narrator.attempt("a", f"The payload says {CREATE} too now; the signature is the old one")
    forged = forgeries.with_claims(token, scope=f"{READ} {CREATE}")
    _refused(walk, walk.endpoint("POST", "/blogs", forged), "bad_signature")


def _no_signature(walk: Walk, token: str) -> None:
    walk.narrator.attempt("b", "The header says alg none, and there is no signature at all")
    _refused(walk, walk.endpoint("GET", "/blogs", forgeries.unsigned(token)), "alg_not_allowed")


def _public_key_as_secret(walk: Walk, token: str) -> None:
    walk.narrator.attempt("c", "The header says HS256, signed with the published certificate as the secret")
    forged = forgeries.signed_with_public_key(token, walk.key_set, scope=f"{READ} {CREATE}")
    _refused(walk, walk.endpoint("POST", "/blogs", forged), "alg_not_allowed")


def _expired(walk: Walk, token: str, sign: Sign) -> None:
    walk.narrator.attempt("d", "A token that expired an hour ago")
    walk.narrator.prose(
        "Nobody can wait for that here: the demo runs the server, so it let the server's own",
        "key sign these claims with an older time. Nothing but the time is wrong with it.",
    )
    _, claims, _ = forgeries.parts(token)
    age = claims["exp"] - claims["iat"]
    late = claims["iat"] - AN_HOUR
    _refused(
        walk,
        walk.endpoint("GET", "/blogs", sign({**claims, "iat": late - age, "exp": late})),
        "expired",
        EXPIRED,
    )


def _other_audience(walk: Walk) -> None:
    walk.narrator.attempt(
        "e", "A good token, of the same issuer and key, but for another API (the Management API)"
    )
    _refused(walk, walk.endpoint("GET", "/authtest", walk.management_token), "wrong_audience")


def _refused(walk: Walk, request: Request, reason: str, body: dict[str, str] = INVALID) -> None:
    _show_inside(walk, request.token or "")
    walk.expect(request, 401, body)
    found = walk.refusal()
    if found.reason != reason:
        raise walk.otherwise(f"the reason {reason} was told, {found.reason} came")
    walk.narrator.as_told(f"refused: {reason} ({found.detail})")


def _show_inside(walk: Walk, token: str) -> None:
    """Header and claims of a token, as anybody can read them."""
    header, claims, signature = forgeries.parts(token)
    telling = {name: claims[name] for name in ("aud", "exp", "scope") if name in claims}
    if len(str(telling.get("scope", ""))) > LONGEST_SCOPE:
        telling["scope"] = "…"
    walk.narrator.code(
        f"header     {json.dumps(header)}",
        f"claims     {json.dumps(telling, ensure_ascii=False)[:-1]}, …}}",
        f"signature  {shortened(signature) if signature else 'none'}",
    )
