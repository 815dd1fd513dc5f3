"""The checks of `gatewright doctor`: each looks at one thing and tells what it found, and what to do."""

import json
import shlex
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

from gatewright._version import __version__
from gatewright.cli.http import Answer, Unreachable, send
from gatewright.cli.management import Management, Record

READS: Final = ("read:clients", "read:signing_keys", "read:stats", "read:guard_reports")

CLOCK_DRIFT: Final = 10.0  # seconds; guards forgive 30
KEY_AGE: Final = timedelta(days=365)
PAIR_AGE: Final = timedelta(days=7)
UNUSED_AGE: Final = timedelta(days=90)
NEEDLESS: Final = 20  # a day; a handful are restarts
MOST_APPLICATIONS: Final = 200
REFUSALS_OF: Final = timedelta(hours=1)
MOST_REFUSALS: Final = 200
_OK: Final = 200


class Verdict(StrEnum):
    """What a finding means."""

    FINE = "ok"
    LOOK = "look"  # it works, and will hurt
    FAILED = "fail"
    UNTOLD = "-"  # it cannot be told


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found; `next_step` is what to do about it, empty when there is nothing."""

    verdict: Verdict
    said: str
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """The server that is looked at, and the time: seconds since 1970 by the clock of this machine."""

    server: Management
    now: float

    @property
    def moment(self) -> datetime:
        """The time, as what the server tells can be compared with."""
        return datetime.fromtimestamp(self.now, UTC)

    def get(self, path: str) -> Answer:
        """What is at the path for everybody.

        Raises:
            Unreachable: nothing answers.
        """
        own = self.server.credentials
        return send("GET", own.issuer + path, ca_file=own.ca_file)


def readiness(patient: Patient) -> Iterator[Finding]:
    """Does it answer, and is it ready?"""
    own = patient.server.credentials
    try:
        answer = patient.get("health/ready")
    except Unreachable as error:
        yield Finding(
            Verdict.FAILED, f"Nothing answers at {own.issuer} ({error})", f"Start it: {own.start_command}"
        )
        return
    if answer.status != _OK:
        reason = _member(answer, "reason") or f"{answer.status} {answer.phrase}"
        yield Finding(
            Verdict.FAILED, f"{own.issuer} answers, but is not ready: {reason}", "Its log says more"
        )
        return
    yield Finding(Verdict.FINE, f"{own.issuer} answers and is ready")


def identity(patient: Patient) -> Iterator[Finding]:
    """Is it the server that the data folder speaks of?"""
    own = patient.server.credentials
    said = _member(patient.get(".well-known/openid-configuration"), "issuer")
    if said == own.issuer:
        yield Finding(Verdict.FINE, f"It calls itself {said}, as the data folder says")
        return
    yield Finding(
        Verdict.FAILED,
        f"What answers at {own.issuer} calls itself {said or 'nothing at all'}",
        f"Is it another server on the same port? The data folder's own: {own.start_command}",
    )


def version(patient: Patient) -> Iterator[Finding]:
    """Are server and command line of one version?"""
    answer = patient.get("api/v2/openapi.json")
    described = _parsed(answer).get("info")
    found = described.get("version") if isinstance(described, dict) else None
    if not isinstance(found, str):
        yield Finding(Verdict.UNTOLD, "The server does not tell its version")
    elif found == __version__:
        yield Finding(Verdict.FINE, f"Server and command line are {found}")
    else:
        yield Finding(
            Verdict.LOOK,
            f"The server is {found}, this command line is {__version__}",
            "Install the server's version here, or restart the server with the new one",
        )


def clock(patient: Patient) -> Iterator[Finding]:
    """Do the clocks agree? Tokens are judged by them."""
    asked_at = time.time()
    date = patient.get("health/live").headers.get("date", "")
    half_way = (asked_at + time.time()) / 2
    try:
        apart = parsedate_to_datetime(date).timestamp() - half_way
    except ValueError:
        yield Finding(Verdict.UNTOLD, "The server's answers have no date")
        return
    if abs(apart) <= CLOCK_DRIFT:
        yield Finding(Verdict.FINE, "This machine's clock and the server's agree")
        return
    yield Finding(
        Verdict.LOOK,
        f"The server's clock is {abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} this machine's",
        "Let both follow a time server (NTP): guards forgive 30 s, and then refuse tokens",
    )


def keys(patient: Patient) -> Iterator[Finding]:
    """Is there a key that signs and one that is announced, of each algorithm, and are they young enough?"""
    by_algorithm: defaultdict[str, list[Record]] = defaultdict(list)
    for key in patient.server.get("keys/signing"):
        by_algorithm[key["alg"]].append(key)
    for algorithm, ring in by_algorithm.items():
        current = next((key for key in ring if key.get("current")), None)
        missing = [state for state in ("current", "next") if not any(key.get(state) for key in ring)]
        if current is None or missing:
            said = f"{algorithm}: there is no {' and no '.join(missing)} key"
            yield Finding(Verdict.LOOK, said, "Make one: gatewright keys rotate")
            continue
        age = patient.moment - _moment(current["current_since"])
        said = f"{algorithm}: the current key has signed for {age.days} days, the next is announced"
        if age > KEY_AGE:
            yield Finding(Verdict.LOOK, said, "Rotate: gatewright keys rotate (tokens stay valid)")
        else:
            yield Finding(Verdict.FINE, said)


def token_requests(patient: Patient) -> Iterator[Finding]:
    """Does a client ask for tokens again and again while it holds good ones?"""
    yesterday = (patient.moment - timedelta(days=1)).strftime("%Y%m%d")
    rows = patient.server.get("stats/token-requests", **{"from": yesterday})
    # Of two days the newer one, if it tells of the same.
    wasteful = {
        (row["client_id"], row["audience"]): row
        for row in rows
        if row["client_id"] != patient.server.credentials.client_id
        and row["needless"] >= NEEDLESS
        and row["needless"] * 2 > row["asked"]
    }
    if not wasteful:
        yield Finding(Verdict.FINE, "No application asks for tokens while it holds good ones")
        return
    names = {app["client_id"]: app.get("name") for app in patient.server.all("clients")}
    for row in sorted(wasteful.values(), key=lambda row: -row["needless"]):
        day = "today" if _moment(row["date"]).date() == patient.moment.date() else "yesterday"
        yield Finding(
            Verdict.LOOK,
            f"'{names.get(row['client_id']) or row['client_id']}' asked {row['asked']} times {day} for "
            f"{row['audience']}, {row['needless']} of them while its token was still good",
            "Keep the token until it expires; gatewright.client does",
        )


def refusals(patient: Patient) -> Iterator[Finding]:
    """Do guards keep out an application for want of a permission that somebody could give it?"""
    since = str(int(patient.now - REFUSALS_OF.total_seconds()))
    rows = patient.server.all(
        "guard-reports/refusals", limit=MOST_REFUSALS, since=since, reason="insufficient_scope"
    )
    counted: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row["commands"]:
            name = row.get("client_name") or row.get("client_id")
            place = f"{row.get('method', '')} {row.get('route') or row['audience']}".strip()
            said = f"'{name}' lacks {' '.join(row['missing'])} for {place}"
            counted[said, "; ".join(row["commands"])] += row["count"]
    if counted:
        for (said, command), count in counted.most_common():
            times = "once" if count == 1 else f"{count} times"
            yield Finding(Verdict.LOOK, f"{said}: refused {times} in the last hour", f"If it may: {command}")
    elif patient.server.get("guard-reports/apis"):
        yield Finding(Verdict.FINE, "In the last hour no guard refused what could have been granted")
    else:
        yield Finding(Verdict.UNTOLD, "No guard reports what it refuses", "gatewright env --reports")


def applications(patient: Patient) -> Iterator[Finding]:
    """Are there secrets or whole applications that nobody uses any more?"""
    own = patient.server.credentials.client_id
    with_secrets = [
        app
        for app in patient.server.all("clients")
        if app["client_id"] != own and app.get("client_authentication_methods") is None
    ]
    found = []
    for app in with_secrets[:MOST_APPLICATIONS]:
        secrets = patient.server.get(f"clients/{app['client_id']}/secrets")
        found += [*_pair(app, secrets, patient.moment), *_unused(app, secrets, patient.moment)]
    yield from found
    if len(with_secrets) > MOST_APPLICATIONS:
        text = f"Only {MOST_APPLICATIONS} of {len(with_secrets)} applications were looked at"
        yield Finding(Verdict.UNTOLD, text)
    elif not found:
        yield Finding(Verdict.FINE, "No secret and no application has been left behind")


def _pair(app: Record, secrets: list[Record], now: datetime) -> Iterator[Finding]:
    """Two secrets are for the days in which one is replaced."""
    if len(secrets) < 2:  # noqa: PLR2004 - a pair
        return
    newer, older = secrets[:2]
    begun = _known_moment(newer, "created_at")
    if begun is None or now - begun < PAIR_AGE:
        return
    used = _known_moment(older, "last_used_at")
    said = f"'{app['name']}' has had two secrets for {(now - begun).days} days; "
    if used is not None and now - used < PAIR_AGE:
        said += "the older one is still in use"
        step = f"Move what uses it over to {newer['id']}, then end {older['id']}"
    else:
        said += "the older one is used no more"
        step = f"End it: gatewright apps secrets remove {shlex.quote(app['client_id'])} {older['id']}"
    yield Finding(Verdict.LOOK, said, step)


def _unused(app: Record, secrets: list[Record], now: datetime) -> Iterator[Finding]:
    """Who authenticates with a secret leaves the moment of its last use."""
    moments = [
        _known_moment(secret, "last_used_at") or _known_moment(secret, "created_at") for secret in secrets
    ]
    known = [moment for moment in moments if moment is not None]
    if known and len(known) == len(moments) and now - max(known) > UNUSED_AGE:
        yield Finding(
            Verdict.LOOK,
            f"Nobody has used '{app['name']}' for {(now - max(known)).days} days",
            f"If it is needed no more: gatewright apps delete {shlex.quote(app['client_id'])}",
        )


def _known_moment(record: Record, name: str) -> datetime | None:
    return _moment(record[name]) if record.get(name) else None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _member(answer: Answer, name: str) -> str:
    value = _parsed(answer).get(name)
    return value if isinstance(value, str) else ""


def _parsed(answer: Answer) -> dict[str, object]:
    try:
        document = json.loads(answer.body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
