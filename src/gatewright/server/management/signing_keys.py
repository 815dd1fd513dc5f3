"""``/api/v2/keys/signing``: the signing keys, their rotation and revocation."""

from typing import Final, cast

from gatewright.guard import all_of
from gatewright.server import certificates
from gatewright.server.errors import ApiError, NotFound
from gatewright.server.events import iso_time
from gatewright.server.keys import FIRST_RING
from gatewright.server.management import answers
from gatewright.server.management.description import Items, Record
from gatewright.server.management.endpoint import Call, endpoint
from gatewright.server.management.naming import identifier_of
from gatewright.server.model import SigningKey

REFUSED_WITHIN: Final = 10  # seconds, in which a guard has read the feed of what was revoked


def list_all(call: Call) -> object:
    """All keys, revoked ones included, newest first."""
    return [_rendered(key) for key in reversed(call.tx.signing_keys.find())]


def read(call: Call) -> object:
    """One key."""
    try:
        return _rendered(call.tx.signing_keys.get(call.path["kid"]))
    except NotFound as error:
        raise _unknown() from error


def impact(call: Call) -> object:
    """What revoking a key would break: the tokens it signed that may be alive, by API."""
    try:
        key = call.tx.signing_keys.get(call.path["kid"])
    except NotFound as error:
        raise _unknown() from error
    apis = _tokens_alive(call, key)
    # An API's lifetime may have been lowered since: until then some token may live that is not counted.
    latest = _latest_end(key, call.server.now())
    return {
        "kid": key.kid,
        "alg": key.alg,
        "state": key.state,
        "tokens": sum(cast("int", api["tokens"]) for api in apis),
        "apis": apis,
        "refused_within": REFUSED_WITHIN,
        **({"ends_at": iso_time(latest)} if latest is not None else {}),
    }


def rotate(call: Call) -> object:
    """Next becomes current, current becomes previous, a fresh next is announced and answered."""
    announced = call.server.keys.rotate(call.tx, call.prepared)
    shown = next((key for key in announced if key.alg == FIRST_RING), announced[0])
    return {"cert": shown.certificate, "kid": shown.kid}


def revoke(call: Call) -> object:
    """Ends a previous key at once, in guards too."""
    try:
        key = call.server.keys.revoke(call.tx, call.path["kid"])
    except NotFound as error:
        raise _unknown() from error
    except ValueError as error:
        raise ApiError(
            400, "Only a previous signing key can be revoked. Rotate first.", "operation_not_supported"
        ) from error
    ends_at = call.server.now() + key.longest_lifetime
    call.server.revocations.revoke(call.tx, "key", kid=key.kid, expires_at=ends_at)
    return {"cert": key.certificate, "kid": key.kid}


def _tokens_alive(call: Call, key: SigningKey) -> list[dict[str, object]]:
    """By API, what the log tells of tokens that this key signed; whole hours of them, so rather too many."""
    now = call.server.now()
    if key.current_since is None or key.state == "revoked":
        return []
    known = {identifier_of(call.server, api): api for api in call.tx.resource_servers.find()}
    since = max(key.current_since, now - key.longest_lifetime)
    counted: dict[str, tuple[int, float]] = {}
    for hour in call.tx.events.tokens_by_hour(since=since, until=key.current_until or now):
        api = known.get(hour.audience)
        if api is not None and api.signing_alg != key.alg:
            continue
        # Of an API that is gone the lifetime is not known any more.
        ends_at = hour.last + (key.longest_lifetime if api is None else api.token_lifetime)
        if ends_at > now:
            tokens, latest = counted.get(hour.audience, (0, 0.0))
            counted[hour.audience] = (tokens + hour.count, max(latest, ends_at))
    return [
        {
            "audience": audience,
            **({"name": known[audience].name} if audience in known and known[audience].name else {}),
            "tokens": tokens,
            "ends_at": iso_time(ends_at),
        }
        for audience, (tokens, ends_at) in counted.items()
    ]


def _latest_end(key: SigningKey, now: float) -> float | None:
    """When the last token ends that the key can have signed; None where it has signed none that lives."""
    if key.current_since is None or key.state == "revoked":
        return None
    latest = (key.current_until or now) + key.longest_lifetime
    return latest if latest > now else None


def _unknown() -> ApiError:
    return ApiError(404, "The signing key does not exist", "inexistent_signing_key")


def _rendered(key: SigningKey) -> dict[str, object]:
    fingerprint = certificates.fingerprint(key.certificate)
    result: dict[str, object] = {
        "kid": key.kid,
        "cert": key.certificate.replace("\n", "\r\n"),
        "pkcs7": certificates.as_pkcs7(key.certificate).replace("\n", "\r\n"),
        "alg": key.alg,
    }
    if key.state != "revoked":
        result[key.state] = True
    times = {"current_since": key.current_since, "current_until": key.current_until}
    result |= {name: iso_time(value) for name, value in times.items() if value is not None}
    result |= {"fingerprint": fingerprint, "thumbprint": fingerprint.replace(":", "")}
    result["revoked"] = key.state == "revoked"
    if key.revoked_at is not None:
        result["revoked_at"] = iso_time(key.revoked_at)
    return result


_SHOWN = Record("SigningKey", made=answers.SigningKeyMade)
_NAMED = Record("SigningKeyName", made=answers.KeyNamed)

ROUTES = (
    endpoint("GET", "/keys/signing", list_all, scope="read:signing_keys", answers=Items(_SHOWN)),
    endpoint("GET", "/keys/signing/{kid}", read, scope="read:signing_keys", answers=_SHOWN),
    # Ours: Auth0 does not tell what a revocation ends.
    endpoint(
        "GET",
        "/keys/signing/{kid}/impact",
        impact,
        scope="read:signing_keys",
        flushes_events=True,
        answers=Record("SigningKeyImpact", made=answers.KeyImpactMade),
        operation_id="keys_signing_impact",
    ),
    endpoint(
        "POST",
        "/keys/signing/rotate",
        rotate,
        scope=("create:signing_keys", "update:signing_keys"),
        rule=all_of("create:signing_keys", "update:signing_keys"),
        status=201,
        changes="Rotate the signing keys",
        prepare=lambda server, _: server.keys.fresh_keys(),
        answers=_NAMED,
        refuses=(),
        operation_id="keys_signing_rotate",
    ),
    endpoint(
        "PUT",
        "/keys/signing/{kid}/revoke",
        revoke,
        scope="update:signing_keys",
        changes="Revoke a signing key",
        answers=_NAMED,
        refuses=(),
        operation_id="keys_signing_revoke",
    ),
)
