"""A text that would run as script stands in every field that takes it, and every page shows it as text."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gatewright.server.dashboard.app import ROUTES
from gatewright.server.dashboard.page import Route
from gatewright.server.management.client_schema import ClientUpdate
from gatewright.server.management.log_streams import LogStreamPatch
from gatewright.server.management.resource_servers import ResourceServerPatch
from gatewright.server.management.tenant_settings import TenantSettings
from tests.records import refusal
from tests.running import Application
from tests.server.assertions import public_pem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import msgspec
    from playwright.sync_api import BrowserContext, Page

    from tests.running import Caller, ServerProcess

    Places = Mapping[str, Mapping[str, list[str]]]

FIRES = "document.title='fired'"
TAGS = f"<img src=x onerror={FIRES}>'\"><script>{FIRES}</script>"
SHORT = f"<a onfocus={FIRES} autofocus>"
WITHOUT_TAGS = f"\"' autofocus onfocus={FIRES} {{{{7*7}}}}"  # names may have no angle brackets
WORD = "<svg/onload=document.title='fired'>"  # a scope has no blanks and no double quotes
ADDRESS = f"javascript:{FIRES}"
TEXTS = (TAGS, SHORT, WITHOUT_TAGS, WORD, ADDRESS)
SHAPES: tuple[Callable[[str], object], ...] = (
    lambda text: text,
    lambda text: [text],
    lambda text: {text: text},
    lambda text: {"html": text, "enabled": True},
)
KEPT = {"app_type", "grant_types", "token_endpoint_auth_method", "client_secret", "scopes", "sink", "status"}
"""Members that pages depend on, or that are filled otherwise."""

GET_PAGES = sorted(
    row.path for row in ROUTES if isinstance(row, Route) and row.method == "GET" and row.is_page
)
QUERY = urlencode(
    dict.fromkeys(("q", "type", "application", "api", "from", "to", "since", "reason", "open"), TAGS)
    | dict.fromkeys(("edit", "remove", "app", "next", "page", "audience", "show", "live"), TAGS)
)
RUNNING = """() => [...document.querySelectorAll("*")].flatMap(each => [
  ...[...each.attributes].filter(one => one.name.startsWith("on")
    || (["href", "src", "action", "formaction"].includes(one.name) && /^\\s*javascript:/i.test(one.value))),
  ...(each.localName === "script" && !each.src ? [each] : []),
]).map(each => each.outerHTML ?? `${each.name}=${each.value}`)"""


def fill(caller: Caller, path: str, body: type[msgspec.Struct]) -> set[str]:
    """Puts a canary into each member of a record that takes one; their names."""
    taken = set()
    for name in body.__struct_encode_fields__:
        for shape, text in product(SHAPES, TEXTS) if name not in KEPT else ():
            if caller.manage("PATCH", path, json={name: shape(text)}).is_success:
                taken.add(name)
                break
    return taken


@pytest.fixture(scope="module")
def apis(caller: Caller) -> list[dict[str, Any]]:
    """Canaries in everything that an API has."""
    scopes = [{"value": WORD, "description": TAGS}, {"value": "read:blog", "description": SHORT}]
    found = [
        caller.create("resource-servers", identifier=f"urn:{TAGS}", scopes=scopes),
        caller.create("resource-servers", identifier=f"urn:hs:{SHORT}", signing_alg="HS256", scopes=scopes),
        caller.create("resource-servers", identifier=f"urn:bare:{SHORT}", name=WITHOUT_TAGS),
    ]
    taken = fill(caller, f"resource-servers/{found[0]['id']}", ResourceServerPatch)
    assert "name" in taken
    # What demands more of tokens than there is would end them.
    patch = {"proof_of_possession": None, "token_encryption": None}
    caller.update(f"resource-servers/{found[0]['id']}", **patch)
    return found


@pytest.fixture(scope="module")
def applications(caller: Caller, apis: list[dict[str, Any]]) -> list[Application]:
    """Canaries in everything that an application has: one with secrets, one with keys."""
    found = []
    for name in (WITHOUT_TAGS, f"{WITHOUT_TAGS} 2"):
        made = caller.application(name)
        taken = fill(caller, f"clients/{made.client_id}", ClientUpdate)
        assert taken >= {"name", "description", "client_metadata", "callbacks", "logo_uri"}, taken
        for api in apis[:2]:
            caller.authorize(made, api["identifier"], WORD)
        found.append(made)
    path = f"clients/{found[1].client_id}"
    pem = public_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    key = {"credential_type": "public_key", "name": TAGS, "pem": pem}
    key_id = caller.create(f"{path}/credentials", **key)["id"]
    methods = {"private_key_jwt": {"credentials": [{"id": key_id}]}}
    caller.update(path, token_endpoint_auth_method=None, client_authentication_methods=methods)
    caller.manage("POST", f"clients/{found[0].client_id}/secrets")
    return found


@pytest.fixture(scope="module")
def tenant(caller: Caller, apis: list[dict[str, Any]], applications: list[Application]) -> None:
    """Canaries in whatever else there is: settings, streams, roles, users, reports and events."""
    assert {"friendly_name", "support_email"} <= fill(caller, "tenants/settings", TenantSettings)
    sink = {"httpEndpoint": "https://sink.example/", "httpAuthorization": TAGS, "httpContentType": TAGS}
    stream = caller.manage("POST", "log-streams", json={"type": "http", "name": TAGS, "sink": sink}).json()
    assert "name" in fill(caller, f"log-streams/{stream['id']}", LogStreamPatch)
    caller.update(f"log-streams/{stream['id']}", status="paused")
    caller.manage("POST", "roles", json={"name": TAGS, "description": TAGS})
    caller.manage("POST", "users", json={"connection": "c", "email": "a@b.example", "name": TAGS})
    report(caller, apis[0]["identifier"], applications[0].client_id)
    happen(caller, apis[0]["identifier"], applications[0])


def report(caller: Caller, audience: str, client_id: str) -> None:
    """Refusals whose strings are canaries, as far as a report may hold them."""
    rows = [
        refusal(audience, client_id, route=TAGS, missing=["read:blog", WORD]),
        refusal(audience, SHORT, route=f"/{SHORT}", missing=[WORD], enforced=False),
        refusal(audience, client_id, route=TAGS, reason="some_reason", missing=[]),
    ]
    uses = [{"audience": audience, "client_id": client_id, "scope": WORD, "last_used_at": rows[0]["minute"]}]
    assert caller.manage("POST", "guard-reports", json={"refusals": rows, "uses": uses}).is_success


def happen(caller: Caller, audience: str, application: Application) -> None:
    """Events whose strings are canaries: issued, refused, of nobody, and refused entries to the dashboard."""
    caller.http.headers["User-Agent"] = TAGS
    caller.ask_token(application, audience, scope=WORD)
    caller.ask_token(application, f"urn:{TAGS}:unknown", scope=TAGS)
    caller.ask_token(Application(SHORT, TAGS), TAGS)
    caller.http.post("ui/login", data={"name": SHORT, "password": TAGS, "next": ADDRESS})
    caller.manage("PATCH", f"clients/{application.client_id}", json={"description": SHORT})


@pytest.fixture(scope="module")
def places(
    caller: Caller, apis: list[dict[str, Any]], applications: list[Application], tenant: None
) -> Places:
    """For the first part of a path, each value of its parameters that there is."""
    assert tenant is None
    caller.manage("POST", "keys/signing/rotate")
    clients = [each.client_id for each in applications]
    return {
        "apis": {
            "id": [api["id"] for api in apis],
            "client_id": clients,
            "framework": ["fastapi", "express"],
        },
        "apps": {"id": clients},
        "keys": {"kid": [key["kid"] for key in caller.manage("GET", "keys/signing").json()]},
        "logs": {"log_id": [event["log_id"] for event in caller.manage("GET", "logs").json()]},
    }


def addresses(places: Places) -> Iterator[str]:
    """Every page, with every record that it can be about."""
    for path in GET_PAGES:
        values = places.get(path.split("/")[1], {})
        names = re.findall(r"\{(\w+)\}", path)
        for chosen in product(*(values[name] for name in names)):
            known = dict(zip(names, chosen, strict=True))
            yield re.sub(r"\{(\w+)\}", lambda each, known=known: known[each[1]], path)  # type: ignore[misc]  # of a closure


def watched(context: BrowserContext) -> tuple[Page, list[str]]:
    """A page, and what it says that a sound one would not: the policy tells of what it has kept off."""
    page, faults = context.new_page(), list[str]()
    page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
    page.on("dialog", lambda dialog: faults.append(f"{page.url}: a dialog {dialog.message}"))

    def hear(said: Any) -> None:  # noqa: ANN401 - Playwright's
        # Of a page that answers 4xx the browser says so.
        if said.type in {"error", "warning"} and "Failed to load resource" not in said.text:
            faults.append(f"{page.url}: {said.text}")

    page.on("console", hear)
    return page, faults


def look(page: Page, address: str, *, statuses: tuple[int, ...] = (200,)) -> None:
    answer = page.goto(address)
    assert answer is not None
    assert answer.status in statuses, (answer.status, address)
    assert page.locator("h1").count() == 1, address
    assert page.title() not in ("", "fired"), address
    assert page.evaluate(RUNNING) == [], address


def test_no_canary_fires_or_breaks_a_page(
    visitor: Callable[..., BrowserContext], server: ServerProcess, places: Places
) -> None:
    page, faults = watched(visitor())
    page.goto(f"{server.issuer}ui/settings/administrators")
    page.get_by_label("Name").first.fill(SHORT)
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text(f"{SHORT} may enter now").wait_for()
    seen = [f"{server.issuer}ui{address}" for address in addresses(places)]
    for address in seen:
        look(page, address)
    assert len(seen) > len(GET_PAGES)
    assert not faults


def test_no_canary_in_an_address_fires_or_breaks_a_page(
    visitor: Callable[..., BrowserContext], server: ServerProcess, places: Places
) -> None:
    page, faults = watched(visitor())
    one_each = {part: {name: values[:1] for name, values in of.items()} for part, of in places.items()}
    for address in addresses(one_each):
        look(page, f"{server.issuer}ui{address}?{QUERY}", statuses=(200, 400, 404))
    assert not faults


def test_no_canary_fires_in_the_live_log(
    visitor: Callable[..., BrowserContext],
    server: ServerProcess,
    places: Places,
    caller: Caller,
    apis: list[dict[str, Any]],
    applications: list[Application],
) -> None:
    assert places
    page, faults = watched(visitor())
    page.goto(f"{server.issuer}ui/logs?live=1")
    before = page.locator("table.log tbody tr").count()
    happen(caller, apis[0]["identifier"], applications[0])
    page.locator("table.log tbody tr").nth(before + 3).wait_for()
    assert page.title() != "fired"
    assert page.evaluate(RUNNING) == []
    assert not faults
