"""Budgets: how many tokens a client may take (quotas), and how often it may ask (rate limits).

A budget is of one window of time, a minute, hour or day of UTC, and all processes share it. Each leases a
block of it from the database, spends that block here, and leases again when it is spent. So a budget is
never exceeded; what a process has leased and not spent when the window ends, the others could not spend: at
most a hundredth of the budget each, and nothing of one below 200.

While the database is away nothing can be leased, and nobody is refused for it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from gatewright.server.client import Client
from gatewright.server.errors import StoreUnavailable
from gatewright.server.model import Document
from gatewright.server.store import Store, Transaction
from gatewright.server.store.transaction import Batch
from gatewright.server.tenant import SETTINGS_OPTION

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86400
_WINDOWS: Final = {"per_hour": HOUR, "per_day": DAY}
_BLOCKS: Final = 100
_KEPT: Final = 2 * DAY
_WARNED_AT: Final = (60, 80, 100)  # percent


@dataclass(frozen=True, slots=True)
class Budget:
    """So many units in each window of so many seconds; one that is not enforced only counts."""

    name: str
    owner: str
    limit: int
    seconds: int
    is_enforced: bool = True

    @property
    def bucket(self) -> str:
        """Under what name it is counted."""
        return f"{self.owner}|{self.name}"

    @property
    def block(self) -> int:
        """How much is leased at a time."""
        return max(1, self.limit // _BLOCKS)


@dataclass(frozen=True, slots=True)
class Account:
    """What is left of a budget, and in how many seconds it is whole again."""

    budget: Budget
    remaining: int
    resets_in: int
    resets_at: int


@dataclass(frozen=True, slots=True)
class Spending:
    """The accounts after one unit of each was taken; `refused_by` has none left, and none was taken."""

    accounts: tuple[Account, ...]
    refused_by: Account | None = None
    consumed: tuple["Consumption", ...] = ()


@dataclass(frozen=True, slots=True)
class Consumption:
    """A budget of which so many percent are gone."""

    budget: Budget
    percentage: int
    consumption: int


@dataclass(slots=True)
class _Lease:
    starts_at: int
    ends_at: int
    left: int = 0
    leased: int = 0  # by all processes, as last heard


class Limits:
    """The budgets of this process. For one event loop."""

    def __init__(self, store: Store, *, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._leases: dict[tuple[str, int], _Lease] = {}
        self._leasing = asyncio.Lock()
        self._settings: Document = {}
        self._changes = 1
        self._read_at = 0
        store.on_change(self._notice)

    async def settings(self) -> Document:
        """The tenant's settings as far as somebody set them; read again only after a change."""
        asked_at = self._changes
        if self._read_at != asked_at:
            try:
                stored = await self._store.aread(lambda tx: tx.option(SETTINGS_OPTION))
            except StoreUnavailable:
                return self._settings
            self._settings, self._read_at = stored or {}, asked_at
        return self._settings

    async def spend(self, budgets: Sequence[Budget]) -> Spending:
        """One unit of each budget, or of none when one of them has none left."""
        now = int(self._now())
        consumed: list[Consumption] = []
        while True:
            dry = next((each for each in budgets if not self._lease_of(each, now).left), None)
            if dry is None:
                break
            try:
                granted = await self._lease(dry, now, consumed)
            except StoreUnavailable:
                return Spending(())
            if not granted:
                accounts = self._accounts(budgets, now)
                refused = accounts[list(budgets).index(dry)]
                return Spending(accounts, refused, tuple(consumed))
        for budget in budgets:
            self._lease_of(budget, now).left -= 1
        return Spending(self._accounts(budgets, now), None, tuple(consumed))

    def _lease_of(self, budget: Budget, now: int) -> _Lease:
        starts_at = now - now % budget.seconds
        return self._leases.setdefault(
            (budget.bucket, starts_at), _Lease(starts_at, starts_at + budget.seconds)
        )

    async def _lease(self, budget: Budget, now: int, consumed: list[Consumption]) -> bool:
        """Whether there is something left in the end; requests that come meanwhile share what is leased."""
        async with self._leasing:
            lease = self._lease_of(budget, now)
            if lease.left:
                return True
            if budget.is_enforced and lease.leased >= budget.limit:
                return False  # what was leased in a window never becomes less
            limit = budget.limit if budget.is_enforced else None

            def ask(tx: Transaction) -> tuple[int, int]:
                tx.quotas.forget(before=now - _KEPT)
                return tx.quotas.lease(budget.bucket, lease.starts_at, budget.block, limit=limit)

            granted, leased = await self._store.awrite(ask)
            self._forget(now)
            lease.left += granted
            lease.leased = leased
            consumed += _crossed(budget, leased - granted, leased)
            return granted > 0

    def _accounts(self, budgets: Sequence[Budget], now: int) -> tuple[Account, ...]:
        accounts = []
        for budget in budgets:
            lease = self._lease_of(budget, now)
            remaining = max(0, budget.limit - lease.leased + lease.left)
            accounts.append(Account(budget, remaining, lease.ends_at - now, lease.ends_at))
        return tuple(accounts)

    def _forget(self, now: int) -> None:
        """Windows that ended: there may be as many as there are clients."""
        for place in [place for place, lease in self._leases.items() if lease.ends_at <= now]:
            del self._leases[place]

    def _notice(self, batch: Batch) -> None:
        if batch.changes is None or any(
            (each.kind, each.key) == ("option", SETTINGS_OPTION) for each in batch.changes
        ):
            self._changes += 1


def token_quota(client: Client, settings: Document) -> tuple[Budget, ...]:
    """The quota of a client's tokens: its own, else the tenant's for every client."""
    default = _member(_member(settings, "default_token_quota"), "clients")
    quota = _member(client.document, "token_quota") or default
    limits = _member(quota, "client_credentials")
    owner, is_enforced = f"tokens|{client.client_id}", limits.get("enforce") is not False
    return tuple(
        Budget(name, owner, cast("int", limits[name]), seconds, is_enforced)
        for name, seconds in _WINDOWS.items()
        if limits.get(name) is not None
    )


def rate_limit(door: str, client_id: str, settings: Document) -> tuple[Budget, ...]:
    """How often a client may ask at a door, `token_endpoint` or `management_api`; no limit unless set."""
    per_minute = _member(_member(settings, "rate_limits"), door).get("per_minute")
    if per_minute is None:
        return ()
    return (Budget("per_minute", f"{door}|{client_id}", cast("int", per_minute), MINUTE),)


def rate_limit_headers(spending: Spending) -> dict[str, str]:
    """What SDKs read to know how long to wait; nothing where there is no limit."""
    if not spending.accounts:
        return {}
    account = spending.refused_by or spending.accounts[0]
    headers = {
        "X-RateLimit-Limit": str(account.budget.limit),
        "X-RateLimit-Remaining": str(account.remaining),
        "X-RateLimit-Reset": str(account.resets_at),
    }
    if spending.refused_by is not None:
        headers["Retry-After"] = str(account.resets_in)
    return headers


def quota_header(spending: Spending) -> dict[str, str]:
    """`Auth0-Client-Quota-Limit`, as node-auth0 parses it; nothing where there is no quota."""
    told = [
        f"b={each.budget.name};q={each.budget.limit};r={each.remaining};t={each.resets_in}"
        for each in spending.accounts
    ]
    return {"Auth0-Client-Quota-Limit": ",".join(told)} if told else {}


def _crossed(budget: Budget, before: int, after: int) -> list[Consumption]:
    return [
        Consumption(budget, percent, after)
        for percent in _WARNED_AT
        if before * 100 < percent * budget.limit <= after * 100
    ]


def _member(document: Document | None, name: str) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", (document or {}).get(name) or {})
