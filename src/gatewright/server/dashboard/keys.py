"""The signing keys: a ring for each algorithm, their lives as a timeline, rotation and revocation."""

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from starlette.responses import Response

from gatewright.server.dashboard.operations import Record
from gatewright.server.dashboard.page import Page, Route, part
from gatewright.server.dashboard.plots import Lanes, lanes
from gatewright.server.errors import ApiError

State: TypeAlias = Literal["next", "current", "previous", "revoked"]

ORDER: Final[tuple[State, ...]] = ("next", "current", "previous", "revoked")
MOST_REVOKED: Final = 3
"""As many as Auth0 lists; all are in what the operation answers."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key as the page shows it; times are ISO 8601 or ""."""

    state: State
    kid: str
    since: str
    until: str
    revoked_at: str
    fingerprint: str
    cert: str


@dataclass(frozen=True, slots=True)
class Ring:
    """The keys of one algorithm, those to come first."""

    alg: str
    keys: tuple[Key, ...]
    timeline: Lanes
    left_out: int


async def show_all(page: Page) -> Response:
    """All rings."""
    return await _page(page)


async def rotate(page: Page) -> Response:
    """Next becomes current in every ring, current previous, and a fresh next is announced."""
    try:
        await page.operations.post("keys/signing/rotate")
    except ApiError as refusal:
        return await _page(page, refusal)
    return await page.go("/keys", "Rotated: what was next signs now. Tokens of the old keys stay valid.")


async def show_impact(page: Page) -> Response:
    """What revoking a key would break, before it is done."""
    impact = await page.operations.get(f"keys/signing/{part(page.path['kid'])}/impact")
    return page.render("key_revoke.html", impact=impact)


async def revoke(page: Page) -> Response:
    """Ends a previous key."""
    kid = page.path["kid"]
    try:
        await page.operations.put(f"keys/signing/{part(kid)}/revoke")
    except ApiError as refusal:
        return await _page(page, refusal)
    return await page.go("/keys", f"Revoked {kid}: tokens it signed are refused from now on.")


async def _page(page: Page, refusal: ApiError | None = None) -> Response:
    records: list[Record] = await page.operations.get("keys/signing")
    algorithms = list(dict.fromkeys(record["alg"] for record in reversed(records)))
    now = page.server.now()
    return page.render(
        "keys.html",
        status=200 if refusal is None else refusal.status,
        fault="" if refusal is None else refusal.message,
        rings=[_ring(alg, [each for each in records if each["alg"] == alg], now) for alg in algorithms],
    )


def _ring(alg: str, records: list[Record], now: float) -> Ring:
    # Newest first within a state, as the operation answers them.
    ordered = sorted(records, key=lambda record: ORDER.index(_state(record)))
    revoked = [record for record in ordered if record["revoked"]]
    shown = [record for record in ordered if not record["revoked"]] + revoked[:MOST_REVOKED]
    return Ring(
        alg, tuple(_key(record) for record in shown), lanes(shown, now=now), len(revoked[MOST_REVOKED:])
    )


def _key(record: Record) -> Key:
    def told(name: str) -> str:
        value: Any = record.get(name)
        return str(value) if value else ""

    return Key(
        state=_state(record),
        kid=record["kid"],
        since=told("current_since"),
        until=told("current_until"),
        revoked_at=told("revoked_at"),
        fingerprint=record["fingerprint"],
        cert=record["cert"].replace("\r\n", "\n"),
    )


def _state(record: Record) -> State:
    if record["revoked"]:
        return "revoked"
    return next(state for state in ORDER if record.get(state) is True)


ROUTES = (
    Route("GET", "/keys", show_all),
    Route("POST", "/keys/rotate", rotate, "administrator"),
    Route("GET", "/keys/{kid}/revoke", show_impact, "administrator"),
    Route("POST", "/keys/{kid}/revoke", revoke, "administrator"),
)
