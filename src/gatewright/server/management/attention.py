"""``/api/v2/attention``: what somebody should look at before it hurts.

Ours: Auth0 has nothing of the kind. It works alike with ten and with ten thousand applications: each question
is one query that ends after a few rows.
"""

from collections.abc import Iterator
from typing import Final

from gatewright.server.client import Client
from gatewright.server.events import iso_time
from gatewright.server.management import answers
from gatewright.server.management.client_secrets import MOST_SECRETS
from gatewright.server.management.description import Items, Record
from gatewright.server.management.endpoint import Call, endpoint
from gatewright.server.management.naming import find_api, identifier_of
from gatewright.server.model import CLI_CLIENT_OPTION, SigningKey
from gatewright.server.store import Transaction
from gatewright.server.store.conditions import (
    Condition,
    client_asks_with_secret,
    client_has_no_grant,
    client_has_used_no_secret,
    client_has_used_no_secret_since,
    client_may_have_two_secrets,
    resource_server_defines_nothing,
    resource_server_has_no_grant,
)

DAY: Final = 86400.0
YEAR: Final = 365 * DAY
SECRET_IS_OLD: Final = YEAR
SECRET_IS_IDLE: Final = 90 * DAY
SECRET_IS_NEW: Final = 7 * DAY  # nobody has had the time to use it, or to end the one before
KEY_IS_OLD: Final = YEAR
KEY_WAS_REVOKED: Final = DAY
REPORTS_HAVE_ENDED: Final = 7 * DAY

MOST_OF_A_KIND: Final = 6
MOST_LOOKED_AT: Final = 200
"""Clients that are opened for one question: when a secret was made is sealed with it."""

Found = dict[str, object]


def list_all(call: Call) -> object:
    """What needs attention, a few of each kind; the oldest first."""
    found = (
        *_keys(call),
        *_pairs(call),
        *_never_used(call),
        *_idle(call),
        *_old(call),
        *_without_grant(call),
        *_apis(call),
        *_silent_reporters(call),
        *_streams(call),
    )
    return list(found)


def _keys(call: Call) -> Iterator[Found]:
    keys, now = call.tx.signing_keys.find(), call.server.now()
    algorithms = dict.fromkeys(key.alg for key in keys)
    for alg in algorithms:
        states = {key.state for key in keys if key.alg == alg}
        for state in ("current", "next"):
            if state not in states:
                yield {"kind": f"no_{state}_key", "alg": alg}
    for key in keys:
        if key.state == "current" and key.current_since and now - key.current_since >= KEY_IS_OLD:
            yield _key("key_old", key, key.current_since)
        if key.revoked_at is not None and now - key.revoked_at < KEY_WAS_REVOKED:
            yield _key("key_revoked", key, key.revoked_at)


def _key(kind: str, key: SigningKey, since: float) -> Found:
    return {"kind": kind, "kid": key.kid, "alg": key.alg, "since": iso_time(since)}


def _pairs(call: Call) -> Iterator[Found]:
    """Two secrets are for the days in which one is replaced."""
    found = 0
    for client in _clients(call, client_may_have_two_secrets()):
        made = client.secrets[0].created_at
        is_pair = len(client.secrets) == MOST_SECRETS and client.uses_secret
        if is_pair and made is not None and call.server.now() - made >= SECRET_IS_NEW:
            yield _client("two_secrets", client, secret_id=client.secrets[1].id, since=iso_time(made))
            found += 1
        if found == MOST_OF_A_KIND:
            return


def _never_used(call: Call) -> Iterator[Found]:
    conditions = (client_asks_with_secret(), client_has_used_no_secret())
    return _by_age(call, "secret_never_used", SECRET_IS_NEW, *conditions)


def _old(call: Call) -> Iterator[Found]:
    return _by_age(call, "secret_old", SECRET_IS_OLD, client_asks_with_secret())


def _by_age(call: Call, kind: str, age: float, *conditions: Condition) -> Iterator[Found]:
    """Clients whose newest secret is at least so many seconds old."""
    found = 0
    for client in _clients(call, *conditions):
        made = client.secrets[0].created_at if client.secrets else None
        if made is not None and call.server.now() - made >= age:
            yield _client(kind, client, secret_id=client.secrets[0].id, since=iso_time(made))
            found += 1
        if found == MOST_OF_A_KIND:
            return


def _idle(call: Call) -> Iterator[Found]:
    before = call.server.now() - SECRET_IS_IDLE
    for client in _clients(call, client_has_used_no_secret_since(before), most=MOST_OF_A_KIND):
        last = max(call.tx.secret_uses.of(client.client_id).values())
        yield _client("secret_idle", client, since=iso_time(last))


def _without_grant(call: Call) -> Iterator[Found]:
    for client in _clients(call, client_asks_with_secret(), client_has_no_grant(), most=MOST_OF_A_KIND):
        yield _client("no_grant", client)


def _apis(call: Call) -> Iterator[Found]:
    questions = {
        "api_without_application": resource_server_has_no_grant(),
        "api_without_permissions": resource_server_defines_nothing(),
    }
    for kind, condition in questions.items():
        for api in call.tx.resource_servers.few(condition, most=MOST_OF_A_KIND):
            audience = identifier_of(call.server, api)
            named = {"resource_server_id": api.id, "name": api.name or audience, "audience": audience}
            yield {"kind": kind, **named}


def _silent_reporters(call: Call) -> Iterator[Found]:
    """APIs whose guards once reported, and have ceased to."""
    before = call.server.now() - REPORTS_HAVE_ENDED
    silent = [each for each in call.tx.guard_reports.apis() if each.last_at < before]
    for each in silent[:MOST_OF_A_KIND]:
        api = find_api(call, each.audience)
        if api is not None:
            named = {
                "resource_server_id": api.id,
                "name": api.name or each.audience,
                "audience": each.audience,
            }
            yield {"kind": "reports_ended", **named, "since": iso_time(each.last_at)}


def _streams(call: Call) -> Iterator[Found]:
    stopped = [each for each in call.tx.log_streams.find() if each.document.get("status") != "active"]
    for each in stopped[:MOST_OF_A_KIND]:
        name = str(each.document.get("name") or each.id)
        yield {"kind": "log_stream_stopped", "log_stream_id": each.id, "name": name}


def _clients(call: Call, *conditions: Condition, most: int = MOST_LOOKED_AT) -> list[Client]:
    """The first clients of all that fulfil these, but for the command line's own."""
    # One more, for the command line's is the oldest of all.
    found = call.tx.clients.few(*conditions, most=most + 1)
    own = _own_client(call.tx)
    return [client for client in found if client.client_id != own][:most]


def _own_client(tx: Transaction) -> object:
    return (tx.option(CLI_CLIENT_OPTION) or {}).get("client_id")


def _client(kind: str, client: Client, **more: object) -> Found:
    return {"kind": kind, "client_id": client.client_id, "name": client.name, **more}


ROUTES = (
    endpoint(
        "GET",
        "/attention",
        list_all,
        scope="read:insights",
        flushes_events=True,
        answers=Items(Record("Attention", made=answers.AttentionMade)),
        operation_id="attention_list",
    ),
)
