"""How much slower each page of the dashboard is in a large tenant than in a small one.

Two tenants are made through the real store: one with ten applications, ten APIs and a handful of log events,
one with 10,000 applications, 1,000 APIs and a million log events of 30 days. Somebody logs in to each, and
asks for every page of the dashboard's own table, lists also with filters, searches and later pages, several
times in process. Prints the medians, their ratios, and which exceed five times, and writes
`benchmarks/results/dashboard.json`. `dashboard.py FOLDER` keeps the tenants there for another run.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from gatewright.cli.in_process import InProcess, running_loop
from gatewright.server.app import build, close, make_app
from gatewright.server.client import Client
from gatewright.server.dashboard.app import ROUTES
from gatewright.server.dashboard.entry import new_start_link
from gatewright.server.dashboard.page import OpenRoute
from gatewright.server.events import Caller, log_event
from gatewright.server.model import (
    ClientGrant,
    EventType,
    ResourceServer,
    client_document,
    new_client_grant_id,
    new_client_id,
    new_client_secret,
    new_resource_server_id,
    resource_server_document,
)
from gatewright.server.reported import ReportedRefusal
from gatewright.server.settings import Settings
from gatewright.server.store import Page
from gatewright.server.token_requests import TokenRequests

if TYPE_CHECKING:
    from gatewright.server.context import Server
    from gatewright.server.model import LogEvent
    from gatewright.server.store import Transaction

ROUNDS: Final = 9
MOST_TIMES: Final = 5.0
"""What a page of the large tenant may take, in times of the small one's."""
WITH_A_KEY: Final = ("/start", "/recover")
"""Pages of a link, which is good once."""
RESULTS: Final = Path(__file__).parent / "results" / "dashboard.json"
DAYS: Final = 30
BATCH: Final = 20_000
SCOPES: Final = ("read:blog", "create:blog", "delete:blog", "read:comment", "create:comment")
PASSWORD: Final = "a sentence that is long enough"  # noqa: S105 - of a tenant that is gone when this ends
SEE_OTHER: Final = 303


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is in a tenant."""

    applications: int
    apis: int
    events: int
    refusals: int


SIZES: Final = {"small": Size(10, 10, 12, 10), "large": Size(10_000, 1_000, 1_000_000, 5_000)}


@dataclass(frozen=True, slots=True)
class Tenant:
    """A server with its data, and somebody who has logged in."""

    server: Server
    http: InProcess
    cookie: str
    apis: Sequence[ResourceServer]
    applications: Sequence[Client]
    log_id: str

    def page(self, address: str) -> tuple[int, bytes]:
        """The status and the body of a page."""
        url = f"{self.server.settings.issuer}ui{address}"
        answer = self.http.send("GET", url, headers={"Cookie": self.cookie})
        return answer.status, answer.body


@dataclass(slots=True)
class Building:
    """What a tenant is filled with; the same at each run."""

    server: Server
    size: Size
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - no secret is made
    apis: list[ResourceServer] = field(default_factory=list)
    applications: list[Client] = field(default_factory=list)
    granted: list[tuple[Client, ResourceServer]] = field(default_factory=list)

    def fill(self) -> None:
        """Puts everything into the store."""
        self.server.store.write(self._records)
        now = self.server.now()
        counted = TokenRequests()
        for start in range(0, self.size.events, BATCH):
            moments = [
                now - DAYS * 86400 * (1 - index / self.size.events)
                for index in range(start, min(start + BATCH, self.size.events))
            ]
            batch = [self._event(moment, counted) for moment in moments]
            self.server.store.write(partial(self._written, batch, counted))
        self.server.store.write(lambda tx: tx.guard_reports.add_refusals(list(self._refusals(now))))

    def _records(self, tx: Transaction) -> None:
        for number in range(self.size.apis):
            scopes = [{"value": value, "description": f"May {value}"} for value in SCOPES]
            identifier = f"https://api-{number:04}.example/"
            sent = {"name": f"API number {number}", "identifier": identifier, "scopes": scopes}
            self.apis.append(
                ResourceServer(new_resource_server_id(), identifier, resource_server_document(sent))
            )
            tx.resource_servers.insert(self.apis[-1])
        for number in range(self.size.applications):
            self.applications.append(self._application(number))
            tx.clients.insert(self.applications[-1])
            for api in self.chance.sample(self.apis, 3):
                self.granted.append((self.applications[-1], api))
                document = {"scope": list(SCOPES[:2]), "subject_type": "client"}
                client_id = self.applications[-1].client_id
                tx.client_grants.insert(ClientGrant(new_client_grant_id(), client_id, api.id, document))

    def _application(self, number: int) -> Client:
        sent = {
            "name": f"Application number {number}",
            "description": "It asks for tokens now and then.",
            "app_type": "non_interactive",
            "grant_types": ["client_credentials"],
            "token_endpoint_auth_method": "client_secret_post",
        }
        return Client(new_client_id(), client_document(sent), (new_client_secret(self.server.now()),))

    def _event(self, moment: float, counted: TokenRequests) -> LogEvent:
        client, api = self.chance.choice(self.granted)
        kind = self.chance.choices(tuple(_KINDS), weights=(90, 6, 4))[0]
        audience = str(api.identifier)
        if kind is EventType.CLIENT_CREDENTIALS_EXCHANGED:
            counted.note(client.client_id, audience, SCOPES, at=moment, lifetime=86400)
        elif kind is EventType.CLIENT_CREDENTIALS_REFUSED:
            counted.note_refusal("no_grant", client.client_id, audience, at=moment)
        is_change = kind is EventType.MANAGEMENT_WRITE
        return log_event(
            kind,
            date=moment,
            source=self.server.source,
            caller=_CALLER,
            description=_KINDS[kind],
            client_id=client.client_id,
            client_name=client.name,
            audience=None if is_change else audience,
            scope=() if is_change else SCOPES[:2],
            details={"error": "access_denied", "reason": "no_grant"} if "not" in _KINDS[kind] else None,
        )

    @staticmethod
    def _written(batch: list[LogEvent], counted: TokenRequests, tx: Transaction) -> None:
        counts = counted.take()
        tx.events.append(batch)
        tx.token_requests.add(counts.issued)
        tx.token_hours.add(counts)

    def _refusals(self, now: float) -> Iterator[ReportedRefusal]:
        for index in range(self.size.refusals):
            yield ReportedRefusal(
                minute=int(now - DAYS * 86400 * index / self.size.refusals) // 60 * 60,
                audience=str(self.chance.choice(self.apis).identifier),
                method="POST",
                route="/blogs",
                reason=self.chance.choice(("insufficient_scope", "expired", "no_token")),
                client_id=self.chance.choice(self.applications).client_id,
                missing=("create:blog",),
                enforced=True,
                count=self.chance.randint(1, 9),
                request_id=f"{index:016x}",
            )


_CALLER: Final = Caller(ip="192.0.2.1", user_agent="benchmark", request_id="0123456789abcdef")
_KINDS: Final = {
    EventType.CLIENT_CREDENTIALS_EXCHANGED: "Client credentials exchange succeeded",
    EventType.CLIENT_CREDENTIALS_REFUSED: "Client is not authorized to access resource server",
    EventType.MANAGEMENT_WRITE: "Update a client",
}


@contextlib.contextmanager
def tenant(folder: Path, size: Size) -> Iterator[Tenant]:
    """A tenant of this size in a folder, built there unless there is one."""
    is_new = not folder.exists()
    server = build(Settings.load({}, data=folder, issuer="http://localhost/"))
    try:
        if is_new:
            Building(server, size).fill()
        with running_loop() as loop:
            http = InProcess(make_app(server), loop)
            yield Tenant(server, http, log_in(server, http), *server.store.read(_known))
    finally:
        close(server)


def _known(tx: Transaction) -> tuple[list[ResourceServer], list[Client], str]:
    middle = tx.events.page(Page(limit=10)).items[-1]
    return tx.resource_servers.find(is_system=False), tx.clients.find(), middle.log_id


def log_in(server: Server, http: InProcess) -> str:
    """The cookie of the first administrator, who comes by the link of the first start, or once more."""
    who = {"name": "ada", "password": PASSWORD}
    link = new_start_link(server)
    path, form = ("login", who) if link is None else ("start", {**who, "again": PASSWORD})
    key = {} if link is None else {"key": link.partition("?key=")[2]}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({**form, **key}).encode()
    answer = http.send("POST", f"{server.settings.issuer}ui/{path}", headers=headers, body=body)
    if answer.status != SEE_OTHER:
        raise SystemExit(f"nobody could log in: {answer.status}")
    return answer.headers["set-cookie"].partition(";")[0]


def views(tenant: Tenant) -> dict[str, str]:
    """Every GET page, by its name in the table and what is asked of it; and its address with real ids."""
    api, client = tenant.apis[-2], tenant.applications[-2]
    sizes = {"apis": len(tenant.apis), "applications": len(tenant.applications)}
    now = tenant.server.now()
    [signing] = tenant.server.store.read(lambda tx: tx.signing_keys.find(alg="RS256", state="current"))
    ids = {
        "{id}": "",
        "{kid}": signing.kid,
        "{framework}": "fastapi",
        "{client_id}": client.client_id,
        "{log_id}": tenant.log_id,
    }
    found: dict[str, str] = {}
    for row in ROUTES:
        is_page = isinstance(row, OpenRoute) or row.is_page
        if row.method != "GET" or row.path in WITH_A_KEY or not is_page:
            continue
        ids["{id}"] = api.id if row.path.startswith("/apis/") else client.client_id
        address = re.sub(r"\{\w+\}", lambda found: quote(ids[found[0]], safe=""), row.path)
        queries = _queries(row.path, client, api, now) | _later(row.path, sizes)
        found |= {f"{row.path}{told}": f"{address}{query}" for told, query in queries.items()}
    return found


def _queries(path: str, client: Client, api: ResourceServer, now: float) -> dict[str, str]:
    """What is asked of a page, in words: nothing at all, and of lists what narrows them."""
    day = time.strftime("%Y-%m-%d", time.gmtime(now - 15 * 86400))
    of = {"application": client.client_id, "api": str(api.identifier)}
    narrowed: dict[str, dict[str, str]] = {
        "found": {"q": client.name if "apps" in path or "applications" in path else str(api.name)},
        "not found": {"q": "zzz"},
    }
    lists = {
        "/apis": narrowed,
        "/apps": narrowed,
        "/apis/{id}/applications": narrowed | {"open": {"open": client.client_id}},
        "/apps/{id}/apis": narrowed | {"open": {"open": api.id}},
        "/apps/new": narrowed,
        "/logs": {
            "type": {"type": "feccft"},
            "application": {"application": of["application"]},
            "API": {"api": of["api"]},
            "an API that has none": {"api": "https://none.example/"},
            "from": {"from": day},
            "to": {"to": day},
            "a day": {"from": day, "to": day},
            "type and API": {"type": "feccft", "api": of["api"]},
            "reason": {"type": "feccft", "q": "details.reason:no_grant", "from": day},
            "word": {"q": "authorized"},
            "name": {"q": f'"{client.name}"'},
            "not found": {"q": "zzz"},
        },
        "/logs/refusals": {
            "30 days": {"since": "2592000"},
            "reason": {"reason": "expired", "since": "2592000"},
            **{name: {name: value, "since": "2592000"} for name, value in of.items()},
        },
        "/insights": {
            "7 d": {"span": "7d"},
            "7 d, applications": {"span": "7d", "by": "application"},
            "applications": {"by": "application"},
            **{name: {name: value, "span": "7d"} for name, value in of.items()},
        },
    }
    asked = {f" ({told})": f"?{urlencode(query)}" for told, query in lists.get(path, {}).items()}
    return {"": "", **asked}


def _later(path: str, sizes: dict[str, int]) -> dict[str, str]:
    """The second and the last page of a list; where all stands on one page, that one."""
    lists = {
        "/apis": sizes["apis"] // 50,
        "/apps": sizes["applications"] // 50,
        "/apps/new": sizes["apis"] // 50,
        "/apps/{id}/apis": sizes["apis"] // 50,
        "/apis/{id}/applications": sizes["applications"] // 50,
        "/logs": 10 if sizes["apis"] > 50 else 0,  # noqa: PLR2004 - a page
        "/logs/refusals": 2 if sizes["apis"] > 50 else 0,  # noqa: PLR2004 - likewise
    }
    if path not in lists:
        return {}
    last = lists[path]
    return {" (page 2)": "?page=2" if last > 1 else "", " (last page)": f"?page={last}" if last else ""}


def measure(tenants: dict[str, Tenant]) -> dict[str, dict[str, float]]:
    """Seconds for each page in each tenant: medians, taken in turn."""
    addresses = {size: views(tenant) for size, tenant in tenants.items()}
    seconds: dict[str, dict[str, list[float]]] = {
        name: {size: [] for size in tenants} for name in addresses["small"]
    }
    # Around by around, so that a busy moment of the machine meets each page once.
    for number in range(ROUNDS + 1):
        for name, of in seconds.items():
            for size, tenant in tenants.items():
                taken = ask(tenant, addresses[size][name])
                if number:  # the first one loads what is used
                    of[size].append(taken)
    return {
        name: {size: statistics.median(times) for size, times in of.items()} for name, of in seconds.items()
    }


def ask(tenant: Tenant, address: str) -> float:
    """Seconds for a page."""
    began = time.perf_counter()
    status, body = tenant.page(address)
    taken = time.perf_counter() - began
    if status >= 400:  # noqa: PLR2004 - RFC 9110
        raise SystemExit(f"{address}: {status} {body.decode()[:2000]}")
    return taken


def main() -> None:
    """Build, measure, print, keep."""
    with contextlib.ExitStack() as stack:
        folder = Path(sys.argv[1] if sys.argv[1:] else stack.enter_context(tempfile.TemporaryDirectory()))
        tenants = {}
        for name, size in SIZES.items():
            began = time.perf_counter()
            tenants[name] = stack.enter_context(tenant(folder / name, size))
            print(f"{name}: {size} in {time.perf_counter() - began:.0f} s")
        medians = measure(tenants)
    ratios = {name: median["large"] / median["small"] for name, median in medians.items()}
    over = [name for name, ratio in ratios.items() if ratio > MOST_TIMES]
    for name, median in medians.items():
        mark = " <-- over" if name in over else ""
        times = "  ".join(f"{size} {seconds * 1000:7.1f} ms" for size, seconds in median.items())
        print(f"{name:45} {times}  {ratios[name]:5.1f} x{mark}")
    print(f"over {MOST_TIMES:g} x: {', '.join(over) or 'none'} (of {len(medians)}; medians of {ROUNDS})")
    RESULTS.parent.mkdir(exist_ok=True)
    result = {
        "milliseconds": {
            name: {size: round(seconds * 1000, 1) for size, seconds in median.items()}
            for name, median in medians.items()
        },
        "ratios": {name: round(ratio, 2) for name, ratio in ratios.items()},
        "promised": MOST_TIMES,
        "over": over,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
